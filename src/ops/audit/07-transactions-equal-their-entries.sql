-- What people see is what the books say: each transaction moved its amount in the wallets of its
-- parties, or nothing, by its kind (1 payment, 2 add money, 3 cash out, 4 payment from a bank) and
-- its status (1 accepted, 2 declined, 3 waits for the payer's code, 4 waits for the bank).
with moved as (
  select transaction_id, account_id, sum(amount) as amount,
         count(*) filter (where opens) as openings
  from entry
  group by transaction_id, account_id
),
meant as (
  select t.transaction_id, t.payer_id, t.payee_id, t.kind, t.status, t.amount,
         case
           when t.kind = 1 and t.status = 1 then -t.amount
           when t.kind = 2 and t.status = 1 then t.amount
           when t.kind = 3 and t.status in (1, 4) then -t.amount
           else 0
         end as payer_moves,
         case when t.kind in (1, 4) and t.status = 1 then t.amount else 0 end as payee_moves
  from transaction t
)
select 'transaction ' || m.transaction_id as "row",
       'kind ' || m.kind || ', status ' || m.status || ', amount ' || m.amount
         || ': its payer''s wallet moved ' || coalesce(payer.amount::text, 'not at all')
         || ', its payee''s ' || coalesce(payee.amount::text, 'not at all') as why
from meant m
left join moved payer on payer.transaction_id = m.transaction_id and payer.account_id = m.payer_id
left join moved payee on payee.transaction_id = m.transaction_id and payee.account_id = m.payee_id
                     and m.payee_id <> m.payer_id
where payer.amount is distinct from m.payer_moves
   or coalesce(payee.amount, 0) <> m.payee_moves
   or payer.openings <> 1
   or (m.payee_moves <> 0 and payee.openings is distinct from 1)
