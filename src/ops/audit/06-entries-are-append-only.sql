-- Entries are append-only: the database itself refuses to change or delete one.
select 'table entry' as "row", 'the trigger entry_append_only is missing or switched off' as why
where not exists (
  select from pg_trigger
  where tgrelid = 'entry'::regclass and tgname = 'entry_append_only' and tgenabled in ('O', 'A')
)
