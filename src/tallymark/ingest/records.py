"""Records of a CSV file whose structure is in doubt: sound ones exactly, damage by itself.

A line that is a whole record is taken. A quoted value may run on over lines if it closes again in
a record of exactly the right width. Where neither holds, the next place at which a sound record
begins is looked for, and what lies before it is set aside: as one damaged record where quotes or
widths tell that its lines belong together, else line by line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

from tallymark.ingest.encodings import NOT_UTF8
from tallymark.ingest.header import Head
from tallymark.ingest.quoting import beside_cells, has_bare_quote

__all__ = ["MAX_LINE_BYTES", "TOO_LONG", "Record", "bare", "physical_lines", "records",
           "whole_record"]  # fmt: skip

MAX_JOINED_LINES = 50  # a quoted value longer than this many lines is taken for a stray quote
MAX_LINE_BYTES = 16 * 1024 * 1024
_KEPT_BYTES = 65_536  # of a line that is longer than that
_AHEAD_BYTES = 2 * MAX_LINE_BYTES  # held at once while looking for the next sound record
_CHUNK = 1 << 20
_BOM = "\ufeff"
TOO_LONG = f"the line is longer than {MAX_LINE_BYTES >> 20} MB; its first 64 kB are kept here"
_CUT = "the file ends in the middle of this row"
_BROKEN_UP = "a line break stands inside a record"
_OPEN = "a quote is opened and never closed"


class Record(NamedTuple):
    """One record, or what is none.

    Attributes:
        number: The line at which it begins, from 1.
        values: Its values; None if it is damaged.
        raw: Its bytes, without what ends its last line.
        reason: Why it is damaged; empty for a sound one.
    """

    number: int
    values: list[str] | None
    raw: bytes
    reason: str


class _Parsed(NamedTuple):
    """What a text is as a record; ``whole``: its structure is sound, whatever its bytes are."""

    values: list[str] | None
    reason: str
    whole: bool


@dataclass(slots=True)
class _Line:
    number: int
    raw: bytes
    parsed: _Parsed
    odd: bool

    @property
    def blank(self) -> bool:
        return not self.raw.strip()

    @property
    def opens(self) -> bool:
        return self.parsed.reason == _OPEN


def bare(line: bytes) -> bytes:
    """A line without the one mark that ends it; what else stands before that is data."""
    if line.endswith(b"\n"):
        return line[:-2] if line.endswith(b"\r\n") else line[:-1]
    return line.removesuffix(b"\r")


def physical_lines(stream: IO[bytes], newline: str) -> Iterator[tuple[bytes, bool]]:
    """Lines with what ends them, and whether one was too long: of such a one the first part."""
    if newline != "\r":
        while line := stream.readline(MAX_LINE_BYTES):
            rest, long = line, False
            while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
                rest, long = stream.readline(MAX_LINE_BYTES), True
            yield (line[:_KEPT_BYTES] if long else line), long
        return
    left, long = b"", False
    while chunk := stream.read(_CHUNK):
        *whole, left = (left + chunk).split(b"\r")
        for line in whole:
            yield line + b"\r", long
            long = False
        if len(left) > MAX_LINE_BYTES or long:
            left, long = left[:_KEPT_BYTES], True
    if left:
        yield left, long


def records(stream: IO[bytes], head: Head) -> Iterator[Record]:
    """Split a CSV stream into records after its header; blank lines are none."""
    return iter(_Splitter(stream, head))


def whole_record(lines: Iterator[tuple[bytes, bool]], first: bytes, head: Head) -> bytes:
    """The bytes of a sound record that begins with a line; further lines are taken as needed."""
    pieces = [first]
    for _ in range(MAX_JOINED_LINES):
        if _parsed(b"".join(pieces), head).reason != _OPEN:
            break
        pieces.append(next(lines, (b"", False))[0])
    return bare(b"".join(pieces))


def _parsed(raw: bytes, head: Head) -> _Parsed:
    body = bare(raw)
    fault = "the line holds a NUL byte" if b"\0" in body else ""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        fault = fault or f"{NOT_UTF8} (byte {error.start + 1})"
        text = body.decode("latin-1")
    try:
        values = next(
            csv.reader([text], delimiter=head.delimiter, strict=True, skipinitialspace=True), []
        )
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return _Parsed(None, _OPEN, whole=False)
        if "new-line character" in str(error):
            return _Parsed(None, fault or "the line holds a bare carriage return", whole=False)
        return _Parsed(None, fault or f"the quoting is broken: {error}", whole=False)
    width = len(head.columns)
    if len(values) != width:
        reason = fault or f"{len(values)} values where the header has {width} columns"
        return _Parsed(None, reason, whole=False)
    if head.quotes and has_bare_quote(text, head.delimiter):
        return _Parsed(None, fault or "a quote stands inside a value that is not quoted",
                       whole=False)  # fmt: skip
    if not fault and _BOM in text and _has_mark(text, values, head.delimiter):
        fault = "a byte-order mark stands in the middle of the file"
    return _Parsed(None if fault else values, fault, whole=True)


def _has_mark(text: str, values: list[str], delimiter: str) -> bool:
    """Whether a byte-order mark stands outside quotes or at the start of a value."""
    return _BOM in beside_cells(text, delimiter) or any(one.startswith(_BOM) for one in values)


class _Splitter:
    """Lines of a stream, some of them looked at ahead, made into records."""

    def __init__(self, stream: IO[bytes], head: Head) -> None:
        self.head = head
        self.lines = enumerate(physical_lines(stream, head.newline), start=1)
        self.ahead: deque[_Line] = deque()
        self.held = 0  # bytes of the lines ahead
        if csv.field_size_limit() < MAX_LINE_BYTES:
            # Of the whole process, and never set back: another thread may be in the middle.
            csv.field_size_limit(MAX_LINE_BYTES)

    def __iter__(self) -> Iterator[Record]:
        for _ in range(self.head.header_lines):
            next(self.lines, None)
        while True:
            if not self.ahead and not self.head.cut:
                yield from self._single()
            line = self._line(0)
            if line is None:
                return
            if line.blank:
                self._take(1)
                continue
            count, parsed = self._record(0)
            if parsed.whole and self.head.cut and self._line(count) is None:
                yield Record(line.number, None, bare(self._take(count)), _CUT)
            elif parsed.whole:
                yield Record(line.number, parsed.values, bare(self._take(count)), parsed.reason)
            else:
                yield from self._damaged()

    def _single(self) -> Iterator[Record]:
        """Lines that are whole records, up to the first that is none: the common case, and fast."""
        for number, (raw, long) in self.lines:
            parsed = None if long else _parsed(raw, self.head)
            if parsed is None or not parsed.whole:
                self._keep(number, raw, long=long, parsed=parsed)
                return
            yield Record(number, parsed.values, bare(raw), parsed.reason)

    def _keep(self, number: int, raw: bytes, *, long: bool, parsed: _Parsed | None = None) -> None:
        if parsed is None:
            parsed = _Parsed(None, TOO_LONG, whole=False) if long else _parsed(raw, self.head)
        odd = not long and raw.count(b'"') % 2 == 1
        self.ahead.append(_Line(number, raw, parsed, odd))
        self.held += len(raw)

    def _line(self, index: int) -> _Line | None:
        """A line ahead; None at the end, and where looking further would hold too much."""
        while len(self.ahead) <= index:
            if self.ahead and self.held > _AHEAD_BYTES:
                return None
            following = next(self.lines, None)
            if following is None:
                return None
            number, (raw, long) = following
            self._keep(number, raw, long=long)
        return self.ahead[index]

    def _take(self, count: int) -> bytes:
        taken = b"".join(self.ahead.popleft().raw for _ in range(count))
        self.held -= len(taken)
        return taken

    def _record(self, start: int) -> tuple[int, _Parsed]:
        """The record that begins at a line ahead: over how many lines, and what it is."""
        line = self.ahead[start]
        if not line.opens:
            return 1, line.parsed
        pieces, size, odd = [line.raw], len(line.raw), line.odd
        for count in range(1, MAX_JOINED_LINES + 1):
            following = self._line(start + count)
            if following is None or size + len(following.raw) > MAX_LINE_BYTES:
                break
            # A line that is a whole record by itself is never swallowed by a stray quote, unless
            # a quote in it is left over: that may be the one that closes.
            if following.parsed.whole and not following.odd:
                break
            pieces.append(following.raw)
            size += len(following.raw)
            odd ^= following.odd
            if odd:
                continue
            parsed = _parsed(b"".join(pieces), self.head)
            if parsed.reason != _OPEN:
                return count + 1, parsed
        return 1, line.parsed

    def _damaged(self) -> Iterator[Record]:
        """Set aside what lies before the next sound record, or so much as may be looked at."""
        size, found = 1, False
        while size <= MAX_JOINED_LINES and (line := self._line(size)) is not None:
            if not line.blank and self._record(size)[1].whole:
                found = True
                break
            size += 1
        ended = found or size <= MAX_JOINED_LINES
        one = ended and size > 1 and self._is_one(size)
        while size:
            count = size if one else self._extent(size, ended=ended)
            first, reason = self.ahead[0], self._reason(count)
            raw = bare(self._take(count))
            size -= count
            if not first.blank:
                yield Record(first.number, None, raw, reason)

    def _reason(self, count: int) -> str:
        """Why so many of the first lines ahead are a damaged record."""
        reason = self.ahead[0].parsed.reason
        if count == 1:
            return reason
        over, parsed = self._record(0)
        if over == count:
            return parsed.reason
        return _BROKEN_UP if reason.endswith("columns") else reason

    def _extent(self, size: int, *, ended: bool) -> int:
        """How many of the first lines ahead are one damaged record.

        Args:
            size: How many lines lie before the next sound record.
            ended: Whether there is one, or the end of the file.
        """
        while size > 1 and self.ahead[size - 1].blank:
            size -= 1
        if size == 1:
            return 1
        count, _ = self._record(0)
        if count > 1:
            return min(count, size)
        if not (self.head.quotes or self.ahead[0].opens):
            return 1
        for index in range(1, size):
            line = self.ahead[index]
            if line.opens and line.odd:
                return index if self.ahead[0].opens else 1
            if line.odd:
                return index + 1
        return size if ended and self.ahead[0].opens else 1

    def _is_one(self, size: int) -> bool:
        """Whether lines are one record with a line break where none may be."""
        if any(self.ahead[index].parsed.reason == TOO_LONG for index in range(size)):
            return False
        text = b"".join(bare(self.ahead[index].raw) for index in range(size))
        return len(text) < MAX_LINE_BYTES and _parsed(text, self.head).whole
