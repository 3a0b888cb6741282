-- One row per session that began on the shop's own or a payment host: whose channel it takes.
with classified as (
    select
        int_landings.landing_event_id as landing_event_id,
        int_landings.client_id as client_id,
        int_landings.session_start_ms as session_start_ms,
        int_landings.traffic_key as traffic_key,
        dim_traffic.channel as channel,
        dim_traffic.inherits as inherits
    from int_landings
    inner join dim_traffic on int_landings.traffic_key = dim_traffic.traffic_key
),

returning_clients as (
    select distinct client_id
    from classified
    where inherits
),

donors as (
    select
        classified.landing_event_id as landing_event_id,
        classified.client_id as client_id,
        classified.session_start_ms as session_start_ms,
        classified.inherits as inherits,
        max(case
            when not classified.inherits and classified.channel <> 'Unknown'
                then classified.session_start_ms
        end) over (
            partition by classified.client_id
            order by classified.session_start_ms nulls first
            rows between unbounded preceding and 1 preceding
        ) as donor_ms
    from classified
    inner join returning_clients on classified.client_id = returning_clients.client_id
)

select
    donors.landing_event_id as landing_event_id,
    giver.traffic_key as traffic_key
from donors
inner join classified as giver
    on donors.client_id = giver.client_id and donors.donor_ms = giver.session_start_ms
where donors.inherits and donors.session_start_ms - donors.donor_ms <= :lookback_ms
