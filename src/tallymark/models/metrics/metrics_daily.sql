-- One row per date x metric x segment: its value, and what was known of it at the end of that date.
with event_days as (
    select
        date,
        cast(sum(events) as bigint) as events,
        cast(sum(repeated_events) as bigint) as repeated_events,
        cast(sum(bot_events) as bigint) as bot_events,
        cast(sum(anonymous_events) as bigint) as anonymous_events,
        cast(sum(page_views) as bigint) as page_views,
        cast(sum(double_fired_views) as bigint) as double_fired_views
    from int_event_hours
    group by date
),

session_steps as (
    select
        session_date as date,
        client_id,
        channel,
        device,
        case when is_new_client then 1 else 0 end as is_new,
        case when add_to_carts > 0 then 1 else 0 end as carted,
        case when checkouts_started > 0 then 1 else 0 end as checked_out,
        case when orders > 0 then 1 else 0 end as ordered,
        known_carted,
        known_checked_out,
        known_ordered,
        case when landing_seen then 1 else 0 end as landed,
        case when landing_seen and referrer_host is not null then 1 else 0 end as referred,
        case when is_tagged then 1 else 0 end as tagged,
        case when is_clicked then 1 else 0 end as clicked
    from int_session_facts
    where not is_bot and not is_internal
),

client_days as (
    select date, count(distinct client_id) as clients
    from session_steps
    group by date
),

click_days as (
    select session_date as date, click_id_kind, count(*) as sessions
    from int_session_facts
    where not is_bot and not is_internal and click_id_kind is not null
    group by session_date, click_id_kind
),

-- Few rows: what days and segments are summed from.
session_groups as (
    select
        date,
        channel,
        device,
        is_new,
        count(*) as sessions,
        sum(carted) as carted,
        sum(known_carted) as known_carted,
        sum(checked_out) as checked_out,
        sum(known_checked_out) as known_checked_out,
        sum(ordered) as ordered,
        sum(known_ordered) as known_ordered,
        count(case when carted + checked_out > 0 then 1 end) as intent,
        count(case when known_carted + known_checked_out > 0 then 1 end) as known_intent,
        sum(checked_out * ordered) as completed,
        sum(known_checked_out * known_ordered) as known_completed,
        sum(landed) as landed,
        sum(referred) as referred,
        sum(tagged) as tagged,
        sum(clicked) as clicked
    from session_steps
    group by date, channel, device, is_new
),

session_sums as (
    select
        session_groups.date as date,
        cast(sum(session_groups.sessions) as bigint) as sessions,
        max(client_days.clients) as clients,
        cast(sum(session_groups.is_new * session_groups.sessions) as bigint) as new_sessions,
        cast(sum(session_groups.carted) as bigint) as carted,
        cast(sum(session_groups.known_carted) as bigint) as known_carted,
        cast(sum(session_groups.checked_out) as bigint) as checked_out,
        cast(sum(session_groups.known_checked_out) as bigint) as known_checked_out,
        cast(sum(session_groups.ordered) as bigint) as ordered,
        cast(sum(session_groups.known_ordered) as bigint) as known_ordered,
        cast(sum(session_groups.intent) as bigint) as intent,
        cast(sum(session_groups.known_intent) as bigint) as known_intent,
        cast(sum(session_groups.completed) as bigint) as completed,
        cast(sum(session_groups.known_completed) as bigint) as known_completed,
        cast(sum(session_groups.landed) as bigint) as landed,
        cast(sum(session_groups.referred) as bigint) as referred,
        cast(sum(session_groups.tagged) as bigint) as tagged,
        cast(sum(session_groups.clicked) as bigint) as clicked
    from session_groups
    inner join client_days on session_groups.date = client_days.date
    group by session_groups.date
),

order_sums as (
    select
        int_orders.order_date as date,
        count(case when int_orders.status = 'kept' then 1 end) as orders,
        count(case when int_orders.known_status = 'kept' then 1 end) as known_orders,
        sum(case when int_orders.is_counted then int_orders.revenue else 0 end) as revenue,
        sum(case when int_orders.known_is_counted then int_orders.revenue else 0 end)
            as known_revenue,
        sum(case when int_orders.status = 'kept' then int_orders.revenue else 0 end)
            as kept_revenue,
        sum(case when int_orders.known_status = 'kept' then int_orders.revenue else 0 end)
            as known_kept_revenue,
        sum(case when int_orders.is_refund then 0 else int_orders.revenue end) as revenue_gross,
        count(case when int_orders.status = 'refund' then 1 end) as refunds,
        sum(case when int_orders.status = 'refund' then -int_orders.revenue else 0 end)
            as refunded_revenue,
        count(case when int_orders.status = 'test' then 1 end) as test_orders,
        count(case when int_orders.status = 'redelivery' then 1 end) as redelivered_orders,
        count(case when int_orders.known_status = 'redelivery' then 1 end)
            as known_redelivered_orders,
        count(case when int_orders.id_status = 'id_collision' then 1 end) as colliding_orders,
        count(case when int_orders.known_id_status = 'id_collision' then 1 end)
            as known_colliding_orders,
        count(case when int_orders.id_status = 'conflict' then 1 end) as conflicting_orders,
        count(case when int_orders.known_id_status = 'conflict' then 1 end)
            as known_conflicting_orders,
        count(case when int_orders.status = 'kept' and (
            int_landings.first_view_ms is null
            or int_landings.first_view_ms > int_orders.ordered_ms
        ) then 1 end) as unseen,
        count(case when int_orders.known_status = 'kept' and (
            int_landings.first_view_ms is null
            or int_landings.first_view_ms > int_orders.ordered_ms
        ) then 1 end) as known_unseen
    from int_orders
    left join int_landings
        on int_orders.client_id = int_landings.client_id
        and int_orders.session_start_ms = int_landings.session_start_ms
    group by int_orders.order_date
),

-- A day with events and without a session or an order has zeros, which can be judged.
session_days as (
    select
        event_days.date as date,
        coalesce(session_sums.sessions, 0) as sessions,
        coalesce(session_sums.clients, 0) as clients,
        coalesce(session_sums.new_sessions, 0) as new_sessions,
        coalesce(session_sums.carted, 0) as carted,
        coalesce(session_sums.known_carted, 0) as known_carted,
        coalesce(session_sums.checked_out, 0) as checked_out,
        coalesce(session_sums.known_checked_out, 0) as known_checked_out,
        coalesce(session_sums.ordered, 0) as ordered,
        coalesce(session_sums.known_ordered, 0) as known_ordered,
        coalesce(session_sums.intent, 0) as intent,
        coalesce(session_sums.known_intent, 0) as known_intent,
        coalesce(session_sums.completed, 0) as completed,
        coalesce(session_sums.known_completed, 0) as known_completed,
        coalesce(session_sums.landed, 0) as landed,
        coalesce(session_sums.referred, 0) as referred,
        coalesce(session_sums.tagged, 0) as tagged,
        coalesce(session_sums.clicked, 0) as clicked
    from event_days
    left join session_sums on event_days.date = session_sums.date
),

order_days as (
    select
        event_days.date as date,
        coalesce(order_sums.orders, 0) as orders,
        coalesce(order_sums.known_orders, 0) as known_orders,
        coalesce(order_sums.revenue, 0) as revenue,
        coalesce(order_sums.known_revenue, 0) as known_revenue,
        coalesce(order_sums.kept_revenue, 0) as kept_revenue,
        coalesce(order_sums.known_kept_revenue, 0) as known_kept_revenue,
        coalesce(order_sums.revenue_gross, 0) as revenue_gross,
        coalesce(order_sums.refunds, 0) as refunds,
        coalesce(order_sums.refunded_revenue, 0) as refunded_revenue,
        coalesce(order_sums.test_orders, 0) as test_orders,
        coalesce(order_sums.redelivered_orders, 0) as redelivered_orders,
        coalesce(order_sums.known_redelivered_orders, 0) as known_redelivered_orders,
        coalesce(order_sums.colliding_orders, 0) as colliding_orders,
        coalesce(order_sums.known_colliding_orders, 0) as known_colliding_orders,
        coalesce(order_sums.conflicting_orders, 0) as conflicting_orders,
        coalesce(order_sums.known_conflicting_orders, 0) as known_conflicting_orders,
        coalesce(order_sums.unseen, 0) as unseen,
        coalesce(order_sums.known_unseen, 0) as known_unseen
    from event_days
    left join order_sums on event_days.date = order_sums.date
),

session_segments as (
    select date, 'channel' as kind, concat('channel=', channel) as segment, sessions, carted,
        known_carted, checked_out, known_checked_out, ordered, known_ordered, intent, known_intent,
        completed, known_completed
    from session_groups
    union all
    select date, 'device' as kind, concat('device=', device) as segment, sessions, carted,
        known_carted, checked_out, known_checked_out, ordered, known_ordered, intent, known_intent,
        completed, known_completed
    from session_groups
    union all
    select date, 'visitor' as kind,
        case when is_new = 1 then 'visitor=new' else 'visitor=returning' end as segment, sessions,
        carted, known_carted, checked_out, known_checked_out, ordered, known_ordered, intent,
        known_intent, completed, known_completed
    from session_groups
    union all
    select session_date as date, 'traffic' as kind,
        case when is_bot then 'traffic=bot' else 'traffic=internal' end as segment,
        1 as sessions,
        case when add_to_carts > 0 then 1 else 0 end as carted,
        known_carted,
        case when checkouts_started > 0 then 1 else 0 end as checked_out,
        known_checked_out,
        case when orders > 0 then 1 else 0 end as ordered,
        known_ordered,
        case when add_to_carts + checkouts_started > 0 then 1 else 0 end as intent,
        case when known_carted + known_checked_out > 0 then 1 else 0 end as known_intent,
        case when checkouts_started > 0 and orders > 0 then 1 else 0 end as completed,
        known_checked_out * known_ordered as known_completed
    from int_session_facts
    where is_bot or is_internal
),

segment_days as (
    select
        date,
        kind,
        segment,
        cast(sum(sessions) as bigint) as sessions,
        cast(sum(carted) as bigint) as carted,
        cast(sum(known_carted) as bigint) as known_carted,
        cast(sum(checked_out) as bigint) as checked_out,
        cast(sum(known_checked_out) as bigint) as known_checked_out,
        cast(sum(ordered) as bigint) as ordered,
        cast(sum(known_ordered) as bigint) as known_ordered,
        cast(sum(intent) as bigint) as intent,
        cast(sum(known_intent) as bigint) as known_intent,
        cast(sum(completed) as bigint) as completed,
        cast(sum(known_completed) as bigint) as known_completed
    from session_segments
    group by date, kind, segment
),

credit_days as (
    select
        order_date as date,
        model,
        channel,
        sum(case when is_counted then revenue else 0 end) as revenue,
        sum(case when known_is_counted then revenue else 0 end) as known_revenue,
        -- A refund of an order that nobody knows has no channel, and is no part of what was sold.
        sum(case when is_counted and revenue > 0 then revenue else 0 end) as sold,
        sum(case when known_is_counted and revenue > 0 then revenue else 0 end) as known_sold
    from int_credit
    group by order_date, model, channel
),

no_channel_days as (
    select
        date,
        sum(sold) as sold,
        sum(known_sold) as known_sold,
        sum(case when channel in ('Unknown', 'Unattributed') then sold else 0 end) as lost,
        sum(case when channel in ('Unknown', 'Unattributed') then known_sold else 0 end)
            as known_lost
    from credit_days
    where model = 'last_click'
    group by date
),

delivery_days as (
    select date, sum(rows_quarantined) as rows_quarantined
    from int_delivery_days
    where date is not null
    group by date
),

found as (
    select date, 'events' as metric, 'all' as segment,
        cast(events as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(events as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from event_days
    union all
    select date, 'page_views' as metric, 'all' as segment,
        cast(page_views as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(page_views as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from event_days
    union all
    select date, 'bot_events' as metric, 'all' as segment,
        cast(bot_events as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(bot_events as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from event_days
    union all
    select date, 'anonymous_events' as metric, 'all' as segment,
        cast(anonymous_events as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(anonymous_events as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from event_days
    union all
    select date, 'repeated_events' as metric, 'all' as segment,
        cast(repeated_events as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(repeated_events as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from event_days
    union all
    select date, 'double_fired_views' as metric, 'all' as segment,
        cast(double_fired_views as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(double_fired_views as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from event_days
    union all
    select date, 'identity_coverage' as metric, 'all' as segment,
        cast(events - anonymous_events as decimal(18, 4)) as numerator,
        cast(events as decimal(18, 4)) as denominator,
        cast(events - anonymous_events as decimal(18, 4)) as known_numerator,
        cast(events as decimal(18, 4)) as known_denominator
    from event_days
    union all
    select date, 'bot_share' as metric, 'all' as segment,
        cast(bot_events as decimal(18, 4)) as numerator,
        cast(events as decimal(18, 4)) as denominator,
        cast(bot_events as decimal(18, 4)) as known_numerator,
        cast(events as decimal(18, 4)) as known_denominator
    from event_days
    union all
    select date, 'double_fired_share' as metric, 'all' as segment,
        cast(double_fired_views as decimal(18, 4)) as numerator,
        cast(page_views as decimal(18, 4)) as denominator,
        cast(double_fired_views as decimal(18, 4)) as known_numerator,
        cast(page_views as decimal(18, 4)) as known_denominator
    from event_days
    union all
    select date, 'sessions' as metric, 'all' as segment,
        cast(sessions as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(sessions as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select date, 'clients' as metric, 'all' as segment,
        cast(clients as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(clients as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select date, 'add_to_carts' as metric, 'all' as segment,
        cast(carted as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(known_carted as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select date, 'checkouts_started' as metric, 'all' as segment,
        cast(checked_out as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(known_checked_out as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select date, 'conversion_rate' as metric, 'all' as segment,
        cast(ordered as decimal(18, 4)) as numerator,
        cast(sessions as decimal(18, 4)) as denominator,
        cast(known_ordered as decimal(18, 4)) as known_numerator,
        cast(sessions as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select date, 'cart_rate' as metric, 'all' as segment,
        cast(carted as decimal(18, 4)) as numerator,
        cast(sessions as decimal(18, 4)) as denominator,
        cast(known_carted as decimal(18, 4)) as known_numerator,
        cast(sessions as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select date, 'checkout_rate' as metric, 'all' as segment,
        cast(checked_out as decimal(18, 4)) as numerator,
        cast(intent as decimal(18, 4)) as denominator,
        cast(known_checked_out as decimal(18, 4)) as known_numerator,
        cast(known_intent as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select date, 'purchase_rate' as metric, 'all' as segment,
        cast(completed as decimal(18, 4)) as numerator,
        cast(checked_out as decimal(18, 4)) as denominator,
        cast(known_completed as decimal(18, 4)) as known_numerator,
        cast(known_checked_out as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select date, 'new_client_share' as metric, 'all' as segment,
        cast(new_sessions as decimal(18, 4)) as numerator,
        cast(sessions as decimal(18, 4)) as denominator,
        cast(new_sessions as decimal(18, 4)) as known_numerator,
        cast(sessions as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select date, 'referrer_coverage' as metric, 'all' as segment,
        cast(referred as decimal(18, 4)) as numerator,
        cast(landed as decimal(18, 4)) as denominator,
        cast(referred as decimal(18, 4)) as known_numerator,
        cast(landed as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select date, 'utm_coverage' as metric, 'all' as segment,
        cast(tagged as decimal(18, 4)) as numerator,
        cast(sessions as decimal(18, 4)) as denominator,
        cast(tagged as decimal(18, 4)) as known_numerator,
        cast(sessions as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select date, 'click_id_coverage' as metric, 'all' as segment,
        cast(clicked as decimal(18, 4)) as numerator,
        cast(sessions as decimal(18, 4)) as denominator,
        cast(clicked as decimal(18, 4)) as known_numerator,
        cast(sessions as decimal(18, 4)) as known_denominator
    from session_days
    union all
    select click_days.date as date, 'click_id_coverage' as metric,
        concat('click_id=', click_days.click_id_kind) as segment,
        cast(click_days.sessions as decimal(18, 4)) as numerator,
        cast(session_days.sessions as decimal(18, 4)) as denominator,
        cast(click_days.sessions as decimal(18, 4)) as known_numerator,
        cast(session_days.sessions as decimal(18, 4)) as known_denominator
    from click_days
    inner join session_days on click_days.date = session_days.date
    union all
    select date, 'orders' as metric, 'all' as segment,
        cast(orders as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(known_orders as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from order_days
    union all
    select date, 'revenue' as metric, 'all' as segment,
        cast(revenue as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(known_revenue as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from order_days
    union all
    select date, 'revenue_gross' as metric, 'all' as segment,
        cast(revenue_gross as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(revenue_gross as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from order_days
    union all
    select date, 'refunds' as metric, 'all' as segment,
        cast(refunds as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(refunds as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from order_days
    union all
    select date, 'refunded_revenue' as metric, 'all' as segment,
        cast(refunded_revenue as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(refunded_revenue as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from order_days
    union all
    select date, 'aov' as metric, 'all' as segment,
        cast(kept_revenue as decimal(18, 4)) as numerator,
        cast(orders as decimal(18, 4)) as denominator,
        cast(known_kept_revenue as decimal(18, 4)) as known_numerator,
        cast(known_orders as decimal(18, 4)) as known_denominator
    from order_days
    union all
    select date, 'test_orders' as metric, 'all' as segment,
        cast(test_orders as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(test_orders as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from order_days
    union all
    select date, 'redelivered_orders' as metric, 'all' as segment,
        cast(redelivered_orders as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(known_redelivered_orders as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from order_days
    union all
    select date, 'colliding_orders' as metric, 'all' as segment,
        cast(colliding_orders as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(known_colliding_orders as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from order_days
    union all
    select date, 'conflicting_orders' as metric, 'all' as segment,
        cast(conflicting_orders as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(known_conflicting_orders as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from order_days
    union all
    select date, 'unseen_journey_share' as metric, 'all' as segment,
        cast(unseen as decimal(18, 4)) as numerator,
        cast(orders as decimal(18, 4)) as denominator,
        cast(known_unseen as decimal(18, 4)) as known_numerator,
        cast(known_orders as decimal(18, 4)) as known_denominator
    from order_days
    union all
    select date, 'no_channel_revenue_share' as metric, 'all' as segment,
        cast(lost as decimal(18, 4)) as numerator,
        cast(sold as decimal(18, 4)) as denominator,
        cast(known_lost as decimal(18, 4)) as known_numerator,
        cast(known_sold as decimal(18, 4)) as known_denominator
    from no_channel_days
    union all
    select date, 'attributed_revenue' as metric,
        concat('model=', model, ';channel=', channel) as segment,
        cast(revenue as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(known_revenue as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from credit_days
    union all
    select date, 'sessions' as metric, segment,
        cast(sessions as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(sessions as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from segment_days
    union all
    select date, 'conversion_rate' as metric, segment,
        cast(ordered as decimal(18, 4)) as numerator,
        cast(sessions as decimal(18, 4)) as denominator,
        cast(known_ordered as decimal(18, 4)) as known_numerator,
        cast(sessions as decimal(18, 4)) as known_denominator
    from segment_days
    union all
    select date, 'cart_rate' as metric, segment,
        cast(carted as decimal(18, 4)) as numerator,
        cast(sessions as decimal(18, 4)) as denominator,
        cast(known_carted as decimal(18, 4)) as known_numerator,
        cast(sessions as decimal(18, 4)) as known_denominator
    from segment_days
    union all
    select date, 'checkout_rate' as metric, segment,
        cast(checked_out as decimal(18, 4)) as numerator,
        cast(intent as decimal(18, 4)) as denominator,
        cast(known_checked_out as decimal(18, 4)) as known_numerator,
        cast(known_intent as decimal(18, 4)) as known_denominator
    from segment_days
    union all
    select date, 'purchase_rate' as metric, segment,
        cast(completed as decimal(18, 4)) as numerator,
        cast(checked_out as decimal(18, 4)) as denominator,
        cast(known_completed as decimal(18, 4)) as known_numerator,
        cast(known_checked_out as decimal(18, 4)) as known_denominator
    from segment_days
    union all
    select date, 'quarantined_rows' as metric, 'all' as segment,
        cast(rows_quarantined as decimal(18, 4)) as numerator,
        cast(null as decimal(18, 4)) as denominator,
        cast(rows_quarantined as decimal(18, 4)) as known_numerator,
        cast(null as decimal(18, 4)) as known_denominator
    from delivery_days
    union all
    select date, 'payload_coverage' as metric, concat('field=purchase.', field) as segment,
        cast(filled as decimal(18, 4)) as numerator,
        cast(expected as decimal(18, 4)) as denominator,
        cast(filled as decimal(18, 4)) as known_numerator,
        cast(expected as decimal(18, 4)) as known_denominator
    from int_payload_days
    union all
    select segment_days.date as date, concat(segment_days.kind, '_share') as metric,
        segment_days.segment as segment,
        cast(segment_days.sessions as decimal(18, 4)) as numerator,
        cast(session_days.sessions as decimal(18, 4)) as denominator,
        cast(segment_days.sessions as decimal(18, 4)) as known_numerator,
        cast(session_days.sessions as decimal(18, 4)) as known_denominator
    from segment_days
    inner join session_days on segment_days.date = session_days.date
    where segment_days.kind in ('channel', 'device')
)

select
    date,
    metric,
    segment,
    case
        when denominator is null then cast(numerator as double)
        when denominator <> 0 then cast(numerator as double) / cast(denominator as double)
    end as value,
    numerator,
    denominator,
    case
        when known_denominator is null then cast(known_numerator as double)
        when known_denominator <> 0
            then cast(known_numerator as double) / cast(known_denominator as double)
    end as known_value,
    known_numerator,
    known_denominator
from found
