-- Every user has a wallet with floor zero, and every account is a user's wallet or in the chart.
select 'user ' || u.user_id as "row", 'no wallet with floor zero' as why
from app_user u
left join account a on a.account_id = u.user_id and a.floor = 'zero'
where a.account_id is null
union all
select 'account ' || a.account_id, 'it belongs to no user'
from account a
left join app_user u on u.user_id = a.account_id
where u.user_id is null and a.account_id::text not like '00000000-0000-7000-8000-0000000000__'
