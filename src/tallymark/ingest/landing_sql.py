"""The SQL of landing: from the raw columns of a delivery to typed, flagged rows."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

from tallymark.classify.clicks import CLICK_IDS, PARTNERS
from tallymark.config import Contract, EventNames
from tallymark.engine.base import literal
from tallymark.ingest.deliveries import Delivery

__all__ = ["EMPTY", "REJECTED", "Fault", "landing_sql"]

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_TEXTS = ("client_id", "page_url", "referrer", "event_name", "event_data", "user_agent")
# Clocks that stand still or ran away: before there was a web shop, or after this century.
_FIRST_MS = 631_152_000_000  # 1990-01-01
_LAST_MS = 4_102_444_800_000  # 2100-01-01


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


def landing_sql(
    delivery: Delivery,
    values: Mapping[str, str],
    contract: Contract,
    timezone: str,
    *,
    source: str,
    line: str,
    base: int,
    collected: bool,
) -> str:
    """The query that reads a delivery and lands its rows.

    Args:
        values: For each role that a column plays, the SQL expression of that column.
        source: The SQL table function that reads the file.
        line: The SQL expression of a row's line number.
        base: The number from which the delivery's event ids count.
        collected: Whether the delivery has a referrer column.
    """

    def raw(role: str) -> str:
        column = values.get(role)
        if column is None:
            return "cast(null as varchar)"
        return f"nullif(trim(cast({column} as varchar)), '')"

    local = (
        "event_time"
        if timezone == "UTC"
        else f"((event_time at time zone 'UTC') at time zone {literal(timezone)})"
    )
    utm = ",\n        ".join(
        f"case when contains(query, '&utm_') then {_parameter(name)} end as {name}" for name in UTM
    )
    return _TEMPLATE.format(
        source=source,
        line=line,
        delivered=", ".join(f"{raw(role)} as {role}" for role in _TEXTS),
        stamp=raw("timestamp"),
        local=local,
        utm=utm,
        click=_case([(_has_value(name), literal(name)) for name in CLICK_IDS]),
        partner=_case([(_has_value(name), literal(net)) for name, net in PARTNERS.items()]),
        faults=_faults(delivery),
        base=base,
        delivery=literal(delivery.key),
        date=f"date {literal(str(delivery.date))}" if delivery.date else "null",
        steps=_steps(contract.events),
        collected="true" if collected else "false",
        page_host=_host("page_rest"),
        referrer_host=_host("referrer_rest"),
        first=_FIRST_MS,
        last=_LAST_MS,
    )


def _faults(delivery: Delivery) -> str:
    expected = (
        "false" if delivery.date is None else f"event_date <> date {literal(str(delivery.date))}"
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
    return " + ".join(
        f"case when {test} then {fault.value} else 0 end" for fault, test in checks.items()
    )


def _case(branches: Sequence[tuple[str, str]], otherwise: str = "null") -> str:
    arms = " ".join(f"when {when} then {then}" for when, then in branches)
    return f"case {arms} else {otherwise} end" if arms else otherwise


def _value(name: str) -> str:
    """The first value of a URL parameter that is there, as it was delivered."""
    mark = f"&{name}="
    return f"split_part(substr(query, strpos(query, {literal(mark)}) + {len(mark)}), '&', 1)"


def _has_parameter(name: str) -> str:
    return f"contains(query, {literal(f'&{name}=')})"


def _has_value(name: str) -> str:
    return f"{_has_parameter(name)} and not contains(query || '&', {literal(f'&{name}=&')})"


def _parameter(name: str) -> str:
    """A URL parameter's first value, decoded where it can be; null where absent or blank."""
    raw = _value(name)
    decoded = f"coalesce(try(url_decode(replace({raw}, '+', ' '))), {raw})"
    return f"case when {_has_parameter(name)} then nullif(trim({decoded}), '') end"


def _host(rest: str) -> str:
    """The host of what follows a scheme; null where it is empty."""
    authority = f"split_part(split_part(split_part({rest}, '/', 1), '?', 1), '#', 1)"
    return f"nullif(lower(split_part(split_part({authority}, '@', -1), ':', 1)), '')"


def _steps(names: EventNames) -> str:
    branches = []
    for step in ("page_view", "add_to_cart", "checkout_start", "purchase", "email"):
        known = ", ".join(literal(name) for name in getattr(names, step))
        if known:
            branches.append((f"event_name in ({known})", literal(step)))
    return _case(branches, "'other'")


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
        end as stamped,
        case when contains(page_url, '?') then
            '&' || split_part(substr(page_url, strpos(page_url, '?') + 1), '#', 1)
        end as query,
        split_part(split_part(page_url, '?', 1), '#', 1) as bare_url,
        case when contains(split_part(referrer, '?', 1), '://') then
            substr(referrer, strpos(referrer, '://') + 3)
        end as referrer_rest
    from delivered
),
placed as (
    select * exclude (stamped),
        case when epoch_ms(stamped) between {first} and {last} - 1 then stamped end as event_time,
        case when contains(bare_url, '://') then
            substr(bare_url, strpos(bare_url, '://') + 3)
        end as page_rest
    from timed
),
parts as (
    select *,
        epoch_ms(event_time) as event_ms,
        cast({local} as date) as event_date,
        cast(hour({local}) as integer) as event_hour,
        {steps} as step,
        {page_host} as page_host,
        {referrer_host} as referrer_host,
        case when strpos(page_rest, '/') > 0 then substr(page_rest, strpos(page_rest, '/'))
            when page_rest is not null then '/'
            when starts_with(bare_url, '/') then bare_url
        end as page_path,
        {utm},
        {click} as click_id_kind,
        {partner} as partner
    from placed
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
