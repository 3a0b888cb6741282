"""Checks that somebody else wrote: Python functions found through entry points.

A package offers a check by naming a function under the group ``tallymark.checks``; a rule then
names the check as it names any other. The function is called once for each delivery with the
:class:`Rows` of the delivery and the rule, and yields a :class:`~tallymark.check.rules.Hit` for
each thing that is wrong. It can ask any single SELECT of the rows; it reaches no other data.
"""

from __future__ import annotations

import importlib.metadata
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from tallymark.check.counting.facts import Facts
from tallymark.config import CheckRule
from tallymark.contract import Column
from tallymark.engine.base import identifier, literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.errors import ConfigError, TallymarkError
from tallymark.ingest.landing import Landed
from tallymark.ingest.landing_sql import REJECTED

__all__ = [
    "GROUP",
    "Plugin",
    "PluginError",
    "Rows",
    "called",
    "load_plugin",
    "plugin_names",
    "versions",
]

GROUP = "tallymark.checks"
_COLUMNS = (
    "delivery", "line_number", "make_timestamp_ms(event_ms) as event_time", "event_date",
    "event_hour", "event_name", "step", "client_id", "page_url", "page_host", "referrer",
    "user_agent", "payload",
)  # fmt: skip
_USUAL = frozenset(one.split()[-1] for one in _COLUMNS)


class PluginError(TallymarkError):
    """A plug-in did what a check must not do."""


class Rows:
    """The sound rows of one delivery, for a plug-in to ask.

    They are the table ``rows``: ``delivery, line_number, event_time`` (UTC), ``event_date,
    event_hour, event_name, step, client_id, page_url, page_host, referrer, user_agent, payload``,
    and, under its own name, each further column of the contract that a rule names.

    Attributes:
        facts: What was measured of the delivery already.
    """

    def __init__(
        self, engine: DuckEngine, facts: Facts, landed: Landed, extras: Mapping[str, Column]
    ) -> None:
        self.facts = facts
        self._engine = engine
        self._path, self._source = landed.path.as_posix(), landed.source
        self._extras = {
            name: one.name for name, one in extras.items() if one.name.lower() not in _USUAL
        }
        self._connection: duckdb.DuckDBPyConnection | None = None

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT over ``rows``.

        Args:
            sql: One SELECT statement, in DuckDB's SQL.
            parameters: Values for its question marks.

        Raises:
            PluginError: It is another statement, or more than one.
            duckdb.Error: The statement is wrong, or reaches for a file.
        """
        connection = self._opened()
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise PluginError("a plug-in may ask one SELECT at a time")
        return connection.execute(statements[0], list(parameters)).fetchall()

    def _opened(self) -> duckdb.DuckDBPyConnection:
        """A database of its own, in which there is nothing but the rows, and no way out."""
        if self._connection is None:
            connection = duckdb.connect(":memory:")
            for name in ("memory_limit", "threads"):
                found = self._engine.rows(f"select current_setting({literal(name)})")[0][0]
                connection.execute(f"set {name} = {literal(str(found))}")
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"set allowed_paths = [{literal(self._path)}]")
            connection.execute("set enable_external_access = false")
            extras = [f"{name} as {identifier(own)}" for name, own in self._extras.items()]
            connection.execute(
                f"create view rows as select {', '.join([*_COLUMNS, *extras])} "
                f"from {self._source} where faults & {REJECTED.value} = 0"
            )
            connection.execute("set lock_configuration = true")
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Let go of the rows."""
        if self._connection is not None:
            self._connection.close()


Plugin = Callable[[Rows, CheckRule], Iterable[Any]]
Found = TypeVar("Found")


def _offered() -> dict[str, importlib.metadata.EntryPoint]:
    """Plug-ins by name; of two of one name the first by their packages' names."""
    found: dict[str, importlib.metadata.EntryPoint] = {}
    for point in sorted(
        importlib.metadata.entry_points(group=GROUP), key=lambda one: (one.name, _package(one))
    ):
        found.setdefault(point.name, point)
    return found


def _package(point: importlib.metadata.EntryPoint) -> str:
    """The package that offers a plug-in, and its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.module


def plugin_names() -> list[str]:
    """The checks that installed packages offer."""
    return sorted(_offered())


def versions(names: Iterable[str]) -> list[str]:
    """Name, package and version of some plug-ins: what a verdict rests on."""
    offered = _offered()
    return [f"{name} {_package(offered[name])}" for name in sorted(set(names)) if name in offered]


def load_plugin(name: str) -> tuple[Plugin, str]:
    """A plug-in and the package that offers it.

    Raises:
        ConfigError: It cannot be imported, or is nothing that can be called.
    """
    point = _offered()[name]
    try:
        function = point.load()
    except Exception as error:  # noqa: BLE001 -- whatever a stranger's module does when imported
        raise ConfigError(
            f"the plug-in {name!r} of {_package(point)} cannot be loaded: "
            f"{type(error).__name__}: {error}",
            fix=f"mend or reinstall {_package(point)}",
        ) from None
    if not callable(function):
        raise ConfigError(
            f"the plug-in {name!r} of {_package(point)} is no function",
            fix=f"let its entry point {point.value!r} name a function",
        )
    return function, _package(point)


def called(function: Plugin, rows: Rows, rule: CheckRule, kind: type[Found]) -> list[Found]:
    """What a plug-in yields.

    Args:
        function: The plug-in.
        rows: The rows that it may ask.
        rule: The rule that names it.
        kind: Of what it has to yield.

    Raises:
        PluginError: It raised; with what and where, and without the text, in which there may be
            a customer's data.
    """
    try:
        found = list(function(rows, rule))
    except TallymarkError as error:
        raise PluginError(error.what) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- a stranger's code may do anything
        frames = traceback.extract_tb(error.__traceback__)
        last = frames[-1]
        raise PluginError(
            f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
        ) from None
    odd = next((one for one in found if not isinstance(one, kind)), None)
    if odd is not None:
        raise PluginError(f"it yielded {type(odd).__name__} instead of {kind.__name__}")
    return found
