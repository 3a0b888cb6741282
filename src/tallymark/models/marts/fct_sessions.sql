-- One row per session: events of one client without a gap of more than 30 minutes.
with sold as (
    select
        session_id,
        cast(count(*) as integer) as orders,
        cast(sum(revenue) as decimal(18, 4)) as revenue
    from fct_orders
    where is_counted and session_id is not null
    group by session_id
),

first_sessions as (
    select client_id, min(session_start_ms) as first_ms
    from int_sessions
    group by client_id
)

select
    int_sessions.session_id as session_id,
    int_sessions.client_id as client_id,
    dim_persons.person_id as person_id,
    make_timestamp_ms(int_sessions.session_start_ms) as session_start,
    make_timestamp_ms(int_sessions.session_end_ms) as session_end,
    int_sessions.session_date as session_date,
    int_sessions.events as events,
    int_sessions.page_views as page_views,
    int_sessions.add_to_carts as add_to_carts,
    int_sessions.checkouts_started as checkouts_started,
    coalesce(sold.orders, 0) as orders,
    coalesce(sold.revenue, cast(0 as decimal(18, 4))) as revenue,
    int_landings.landing_page as landing_page,
    int_landings.referrer_host as referrer_host,
    int_session_channels.source as source,
    int_session_channels.medium as medium,
    int_session_channels.campaign as campaign,
    int_session_channels.channel as channel,
    int_session_channels.channel_rule as channel_rule,
    coalesce(dim_user_agents.device, 'other') as device,
    coalesce(dim_user_agents.browser, 'other') as browser,
    coalesce(dim_user_agents.os, 'other') as os,
    coalesce(dim_user_agents.is_bot, false) as is_bot,
    coalesce(dim_hosts.is_internal, false) as is_internal,
    int_sessions.session_start_ms = first_sessions.first_ms as is_new_client
from int_sessions
inner join int_landings on int_sessions.session_id = int_landings.session_id
inner join int_session_channels on int_sessions.session_id = int_session_channels.session_id
inner join first_sessions on int_sessions.client_id = first_sessions.client_id
left join dim_persons on int_sessions.client_id = dim_persons.client_id
left join dim_user_agents on int_landings.user_agent = dim_user_agents.user_agent
left join dim_hosts on int_landings.page_host = dim_hosts.page_host
left join sold on int_sessions.session_id = sold.session_id
