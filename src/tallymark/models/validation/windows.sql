-- One row per credited touch outside the look-back of its order.
select fct_attribution.order_id as order_id, fct_attribution.model as model
from fct_attribution
inner join int_orders on fct_attribution.order_id = int_orders.order_id
where fct_attribution.touch_at is not null
    and (
        int_orders.credit_ms is null
        or int_orders.credit_ms - epoch_ms(fct_attribution.touch_at) < 0
        or int_orders.credit_ms - epoch_ms(fct_attribution.touch_at) > :lookback_ms
    )
