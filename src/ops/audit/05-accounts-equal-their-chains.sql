-- The account equals its last entry, and its balance the sum of all of them.
select 'account ' || coalesce(a.account_id, c.account_id) as "row",
       case
         when a.account_id is null then 'it has entries and does not exist'
         when a.version <> coalesce(c.version, 0)
           then 'version ' || a.version || ', and ' || coalesce(c.version, 0) || ' entries'
         when a.balance <> coalesce(c.total, 0)
           then 'balance ' || a.balance || ', and its entries sum to ' || coalesce(c.total, 0)
         else 'it differs from its last entry'
       end as why
from account a
full join (
  select account_id, max(version) as version, sum(amount) as total from entry group by account_id
) c on c.account_id = a.account_id
left join entry e on e.account_id = c.account_id and e.version = c.version
where a.account_id is null
   or a.version <> coalesce(c.version, 0)
   or a.balance <> coalesce(c.total, 0)
   or (a.balance, a.held, a.sent, a.withdrawn)
      is distinct from (coalesce(e.balance, 0), coalesce(e.held, 0), coalesce(e.sent, 0),
                        coalesce(e.withdrawn, 0))
   or (c.version is not null and a.at <> e.at)
