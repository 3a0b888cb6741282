"""The careful reader: for text whose structure is in doubt.

It goes record by record, so that damage stays where it is: see :mod:`tallymark.ingest.records` for
CSV; in JSON lines, a line is one object. Whatever is no record is set aside with its line number,
a reason and its bytes, and reading goes on behind it. It holds a few lines at a time, and never
more than :data:`MAX_LINE_BYTES` of one.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Container, Iterator
from pathlib import Path
from typing import IO

from tallymark.ingest.deliveries import Format
from tallymark.ingest.encodings import NOT_UTF8
from tallymark.ingest.header import Head
from tallymark.ingest.records import (
    MAX_LINE_BYTES,
    TOO_LONG,
    Record,
    bare,
    physical_lines,
    records,
    whole_record,
)
from tallymark.ingest.spill import BadLine, BadLines

__all__ = ["MAX_LINE_BYTES", "BadLine", "original_texts", "originals", "rewrite"]


def rewrite(source: Path, kind: Format, head: Head, target: Path) -> BadLines:
    """Write the sound records of an unpacked file as plain CSV, their line number first.

    Returns:
        (line number, reason, original text) of every record that is none. Bytes that are not
        UTF-8 are kept in the text as surrogates.
    """
    bad = BadLines(target.parent)
    with source.open("rb") as stream, target.open("w", encoding="utf-8", newline="") as out:
        # Quoted throughout, so that nothing in a value can be taken for structure again.
        writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        found = records(stream, head) if kind == "csv" else _objects(stream, head)
        for number, values, raw, reason in found:
            if values is not None and _fits(raw, values):
                writer.writerow([number, *values])
            else:
                bad.add(number, reason or TOO_LONG, _text(raw))
                if reason.startswith(NOT_UTF8):
                    bad.undecoded.add(raw)
    return bad


def _fits(raw: bytes, values: list[str]) -> bool:
    """Whether a record is within the limit also when its quotes are written twice."""
    if len(raw) * 4 < MAX_LINE_BYTES:
        return True
    return sum(len(one.encode()) + one.count('"') + 3 for one in values) + 32 < MAX_LINE_BYTES


def original_texts(
    stream: IO[bytes], kind: Format, head: Head, wanted: Container[int]
) -> dict[int, str]:
    """The exact text of the records that begin on some lines, however many lines they run over."""
    return {number: _text(whole) for number, whole in originals(stream, kind, head, wanted)}


def originals(
    stream: IO[bytes], kind: Format, head: Head, wanted: Container[int]
) -> Iterator[tuple[int, bytes]]:
    """The bytes of the records that begin on some lines, without what ends their last line."""
    at = 0

    def counted() -> Iterator[tuple[bytes, bool]]:
        nonlocal at
        for line in physical_lines(stream, head.newline):
            at += 1
            yield line

    lines = counted()
    for line, _ in lines:
        if at in wanted:
            number = at
            yield number, whole_record(lines, line, head) if kind == "csv" else bare(line)


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="surrogateescape")


def _objects(stream: IO[bytes], head: Head) -> Iterator[Record]:
    """Split JSON lines into values in the order of the columns; null and absent are empty."""
    for number, (line, long) in enumerate(physical_lines(stream, "\n"), start=1):
        if line.strip():
            values, reason = (None, TOO_LONG) if long else _fields(line, head)
            yield Record(number, values, bare(line), reason)


def _fields(line: bytes, head: Head) -> tuple[list[str] | None, str]:
    try:
        tree = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return None, f"{NOT_UTF8} (byte {error.start + 1})"
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
    """A value as the fast path reads it: NaN, which is no JSON but often sent, as those letters."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
