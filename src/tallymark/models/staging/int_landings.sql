-- One row per session: where and how it began, and the key under which that is classified.
select
    int_landing_rows.session_id as session_id,
    int_landing_rows.client_id as client_id,
    int_landing_rows.session_start_ms as session_start_ms,
    int_landing_rows.page_url as landing_page,
    int_landing_rows.page_host as page_host,
    int_referrers.referrer_host as referrer_host,
    int_landing_pages.utm_source as utm_source,
    int_landing_pages.utm_medium as utm_medium,
    int_landing_pages.utm_campaign as utm_campaign,
    int_landing_pages.click_id_kind as click_id_kind,
    int_landing_pages.partner as partner,
    int_landing_rows.referrer_collected as referrer_collected,
    int_landing_rows.landing_seen as landing_seen,
    int_landing_rows.user_agent as user_agent,
    concat(
        coalesce(int_landing_pages.page_key, ''), chr(31),
        coalesce(int_landing_rows.page_host, ''), chr(31),
        coalesce(int_referrers.referrer_host, ''), chr(31),
        case when int_landing_rows.landing_seen then '1' else '0' end,
        case when int_landing_rows.referrer_collected then '1' else '0' end
    ) as traffic_key
from int_landing_rows
left join int_landing_pages on int_landing_rows.page_url = int_landing_pages.page_url
left join int_referrers on int_landing_rows.referrer = int_referrers.referrer
