"""Landing a delivery: one pass from its bytes to a Parquet file of typed, flagged rows.

A landed row keeps every delivered value and adds what can be told from the row alone: its time in
milliseconds, the parts of its URL, the step of the funnel, and its faults as bit flags. It is a
function of the bytes, the contract and the configuration; nothing of other deliveries enters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tallymark.config import Contract
from tallymark.engine.base import literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.careful import rewrite
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import Broken, Head
from tallymark.ingest.landing_sql import delivery_base, landing_sql

__all__ = ["Landed", "land", "scan_bytes"]

_CHUNK = 1 << 20


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
        sql = landing_sql(delivery, mapping, contract, timezone, source=source, line=line)
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


_OPTIONS = "format parquet, compression snappy, write_bloom_filter false"


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
