"""What the bytes of a text file prove about it, in one pass: the other half of the fast path.

A parser that is fast is also lenient: it reads over an empty cell too many (which moves every
cell behind a stray delimiter), over a quote in the middle of a value, over a byte-order mark. The
counts here and the rows that it read must agree, or there is doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tallymark.ingest.deliveries import Format
from tallymark.ingest.header import Head
from tallymark.ingest.lines import LineIndex

__all__ = ["Text", "scan"]

_CHUNK = 1 << 18  # stays in a processor's cache; of smaller ones threads hand over too often
_BOM = b"\xef\xbb\xbf"
_HEADER_BYTES = 1 << 20
_QUOTE = ord('"')
_BARE_RETURN = re.compile(rb"\r[^\n]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Counts over the bytes of a text file.

    Attributes:
        lines: Physical lines, the header among them.
        open_ends: Delimiters that stand at the ends of data lines, however many at one: as many
            as sound rows have empty unquoted cells at their ends.
        nul: Whether there is a NUL byte.
        mark: Whether there is a byte-order mark behind the start.
        returns: Whether a carriage return stands by itself where lines end otherwise.
        loose_quotes: Whether a quote stands where none opens, closes or is doubled, in the file of
            somebody who quotes: with one lost or added, all behind it change their parts.
        index: Where its lines are.
    """

    lines: int
    open_ends: int
    nul: bool
    mark: bool
    returns: bool
    loose_quotes: bool
    index: LineIndex | None = field(default=None, compare=False, repr=False)

    def doubt(self, kind: Format) -> str | None:
        """What in the bytes a lenient parser would read over; None if there is nothing."""
        if self.nul:
            return "there are NUL bytes"
        if kind != "csv":
            return None
        if self.mark:
            return "a byte-order mark stands behind the start"
        if self.returns:
            return "a carriage return stands by itself"
        if self.loose_quotes:
            return "a quote stands where none belongs"
        return None


def scan(
    path: Path, head: Head, beside: Callable[[bytes | memoryview], object] | None = None
) -> Text:
    """Count over the bytes of an unpacked file.

    Args:
        path: The file.
        head: What its first kilobytes told.
        beside: Called with all bytes in their order, so that they are read but once; what it is
            given holds other bytes afterwards.
    """
    newline, delimiter = ord(head.newline[-1]), ord(head.delimiter)
    before = len(head.newline)  # how far before its last byte the end of a row begins
    keep = before + len(head.columns) + len(_BOM)  # of a chunk, for what reaches over its end
    lines, ends, nul, mark, returns = 0, 0, False, False, False
    quotes = _Quotes(head) if head.quotes else None
    # One piece of memory for all chunks, each read behind the end of the one before it.
    window = bytearray(keep + _CHUNK)
    text, view = np.frombuffer(window, np.uint8), memoryview(window)
    begin, window[keep - 1] = keep, newline  # before the first line another one seems to end
    ended: list[int] = []
    with path.open("rb") as stream:
        start = stream.read(len(_BOM))
        origin = len(_BOM) if start == _BOM else 0
        stream.seek(origin)
        if start == _BOM and beside is not None:
            beside(start)
        while size := stream.readinto(view[keep:]):
            stop = keep + size
            if beside is not None:
                beside(view[keep:stop])
            ended.append(lines)
            # A search for one byte is ten times as fast as one for several.
            nul = nul or window.find(b"\0", keep, stop) >= 0
            mark = mark or (
                window.find(_BOM[:1], begin, stop) >= 0 and window.find(_BOM, begin, stop) >= 0
            )
            returns = returns or (
                window.find(b"\r", begin, stop) >= 0
                and _BARE_RETURN.search(window, begin, stop) is not None
            )
            found = np.flatnonzero(text[keep:stop] == newline)
            lines += len(found)
            ends += _trailing(text[begin:stop], found + (keep - begin - before), delimiter)
            if quotes is not None:
                quotes.read(text, keep, stop)
            begin = keep - min(keep, stop - begin)
            window[begin:keep] = window[stop - (keep - begin) : stop]
        stream.seek(0)
        first = stream.readline(_HEADER_BYTES).split(bytes([newline]))[0].rstrip(b"\r")
    if (tail := bytes(window[begin:keep])) and not tail.endswith(bytes([newline])):
        lines += 1
        ends += len(tail) - len(tail.rstrip(bytes([delimiter])))
    ends -= len(first) - len(first.rstrip(bytes([delimiter])))
    return Text(lines=lines, open_ends=ends, nul=nul, mark=mark,
                returns=head.newline != "\r" and returns,
                loose_quotes=quotes is not None and quotes.loose,
                index=LineIndex(newline, origin, _CHUNK, ended))  # fmt: skip


class _Quotes:
    """Looks at each quote of a file, chunk by chunk: the first opens a cell, the next closes it.

    A doubled quote inside of a cell closes it and opens it again.
    """

    def __init__(self, head: Head) -> None:
        self._beside = np.zeros(256, np.bool_)  # what may stand before a cell and behind it
        self._beside[[ord(mark) for mark in f'{head.delimiter}\r\n" ']] = True
        self._open = self._at_end = self._wrong = False

    def read(self, text: npt.NDArray[np.uint8], start: int, stop: int) -> None:
        """Look at the bytes from ``start`` to before ``stop``; the one before them stands there."""
        if self._wrong:
            return
        if self._at_end:
            self._wrong = not self._beside[text[start]]
        at = np.flatnonzero(text[start:stop] == _QUOTE) + start
        opening, closing = at[int(self._open) :: 2], at[1 - int(self._open) :: 2]
        self._at_end = bool(len(closing)) and int(closing[-1]) == stop - 1
        inside = closing[:-1] if self._at_end else closing
        self._open ^= len(at) % 2 == 1
        self._wrong |= not (
            self._beside[text[opening - 1]].all() and self._beside[text[inside + 1]].all()
        )

    @property
    def loose(self) -> bool:
        """Whether one stood where none belongs, or the last one is not closed."""
        return self._wrong or self._open


def _trailing(text: npt.NDArray[np.uint8], at: npt.NDArray[np.intp], delimiter: int) -> int:
    """How many delimiters stand in a row up to and with some places, together."""
    count = 0
    while len(at := at[at >= 0]):
        at = at[text[at] == delimiter]
        count += len(at)
        at = at - 1
    return count
