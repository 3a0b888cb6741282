-- One row per order of a client: which of the client's touches lie inside the look-back.
with ordered as (
    select order_id, order_date, credit_client_id as client_id, credit_ms
    from int_orders
    where (is_counted or known_is_counted) and credit_client_id is not null
),

marks as (
    select
        client_id,
        touch_ms as at_ms,
        touch_no,
        case when channel not in ('Direct', 'Unknown') then touch_no end as known_no,
        cast(null as varchar) as order_id,
        cast(null as date) as order_date
    from int_touches
    union all
    select
        client_id,
        credit_ms as at_ms,
        cast(null as bigint) as touch_no,
        cast(null as bigint) as known_no,
        order_id,
        order_date
    from ordered
),

framed as (
    select
        order_id,
        order_date,
        client_id,
        min(touch_no) over (
            partition by client_id order by at_ms nulls first
            range between :lookback_ms preceding and current row
        ) as first_no,
        max(touch_no) over (
            partition by client_id order by at_ms nulls first
            range between :lookback_ms preceding and current row
        ) as last_no,
        max(known_no) over (
            partition by client_id order by at_ms nulls first
            range between :lookback_ms preceding and current row
        ) as known_no
    from marks
)

select
    order_id,
    order_date,
    client_id,
    first_no,
    last_no,
    coalesce(known_no, last_no) as last_non_direct_no,
    last_no - first_no + 1 as touches
from framed
where order_id is not null and last_no is not null
