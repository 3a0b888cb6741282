"""What the first kilobytes of a delivery prove: its kind, its columns, a sample of values."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tallymark.engine.base import NO_FOLDERS, exact, identifier, literal
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.encodings import binary, decoded, named
from tallymark.ingest.quoting import writer_quotes
from tallymark.ingest.unpack import Broken, first_bytes

__all__ = ["SAMPLE_ROWS", "Broken", "Head", "in_order", "read_head", "sampled"]

HEAD_BYTES = 262_144
SAMPLE_ROWS = 300
_SAMPLED = 1 << 28  # characters of all samples of a Parquet file together
_LOOKED_AT = 4096
_HEADER_LINES = 5  # a header of more lines than this has a stray quote in it
_MAGIC = (
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstandard data"),
    (b"\x50\x2a\x4d\x18", "zstandard data"),  # as several threads at once write it
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x04\x22\x4d\x18", "lz4 data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"PAR1", "a Parquet file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1", "an Arrow file"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "an RTF document"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)
_TAR = (257, b"ustar")
_NUL_RUN = re.compile(rb"\x00{4,}")  # UTF-16 and UTF-32 have at most three in a row
_OTHER_MARKS = ("\x01", "\x1f", "^", "~", "::", ":", "#", "  ")
_WORD = re.compile(r"[A-Za-z_][\w .-]*")
_FEW_NAMES = 3  # a line that falls into so many words by another mark was written with it
MAX_COLUMNS = 4096
_LAST_BYTES = 65_536
_LAST_LINES = 50  # over which the last row may run
_NESTED = re.compile(r"^(STRUCT|MAP|UNION|VARIANT)\b|\]$")
_PARQUET = b"PAR1"  # at the start of such a file and at its end
_EXPECTED = {"gzip": "gzip data", "zstd": "zstandard data", "parquet": "a Parquet file"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The columns of a delivery in order, and up to 300 sample values of each.

    Attributes:
        delimiter: What stands between two values of a CSV file.
        newline: What ends a line of it: line feed, carriage return, or both.
        header_lines: How many lines there are up to the end of the header.
        after: The next lines of a CSV file, in which the header may stand if the first is a title.
        nested: Columns of a Parquet file that hold more than one value.
        raw: Columns of a Parquet file whose values are bytes that nobody said are text.
        quotes: Whether whoever wrote a CSV file puts values that need it into quotes, so that a
            bare quote in another value is damage.
        cut: Whether the file ends in the middle of a row, as far as its last line tells.
    """

    columns: Sequence[str]
    sample: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    delimiter: str = ","
    bom: bool = False
    newline: str = "\n"
    header_lines: int = 1
    after: Sequence[str] = ()
    nested: frozenset[str] = frozenset()
    raw: frozenset[str] = frozenset()
    quotes: bool = False
    cut: bool = False

    def text_of(self, name: str) -> str:
        """SQL that reads a column of a Parquet file as a text."""
        column = identifier(name)
        if name in self.nested:
            return f"to_json({column})"
        # Older writers mark no bytes as text; what is none is spelled out.
        return f"coalesce(try(decode({column})), {column}::varchar)" if name in self.raw else column

    @property
    def doubt(self) -> str | None:
        """Why the fast path need not be tried, if the head and the end of the file tell."""
        if self.cut:
            return "the file ends in the middle of a row"
        return "the header is not the first line" if self.header_lines > 1 else None


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
    if delivery.compression is not None:
        _refuse_kind_inside(delivery, raw)
    _refuse_no_text(delivery, raw)
    # A character cut in half by the end of the head is no fault of the file.
    text = raw.decode("utf-8", errors="surrogateescape")
    bom = text.startswith("\ufeff")
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise Broken("file_empty", "the file holds only white space")
    if not whole and not any(mark in text.strip() for mark in "\r\n"):
        raise Broken("file_kind", f"its first line does not end within {HEAD_BYTES >> 10} kB")
    if delivery.format == "jsonl":
        head = _jsonl_head(text, whole=whole)
        return dataclasses.replace(head, cut=_not_json(_unfinished(delivery)))
    if text.lstrip()[:1] in {"{", "["}:
        raise Broken("file_kind", f"the name says {_said(delivery)}, but it is JSON")
    head = _csv_head(text, bom=bom, whole=whole)
    return dataclasses.replace(head, cut=_cut_off(_unfinished(delivery), head, whole=whole))


def _kind(start: bytes) -> str | None:
    """What bytes are by their first few, if not text."""
    at, tar = _TAR
    if start[at : at + len(tar)] == tar:
        return "a tar archive"
    return next((name for magic, name in _MAGIC if start.startswith(magic)), None)


def _refuse_wrong_kind(delivery: Delivery, start: bytes) -> None:
    expected = _EXPECTED.get(delivery.compression or delivery.format)
    actual = _kind(start)
    if actual != expected:
        told = actual or "plain text or something unknown"
        raise Broken("file_kind", f"the name says {_said(delivery)}, but the content is {told}")


def _refuse_kind_inside(delivery: Delivery, raw: bytes) -> None:
    if (actual := _kind(raw)) is not None:
        raise Broken("file_kind", f"the name says {_said(delivery)}, but it holds {actual}")


def _refuse_no_text(delivery: Delivery, raw: bytes) -> None:
    start = raw[:_LOOKED_AT]
    # A run of NUL bytes is a hole that a broken copy left; only the rows around it are damaged.
    dense = _NUL_RUN.sub(b"", start)
    if start and not dense.strip(b"\0"):
        raise Broken("file_encoding", "the file begins with nothing but NUL bytes")
    wide = start.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff"))
    if wide or start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Broken("file_encoding", f"the text is UTF-{32 if wide else 16}, not UTF-8")
    if dense.count(0) * 4 > len(dense):
        raise Broken("file_encoding", "the text is UTF-16, UTF-32 or binary, not UTF-8")
    if binary(dense):
        raise Broken("file_kind", f"the name says {_said(delivery)}, but it is binary, not text")
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
    taken: list[str] = []  # the lines of the record that is being read
    texts: list[str] = []  # of each record

    def noted() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    reader = csv.reader(noted(), delimiter=delimiter)
    # The careful reader will name a line that is no CSV; here the sample just ends before it.
    with contextlib.suppress(csv.Error):
        for row in reader:
            if not rows:
                header_lines = blank + reader.line_num
            rows.append(row)
            texts.append("".join(taken).rstrip("\r\n"))
            taken.clear()
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
    _refuse_columns(columns, line)
    # A row that is not UTF-8 will be no row, so that it says nothing about its columns.
    good = [row for row in body if len(row) == len(columns) and decoded("".join(row))]
    sample = {name: [row[index] or None for row in good] for index, name in enumerate(columns)}
    return Head(
        columns=columns, sample=sample, delimiter=delimiter, bom=bom, newline=newline,
        header_lines=header_lines, after=_lines_of(text, header_lines, _HEADER_LINES),
        quotes=writer_quotes(texts, delimiter),
    )  # fmt: skip


def _header_line(text: str) -> tuple[int, str, str]:
    """How many blank lines come first, the first other line, and what ends it."""
    for blank, line in enumerate(io.StringIO(text, newline="")):
        bare = line.rstrip("\r\n")
        if bare.strip():
            return blank, bare, line[len(bare) :] or "\n"
    return 0, "", "\n"


def _lines_of(text: str, first: int, number: int) -> list[str]:
    return [*itertools.islice(io.StringIO(text, newline=""), first, first + number)]


def _refuse_columns(columns: Sequence[str], line: str) -> None:
    if len(columns) > MAX_COLUMNS:
        raise Broken("file_kind", f"its header names {len(columns):,} columns")
    if len(columns) == 1 and (mark := _other_mark(line)):
        raise Broken(
            "file_kind",
            f"its columns are separated by {mark!r}; deliver commas, semicolons, tabs or bars",
        )


def _other_mark(line: str) -> str | None:
    """What separates the names of a header, where it is nothing that is read."""
    for mark in _OTHER_MARKS:
        names = [name.strip('" ') for name in line.split(mark) if name.strip()]
        if len(names) >= _FEW_NAMES and all(_WORD.fullmatch(name) for name in names):
            return mark
    return None


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
        name = named(raw.strip())
        if not name:
            name = f"column_{number}"
            while name in given:
                name += "_"
        columns.append(name)
    return columns


def _unfinished(delivery: Delivery) -> list[str]:
    """The last lines of a file, if nothing ends it; of compressed files the stream tells."""
    if delivery.compression is not None:
        return []
    with delivery.path.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, size - _LAST_BYTES))
        *before, last = re.split(rb"\r\n|\r|\n", stream.read())
    if not before or not last.strip():
        return []
    return [line.decode("utf-8", errors="replace") for line in (*before[-_LAST_LINES:], last)]


def _cut_off(lines: Sequence[str], head: Head, *, whole: bool) -> bool:
    """Whether an unfinished last line is part of a row.

    It is if no row of the right width ends with it. A row of the right width may be whole: it
    counts as cut if its last value was never seen in the first rows, and one goes on in the
    middle of the word with which it ends.
    """
    for count in range(1, len(lines) + 1):
        text = "\n".join(lines[-count:])
        try:
            (row,) = csv.reader([text], delimiter=head.delimiter, strict=True,
                                skipinitialspace=True)  # fmt: skip
        except csv.Error:
            continue
        if len(row) == len(head.columns):
            break
    else:
        return bool(lines)
    if not row[-1] or text.endswith('"'):
        return False  # empty, or closed
    known = [value for value in head.sample[head.columns[-1]] if value]
    if whole and row[-1] in known:
        known.remove(row[-1])  # its own
    # In the middle of a word: one browser's name is often the beginning of another's.
    return row[-1] not in known and any(
        one.startswith(row[-1]) and one[len(row[-1])].isalnum() for one in known
    )


def _not_json(lines: Sequence[str]) -> bool:
    try:
        json.loads(lines[-1] if lines else "{}")
    except (ValueError, RecursionError):
        return True
    return False


def in_order(columns: list[str], keys: Sequence[str]) -> list[str]:
    """Columns with the keys of one more object, each new one behind the key before it.

    Writers that leave out empty values write the others in their order.

    >>> in_order(["id", "time"], ["id", "referrer", "time"])
    ['id', 'referrer', 'time']
    """
    known = set(columns)
    if known.issuperset(keys):
        return columns
    merged, at = list(columns), 0
    for key in keys:
        if key in known:
            at = merged.index(key) + 1
            continue
        merged.insert(at, key)
        known.add(key)
        at += 1
    return merged


def sampled(value: object) -> str | None:
    """A value of a JSON object as a text of the sample."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _jsonl_head(text: str, *, whole: bool) -> Head:
    order: list[str] = []
    rows: list[dict[str, str | None]] = []
    lines = text.split("\n")
    for number, line in enumerate(lines[:SAMPLE_ROWS]):
        if len(order) > MAX_COLUMNS:
            break
        ended = whole or number < len(lines) - 1
        if not line.strip() or not ended or not decoded(line):
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            # Half a surrogate pair cannot be said in UTF-8, so no column is called that.
            names = [str(name).encode(errors="replace").decode() for name in row]
            order = in_order(order, names)
            rows.append(dict(zip(names, map(sampled, row.values()), strict=True)))
    if not order:
        array = text.lstrip().startswith("[")
        raise Broken("file_kind", "it is one JSON list; deliver an object a line" if array
                     else "no line of it is a JSON object")  # fmt: skip
    if len(order) > MAX_COLUMNS:
        raise Broken("file_kind", f"its first lines name {len(order):,} columns")
    # What a writer leaves out is as empty as what it sends as null.
    return Head(columns=order, sample={name: [row.get(name) for row in rows] for name in order})


def _refuse_no_end(delivery: Delivery) -> None:
    """A Parquet file says at its end what it holds."""
    with delivery.path.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, size - len(_PARQUET)))
        whole = size > 2 * len(_PARQUET) and stream.read() == _PARQUET
    if not whole:
        raise Broken(
            "file_kind",
            "the Parquet file ends early: it was cut off, or is still being written",
        )


def _parquet_head(delivery: Delivery) -> Head:
    import duckdb  # noqa: PLC0415 -- the head of a text file is read without an engine

    _refuse_no_end(delivery)
    source = f"read_parquet({literal(exact(delivery.path))}, {NO_FOLDERS})"
    # A few bytes of Parquet can stand for very long values: whatever the machine has, no more.
    connection = duckdb.connect(":memory:", config={"memory_limit": "1GB", "temp_directory": ""})
    try:
        kinds = connection.execute(f"describe select * from {source}").fetchall()
        columns = [str(column[0]) for column in kinds]
        head = Head(
            columns=columns,
            nested=frozenset(str(name) for name, kind, *_ in kinds if _NESTED.search(str(kind))),
            raw=frozenset(str(name) for name, kind, *_ in kinds if kind == "BLOB"),
        )
        longest = _SAMPLED // (SAMPLE_ROWS * len(columns))
        picks = ", ".join(
            f"left(cast({head.text_of(name)} as varchar), {longest})" for name in columns
        )
        rows = connection.execute(f"select {picks} from {source} limit {SAMPLE_ROWS}").fetchall()
    except duckdb.OutOfMemoryException as error:
        raise Broken(
            "file_compression",
            "its first rows do not fit into 1 GB, as those of no file of events do",
        ) from error
    except duckdb.Error as error:
        raise Broken(
            "file_kind", f"the Parquet file cannot be read: {str(error).splitlines()[0]}"
        ) from error
    finally:
        connection.close()
    if not rows:
        raise Broken("file_header_only", "the file has columns and not a single row")
    sample = {name: [row[index] for row in rows] for index, name in enumerate(columns)}
    return dataclasses.replace(head, sample=sample)
