--! additive
-- What people see of money that moves, and which request caused it.

-- Distributed by payer_id, the user who asked. The id comes first in the key because ids rise with
-- time: new rows go to the right edge of the index, and a look-up needs no payer.
create table transaction (
  transaction_id  uuid        not null,
  payer_id        uuid        not null,
  payee_id        uuid        not null,  -- the wallet that receives, or the payer's own
  bank_account_id uuid,                  -- of the payer, when a bank is one side
  kind            smallint    not null check (kind between 1 and 5),  -- as in entry
  amount          bigint      not null check (amount between 1 and 9999999999),  -- cents
  status          smallint    not null check (status between 1 and 4),  -- 1 accepted, 2 declined, 3 waits for the payer's code, 4 for the bank
  decline_reason  text,
  note            text,
  created_at      timestamptz not null,  -- when it was asked: its place in the payer's history
  posted_at       timestamptz not null,  -- when the money last moved; created_at until then
  until           timestamptz,           -- held: when it expires; in transit: when it should arrive
  constraint transaction_pkey primary key (transaction_id, payer_id),
  constraint transaction_declined_says_why check ((status = 2) = (decline_reason is not null))
);

-- What waits, for the sweep that finds what a lost job has left behind.
create index transaction_waiting on transaction (posted_at) where status in (3, 4);

-- One request, one effect. Kept for ever: a retry after a year finds its answer.
create table request (
  user_id        uuid        not null,
  key_digest     uuid        not null,  -- sha256 of the Idempotency-Key, cut to 128 bits
  request_digest uuid        not null,  -- keyed hash of what was asked, cut to 128 bits
  action         text        not null,
  subject_id     uuid,                  -- the transaction, bank account or user that came of it
  created_at     timestamptz not null,
  constraint request_pkey primary key (user_id, key_digest)
);

-- Whom a user has paid before.
create table payee (
  user_id  uuid not null,
  payee_id uuid not null,
  constraint payee_pkey primary key (user_id, payee_id)
);

-- A transaction that waits for its payer's code. The code is derived from a key, and stands nowhere.
create table verification (
  payer_id       uuid        not null,
  transaction_id uuid        not null,
  tried          bytea[]     not null default '{}',  -- keyed digests of the codes that were tried
  expires_at     timestamptz not null,
  constraint verification_pkey primary key (payer_id, transaction_id)
);
