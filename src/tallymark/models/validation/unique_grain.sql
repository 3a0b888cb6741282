-- One row per key that stands for more than one row.
select 'fct_sessions' as table_name, session_id as key_value
from fct_sessions
group by session_id
having count(*) > 1
union all
select 'fct_orders' as table_name, order_id as key_value
from fct_orders
group by order_id
having count(*) > 1
union all
select 'fct_attribution' as table_name, concat(order_id, '|', model) as key_value
from fct_attribution
group by order_id, model, touch_number
having count(*) > 1
