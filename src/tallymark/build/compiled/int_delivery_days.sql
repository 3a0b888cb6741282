-- One row per delivery: how many of its rows were read, accepted and left out.
select
    delivery,
    cast(row_number() over (order by delivery nulls first) as integer) as place,
    true as may_repeat,
    min(event_date) as date,
    count(*) as rows_read,
    count(case when rejected = 0 then 1 end) as rows_accepted,
    count(case when rejected = 1 then 1 end) as rows_quarantined
from landed
group by delivery
