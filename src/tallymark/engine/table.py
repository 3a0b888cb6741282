"""A published table for Python: as rows, Arrow, Polars or pandas; each library only when asked."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tallymark.engine.base import identifier
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import UsageError
from tallymark.notebook import as_html

__all__ = ["Table", "tables"]

SHOWN = 10
_NAMES = (
    "select table_name from information_schema.tables "
    "where table_schema = 'main' order by table_name"
)


def tables(warehouse: Warehouse) -> list[str]:
    """The names of the tables and views that are published, sorted.

    Raises:
        WarehouseError: There is no warehouse.
    """
    engine = warehouse.open()
    try:
        return [row[0] for row in engine.rows(_NAMES)]
    finally:
        engine.close()


class Table:
    """One published table; nothing is read before it is asked for, and then as it is by then.

    Args:
        warehouse: Where it is.
        name: Its name, such as ``fct_sessions``.
        memory_limit: What reading may use; half a gigabyte a thread, at least one, if None.
        threads: The same.

    Raises:
        UsageError: There is no such table; with the nearest name.
        WarehouseError: There is no warehouse.

    Example:
        >>> from tallymark import Project                                # doctest: +SKIP
        >>> Project.open("shop").table("fct_sessions").polars()          # doctest: +SKIP
    """

    def __init__(
        self,
        warehouse: Warehouse,
        name: str,
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
    ) -> None:
        self.name = name
        self._warehouse = warehouse
        self._limits = (memory_limit, threads)
        known = tables(warehouse)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise UsageError(
                f"there is no table {name!r}", where=str(warehouse.root),
                fix=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}",
            )  # fmt: skip

    @property
    def root(self) -> Path:
        """The folder of its warehouse."""
        return self._warehouse.root

    @property
    def columns(self) -> list[tuple[str, str]]:
        """(name, type) of each column, as DuckDB names types."""
        engine = self._open()
        try:
            return engine.columns(self.name)
        finally:
            engine.close()

    def rows(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The rows as plain Python: money is Decimal, times are datetime in UTC without a zone.

        Args:
            limit: At most so many.

        Raises:
            UsageError: The limit is below zero.
        """
        if limit is not None and limit < 0:
            raise UsageError(f"there are no {limit} rows", fix="give a limit of 0 or more")
        names = [name for name, _ in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self._tuples(limit)]

    def arrow(self) -> Any:
        """A ``pyarrow.Table``.

        Raises:
            UsageError: pyarrow is not installed.
        """
        _needed("pyarrow", "arrow")
        engine = self._open()
        try:
            return engine.connection.sql(self._select()).to_arrow_table()
        finally:
            engine.close()

    def polars(self) -> Any:
        """A ``polars.DataFrame``.

        Raises:
            UsageError: polars or pyarrow is not installed.
        """
        return _needed("polars", "polars").from_arrow(self.arrow())

    def pandas(self) -> Any:
        """A ``pandas.DataFrame``; exact money stays Decimal.

        Raises:
            UsageError: pandas or pyarrow is not installed.
        """
        _needed("pandas", "pandas")
        return self.arrow().to_pandas()

    def __len__(self) -> int:
        """How many rows it has."""
        engine = self._open()
        try:
            return int(engine.rows(f"select count(*) from {identifier(self.name)}")[0][0])
        finally:
            engine.close()

    def __repr__(self) -> str:
        return f"Table({self.name!r}, {str(self.root)!r})"

    def _repr_html_(self) -> str:
        found = self._tuples(SHOWN)
        number = len(self)
        note = f"the first {SHOWN} of {number:,} rows" if number > SHOWN else f"{number:,} rows"
        return as_html(self.name, [name for name, _ in self.columns], found, note=note)

    def _open(self) -> DuckEngine:
        memory_limit, threads = self._limits
        return self._warehouse.open(memory_limit=memory_limit, threads=threads)

    def _select(self) -> str:
        return f"select * from {identifier(self.name)}"

    def _tuples(self, limit: int | None) -> Sequence[tuple[Any, ...]]:
        engine = self._open()
        try:
            most = "" if limit is None else f" limit {int(limit)}"
            return engine.rows(self._select() + most)
        finally:
            engine.close()


def _needed(module: str, extra: str) -> Any:
    """A library that nothing else here needs, loaded when somebody asks for its kind of table."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"{module} is not installed", fix=f"pip install 'tallymark[{extra}]'"
        ) from error
