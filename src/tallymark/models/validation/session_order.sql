-- One row per session that ends before it begins, or holds no event.
select session_id
from fct_sessions
where session_end < session_start or events < 1
