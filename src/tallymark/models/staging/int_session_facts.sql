-- One row per session: what the daily metrics count, in full and as known by the end of its day.
with known_orders as (
    select
        session_id,
        order_date,
        count(*) as orders
    from int_orders
    where known_is_counted and session_id is not null
    group by session_id, order_date
)

select
    fct_sessions.session_id as session_id,
    fct_sessions.session_date as date,
    fct_sessions.client_id as client_id,
    fct_sessions.channel as channel,
    fct_sessions.device as device,
    not fct_sessions.is_bot and not fct_sessions.is_internal as is_counted,
    case when fct_sessions.is_new_client then 1 else 0 end as is_new,
    case when fct_sessions.add_to_carts > 0 then 1 else 0 end as carted,
    case when fct_sessions.checkouts_started > 0 then 1 else 0 end as checked_out,
    case when fct_sessions.orders > 0 then 1 else 0 end as ordered,
    case when int_sessions.known_add_to_carts > 0 then 1 else 0 end as known_carted,
    case when int_sessions.known_checkouts_started > 0 then 1 else 0 end as known_checked_out,
    case when known_orders.orders is not null then 1 else 0 end as known_ordered,
    case when int_sessions.landing_step = 'page_view' then 1 else 0 end as landed,
    case
        when int_sessions.landing_step = 'page_view' and int_landings.referrer_host is not null
            then 1 else 0
    end as referred,
    case
        when int_landings.utm_source is not null or int_landings.utm_medium is not null
            or int_landings.utm_campaign is not null then 1 else 0
    end as tagged,
    case when int_landings.click_id_kind is not null then 1 else 0 end as clicked
from fct_sessions
inner join int_sessions on fct_sessions.session_id = int_sessions.session_id
inner join int_landings on fct_sessions.session_id = int_landings.session_id
left join known_orders
    on fct_sessions.session_id = known_orders.session_id
    and fct_sessions.session_date = known_orders.order_date
