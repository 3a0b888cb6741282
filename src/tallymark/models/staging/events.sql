-- One row per accepted raw event, as delivered, with what its own values tell.
select
    landed.event_id as event_id,
    landed.delivery as delivery,
    landed.delivery_date as delivery_date,
    landed.line_number as line_number,
    landed.event_ms as event_ms,
    landed.event_time as event_time,
    landed.event_date as event_date,
    landed.event_hour as event_hour,
    landed.client_id as client_id,
    landed.event_name as event_name,
    landed.step as step,
    landed.page_url as page_url,
    landed.page_host as page_host,
    landed.page_path as page_path,
    landed.referrer as referrer,
    landed.referrer_host as referrer_host,
    landed.utm_source as utm_source,
    landed.utm_medium as utm_medium,
    landed.utm_campaign as utm_campaign,
    landed.utm_term as utm_term,
    landed.utm_content as utm_content,
    landed.click_id_kind as click_id_kind,
    landed.partner as partner,
    landed.user_agent as user_agent,
    landed.payload as payload,
    dim_user_agents.device as device,
    coalesce(dim_user_agents.is_bot, false) as is_bot,
    coalesce(dim_hosts.is_internal, false) as is_internal,
    event_repeats.event_id is not null as is_repeat
from landed
left join dim_user_agents on landed.user_agent = dim_user_agents.user_agent
left join dim_hosts on landed.page_host = dim_hosts.page_host
left join event_repeats on landed.event_id = event_repeats.event_id
where landed.rejected = 0
