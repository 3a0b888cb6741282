-- One row per order x model x credited touch, where an order is shared between several touches.
with digits as (
    select 0 as digit
    union all
    select 1 as digit
    union all
    select 2 as digit
    union all
    select 3 as digit
    union all
    select 4 as digit
    union all
    select 5 as digit
    union all
    select 6 as digit
    union all
    select 7 as digit
    union all
    select 8 as digit
    union all
    select 9 as digit
),

-- Places of the credited touches, counted back from the last one, which has place 0.
places as (
    select 10 * tens.digit + ones.digit as place
    from digits as tens
    cross join digits as ones
),

shared as (
    select
        order_id,
        order_date,
        client_id,
        first_no,
        last_no,
        case when touches < :max_touches then touches else :max_touches end as credited
    from int_order_touches
    where touches > 1
),

-- Of more touches than are credited, the first one stands in for those that are left out.
chosen as (
    select
        shared.order_id as order_id,
        shared.order_date as order_date,
        shared.client_id as client_id,
        shared.last_no as last_no,
        shared.credited as credited,
        places.place as place,
        case
            when places.place = shared.credited - 1 then shared.first_no
            else shared.last_no - places.place
        end as touch_no
    from shared
    inner join places on places.place < shared.credited
),

-- The older a touch is than the last one, the less: half of it each half-life, in billionths.
decayed as (
    select
        chosen.order_id as order_id,
        chosen.order_date as order_date,
        chosen.credited as credited,
        chosen.place as place,
        chosen.client_id as client_id,
        chosen.touch_no as touch_no,
        cast(floor(
            exp((touch.touch_ms - latest.touch_ms) * :decay_per_ms) * 1000000000 + 0.5
        ) as bigint) as decay
    from chosen
    inner join int_touches as touch
        on chosen.client_id = touch.client_id and chosen.touch_no = touch.touch_no
    inner join int_touches as latest
        on chosen.client_id = latest.client_id and chosen.last_no = latest.touch_no
),

summed as (
    select
        order_id,
        order_date,
        credited,
        place,
        client_id,
        touch_no,
        decay,
        cast(sum(decay) over (partition by order_id) as bigint) as decays
    from decayed
),

-- Weights in billionths, rounded down.
weighed as (
    select order_id, order_date, credited, place, client_id, touch_no, 'linear' as model,
        (1000000000 - 1000000000 % credited) // credited as part
    from summed
    union all
    select order_id, order_date, credited, place, client_id, touch_no, 'position_based' as model,
        case
            when place = 0 then 0
            when credited = 2 then :first_of_two
            when place = credited - 1 then :first_of_many
            else (:all_between - :all_between % (credited - 2)) // (credited - 2)
        end as part
    from summed
    union all
    select order_id, order_date, credited, place, client_id, touch_no, 'time_decay' as model,
        (decay * 1000000000 - (decay * 1000000000) % decays) // decays as part
    from summed
),

-- The last touch takes what is left of a whole.
whole as (
    select
        order_id,
        order_date,
        model,
        credited - place as touch_number,
        place,
        client_id,
        touch_no,
        case
            when place = 0 then 1000000000 + part
                - cast(sum(part) over (partition by order_id, model) as bigint)
            else part
        end as billionths
    from weighed
    where model in (:models)
)

select order_id, order_date, model, touch_number, place, client_id, touch_no, billionths
from whole
