-- One row per delivery that has accepted rows of which none reached the events.
select int_delivery_days.delivery as delivery
from int_delivery_days
left join landed on int_delivery_days.delivery = landed.delivery and landed.rejected = 0
where int_delivery_days.rows_accepted > 0
group by int_delivery_days.delivery
having count(landed.event_id) = 0
