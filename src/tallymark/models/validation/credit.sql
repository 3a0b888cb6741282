-- One row per order and model whose credit is not the revenue of the order.
with models as (
    select distinct model from int_credit
),

expected as (
    select
        fct_orders.order_id as order_id,
        models.model as model,
        fct_orders.revenue as revenue
    from fct_orders
    cross join models
    where fct_orders.is_counted
),

credit as (
    select
        order_id,
        model,
        sum(revenue) as revenue,
        sum(weight) as weight,
        count(*) as touches,
        max(touch_number) as last_number
    from fct_attribution
    group by order_id, model
)

select
    coalesce(expected.order_id, credit.order_id) as order_id,
    coalesce(expected.model, credit.model) as model
from expected
full outer join credit on expected.order_id = credit.order_id and expected.model = credit.model
where expected.order_id is null
    or credit.revenue is null
    or credit.weight is null
    or credit.revenue <> expected.revenue
    or credit.weight <> 1
    or credit.touches <> credit.last_number
