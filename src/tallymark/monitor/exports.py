"""The metrics that can be known from exported tables alone.

A folder with ``fct_sessions``, ``fct_orders`` and ``fct_attribution`` and nothing else has lost
the raw rows: no hours, no coverage of columns, no ledger. What the three tables say is derived
here in the shape of ``metrics_daily``; what was known on a day is taken to be what is known now.
"""

from __future__ import annotations

from typing import Any

from tallymark.engine.base import Engine

__all__ = ["EXPORTS", "LOST", "derive"]

EXPORTS = frozenset({"fct_sessions", "fct_orders", "fct_attribution"})

LOST = (
    "only exported tables are here: missing hours, the gate's findings, quarantined and repeated "
    "rows, and the coverage of client ids, referrers and payload fields could not be checked"
)

_METRICS = """
with visits as (
    select
        cast(session_date as date) as date,
        coalesce(cast(channel as varchar), 'Unknown') as channel,
        coalesce(cast(device as varchar), 'unknown') as device,
        case when cast(add_to_carts as bigint) > 0 then 1 else 0 end as carted,
        case when cast(checkouts_started as bigint) > 0 then 1 else 0 end as checked,
        case when cast(orders as bigint) > 0 then 1 else 0 end as bought,
        case when cast(is_new_client as boolean) then 1 else 0 end as fresh
    from fct_sessions
    where not coalesce(cast(is_bot as boolean), false)
      and not coalesce(cast(is_internal as boolean), false)
      and session_date is not null
),

visit_days as (
    select
        date,
        count(*) as sessions,
        sum(carted) as carts,
        sum(case when carted + checked > 0 then 1 else 0 end) as carts_or_checkouts,
        sum(checked) as checkouts,
        sum(checked * bought) as checkouts_bought,
        sum(bought) as bought,
        sum(fresh) as fresh
    from visits
    group by date
),

counted as (
    select
        cast(order_id as varchar) as order_id,
        cast(order_date as date) as date,
        cast(revenue as decimal(18, 4)) as revenue,
        cast(revenue as decimal(18, 4)) >= 0 as is_order
    from fct_orders
    where cast(is_counted as boolean) and order_date is not null
),

order_days as (
    select
        visit_days.date as date,
        count(case when counted.is_order then 1 end) as orders,
        coalesce(sum(counted.revenue), 0) as revenue,
        coalesce(sum(case when counted.is_order then counted.revenue end), 0) as sold
    from visit_days
    left join counted on counted.date = visit_days.date
    group by visit_days.date
),

credit as (
    select
        counted.date as date,
        cast(fct_attribution.model as varchar) as model,
        coalesce(cast(fct_attribution.channel as varchar), 'Unknown') as channel,
        sum(cast(fct_attribution.revenue as decimal(18, 4))) as revenue,
        sum(case when counted.is_order then cast(fct_attribution.revenue as decimal(18, 4)) end)
            as sold
    from fct_attribution
    inner join counted on cast(fct_attribution.order_id as varchar) = counted.order_id
    group by 1, 2, 3
),

without_channel as (
    select
        order_days.date as date,
        coalesce(sum(credit.sold), 0) as sold
    from order_days
    left join credit
        on credit.date = order_days.date
        and credit.model = 'last_click'
        and credit.channel in ('Unknown', 'Unattributed')
    group by order_days.date
),

long as (
    select date, 'sessions' as metric, 'all' as segment, sessions as num, null as den
    from visit_days
    union all select date, 'orders', 'all', orders, null from order_days
    union all select date, 'revenue', 'all', revenue, null from order_days
    union all select date, 'aov', 'all', sold, orders from order_days
    union all select date, 'conversion_rate', 'all', bought, sessions from visit_days
    union all select date, 'cart_rate', 'all', carts, sessions from visit_days
    union all select date, 'checkout_rate', 'all', checkouts, carts_or_checkouts from visit_days
    union all select date, 'purchase_rate', 'all', checkouts_bought, checkouts from visit_days
    union all select date, 'new_client_share', 'all', fresh, sessions from visit_days
    union all
    select visits.date, 'channel_share', 'channel=' || channel, count(*), min(sessions)
    from visits inner join visit_days on visit_days.date = visits.date
    group by visits.date, channel
    union all
    select visits.date, 'device_share', 'device=' || device, count(*), min(sessions)
    from visits inner join visit_days on visit_days.date = visits.date
    group by visits.date, device
    union all
    select date, 'attributed_revenue', 'model=' || model || ';channel=' || channel, revenue, null
    from credit
    union all
    select order_days.date, 'no_channel_revenue_share', 'all',
        without_channel.sold, order_days.sold
    from order_days inner join without_channel on without_channel.date = order_days.date
)

select
    date,
    metric,
    segment,
    case
        when metric in ('sessions', 'orders', 'revenue', 'attributed_revenue')
            then cast(num as double)
        when den > 0 then cast(num as double) / cast(den as double)
    end as value,
    cast(num as double) as numerator,
    cast(den as double) as denominator
from long
order by metric, segment, date
"""


def derive(engine: Engine) -> list[tuple[Any, ...]]:
    """Rows of (date, metric, segment, value, numerator, denominator), ordered.

    Args:
        engine: One in which the three exported tables can be read.
    """
    return engine.rows(_METRICS)
