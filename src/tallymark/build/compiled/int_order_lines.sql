-- One row per line of a purchase or refund; a refund's pieces and money are below zero.
with lines as (
    select
        int_order_identity.order_id as order_id,
        int_order_identity.is_refund as is_refund,
        int_order_payloads.amount as amount,
        int_order_payloads.delivered_revenue as stated,
        int_order_payloads.event_id as event_id,
        int_numbers.number + 1 as line,
        nullif(trim(json_item(landed.payload, :key_items, int_numbers.number, :key_item_id)), '')
            as item_id,
        nullif(trim(json_item(landed.payload, :key_items, int_numbers.number, :key_item_name)), '')
            as item_name,
        try_money(json_item(landed.payload, :key_items, int_numbers.number, :key_quantity))
            as quantity,
        try_money(json_item(landed.payload, :key_items, int_numbers.number, :key_item_price))
            as price,
        upper(int_order_payloads.delivered_currency) as code
    from int_order_payloads
    inner join int_order_identity on int_order_payloads.event_id = int_order_identity.event_id
    inner join landed on int_order_payloads.event_id = landed.event_id
    inner join int_numbers on int_numbers.number < int_order_payloads.items
),

-- Shops disagree whether a price is for one piece: which reading makes more orders add up?
sums as (
    select
        event_id,
        stated,
        sum(price * coalesce(quantity, 1)) as by_unit,
        sum(price) as by_line
    from lines
    where not is_refund
    group by event_id, stated
    having count(*) = count(price)
),

votes as (
    select
        count(case when by_unit = stated and by_line <> stated then 1 end) as for_unit,
        count(case when by_line = stated and by_unit <> stated then 1 end) as for_line
    from sums
),

priced as (
    select
        lines.order_id as order_id,
        lines.line as line,
        lines.item_id as item_id,
        lines.item_name as item_name,
        lines.quantity as quantity,
        lines.is_refund as is_refund,
        lines.code as code,
        cast(case
            when votes.for_unit >= votes.for_line then lines.price * coalesce(lines.quantity, 1)
            else lines.price
        end as decimal(18, 4)) as line_amount
    from lines
    cross join votes
),

converted as (
    select
        order_id,
        line,
        item_id,
        item_name,
        quantity,
        is_refund,
        :line_case as line_revenue
    from priced
)

select
    order_id,
    cast(line as integer) as line,
    item_id,
    item_name,
    case when is_refund and quantity > 0 then -quantity else quantity end as quantity,
    case when is_refund and line_revenue > 0 then -line_revenue else line_revenue end
        as line_revenue
from converted
