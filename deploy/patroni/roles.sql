-- The role and the database of Farthing. Once, on the primary, by its superuser, as postgres:
--   FARTHING_PASSWORD=… psql -v ON_ERROR_STOP=1 -f roles.sql
-- `farthing` owns its database and nothing else. Patroni has made `replicator` and `rewinder`.

\getenv farthing_password FARTHING_PASSWORD
set password_encryption to 'scram-sha-256';

select 'create role farthing login nosuperuser nocreatedb nocreaterole noreplication connection limit 380'
where not exists (select from pg_roles where rolname = 'farthing') \gexec
alter role farthing password :'farthing_password';

select 'create database farthing owner farthing encoding ''UTF8'' template template0'
where not exists (select from pg_database where datname = 'farthing') \gexec
revoke all on database farthing from public;
