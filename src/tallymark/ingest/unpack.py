"""Compressed deliveries: unpacked whole before they are read, so that damage cannot hide.

A reader that decompresses as it goes may take a file that was cut off, or whose checksum is
wrong, for a short but sound one. Every member of a gzip file and every frame of a zstandard file
must end properly; whatever does not is a damaged delivery.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from tallymark.ingest.deliveries import Delivery

__all__ = ["Broken", "first_bytes", "open_text", "unpack"]

# A few bytes can stand for very many; small pieces bound what one of them becomes in memory.
_PIECE = 16_384
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
        Broken: The compressed data is damaged, or ends early, within them.
    """
    if delivery.compression is None:
        with delivery.path.open("rb") as stream:
            found = stream.read(size + 1)
        return found[:size], len(found) <= size
    pieces: list[bytes] = []
    have = 0
    for piece in _pieces(delivery):
        pieces.append(piece)
        have += len(piece)
        if have > size:
            break
    return b"".join(pieces)[:size], have <= size


def unpack(delivery: Delivery, target: Path) -> None:
    """Write the decompressed bytes of a delivery to ``target``.

    Raises:
        Broken: The compressed data is damaged or ends early.
    """
    with target.open("wb") as out:
        for piece in _pieces(delivery):
            out.write(piece)


def open_text(delivery: Delivery) -> IO[bytes]:
    """The decompressed bytes of a text delivery that has been read before."""
    if delivery.compression == "gzip":
        return cast("IO[bytes]", gzip.open(delivery.path, "rb"))
    if delivery.compression == "zstd":
        import zstandard  # noqa: PLC0415 -- only deliveries in this format need it

        unzip = zstandard.ZstdDecompressor()
        raw = unzip.stream_reader(delivery.path.open("rb"), read_across_frames=True)
        return io.BufferedReader(raw)
    return delivery.path.open("rb")


def _pieces(delivery: Delivery) -> Iterator[bytes]:
    kind = {"gzip": "gzip", "zstd": "zstandard"}[delivery.compression or ""]
    damage: tuple[type[Exception], ...] = (zlib.error, EOFError)
    if delivery.compression == "zstd":
        import zstandard  # noqa: PLC0415 -- only deliveries in this format need it

        damage = (zstandard.ZstdError, EOFError)
    try:
        with delivery.path.open("rb") as stream:
            if delivery.compression == "zstd":
                yield from _unzstd(stream)
            else:
                yield from _gunzip(stream)
    except damage as error:
        raise Broken("file_compression", f"the {kind} data is damaged: {error}") from error


def _gunzip(stream: IO[bytes]) -> Iterator[bytes]:
    member: Any = None
    while raw := stream.read(_PIECE):
        while raw:
            if member is None:
                # Some writers fill the last block of the file with zeros.
                raw = raw.lstrip(b"\0")
                if not raw:
                    break
                member = zlib.decompressobj(wbits=31)
            piece = member.decompress(raw, _LARGEST_OUTPUT)
            raw = member.unconsumed_tail
            yield piece
            if member.eof:
                raw, member = member.unused_data, None
    if member is not None:
        raise EOFError("it ends early")


def _unzstd(stream: IO[bytes]) -> Iterator[bytes]:
    import zstandard  # noqa: PLC0415 -- only deliveries in this format need it

    frame: Any = None
    while raw := stream.read(_PIECE):
        while raw:
            if frame is None:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(raw)
            raw = b""
            if frame.eof:
                raw, frame = frame.unused_data, None
    if frame is not None:
        raise EOFError("it ends early")
