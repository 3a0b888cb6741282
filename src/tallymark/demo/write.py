"""Writing a day's rows as CSV, packed or not, JSON lines or Parquet: same rows, same bytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, get_args

from tallymark.demo.render import DayTable

if TYPE_CHECKING:
    import duckdb

__all__ = ["FORMATS", "DayWriter", "Format", "write_columns"]

Format = Literal["csv", "csv.gz", "csv.zst", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""Formats of deliveries, by the ending of their files."""

_SPECIAL = (",", '"', "\n", "\r")


def write_columns(path: Path, columns: Mapping[str, Sequence[str]]) -> None:
    """Write columns of equal length as CSV: UTF-8, a header, a line feed after each line.

    Quotes stand only where needed. Several times as fast as a writer of rows, because most
    columns need no quotes at all and the others repeat their values.
    """
    header = ",".join(_cells(list(columns)))
    lines = map(",".join, zip(*map(_cells, columns.values()), strict=True))
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("\n".join((header, *lines)))
        file.write("\n")


def _cells(values: Sequence[str]) -> Sequence[str]:
    """The values as they stand in a CSV file."""
    whole = "".join(values)
    if not any(special in whole for special in _SPECIAL):
        return values
    known = {value: _cell(value) for value in set(values)}
    return [known[value] for value in values]


def _cell(value: str) -> str:
    if any(special in value for special in _SPECIAL):
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return value


class DayWriter:
    """Writes ``events_YYYYMMDD.csv`` files, or files of another format, into one folder.

    In Parquet and JSON lines every value is text, and what is empty in CSV is null.

    Args:
        folder: Where the files go; it exists.
        fmt: One of ``FORMATS``.
    """

    def __init__(self, folder: Path, fmt: Format) -> None:
        self._folder = folder
        self._fmt = fmt
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        """Open what the format needs."""
        if self._fmt == "parquet":
            import duckdb  # noqa: PLC0415 -- CSV, the usual case, needs no engine

            self._connection = duckdb.connect(":memory:", config={"threads": 1})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it again."""
        if self._connection is not None:
            self._connection.close()

    def write(self, table: DayTable) -> str | None:
        """Write one day; its file's name, or None if the day has no file."""
        if not table.written:
            return None
        name = f"events_{table.date:%Y%m%d}"
        target = self._folder / f"{name}.{self._fmt}"
        if self._fmt == "jsonl":
            _write_lines(target, table.columns)
            return target.name
        path = self._folder / f"{name}.csv"
        write_columns(path, table.columns)
        if self._fmt in {"csv.gz", "csv.zst"}:
            target.write_bytes(_packed(path.read_bytes(), self._fmt))
            path.unlink()
        if self._connection is not None:
            self._convert(path, target, list(table.columns))
        return target.name

    def _convert(self, path: Path, target: Path, header: Sequence[str]) -> None:
        """Turn a CSV file into a Parquet file."""
        if self._connection is None:
            return
        types = ", ".join(f"{_quoted(column)}: 'VARCHAR'" for column in header)
        self._connection.execute(
            f"copy (select * from read_csv({_quoted(path.as_posix())}, columns = {{{types}}}, "
            "header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"')) "
            f"to {_quoted(target.as_posix())} (format parquet)"
        )
        path.unlink()


def _write_lines(path: Path, columns: Mapping[str, Sequence[str]]) -> None:
    """Write columns as JSON lines."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for values in zip(*columns.values(), strict=True):
            row = {name: value or None for name, value in zip(columns, values, strict=True)}
            file.write(json.dumps(row, separators=(",", ":"), ensure_ascii=False))
            file.write("\n")


def _packed(content: bytes, fmt: Format) -> bytes:
    """Compress a file; no time and no name go in, so that same rows stay same bytes."""
    if fmt == "csv.gz":
        return gzip.compress(content, mtime=0)
    import zstandard  # noqa: PLC0415 -- only this format needs it

    return zstandard.ZstdCompressor().compress(content)


def _quoted(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
