-- One row per client: first and last seen, and what came of it.
with totals as (
    select
        client_id,
        min(session_start) as first_seen,
        max(session_end) as last_seen,
        cast(count(*) as integer) as sessions,
        cast(sum(orders) as integer) as orders,
        cast(sum(revenue) as decimal(18, 4)) as revenue
    from fct_sessions
    group by client_id
)

select
    totals.client_id as client_id,
    totals.first_seen as first_seen,
    totals.last_seen as last_seen,
    totals.sessions as sessions,
    totals.orders as orders,
    totals.revenue as revenue,
    fct_sessions.channel as first_channel,
    fct_sessions.person_id as person_id
from totals
inner join fct_sessions
    on totals.client_id = fct_sessions.client_id
    and totals.first_seen = fct_sessions.session_start
