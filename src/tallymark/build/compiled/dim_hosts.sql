-- One row per distinct host of the shop's pages, and whether it is a staging or private host.
with hosts as (
    select distinct page_host, part(part(page_host, '.', 1), '-', 1) as first_word
    from landed
    where page_host is not null
),

listed as (
    select distinct hosts.page_host as page_host
    from hosts
    inner join seed_internal_hosts
        on hosts.page_host = seed_internal_hosts.host
        or ends_with(hosts.page_host, concat('.', seed_internal_hosts.host))
)

select
    hosts.page_host as page_host,
    listed.page_host is not null
    or (
        hosts.first_word in (:first_labels)
        and place(substr(hosts.page_host, place(hosts.page_host, '.') + 1), '.') > 0
    )
    or starts_with(hosts.page_host, '127.')
    or starts_with(hosts.page_host, '10.')
    or starts_with(hosts.page_host, '192.168.') as is_internal
from hosts
left join listed on hosts.page_host = listed.page_host
