--! additive
-- Who they are, how they sign in, and where messages to them go.

create table app_user (
  user_id           uuid        not null,
  handle            text        not null,
  display_name      text        not null,
  email             text        not null,
  phone_number      text        not null,  -- E.164
  debit_card_id     text,
  status            text        not null default 'active' check (status in ('active', 'frozen', 'closed')),
  email_verified_at timestamptz,
  phone_verified_at timestamptz,
  email_before      text,                  -- proven before this one; trusted until this one has long been proven
  created_at        timestamptz not null,
  constraint app_user_pkey primary key (user_id)
);

-- E-mail addresses hold an @, phone numbers begin with a +, handles do neither: one name space,
-- unique by value, in a table that would be distributed by that value.
create table login_name (
  value   text not null,  -- normal form
  user_id uuid not null,
  constraint login_name_pkey primary key (value)
);

create table credential (
  user_id    uuid        not null,
  phc        text        not null,  -- argon2id in the PHC string format
  changed_at timestamptz not null,
  constraint credential_pkey primary key (user_id)
);

create table session (
  user_id    uuid        not null,
  session_id uuid        not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,  -- absolute: refreshing does not move it
  revoked_at timestamptz,
  constraint session_pkey primary key (user_id, session_id)
);

create table refresh_token (
  user_id    uuid        not null,
  digest     bytea       not null,  -- sha256; the token itself is never stored
  session_id uuid        not null,
  created_at timestamptz not null,
  used_at    timestamptz,
  constraint refresh_token_pkey primary key (user_id, digest)
);

-- One row for each channel of a user, which outlives the code: it counts what a day may hold.
create table contact_code (
  user_id        uuid        not null,
  channel        text        not null check (channel in ('email', 'phone')),
  recipient      text        not null,  -- the address it proves
  digest         bytea       not null,  -- keyed
  attempts       smallint    not null default 0,  -- at this code
  expires_at     timestamptz not null,  -- at once, when it was used
  day_began_at   timestamptz not null,  -- with the first code of 24 hours
  codes_today    smallint    not null default 1,
  attempts_today smallint    not null default 0,
  constraint contact_code_pkey primary key (user_id, channel)
);

-- The development mailbox. Filled in development only.
create table message (
  user_id    uuid        not null,
  message_id uuid        not null,
  channel    text        not null check (channel in ('email', 'phone')),
  recipient  text        not null,
  subject    text        not null,
  body       text        not null,
  created_at timestamptz not null,
  constraint message_pkey primary key (user_id, message_id)
);
create index message_by_recipient on message (recipient, created_at desc);
