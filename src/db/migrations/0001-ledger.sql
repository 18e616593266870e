--! additive
-- The books. All amounts are whole US cents; plus is what Farthing owes the account's holder.
-- Every table starts its key with an account's or a user's id: that id is what Citus would
-- distribute by. A user's wallet is the account whose id is the user's id.

create table account (
  account_id   uuid        not null,
  floor        text        not null check (floor in ('zero', 'none')),
  state        text        not null default 'open' check (state in ('open', 'blocked', 'closed')),
  version      bigint      not null default 0 check (version >= 0),  -- its entries so far
  balance      bigint      not null default 0,                       -- as after its last entry
  held         bigint      not null default 0 check (held >= 0),     -- reserved out of the balance
  sent         bigint      not null default 0 check (sent >= 0),     -- all that ever left to other users
  withdrawn    bigint      not null default 0 check (withdrawn >= 0),   -- all that ever left to banks
  sending      bigint      not null default 0 check (sending >= 0),     -- waits to become sent
  withdrawing  bigint      not null default 0 check (withdrawing >= 0), -- waits to become withdrawn
  at           timestamptz not null,                                 -- of the last entry
  constraint account_pkey primary key (account_id),
  constraint account_keeps_floor check (floor = 'none' or balance >= held),
  constraint account_in_range check (balance between -9007199254740991 and 9007199254740991)
) with (fillfactor = 50);  -- room for heap-only updates: no index names a column that changes

-- An account's chain: version 1, 2, 3 … without a gap. An entry without money (amount and held
-- unchanged) marks an attempt that was declined or is on its way: it has its place in time too.
create table entry (
  account_id     uuid        not null,
  version        bigint      not null check (version > 0),
  transaction_id uuid        not null,
  at             timestamptz not null,    -- strictly later than the entry before
  amount         bigint      not null,    -- cents; plus credits the account, minus debits it
  balance        bigint      not null,    -- after this entry
  held           bigint      not null,    -- after this entry
  sent           bigint      not null,    -- after this entry
  withdrawn      bigint      not null,    -- after this entry
  other_id       uuid        not null,    -- the account on the other side
  kind           smallint    not null,    -- 1 payment, 2 add money, 3 cash out, 4 payment from a bank, 5 micro-entries
  opens          boolean     not null,    -- the first of its transaction on this chain: the one that people see
  note           text,                    -- on the receiving side, so that its history needs no other shard
  constraint entry_pkey primary key (account_id, version),
  constraint entry_moves_between_two check (account_id <> other_id)
);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger entry_append_only before update or delete or truncate on entry
  for each statement execute function refuse_change();
