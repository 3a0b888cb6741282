-- One row per session: its bounds, its steps, and the first event, which tells where it began.
select
    max(case when begins > 0 then event_id end) as landing_event_id,
    client_key,
    session_start_ms,
    max(event_ms) as session_end_ms,
    max(begins) = 2 as is_new_client,
    cast(count(*) as integer) as events,
    cast(count(case when step_number = 1 then 1 end) as integer) as page_views,
    cast(count(case when step_number = 2 then 1 end) as integer) as add_to_carts,
    cast(count(case when step_number = 3 then 1 end) as integer) as checkouts_started,
    min(case when step_number = 2 then event_date end) as first_cart_date,
    min(case when step_number = 3 then event_date end) as first_checkout_date,
    min(case when step_number = 1 then event_ms end) as first_view_ms
from int_session_events
group by client_key, session_start_ms
