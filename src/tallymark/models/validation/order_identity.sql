-- One row per order whose status, counting and sign contradict each other.
select order_id
from fct_orders
where is_counted <> (status in ('kept', 'refund'))
    or status not in ('kept', 'test', 'redelivery', 'superseded', 'refund')
    or id_status not in ('unique', 'id_collision', 'conflict')
    or (status = 'refund' and (revenue > 0 or session_id is not null))
    or (status = 'kept' and revenue < 0)
