"""What a reader sets aside, kept on disk: a file of nothing but damage must fit in memory too."""

from __future__ import annotations

import struct
import tempfile
import weakref
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from tallymark.ingest.encodings import Undecoded

__all__ = ["BadLine", "BadLines"]

BadLine = tuple[int, str, str]
_IN_MEMORY = 4 << 20
_LENGTHS = struct.Struct("<QII")


class BadLines(Sequence[BadLine]):
    """(line number, reason, original text) of lines that are no rows, in the order of the file.

    Up to 4 MB are held in memory, more in an unnamed temporary file; eight bytes of memory a line
    say where each stands. Bytes that are not UTF-8 are kept in the text as surrogates.

    Args:
        folder: Where the temporary file may be made.

    Attributes:
        undecoded: What those of them that are not UTF-8 have in common.
    """

    def __init__(self, folder: Path | None = None) -> None:
        place = None if folder is None else str(folder)
        # Closed with the object: nobody else knows when the last reader is done.
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=place)  # noqa: SIM115
        self.undecoded = Undecoded()
        self._places = array("Q")
        self._end = 0
        weakref.finalize(self, self._file.close)

    def add(self, number: int, reason: str, text: str) -> None:
        """Set one line aside."""
        why, raw = reason.encode(), text.encode("utf-8", errors="surrogateescape")
        entry = _LENGTHS.pack(number, len(why), len(raw)) + why + raw
        self._file.seek(self._end)
        self._file.write(entry)
        self._places.append(self._end)
        self._end += len(entry)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> BadLine: ...
    @overload
    def __getitem__(self, index: slice) -> list[BadLine]: ...
    def __getitem__(self, index: int | slice) -> BadLine | list[BadLine]:
        if isinstance(index, slice):
            return [self._at(place) for place in self._places[index]]
        return self._at(self._places[index])

    def __iter__(self) -> Iterator[BadLine]:
        return (self._at(place) for place in self._places)

    def _at(self, place: int) -> BadLine:
        self._file.seek(place)
        number, why, raw = _LENGTHS.unpack(self._file.read(_LENGTHS.size))
        reason = self._file.read(why).decode()
        return number, reason, self._file.read(raw).decode("utf-8", errors="surrogateescape")
