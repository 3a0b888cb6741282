-- One row per order x model x credited touch, and one for each order and model without a touch.
with models as (
    select 'first_click' as model
    union all
    select 'last_click' as model
    union all
    select 'last_non_direct' as model
    union all
    select 'linear' as model
    union all
    select 'position_based' as model
    union all
    select 'time_decay' as model
),

counted as (
    select order_id, order_date, revenue, is_counted, known_is_counted
    from int_orders
    where is_counted or known_is_counted
),

-- One touch takes all: by the model, or because there is no other.
alone as (
    select
        counted.order_id as order_id,
        models.model as model,
        1 as touch_number,
        counted.order_date as order_date,
        counted.revenue as revenue,
        counted.is_counted as is_counted,
        counted.known_is_counted as known_is_counted,
        cast(1 as decimal(18, 9)) as weight,
        int_order_touches.client_id as client_id,
        case models.model
            when 'first_click' then int_order_touches.first_no
            when 'last_non_direct' then int_order_touches.last_non_direct_no
            else int_order_touches.last_no
        end as touch_no
    from counted
    cross join models
    left join int_order_touches on counted.order_id = int_order_touches.order_id
    where models.model in (:models)
        and (
            models.model in ('first_click', 'last_click', 'last_non_direct')
            or coalesce(int_order_touches.touches, 0) < 2
        )
),

-- Money in ten-thousandths without its sign, and in whole units of the currency.
priced as (
    select
        int_shared_credit.order_id as order_id,
        int_shared_credit.model as model,
        int_shared_credit.touch_number as touch_number,
        int_shared_credit.place as place,
        int_shared_credit.client_id as client_id,
        int_shared_credit.touch_no as touch_no,
        int_shared_credit.billionths as billionths,
        counted.order_date as order_date,
        counted.is_counted as is_counted,
        counted.known_is_counted as known_is_counted,
        case when counted.revenue < 0 then -1 else 1 end as sign,
        cast(case when counted.revenue < 0 then -10000 else 10000 end * counted.revenue as bigint)
            as amount
    from int_shared_credit
    inner join counted on int_shared_credit.order_id = counted.order_id
),

in_units as (
    select
        order_id, model, touch_number, place, client_id, touch_no, billionths, order_date,
        is_counted, known_is_counted, sign,
        amount % :unit as rest,
        (amount - amount % :unit) // :unit as units
    from priced
),

-- Units x billionths would not fit a bigint, so thousand millions of units are taken by themselves.
rounded_down as (
    select
        order_id, model, touch_number, place, client_id, touch_no, billionths, order_date,
        is_counted, known_is_counted, sign, rest, units,
        ((units - units % 1000000000) // 1000000000) * billionths
        + (
            (units % 1000000000) * billionths - ((units % 1000000000) * billionths) % 1000000000
        ) // 1000000000 as share,
        ((units % 1000000000) * billionths) % 1000000000 as remainder
    from in_units
),

-- The units that rounding left over go to the largest remainders, the later touch first.
ranked as (
    select
        order_id, model, touch_number, client_id, touch_no, billionths, order_date, is_counted,
        known_is_counted, sign, rest, share,
        units - cast(sum(share) over (partition by order_id, model) as bigint) as left_over,
        row_number() over (
            partition by order_id, model
            order by remainder desc nulls first, place nulls first
        ) as turn
    from rounded_down
),

together as (
    select
        order_id,
        model,
        touch_number,
        order_date,
        cast(
            sign * (
                (share + case when turn <= left_over then 1 else 0 end) * :unit
                + case when turn = 1 then rest else 0 end
            ) * cast(0.0001 as decimal(18, 4)) as decimal(18, 4)
        ) as revenue,
        is_counted,
        known_is_counted,
        cast(
            cast(billionths as integer) * cast(0.000000001 as decimal(18, 9)) as decimal(18, 9)
        ) as weight,
        client_id,
        touch_no
    from ranked
    union all
    select
        order_id, model, touch_number, order_date, revenue, is_counted, known_is_counted, weight,
        client_id, touch_no
    from alone
)

select
    together.order_id as order_id,
    together.model as model,
    cast(together.touch_number as integer) as touch_number,
    together.order_date as order_date,
    together.weight as weight,
    together.revenue as revenue,
    together.is_counted as is_counted,
    together.known_is_counted as known_is_counted,
    int_touches.session_id as session_id,
    int_touches.touch_at as touch_at,
    coalesce(int_touches.channel, 'Unattributed') as channel,
    int_touches.source as source,
    int_touches.medium as medium,
    int_touches.campaign as campaign
from together
left join int_touches
    on together.client_id = int_touches.client_id and together.touch_no = int_touches.touch_no
