"""The SQL that counts a finding again, over the views of a built warehouse.

Whoever doubts a number can paste its query into any DuckDB shell that has opened
``warehouse/tallymark.duckdb``. Names from outside are quoted. What no query over the views can
count is counted again by the gate itself, asked from inside the input folder.
"""

from __future__ import annotations

import dataclasses
import json
import shlex

from tallymark.engine.base import literal
from tallymark.ingest.landing_sql import REJECTED
from tallymark.results import Finding

__all__ = [
    "OBJECT", "SOUND", "UNREADABLE", "answerable", "blank", "broken_lines", "number", "purchases",
    "repeats", "rows_of", "rows_of_events", "rows_of_orders", "rows_read", "without_column",
]  # fmt: skip

SOUND = f"faults & {REJECTED.value} = 0"  # of a landed row: nothing keeps it out of `events`
# Of a payload: that it is one JSON object. What is no JSON must not reach `json_type`.
OBJECT = "case when json_valid(payload) then json_type(payload) = 'OBJECT' else false end"
UNREADABLE = f"step = 'purchase' and not {OBJECT}"  # of a row: an order without a payload
MONEY = "decimal(18, 4)"
_TWIN = "event_ms, client_id, page_url, referrer, event_name, payload, user_agent"


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


def _value(name: str) -> str:
    """A value at the top of a payload, as text."""
    pointer = literal("/" + name.replace("~", "~0").replace("/", "~1"))
    return f"case when json_valid(payload) then json_extract_string(payload, {pointer}) end"


def blank(name: str) -> str:
    """Of a payload: that a text at its top is missing or blank."""
    return f"nullif(trim({_value(name)}), '') is null"


def number(name: str) -> str:
    """A number at the top of a payload; null where it is none."""
    return f"try_cast({_value(name)} as {MONEY})"


def rows_of_orders(key: str, condition: str) -> str:
    """Purchases of a delivery whose order and whose event meet a condition."""
    return (
        f"select count(*) from fct_orders where {condition} and exists (select 1 from events "
        f"where delivery = {literal(key)} and step = 'purchase' and event_time = ordered_at "
        f"and events.client_id is not distinct from fct_orders.client_id and {OBJECT})"
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


def answerable(one: Finding) -> Finding:
    """A finding that counts rows, with a command where it has no query."""
    if one.rows is None or one.query or not one.delivery:
        return one
    command = f"tallymark check --input {shlex.quote(one.delivery)}"
    return dataclasses.replace(one, query=command)
