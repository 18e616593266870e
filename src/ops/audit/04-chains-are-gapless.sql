-- Every account's entries form a gapless chain: versions 1, 2, 3 …, each balance is the one before
-- plus the amount, times rise, and the running totals never fall.
select 'entry ' || account_id || ' version ' || version as "row",
       case
         when version <> place then 'it is entry number ' || place || ' of its account'
         when balance <> balance_before + amount
           then balance_before || ' plus ' || amount || ' is not its balance of ' || balance
         when at <= at_before then 'it is not later than the entry before'
         when held < 0 then 'it holds less than nothing'
         else 'its running totals fall'
       end as why
from (
  select account_id, version, amount, balance, held, at, sent, withdrawn,
         row_number() over chain as place,
         coalesce(lag(balance) over chain, 0) as balance_before,
         lag(at) over chain as at_before,
         coalesce(lag(sent) over chain, 0) as sent_before,
         coalesce(lag(withdrawn) over chain, 0) as withdrawn_before
  from entry
  window chain as (partition by account_id order by version)
) linked
where version <> place or balance <> balance_before + amount or at <= at_before or held < 0
   or sent < sent_before or withdrawn < withdrawn_before
