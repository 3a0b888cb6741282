-- One row per session: its source, medium, campaign and channel, and the rule that decided.
with classified as (
    select
        int_landings.session_id as session_id,
        int_landings.client_id as client_id,
        int_landings.session_start_ms as session_start_ms,
        dim_traffic.source as source,
        dim_traffic.medium as medium,
        dim_traffic.campaign as campaign,
        dim_traffic.channel as channel,
        dim_traffic.rule as channel_rule,
        dim_traffic.inherits as inherits
    from int_landings
    inner join dim_traffic on int_landings.traffic_key = dim_traffic.traffic_key
),

returning_clients as (
    select distinct client_id from classified where inherits
),

donors as (
    select
        classified.session_id as session_id,
        classified.client_id as client_id,
        classified.session_start_ms as session_start_ms,
        classified.inherits as inherits,
        max(case
            when not classified.inherits and classified.channel <> 'Unknown'
                then classified.session_start_ms
        end) over (
            partition by classified.client_id order by classified.session_start_ms nulls first
            rows between unbounded preceding and 1 preceding
        ) as donor_ms
    from classified
    inner join returning_clients on classified.client_id = returning_clients.client_id
),

inherited as (
    select
        donors.session_id as session_id,
        giver.source as source,
        giver.medium as medium,
        giver.campaign as campaign,
        giver.channel as channel
    from donors
    inner join classified as giver
        on donors.client_id = giver.client_id and donors.donor_ms = giver.session_start_ms
    where donors.inherits and donors.session_start_ms - donors.donor_ms <= :lookback_ms
)

select
    classified.session_id as session_id,
    coalesce(inherited.source, classified.source) as source,
    coalesce(inherited.medium, classified.medium) as medium,
    case when inherited.session_id is not null then inherited.campaign else classified.campaign
    end as campaign,
    coalesce(inherited.channel, classified.channel) as channel,
    case
        when inherited.session_id is not null then 'previous_channel'
        else classified.channel_rule
    end as channel_rule
from classified
left join inherited on classified.session_id = inherited.session_id
