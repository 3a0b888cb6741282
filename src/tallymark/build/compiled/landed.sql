-- One row per delivered row, with its time, its step of the funnel, and whether it can be used.
with delivered as (
    select
        delivery,
        line_number,
        nullif(trim(:raw_timestamp, ' '), '') as stamp,
        nullif(trim(:raw_event_name, ' '), '') as event_name,
        nullif(trim(:raw_client_id, ' '), '') as client_id,
        nullif(trim(:raw_page_url, ' '), '') as page_url,
        nullif(trim(:raw_referrer, ' '), '') as referrer,
        case when :raw_referrer is not null then 1 else 0 end as has_referrer,
        nullif(trim(:raw_user_agent, ' '), '') as user_agent,
        nullif(trim(:raw_event_data, ' '), '') as payload
    from raw_events
),

-- A delivery collected the referrer if any of its rows has one, be it an empty text.
collected as (
    select delivery, max(has_referrer) as referrers
    from delivered
    group by delivery
),

-- No engine reads every form of time that another does, and some take a time of day for today's:
-- here a time is of ISO 8601 or none, its seconds are said, and its offset has a colon.
clocked as (
    select
        delivery,
        line_number,
        stamp,
        case
            when matches(stamp, :iso_minutes)
                then concat(substr(stamp, 1, 16), ':00', substr(stamp, 17))
            when matches(stamp, :iso) then stamp
        end as clock,
        event_name,
        client_id,
        page_url,
        referrer,
        user_agent,
        payload
    from delivered
),

timed as (
    select
        delivery,
        line_number,
        (:read_ms) as read_ms,
        event_name,
        client_id,
        page_url,
        referrer,
        user_agent,
        payload,
        case
            when starts_with(page_url, 'https://') then part(page_url, '://', 2)
            when place(page_url, '://') > 0
                and place(page_url, '/') = place(page_url, '://') + 1
                and (place(page_url, '?') = 0 or place(page_url, '?') > place(page_url, '://'))
                and (place(page_url, '#') = 0 or place(page_url, '#') > place(page_url, '://'))
                then part(page_url, '://', 2)
        end as after_scheme
    from clocked
),

-- A clock that stands still or ran away is no time: before 1990, or after this century.
placed as (
    select
        delivery,
        line_number,
        case when read_ms >= :first_ms and read_ms < :last_ms then read_ms end as event_ms,
        event_name,
        client_id,
        page_url,
        referrer,
        user_agent,
        payload,
        part(part(part(after_scheme, '/', 1), '?', 1), '#', 1) as authority
    from timed
)

select
    key_of(concat(placed.delivery, '|', cast(placed.line_number as varchar))) as event_id,
    key_of(placed.client_id) as client_key,
    placed.delivery as delivery,
    cast(null as date) as delivery_date,
    placed.line_number as line_number,
    placed.event_ms as event_ms,
    make_timestamp_ms(placed.event_ms) as event_time,
    ms_date(placed.event_ms, :timezone) as event_date,
    ms_hour(placed.event_ms, :timezone) as event_hour,
    placed.client_id as client_id,
    placed.event_name as event_name,
    :step as step,
    placed.page_url as page_url,
    nullif(lower(part(case
        when place(placed.authority, '@') > 0 then part(placed.authority, '@', 2)
        else placed.authority
    end, ':', 1)), '') as page_host,
    placed.referrer as referrer,
    placed.user_agent as user_agent,
    placed.payload as payload,
    collected.referrers = 1 as referrer_collected,
    :is_marked as is_marked,
    case when placed.event_ms is null or placed.event_name is null then 1 else 0 end as rejected
from placed
inner join collected on placed.delivery = collected.delivery
