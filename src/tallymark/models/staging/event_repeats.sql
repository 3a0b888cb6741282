-- One row per event that repeats another one exactly: same time, same values, whatever the file.
with twins as (
    select landed.event_ms as event_ms
    from landed
    inner join int_delivery_days on landed.delivery = int_delivery_days.delivery
    where landed.rejected = 0 and int_delivery_days.may_repeat
    group by landed.event_ms
    having count(*) > 1
),

ranked as (
    select
        landed.event_id as event_id,
        row_number() over (
            partition by landed.event_ms, landed.client_id, landed.page_url, landed.referrer,
                landed.event_name, landed.payload, landed.user_agent
            order by landed.delivery nulls first, landed.line_number nulls first
        ) as place
    from landed
    inner join twins on landed.event_ms = twins.event_ms
    where landed.rejected = 0
)

select event_id
from ranked
where place > 1
