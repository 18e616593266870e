--! additive
-- How many wrong codes a user gave for payments, over all of them: who starts payment after payment
-- gets no fresh guesses. Written under the lock of the payer's wallet.

create table code_budget (
  payer_id uuid        not null,
  began_at timestamptz not null,  -- with the first wrong code of 24 hours
  wrong    smallint    not null,  -- different ones, since then
  constraint code_budget_pkey primary key (payer_id)
);
