-- No money moves without a transaction that says why. Micro-entries (kind 5) are Farthing's own.
select 'entry ' || e.account_id || ' version ' || e.version as "row",
       'transaction ' || e.transaction_id || ' does not exist' as why
from entry e
left join transaction t on t.transaction_id = e.transaction_id
where e.kind <> 5 and t.transaction_id is null
