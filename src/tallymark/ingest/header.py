"""What the first kilobytes of a delivery prove: its kind, its columns, a sample of values."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tallymark.ingest.deliveries import Delivery

__all__ = ["Broken", "Head", "read_head"]

HEAD_BYTES = 262_144
SAMPLE_ROWS = 300
_MAGIC = (
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstandard data"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
)
_EXPECTED = {"gzip": "gzip data", "zstd": "zstandard data", "parquet": "a Parquet file"}


class Broken(Exception):  # noqa: N818 -- it carries a finding of the gate, not a program error
    """A delivery that cannot be read at all; the gate turns it into a finding.

    Args:
        check: The file check that it fails, such as ``file_empty``.
        message: What is wrong, as a sentence.
    """

    def __init__(self, check: str, message: str) -> None:
        self.check = check
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The columns of a delivery in order, and up to 300 sample values of each."""

    columns: Sequence[str]
    sample: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    delimiter: str = ","
    bom: bool = False


def read_head(delivery: Delivery) -> Head:
    """Read what the first kilobytes tell.

    Raises:
        Broken: Empty, header only, not what the ending says, undecodable or undecompressible.
    """
    size = delivery.path.stat().st_size
    if size == 0:
        raise Broken("file_empty", "the file is empty (0 bytes)")
    with delivery.path.open("rb") as stream:
        first = stream.read(HEAD_BYTES)
    _refuse_wrong_kind(delivery, first)
    if delivery.format == "parquet":
        return _parquet_head(delivery)
    text, whole = _decoded(delivery, first, whole=size <= HEAD_BYTES)
    bom = text.startswith("\ufeff")
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise Broken("file_empty", "the file holds only white space")
    if delivery.format == "jsonl":
        return _jsonl_head(text, whole=whole)
    return _csv_head(text, bom=bom, whole=whole)


def _refuse_wrong_kind(delivery: Delivery, first: bytes) -> None:
    expected = _EXPECTED.get(delivery.compression or delivery.format)
    actual = next((name for magic, name in _MAGIC if first.startswith(magic)), None)
    if actual != expected:
        told = actual or "plain text or something unknown"
        raise Broken(
            "file_kind", f"the name says {_said(delivery)}, but the content is {told}"
        )
    if first.startswith((b"\xff\xfe", b"\xfe\xff")) or (
        expected is None and b"\0" in first[:4096]
    ):
        raise Broken("file_encoding", "the text is UTF-16 or holds NUL bytes, not UTF-8")
    if expected is None and first.lstrip()[:1] == b"<":
        raise Broken("file_kind", f"the name says {_said(delivery)}, but it is HTML or XML")


def _said(delivery: Delivery) -> str:
    return f"{delivery.format.upper()}{f' in {delivery.compression}' if delivery.compression else ''}"


def _decoded(delivery: Delivery, first: bytes, *, whole: bool) -> tuple[str, bool]:
    if delivery.compression == "gzip":
        unzip = zlib.decompressobj(wbits=31)
        try:
            raw = unzip.decompress(first, HEAD_BYTES)
        except zlib.error as error:
            raise Broken("file_compression", f"the gzip data is damaged: {error}") from error
        whole = whole and unzip.eof
        first = raw
    elif delivery.compression == "zstd":
        first, whole = _zstd_head(first)
    # A character cut in half by the end of the head is no fault of the file.
    return first.decode("utf-8", errors="replace"), whole


def _zstd_head(first: bytes) -> tuple[bytes, bool]:
    import zstandard  # noqa: PLC0415 -- only deliveries in this format need it

    unzip = zstandard.ZstdDecompressor().decompressobj()
    try:
        raw = unzip.decompress(first)
    except zstandard.ZstdError as error:
        raise Broken("file_compression", f"the zstandard data is damaged: {error}") from error
    return raw[:HEAD_BYTES], unzip.eof and len(raw) <= HEAD_BYTES


def _csv_head(text: str, *, bom: bool, whole: bool) -> Head:
    line = text.split("\n", 1)[0].rstrip("\r")
    delimiter = max(",;\t|", key=line.count) if line else ","
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter)
    rows: list[list[str]] = []
    try:
        for row in reader:
            rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        # The careful reader will name the bad line; here the sample just ends before it.
        rows = rows or [line.split(delimiter)]
    columns = [name.strip() for name in rows[0]]
    body = rows[1:] if whole or len(rows) > SAMPLE_ROWS else rows[1:-1] or rows[1:]
    if whole and not any(any(row) for row in rows[1:]):
        raise Broken("file_header_only", "the file has a header and not a single row")
    good = [row for row in body if len(row) == len(columns)]
    sample = {
        name: [row[index] or None for row in good] for index, name in enumerate(columns)
    }
    return Head(columns=columns, sample=sample, delimiter=delimiter, bom=bom)


def _jsonl_head(text: str, *, whole: bool) -> Head:
    columns: dict[str, list[str | None]] = {}
    lines = text.splitlines()
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
                columns.setdefault(str(name), []).append(None if value is None else shown)
    if not columns:
        raise Broken("file_kind", "no line of it is a JSON object")
    return Head(columns=list(columns), sample=columns)


def _parquet_head(delivery: Delivery) -> Head:
    import duckdb  # noqa: PLC0415 -- the head of a text file is read without an engine

    from tallymark.engine.base import literal  # noqa: PLC0415

    connection = duckdb.connect(":memory:")
    try:
        source = f"read_parquet({literal(delivery.path.as_posix())})"
        found = connection.execute(f"select * from {source} limit {SAMPLE_ROWS}")
        columns = [str(column[0]) for column in found.description]
        rows = found.fetchall()
    except duckdb.Error as error:
        raise Broken(
            "file_kind", f"the Parquet file cannot be read: {str(error).splitlines()[0]}"
        ) from error
    finally:
        connection.close()
    if not rows:
        raise Broken("file_header_only", "the file has columns and not a single row")
    sample = {
        name: [None if row[index] is None else str(row[index]) for row in rows]
        for index, name in enumerate(columns)
    }
    return Head(columns=columns, sample=sample)
