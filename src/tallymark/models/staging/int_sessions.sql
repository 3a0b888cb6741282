-- One row per session: its bounds, its steps, and its steps as known by the end of its first day.
select
    client_id,
    session_start_ms,
    md5(concat(client_id, '|', cast(session_start_ms as varchar))) as session_id,
    max(session_date) as session_date,
    max(event_ms) as session_end_ms,
    max(case when is_start = 1 then event_id end) as landing_event_id,
    max(case when is_start = 1 then step end) as landing_step,
    cast(count(*) as integer) as events,
    cast(count(case when step = 'page_view' then 1 end) as integer) as page_views,
    cast(count(case when step = 'add_to_cart' then 1 end) as integer) as add_to_carts,
    cast(count(case when step = 'checkout_start' then 1 end) as integer) as checkouts_started,
    cast(count(case when step = 'add_to_cart' and event_date = session_date then 1 end) as integer)
        as known_add_to_carts,
    cast(count(
        case when step = 'checkout_start' and event_date = session_date then 1 end
    ) as integer) as known_checkouts_started,
    min(case when step = 'page_view' then event_ms end) as first_view_ms
from int_session_events
group by client_id, session_start_ms
