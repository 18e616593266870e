-- Every user has a wallet with floor zero, and every account is a user's wallet or in the chart,
-- with the floor that the chart gives it.
with chart (account_id, floor) as (
  values ('00000000-0000-7000-8000-000000000001'::uuid, 'none'),  -- bank clearing
         ('00000000-0000-7000-8000-000000000002', 'zero'),        -- in transit to us
         ('00000000-0000-7000-8000-000000000003', 'zero'),        -- in transit to banks
         ('00000000-0000-7000-8000-000000000004', 'zero'),        -- fees
         ('00000000-0000-7000-8000-000000000005', 'none')         -- micro-entries
)
select 'user ' || u.user_id as "row", 'no wallet with floor zero' as why
from app_user u
left join account a on a.account_id = u.user_id and a.floor = 'zero'
where a.account_id is null
union all
select 'account ' || a.account_id, 'it belongs to no user'
from account a
left join app_user u on u.user_id = a.account_id
left join chart c on c.account_id = a.account_id
where u.user_id is null and c.account_id is null
union all
select 'account ' || a.account_id, 'floor ' || a.floor || ', and the chart says ' || c.floor
from account a
join chart c on c.account_id = a.account_id
where a.floor <> c.floor
