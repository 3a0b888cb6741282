-- One row per step and measure: what went in, what came out, and which rows explain the rest.
with deliveries as (
    select
        sum(rows_read) as rows_read,
        sum(rows_accepted) as rows_accepted,
        sum(rows_quarantined) as rows_quarantined
    from int_delivery_days
),

staged as (
    select
        count(*) as events,
        count(case
            when landed.client_id is null or event_repeats.event_id is not null then 1
        end) as outside,
        count(case when landed.step in ('purchase', 'refund', 'cancellation') then 1 end)
            as purchases
    from landed
    left join event_repeats on landed.event_id = event_repeats.event_id
    where landed.rejected = 0
),

grouped as (
    select
        count(*) as sessions,
        sum(events) as events,
        sum(orders) as orders,
        sum(revenue) as revenue,
        count(case
            when events > :runaway_events or duration_seconds > :runaway_seconds then 1
        end) as runaway,
        sum(case
            when events > :runaway_events or duration_seconds > :runaway_seconds then events else 0
        end) as runaway_events
    from fct_sessions
),

delivered as (
    select sum(revenue) as revenue from int_order_identity
),

sold as (
    select
        count(*) as orders,
        sum(revenue) as gross,
        count(case when is_counted then 1 end) as counted,
        sum(case when is_counted then revenue else 0 end) as counted_revenue,
        count(case when is_counted and session_id is null then 1 end) as outside,
        sum(case when is_counted and session_id is null then revenue else 0 end)
            as outside_revenue
    from fct_orders
),

models as (
    select distinct model from int_credit
),

credit as (
    select models.model as model, sum(fct_attribution.revenue) as revenue
    from models
    left join fct_attribution on models.model = fct_attribution.model
    group by models.model
),

steps as (
    select 1 as place, 'check' as step, 'rows' as measure, rows_read as amount_in,
        rows_accepted as amount_out, rows_quarantined as explained,
        'rows in quarantine' as explanation
    from deliveries
    union all
    select 2 as place, 'events' as step, 'rows' as measure, deliveries.rows_accepted as amount_in,
        staged.events as amount_out, 0 as explained, 'nothing' as explanation
    from deliveries
    cross join staged
    union all
    select 3 as place, 'sessions' as step, 'events' as measure, staged.events as amount_in,
        grouped.events as amount_out, staged.outside as explained,
        'events without a client id, and exact repeats' as explanation
    from staged
    cross join grouped
    union all
    select 4 as place, 'orders' as step, 'purchases' as measure, staged.purchases as amount_in,
        sold.orders as amount_out, 0 as explained, 'nothing' as explanation
    from staged
    cross join sold
    union all
    select 5 as place, 'orders' as step, 'revenue' as measure, delivered.revenue as amount_in,
        sold.gross as amount_out, 0 as explained, 'nothing' as explanation
    from delivered
    cross join sold
    union all
    select 6 as place, 'sessions' as step, 'orders' as measure, sold.counted as amount_in,
        grouped.orders as amount_out, sold.outside as explained,
        'counted orders without a session, and refunds' as explanation
    from sold
    cross join grouped
    union all
    select 7 as place, 'sessions' as step, 'revenue' as measure,
        sold.counted_revenue as amount_in, grouped.revenue as amount_out,
        sold.outside_revenue as explained,
        'counted orders without a session, and refunds' as explanation
    from sold
    cross join grouped
    union all
    select 8 as place, concat('attribution ', credit.model) as step, 'revenue' as measure,
        sold.counted_revenue as amount_in, credit.revenue as amount_out, 0 as explained,
        'nothing' as explanation
    from sold
    cross join credit
    union all
    select 9 as place, 'runaway' as step, 'sessions' as measure, grouped.sessions as amount_in,
        grouped.sessions - grouped.runaway as amount_out, grouped.runaway as explained,
        'sessions of more events or hours than a person has; kept and counted' as explanation
    from grouped
    union all
    select 10 as place, 'runaway' as step, 'events' as measure, grouped.events as amount_in,
        grouped.events - grouped.runaway_events as amount_out,
        grouped.runaway_events as explained, 'events of those sessions; kept and counted'
            as explanation
    from grouped
)

select
    :run as run,
    step,
    measure,
    cast(coalesce(amount_in, 0) as decimal(18, 4)) as amount_in,
    cast(coalesce(amount_out, 0) as decimal(18, 4)) as amount_out,
    cast(coalesce(amount_in, 0) as decimal(18, 4))
    - cast(coalesce(amount_out, 0) as decimal(18, 4)) as difference,
    cast(coalesce(explained, 0) as decimal(18, 4)) as explained,
    explanation,
    place
from steps
