-- Money is neither made nor lost: the balances of all accounts sum to zero.
select 'all accounts' as "row", 'their balances sum to ' || sum(balance) || ' cents' as why
from account
having sum(balance) <> 0
