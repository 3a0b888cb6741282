-- One row per session: its bounds, its steps, and its steps as known by the end of its first day.
with grouped as (
    select
        client_id,
        session_start_ms,
        max(event_ms) as session_end_ms,
        max(case when begins > 0 then event_date end) as session_date,
        max(case when begins > 0 then event_id end) as landing_event_id,
        max(case when begins > 0 then step end) as landing_step,
        max(begins) as begins,
        count(*) as events,
        count(case when step = 'page_view' then 1 end) as page_views,
        count(case when step = 'add_to_cart' then 1 end) as add_to_carts,
        count(case when step = 'checkout_start' then 1 end) as checkouts_started,
        min(case when step = 'add_to_cart' then event_date end) as first_cart_date,
        min(case when step = 'checkout_start' then event_date end) as first_checkout_date,
        min(case when step = 'page_view' then event_ms end) as first_view_ms
    from int_session_events
    group by client_id, session_start_ms
)

select
    landing_event_id,
    client_id,
    session_start_ms,
    session_end_ms,
    session_date,
    landing_step = 'page_view' as landing_seen,
    begins = 2 as is_new_client,
    cast(events as integer) as events,
    cast(page_views as integer) as page_views,
    cast(add_to_carts as integer) as add_to_carts,
    cast(checkouts_started as integer) as checkouts_started,
    case when first_cart_date = session_date then 1 else 0 end as known_carted,
    case when first_checkout_date = session_date then 1 else 0 end as known_checked_out,
    first_view_ms
from grouped
