"""The careful reader: for CSV whose structure is in doubt.

It goes line by line, so that damage stays where it is: a line that is a whole record by itself is
taken; a quoted value may run on over lines only if it closes again in a record of exactly the
right width; everything else is set aside with its line number and a reason, and reading goes on
with the next line.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import Broken, Head

__all__ = ["open_text", "records", "rewrite"]

MAX_JOINED_LINES = 50  # a quoted value longer than this many lines is taken for a stray quote
MAX_LINE_BYTES = 16 * 1024 * 1024
BadLine = tuple[int, str, str]


def rewrite(delivery: Delivery, head: Head, target: Path) -> list[BadLine]:
    """Write the sound records to ``target`` as plain CSV, their line number first.

    Returns:
        (line number, reason, original text) of every line that is no record.

    Raises:
        Broken: The compressed stream ends early or is damaged.
    """
    bad: list[BadLine] = []
    with open_text(delivery) as stream, target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        try:
            for number, record, reason in records(stream, len(head.columns), head.delimiter):
                if isinstance(record, list):
                    writer.writerow([number, *record])
                else:
                    bad.append((number, reason, record))
        except (EOFError, OSError) as error:
            raise Broken("file_compression", f"it cannot be decompressed: {error}") from error
    return bad


def open_text(delivery: Delivery) -> IO[bytes]:
    """The decompressed bytes of a delivered text file."""
    if delivery.compression == "gzip":
        return gzip.open(delivery.path, "rb")
    if delivery.compression == "zstd":
        import zstandard  # noqa: PLC0415 -- only deliveries in this format need it

        return io.BufferedReader(zstandard.open(delivery.path, "rb"))
    return delivery.path.open("rb")


def records(
    stream: IO[bytes], width: int, delimiter: str
) -> Iterator[tuple[int, list[str] | str, str]]:
    """Split a stream into records after its header line.

    Yields:
        (line number, values, "") for a record; (line number, raw text, reason) for a bad line.
    """
    pending: list[tuple[int, bytes]] = []
    lines = enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES), b""), start=1)
    next(lines, None)
    while True:
        if pending:
            number, line = pending.pop(0)
        else:
            following = next(lines, None)
            if following is None:
                return
            number, line = following
        if not line.strip():
            continue
        values, reason = _parsed(line, width, delimiter)
        if values is not None:
            yield number, values, ""
            continue
        if reason == _OPEN:
            joined = _joined(line, pending, lines, width, delimiter)
            if joined is not None:
                yield number, joined, ""
                continue
            reason = "a quote is opened and never closed"
        yield number, line.decode("utf-8", errors="replace").rstrip("\r\n"), reason


_OPEN = "open"


def _parsed(line: bytes, width: int, delimiter: str) -> tuple[list[str] | None, str]:
    if b"\0" in line:
        return None, "the line holds a NUL byte"
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return None, f"the line is not UTF-8 (byte {error.start + 1})"
    if text.count('"') % 2:
        return None, _OPEN
    try:
        rows = list(
            csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        )
    except csv.Error as error:
        return None, f"the quoting is broken: {error}"
    if len(rows) != 1 or len(rows[0]) != width:
        found = len(rows[0]) if rows else 0
        return None, f"{found} values where the header has {width} columns"
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
        # A line that is a whole record by itself is never swallowed by a stray quote.
        alone, _ = _parsed(pending[taken][1], width, delimiter)
        if alone is not None:
            return None
        whole += pending[taken][1]
        values, _ = _parsed(whole, width, delimiter)
        if values is not None:
            del pending[: taken + 1]
            return values
    return None
