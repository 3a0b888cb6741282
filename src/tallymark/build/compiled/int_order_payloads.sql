-- One row per purchase, refund or cancellation event: what its payload says.
with read as (
    select
        event_id,
        client_id,
        event_ms,
        event_date,
        step,
        coalesce(payload, '') as content,
        nullif(trim(json_field(payload, :key_transaction_id)), '') as transaction_id,
        try_money(trim(json_field(payload, :key_revenue))) as stated,
        nullif(trim(json_field(payload, :key_currency)), '') as currency,
        nullif(lower(trim(json_field(payload, :key_email))), '') as email,
        coalesce(json_count(payload, :key_items), 0) as items,
        :taken_off as taken_off,
        row_number() over (
            order by event_ms nulls first, delivery nulls first, line_number nulls first
        ) as place
    from landed
    where rejected = 0 and step in ('purchase', 'refund', 'cancellation')
),

named as (
    select distinct read.event_id as event_id
    from read
    inner join landed on read.event_id = landed.event_id
    inner join int_numbers on int_numbers.number < read.items
    where trim(json_item(landed.payload, :key_items, int_numbers.number, :key_item_name)) <> ''
),

judged as (
    select
        read.event_id as event_id,
        read.client_id as client_id,
        read.event_ms as event_ms,
        read.event_date as event_date,
        read.place as place,
        md5(read.content) as content,
        read.transaction_id as transaction_id,
        read.currency as delivered_currency,
        upper(read.currency) as code,
        case when read.email is not null then md5(read.email) end as customer,
        read.items as items,
        case
            when read.stated < 10000000000 and read.stated > -10000000000 then read.stated
        end as delivered_revenue,
        read.taken_off as taken_off,
        read.step <> 'purchase' or coalesce(read.stated < 0, false) as is_refund,
        coalesce(read.stated = 0, false) and named.event_id is null as is_worthless
    from read
    left join named on read.event_id = named.event_id
)

select
    event_id,
    client_id,
    event_ms,
    event_date,
    place,
    content,
    transaction_id,
    customer,
    items,
    delivered_revenue,
    delivered_currency,
    :currency_case as currency,
    :amount_case as amount,
    is_refund,
    is_worthless and not is_refund as is_test,
    md5(concat(
        coalesce(transaction_id, ''), '|', coalesce(client_id, ''), '|', coalesce(customer, ''),
        '|', content, '|', cast(event_ms as varchar), case when is_refund then '|refund' else '' end
    )) as digest
from judged
