-- One row per session that may take credit: of clients with orders, numbered in the order of time.
with buyers as (
    select distinct credit_client_id as client_id
    from int_orders
    where (is_counted or known_is_counted) and credit_client_id is not null
),

touches as (
    select
        fct_sessions.client_id as client_id,
        epoch_ms(fct_sessions.session_start) as touch_ms,
        fct_sessions.session_id as session_id,
        fct_sessions.session_start as touch_at,
        fct_sessions.session_date as session_date,
        fct_sessions.channel as channel,
        fct_sessions.source as source,
        fct_sessions.medium as medium,
        fct_sessions.campaign as campaign
    from fct_sessions
    inner join buyers on fct_sessions.client_id = buyers.client_id
    where fct_sessions.channel not in (:excluded_channels)
        and not (fct_sessions.is_bot and :exclude_bots)
        and not (fct_sessions.is_internal and :exclude_internal)
)

select
    client_id,
    row_number() over (partition by client_id order by touch_ms nulls first) as touch_no,
    touch_ms,
    session_id,
    touch_at,
    session_date,
    channel,
    source,
    medium,
    campaign
from touches
