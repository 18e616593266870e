-- Each transaction is one that can be: its state is one that its kind comes to, its parties are users,
-- two where people pay and one where their own bank does, and the bank account is its payer's.
with can (kind, states, has_payee, has_bank) as (
  -- 1 accepted, 2 declined, 3 waits for the payer's code, 4 waits for the bank
  values (1, '{1,2,3}'::int[], true, false),   -- payment
         (2, '{1,2,4}', false, true),          -- add money
         (3, '{1,2,4}', false, true),          -- cash out
         (4, '{1,2,3,4}', true, true)          -- payment from a bank
),
judged as (
  select t.transaction_id, t.payer_id,
         case
           when can.kind is null then 'people have no transactions of kind ' || t.kind
           when t.status <> all(can.states)
             then 'kind ' || t.kind || ' is never in state ' || t.status
           when (t.payer_id <> t.payee_id) <> can.has_payee then 'its payee is ' || t.payee_id
           when payer.user_id is null then 'it has no payer'
           when payee.user_id is null then 'its payee ' || t.payee_id || ' is nobody'
           when (t.bank_account_id is not null) <> can.has_bank
             then 'its bank account is ' || coalesce(t.bank_account_id::text, 'none')
           when can.has_bank and b.bank_account_id is null
             then 'bank account ' || t.bank_account_id || ' is not its payer''s'
           when starts_with(t.decline_reason, 'bank_returned_') and not can.has_bank
             then 'no bank had it to send it back'
         end as why
  from transaction t
  left join can on can.kind = t.kind
  left join app_user payer on payer.user_id = t.payer_id
  left join (
    select user_id from app_user
    offset 0  /* which has Citus gather them: a payee lies on another shard than the payer */
  ) payee on payee.user_id = t.payee_id
  left join bank_account b on b.user_id = t.payer_id and b.bank_account_id = t.bank_account_id
)
select 'transaction ' || transaction_id as "row", why || ', and its payer ' || payer_id as why
from judged
where why is not null
