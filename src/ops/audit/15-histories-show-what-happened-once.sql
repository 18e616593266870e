-- People see each of their transactions once and in its place: the payer by the first entry that it
-- left in their wallet, at the times of its first and last, who was paid by the entry that paid
-- them. Nobody else sees it.
with shown as (
  select transaction_id, payer_id as account_id, 1 as places, created_at, posted_at,
         0 as openings, null::timestamptz as at, null::timestamptz as opened_at
  from transaction
  union all
  select transaction_id, payee_id, 1, null, null, 0, null, null
  from transaction
  where kind in (1, 4) and status = 1
  union all
  select transaction_id, account_id, 0, null, null, opens::int, at, case when opens then at end
  from entry
)
select 'transaction ' || transaction_id as "row",
       'account ' || account_id || case
         when sum(openings) <> sum(places)
           then ' shows it ' || sum(openings) || ' times, and should ' || sum(places) || ' times'
         when min(opened_at) <> min(at) then ' does not show it by its first entry'
         else ' has its entries from ' || min(at) || ' to ' || max(at) || ', and it says '
           || min(created_at) || ' to ' || min(posted_at)
       end as why
from shown
group by transaction_id, account_id
having sum(openings) <> sum(places)
    or min(opened_at) <> min(at)
    or min(at) <> min(created_at)
    or max(at) <> min(posted_at)
