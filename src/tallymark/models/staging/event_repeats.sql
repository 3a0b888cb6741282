-- One row per event that repeats another one exactly: same time, same values, whatever the file.
with accepted as (
    select event_id, delivery, line_number, event_ms, row_hash
    from landed
    where rejected = 0
),

repeated as (
    select event_ms, row_hash
    from accepted
    group by event_ms, row_hash
    having count(*) > 1
),

ranked as (
    select
        accepted.event_id as event_id,
        row_number() over (
            partition by accepted.event_ms, accepted.row_hash
            order by accepted.delivery nulls first, accepted.line_number nulls first
        ) as place
    from accepted
    inner join repeated
        on accepted.event_ms = repeated.event_ms and accepted.row_hash = repeated.row_hash
)

select event_id
from ranked
where place > 1
