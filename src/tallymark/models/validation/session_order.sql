-- Sessions that end before they begin or hold no event.
select session_id
from fct_sessions
where session_end < session_start or events < 1
