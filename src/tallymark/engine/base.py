"""What the stages ask of an engine: seven methods, so that a second engine is a small thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

__all__ = ["NO_FOLDERS", "Engine", "exact", "identifier", "literal", "parquet_files"]

# A folder called `source=web` is a folder: no column comes from it, and none is replaced.
NO_FOLDERS = "hive_partitioning = false"
_PATTERN = str.maketrans({mark: f"[{mark}]" for mark in "*?["})


class Engine(Protocol):
    """A place where SQL runs. SQL text is ours; outside values are bound or passed by path."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement for its effect."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""

    def columns(self, relation: str) -> list[tuple[str, str]]:
        """(name, type) of each column of a table or view."""

    def values(self, name: str, columns: Mapping[str, tuple[str, Sequence[Any]]]) -> None:
        """Make a table out of Python values: column name to (SQL type, values)."""

    def view(self, name: str, paths: Sequence[Path]) -> None:
        """Make a view over an explicit list of Parquet files."""

    def write(self, sql: str, path: Path, options: str = "format parquet") -> int:
        """Write the rows of a query to a file; returns how many."""

    def close(self) -> None:
        """Let go of memory and files."""


def identifier(name: str) -> str:
    """A name quoted for SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text quoted for SQL, whatever it holds."""
    return "'" + text.replace("'", "''") + "'"


def exact(path: Path) -> str:
    """How a path is named to a reader that would take it for a pattern.

    >>> exact(Path("raw/events[1].csv"))
    'raw/events[[]1].csv'
    """
    return path.as_posix().translate(_PATTERN)


def parquet_files(paths: Sequence[Path], *options: str) -> str:
    """SQL that reads Parquet files of our own, and nothing but them: no columns of folders."""
    listed = ", ".join(literal(exact(path)) for path in paths)
    return f"read_parquet({', '.join([f'[{listed}]', *options, NO_FOLDERS])})"
