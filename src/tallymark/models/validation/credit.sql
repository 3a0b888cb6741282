-- Orders whose credit is not their revenue, in any model.
with credit as (
    select order_id, model, sum(revenue) as revenue, sum(weight) as weight
    from fct_attribution
    group by order_id, model
)

select credit.order_id as order_id, credit.model as model
from credit
inner join fct_orders on credit.order_id = fct_orders.order_id
where credit.revenue <> fct_orders.revenue or credit.weight <> 1 or not fct_orders.is_counted
