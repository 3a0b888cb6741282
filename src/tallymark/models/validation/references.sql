-- One row per pointer to a session, an order or a client that is not there.
select 'fct_orders.session_id' as reference, fct_orders.order_id as key_value
from fct_orders
left join fct_sessions on fct_orders.session_id = fct_sessions.session_id
where fct_orders.session_id is not null and fct_sessions.session_id is null
union all
select 'fct_attribution.session_id' as reference, fct_attribution.order_id as key_value
from fct_attribution
left join fct_sessions on fct_attribution.session_id = fct_sessions.session_id
where fct_attribution.session_id is not null and fct_sessions.session_id is null
union all
select 'fct_attribution.order_id' as reference, fct_attribution.order_id as key_value
from fct_attribution
left join fct_orders on fct_attribution.order_id = fct_orders.order_id
where fct_orders.order_id is null
