"""Lines of a text file by their number, without reading what stands between them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

__all__ = ["LineIndex", "pick_lines"]


@dataclass(frozen=True, slots=True)
class LineIndex:
    """How many lines have ended before each piece of a file.

    Attributes:
        newline: The byte that ends a line.
        origin: Where the first piece begins.
        size: Bytes of a piece.
        ended: Lines that have ended before each piece.
    """

    newline: int
    origin: int
    size: int
    ended: Sequence[int]


def pick_lines(path: Path, index: LineIndex, numbers: Sequence[int]) -> list[bytes]:
    """Some lines of a file, each with the byte that ends it; the last one may have none.

    Args:
        path: The file.
        index: What is known of it; of a file that changed since, other lines may come.
        numbers: Their numbers, counted from 1, rising. What is beyond the end is left out.
    """
    with path.open("rb") as stream:
        starts = list(_starts(stream, index, numbers))
        return [line for start in starts if (line := _line(stream, index, start))]


def _starts(stream: BinaryIO, index: LineIndex, numbers: Sequence[int]) -> Iterator[int]:
    """Where each line begins: behind the end of the one before it."""
    at, ends = -1, np.empty(0, np.intp)
    for number in numbers:
        if number == 1:
            yield 0
            continue
        piece = bisect_left(index.ended, number - 1) - 1
        if piece < 0:
            continue
        begin = index.origin + piece * index.size
        if piece != at:
            stream.seek(begin)
            text = np.frombuffer(stream.read(index.size), np.uint8)
            at, ends = piece, np.flatnonzero(text == index.newline)
        place = number - 2 - index.ended[piece]
        if place < len(ends):
            yield begin + int(ends[place]) + 1


def _line(stream: BinaryIO, index: LineIndex, start: int) -> bytes:
    newline = bytes([index.newline])
    stream.seek(start)
    line = b""
    while chunk := stream.read(index.size):
        before, end, _ = chunk.partition(newline)
        line += before + end
        if end:
            break
    return line
