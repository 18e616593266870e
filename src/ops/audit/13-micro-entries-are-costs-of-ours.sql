-- Micro-entries (kind 5) touch no wallet: each is a cost of Farthing's own of two amounts under a
-- dollar, out of the account of micro-entries and into the bank's.
with pair (account_id, other_id, sign) as (
  values ('00000000-0000-7000-8000-000000000005'::uuid,
          '00000000-0000-7000-8000-000000000001'::uuid, -1),
         ('00000000-0000-7000-8000-000000000001',
          '00000000-0000-7000-8000-000000000005', 1)
)
select 'transaction ' || e.transaction_id as "row",
       'micro-entries that are not one cost of 2 to 198 cents: '
         || string_agg('account ' || e.account_id || ' ' || e.amount, ', ' order by e.amount) as why
from entry e
left join pair on pair.account_id = e.account_id and pair.other_id = e.other_id
              and e.amount * pair.sign between 2 and 198
where e.kind = 5
group by e.transaction_id
having count(*) <> 2 or count(distinct pair.account_id) <> 2 or bool_or(e.opens)
