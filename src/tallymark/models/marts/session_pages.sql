-- One row per session: the pages that it began and ended on.
with firsts as (
    select
        fct_sessions.session_id as session_id,
        landed_urls.page_type as page_type,
        row_number() over (
            partition by fct_sessions.session_id
            order by landed_urls.delivery nulls first, landed_urls.line_number nulls first
        ) as place
    from fct_sessions
    inner join landed_urls
        on fct_sessions.client_id = landed_urls.client_id
        and fct_sessions.session_start = landed_urls.event_time
    left join event_repeats on landed_urls.event_id = event_repeats.event_id
    where landed_urls.rejected = 0 and event_repeats.event_id is null
),

lasts as (
    select
        fct_sessions.session_id as session_id,
        landed_urls.bare_url as page,
        landed_urls.page_type as page_type,
        row_number() over (
            partition by fct_sessions.session_id
            order by landed_urls.delivery desc nulls first,
                landed_urls.line_number desc nulls first
        ) as place
    from fct_sessions
    inner join landed_urls
        on fct_sessions.client_id = landed_urls.client_id
        and fct_sessions.session_end = landed_urls.event_time
    left join event_repeats on landed_urls.event_id = event_repeats.event_id
    where landed_urls.rejected = 0 and event_repeats.event_id is null
)

select
    fct_sessions.session_id as session_id,
    fct_sessions.session_date as session_date,
    fct_sessions.landing_page as landing_page,
    firsts.page_type as landing_page_type,
    lasts.page as exit_page,
    lasts.page_type as exit_page_type
from fct_sessions
inner join firsts on fct_sessions.session_id = firsts.session_id and firsts.place = 1
inner join lasts on fct_sessions.session_id = lasts.session_id and lasts.place = 1
