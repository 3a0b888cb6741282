-- One row per page view less than a second after the client's previous one of the same URL.
with quick_clients as (
    select distinct client_key
    from int_session_events
    where is_quick = 1
),

views as (
    select
        landed.event_id as event_id,
        landed.event_date as event_date,
        landed.event_hour as event_hour,
        landed.event_ms as event_ms,
        landed.page_url as page_url,
        landed.user_agent as user_agent,
        landed.page_host as page_host,
        landed.is_marked as is_marked,
        lag(landed.event_ms) over (
            partition by landed.client_id
            order by landed.event_ms nulls first, landed.delivery nulls first,
                landed.line_number nulls first
        ) as previous_ms,
        lag(landed.page_url) over (
            partition by landed.client_id
            order by landed.event_ms nulls first, landed.delivery nulls first,
                landed.line_number nulls first
        ) as previous_url
    from landed
    inner join quick_clients on landed.client_key = quick_clients.client_key
    left join event_repeats on landed.event_id = event_repeats.event_id
    where landed.rejected = 0 and landed.step = 'page_view' and event_repeats.event_id is null
)

select event_id, event_date, event_hour, user_agent, page_host
from views
where event_ms - previous_ms < 1000 and page_url = previous_url and not is_marked
