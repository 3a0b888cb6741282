-- One row per whole number from 0 to 9999.
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
)

select 1000 * a.digit + 100 * b.digit + 10 * c.digit + d.digit as number
from digits as a
cross join digits as b
cross join digits as c
cross join digits as d
