"""A full disk: told apart from a file that cannot be read and from SQL that is wrong."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

import duckdb

from tallymark.errors import DiskFullError

__all__ = ["disk_full", "no_room"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_SAID = tuple(os.strerror(one) for one in sorted(_FULL))
_NAMED = re.compile(r'"([^"\\]+)\\?": ')
_SCRATCH = ".scratch"


def no_room(error: Exception) -> bool:
    """Whether something could not be written because the disk, or a quota of it, is full."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return isinstance(error, duckdb.IOException) and any(one in str(error) for one in _SAID)


def disk_full(error: Exception, *folders: Path) -> DiskFullError:
    """What to say of a full disk.

    Args:
        error: What was raised.
        folders: Where it may have been written, unless the error says it; the fullest is named.
    """
    # Of a copy the second name is the one that was written.
    given = getattr(error, "filename2", None) or getattr(error, "filename", None)
    named = _NAMED.search(str(error)) if isinstance(error, duckdb.Error) else None
    if named is not None:
        place = Path(named[1]).parent
    elif given is not None:
        place = Path(os.fsdecode(given)).parent
    else:
        there = [one for one in folders if one.is_dir()]
        place = min(there, key=_free, default=Path())
    return DiskFullError(
        "there is no room left on this disk",
        where=str(_before_scratch(place)),
        fix="make room there, or choose another disk with --output, and run again; nothing was "
        "lost",
    )


def _before_scratch(folder: Path) -> Path:
    """The folder that somebody named, not the one for unfinished work inside it."""
    parts = folder.parts
    return Path(*parts[: parts.index(_SCRATCH)]) if _SCRATCH in parts[1:] else folder


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
