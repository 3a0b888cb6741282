-- One row per accepted raw event, as delivered, with what its own values tell.
select
    landed_urls.event_id as event_id,
    landed_urls.delivery as delivery,
    landed_urls.delivery_date as delivery_date,
    landed_urls.line_number as line_number,
    landed_urls.event_ms as event_ms,
    landed_urls.event_time as event_time,
    landed_urls.event_date as event_date,
    landed_urls.event_hour as event_hour,
    landed_urls.client_id as client_id,
    landed_urls.event_name as event_name,
    landed_urls.step as step,
    landed_urls.page_url as page_url,
    landed_urls.page_host as page_host,
    landed_urls.page_path as page_path,
    landed_urls.page_type as page_type,
    landed_urls.referrer as referrer,
    landed_urls.referrer_host as referrer_host,
    landed_urls.utm_source as utm_source,
    landed_urls.utm_medium as utm_medium,
    landed_urls.utm_campaign as utm_campaign,
    landed_urls.utm_term as utm_term,
    landed_urls.utm_content as utm_content,
    landed_urls.click_id_kind as click_id_kind,
    landed_urls.partner as partner,
    landed_urls.user_agent as user_agent,
    landed_urls.payload as payload,
    dim_user_agents.device as device,
    coalesce(dim_user_agents.is_bot, false) as is_bot,
    coalesce(dim_hosts.is_internal, false) or landed_urls.is_marked as is_internal,
    event_repeats.event_id is not null as is_repeat
from landed_urls
left join dim_user_agents on landed_urls.user_agent = dim_user_agents.user_agent
left join dim_hosts on landed_urls.page_host = dim_hosts.page_host
left join event_repeats on landed_urls.event_id = event_repeats.event_id
where landed_urls.rejected = 0
