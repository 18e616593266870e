-- What proving bank accounts has cost is what they were sent: each cost was asked for once, by the
-- first link of a number, and is what that link keeps; later ones keep the same. Between booking it
-- and keeping it a job may die: one cost more is booked for each request whose link keeps none yet.
with link as (
  select user_id, bank_account_id, micro_entries_of, micro_amounts_cents as amounts,
         micro_amounts_cents[1] + micro_amounts_cents[2] as cents
  from bank_account
),
asked as (
  select user_id, key_digest from request where action = 'micro_entries'
),
matched as (
  select first.bank_account_id, first.cents as kept, asked.user_id as asked_by, asked.key_digest
  from (
    -- The key of a request of our own is the hash of its step and its subject.
    select user_id, bank_account_id, cents,
           left(encode(sha256('\x00'::bytea || convert_to('micro-entries:' || bank_account_id,
                                                          'UTF8')), 'hex'), 32)::uuid as key_digest
    from link
    where micro_entries_of = bank_account_id
  ) first
  full join asked on asked.user_id = first.user_id and asked.key_digest = first.key_digest
),
booked as (
  select -amount as cents from entry where kind = 5 and amount < 0
),
counted as (
  select cents, 1 as booked, 0 as kept from booked
  union all
  select kept, 0, 1 from matched where kept is not null
)
select 'request of user ' || asked_by || ' for micro-entries' as "row",
       'no link of theirs has its key ' || key_digest as why
from matched
where bank_account_id is null
union all
select 'bank account ' || bank_account_id,
       'it keeps ' || kept || ' cents of micro-entries that were never asked for'
from matched
where asked_by is null and kept is not null
union all
select 'bank account ' || later.bank_account_id,
       'it keeps ' || later.cents || ' cents, and bank account ' || later.micro_entries_of
         || ', which was sent them, ' || coalesce(first.cents || ' cents', 'none')
from link later
left join link first on first.user_id = later.user_id
                    and first.bank_account_id = later.micro_entries_of
                    and first.bank_account_id = first.micro_entries_of
where later.amounts <> first.amounts or (later.amounts is not null and first.amounts is null)
union all
select 'micro-entries of ' || cents || ' cents',
       sum(booked) || ' were booked, and ' || sum(kept) || ' bank accounts keep them'
from counted
group by cents
having sum(kept) > sum(booked)
union all
select 'all micro-entries', booked || ' were booked, and ' || asked || ' asked for'
from (
  select (select count(*) from booked) as booked, (select count(*) from asked) as asked
) total
where booked <> asked
