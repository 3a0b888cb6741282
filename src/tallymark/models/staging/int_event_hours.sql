-- One row per date and hour with events: counts that need nothing but the events themselves.
with counted as (
    select
        landed.event_date as date,
        landed.event_hour as hour,
        count(case when event_repeats.event_id is null then 1 end) as events,
        count(event_repeats.event_id) as repeated_events,
        count(case when event_repeats.event_id is null and dim_user_agents.is_bot then 1 end)
            as bot_events,
        count(case
            when event_repeats.event_id is null and landed.client_id is null then 1
        end) as anonymous_events,
        count(case
            when event_repeats.event_id is null and landed.step = 'page_view'
                and not coalesce(dim_user_agents.is_bot, false)
                and not coalesce(dim_hosts.is_internal, false)
                and not landed.is_marked then 1
        end) as page_views,
        count(case
            when event_repeats.event_id is null and landed.step = 'page_view'
                and not coalesce(dim_user_agents.is_bot, false)
                and not coalesce(dim_hosts.is_internal, false)
                and not landed.is_marked
                and contains(landed.referrer, '://') then 1
        end) as referred_views
    from landed
    left join dim_user_agents on landed.user_agent = dim_user_agents.user_agent
    left join dim_hosts on landed.page_host = dim_hosts.page_host
    left join event_repeats on landed.event_id = event_repeats.event_id
    where landed.rejected = 0
    group by landed.event_date, landed.event_hour
),

fired as (
    select
        int_double_fired.event_date as date,
        int_double_fired.event_hour as hour,
        count(*) as double_fired_views
    from int_double_fired
    left join dim_user_agents on int_double_fired.user_agent = dim_user_agents.user_agent
    left join dim_hosts on int_double_fired.page_host = dim_hosts.page_host
    where not coalesce(dim_user_agents.is_bot, false)
        and not coalesce(dim_hosts.is_internal, false)
    group by int_double_fired.event_date, int_double_fired.event_hour
)

select
    counted.date as date,
    counted.hour as hour,
    counted.events as events,
    counted.repeated_events as repeated_events,
    counted.bot_events as bot_events,
    counted.anonymous_events as anonymous_events,
    counted.page_views as page_views,
    counted.referred_views as referred_views,
    coalesce(fired.double_fired_views, 0) as double_fired_views
from counted
left join fired on counted.date = fired.date and counted.hour = fired.hour
