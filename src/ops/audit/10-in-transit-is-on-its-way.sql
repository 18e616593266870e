-- What stands in the two accounts of money in transit is what waits for the bank.
select 'account ' || a.account_id as "row",
       'balance ' || a.balance || ', and ' || coalesce(t.amount, 0) || ' waits for the bank' as why
from account a
left join (
  select case when kind = 3 then '00000000-0000-7000-8000-000000000003'
              else '00000000-0000-7000-8000-000000000002' end::uuid as account_id,
         sum(amount) as amount
  from transaction
  where status = 4
  group by 1
) t on t.account_id = a.account_id
where a.account_id in ('00000000-0000-7000-8000-000000000002',
                       '00000000-0000-7000-8000-000000000003')
  and a.balance <> coalesce(t.amount, 0)
