-- One row per session: the event that began it, as delivered.
select
    int_sessions.session_id as session_id,
    int_sessions.client_id as client_id,
    int_sessions.session_start_ms as session_start_ms,
    landed.page_url as page_url,
    landed.page_host as page_host,
    landed.referrer as referrer,
    landed.user_agent as user_agent,
    landed.referrer_collected as referrer_collected,
    int_sessions.landing_step = 'page_view' as landing_seen
from int_sessions
inner join landed on int_sessions.landing_event_id = landed.event_id
