-- One row per delivered purchase or refund: what it is, whose it is, and whether it counts.
select
    order_id,
    transaction_id,
    client_id,
    person_id,
    session_id,
    ordered_at,
    order_date,
    revenue,
    currency,
    items,
    status,
    id_status,
    is_counted,
    delivered_revenue,
    delivered_currency
from int_orders
