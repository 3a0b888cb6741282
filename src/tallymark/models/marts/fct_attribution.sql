-- One row per counted order x model x credited touch; an order without a touch is Unattributed.
select
    order_id,
    model,
    cast(1 as integer) as touch_number,
    session_id,
    touch_at,
    channel,
    source,
    medium,
    campaign,
    cast(1 as decimal(18, 9)) as weight,
    revenue
from int_credit
where is_counted
