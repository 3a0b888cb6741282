"""The embedded engine: DuckDB in this process, in memory, spilling to a folder of its own."""

from __future__ import annotations

import functools
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from tallymark.engine.base import identifier, literal, parquet_files
from tallymark.engine.room import disk_full, no_room
from tallymark.errors import InputError, ModelError

__all__ = ["DuckEngine", "spare"]

Parameters = Sequence[Any] | Mapping[str, Any]

_LEAST, _A_THREAD = 1_000_000_000, 500_000_000  # bytes of memory
_OF_A_SESSION = frozenset({"enable_progress_bar"})


@functools.lru_cache(maxsize=64)
def _parsed(sql: str) -> duckdb.Statement:
    """One statement, parsed once: a long text takes longer to parse than to run on a small day."""
    return duckdb.extract_statements(sql)[0]


_SPARE: list[duckdb.DuckDBPyConnection] = []


@contextmanager
def spare(path: Path, *, write: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with one database file attached as ``cat``, for a moment.

    Opening DuckDB takes longer than most such moments, so an idle connection is used again.

    Args:
        path: The file.
        write: Options of ``attach`` for writing; it is only read if not given.

    Raises:
        duckdb.Error: The file is no database of this program's.
        InputError: No database can be there.
    """
    if "?" in path.absolute().as_posix():  # its log would stand where the name ends for DuckDB
        raise InputError(
            "no database can be below a folder with a question mark in its name",
            where=str(path.parent.absolute()),
            fix="rename the folder, or name another one with --output",
        )  # fmt: skip
    try:
        connection = _SPARE.pop()
    except IndexError:  # not asked first: another thread may take the last one in between
        connection = duckdb.connect(":memory:")
    options = "(read_only)" if write is None else write
    sound = False
    try:
        connection.execute(f"attach {literal(path.as_posix())} as cat {options}")
        yield connection
        connection.execute("use memory")
        connection.execute("detach cat")
        sound = True
    except duckdb.IOException as error:
        if write is not None and no_room(error):
            raise disk_full(error, path.parent) from error
        raise
    finally:
        if sound:
            _SPARE.append(connection)
        else:
            connection.close()


class DuckEngine:
    """An in-memory DuckDB connection with Tallymark's settings.

    Args:
        memory_limit: Such as ``500MB``; ``None`` means half a gigabyte a thread, at least one,
            and never more than DuckDB's own default.
        threads: How many threads; ``None`` means one a core.
        spill: Folder for data that does not fit in memory; a private one of the system's, gone
            with the engine, if not given.
    """

    def __init__(
        self,
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
        spill: Path | None = None,
        connection: duckdb.DuckDBPyConnection | None = None,
    ) -> None:
        self.connection = connection or duckdb.connect(":memory:")
        self._clean: Callable[[], object] = lambda: None
        if connection is not None:
            return
        if spill is None:
            # DuckDB would write into the folder in which somebody happens to work.
            spill = Path(tempfile.mkdtemp(prefix="tallymark-"))
            # Also at the end of the process, for an engine that nobody has closed.
            self._clean = weakref.finalize(self, shutil.rmtree, spill, ignore_errors=True)
        settings = {
            "TimeZone": "UTC",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "enable_progress_bar": "false",
            "default_null_order": "nulls_first",
        }
        if memory_limit:
            settings["memory_limit"] = memory_limit
        if threads:
            settings["threads"] = str(threads)
        settings["temp_directory"] = spill.as_posix()
        for name, value in settings.items():
            # Globally where that can be: a cursor would not inherit what a session has set.
            scope = "" if name in _OF_A_SESSION else "global "
            self.connection.execute(f"set {scope}{name} = {literal(value)}")
        if not memory_limit:
            self._be_modest()

    def _be_modest(self) -> None:
        """Take what the work needs to be fast, and not most of the machine, as DuckDB would."""
        threads, default = self.rows(
            "select current_setting('threads'), "
            "parse_formatted_bytes(current_setting('memory_limit'))"
        )[0]
        limit = max(_LEAST, int(threads) * _A_THREAD)
        if limit < int(default):
            self.execute(f"set global memory_limit = '{limit}B'")

    def cursor(self) -> DuckEngine:
        """A second connection to the same data, for another thread."""
        return DuckEngine(connection=self.connection.cursor())

    def execute(self, sql: str, parameters: Parameters = ()) -> None:
        """Run one statement for its effect."""
        self._run(sql, parameters)

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. With named parameters its text is parsed once per process."""
        return self._run(sql, parameters).fetchall()

    def arrays(self, sql: str, parameters: Parameters = ()) -> dict[str, Any]:
        """The columns of a query as NumPy arrays; for numbers that are never null."""
        return self._run(sql, parameters).fetchnumpy()

    def _run(self, sql: str, parameters: Parameters) -> duckdb.DuckDBPyConnection:
        try:
            if isinstance(parameters, Mapping):
                return self.connection.execute(_parsed(sql), dict(parameters))
            return self.connection.execute(sql, list(parameters))
        except duckdb.OutOfMemoryException as error:
            raise InputError(
                "the work does not fit into the memory limit",
                fix="raise engine.memory_limit in tallymark.yml",
            ) from error
        except duckdb.IOException as error:
            if no_room(error):
                raise disk_full(error) from error
            raise

    def columns(self, relation: str) -> list[tuple[str, str]]:
        """(name, type) of each column of a table or view."""
        described = self.rows(f"describe {identifier(relation)}")
        return [(str(row[0]), str(row[1])) for row in described]

    def values(self, name: str, columns: Mapping[str, tuple[str, Sequence[Any]]]) -> None:
        """Make a table out of Python values; the values are bound, never spelled out in SQL."""
        if not columns:
            raise ModelError("a table needs a column", where=name)
        picks = ", ".join(
            f"unnest(cast(? as {kind}[])) as {identifier(column)}"
            for column, (kind, _) in columns.items()
        )
        self.execute(
            f"create or replace table {identifier(name)} as select {picks}",
            [list(given) for _, given in columns.values()],
        )

    def view(self, name: str, paths: Sequence[Path]) -> None:
        """Make a view over an explicit list of Parquet files."""
        self.execute(
            f"create or replace view {identifier(name)} as select * from {parquet_files(paths)}"
        )

    def write(
        self,
        sql: str,
        path: Path,
        options: str = "format parquet",
        parameters: Mapping[str, Any] | None = None,
    ) -> int:
        """Write the rows of a query to a file; returns how many.

        Args:
            parameters: Values of the query's ``$name`` parameters; with them (even none) its text
                is parsed once per process.
        """
        if parameters is None:
            found = self.rows(f"copy ({sql}) to {literal(path.as_posix())} ({options})")
        else:
            given = {**parameters, "target": path.as_posix()}
            found = self.rows(f"copy ({sql}) to $target ({options})", given)
        return int(found[0][0])

    def close(self) -> None:
        """Let go of memory and files."""
        self.connection.close()
        self._clean()
