-- One row per counted order x model x credited touch; an order without a touch is Unattributed.
select
    order_id,
    model,
    touch_number,
    session_id,
    touch_at,
    channel,
    source,
    medium,
    campaign,
    weight,
    revenue
from int_credit
where is_counted
