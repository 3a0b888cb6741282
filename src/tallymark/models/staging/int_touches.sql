-- One row per order of a client: the starts of the first and the last session inside the look-back.
with ordered as (
    select order_id, client_id, ordered_ms
    from int_orders
    where (is_counted or known_is_counted) and client_id is not null
),

buyers as (
    select distinct client_id from ordered
),

marks as (
    select
        int_landings.client_id as client_id,
        int_landings.session_start_ms as at_ms,
        int_landings.session_start_ms as touch_ms,
        cast(null as varchar) as order_id
    from int_landings
    inner join buyers on int_landings.client_id = buyers.client_id
    union all
    select client_id, ordered_ms as at_ms, cast(null as bigint) as touch_ms, order_id
    from ordered
),

framed as (
    select
        client_id,
        order_id,
        min(touch_ms) over (
            partition by client_id order by at_ms nulls first
            range between :lookback_ms preceding and current row
        ) as first_ms,
        max(touch_ms) over (
            partition by client_id order by at_ms nulls first
            range between :lookback_ms preceding and current row
        ) as last_ms
    from marks
)

select order_id, client_id, first_ms, last_ms
from framed
where order_id is not null
