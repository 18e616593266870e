-- One request, one effect: a request for money names the transaction that came of it, which is its
-- caller's, and no other request for money names it.
select 'request of user ' || r.user_id || ' for '
         || coalesce('transaction ' || r.subject_id, 'no transaction') as "row",
       case when count(t.transaction_id) = 0 then 'that transaction does not exist'
            else count(*) || ' requests made it' end as why
from request r
left join transaction t on t.transaction_id = r.subject_id and t.payer_id = r.user_id
where r.action = 'transaction.create'
group by r.user_id, r.subject_id
having count(t.transaction_id) <> 1
