"""Whether a delivery stayed the same while it was judged: a file is judged whole or not at all."""

from __future__ import annotations

import time
from pathlib import Path

from tallymark.engine.digest import file_digest

__all__ = ["TRIES", "Changed", "Witness"]

TRIES = 3  # how often a delivery that changes while it is read is read again
PAUSE = 0.1  # seconds before it is: somebody is writing
# A file system tells two changes apart only if some time lies between them; the coarsest in use
# (FAT) needs two seconds. A file that changed so lately is compared by its content.
_COARSEST_NS = 2_000_000_000


class Changed(Exception):  # noqa: N818 -- it has a delivery judged again, it is no program error
    """A delivery was replaced or written to while it was being judged."""


class Witness:
    """Remembers a file as it is now, to tell later whether it is still the same.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = _marks(path)
        # Read for its difference alone: what is judged does not depend on the time of day.
        self._fresh = time.time_ns() - max(self._before[2:]) < _COARSEST_NS
        self.version: str | None = None

    def sure(self) -> None:
        """Say nothing if the file is what it was.

        Raises:
            Changed: It is another file, or has another content or age.
        """
        try:
            same = _marks(self._path) == self._before and (
                not self._fresh or self.version is None or file_digest(self._path) == self.version
            )
        except OSError as error:
            raise Changed(str(error)) from error
        if not same:
            raise Changed(str(self._path))


def _marks(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
