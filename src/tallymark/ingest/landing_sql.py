"""The SQL of landing, and of what is told from a landed row only when somebody asks.

A landed file keeps the delivered values, the time in milliseconds, the step of the funnel and the
faults. The parts of URLs are worked out where they are asked for (:mod:`.url_sql`).
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tallymark.contract import Contract, EventNames, InternalMarks
from tallymark.engine.base import literal, parquet_files
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.epochs import FIRST_MS, LAST_MS, counted_times
from tallymark.ingest.extra import NOTHING, Asked
from tallymark.ingest.payloads import MAX_BYTES, MAX_DEPTH
from tallymark.ingest.url_sql import absolute, case, host_of

__all__ = [
    "CLIENT_KEY",
    "FIRST_MS",
    "LAST_MS",
    "REJECTED",
    "Fault",
    "landed_view",
    "landing_sql",
    "marked",
    "rows_of",
    "usual_hosts",
]

COLUMNS = {
    "delivery": "varchar", "delivery_date": "date", "id_base": "bigint", "line_number": "bigint",
    "event_ms": "bigint", "event_date": "date", "event_hour": "integer", "client_id": "varchar",
    "event_name": "varchar", "step": "varchar", "page_url": "varchar", "page_host": "varchar",
    "referrer": "varchar", "user_agent": "varchar", "payload": "varchar",
    "referrer_collected": "boolean", "faults": "integer",
}  # fmt: skip
_PLAIN_HOST = re.compile(r"https://([a-z0-9.-]{1,253})/")
_USUAL_HOSTS = 3  # a shop, its checkout, its account pages

# A time with an offset ends in one after its minutes; a shorter payload cannot nest harmfully deep.
_OFFSET = r"regexp_matches(stamp, ':\d\d.*[+-]\d\d(:?\d\d)?$')"
# No zone is farther from UTC than 14 hours; the engine would take such a time days away.
_FAR_OFFSET = r"regexp_matches(stamp, ':\d\d.*[+-](1[5-9]|[2-9]\d)(:?\d\d)?$')"
_HARMLESS = 1024
_NESTED = rf"regexp_matches(payload, '^(?:[^\[{{]*[\[{{]){{{MAX_DEPTH + 1}}}')"

# What events are grouped by: a number is sorted in two thirds of the time that the text takes.
# docs/decisions/0012 says why its 63 bits are enough.
CLIENT_KEY = "cast(hash(client_id) >> 1 as bigint)"


class Fault(enum.IntFlag):
    """What is wrong with a row; the first three keep it out of ``events``."""

    STRUCTURE = 1
    TIME = 2
    EVENT_NAME = 4
    CLIENT = 8
    PAGE = 16
    AGENT = 32
    PAYLOAD = 64
    OTHER_DAY = 128
    REFERRER = 256
    RULE = 512  # a rule of the shop keeps it out
    OFFSET = 1024  # its time ends in an offset such as +01:00; most end in Z
    LOCAL = 2048  # its time names no zone
    DEEP = 4096  # its payload has so many brackets that it may be nested too deeply


REJECTED = Fault.STRUCTURE | Fault.TIME | Fault.EVENT_NAME | Fault.RULE


def _usual_host(usual: Sequence[str]) -> str:
    """The host of a page where it is a usual one: told by a comparison, a sixth of the work."""
    branches = [(f"starts_with(page_url, {literal(f'https://{host}/')})", literal(host))
                for host in usual]  # fmt: skip
    return f"cast({case(branches)} as varchar)"


def marked(marks: InternalMarks) -> str:
    """SQL that asks whether an event's address or user agent marks it as the shop's own.

    Args:
        marks: Parameters, as ``name`` or ``name=value``, and parts of user agents.
    """
    tests = [f"contains(user_agent, {literal(part)})" for part in marks.user_agents]
    if marks.url_parameters:
        asked = [
            f"{re.escape(one)}(?:&|#|$)" if "=" in one else f"{re.escape(one)}(?:=|&|#|$)"
            for one in marks.url_parameters
        ]
        pattern = f"[?&](?:{'|'.join(asked)})"
        tests.append(f"regexp_matches(page_url, {literal(pattern)})")
    return f"coalesce({' or '.join(tests)}, false)" if tests else "false"


def rows_of(paths: Sequence[Path]) -> str:
    """SQL of the rows of landed files, with their line numbers.

    A file holds, below zero, how far each row's line lies behind its place, which is the same for
    all rows but in a damaged delivery: so rows can be landed by several threads, none of which
    counts them. Files of older versions hold the line itself, and may never be landed again.
    """
    return (
        "(select * exclude (file_row_number) replace (case when line_number < 0 "
        "then file_row_number - line_number else line_number end as line_number) "
        f"from {parquet_files(paths, 'file_row_number = true')})"
    )


def landed_view(
    paths: Sequence[Path], dates: Mapping[str, str], marks: InternalMarks | None = None
) -> str:
    """SQL over landed files: their columns, ids and times, and whether a mark makes them internal.

    Args:
        paths: Landed files; none gives no rows.
        dates: Day by delivery, for deliveries whose name states none.
        marks: What marks an event as internal; nothing if not given.
    """
    if paths:
        source = rows_of(paths)
    else:
        nothing = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in COLUMNS.items())
        source = f"(select {nothing} where false)"
    dated = "delivery_date"
    if dates:
        cases = [
            (f"delivery = {literal(key)}", f"date {literal(day)}")
            for key, day in sorted(dates.items())
        ]
        dated = f"coalesce(delivery_date, {case(cases)})"
    kept = [name for name in COLUMNS if name not in {"delivery_date", "id_base"}]
    return (
        f"select id_base + line_number as event_id, {CLIENT_KEY} as client_key, "
        f"{dated} as delivery_date, {', '.join(kept)}, "
        f"make_timestamp_ms(event_ms) as event_time, faults & {REJECTED.value} as rejected, "
        f"{marked(marks or InternalMarks())} as is_marked "
        f"from {source}"
    )


# ---------------------------------------------------------------- what is landed


def _steps(names: EventNames) -> str:
    """The step of the funnel of an event name, as an enum.

    That is written as text, in a seventh of the time that texts take.
    """
    known = [(step, given) for step, given in names.steps() if given]
    steps = dict.fromkeys([*(step for step, _ in known), "other"])
    every = ", ".join(map(literal, steps))

    def told(step: str) -> str:
        return f"cast({literal(step)} as enum({every}))"

    branches = [
        (f"event_name in ({', '.join(literal(name) for name in given)})", told(step))
        for step, given in known
    ]
    return case(branches, told("other"))


def _delivered(values: Mapping[str, str], role: str) -> str:
    """A delivered column as text; white space around it is taken off where there is any."""
    column = values.get(role)
    if column is None:
        return "cast(null as varchar)"
    text = f"cast({column} as varchar)"
    # Only the ends matter; what is empty or begins with a space sorts before '!'.
    blank = f"({text} < '!' or ends_with({text}, ' '))"
    return f"case when {blank} then nullif(trim({text}), '') else {text} end"


def _stamp(values: Mapping[str, str]) -> str:
    """The delivered time, and whether it ends in Z: then there is no white space behind it."""
    text = _delivered(values, "timestamp")
    if "timestamp" not in values:
        return f"false as sharp, {text} as stamp"
    bare = f"cast({values['timestamp']} as varchar)"
    return (
        f"coalesce({bare} >= '!' and ends_with({bare}, 'Z'), false) as sharp, "
        f"case when sharp then {bare} else {text} end as stamp"
    )


def _faults(delivery: Delivery, asked: Asked) -> str:
    other_day = "false" if delivery.date is None else "event_date <> cast($date as date)"
    checks = {
        Fault.TIME: "event_ms is null",
        Fault.EVENT_NAME: "event_name is null",
        Fault.CLIENT: "client_id is null",
        Fault.PAGE: "page_host is null",
        Fault.AGENT: "user_agent is null",
        Fault.PAYLOAD: f"payload is not null and (strlen(payload) > {MAX_BYTES} "
        "or not json_valid(payload))",
        Fault.OTHER_DAY: f"coalesce({other_day}, false)",
        Fault.REFERRER: f"referrer is not null and not {absolute('referrer')}",
        Fault.OFFSET: f"not zulu and {_OFFSET} and event_ms is not null",
        Fault.LOCAL: f"not zulu and not {_OFFSET} and event_ms is not null",
        Fault.DEEP: f"strlen(payload) > {_HARMLESS} and {_NESTED}",
    }
    if asked.reject is not None:
        checks[Fault.RULE] = asked.reject
    return " + ".join(
        f"case when {test} then {fault.value} else 0 end" for fault, test in checks.items()
    )


def _counted(asked: Asked) -> str:
    """What the tests and keys of a shop's rules say of a row, as further columns."""
    bits = " + ".join(
        f"case when {test} then {1 << place} else 0 end" for place, test in enumerate(asked.flags)
    )
    flags = f", cast({bits} as bigint) as flags" if bits else ""
    return flags + "".join(f", {key} as key_{place}" for place, key in enumerate(asked.keys))


def _numbered(gap: str, asked: Asked) -> str:
    """The line of a row as a column: only decisions about single lines ask for it here."""
    # Counting takes one thread for itself.
    wanted = "line_number" in (asked.reject or "")
    return f", row_number() over () - 1 + {gap} as line_number" if wanted else ""


def usual_hosts(urls: Sequence[str | None]) -> list[str]:
    """The hosts that most of some pages have, if they are plain and lower case."""
    found = Counter(match[1] for url in urls if (match := _PLAIN_HOST.match(url or "")))
    return [host for host, _ in found.most_common(_USUAL_HOSTS)]


def landing_sql(
    delivery: Delivery,
    values: Mapping[str, str],
    contract: Contract,
    timezone: str,
    *,
    source: str,
    gap: str,
    hosts: Sequence[str] = (),
    asked: Asked = NOTHING,
    rereads: bool = False,
) -> str:
    """The query that reads a delivery and lands its rows.

    Deliveries of one form have one text; what differs are its parameters ``$delivery``, ``$base``
    (the number from which its event ids count), ``$date`` if its name states a day, and those of
    ``source``. A whole landing needs the type ``delivery_key``, an enum of nothing but its key.

    Args:
        values: For each role that a column plays, the SQL expression of that column.
        source: The SQL table function that reads the file.
        gap: The SQL expression of how far a row's line lies behind its place among the rows, which
            are counted from 0.
        hosts: Usual hosts of its pages (:func:`usual_hosts`); a guess that only makes it faster.
        asked: Further columns to land and tests for rows to keep out.
        rereads: Whether single lines can be read again where their texts are asked for.
    """
    texts = ("client_id", "page_url", "referrer", "event_name", "user_agent")
    there = f"((event_time at time zone 'UTC') at time zone {literal(timezone)})"
    template = _READ + (_COUNTED if asked.light else _LANDED)
    zulu, since = counted_times(contract)
    return template.format(
        source=source,
        numbered=_numbered(gap, asked),
        gap=gap,
        delivered=", ".join(f"{_delivered(values, role)} as {role}" for role in texts),
        payload=_delivered(values, "event_data"),
        stamp=_stamp(values),
        zulu=zulu,
        since=since,
        far=_FAR_OFFSET,
        local="event_time" if timezone == "UTC" else there,
        usual=_usual_host(hosts),
        # Not `coalesce`, which would ask the pattern of every row.
        host=f"case when usual_host is null then {host_of('page_url')} else usual_host end",
        faults=_faults(delivery, asked),
        wanted="".join(f", {_delivered(values, name)} as {name}" for name in asked.extras),
        extras="".join(f", {name}" for name in asked.extras),
        rest="" if rereads else _REST_KEY,
        counted=_counted(asked),
        date="cast($date as date)" if delivery.date else "cast(null as date)",
        steps=_steps(contract.events),
        collected="true" if "referrer" in values else "false",
        first=FIRST_MS,
        last=LAST_MS,
        client=CLIENT_KEY,
    )


# The names of the CTEs tell the order: import, the row's own values, their parts, the flags.
_READ = """
with delivered as (
    select {gap} as line_gap{numbered}, {delivered}, {payload} as payload, {stamp}{wanted}
    from {source}
),
timed as (
    select *,
        {usual} as usual_host,
        case when sharp then true else {zulu} end as zulu,
        case when case when sharp then true else ends_with(stamp, 'Z') end
            then try_cast(stamp as timestamp)
            {since}when {far} then null
            else cast(try_cast(stamp as timestamptz) at time zone 'UTC' as timestamp)
        end as stamped
    from delivered
),
placed as (
    select *,
        case when epoch_us(stamped) // 1000 between {first} and {last} - 1 then stamped end
            as event_time
    from timed
),
dated as (
    select *,
        {host} as page_host,
        epoch_us(event_time) // 1000 as event_ms,
        cast({local} as date) as event_date,
        cast(hour({local}) as integer) as event_hour,
        {steps} as step
    from placed
)
"""
_LANDED = """
select
    cast($delivery as delivery_key) as delivery,
    {date} as delivery_date,
    cast($base as bigint) as id_base,
    -line_gap as line_number, event_ms, event_date, event_hour, client_id, event_name, step,
    page_url, page_host, referrer, user_agent, payload,
    {collected} as referrer_collected,
    cast({faults} as integer) as faults{extras}
from dated
"""
_REST_KEY = ", cast(hash(page_url, referrer, payload) >> 1 as bigint) as rest_key"
_COUNTED = """
select
    -line_gap as line_number, event_ms, event_date, event_hour, event_name, step,
    page_host, user_agent, referrer is not null as has_referrer, payload is not null as has_payload,
    {client} as client_key{rest},
    case when step = 'purchase' then client_id end as buyer,
    case when step = 'purchase' then payload end as purchase,
    case when step = 'purchase' then page_url end as purchase_page,
    cast({faults} as integer) as faults{counted}
from dated
"""
