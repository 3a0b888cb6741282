-- One row per session: all of `fct_sessions`, and what the daily metrics count besides.
with sold as (
    select
        client_id,
        session_start_ms,
        cast(count(case when is_counted then 1 end) as integer) as orders,
        cast(sum(case when is_counted then revenue else 0 end) as decimal(18, 4)) as revenue,
        min(case when known_is_counted then order_date end) as first_known_date
    from int_orders
    where session_id is not null
    group by client_id, session_start_ms
)

select
    md5(concat(int_landings.client_id, '|', cast(int_landings.session_start_ms as varchar)))
        as session_id,
    int_landings.client_id as client_id,
    dim_persons.person_id as person_id,
    make_timestamp_ms(int_landings.session_start_ms) as session_start,
    make_timestamp_ms(int_landings.session_end_ms) as session_end,
    cast((
        int_landings.session_end_ms - int_landings.session_start_ms
        - (int_landings.session_end_ms - int_landings.session_start_ms) % 1000
    ) / 1000 as integer) as duration_seconds,
    int_landings.session_date as session_date,
    int_landings.events as events,
    int_landings.page_views as page_views,
    int_landings.add_to_carts as add_to_carts,
    int_landings.checkouts_started as checkouts_started,
    coalesce(sold.orders, 0) as orders,
    coalesce(sold.revenue, cast(0 as decimal(18, 4))) as revenue,
    int_landings.landing_page as landing_page,
    int_landings.referrer_host as referrer_host,
    dim_traffic.source as source,
    dim_traffic.medium as medium,
    dim_traffic.campaign as campaign,
    dim_traffic.channel as channel,
    case
        when int_inherited.landing_event_id is not null then 'previous_channel'
        else dim_traffic.rule
    end as channel_rule,
    coalesce(dim_user_agents.device, 'other') as device,
    coalesce(dim_user_agents.browser, 'other') as browser,
    coalesce(dim_user_agents.os, 'other') as os,
    coalesce(dim_user_agents.is_bot, false) as is_bot,
    coalesce(dim_hosts.is_internal, false) or int_landings.is_marked as is_internal,
    int_landings.is_new_client as is_new_client,
    int_landings.landing_seen as landing_seen,
    int_landings.is_tagged as is_tagged,
    int_landings.click_id_kind is not null as is_clicked,
    int_landings.click_id_kind as click_id_kind,
    int_landings.known_carted as known_carted,
    int_landings.known_checked_out as known_checked_out,
    case when sold.first_known_date = int_landings.session_date then 1 else 0 end
        as known_ordered,
    int_landings.first_view_ms as first_view_ms,
    int_landings.landing_event_id as landing_event_id
from int_landings
left join int_inherited on int_landings.landing_event_id = int_inherited.landing_event_id
inner join dim_traffic
    on coalesce(int_inherited.traffic_key, int_landings.traffic_key) = dim_traffic.traffic_key
left join dim_persons on int_landings.client_id = dim_persons.client_id
left join dim_user_agents on int_landings.agent_id = dim_user_agents.agent_id
left join dim_hosts on int_landings.page_host = dim_hosts.page_host
left join sold
    on int_landings.client_id = sold.client_id
    and int_landings.session_start_ms = sold.session_start_ms
