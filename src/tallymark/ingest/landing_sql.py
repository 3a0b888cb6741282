"""The SQL of landing, and of what is told from a landed row only when somebody asks.

A landed file keeps the delivered values, the time in milliseconds, the step of the funnel and the
faults. The parts of URLs are worked out by :func:`landed_view` in place: a query that does not
ask for them does not pay for them, and most never do.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tallymark.classify.clicks import CLICK_IDS, PARTNERS
from tallymark.config import Contract, EventNames
from tallymark.engine.base import identifier, literal, path_list
from tallymark.ingest.deliveries import Delivery

__all__ = [
    "REJECTED",
    "UTM",
    "Fault",
    "delivery_base",
    "landed_view",
    "landing_parts",
    "landing_sql",
]

QUERY = (
    "case when contains(page_url, '?') "
    "then split_part(substr(page_url, strpos(page_url, '?') + 1), '#', 1) end"
)
UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
SOURCE_COLUMNS = {
    "delivery": "varchar", "delivery_date": "date", "id_base": "bigint", "line_number": "bigint",
    "event_ms": "bigint", "event_date": "date", "event_hour": "integer", "client_id": "varchar",
    "event_name": "varchar", "step": "varchar", "page_url": "varchar", "page_host": "varchar",
    "referrer": "varchar", "user_agent": "varchar", "payload": "varchar", "referrer_collected": "boolean",
    "faults": "integer",
}  # fmt: skip


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


REJECTED = Fault.STRUCTURE | Fault.TIME | Fault.EVENT_NAME


REJECTED = Fault.STRUCTURE | Fault.TIME | Fault.EVENT_NAME


def delivery_base(key: str) -> int:
    """The number from which a delivery's event ids count; from its key alone, below 2^62."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) >> 2


def _case(branches: Sequence[tuple[str, str]], otherwise: str = "null") -> str:
    arms = " ".join(f"when {when} then {then}" for when, then in branches)
    return f"case {arms} else {otherwise} end" if arms else otherwise


def _authority(url: str) -> str:
    return f"case when contains({url}, '://') then split_part({url}, '/', 3) end"


def _host(authority: str) -> str:
    """The lower-case host of ``//user@host:port``; those parts are rare, so tested for first."""
    bare = f"split_part(split_part({authority}, '?', 1), '#', 1)"
    exact = f"split_part(split_part({bare}, '@', -1), ':', 1)"
    rare = " or ".join(f"contains({authority}, '{mark}')" for mark in ":?#@")
    return f"nullif(lower(case when {rare} then {exact} else {authority} end), '')"


def _value(name: str) -> str:
    """The first value of a tag among ``tags``, decoded; null where absent or empty."""
    mark = f"{name}="
    found = f"list_filter(tags, lambda tag: starts_with(tag, {literal(mark)}))[1]"
    return f"nullif(substr({found}, {len(mark) + 1}), '')"


def _decoded(raw: str) -> str:
    """A raw value decoded; the raw value where it cannot be; most need no decoding at all."""
    decoded = f"nullif(trim(try(url_decode(replace({raw}, '+', ' ')))), '')"
    return (
        f"case when contains({raw}, '%') or contains({raw}, '+') "
        f"then coalesce({decoded}, {raw}) else {raw} end"
    )


def _known(names: Mapping[str, str], listed: str) -> str:
    """Which of the named parameters is among those listed; of several the first in the table."""
    exact = _case(
        [(f"list_contains({listed}, {literal(name)})", literal(value))
         for name, value in names.items()]
    )  # fmt: skip
    one = listed + "[1]"
    if any(name != value for name, value in names.items()):
        one = exact
    return f"case when len({listed}) = 1 then {one} when len({listed}) > 1 then {exact} end"


def _names(names: Mapping[str, str]) -> str:
    some = ", ".join(literal(name) for name in names)
    return f"list_filter(names, lambda name: name in ({some}))"


def landing_parts(source: str, kept: str, tags: Sequence[str] = UTM[:3]) -> str:
    """SQL that adds tags, click id, partner and referrer host to rows with their URLs.

    The query string is split once; what is asked of it are short lists. A row without one costs
    next to nothing.

    Args:
        source: A relation with ``page_url`` and ``referrer``.
        kept: The select list of columns to keep.
        tags: Which of the campaign tags.
    """
    values = ", ".join(f"{_value(name)} as raw_{name}" for name in tags)
    decoded = ", ".join(f"{_decoded(f'raw_{name}')} as {name}" for name in tags)
    clicks = {name: name for name in CLICK_IDS}
    return (
        f"select {kept}, {decoded}, {_known(clicks, 'clicks')} as click_id_kind, "
        f"{_known(PARTNERS, 'partners')} as partner, "
        f"{_host('referrer_authority')} as referrer_host from ("
        f"select *, {values}, {_names(clicks)} as clicks, {_names(PARTNERS)} as partners from ("
        "select *, list_filter(parameters, lambda one: starts_with(one, 'utm_')) as tags, "
        "list_transform(list_filter(parameters, lambda one: not starts_with(one, 'utm_')), "
        "lambda one: split_part(one, '=', 1)) as names, "
        f"{_authority('referrer')} as referrer_authority from ("
        f"select *, string_split({QUERY}, '&') as parameters from {source})))"
    )


PAGE_PATH = (
    "case when strpos(substr(bare_url, 9), '/') > 0 "
    "then substr(bare_url, strpos(substr(bare_url, 9), '/') + 8) "
    "when contains(page_url, '://') then '/' end"
)
BARE_URL = "split_part(split_part(page_url, '?', 1), '#', 1)"


def landed_view(paths: Sequence[Path], dates: Mapping[str, str]) -> str:
    """SQL over landed files: their columns, ids and times, and the parts of their URLs.

    Args:
        paths: Landed files; none gives no rows.
        dates: Day by delivery, for deliveries whose name states none.
    """
    if paths:
        source = f"read_parquet({path_list(paths)})"
    else:
        nothing = ", ".join(
            f"cast(null as {kind}) as {name}" for name, kind in SOURCE_COLUMNS.items()
        )
        source = f"(select {nothing} where false)"
    dated = "delivery_date"
    if dates:
        cases = [
            (f"delivery = {literal(key)}", f"date {literal(day)}")
            for key, day in sorted(dates.items())
        ]
        dated = f"coalesce(delivery_date, {_case(cases)})"
    kept = [name for name in SOURCE_COLUMNS if name not in {"delivery_date", "id_base", "faults"}]
    own = (
        f"id_base + line_number as event_id, {dated} as delivery_date, {', '.join(kept)}, "
        f"make_timestamp_ms(event_ms) as event_time, faults & {REJECTED.value} as rejected, "
        f"{PAGE_PATH} as page_path"
    )
    return landing_parts(f"(select *, {BARE_URL} as bare_url from {source})", own, UTM)


def _steps(names: EventNames) -> str:
    branches = []
    for step in ("page_view", "add_to_cart", "checkout_start", "purchase", "email"):
        known = ", ".join(literal(name) for name in getattr(names, step))
        if known:
            branches.append((f"event_name in ({known})", literal(step)))
    return _case(branches, "'other'")


def _raw(mapping: Mapping[str, str | None], role: str) -> str:
    """A delivered column as text; white space around short values is taken off where there is any."""
    column = mapping.get(role)
    if column is None:
        return "cast(null as varchar)"
    text = f"nullif(cast({identifier(column)} as varchar), '')"
    if role in {"client_id", "event_name", "timestamp"}:
        return f"case when contains({text}, ' ') then nullif(trim({text}), '') else {text} end"
    return text


def landing_sql(
    delivery: Delivery,
    mapping: Mapping[str, str | None],
    contract: Contract,
    timezone: str,
    *,
    source: str,
    line: str,
) -> str:
    """The SQL from a delivery's raw columns to landed rows.

    Args:
        source: The reader of the raw columns.
        line: SQL of a row's line number.
    """
    roles = ("client_id", "page_url", "referrer", "event_name", "user_agent")
    delivered = ", ".join(f"{_raw(mapping, role)} as {role}" for role in roles)
    local = (
        "event_time"
        if timezone == "UTC"
        else f"((event_time at time zone 'UTC') at time zone {literal(timezone)})"
    )
    other_day = (
        "false" if delivery.date is None else f"event_date <> date {literal(str(delivery.date))}"
    )
    checks = {
        Fault.TIME: "event_ms is null",
        Fault.EVENT_NAME: "event_name is null",
        Fault.CLIENT: "client_id is null",
        Fault.PAGE: "page_host is null",
        Fault.AGENT: "user_agent is null",
        Fault.PAYLOAD: "payload is not null and not json_valid(payload)",
        Fault.OTHER_DAY: f"coalesce({other_day}, false)",
        Fault.REFERRER: "referrer is not null and not contains(referrer, '://')",
    }
    faults = " + ".join(
        f"case when {test} then {fault.value} else 0 end" for fault, test in checks.items()
    )
    return _TEMPLATE.format(
        source=source,
        line=line,
        delivered=delivered,
        payload=_raw(mapping, "event_data"),
        stamp=_raw(mapping, "timestamp"),
        local=local,
        faults=faults,
        host=_host("authority"),
        authority=_authority("page_url"),
        base=delivery_base(delivery.key),
        delivery=literal(delivery.key),
        date=f"date {literal(str(delivery.date))}" if delivery.date else "null",
        steps=_steps(contract.events),
        collected="true" if mapping.get("referrer") else "false",
    )


_TEMPLATE = """
with delivered as (
    select {line} as line_number, {delivered}, {payload} as payload, {stamp} as stamp
    from {source}
),
timed as (
    select *,
        {authority} as authority,
        case when ends_with(stamp, 'Z') then try_cast(stamp as timestamp)
            else cast(try_cast(stamp as timestamptz) at time zone 'UTC' as timestamp)
        end as event_time
    from delivered
),
dated as (
    select *,
        {host} as page_host,
        epoch_ms(event_time) as event_ms,
        cast({local} as date) as event_date,
        cast(hour({local}) as integer) as event_hour
    from timed
)
select
    {delivery} as delivery,
    cast({date} as date) as delivery_date,
    cast({base} as bigint) as id_base,
    line_number, event_ms, event_date, event_hour, client_id, event_name,
    {steps} as step,
    page_url, page_host, referrer, user_agent, payload,
    {collected} as referrer_collected,
    cast({faults} as integer) as faults
from dated
"""
