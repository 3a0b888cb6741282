"""The file of rows that were kept out: CSV that spreadsheets open and that loses no byte.

Texts are quoted throughout and quotes in them doubled; everything else stands as it was
delivered, whatever its encoding, with its NUL bytes and line ends. It is written and read row by
row, so that a delivery of which every row is kept out needs no more memory than one row.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

__all__ = ["RowFile", "Told", "drop_abandoned", "read_records"]

_HEADER = b"delivery,line_number,rule,reason,original\n"
_FIELD = re.compile(rb'"((?:[^"]++|"")*+)"|([^",]*+)')
_SHORTEST = 5  # fields of a row
_ABANDONED_S = 24 * 3600.0  # nobody takes that long to write a file


def drop_abandoned(folder: Path) -> None:
    """Remove the unfinished files of runs that were killed, which hold rows of people.

    Raises:
        OSError: The folder is not there, or a file cannot be removed.
    """
    for path in folder.iterdir():
        if path.stat().st_mtime < time.time() - _ABANDONED_S:
            path.unlink()


@dataclasses.dataclass(slots=True)
class Told:
    """What a file holds of one rule: how many rows, and the reason of the first."""

    rows: int
    why: str


class RowFile:
    """A file of rows that is being written; it is made with the first row.

    Attributes:
        rules: What was written, by rule.
        count: How many rows.
        digest: The SHA-256 of the file once it is closed.
    """

    def __init__(self, path: Path, delivery: str) -> None:
        self.path = path
        self.rules: dict[str, Told] = {}
        self.count = 0
        self.digest = ""
        self._delivery = _quoted(delivery.encode())
        self._hash = hashlib.sha256()
        self._stream: IO[bytes] | None = None

    def add(self, line: int, rule: str, reason: str, original: bytes) -> None:
        """Write one row."""
        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("wb")
            self._put(_HEADER)
        told = self.rules.setdefault(rule, Told(0, reason))
        told.rows += 1
        self.count += 1
        texts = (_quoted(rule.encode()), _quoted(reason.encode(errors="replace")))
        fields = (self._delivery, str(line).encode(), *texts, _quoted(original))
        self._put(b",".join(fields) + b"\n")

    def _put(self, content: bytes) -> None:
        if self._stream is not None:
            self._stream.write(content)
            self._hash.update(content)

    def close(self) -> None:
        """Nothing more comes."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            self.digest = self._hash.hexdigest()

    def discard(self) -> None:
        """Take the file away, unless it was moved to its place."""
        self.close()
        self.path.unlink(missing_ok=True)


def read_records(stream: IO[bytes]) -> Iterator[tuple[int, str, str, bytes]]:
    """(line number, rule, reason, original bytes) of every row of a file; damaged rows are not."""
    for record in _split(stream):
        fields = _fields(record)
        if len(fields) >= _SHORTEST and fields[1].isdigit():
            rule, reason = (one.decode("utf-8", errors="replace") for one in fields[2:4])
            yield int(fields[1]), rule, reason, fields[4]


def _split(stream: IO[bytes]) -> Iterator[bytes]:
    """The records of a file: a line end between quotes ends none."""
    pending: list[bytes] = []
    quotes = 0
    for line in stream:
        pending.append(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield b"".join(pending).removesuffix(b"\n")
            pending, quotes = [], 0


def _fields(record: bytes) -> list[bytes]:
    found = []
    at = 0
    while (match := _FIELD.match(record, at)) is not None:
        quoted, bare = match.groups()
        found.append(bare if quoted is None else quoted.replace(b'""', b'"'))
        if record[match.end() : match.end() + 1] != b",":
            break
        at = match.end() + 1
    return found


def _quoted(text: bytes) -> bytes:
    return b'"' + text.replace(b'"', b'""') + b'"'
