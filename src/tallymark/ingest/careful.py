"""The careful reader: for text whose structure is in doubt.

It goes line by line, so that damage stays where it is. In CSV, a line that is a whole record by
itself is taken; a quoted value may run on over lines only if it closes again in a record of
exactly the right width. In JSON lines, a line is one object. Everything else is set aside with
its line number and a reason, and reading goes on with the next line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Container, Iterator
from pathlib import Path
from typing import IO

from tallymark.ingest.deliveries import Format
from tallymark.ingest.header import Head

__all__ = [
    "MAX_LINE_BYTES",
    "BadLine",
    "original_texts",
    "physical_lines",
    "records",
    "rewrite",
]

MAX_JOINED_LINES = 50  # a quoted value longer than this many lines is taken for a stray quote
MAX_LINE_BYTES = 16 * 1024 * 1024
_CHUNK = 1 << 20
_OPEN = "a quote is opened and never closed"
BadLine = tuple[int, str, str]


def rewrite(source: Path, kind: Format, head: Head, target: Path) -> list[BadLine]:
    """Write the sound records of an unpacked file as plain CSV, their line number first.

    Returns:
        (line number, reason, original text) of every line that is no record. Bytes that are not
        UTF-8 are kept in the text as surrogates.
    """
    bad: list[BadLine] = []
    with source.open("rb") as stream, target.open("w", encoding="utf-8", newline="") as out:
        # Quoted throughout, so that nothing in a value can be taken for structure again.
        writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        found = records(stream, head) if kind == "csv" else _objects(stream, head)
        for number, record, reason in found:
            if isinstance(record, list):
                writer.writerow([number, *record])
            else:
                bad.append((number, reason, record))
    return bad


def physical_lines(stream: IO[bytes], newline: str) -> Iterator[bytes]:
    """Lines with what ends them; of one that is too long, the first part."""
    if newline != "\r":
        while line := stream.readline(MAX_LINE_BYTES):
            rest = line
            while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
                rest = stream.readline(MAX_LINE_BYTES)
            yield line
        return
    left = b""
    while chunk := stream.read(_CHUNK):
        *whole, left = (left + chunk).split(b"\r")
        yield from (line + b"\r" for line in whole)
    if left:
        yield left


def original_texts(
    stream: IO[bytes], kind: Format, head: Head, wanted: Container[int]
) -> dict[int, str]:
    """The exact text of the records that begin on some lines, however many lines they run over."""
    found: dict[int, str] = {}
    lines = enumerate(physical_lines(stream, head.newline), start=1)
    for number, line in lines:
        if number not in wanted:
            continue
        whole = line
        for _ in range(MAX_JOINED_LINES if kind == "csv" else 0):
            if _parsed(whole, len(head.columns), head.delimiter)[1] != _OPEN:
                break
            whole += next(lines, (0, b""))[1]
        found[number] = _text(whole)
    return found


def records(stream: IO[bytes], head: Head) -> Iterator[tuple[int, list[str] | str, str]]:
    """Split a CSV stream into records after its header.

    Yields:
        (line number, values, "") for a record; (line number, raw text, reason) for a bad line.
    """
    width, delimiter = len(head.columns), head.delimiter
    # A value may be as long as a line may be: the limit is the module's, not the reader's.
    before = csv.field_size_limit(MAX_LINE_BYTES)
    pending: list[tuple[int, bytes]] = []
    lines = enumerate(physical_lines(stream, head.newline), start=1)
    try:
        for _ in range(head.header_lines):
            next(lines, None)
        while (following := pending.pop(0) if pending else next(lines, None)) is not None:
            number, line = following
            if not line.strip():
                continue
            values, reason = _parsed(line, width, delimiter)
            if reason == _OPEN:
                values = _joined(line, pending, lines, width, delimiter)
            yield (number, values, "") if values is not None else (number, _text(line), reason)
    finally:
        csv.field_size_limit(before)


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="surrogateescape").rstrip("\r\n")


def _parsed(line: bytes, width: int, delimiter: str) -> tuple[list[str] | None, str]:
    if len(line) >= MAX_LINE_BYTES:
        return None, "the line is longer than 16 MB"
    if b"\0" in line:
        return None, "the line holds a NUL byte"
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return None, f"the line is not UTF-8 (byte {error.start + 1})"
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    try:
        rows = list(reader)
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None, _OPEN
        return None, f"the quoting is broken: {error}"
    if len(rows) > 1:
        return None, "the line holds a bare carriage return"
    if len(rows[0]) != width:
        return None, f"{len(rows[0])} values where the header has {width} columns"
    return rows[0], ""


def _joined(
    line: bytes,
    pending: list[tuple[int, bytes]],
    lines: Iterator[tuple[int, bytes]],
    width: int,
    delimiter: str,
) -> list[str] | None:
    """Try to complete a record whose quote is still open; unused lines stay in ``pending``."""
    whole = line
    for taken in range(MAX_JOINED_LINES):
        if taken >= len(pending):
            following = next(lines, None)
            if following is None:
                return None
            pending.append(following)
        one = pending[taken][1]
        # A line that is a whole record by itself is never swallowed by a stray quote, unless a
        # quote in it is left over: that may be the one that closes.
        if one.count(b'"') % 2 == 0 and _parsed(one, width, delimiter)[0] is not None:
            return None
        whole += one
        values, reason = _parsed(whole, width, delimiter)
        if values is not None:
            del pending[: taken + 1]
            return values
        if reason != _OPEN:
            return None
    return None


def _objects(stream: IO[bytes], head: Head) -> Iterator[tuple[int, list[str] | str, str]]:
    """Split JSON lines into values in the order of the columns; null and absent are empty."""
    for number, line in enumerate(physical_lines(stream, "\n"), start=1):
        if not line.strip():
            continue
        values, reason = _fields(line, head)
        yield (number, values, "") if values is not None else (number, _text(line), reason)


def _fields(line: bytes, head: Head) -> tuple[list[str] | None, str]:
    if len(line) >= MAX_LINE_BYTES:
        return None, "the line is longer than 16 MB"
    try:
        tree = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return None, f"the line is not UTF-8 (byte {error.start + 1})"
    except (ValueError, RecursionError):
        return None, "the line is no JSON"
    if not isinstance(tree, dict):
        return None, "the line is no JSON object"
    values = [_as_text(tree.get(name)) for name in head.columns]
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return None, "the line holds half a surrogate pair"
    return values, ""


def _as_text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
