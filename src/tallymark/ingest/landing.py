"""Landing a delivery: one pass from its bytes to a Parquet file of typed, flagged rows.

A landed row keeps every delivered value and adds what can be told from the row alone: its time in
milliseconds, the parts of its URL, the step of the funnel, and its faults as bit flags. It is a
function of the bytes, the contract and the configuration; nothing of other deliveries enters.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tallymark.classify.clicks import CLICK_IDS, PARTNERS
from tallymark.config import Contract, EventNames
from tallymark.engine.base import identifier, literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.careful import rewrite
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import Broken, Head

__all__ = ["EMPTY", "REJECTED", "Fault", "Landed", "land", "scan_bytes"]

_CHUNK = 1 << 20
UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What came of reading a delivery.

    Attributes:
        path: The Parquet file of landed rows, rejected ones included (they carry a fault).
        rows: How many rows it holds.
        bad_lines: (line number, reason, original bytes as text) of rows that are no rows.
        careful: Whether the careful reader was needed, and why.
    """

    path: Path
    rows: int
    bad_lines: Sequence[tuple[int, str, str]] = ()
    careful: str | None = None


def scan_bytes(path: Path) -> tuple[str, int, bool]:
    """One pass over the bytes: their SHA-256, the newlines, whether the last byte is one."""
    digest = hashlib.sha256()
    newlines = 0
    last = b""
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            newlines += chunk.count(b"\n")
            last = chunk[-1:]
    return digest.hexdigest(), newlines, last == b"\n"


def delivery_base(key: str) -> int:
    """The number from which a delivery's event ids count; from its key alone, below 2^62."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) >> 2


def land(
    engine: DuckEngine,
    delivery: Delivery,
    head: Head,
    *,
    mapping: Mapping[str, str | None],
    contract: Contract,
    timezone: str,
    scratch: Path,
    newlines: int | None,
    ends_with_newline: bool,
) -> Landed:
    """Read a delivery into one Parquet file in ``scratch``.

    The fast path is DuckDB's strict reader. Its result stands only if it is proved: as many rows
    as the file has lines, and no line break inside a value. In doubt the careful reader splits
    sound rows from damaged ones, and the sound ones are read again.

    Args:
        mapping: For each role of the contract, the delivered column that plays it, or None.
        newlines: Newlines counted in the bytes; None where they cannot be (compressed).

    Raises:
        Broken: The file cannot be decompressed or read as what it says it is.
    """
    target = scratch / f"{delivery_base(delivery.key):016x}.parquet"

    def read(source: str, line: str) -> int:
        sql = _select(delivery, mapping, contract, timezone, source=source, line=line)
        return engine.write(sql, target, _OPTIONS)

    try:
        header = 1 if delivery.format == "csv" else 0
        rows = read(_source(delivery, head), f"row_number() over () + {header}")
    except duckdb.Error as error:
        _refuse_broken(delivery, error)
        doubt = str(error).splitlines()[0][:120]
    else:
        doubt = _doubt(delivery, rows, newlines, ends_with_newline=ends_with_newline)
        if not doubt:
            return Landed(path=target, rows=rows)
    clean = scratch / f"{target.stem}.csv"
    bad = rewrite(delivery, head, clean)
    rows = read(_clean_source(clean, head), "__line")
    clean.unlink()
    return Landed(path=target, rows=rows, bad_lines=bad, careful=doubt)


EMPTY = """
select
    cast(null as bigint) as event_id, cast(null as varchar) as delivery,
    cast(null as date) as delivery_date, cast(null as bigint) as line_number,
    cast(null as bigint) as event_ms, cast(null as timestamp) as event_time,
    cast(null as date) as event_date, cast(null as integer) as event_hour,
    cast(null as varchar) as client_id, cast(null as varchar) as event_name,
    cast(null as varchar) as step, cast(null as varchar) as page_url,
    cast(null as varchar) as page_host, cast(null as varchar) as page_path,
    cast(null as varchar) as referrer, cast(null as varchar) as referrer_host,
    cast(null as varchar) as utm_source, cast(null as varchar) as utm_medium,
    cast(null as varchar) as utm_campaign, cast(null as varchar) as utm_term,
    cast(null as varchar) as utm_content, cast(null as varchar) as click_id_kind,
    cast(null as varchar) as partner, cast(null as varchar) as user_agent,
    cast(null as varchar) as payload, cast(null as boolean) as referrer_collected,
    cast(null as bigint) as row_hash, cast(null as bigint) as page_hash,
    cast(null as integer) as faults
where false
"""

_OPTIONS = "format parquet, compression zstd, compression_level 1, row_group_size 122880"


def _refuse_broken(delivery: Delivery, error: duckdb.Error) -> None:
    reason = str(error).splitlines()[0]
    if delivery.format != "csv":
        raise Broken("file_kind", f"it cannot be read: {reason}") from error
    if delivery.compression is not None and not isinstance(error, duckdb.InvalidInputException):
        raise Broken("file_compression", f"it cannot be decompressed: {reason}") from error


def _doubt(
    delivery: Delivery, rows: int, newlines: int | None, *, ends_with_newline: bool
) -> str:
    if delivery.format != "csv" or newlines is None:
        return ""
    lines = newlines + (0 if ends_with_newline else 1)
    return f"{rows} rows were read from {lines - 1} lines" if rows + 1 != lines else ""


def _source(delivery: Delivery, head: Head) -> str:
    path = literal(delivery.path.as_posix())
    if delivery.format == "parquet":
        return f"read_parquet({path})"
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in head.columns)
    if delivery.format == "jsonl":
        return f"read_json({path}, format = 'newline_delimited', columns = {{{columns}}})"
    compression = f", compression = {literal(delivery.compression)}" if delivery.compression else ""
    return (
        f"read_csv({path}, auto_detect = false, header = true, columns = {{{columns}}}, "
        f"delim = {literal(head.delimiter)}, quote = '\"', escape = '\"', "
        f"strict_mode = true, max_line_size = 16777216{compression})"
    )


def _clean_source(path: Path, head: Head) -> str:
    columns = ", ".join(
        f"{literal(name)}: '{kind}'"
        for name, kind in (("__line", "BIGINT"), *((name, "VARCHAR") for name in head.columns))
    )
    return (
        f"read_csv({literal(path.as_posix())}, auto_detect = false, header = false, "
        f"columns = {{{columns}}}, delim = ',', quote = '\"', escape = '\"', "
        f"strict_mode = true, max_line_size = 16777216)"
    )


def _case(branches: Sequence[tuple[str, str]], otherwise: str = "null") -> str:
    arms = " ".join(f"when {when} then {then}" for when, then in branches)
    return f"case {arms} else {otherwise} end" if arms else otherwise


def _has_parameter(name: str) -> str:
    return f"contains(query, {literal(f'&{name}=')})"


def _parameter(name: str) -> str:
    """A URL parameter's first value, decoded; null where absent, empty or undecodable."""
    mark = f"&{name}="
    raw = (
        f"split_part(substr(query, strpos(query, {literal(mark)}) + {len(mark)}), '&', 1)"
    )
    value = f"nullif(trim(try(url_decode(replace({raw}, '+', ' ')))), '')"
    return f"case when {_has_parameter(name)} then coalesce({value}, nullif({raw}, '')) end"


def _host(url: str) -> str:
    authority = f"split_part(split_part(split_part({url}, '/', 3), '?', 1), '#', 1)"
    return f"nullif(lower(split_part(split_part({authority}, '@', -1), ':', 1)), '')"


def _steps(names: EventNames) -> str:
    branches = []
    for step in ("page_view", "add_to_cart", "checkout_start", "purchase", "email"):
        known = ", ".join(literal(name) for name in getattr(names, step))
        if known:
            branches.append((f"event_name in ({known})", literal(step)))
    return _case(branches, "'other'")


def _select(
    delivery: Delivery,
    mapping: Mapping[str, str | None],
    contract: Contract,
    timezone: str,
    *,
    source: str,
    line: str,
) -> str:
    """The SQL from a delivery's raw columns to landed rows."""

    def raw(role: str) -> str:
        column = mapping.get(role)
        if column is None:
            return "cast(null as varchar)"
        return f"nullif(trim(cast({identifier(column)} as varchar)), '')"

    delivered = ", ".join(
        f"{raw(role)} as {role}"
        for role in (
            "client_id", "page_url", "referrer", "event_name", "event_data", "user_agent",
        )
    )  # fmt: skip
    local = (
        "event_time"
        if timezone == "UTC"
        else f"((event_time at time zone 'UTC') at time zone {literal(timezone)})"
    )
    expected = (
        "false" if delivery.date is None else f"event_date <> date {literal(str(delivery.date))}"
    )
    click = _case([(_has_parameter(name), literal(name)) for name in CLICK_IDS])
    partner = _case([(_has_parameter(name), literal(net)) for name, net in PARTNERS.items()])
    utm = ",\n        ".join(
        f"case when contains(query, '&utm_') then {_parameter(name)} end as {name}" for name in UTM
    )
    checks = {
        Fault.TIME: "event_ms is null",
        Fault.EVENT_NAME: "event_name is null",
        Fault.CLIENT: "client_id is null",
        Fault.PAGE: "page_host is null",
        Fault.AGENT: "user_agent is null",
        Fault.PAYLOAD: "payload is not null and not json_valid(payload)",
        Fault.OTHER_DAY: f"coalesce({expected}, false)",
        Fault.REFERRER: "referrer is not null and referrer_host is null",
    }
    faults = " + ".join(
        f"case when {test} then {fault.value} else 0 end" for fault, test in checks.items()
    )
    return _TEMPLATE.format(
        source=source,
        line=line,
        delivered=delivered,
        stamp=raw("timestamp"),
        local=local,
        utm=utm,
        click=click,
        partner=partner,
        faults=faults,
        base=delivery_base(delivery.key),
        delivery=literal(delivery.key),
        date=f"date {literal(str(delivery.date))}" if delivery.date else "null",
        steps=_steps(contract.events),
        collected="true" if mapping.get("referrer") else "false",
        page_host=_host("page_url"),
        referrer_host=_host("referrer"),
    )


# The names of the CTEs tell the order: import, the row's own values, their parts, the flags.
_TEMPLATE = """
with delivered as (
    select {line} as line_number, {delivered}, {stamp} as stamp
    from {source}
),
timed as (
    select * exclude (event_data),
        event_data as payload,
        case when ends_with(stamp, 'Z') then try_cast(stamp as timestamp)
            else cast(try_cast(stamp as timestamptz) at time zone 'UTC' as timestamp)
        end as event_time,
        case when contains(page_url, '://') then {page_host} end as page_host,
        case when contains(referrer, '://') then {referrer_host} end as referrer_host,
        case when contains(page_url, '?') then
            '&' || split_part(substr(page_url, strpos(page_url, '?') + 1), '#', 1)
        end as query,
        split_part(split_part(page_url, '?', 1), '#', 1) as bare_url
    from delivered
),
parts as (
    select *,
        epoch_ms(event_time) as event_ms,
        cast({local} as date) as event_date,
        cast(hour({local}) as integer) as event_hour,
        {steps} as step,
        case when strpos(substr(bare_url, 9), '/') > 0
            then substr(bare_url, strpos(substr(bare_url, 9), '/') + 8)
            when page_host is not null then '/'
        end as page_path,
        {utm},
        {click} as click_id_kind,
        {partner} as partner
    from timed
)
select
    cast({base} + line_number as bigint) as event_id,
    {delivery} as delivery,
    cast({date} as date) as delivery_date,
    line_number, event_ms, event_time, event_date, event_hour, client_id, event_name, step,
    page_url, page_host, page_path, referrer, referrer_host,
    utm_source, utm_medium, utm_campaign, utm_term, utm_content, click_id_kind, partner,
    user_agent, payload,
    {collected} as referrer_collected,
    cast(hash(client_id, page_url, referrer, stamp, event_name, payload, user_agent) >> 1 as bigint)
        as row_hash,
    cast(hash(page_url) >> 1 as bigint) as page_hash,
    cast({faults} as integer) as faults
from parts
"""
