-- One row per client whose e-mail address is known, and the person behind it.
with pairs as (
    select distinct
        client_id,
        md5(lower(trim(json_field(payload, :key_email)))) as customer
    from landed
    where rejected = 0 and client_id is not null and step in ('purchase', 'email')
        and trim(json_field(payload, :key_email)) <> ''
),

-- An address of many clients is a shop's own or a placeholder; a client of many is a shared device.
clients_of as (
    select customer, count(*) as clients from pairs group by customer
),

customers_of as (
    select client_id, count(*) as customers from pairs group by client_id
),

joining as (
    select pairs.client_id as client_id, pairs.customer as customer
    from pairs
    inner join clients_of on pairs.customer = clients_of.customer
    inner join customers_of on pairs.client_id = customers_of.client_id
    where clients_of.clients <= :max_clients and customers_of.customers <= :max_customers
),

-- Each round hands the smallest client id on to all who share an address.
round_1 as (
    select client_id, customer, min(client_id) over (partition by customer) as leader
    from joining
),

round_2 as (
    select client_id, customer, min(leader) over (partition by client_id) as leader
    from round_1
),

round_3 as (
    select client_id, customer, min(leader) over (partition by customer) as leader
    from round_2
),

leaders as (
    select client_id, min(leader) as leader from round_3 group by client_id
)

select distinct
    pairs.client_id as client_id,
    md5(concat('person|', coalesce(leaders.leader, pairs.client_id))) as person_id
from pairs
left join leaders on pairs.client_id = leaders.client_id
