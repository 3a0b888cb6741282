-- One row per date from the first to the last with an event.
with bounds as (
    select min(event_date) as first_date, max(event_date) as last_date
    from landed
    where rejected = 0
)

select days_after(bounds.first_date, int_numbers.number) as date
from bounds
inner join int_numbers on days_after(bounds.first_date, int_numbers.number) <= bounds.last_date
