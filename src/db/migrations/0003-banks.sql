--! additive

create table bank_account (
  user_id             uuid        not null,
  bank_account_id     uuid        not null,
  bank_name           text        not null,
  bank_phone_number   text,
  bank_email          text,
  routing_number      text        not null,
  account_type        text        not null check (account_type in ('checking', 'savings')),
  sealed_number       bytea,                 -- AES-256-GCM: nonce, ciphertext, tag; null once erased
  seal_key            text        not null,  -- which key sealed it
  number_digest       bytea       not null,  -- keyed hash of routing and account number, to find duplicates
  last_four           text        not null,
  status              text        not null check (status in ('pending_verification', 'verified', 'disabled')),
  micro_entries_of    uuid        not null,  -- the link of this number whose micro-entries count: its own, or an earlier one
  micro_amounts_cents int[],                 -- the two that were sent, ascending
  micro_attempts      smallint    not null default 0,  -- wrong answers
  created_at          timestamptz not null,
  disabled_at         timestamptz,
  constraint bank_account_pkey primary key (user_id, bank_account_id),
  constraint bank_account_disabled_since check ((status = 'disabled') = (disabled_at is not null)),
  constraint bank_account_keeps_number check (sealed_number is not null or status = 'disabled')
);
create unique index bank_account_once on bank_account (user_id, number_digest) where status <> 'disabled';
create index bank_account_by_time on bank_account (user_id, created_at desc, bank_account_id desc);
create index bank_account_to_erase on bank_account (disabled_at)
  where status = 'disabled' and sealed_number is not null;

-- The sandbox bank's own books: what it was told to move, and how that ends.
create table sandbox_transfer (
  instruction_id uuid        not null,
  direction      text        not null check (direction in ('debit', 'credit')),
  amount         bigint      not null check (amount > 0),  -- cents
  routing_number text        not null,
  last_four      text        not null,
  content_digest bytea       not null,                     -- keyed hash of all that the instruction says
  return_code    text,                                     -- Nacha, for one that will come back
  settles_at     timestamptz not null,
  constraint sandbox_transfer_pkey primary key (instruction_id)
);
