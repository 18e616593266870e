--! additive
-- What the strict cache goes by: docs/cache.md. Set REDIS_URL only when no process of an older
-- version runs any more: those write without a fence.

set local lock_timeout = '2s';

-- One row for the whole installation. No lease is valid while it is `off`; while it is `closing`,
-- some may still be, for as long as a lease lives.
create table cache_epoch (
  only_row   boolean     not null default true check (only_row),
  number     bigint      not null check (number >= 0),  -- rises with each epoch that is opened
  tag        text        not null,                      -- its name in Redis: never used again
  state      text        not null check (state in ('off', 'closing', 'on')),
  reign      text        not null,                      -- the one Redis it belongs to, and its mastership
  why        text        not null,                      -- for operators: what made it as it is
  changed_at timestamptz not null default now(),        -- for operators: nothing goes by it
  constraint cache_epoch_pkey primary key (only_row)
);
insert into cache_epoch (number, tag, state, reign, why) values (0, '0', 'off', '', 'never opened');

-- Rises with each change of what a user sees of themselves that leaves their wallet's version as it
-- was: profile, contacts, status, bank accounts.
alter table app_user add column view_version bigint not null default 0;
