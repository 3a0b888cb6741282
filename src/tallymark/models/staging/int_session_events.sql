-- One row per counted event of a client: the session it belongs to, and whether it begins it.
with stream as (
    select
        landed.event_id as event_id,
        landed.client_key as client_key,
        landed.event_ms as event_ms,
        landed.event_date as event_date,
        case landed.step
            when 'page_view' then 1 when 'add_to_cart' then 2 when 'checkout_start' then 3 else 0
        end as step_number,
        -- One number for the place of the delivery and the line in it: no file has so many lines.
        int_delivery_days.place * 1000000000000 + landed.line_number as place,
        int_breaks.event_id is not null as is_break
    from landed
    inner join int_delivery_days on landed.delivery = int_delivery_days.delivery
    left join event_repeats on landed.event_id = event_repeats.event_id
    left join int_breaks on landed.event_id = int_breaks.event_id
    where landed.rejected = 0 and landed.client_id is not null and event_repeats.event_id is null
),

gaps as (
    select
        event_id,
        client_key,
        event_ms,
        event_date,
        step_number,
        place,
        is_break,
        lag(event_ms) over (
            partition by client_key
            order by event_ms nulls first, place nulls first
        ) as previous_ms
    from stream
),

marked as (
    select
        event_id,
        client_key,
        event_ms,
        event_date,
        step_number,
        case
            when previous_ms is null then 2
            when event_ms - previous_ms > :gap_ms then 1
            when is_break and event_ms > previous_ms then 1
            else 0
        end as begins,
        case when event_ms - previous_ms < 1000 and step_number = 1 then 1 else 0 end
            as is_quick
    from gaps
)

select
    event_id,
    client_key,
    event_ms,
    event_date,
    step_number,
    begins,
    is_quick,
    max(case when begins > 0 then event_ms end) over (
        partition by client_key
        order by event_ms nulls first
        range between unbounded preceding and current row
    ) as session_start_ms
from marked
