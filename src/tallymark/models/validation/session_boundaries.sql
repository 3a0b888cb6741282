-- Neighbouring sessions of a client that are not more than the gap apart.
with neighbours as (
    select
        session_id,
        session_start,
        lag(session_end) over (partition by client_id order by session_start) as previous_end
    from fct_sessions
)

select session_id
from neighbours
where previous_end is not null
    and epoch_ms(session_start) - epoch_ms(previous_end) <= :gap_ms
