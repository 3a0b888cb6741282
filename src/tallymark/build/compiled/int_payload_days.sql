-- One row per date and expected field of a purchase: how often it is filled.
with purchases as (
    select event_date, payload
    from landed
    where rejected = 0 and step = 'purchase'
)

:payload_fields
