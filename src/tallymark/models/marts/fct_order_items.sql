-- One row per line of a delivered purchase or refund.
select
    int_order_lines.order_id as order_id,
    cast(int_order_lines.line as integer) as line,
    int_order_lines.item_id as item_id,
    int_order_lines.item_name as item_name,
    cast(int_order_lines.quantity as decimal(18, 4)) as quantity,
    cast(int_order_lines.line_revenue as decimal(18, 4)) as line_revenue
from int_order_lines
