-- One row per delivered row, with the parts of its URLs.
with split as (
    select
        event_id,
        part(part(page_url, '?', 1), '#', 1) as bare_url,
        case
            when place(page_url, '?') > 0 then concat(
                '&',
                part(substr(page_url, place(page_url, '?') + 1), '#', 1),
                '&'
            )
        end as query,
        case
            when starts_with(referrer, 'https://') then part(referrer, '://', 2)
            when place(referrer, '://') > 0
                and place(referrer, '/') = place(referrer, '://') + 1
                and (place(referrer, '?') = 0 or place(referrer, '?') > place(referrer, '://'))
                and (place(referrer, '#') = 0 or place(referrer, '#') > place(referrer, '://'))
                then part(referrer, '://', 2)
        end as after_scheme
    from landed
),

-- `=&` is a parameter without a value, which says nothing.
filled as (
    select
        event_id,
        bare_url,
        query,
        :raw_tags,
        replace(query, '=&', '&') as said,
        part(part(part(after_scheme, '/', 1), '?', 1), '#', 1) as authority,
        case
            when place(bare_url, '://') > 0 and place(bare_url, '/') = place(bare_url, '://') + 1
                then part(bare_url, '://', 2)
        end as after_page
    from split
),

told as (
    select
        event_id,
        bare_url,
        :utm_columns,
        :click_id_kind as click_id_kind,
        :partner as partner,
        nullif(lower(part(case
            when place(authority, '@') > 0 then part(authority, '@', 2) else authority
        end, ':', 1)), '') as referrer_host,
        case
            when after_page is not null and place(after_page, '/') > 0
                then substr(after_page, place(after_page, '/'))
            when after_page is not null then '/'
            when starts_with(bare_url, '/') then bare_url
        end as page_path
    from filled
)

select
    landed.event_id as event_id,
    landed.client_key as client_key,
    landed.delivery as delivery,
    landed.delivery_date as delivery_date,
    landed.line_number as line_number,
    landed.event_ms as event_ms,
    landed.event_time as event_time,
    landed.event_date as event_date,
    landed.event_hour as event_hour,
    landed.client_id as client_id,
    landed.event_name as event_name,
    landed.step as step,
    landed.page_url as page_url,
    landed.page_host as page_host,
    landed.referrer as referrer,
    landed.user_agent as user_agent,
    landed.payload as payload,
    landed.referrer_collected as referrer_collected,
    landed.is_marked as is_marked,
    landed.rejected as rejected,
    told.bare_url as bare_url,
    told.page_path as page_path,
    :page_type as page_type,
    told.utm_source as utm_source,
    told.utm_medium as utm_medium,
    told.utm_campaign as utm_campaign,
    told.utm_term as utm_term,
    told.utm_content as utm_content,
    told.click_id_kind as click_id_kind,
    told.partner as partner,
    told.referrer_host as referrer_host
from landed
inner join told on landed.event_id = told.event_id
