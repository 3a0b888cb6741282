"""Lines of a text file by their number, without reading what stands between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

__all__ = ["pick_lines"]

_CHUNK = 1 << 20


def pick_lines(path: Path, newline: bytes, numbers: Sequence[int]) -> list[bytes]:
    """Some lines of a file, each with the byte that ends it; the last one may have none.

    Args:
        path: The file.
        newline: The one byte that ends a line.
        numbers: Their numbers, counted from 1, rising. What is beyond the end is left out.
    """
    with path.open("rb") as stream:
        starts = list(_starts(stream, newline, numbers))
        return [_line(stream, newline, start) for start in starts]


def _starts(stream: BinaryIO, newline: bytes, numbers: Sequence[int]) -> Iterator[int]:
    """Where each line begins."""
    wanted = list(numbers)
    ended = offset = 0  # lines that have ended before the chunk, and where it begins
    if wanted and wanted[0] == 1:
        yield wanted.pop(0) - 1
    while wanted and (chunk := stream.read(_CHUNK)):
        here = chunk.count(newline)
        if wanted[0] - 1 <= ended + here:
            ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == newline[0])
            while wanted and wanted[0] - 1 <= ended + here:
                start = offset + int(ends[wanted.pop(0) - 2 - ended]) + 1
                yield start
        ended += here
        offset += len(chunk)


def _line(stream: BinaryIO, newline: bytes, start: int) -> bytes:
    stream.seek(start)
    line = b""
    while chunk := stream.read(_CHUNK):
        before, end, _ = chunk.partition(newline)
        line += before + end
        if end:
            break
    return line
