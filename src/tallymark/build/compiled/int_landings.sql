-- One row per session: where and how it began, and the key under which that is classified.
with landings as (
    select
        int_sessions.landing_event_id as landing_event_id,
        landed_urls.client_id as client_id,
        int_sessions.session_start_ms as session_start_ms,
        int_sessions.session_end_ms as session_end_ms,
        landed_urls.event_date as session_date,
        landed_urls.step = 'page_view' as landing_seen,
        int_sessions.is_new_client as is_new_client,
        int_sessions.events as events,
        int_sessions.page_views as page_views,
        int_sessions.add_to_carts as add_to_carts,
        int_sessions.checkouts_started as checkouts_started,
        case when int_sessions.first_cart_date = landed_urls.event_date then 1 else 0 end
            as known_carted,
        case when int_sessions.first_checkout_date = landed_urls.event_date then 1 else 0 end
            as known_checked_out,
        int_sessions.first_view_ms as first_view_ms,
        landed_urls.is_marked as is_marked,
        landed_urls.bare_url as landing_page,
        landed_urls.page_host as page_host,
        landed_urls.referrer_collected as referrer_collected,
        dim_user_agents.agent_id as agent_id,
        landed_urls.utm_source as utm_source,
        landed_urls.utm_medium as utm_medium,
        landed_urls.utm_campaign as utm_campaign,
        landed_urls.click_id_kind as click_id_kind,
        landed_urls.partner as partner,
        landed_urls.referrer_host as referrer_host
    from landed_urls
    inner join int_sessions on landed_urls.event_id = int_sessions.landing_event_id
    left join dim_user_agents on landed_urls.user_agent = dim_user_agents.user_agent
)

select
    landing_event_id,
    client_id,
    session_start_ms,
    session_end_ms,
    session_date,
    landing_seen,
    is_new_client,
    events,
    page_views,
    add_to_carts,
    checkouts_started,
    known_carted,
    known_checked_out,
    first_view_ms,
    is_marked,
    landing_page,
    page_host,
    referrer_collected,
    agent_id,
    utm_source,
    utm_medium,
    utm_campaign,
    click_id_kind,
    partner,
    referrer_host,
    key_of(concat(
        coalesce(utm_source, '~'), '|', coalesce(utm_medium, '~'), '|',
        coalesce(utm_campaign, '~'), '|', coalesce(click_id_kind, '~'), '|',
        coalesce(partner, '~'), '|', coalesce(referrer_host, '~'), '|',
        coalesce(page_host, '~'), '|', case when landing_seen then 'y' else 'n' end, '|',
        case when referrer_collected then 'y' else 'n' end
    )) as traffic_key,
    coalesce(utm_source, utm_medium, utm_campaign) is not null as is_tagged
from landings
