--! additive
-- A wrong answer that is sent again counts once: whoever retries because no answer came loses no try.

alter table bank_account
  add column micro_tried text[] not null default '{}';  -- wrong answers: cents, ascending, as `11,22`

alter table contact_code
  add column tried bytea[] not null default '{}';  -- keyed digests of what was tried at this code
