-- One row per session that begins no further from the one before than sessions must be apart.
with returning_clients as (
    select client_id
    from fct_sessions
    group by client_id
    having count(*) > 1
),

neighbours as (
    select
        fct_sessions.session_id as session_id,
        fct_sessions.session_start as session_start,
        lag(fct_sessions.session_end) over (
            partition by fct_sessions.client_id
            order by fct_sessions.session_start nulls first
        ) as previous_end
    from fct_sessions
    inner join returning_clients on fct_sessions.client_id = returning_clients.client_id
)

select session_id
from neighbours
where previous_end is not null
    and epoch_ms(session_start) - epoch_ms(previous_end) <= :apart_ms
