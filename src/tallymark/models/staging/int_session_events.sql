-- One row per counted event of a client: the session it belongs to, and whether it begins it.
with stream as (
    select
        landed.event_id as event_id,
        landed.client_id as client_id,
        landed.event_ms as event_ms,
        landed.event_date as event_date,
        landed.step as step,
        landed.page_hash as page_hash,
        landed.delivery as delivery,
        landed.line_number as line_number
    from landed
    left join event_repeats on landed.event_id = event_repeats.event_id
    where landed.rejected = 0 and landed.client_id is not null and event_repeats.event_id is null
),

gaps as (
    select
        event_id, client_id, event_ms, event_date, step, delivery, line_number,
        lag(event_ms) over (
            partition by client_id
            order by event_ms nulls first, delivery nulls first, line_number nulls first
        ) as previous_ms,
        case when step = 'page_view' and page_hash = lag(page_hash) over (
            partition by client_id
            order by event_ms nulls first, delivery nulls first, line_number nulls first
        ) and lag(step) over (
            partition by client_id
            order by event_ms nulls first, delivery nulls first, line_number nulls first
        ) = 'page_view' then 1 else 0 end as same_view
    from stream
),

starts as (
    select
        event_id, client_id, event_ms, event_date, step, delivery, line_number,
        case when previous_ms is null or event_ms - previous_ms > :gap_ms then 1 else 0 end
            as is_start,
        case when same_view = 1 and event_ms - previous_ms < 1000 then 1 else 0 end
            as is_double_fired
    from gaps
)

select
    event_id, client_id, event_ms, event_date, step, is_start, is_double_fired,
    max(case when is_start = 1 then event_ms end) over (
        partition by client_id
        order by event_ms nulls first, delivery nulls first, line_number nulls first
        rows between unbounded preceding and current row
    ) as session_start_ms,
    max(case when is_start = 1 then event_date end) over (
        partition by client_id
        order by event_ms nulls first, delivery nulls first, line_number nulls first
        rows between unbounded preceding and current row
    ) as session_date
from starts
