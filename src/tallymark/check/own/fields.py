"""What a rule can name: columns of the contract and fields of the payload, as SQL over rows.

The same SQL holds in the query that lands a delivery and over the file that it lands, so that a
row is kept out and counted by one and the same test.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tallymark.contract import Column, Contract
from tallymark.engine.base import literal
from tallymark.errors import ConfigError
from tallymark.ingest.epochs import counted_time

__all__ = ["TIME", "Fields", "Value", "ValueKind", "nearest", "number"]

ValueKind = Literal["text", "field", "number", "time", "date", "truth"]

TIME = "make_timestamp_ms(event_ms)"
"""When an event happened, UTC, in a landed row."""
_PAGE_HOST = "page_host"
_STEP = re.compile(r'([^.\[\]"\\\s][^.\[\]"\\]*)((?:\[\d{1,4}\])*)')
_LONGEST_PATH = 200
_NUMBERS = frozenset({"number", "integer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A piece of SQL and what it holds.

    Attributes:
        sql: Its SQL.
        kind: ``field`` is a text out of the payload, which may be meant as a number.
        raw: The delivered text where ``sql`` is what was read from it.
        given: The text of a constant.
    """

    sql: str
    kind: ValueKind
    raw: str | None = None
    given: str | None = None

    @property
    def delivered(self) -> str:
        """The SQL that is null exactly where nothing was delivered."""
        return self.raw or self.sql


class Fields:
    """Finds columns and payload fields by the names of a contract, and notes which it gave out.

    Attributes:
        extras: Landed columns, beside the usual ones, that what was given out needs.
        roles: Roles of the columns given out.
        names: What was given out, by the names asked for.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.extras: dict[str, Column] = {}
        self.roles: set[str] = set()
        self.names: list[str] = []

    def value(self, name: str) -> Value:
        """A column or payload field.

        Args:
            name: A column of the contract, ``page_host``, a field of the purchase's payload that
                the contract names, or ``<payload column>.<path>``.

        Raises:
            ConfigError: There is none of that name; with the nearest that there is.
        """
        self.names.append(name)
        if (column := self.contract.by_name(name)) is not None:
            return self._column(column)
        if name == _PAGE_HOST:
            self.roles.add("page_url")
            return Value(sql=_PAGE_HOST, kind="text")
        payload = self.contract.by_role("event_data")
        if payload is not None:
            for known in payload.names:
                if name.startswith(f"{known}."):
                    return self.field(name.removeprefix(f"{known}."))
            if name in self._fields():
                return self.field(name)
        raise ConfigError(
            f"unknown column {name!r}",
            fix=nearest(name, self.known(), "columns")
            + (f"; a payload field is json('{name}')" if payload and _STEP.fullmatch(name) else ""),
        )

    def text(self, name: str) -> Value:
        """A column as the text that was delivered, also where it is a time."""
        column = self.contract.by_name(name)
        if column is not None and column.role == "timestamp":
            self.names.append(name)
            self.roles.add("timestamp")
            return Value(sql=self._extra(column), kind="text")
        found = self.value(name)
        return Value(sql=found.delivered, kind="text")

    def field(self, path: str) -> Value:
        """A field of the payload, as ``coupon`` or ``items[0].item_name``; null where absent.

        Raises:
            ConfigError: It is no such path.
        """
        steps = path.split(".")
        # A step that is a star alone means every field to the engine, and gives a list.
        known = all(_STEP.fullmatch(step) and step.partition("[")[0].strip("*") for step in steps)
        if len(path) > _LONGEST_PATH or not known:
            raise ConfigError(
                f"{path[:_LONGEST_PATH]!r} is no path into a payload",
                fix="write it as coupon, or as items[0].item_name",
            )
        self.roles.add("event_data")
        way = "$" + "".join(
            f'."{match[1]}"{match[2]}' for step in steps if (match := _STEP.fullmatch(step))
        )
        # A payload that is no JSON would stop the whole query.
        text = (
            "case when payload is not null and json_valid(payload) "
            f"then json_extract_string(payload, {literal(way)}) end"
        )
        spoken = self.contract.payload
        if path in {spoken.revenue, spoken.quantity, spoken.item_price}:
            return Value(sql=number(f"({text})"), kind="number", raw=f"({text})")
        return Value(sql=f"({text})", kind="field")

    def known(self) -> list[str]:
        """Every name that can be given as it is."""
        columns = [name for column in self.contract.columns for name in column.names]
        return [*columns, _PAGE_HOST, *sorted(self._fields())]

    def _fields(self) -> set[str]:
        spoken = self.contract.payload
        return {spoken.transaction_id, spoken.revenue, spoken.currency, spoken.email, spoken.items}

    def _column(self, column: Column) -> Value:
        role = column.role
        if role is None:
            name = self._extra(column)
            if column.kind in _NUMBERS:
                return Value(sql=number(name), kind="number", raw=name)
            if column.kind in {"timestamp", "date"}:
                time = f"try_cast({name} as timestamp)"
                if column.formats:
                    time = f"coalesce({time}, {counted_time(name, column.formats)})"
                return Value(sql=time, kind="time", raw=name)
            if column.kind == "boolean":
                return Value(sql=f"try_cast({name} as boolean)", kind="truth", raw=name)
            return Value(sql=name, kind="text")
        self.roles.add(role)
        if role == "timestamp":
            return Value(sql=TIME, kind="time")
        return Value(sql="payload" if role == "event_data" else role, kind="text")

    def _extra(self, column: Column) -> str:
        name = f"extra_{self.contract.columns.index(column)}"
        self.extras[name] = column
        return name


def number(text: str) -> str:
    """SQL that reads a text as a number; null where it is none. Not-a-number is above them all."""
    return f"try_cast({text} as double)"


def nearest(word: str, known: Iterable[str], what: str, *, cutoff: float = 0.5) -> str:
    """The cure for a name that is not there: the nearest one, or all of them."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word, names, n=1, cutoff=cutoff)
    return f"did you mean {close[0]!r}?" if close else f"known {what}: {', '.join(names)}"
