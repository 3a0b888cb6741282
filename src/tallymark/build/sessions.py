"""What begins a session besides the gap, and the settings that the models of sessions read."""

from __future__ import annotations

from tallymark.classify.clicks import CLICK_IDS
from tallymark.config import Config
from tallymark.contract import Contract
from tallymark.engine.base import literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.url_sql import QUERY, UTM

__all__ = ["make_breaks", "new_client", "session_parameters"]

MS_PER_MINUTE = 60_000
MS_PER_HOUR = 60 * MS_PER_MINUTE
# A time since 1970 below this is in seconds: as milliseconds it would lie in 1973.
_SECONDS_BELOW = 100_000_000_000


def session_parameters(config: Config) -> dict[str, str]:
    """The parameters of the models of sessions, as SQL."""
    sessions = config.sessions
    gap = sessions.gap_minutes * MS_PER_MINUTE
    broken = sessions.break_at_midnight or sessions.break_on_campaign or sessions.cap_hours
    return {
        "gap_ms": str(gap),
        # Sessions of one client are further apart than this. Where something else than the gap
        # begins them too, they only do not touch.
        "apart_ms": "0" if broken else str(gap),
        "runaway_events": str(sessions.runaway_events),
        "runaway_seconds": str(sessions.runaway_hours * 3600),
    }


def new_client(contract: Contract, config: Config, first: str, client: str, start_ms: str) -> str:
    """SQL that tells whether a session is its client's first.

    In the warehouse, that is; where the contract says how the client id carries the time at which
    it was made, one that was made before this session, by more than the gap, came back.

    Args:
        first: The SQL of whether it is the first one in the warehouse.
        client: The SQL of the client id.
        start_ms: The SQL of the session's start.
    """
    if contract.client_made_at is None:
        return first
    gap = config.sessions.gap_minutes * MS_PER_MINUTE
    found = f"try_cast(regexp_extract({client}, {literal(contract.client_made_at)}, 1) as bigint)"
    made = f"(case when {found} < {_SECONDS_BELOW} then {found} * 1000 else {found} end)"
    return f"{first} and not coalesce({made} < {start_ms} - {gap}, false)"


_IN_ORDER = "partition by client_key order by event_ms, place, line_number"


def _events(gap_minutes: int, *, breaks: bool, more: str = "") -> str:
    """SQL of the events of clients, each with the start of its session as far as it is known.

    Args:
        gap_minutes: The gap.
        breaks: Whether what is in ``int_breaks`` already begins sessions too.
        more: Further columns of landed rows.
    """
    also = "or (is_break and event_ms > previous_ms)" if breaks else ""
    joined = "left join int_breaks on landed.event_id = int_breaks.event_id" if breaks else ""
    flag = ", int_breaks.event_id is not null as is_break" if breaks else ""
    return f"""(
        select *, max(case
            when previous_ms is null or event_ms - previous_ms > {gap_minutes * MS_PER_MINUTE}
                {also} then event_ms
        end) over (
            partition by client_key order by event_ms
            range between unbounded preceding and current row
        ) as start_ms
        from (
            select *, lag(event_ms) over ({_IN_ORDER}) as previous_ms
            from (
                select landed.event_id, landed.client_key, landed.event_ms, landed.event_date,
                    int_delivery_days.place, landed.line_number{more}{flag}
                from landed
                inner join int_delivery_days on landed.delivery = int_delivery_days.delivery
                left join event_repeats on landed.event_id = event_repeats.event_id
                {joined}
                where landed.rejected = 0 and landed.client_id is not null
                    and event_repeats.event_id is null
            )
        )
    )"""


def make_breaks(engine: DuckEngine, config: Config) -> None:
    """Make ``int_breaks``: the events that begin a session although the gap is not over.

    Events of one millisecond are never parted, whatever this table says of the later ones.
    """
    sessions = config.sessions
    gap = sessions.gap_minutes
    parts = []
    if sessions.break_at_midnight:
        parts.append(
            "select event_id from (select event_id, event_date, lag(event_date) over "
            f"({_IN_ORDER}) as before from {_events(gap, breaks=False)}) where event_date <> before"
        )
    if sessions.break_on_campaign:
        parts.append(_campaigns(gap))
    found = " union ".join(parts) or "select event_id from landed where false"
    engine.execute(f"create or replace table int_breaks as {found}")
    if sessions.cap_hours is not None:
        cap = sessions.cap_hours * MS_PER_HOUR
        engine.execute(
            "insert into int_breaks select event_id from (select event_id, "
            f"(event_ms - start_ms) // {cap} as stretch, row_number() over ("
            f"partition by client_key, start_ms, (event_ms - start_ms) // {cap} "
            "order by event_ms, place, line_number) as number "
            f"from {_events(gap, breaks=True)}) where stretch > 0 and number = 1"
        )


def _campaigns(gap_minutes: int) -> str:
    """Events whose page carries other tags or another click id than the last one that had any.

    The last one of the same run of events without a gap: an earlier visit does not matter.
    """
    names = "|".join([*UTM, *CLICK_IDS])
    tags = (
        f"list_sort(list_distinct(regexp_extract_all('&' || {QUERY}, '&((?:{names})=[^&]+)', 1)))"
    )
    events = _events(gap_minutes, breaks=False, more=", landed.page_url")
    return (
        "select event_id from (select event_id, tags, lag(tags) over (partition by client_key, "
        "start_ms order by event_ms, place, line_number) as before "
        f"from (select *, {tags} as tags from {events}) where len(tags) > 0) "
        "where before is null or tags <> before"
    )
