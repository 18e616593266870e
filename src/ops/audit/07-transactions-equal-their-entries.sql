-- The books did what each transaction says, and nothing else: every entry that moved money under
-- a transaction is one of the legs of its kind and state, and each of those legs stands once.
with leg (kind, states, account, other, sign) as (
  -- States: 1 accepted, 4 waits for the bank, 5 came back from the bank. What was declined
  -- otherwise (2), or waits for the payer's code (3), has moved nothing.
  values
    -- payment
    (1, '{1}'::int[], 'payer',    'payee',     -1),
    (1, '{1}',        'payee',    'payer',      1),
    -- add money: asked, arrived, came back
    (2, '{1,4,5}',    'clearing', 'in',        -1),
    (2, '{1,4,5}',    'in',       'clearing',   1),
    (2, '{1}',        'in',       'payer',     -1),
    (2, '{1}',        'payer',    'in',         1),
    (2, '{5}',        'in',       'clearing',  -1),
    (2, '{5}',        'clearing', 'in',         1),
    -- cash out: asked, arrived, came back
    (3, '{1,4,5}',    'payer',    'out',       -1),
    (3, '{1,4,5}',    'out',      'payer',      1),
    (3, '{1}',        'out',      'clearing',  -1),
    (3, '{1}',        'clearing', 'out',        1),
    (3, '{5}',        'out',      'payer',     -1),
    (3, '{5}',        'payer',    'out',        1),
    -- payment from a bank: asked, arrived, came back
    (4, '{1,4,5}',    'clearing', 'in',        -1),
    (4, '{1,4,5}',    'in',       'clearing',   1),
    (4, '{1}',        'in',       'payee',     -1),
    (4, '{1}',        'payee',    'payer',      1),
    (4, '{5}',        'in',       'clearing',  -1),
    (4, '{5}',        'clearing', 'in',         1)
),
stands as (
  select transaction_id, payer_id, payee_id, kind, amount,
         case when status = 2 and starts_with(decline_reason, 'bank_returned_') then 5
              else status end as state
  from transaction
),
meant as (
  select s.transaction_id, s.kind, leg.sign * s.amount as amount,
         case leg.account
           when 'payer' then s.payer_id
           when 'payee' then s.payee_id
           when 'clearing' then '00000000-0000-7000-8000-000000000001'
           when 'in' then '00000000-0000-7000-8000-000000000002'
           when 'out' then '00000000-0000-7000-8000-000000000003'
         end as account_id,
         case leg.other
           when 'payer' then s.payer_id
           when 'payee' then s.payee_id
           when 'clearing' then '00000000-0000-7000-8000-000000000001'
           when 'in' then '00000000-0000-7000-8000-000000000002'
           when 'out' then '00000000-0000-7000-8000-000000000003'
         end as other_id
  from stands s
  join leg on leg.kind = s.kind and s.state = any(leg.states)
),
-- Both sides in one heap, counted: a join would take an entry that stands twice for one.
counted as (
  select transaction_id, kind, account_id, other_id, amount, 1 as legs, 0 as entries from meant
  union all
  select transaction_id, kind, account_id, other_id, amount, 0, 1
  from entry
  where amount <> 0 and kind <> 5
)
select 'transaction ' || transaction_id as "row",
       'kind ' || kind || ', account ' || account_id || ', amount ' || amount || ' against '
         || other_id || ': entries ' || sum(entries) || ', and it asks for ' || sum(legs) as why
from counted
group by transaction_id, kind, account_id, other_id, amount
having sum(entries) <> sum(legs)
