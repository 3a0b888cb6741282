"""The SQL that counts a finding again, over the views of a built warehouse.

Whoever doubts a number can paste its query into any DuckDB shell that has opened
``warehouse/tallymark.duckdb``. Names from outside are quoted. What no query over the views can
count is counted again by the gate itself, asked about that one delivery.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tallymark.check.counting.samples import masked
from tallymark.engine.base import literal
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.landing_sql import REJECTED
from tallymark.results import Finding

__all__ = [
    "OBJECT", "SOUND", "UNREADABLE", "answerable", "blank", "broken_lines", "command", "days_held",
    "empty_places", "filled", "fired_twice", "id_again", "many_from_one", "named_item",
    "number", "purchases", "repeats", "rows_of", "rows_of_events", "rows_of_orders", "rows_read",
    "stated", "told_paths", "twins", "unsummed", "without_column",
]  # fmt: skip

SOUND = f"faults & {REJECTED.value} = 0"  # of a landed row: nothing keeps it out of `events`
# Of a payload: that it is one JSON object. What is no JSON must not reach `json_type`.
OBJECT = "case when json_valid(payload) then json_type(payload) = 'OBJECT' else false end"
UNREADABLE = f"step = 'purchase' and not {OBJECT}"  # of a row: an order without a payload
MONEY = "decimal(18, 4)"
_TWIN = "event_ms, client_id, page_url, referrer, event_name, payload, user_agent"
_NO_VALUE = "('null', '\"\"', '[]')"  # what a payload may say instead of a value
_LEDGER = "from ledger_deliveries"  # such a query holds of deliveries that were refused as well
_ITEM = "[]."  # in the name of a field of an order's lines
_AMONG_ORDERS = frozenset({"order_redelivered", "order_id_collision", "order_conflict"})


def rows_of(key: str, condition: str) -> str:
    """Rows of a delivery that meet a condition, those in quarantine included.

    >>> rows_of("a.csv", "client_id is null")
    "select count(*) from landed where delivery = 'a.csv' and client_id is null"
    """
    return f"select count(*) from landed where delivery = {literal(key)} and {condition}"


def rows_of_events(key: str, condition: str) -> str:
    """Accepted rows of a delivery that meet a condition."""
    return f"select count(*) from events where delivery = {literal(key)} and {condition}"


def purchases(condition: str) -> str:
    """Of a row: that it is a purchase whose payload can be read and meets a condition."""
    return f"step = 'purchase' and {OBJECT} and {condition}"


def _pointer(name: str) -> str:
    return literal("/" + name.replace("~", "~0").replace("/", "~1"))


def _value(name: str) -> str:
    """A value at the top of a payload, as text."""
    return f"case when json_valid(payload) then json_extract_string(payload, {_pointer(name)}) end"


def blank(name: str) -> str:
    """Of a payload: that a text at its top is missing or blank."""
    return f"nullif(trim({_value(name)}), '') is null"


def stated(name: str, code: str) -> str:
    """Of a payload: that a text at its top is a code of three letters; or, if empty, none."""
    told = f"upper(trim({_value(name)}))"
    if code:
        return f"{told} = {literal(code)}"
    return f"not coalesce(regexp_full_match({told}, '[A-Z]{{3}}'), false)"


def number(name: str) -> str:
    """A number at the top of a payload; null where it is none."""
    return f"try_cast({_value(name)} as {MONEY})"


def filled(name: str) -> str:
    """Of a payload: that it says something at its top."""
    return f"not ({_empty('payload', name)})"


def _empty(holder: str, name: str) -> str:
    """Of a JSON object: that a field is missing, null, an empty text or an empty list."""
    told = f"json_extract({holder}, {_pointer(name)})"
    if holder == "payload":
        told = f"case when json_valid(payload) then {told} end"
    return f"coalesce(cast({told} as varchar), 'null') in {_NO_VALUE}"


def named_item(items: str, name: str) -> str:
    """Of a payload: that one of its lines, at least, has a name."""
    path = literal("$." + "[*].".join(json.dumps(one, ensure_ascii=False) for one in (items, name)))
    found = f"case when json_valid(payload) then json_extract_string(payload, {path}) end"
    return f"nullif(trim(list_aggregate({found}, 'string_agg', '')), '') is not null"


def _lines(items: str) -> str:
    """The lines of a payload, a row for each."""
    pointer = _pointer(items)
    return (
        f"unnest(cast(case when json_valid(payload) then case when json_type(payload, {pointer}) "
        f"= 'ARRAY' then json_extract(payload, {pointer}) end end as json[]))"
    )


def _during(key: str, since: str | None, until: str | None) -> str:
    """Of a row of ``events``: that it is of a delivery and of some hours."""
    told = f"delivery = {literal(key)}"
    told += f" and event_time >= timestamp '{since[:19]}'" if since else ""
    return told + (f" and event_time < timestamp '{until[:19]}'" if until else "")


def empty_places(key: str, name: str, since: str | None = None, until: str | None = None) -> str:
    """Places of a delivery's purchases in which a field is empty.

    Args:
        key: The delivery.
        name: The field; ``items[].price`` is one of each line.
        since: From when on, ISO 8601; None from the beginning.
        until: Up to when.
    """
    there = f"{_during(key, since, until)} and step = 'purchase' and {OBJECT}"
    items, line, inner = name.partition(_ITEM)
    if not line:
        return f"select count(*) from events where {there} and {_empty('payload', name)}"
    return (
        f"select count(*) from (select {_lines(items)} as line from events where {there}) "
        f"where json_type(line) = 'OBJECT' and {_empty('line', inner)}"
    )


def fired_twice(
    key: str, step: str, apart_ms: int, since: str | None = None, until: str | None = None
) -> str:
    """Events of a step that follow one of the same client and page within some milliseconds."""
    return (
        "select count(*) from (select delivery, event_time, event_ms - lag(event_ms) over ("
        "partition by client_id, event_name, page_url order by event_ms) as apart from events "
        f"where delivery = {literal(key)} and client_id is not null and step = {literal(step)}) "
        f"where {_during(key, since, until)} and apart between 1 and {apart_ms - 1}"
    )


def many_from_one(key: str, limit: float, clients: int) -> str:
    """Events of the clients that sent more than a limit of them within one hour."""
    own = f"delivery = {literal(key)} and client_id is not null"
    return (
        f"select count(*) from events where {own} and client_id in (select client_id from ("
        f"select client_id, count(*) as n from events where {own} group by client_id, event_date, "
        f"event_hour) group by client_id having max(n) > {limit:g} order by max(n) desc, client_id "
        f"limit {clients})"
    )


def unsummed(
    key: str, names: Mapping[str, str], base: str, beside: Sequence[tuple[str, int]], allowed: str
) -> str:
    """Orders whose revenue is not what their lines, and what stands beside them, come to.

    Args:
        key: The delivery.
        names: What the payload calls ``revenue``, ``items``, ``item_price`` and ``quantity``.
        base: ``unit`` or ``line``: whether a price is that of one unit or of its line.
        beside: Names of further amounts, each with 1 if it adds and -1 if it takes away.
        allowed: How much each unit may be rounded by.
    """

    def of_line(name: str) -> str:
        return f"try_cast(json_extract_string(line, {_pointer(names[name])}) as {MONEY})"

    price, times = of_line("item_price"), f"coalesce({of_line('quantity')}, 1)"
    sums = "".join(
        f" {'+' if sign > 0 else '-'} coalesce(abs({number(name)}), 0)" for name, sign in beside
    )
    return (
        f"select count(*) from (select max(revenue) as revenue, max(beside) + sum({price}"
        f"{f' * {times}' if base == 'unit' else ''}) as total, greatest(1, sum(abs({times}))) as "
        f"units from (select row_number() over () as n, {number(names['revenue'])} as revenue, "
        f"0{sums} as beside, {_lines(names['items'])} as line from events where delivery = "
        f"{literal(key)} and step = 'purchase' and {OBJECT}) where json_type(line) = 'OBJECT' "
        f"group by n having count(*) = count({price})) "
        f"where revenue > 0 and abs(total - revenue) > {allowed} * units"
    )


def days_held(days: Sequence[str]) -> str:
    """How many of some days no delivery is of."""
    listed = ", ".join(map(literal, days))
    return (
        f"select count(*) from (select unnest([{listed}]) as day) where day not in "
        f"(select date {_LEDGER} where date is not null)"
    )


def rows_of_orders(key: str, condition: str) -> str:
    """Purchases of a delivery whose order and whose event meet a condition."""
    return (
        f"select count(*) from fct_orders where {condition} and exists (select 1 from events "
        f"where delivery = {literal(key)} and step = 'purchase' and event_time = ordered_at "
        f"and events.client_id is not distinct from fct_orders.client_id and {OBJECT})"
    )


def twins(key: str, names: Mapping[str, str], within_ms: int) -> str:
    """Purchases that repeat what the same customer just bought, under another transaction id."""
    items = f"json_extract(payload, {_pointer(names['items'])})"
    return (
        "select count(*) from (select event_ms, id, lag(id) over told as known, event_ms - "
        "lag(event_ms) over told as apart from (select event_ms, line_number, coalesce(nullif("
        f"lower(trim({_value(names['email'])})), ''), client_id) as who, "
        f"{number(names['revenue'])} as revenue, nullif(trim({_value(names['transaction_id'])}), "
        f"'') as id, case when json_valid(payload) then cast({items} as varchar) end as bought "
        "from events "
        f"where delivery = {literal(key)} and step = 'purchase' and {OBJECT}) "
        f"where who is not null and revenue > 0 and id is not null and bought not in {_NO_VALUE} "
        "window told as (partition by who, revenue, bought order by event_ms, line_number)) "
        f"where known <> id and apart <= {within_ms}"
    )


def id_again(key: str, transaction_id: str, earlier: str | None = None) -> str:
    """Of an order: that its id comes more than once in a delivery, or in an earlier one.

    Args:
        key: The delivery.
        transaction_id: What the payload calls it.
        earlier: The date of the delivery, to ask about deliveries before it.
    """
    told = f"trim({_value(transaction_id)})"
    ids = f"transaction_id in (select {told} from events where step = 'purchase' and {OBJECT} and "
    if earlier is None:
        return f"{ids}delivery = {literal(key)} group by {told} having count(*) > 1)"
    return (
        f"{ids}delivery in (select delivery {_LEDGER} where date < {literal(earlier)} "
        f"or (date = {literal(earlier)} and delivery < {literal(key)})))"
    )


def repeats(key: str) -> str:
    """Rows of a delivery beyond the first of those that are equal in everything."""
    return (
        "select cast(coalesce(sum(n - 1), 0) as bigint) from (select count(*) as n from events "
        f"where delivery = {literal(key)} group by {_TWIN})"
    )


def rows_read(key: str) -> str:
    """All rows of a delivery."""
    return f"select rows_read from ledger_deliveries where delivery = {literal(key)}"


def without_column(key: str, column: str) -> str:
    """All rows of a delivery that has no column of a name."""
    name = literal(json.dumps(column, ensure_ascii=False))
    return f"{rows_read(key)} and not json_contains(columns, {name})"


def broken_lines(key: str) -> str:
    """Lines of a delivery that did not land, as they are no rows."""
    landed = f"select count(*) from landed where delivery = {literal(key)}"
    return f"select rows_read - ({landed}) from ledger_deliveries where delivery = {literal(key)}"


def command(path: str) -> str:
    """How the gate is asked about one delivery, or all, again; it answers in ``recount/``."""
    return f"tallymark check --input {shlex.quote(path)} --output recount"


def told_paths(deliveries: Iterable[Delivery], home: Path) -> dict[str, str]:
    """By delivery the path to ask about it again: in the project folder, where it lies inside.

    What lies elsewhere is asked about in its input folder, so that no report depends on where
    somebody keeps the files.
    """
    told = {}
    for one in deliveries:
        if one.path.is_relative_to(home):
            told[one.key] = one.path.relative_to(home).as_posix()
        elif not one.path.is_absolute():
            told[one.key] = one.path.as_posix()
    return told


def answerable(
    one: Finding,
    entry: Mapping[str, Any],
    history: Sequence[Finding] = (),
    path: str | None = None,
) -> Finding:
    """A finding with what gives its count again, and nothing personal in it.

    A query of the warehouse cannot count rows of a delivery that was refused, nor tell orders
    that came twice in a delivery from those that came before it: then the gate is asked again.

    Args:
        one: The finding.
        entry: What the ledger has of its delivery.
        history: The findings about that delivery that rest on earlier ones.
        path: Of the delivery, to ask about it again; its key if not given.
    """
    key = entry["delivery"]
    query = one.query
    if query is not None:
        refused = not entry["rows_accepted"] and entry["rows_read"] and _LEDGER not in query
        before = f"{one.rule}_history"
        mixed = one.rule in _AMONG_ORDERS and any(other.rule == before for other in history)
        # The name of the delivery is told anyway; a client's id or an e-mail is not.
        bare = query.replace(literal(key), "")
        if refused or mixed or masked(bare) != bare:
            query = None
    if query is None and one not in history:
        query = command(path or key)
    elif query is None and one.rows is not None:
        query = command((path or key).removesuffix(key).rstrip("/") or ".")
    return dataclasses.replace(one, query=query)
