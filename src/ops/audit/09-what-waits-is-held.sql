-- What an account holds back, and what it is still sending and withdrawing, is exactly what its
-- waiting transactions ask for; and what was sent and withdrawn is what was accepted.
select 'account ' || a.account_id as "row",
       'held ' || a.held || ', sending ' || a.sending || ', withdrawing ' || a.withdrawing
         || ', sent ' || a.sent || ', withdrawn ' || a.withdrawn || '; its transactions say '
         || coalesce(t.held, 0) || ', ' || coalesce(t.sending, 0) || ', '
         || coalesce(t.withdrawing, 0) || ', ' || coalesce(t.sent, 0) || ', '
         || coalesce(t.withdrawn, 0) as why
from account a
left join (
  select payer_id,
         sum(amount) filter (where status = 3 and kind = 1) as held,
         sum(amount) filter (where status in (3, 4) and kind in (1, 4)) as sending,
         sum(amount) filter (where status = 4 and kind = 3) as withdrawing,
         sum(amount) filter (where status = 1 and kind in (1, 4)) as sent,
         sum(amount) filter (where status = 1 and kind = 3) as withdrawn
  from transaction
  group by payer_id
) t on t.payer_id = a.account_id
where (a.held, a.sending, a.withdrawing, a.sent, a.withdrawn)
  is distinct from (coalesce(t.held, 0), coalesce(t.sending, 0), coalesce(t.withdrawing, 0),
                    coalesce(t.sent, 0), coalesce(t.withdrawn, 0))
