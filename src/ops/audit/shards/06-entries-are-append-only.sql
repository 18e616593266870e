-- Entries are append-only: the database itself refuses to change or delete one, on every shard.
select 'shard ' || shardid || ' of entry' as "row",
       'the trigger entry_append_only is missing or switched off' as why
from run_command_on_shards('entry', $$
  select count(*) from pg_trigger
  where tgrelid = '%s'::regclass and starts_with(tgname, 'entry_append_only')
    and tgenabled in ('O', 'A')
$$)
where not success or result <> '1'
union all
select 'table entry', 'the trigger entry_append_only is missing or switched off'
where not exists (
  select from pg_trigger
  where tgrelid = 'entry'::regclass and tgname = 'entry_append_only' and tgenabled in ('O', 'A')
)
