-- A past for users who have two entries each: one payment an hour to or from another one, back and
-- forth. $1 their ids (an even number), $2 payments of each, $3 cents a payment, $4 when it began.
-- Users stand in two rows; in odd hours the first row pays the second, in even hours it is paid.
-- Whom one pays shifts by one place each hour.
with person as materialized (
  select id, (n - 1) / 2 as place, (n - 1) % 2 = 0 as first
  from unnest($1::uuid[]) with ordinality as p (id, n)
),
meeting as materialized (
  select h.hour, f.id as first_id, s.id as second_id, h.hour % 2 = 1 as first_pays,
         $4::timestamptz + h.hour * interval '1 hour' + f.place * interval '1 microsecond' as at,
         uuidv7($4::timestamptz - now() + h.hour * interval '1 hour') as transaction_id
  from generate_series(1, $2::int) as h (hour)
  cross join person f
  join person s on not s.first and s.place = (f.place + h.hour) % (cardinality($1::uuid[]) / 2)
  where f.first
),
transaction_row as (
  insert into transaction (transaction_id, payer_id, payee_id, kind, amount, status, note,
                           created_at, posted_at)
  select transaction_id, case when first_pays then first_id else second_id end,
         case when first_pays then second_id else first_id end, 1, $3::bigint, 1,
         'Thanks for lunch', at, at
  from meeting
),
payee_row as (
  insert into payee (user_id, payee_id)
  select distinct case when first_pays then first_id else second_id end,
         case when first_pays then second_id else first_id end
  from meeting
),
line as materialized (
  select first_id as account_id, second_id as other_id, hour, transaction_id, at,
         case when first_pays then -$3::bigint else $3::bigint end as amount,
         -- after it: one payment down in odd hours, and as at the start in even ones
         case when first_pays then -$3::bigint else 0 end as moved,
         (hour + 1) / 2 * $3::bigint as sent,
         case when first_pays then null else 'Thanks for lunch' end as note
  from meeting
  union all
  select second_id, first_id, hour, transaction_id, at,
         case when first_pays then $3::bigint else -$3::bigint end,
         case when first_pays then $3::bigint else 0 end,
         hour / 2 * $3::bigint,
         case when first_pays then 'Thanks for lunch' end
  from meeting
),
entry_row as (
  insert into entry (account_id, version, transaction_id, at, amount, balance, held, sent,
                     withdrawn, other_id, kind, opens, note)
  select l.account_id, 2 + l.hour, l.transaction_id, l.at, l.amount, a.balance + l.moved, 0, l.sent,
         0, l.other_id, 1, true, l.note
  from line l
  join account a on a.account_id = l.account_id
)
update account a
set version = 2 + l.hour, balance = a.balance + l.moved, sent = l.sent, at = l.at
from line l
where a.account_id = l.account_id and l.hour = $2::int
