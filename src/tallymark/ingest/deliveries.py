"""Which files are deliveries: by folder, pattern or single path."""

from __future__ import annotations

import datetime as dt
import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tallymark.errors import InputError
from tallymark.ingest.outputs import Say, Sieve, unsaid

__all__ = ["ENDINGS", "Delivery", "Format", "date_in_name", "delivery_at", "find_deliveries"]

Format = Literal["csv", "jsonl", "parquet"]
ENDINGS: dict[str, tuple[Format, str | None]] = {
    ".csv": ("csv", None),
    ".csv.gz": ("csv", "gzip"),
    ".csv.zst": ("csv", "zstd"),
    ".jsonl": ("jsonl", None),
    ".jsonl.gz": ("jsonl", "gzip"),
    ".jsonl.zst": ("jsonl", "zstd"),
    ".ndjson": ("jsonl", None),
    ".parquet": ("parquet", None),
}
# A time of day may follow without a mark between, as in 20250131093000.
_DATE = re.compile(r"(?<!\d)(\d{4})[-_./]?(\d{2})[-_./]?(\d{2})(?=(?:\d{4}(?:\d{2})?)?(?!\d))")
_SHOWN = 5
_HIDDEN = (".", "_")
MAX_UNPACKED = 50 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One file of events.

    Attributes:
        key: Its path relative to the input root, with forward slashes: its identity.
        path: Where it lies.
        date: The day its name (or a folder's name) states, or None.
        format: What its ending says it is.
        compression: ``gzip``, ``zstd`` or None.
        max_unpacked: How many bytes it may become when it is unpacked.
    """

    key: str
    path: Path
    date: dt.date | None
    format: Format
    compression: str | None
    max_unpacked: int = MAX_UNPACKED


def date_in_name(name: str) -> dt.date | None:
    """The last valid date in a path, as 20250131, 2025-01-31, 2025_01_31 or 2025/01/31."""
    for year, month, day in reversed(_DATE.findall(name)):
        try:
            return dt.date(int(year), int(month), int(day))
        except ValueError:
            continue
    return None


def find_deliveries(
    source: str | Path, *, own: Iterable[Path] = (), say: Say = unsaid
) -> list[Delivery]:
    """The deliveries of a folder, a file or a pattern such as ``raw/*.csv``, oldest first.

    What Tallymark wrote is none, wherever it lies, unless it is given by its very name.

    Args:
        source: The folder, file or pattern.
        own: Folders in which this run writes.
        say: Called with a sentence where something is left out that another run wrote.

    Raises:
        InputError: The folder is not there, nothing in it can be a delivery, or a name is no text.
        UsageError: There is nothing but what Tallymark wrote.
    """
    text = str(source)
    given = Path(text)
    if given.is_dir() and text:
        sieve = Sieve(given, own, say)
        paths = _below(given, sieve)
    elif given.exists() and text:
        sieve, paths = Sieve(given.parent), iter([given])
    elif glob.has_magic(text):
        sieve = Sieve(_fixed_part(text), own, say)
        paths = _matching(text, sieve)
    else:
        raise InputError(
            "no such file or folder", where=text, fix="give --input a folder, file or pattern"
        )
    root = sieve.root
    sieve.refuse_inside()
    files = sorted(path for path in paths if path.is_file() and not _hidden(path, root))
    found = [delivery for path in files if (delivery := _delivery(path, root)) is not None]
    if not found:
        sieve.refuse_nothing()
        seen = ", ".join(path.name for path in files[:_SHOWN]) or "nothing"
        raise InputError(
            f"no delivery found (saw: {seen})",
            where=text,
            fix=f"deliveries end in {', '.join(ENDINGS)}",
        )
    return sorted(found, key=lambda one: (one.date or dt.date.max, one.key))


def delivery_at(path: Path, root: Path) -> Delivery | None:
    """The delivery that a file below an input folder is; None if hidden or of another kind.

    Raises:
        InputError: Its name is no text.
    """
    return None if _hidden(path, root) else _delivery(path, root)


def _below(folder: Path, sieve: Sieve) -> Iterator[Path]:
    """The files below a folder that Tallymark did not write."""
    for name, folders, files in os.walk(folder):
        here = Path(name)
        folders[:] = [
            one for one in folders
            if not one.startswith(_HIDDEN) and sieve.takes_folder(here / one)
        ]  # fmt: skip
        yield from (path for one in files if sieve.takes_file(path := here / one))


def _matching(pattern: str, sieve: Sieve) -> Iterator[Path]:
    """What a pattern matches; a matching folder stands for all that is in it."""
    # Path.glob takes no absolute pattern.
    found = {Path(name) for name in glob.glob(pattern, recursive=True)}  # noqa: PTH207
    inside = {inner for path in found if path.is_dir() for inner in _below(path, sieve)}
    return (path for path in found | inside if path.is_file() and sieve.takes(path))


def _fixed_part(pattern: str) -> Path:
    parts: list[str] = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts) if parts else Path()


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(_HIDDEN) for part in path.relative_to(root).parts)


def _delivery(path: Path, root: Path) -> Delivery | None:
    name = path.name.lower()
    ending = max((one for one in ENDINGS if name.endswith(one)), key=len, default=None)
    if ending is None:
        return None
    kind, compression = ENDINGS[ending]
    key = path.relative_to(root).as_posix()
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            "the file name is not UTF-8 text", where=ascii(key), fix="rename the file"
        ) from error
    return Delivery(
        key=key, path=path, date=date_in_name(key), format=kind, compression=compression
    )
