-- One row per session whose orders or revenue are not those of its counted orders.
with sold as (
    select session_id, sum(revenue) as revenue, count(*) as orders
    from fct_orders
    where is_counted and session_id is not null
    group by session_id
)

select fct_sessions.session_id as session_id
from fct_sessions
left join sold on fct_sessions.session_id = sold.session_id
where fct_sessions.revenue is null
    or fct_sessions.orders is null
    or fct_sessions.revenue <> coalesce(sold.revenue, 0)
    or fct_sessions.orders <> coalesce(sold.orders, 0)
