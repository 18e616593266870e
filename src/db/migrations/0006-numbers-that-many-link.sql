--! additive
-- How often a bank account number was sent micro-entries, whoever linked it: who opens user after
-- user gets no fresh guesses at it. Distributed by the digest, which belongs to no user.

create table bank_number (
  number_digest bytea       not null,  -- keyed, as in bank_account
  began_at      timestamptz not null,  -- with the first pair of 30 days
  pairs         smallint    not null,  -- since then
  constraint bank_number_pkey primary key (number_digest)
);
