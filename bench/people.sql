-- Users with both contacts proven, each with the same money, which came in from a bank a month ago.
-- That bank account is unlinked, and its number erased.
-- $1 their ids, $2 cents for each, $3 when the first came, $4 ids of bank accounts, $5 of
-- transactions. The chart of accounts stands at zero.
with person as materialized (
  select id, n, 'bench' || n as handle, bank_account_id, transaction_id,
         $3::timestamptz + n * interval '10 microseconds' as asked_at,
         $3::timestamptz + n * interval '10 microseconds' + interval '1 microsecond' as settled_at
  from unnest($1::uuid[], $4::uuid[], $5::uuid[])
       with ordinality as p (id, bank_account_id, transaction_id, n)
),
user_row as (
  insert into app_user (user_id, handle, display_name, email, phone_number, email_verified_at,
                        phone_verified_at, created_at)
  select id, handle, 'Bench ' || n, handle || '@example.com', '+1' || (2000000000 + n),
         asked_at, asked_at, asked_at
  from person
),
name_row as (
  insert into login_name (value, user_id)
  select value, id
  from person, unnest(array[handle, handle || '@example.com', '+1' || (2000000000 + n)]) as value
),
bank_account_row as (
  insert into bank_account (user_id, bank_account_id, bank_name, routing_number, account_type,
                            seal_key, number_digest, last_four, status, micro_entries_of,
                            created_at, disabled_at)
  select id, bank_account_id, 'Sandbox Bank', '222222226', 'checking', 'erased',
         sha256(bank_account_id::text::bytea), '0000', 'disabled', bank_account_id, asked_at,
         settled_at
  from person
),
transaction_row as (
  insert into transaction (transaction_id, payer_id, payee_id, bank_account_id, kind, amount,
                           status, created_at, posted_at)
  select transaction_id, id, id, bank_account_id, 2, $2::bigint, 1, asked_at, settled_at
  from person
),
line as (
  -- asked: the wallet is marked, and the money is on its way
  select id as account_id, 1 as version, transaction_id, asked_at as at, 0 as amount,
         0::bigint as balance, '00000000-0000-7000-8000-000000000002'::uuid as other_id, true as opens
  from person
  union all
  select '00000000-0000-7000-8000-000000000001', n, transaction_id, asked_at, -$2::bigint,
         -n * $2::bigint, '00000000-0000-7000-8000-000000000002', false
  from person
  union all
  select '00000000-0000-7000-8000-000000000002', 2 * n - 1, transaction_id, asked_at, $2::bigint,
         $2::bigint, '00000000-0000-7000-8000-000000000001', false
  from person
  union all
  -- settled: it reaches the wallet
  select '00000000-0000-7000-8000-000000000002', 2 * n, transaction_id, settled_at, -$2::bigint,
         0, id, false
  from person
  union all
  select id, 2, transaction_id, settled_at, $2::bigint, $2::bigint,
         '00000000-0000-7000-8000-000000000002', false
  from person
),
entry_row as (
  insert into entry (account_id, version, transaction_id, at, amount, balance, held, sent,
                     withdrawn, other_id, kind, opens)
  select account_id, version, transaction_id, at, amount, balance, 0, 0, 0, other_id, 2, opens
  from line
),
wallet_row as (
  insert into account (account_id, floor, version, balance, at)
  select id, 'zero', 2, $2::bigint, settled_at from person
)
update account a
set version = last.version, balance = last.balance, at = last.at
from (select distinct on (account_id) account_id, version, balance, at
      from line
      where account_id::text like '00000000-0000-7000-8000-0000000000__'
      order by account_id, version desc) last
where a.account_id = last.account_id
