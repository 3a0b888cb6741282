-- One row per delivered purchase or refund, with what was known of it by the end of its own day.
with purchases as (
    select event_id, client_id, event_ms, event_time, event_date, event_hour
    from landed
    where rejected = 0 and step in ('purchase', 'refund', 'cancellation')
)

select
    int_order_identity.order_id as order_id,
    int_order_identity.transaction_id as transaction_id,
    purchases.client_id as client_id,
    dim_persons.person_id as person_id,
    case
        when int_session_events.session_start_ms is not null and not int_order_identity.is_refund
            then md5(concat(
                purchases.client_id, '|', cast(int_session_events.session_start_ms as varchar)
            ))
    end as session_id,
    purchases.event_time as ordered_at,
    purchases.event_date as order_date,
    cast(int_order_identity.revenue as decimal(18, 4)) as revenue,
    coalesce(int_order_identity.currency, :currency) as currency,
    cast(int_order_identity.delivered_revenue as decimal(18, 4)) as delivered_revenue,
    int_order_identity.delivered_currency as delivered_currency,
    cast(int_order_identity.items as integer) as items,
    int_order_identity.status as status,
    int_order_identity.id_status as id_status,
    int_order_identity.status in ('kept', 'refund') as is_counted,
    int_order_identity.known_status as known_status,
    int_order_identity.known_id_status as known_id_status,
    int_order_identity.known_status in ('kept', 'refund') as known_is_counted,
    int_order_identity.is_refund as is_refund,
    purchases.event_ms as ordered_ms,
    case when not int_order_identity.is_refund then int_session_events.session_start_ms end
        as session_start_ms,
    purchases.event_hour as order_hour,
    case when int_order_identity.is_refund then sold.client_id else purchases.client_id end
        as credit_client_id,
    case when int_order_identity.is_refund then sold.event_ms else purchases.event_ms end
        as credit_ms
from purchases
inner join int_order_identity on purchases.event_id = int_order_identity.event_id
left join int_session_events on purchases.event_id = int_session_events.event_id
left join dim_persons on purchases.client_id = dim_persons.client_id
left join purchases as sold on int_order_identity.refunded_event_id = sold.event_id
