-- One row per purchase, refund or cancellation: what it is among those with its transaction id.
with purchases as (
    select
        event_id,
        event_date,
        place,
        content,
        coalesce(transaction_id, concat('~', digest)) as number,
        client_id,
        customer,
        case
            when client_id is not null then concat('client ', client_id)
            when customer is null then concat('content ', content)
            else concat('event ', cast(event_id as varchar))
        end as by_client,
        case
            when customer is not null then concat('customer ', customer)
            when client_id is null then concat('content ', content)
            else concat('event ', cast(event_id as varchar))
        end as by_customer
    from int_order_payloads
    where not is_refund and not is_test
),

-- One customer are those that share the client or the e-mail; four steps along such a chain.
step_1 as (
    select event_id, event_date, place, content, number, by_client, by_customer,
        min(place) over (partition by number, by_client) as buyer
    from purchases
),

step_2 as (
    select event_id, event_date, place, content, number, by_client, by_customer,
        min(buyer) over (partition by number, by_customer) as buyer
    from step_1
),

step_3 as (
    select event_id, event_date, place, content, number, by_client, by_customer,
        min(buyer) over (partition by number, by_client) as buyer
    from step_2
),

step_4 as (
    select event_id, event_date, place, content, number,
        min(buyer) over (partition by number, by_customer) as buyer
    from step_3
),

firsts as (
    select event_id, event_date, place, number, buyer,
        case
            when place = min(place) over (partition by number, buyer, content) then place
        end as first_place
    from step_4
),

grouped as (
    select
        event_id,
        place,
        first_place,
        max(first_place) over (partition by number, buyer) as latest,
        count(first_place) over (partition by number, buyer) as contents,
        min(buyer) over (partition by number) as least_buyer,
        max(buyer) over (partition by number) as most_buyer,
        max(first_place) over (
            partition by number, buyer order by event_date nulls first
            range between unbounded preceding and current row
        ) as known_latest,
        count(first_place) over (
            partition by number, buyer order by event_date nulls first
            range between unbounded preceding and current row
        ) as known_contents,
        min(buyer) over (
            partition by number order by event_date nulls first
            range between unbounded preceding and current row
        ) as known_least,
        max(buyer) over (
            partition by number order by event_date nulls first
            range between unbounded preceding and current row
        ) as known_most
    from firsts
),

statuses as (
    select
        event_id,
        case
            when first_place is null then 'redelivery'
            when first_place = latest then 'kept'
            else 'superseded'
        end as status,
        case
            when contents > 1 then 'conflict'
            when least_buyer <> most_buyer then 'id_collision'
            else 'unique'
        end as id_status,
        case
            when first_place is null then 'redelivery'
            when first_place = known_latest then 'kept'
            else 'superseded'
        end as known_status,
        case
            when known_contents > 1 then 'conflict'
            when known_least <> known_most then 'id_collision'
            else 'unique'
        end as known_id_status
    from grouped
),

-- A refund takes back the latest purchase before it under its transaction id: of its own
-- customer if there is one; where that was sent several times, the first of them. Without any
-- before it, the first of the same day: clocks run backwards.
targets as (
    select
        refund.event_id as event_id,
        step_4.number as number,
        step_4.content as content,
        case when sold.customer is null then coalesce(sold.client_id, '~') else '~' end as buyer,
        row_number() over (
            partition by refund.event_id
            order by case
                when sold.place > refund.place then 2
                when refund.client_id = sold.client_id or refund.customer = sold.customer then 0
                else 1
            end nulls first,
            case when sold.place > refund.place then sold.place else -sold.place end nulls first
        ) as turn
    from int_order_payloads as refund
    inner join int_order_payloads as sold
        on refund.transaction_id = sold.transaction_id
        and (sold.place < refund.place or sold.event_date = refund.event_date)
    inner join step_4 on sold.event_id = step_4.event_id
    where refund.is_refund
),

-- Where no e-mail tells customers of equal orders apart, their clients do.
sold_first as (
    select number, content, buyer, min(place) as place
    from (
        select
            number,
            content,
            place,
            case when customer is null then coalesce(client_id, '~') else '~' end as buyer
        from purchases
    ) as sold
    group by number, content, buyer
),

taken_back as (
    select
        targets.event_id as event_id,
        sold.event_id as sold_event_id,
        coalesce(sold.amount, cast(0 as decimal(18, 4))) as brought
    from targets
    inner join sold_first
        on targets.number = sold_first.number and targets.content = sold_first.content
        and targets.buyer = sold_first.buyer
    inner join int_order_payloads as sold on sold_first.place = sold.place
    where targets.turn = 1
),

-- The same refund sent twice by the same customer counts once.
repeated as (
    select
        event_id,
        row_number() over (
            partition by coalesce(transaction_id, cast(event_ms as varchar)), content,
                coalesce(client_id, customer, '~')
            order by place nulls first
        ) as turn
    from int_order_payloads
    where is_refund
),

refunds as (
    select
        payloads.event_id as event_id,
        payloads.place as place,
        taken_back.sold_event_id as sold_event_id,
        taken_back.brought as brought,
        case when repeated.turn > 1 then 'redelivery' else 'refund' end as status,
        case when payloads.amount <> 0 then payloads.amount end as stated
    from int_order_payloads as payloads
    inner join repeated on payloads.event_id = repeated.event_id
    left join taken_back on payloads.event_id = taken_back.event_id
    where payloads.is_refund
),

-- What earlier refunds of the same order asked for; no refund takes back more than is left.
asked as (
    select
        event_id,
        sold_event_id,
        brought,
        status,
        stated,
        coalesce(sum(case
            when status = 'refund' then coalesce(stated, brought)
        end) over (
            partition by sold_event_id order by place nulls first
            rows between unbounded preceding and 1 preceding
        ), 0) as before
    from refunds
),

amounts as (
    select
        event_id,
        sold_event_id,
        status,
        case
            when sold_event_id is null then coalesce(stated, 0)
            when before >= brought then 0
            when stated is null or stated > brought - before then brought - before
            else stated
        end as amount
    from asked
),

twins as (
    select
        event_id,
        digest,
        row_number() over (partition by digest order by place nulls first) as twin
    from int_order_payloads
)

select
    payloads.event_id as event_id,
    case
        when twins.twin = 1 then twins.digest
        else concat(twins.digest, '-', cast(twins.twin as varchar))
    end as order_id,
    payloads.transaction_id as transaction_id,
    cast(case
        when payloads.is_refund then -coalesce(amounts.amount, 0)
        else coalesce(payloads.amount, 0)
    end as decimal(18, 4)) as revenue,
    payloads.currency as currency,
    payloads.delivered_revenue as delivered_revenue,
    payloads.delivered_currency as delivered_currency,
    cast(payloads.items as integer) as items,
    coalesce(amounts.status, statuses.status, 'test') as status,
    coalesce(statuses.id_status, 'unique') as id_status,
    coalesce(amounts.status, statuses.known_status, 'test') as known_status,
    coalesce(statuses.known_id_status, 'unique') as known_id_status,
    payloads.is_refund as is_refund,
    amounts.sold_event_id as refunded_event_id
from int_order_payloads as payloads
inner join twins on payloads.event_id = twins.event_id
left join statuses on payloads.event_id = statuses.event_id
left join amounts on payloads.event_id = amounts.event_id
