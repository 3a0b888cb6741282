-- One row per date and hour with events: counts that need nothing but the events themselves.
with fired as (
    select event_id from int_session_events where is_double_fired = 1
)

select
    events.event_date as date,
    events.event_hour as hour,
    count(case when not events.is_repeat then 1 end) as events,
    count(case when events.is_repeat then 1 end) as repeated_events,
    count(case when not events.is_repeat and events.is_bot then 1 end) as bot_events,
    count(case when not events.is_repeat and events.client_id is null then 1 end)
        as anonymous_events,
    count(case
        when not events.is_repeat and events.step = 'page_view'
            and not events.is_bot and not events.is_internal then 1
    end) as page_views,
    count(case
        when not events.is_repeat and events.step = 'page_view'
            and not events.is_bot and not events.is_internal
            and events.referrer_host is not null then 1
    end) as referred_views,
    count(case
        when fired.event_id is not null and not events.is_bot and not events.is_internal then 1
    end) as double_fired_views
from events
left join fired on events.event_id = fired.event_id
group by events.event_date, events.event_hour
