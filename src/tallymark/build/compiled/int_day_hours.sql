-- One row per hour of a day.
select cast(number as integer) as hour
from int_numbers
where number < 24
