-- Money is neither made nor lost: the entries of each transaction sum to zero.
select 'transaction ' || transaction_id as "row",
       'its entries sum to ' || sum(amount) || ' cents' as why
from entry
group by transaction_id
having sum(amount) <> 0
