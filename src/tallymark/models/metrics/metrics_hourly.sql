-- One row per date x hour x metric, zeros included, of dates with events and those between.
with bounds as (
    select min(date) as first_date, max(date) as last_date from int_event_hours
),

-- Outside the days of deliveries lie late events, and in most zones hours of every delivery.
listed as (
    select int_calendar.date as date
    from int_calendar
    inner join bounds
        on int_calendar.date >= bounds.first_date and int_calendar.date <= bounds.last_date
    union all
    select date
    from int_event_hours
),

days as (
    select distinct date from listed
),

hours as (
    select days.date as date, int_day_hours.hour as hour
    from days
    cross join int_day_hours
),

order_hours as (
    select
        order_date as date,
        order_hour as hour,
        count(case when is_counted and not is_refund then 1 end) as orders,
        count(case when known_is_counted and not is_refund then 1 end) as known_orders,
        sum(case when is_counted then revenue else 0 end) as revenue,
        sum(case when known_is_counted then revenue else 0 end) as known_revenue
    from int_orders
    group by order_date, order_hour
),

wide as (
    select
        hours.date as date,
        hours.hour as hour,
        coalesce(int_event_hours.events, 0) as events,
        coalesce(int_event_hours.page_views, 0) as page_views,
        coalesce(int_event_hours.anonymous_events, 0) as anonymous_events,
        coalesce(int_event_hours.referred_views, 0) as referred_views,
        coalesce(int_event_hours.double_fired_views, 0) as double_fired_views,
        coalesce(order_hours.orders, 0) as orders,
        coalesce(order_hours.known_orders, 0) as known_orders,
        coalesce(order_hours.revenue, 0) as revenue,
        coalesce(order_hours.known_revenue, 0) as known_revenue
    from hours
    left join int_event_hours
        on hours.date = int_event_hours.date and hours.hour = int_event_hours.hour
    left join order_hours on hours.date = order_hours.date and hours.hour = order_hours.hour
),

found as (
    select date, hour, 'events' as metric, cast(events as decimal(18, 4)) as numerator,
        cast(events as decimal(18, 4)) as known_numerator
    from wide
    union all
    select date, hour, 'page_views' as metric, cast(page_views as decimal(18, 4)) as numerator,
        cast(page_views as decimal(18, 4)) as known_numerator
    from wide
    union all
    select date, hour, 'anonymous_events' as metric,
        cast(anonymous_events as decimal(18, 4)) as numerator,
        cast(anonymous_events as decimal(18, 4)) as known_numerator
    from wide
    union all
    select date, hour, 'referred_views' as metric,
        cast(referred_views as decimal(18, 4)) as numerator,
        cast(referred_views as decimal(18, 4)) as known_numerator
    from wide
    union all
    select date, hour, 'double_fired_views' as metric,
        cast(double_fired_views as decimal(18, 4)) as numerator,
        cast(double_fired_views as decimal(18, 4)) as known_numerator
    from wide
    union all
    select date, hour, 'orders' as metric, cast(orders as decimal(18, 4)) as numerator,
        cast(known_orders as decimal(18, 4)) as known_numerator
    from wide
    union all
    select date, hour, 'revenue' as metric, cast(revenue as decimal(18, 4)) as numerator,
        cast(known_revenue as decimal(18, 4)) as known_numerator
    from wide
)

select
    date,
    hour,
    metric,
    'all' as segment,
    cast(numerator as double) as value,
    numerator,
    cast(null as decimal(18, 4)) as denominator,
    cast(known_numerator as double) as known_value,
    known_numerator,
    cast(null as decimal(18, 4)) as known_denominator
from found
