-- No entry without a transaction that says why and is of its kind. A mark, which moves nothing,
-- stands in the payer's wallet only; the note goes with the money to another user. Micro-entries
-- (kind 5) are Farthing's own: no transaction of people, no mark, no note.
select 'entry ' || account_id || ' version ' || version as "row",
       'transaction ' || transaction_id || case
         when kind <> 5 and kind_meant is null then ' does not exist'
         when kind <> kind_meant then ' is of kind ' || kind_meant || ', and this of kind ' || kind
         when is_stray_mark then ' leaves no such mark here'
         else ' has another note for it'
       end as why
from (
  select e.account_id, e.version, e.transaction_id, e.kind, t.kind as kind_meant,
         e.amount = 0 and (e.account_id, e.other_id) is distinct from (t.payer_id, case t.kind
           when 2 then '00000000-0000-7000-8000-000000000002'  -- in transit to us
           when 3 then '00000000-0000-7000-8000-000000000003'  -- in transit to banks
           else t.payee_id
         end) as is_stray_mark,
         e.note is distinct from case
           when e.account_id = t.payee_id and t.kind in (1, 4) and e.amount > 0 then t.note
         end as has_other_note
  from entry e
  left join (
    select transaction_id, payer_id, payee_id, kind, note from transaction
    offset 0  /* which has Citus gather them: most lie on another shard than the entry */
  ) t on t.transaction_id = e.transaction_id
) matched
where (kind <> 5 and kind_meant is null) or kind <> kind_meant or is_stray_mark or has_other_note
