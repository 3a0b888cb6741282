-- One row per order x model: the session that takes the credit, or none.
with chosen as (
    select order_id, client_id, 'first_click' as model, first_ms as touch_ms from int_touches
    union all
    select order_id, client_id, 'last_click' as model, last_ms as touch_ms from int_touches
),

models as (
    select 'first_click' as model
    union all
    select 'last_click' as model
)

select
    int_orders.order_id as order_id,
    models.model as model,
    int_orders.order_date as order_date,
    int_orders.revenue as revenue,
    int_orders.is_counted as is_counted,
    int_orders.known_is_counted as known_is_counted,
    fct_sessions.session_id as session_id,
    fct_sessions.session_start as touch_at,
    coalesce(fct_sessions.channel, 'Unattributed') as channel,
    fct_sessions.source as source,
    fct_sessions.medium as medium,
    fct_sessions.campaign as campaign
from int_orders
cross join models
left join chosen
    on int_orders.order_id = chosen.order_id and models.model = chosen.model
left join fct_sessions
    on chosen.client_id = fct_sessions.client_id
    and make_timestamp_ms(chosen.touch_ms) = fct_sessions.session_start
where int_orders.is_counted or int_orders.known_is_counted
