--! additive
-- The auth layer: sessions with what they were begun by, second factors, directories, the OpenID
-- provider's own rows, throttles, and a record of all that happens at the door.

alter table session
  add column client_id        text   not null default 'password',  -- which program; `password` is POST /v1/session
  add column device           text,                                -- what it says it is
  add column network          text,                                -- address, or /64 of IPv6, it began from
  add column methods          text[] not null default '{pwd}',     -- RFC 8176, and rc: see docs/auth.md
  add column authenticated_at timestamptz,                         -- when a factor was last shown; null: at created_at
  add column used_at          timestamptz,                         -- when it was last refreshed
  add column browser_id       text;                                -- the provider's session that it began in

-- A browser, or all but one, was signed out at a time. What was shown there up to then opens nothing
-- more, whatever a request that was under way at that moment writes back.
create table signed_out (
  user_id    uuid        not null,
  browser_id text        not null,  -- the provider's session; empty: all of them
  stays      text,                  -- but this one
  at         timestamptz not null,
  constraint signed_out_pkey primary key (user_id, browser_id)
);

-- Which user somebody else's subject is. The first key column holds issuer and subject, so that it
-- could be distributed by it.
create table identity (
  issuer     text        not null,
  subject    text        not null,  -- never an e-mail address, which its owner can change
  user_id    uuid        not null,
  created_at timestamptz not null,
  constraint identity_pkey primary key (subject, issuer)
);

-- Who has an account in Active Directory. Made before the user commits, and ready after.
create table directory_account (
  user_id    uuid        not null,
  guid       uuid        not null,  -- objectGUID: the one name that never changes
  ready_at   timestamptz,           -- when it was enabled; null: not yet
  created_at timestamptz not null,
  constraint directory_account_pkey primary key (user_id)
);
create index directory_account_by_guid on directory_account (guid);  -- which accounts are nobody's

-- What the built-in directory says of someone beside their password.
create table user_role (
  user_id    uuid        not null,
  role       text        not null check (role in ('support', 'operator')),
  created_at timestamptz not null,
  constraint user_role_pkey primary key (user_id, role)
);

create table passkey (
  user_id       uuid        not null,
  credential_id text        not null,  -- base64url, as the authenticator made it
  public_key    bytea       not null,  -- COSE
  counter       bigint      not null,  -- 0 for authenticators that do not count
  transports    text[]      not null default '{}',
  backed_up     boolean     not null,  -- synced to its owner's other devices
  name          text        not null,
  created_at    timestamptz not null,
  used_at       timestamptz,
  constraint passkey_pkey primary key (user_id, credential_id)
);

-- A user has two at most: the one that is asked for, and one that is to take its place.
create table totp (
  user_id    uuid        not null,
  confirmed  boolean     not null,  -- false: not shown to work yet, and asked of nobody
  sealed     bytea       not null,  -- AES-256-GCM: nonce, ciphertext, tag
  seal_key   text        not null,
  last_step  bigint      not null default 0,  -- RFC 6238: no step is taken twice
  created_at timestamptz not null,  -- when it was begun, or confirmed
  constraint totp_pkey primary key (user_id, confirmed)
);

create table recovery_code (
  user_id    uuid        not null,
  digest     bytea       not null,  -- keyed
  created_at timestamptz not null,
  used_at    timestamptz,
  constraint recovery_code_pkey primary key (user_id, digest)
);

-- What was handed out to be brought back once: a challenge for a passkey, a link that resets a
-- password. Distributed by the digest, for not all of them belong to a known user.
create table auth_ticket (
  digest     bytea       not null,  -- sha256; what was handed out is never stored
  purpose    text        not null,
  user_id    uuid,                  -- null: whoever brings it
  facts      jsonb       not null default '{}',
  expires_at timestamptz not null,
  constraint auth_ticket_pkey primary key (digest)
);
create index auth_ticket_to_erase on auth_ticket (expires_at);
create index auth_ticket_of_user on auth_ticket (user_id, purpose) where user_id is not null;

-- Somebody lost their second factors, and says so. Days pass in which its owner may object.
create table factor_reset (
  user_id  uuid        not null,
  digest   bytea       not null,  -- sha256 of what cancels it
  asked_at timestamptz not null,
  ready_at timestamptz not null,
  constraint factor_reset_pkey primary key (user_id)
);

-- How often something was tried lately: an account, a network, both together.
create table meter (
  name       bytea       not null,  -- sha256, cut to 128 bits
  count      int         not null check (count >= 0),
  most       int         not null,  -- what count may reach; 0: a mark, which counts nothing
  expires_at timestamptz not null,  -- when the window ends, and counting begins anew
  constraint meter_pkey primary key (name)
) with (fillfactor = 70);
create index meter_to_erase on meter (expires_at);

-- All that happened at the door. Who asked for an unknown login has the user id of nobody.
create table auth_event (
  user_id   uuid        not null,
  event_id  uuid        not null,
  at        timestamptz not null,
  kind      text        not null,
  outcome   text        not null check (outcome in ('done', 'refused')),
  client_id text,
  network   text,
  device    text,
  facts     jsonb       not null default '{}',  -- never a secret, never a login in clear
  constraint auth_event_pkey primary key (user_id, event_id)
);
create trigger auth_event_append_only before update or delete or truncate on auth_event
  for each statement execute function refuse_change();

-- Access tokens that end before their time. Servers read what is new several times a second.
create table revocation (
  revocation_id uuid        not null,
  subject       uuid        not null,  -- a session's id; or a user's, for all of theirs
  before        timestamptz not null,  -- tokens that were issued up to here
  revoked_at    timestamptz not null default clock_timestamp(),  -- the database's clock, for whoever reads what is new
  expires_at    timestamptz not null,  -- none of those tokens lives longer
  constraint revocation_pkey primary key (revocation_id)
);
create index revocation_by_time on revocation (revoked_at);

-- The OpenID provider's own: sessions of browsers, grants, codes, refresh tokens, device codes.
create table oidc_payload (
  kind        text        not null,
  id          text        not null,  -- hashed where it is itself what opens a door
  payload     jsonb       not null,
  grant_id    text,
  user_code   text,
  uid         text,
  consumed_at timestamptz,
  expires_at  timestamptz,
  constraint oidc_payload_pkey primary key (kind, id)
);
create index oidc_payload_by_grant on oidc_payload (grant_id) where grant_id is not null;
create index oidc_payload_by_user_code on oidc_payload (user_code) where user_code is not null;
create index oidc_payload_by_uid on oidc_payload (uid) where uid is not null;
create index oidc_payload_by_account on oidc_payload ((payload ->> 'accountId'))
  where kind = 'Session';
create index oidc_payload_to_erase on oidc_payload (expires_at);

-- Whoever comes from an outside issuer may bring neither.
alter table app_user alter column email drop not null;
alter table app_user alter column phone_number drop not null;
