"""Compressed deliveries: unpacked whole before they are read, so that damage cannot hide.

A reader that decompresses as it goes may take a file that was cut off, or whose checksum is
wrong, for a short but sound one. Every member of a gzip file and every frame of a zstandard file
must end properly; whatever does not is a damaged delivery.
"""

from __future__ import annotations

import io
import shutil
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Any, cast

from tallymark.errors import InputError
from tallymark.ingest.deliveries import Delivery

__all__ = ["HEAD_RAW", "Broken", "first_bytes", "open_text", "pieces", "refuse_bomb", "unpack"]

HEAD_RAW = 1 << 20  # compressed bytes within which the head of a file must be found
# A few bytes can stand for very many; small pieces bound what one of them becomes in memory.
_PIECE = 16_384
_PLAIN_PIECE = 1 << 20
_ZSTD_PIECE = 2048  # four bytes of zstandard data can be a block of 128 kB: at most 64 MB at once
_MEMBER = b"\x1f\x8b"
# Files of events compress to a fifth or a twentieth; what deflate can do at most is a thousandth.
_RATIO = 200
_HARMLESS = 256 << 20  # bytes that no ratio makes dangerous
_RESERVE = 500_000_000  # bytes of disk that are left to others
_LOOK_EVERY = 64 << 20
_LARGEST_OUTPUT = 1 << 22


class Broken(Exception):  # noqa: N818 -- it carries a finding of the gate, not a program error
    """A delivery that cannot be read at all; the gate turns it into a finding.

    Args:
        check: The file check that it fails, such as ``file_empty``.
        message: What is wrong, as a sentence.
    """

    def __init__(self, check: str, message: str) -> None:
        self.check = check
        self.message = message
        super().__init__(message)


def first_bytes(delivery: Delivery, size: int) -> tuple[bytes, bool]:
    """The first ``size`` decompressed bytes, and whether they are all there is.

    Raises:
        Broken: The compressed data is damaged, or ends early, within them; or the first
            :data:`HEAD_RAW` bytes of it hold next to nothing.
    """
    if delivery.compression is None:
        with delivery.path.open("rb") as stream:
            found = stream.read(size + 1)
        return found[:size], len(found) <= size
    pieces: list[bytes] = []
    have = 0
    for taken, piece in _pieces(delivery):
        pieces.append(piece)
        have += len(piece)
        if have > size:
            break
        if taken >= HEAD_RAW:
            raise Broken(
                "file_compression", f"the first {HEAD_RAW >> 20} MB of it hold no {size >> 10} kB"
            )
    return b"".join(pieces)[:size], have <= size


def unpack(delivery: Delivery, target: Path) -> None:
    """Write the decompressed bytes of a delivery to ``target``.

    Raises:
        Broken: The compressed data is damaged or ends early, or becomes more than the delivery
            may (``max_unpacked``), or so many times its size as no file of events does.
        InputError: The disk has no room for it.
    """
    written, look = 0, 0
    with target.open("wb") as out:
        for taken, piece in _pieces(delivery):
            written += len(piece)
            refuse_bomb(delivery, taken, written)
            if written >= look:
                _refuse_full_disk(target)
                look = written + _LOOK_EVERY
            out.write(piece)


def pieces(delivery: Delivery) -> Iterator[bytes]:
    """The bytes of a text delivery, decompressed, piece by piece.

    Raises:
        Broken: As :func:`unpack` does.
    """
    if delivery.compression is None:
        with delivery.path.open("rb") as stream:
            while piece := stream.read(_PLAIN_PIECE):
                yield piece
        return
    written = 0
    for taken, piece in _pieces(delivery):
        written += len(piece)
        refuse_bomb(delivery, taken, written)
        yield piece


def refuse_bomb(delivery: Delivery, taken: int, written: int) -> None:
    """Refuse what becomes more than a delivery may.

    Args:
        delivery: The delivery.
        taken: How many of its bytes were read.
        written: How many they became.

    Raises:
        Broken: It is more than was agreed, or than any file of events becomes.
    """
    if written > delivery.max_unpacked:
        raise Broken(
            "file_compression",
            f"it unpacks to more than {_gigabytes(delivery.max_unpacked)}; if that is meant so, "
            "raise engine.max_unpacked in tallymark.yml",
        )
    if written > _HARMLESS and written > _RATIO * taken:
        raise Broken(
            "file_compression",
            f"it unpacks to more than {_RATIO} times its size, as no file of events does "
            "(a decompression bomb, or a disk image of zeros)",
        )


def _gigabytes(size: int) -> str:
    return f"{size / 10**9:,.3g} GB"


def _refuse_full_disk(target: Path) -> None:
    """What a verdict says must not depend on the disk, so a full one is no finding."""
    if shutil.disk_usage(target.parent).free < _RESERVE:
        raise InputError(
            "there is no room to unpack a delivery",
            where=str(target.parent),
            fix=f"make more than {_gigabytes(_RESERVE)} free there, or unpack less",
        )


def open_text(delivery: Delivery) -> IO[bytes]:
    """The decompressed bytes of a text delivery that has been read before.

    Reading raises Broken where it has been damaged since.
    """
    if delivery.compression is None:
        return delivery.path.open("rb")
    return cast("IO[bytes]", io.BufferedReader(_Unpacked(delivery), _PIECE))


class _Unpacked(io.RawIOBase):
    """Decompressed bytes as a stream."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__()
        self._pieces = _pieces(delivery)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            following = next(self._pieces, None)
            if following is None:
                return 0
            self._left = following[1]
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def close(self) -> None:
        self._pieces.close()
        super().close()


def _pieces(delivery: Delivery) -> Generator[tuple[int, bytes], None, None]:
    """Decompressed pieces, each with how many compressed bytes were taken so far."""
    kind = {"gzip": "gzip", "zstd": "zstandard"}[delivery.compression or ""]
    damage: tuple[type[Exception], ...] = (zlib.error,)
    if delivery.compression == "zstd":
        import zstandard  # noqa: PLC0415 -- only deliveries in this format need it

        damage = (zstandard.ZstdError,)
    try:
        with delivery.path.open("rb") as stream:
            if delivery.compression == "zstd":
                yield from _unzstd(stream)
            else:
                yield from _gunzip(stream)
    except EOFError as error:
        raise Broken(
            "file_compression",
            f"the {kind} data ends early: the file was cut off, or is still being written",
        ) from error
    except damage as error:
        raise Broken("file_compression", f"the {kind} data is damaged: {error}") from error


def _gunzip(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    member: Any = None
    taken, members = 0, 0
    while raw := stream.read(_PIECE):
        taken += len(raw)
        while raw:
            if member is None:
                # Some writers fill the last block of the file with zeros.
                raw = raw.lstrip(b"\0")
                if not raw:
                    break
                if members and not _MEMBER.startswith(raw[:2]):
                    raise zlib.error(f"garbage stands behind member {members}")
                member, members = zlib.decompressobj(wbits=31), members + 1
            piece = member.decompress(raw, _LARGEST_OUTPUT)
            raw = member.unconsumed_tail
            yield taken, piece
            if member.eof:
                raw, member = member.unused_data, None
    if member is not None:
        raise EOFError


def _unzstd(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    import zstandard  # noqa: PLC0415 -- only deliveries in this format need it

    frame: Any = None
    taken = 0
    while raw := stream.read(_ZSTD_PIECE):
        taken += len(raw)
        while raw:
            if frame is None:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield taken, frame.decompress(raw)
            raw = b""
            if frame.eof:
                raw, frame = frame.unused_data, None
    if frame is not None:
        raise EOFError
