-- One row per session that begins within the gap after the one before.
with neighbours as (
    select
        session_id,
        session_start,
        lag(session_end) over (
            partition by client_id order by session_start nulls first
        ) as previous_end
    from fct_sessions
)

select session_id
from neighbours
where previous_end is not null
    and epoch_ms(session_start) - epoch_ms(previous_end) <= :gap_ms
