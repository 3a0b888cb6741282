-- One row per session: where and how it began, and the key under which that is classified.
select
    int_sessions.session_id as session_id,
    int_sessions.client_id as client_id,
    int_sessions.session_start_ms as session_start_ms,
    landed.page_url as landing_page,
    landed.page_host as page_host,
    landed.referrer as referrer,
    landed.referrer_host as referrer_host,
    landed.utm_source as utm_source,
    landed.utm_medium as utm_medium,
    landed.utm_campaign as utm_campaign,
    landed.click_id_kind as click_id_kind,
    landed.partner as partner,
    landed.referrer_collected as referrer_collected,
    int_sessions.landing_step = 'page_view' as landing_seen,
    landed.user_agent as user_agent,
    -- The lengths keep keys apart whose values hold the separator.
    concat(
        coalesce(landed.utm_source, ''), chr(31), coalesce(landed.utm_medium, ''), chr(31),
        coalesce(landed.utm_campaign, ''), chr(31), coalesce(landed.click_id_kind, ''), chr(31),
        coalesce(landed.partner, ''), chr(31), coalesce(landed.page_host, ''), chr(31),
        coalesce(landed.referrer_host, ''), chr(31),
        cast(coalesce(length(landed.utm_source), 0) as varchar), chr(31),
        cast(coalesce(length(landed.utm_medium), 0) as varchar), chr(31),
        cast(coalesce(length(landed.utm_campaign), 0) as varchar), chr(31),
        cast(coalesce(length(landed.page_host), 0) as varchar), chr(31),
        case when int_sessions.landing_step = 'page_view' then '1' else '0' end,
        case when landed.referrer_collected then '1' else '0' end
    ) as traffic_key
from int_sessions
inner join landed on int_sessions.landing_event_id = landed.event_id
