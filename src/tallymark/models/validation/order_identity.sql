-- One row per order whose status and counting contradict each other.
select order_id
from fct_orders
where is_counted <> (status = 'kept')
    or status not in ('kept', 'test', 'redelivery', 'superseded', 'refund')
    or id_status not in ('unique', 'id_collision', 'conflict')
