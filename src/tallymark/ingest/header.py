"""What the first kilobytes of a delivery prove: its kind, its columns, a sample of values."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.unpack import Broken, first_bytes

__all__ = ["Broken", "Head", "read_head"]

HEAD_BYTES = 262_144
SAMPLE_ROWS = 300
_LOOKED_AT = 4096
_HEADER_LINES = 5  # a header of more lines than this has a stray quote in it
_MAGIC = (
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstandard data"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
)
_NESTED = re.compile(r"^(STRUCT|MAP|UNION|VARIANT)\b|\]$")
_EXPECTED = {"gzip": "gzip data", "zstd": "zstandard data", "parquet": "a Parquet file"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The columns of a delivery in order, and up to 300 sample values of each.

    Attributes:
        delimiter: What stands between two values of a CSV file.
        newline: What ends a line of it: line feed, carriage return, or both.
        header_lines: How many lines there are up to the end of the header.
        nested: Columns of a Parquet file that hold more than one value.
    """

    columns: Sequence[str]
    sample: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    delimiter: str = ","
    bom: bool = False
    newline: str = "\n"
    header_lines: int = 1
    nested: frozenset[str] = frozenset()


def read_head(delivery: Delivery) -> Head:
    """Read what the first kilobytes tell.

    Raises:
        Broken: Empty, header only, not what the ending says, undecodable or undecompressible.
    """
    if delivery.path.stat().st_size == 0:
        raise Broken("file_empty", "the file is empty (0 bytes)")
    with delivery.path.open("rb") as stream:
        start = stream.read(_LOOKED_AT)
    _refuse_wrong_kind(delivery, start)
    if delivery.format == "parquet":
        return _parquet_head(delivery)
    raw, whole = first_bytes(delivery, HEAD_BYTES)
    _refuse_no_text(delivery, raw)
    # A character cut in half by the end of the head is no fault of the file.
    text = raw.decode("utf-8", errors="replace")
    bom = text.startswith("\ufeff")
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise Broken("file_empty", "the file holds only white space")
    if delivery.format == "jsonl":
        return _jsonl_head(text, whole=whole)
    return _csv_head(text, bom=bom, whole=whole)


def _refuse_wrong_kind(delivery: Delivery, start: bytes) -> None:
    expected = _EXPECTED.get(delivery.compression or delivery.format)
    actual = next((name for magic, name in _MAGIC if start.startswith(magic)), None)
    if actual != expected:
        told = actual or "plain text or something unknown"
        raise Broken("file_kind", f"the name says {_said(delivery)}, but the content is {told}")


def _refuse_no_text(delivery: Delivery, raw: bytes) -> None:
    start = raw[:_LOOKED_AT]
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or start.count(0) * 4 > len(start):
        raise Broken("file_encoding", "the text is UTF-16 or binary, not UTF-8")
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        raise Broken("file_kind", f"the name says {_said(delivery)}, but it is HTML or XML")


def _said(delivery: Delivery) -> str:
    packed = f" in {delivery.compression}" if delivery.compression else ""
    return f"{delivery.format.upper()}{packed}"


def _csv_head(text: str, *, bom: bool, whole: bool) -> Head:
    blank, line, newline = _header_line(text)
    delimiter = max(",;\t|", key=line.count)
    rows: list[list[str]] = []
    header_lines = blank + 1
    lines = io.StringIO(text, newline="")
    for _ in range(blank):
        lines.readline()
    reader = csv.reader(lines, delimiter=delimiter)
    # The careful reader will name a line that is no CSV; here the sample just ends before it.
    with contextlib.suppress(csv.Error):
        for row in reader:
            if not rows:
                header_lines = blank + reader.line_num
            rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    if not rows or header_lines - blank > _HEADER_LINES:
        # A quote that is never closed: take the line as it stands.
        header_lines = blank + 1
        rows = [line.replace('"', "").split(delimiter)]
    elif whole and not any(any(row) for row in rows[1:]):
        raise Broken("file_header_only", "the file has a header and not a single row")
    body = rows[1:] if whole or len(rows) > SAMPLE_ROWS else rows[1:-1] or rows[1:]
    columns = _named([*rows[0], *_surplus(rows[0], body)])
    good = [row for row in body if len(row) == len(columns)]
    sample = {name: [row[index] or None for row in good] for index, name in enumerate(columns)}
    return Head(
        columns=columns, sample=sample, delimiter=delimiter, bom=bom, newline=newline,
        header_lines=header_lines,
    )  # fmt: skip


def _header_line(text: str) -> tuple[int, str, str]:
    """How many blank lines come first, the first other line, and what ends it."""
    for blank, line in enumerate(io.StringIO(text, newline="")):
        bare = line.rstrip("\r\n")
        if bare.strip():
            return blank, bare, line[len(bare) :] or "\n"
    return 0, "", "\n"


def _surplus(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """One more column, if every row ends in one delimiter more than the header has."""
    filled = [row for row in body if row]
    surplus = filled and all(len(row) == len(header) + 1 and not row[-1] for row in filled)
    return [""] if surplus else []


def _named(header: Sequence[str]) -> list[str]:
    """The column names; one without a name is called by its place."""
    given = {name.strip() for name in header}
    columns = []
    for number, raw in enumerate(header, start=1):
        name = raw.strip()
        if not name:
            name = f"column_{number}"
            while name in given:
                name += "_"
        columns.append(name)
    return columns


def _jsonl_head(text: str, *, whole: bool) -> Head:
    columns: dict[str, list[str | None]] = {}
    lines = text.split("\n")
    for number, line in enumerate(lines[: SAMPLE_ROWS + 1]):
        if not line.strip() or (number == len(lines) - 1 and not whole):
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            for name, value in row.items():
                shown = value if isinstance(value, str) else json.dumps(value)
                # Half a surrogate pair cannot be said in UTF-8, so no column is called that.
                called = str(name).encode(errors="replace").decode()
                columns.setdefault(called, []).append(None if value is None else shown)
    if not columns:
        raise Broken("file_kind", "no line of it is a JSON object")
    return Head(columns=list(columns), sample=columns)


def _parquet_head(delivery: Delivery) -> Head:
    import duckdb  # noqa: PLC0415 -- the head of a text file is read without an engine

    from tallymark.engine.base import identifier, literal  # noqa: PLC0415

    source = f"read_parquet({literal(delivery.path.as_posix())})"
    connection = duckdb.connect(":memory:")
    try:
        kinds = connection.execute(f"describe select * from {source}").fetchall()
        columns = [str(column[0]) for column in kinds]
        nested = {str(name) for name, kind, *_ in kinds if _NESTED.search(str(kind))}
        picks = ", ".join(
            f"cast({f'to_json({identifier(name)})' if name in nested else identifier(name)} "
            "as varchar)"
            for name in columns
        )
        rows = connection.execute(f"select {picks} from {source} limit {SAMPLE_ROWS}").fetchall()
    except duckdb.Error as error:
        raise Broken(
            "file_kind", f"the Parquet file cannot be read: {str(error).splitlines()[0]}"
        ) from error
    finally:
        connection.close()
    if not rows:
        raise Broken("file_header_only", "the file has columns and not a single row")
    sample = {name: [row[index] for row in rows] for index, name in enumerate(columns)}
    return Head(columns=columns, sample=sample, nested=frozenset(nested))
