-- No account falls below its floor at any version, what is held counted.
select 'entry ' || e.account_id || ' version ' || e.version as "row",
       'balance ' || e.balance || ' less held ' || e.held || ' is below zero' as why
from entry e
join account a on a.account_id = e.account_id
where a.floor = 'zero' and e.balance < e.held
union all
select 'account ' || account_id,
       'balance ' || balance || ' less held ' || held || ' is below zero'
from account
where floor = 'zero' and balance < held
