"""Following a folder: each delivery is judged as soon as it is complete.

The folder is looked at again and again, because a network folder tells nobody what changes in it.
A file is complete when it was renamed from a name of unfinished work, or when nothing about it
has changed for some looks in a row. What is kept of a file is its size and age, so that following
needs no more memory than a list of the folder.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tallymark.config import Severity
from tallymark.errors import DiskFullError, InputError, UsageError, WarehouseBusyError
from tallymark.ingest.deliveries import Delivery, delivery_at
from tallymark.ingest.outputs import Say, Sieve, unsaid
from tallymark.results import CheckResult, DeliveryReport, Finding, Status

__all__ = ["INTERVAL", "SETTLE", "Folder", "Listener", "follow"]

INTERVAL = 1.0  # seconds between two looks
SETTLE = 3  # looks in a row at which a file is the same, before it is taken for complete
_LATER = 60  # looks until a delivery that could not be judged is tried again
_BATCH = 8  # deliveries judged before the reports are written anew
_EMPTY = 10  # times as many for a file of no bytes: most begin like that
Marks = tuple[int, int, int, int]
Judge = Callable[[Sequence[Delivery]], CheckResult]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who hears of what was found; each is called in the thread that follows.

    Attributes:
        verdict: Called with each verdict.
        notify: Called with each P0 finding, before the verdict it belongs to.
        trouble: Called with a sentence when a look or a judgement must be tried again.
    """

    verdict: Callable[[DeliveryReport], None]
    notify: Callable[[Finding], None]
    trouble: Callable[[str], None]


@dataclasses.dataclass(slots=True)
class _Seen:
    """A file as it was at the last look: its marks, for how many looks, and which were judged."""

    marks: Marks
    looks: int = 1
    renamed: bool = False
    judged: Marks | None = None

    def complete(self, settle: int) -> bool:
        """Whether nobody seems to be writing to it, and this content has not been judged."""
        if self.marks == self.judged:
            return False
        needed = settle if self.marks[1] else settle * _EMPTY
        return self.renamed or self.looks >= needed


class Folder:
    """The files of a folder and whether they are complete.

    Args:
        root: The folder.
        settle: Looks in a row at which a file must be the same.
        own: Folders in which the one who follows writes; they need not be there yet.
        say: Called with a sentence where something is left out that a run wrote.

    Attributes:
        trouble: What kept a file from being followed at the last look, as a sentence.
    """

    def __init__(
        self,
        root: Path,
        *,
        settle: int = SETTLE,
        own: Iterable[Path] = (),
        say: Say = unsaid,
    ) -> None:
        self.root = root
        self.settle = settle
        self._own = tuple(own)
        self._say = say
        self._seen: dict[str, _Seen] = {}
        self._unfinished: dict[tuple[int, int], Marks] = {}
        self.trouble = ""

    def sieve(self) -> Sieve:
        """What may be a delivery now: a folder of ours may have come since the last look."""
        return Sieve(self.root, self._own, self._say)

    def look(self) -> list[Delivery]:
        """Deliveries that are complete and not judged as they are now, oldest first.

        Raises:
            OSError: The folder cannot be read now; what was seen is remembered.
        """
        self.trouble = ""
        seen: dict[str, _Seen] = {}
        unfinished: dict[tuple[int, int], Marks] = {}
        ready: list[Delivery] = []
        for path, found in _files(self.root, self.sieve()):
            marks = (found.st_dev, found.st_size, found.st_mtime_ns, found.st_ino)
            inode = (found.st_dev, found.st_ino)
            try:
                delivery = delivery_at(path, self.root)
            except InputError as error:
                self.trouble = str(error)
                continue
            if delivery is None:
                unfinished[inode] = marks
                continue
            before = self._seen.get(delivery.key)
            one = _Seen(marks)
            if before is not None and before.marks == marks:
                one = dataclasses.replace(before, looks=before.looks + 1)
            elif before is not None:
                one.judged = before.judged
            if self._unfinished.get(inode) == marks:
                one.renamed = True
            seen[delivery.key] = one
            if one.complete(self.settle):
                ready.append(delivery)
        self._seen, self._unfinished = seen, unfinished
        return sorted(ready, key=lambda one: (str(one.date or "~"), one.key))

    def has(self, key: str) -> bool:
        """Whether a delivery was there at the last look."""
        return key in self._seen

    def done(self, delivery: Delivery) -> None:
        """A delivery was judged as it was at the last look."""
        one = self._seen.get(delivery.key)
        if one is not None:
            one.judged = one.marks

    def later(self, delivery: Delivery) -> None:
        """A delivery could not be judged now; it is ready again after some looks."""
        one = self._seen.get(delivery.key)
        if one is not None:
            one.looks, one.renamed = self.settle - _LATER, False


def _files(folder: Path, sieve: Sieve) -> Iterator[tuple[Path, os.stat_result]]:
    """The files below a folder with their state; what vanishes meanwhile is not there."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda one: one.name)
    for entry in listed:
        try:
            if entry.is_dir(follow_symlinks=False):
                if sieve.takes_folder(folder / entry.name):
                    yield from _files(folder / entry.name, sieve)
            elif entry.is_file() and sieve.takes_file(folder / entry.name):
                # Asked of the file itself: what a folder's list says of it may be stale.
                yield folder / entry.name, (folder / entry.name).stat()
        except (FileNotFoundError, PermissionError):
            continue


def follow(
    folder: Folder,
    judge: Judge,
    listener: Listener,
    *,
    stop: threading.Event,
    interval: float = INTERVAL,
) -> Status:
    """Judge each delivery of a folder as it becomes complete, until told to stop.

    Args:
        folder: The folder.
        judge: Judges some deliveries, writes the reports, and returns all verdicts there are.
        listener: Who hears of it.
        stop: Set to stop; a judgement that has begun is finished first.
        interval: Seconds between two looks.

    Returns:
        The status of all that was judged.

    Raises:
        UsageError: There is no such folder, or it is where the one who follows writes.
    """
    if not folder.root.is_dir():
        raise UsageError(
            "only a folder can be followed", where=str(folder.root), fix="give --input a folder"
        )
    folder.sieve().refuse_inside()
    course = _Course(folder, judge, listener)
    while not stop.is_set():
        trouble = ""
        try:
            ready = folder.look()
            trouble = folder.trouble
            for first in range(0, len(ready), _BATCH):
                course.judge(ready[first : first + _BATCH])
                if stop.is_set():
                    break
        except (OSError, DiskFullError, WarehouseBusyError) as error:
            # A network that is down, a disk that is full, a run that holds the warehouse.
            trouble = str(error)
        course.say(trouble)
        stop.wait(interval)
    return course.status


class _Course:
    """What has come of following so far."""

    def __init__(self, folder: Folder, judge: Judge, listener: Listener) -> None:
        self.folder = folder
        self._judge = judge
        self.listener = listener
        self.trouble = ""
        self.found = Status.GREEN
        self.failed: set[str] = set()

    @property
    def status(self) -> Status:
        """Of all that was judged; RED as well while a delivery could not be judged."""
        return Status.RED if any(map(self.folder.has, self.failed)) else self.found

    def judge(self, deliveries: Sequence[Delivery]) -> None:
        """Judge some deliveries together; if one of them cannot be, each alone."""
        try:
            self._tell(deliveries, self._judge(deliveries))
        except InputError as error:
            if len(deliveries) > 1:
                for one in deliveries:
                    self.judge([one])
                return
            self.failed.add(deliveries[0].key)
            self.folder.later(deliveries[0])
            self.listener.trouble(str(error))

    def _tell(self, deliveries: Sequence[Delivery], result: CheckResult) -> None:
        keys = {one.key for one in deliveries}
        for one in deliveries:
            self.folder.done(one)
        self.failed -= keys
        self.found = result.status
        for report in result.deliveries:
            if report.delivery in keys:
                for found in report.findings:
                    if found.severity is Severity.P0:
                        self.listener.notify(found)
                self.listener.verdict(report)

    def say(self, trouble: str) -> None:
        """Say what is in the way, once as long as it is the same."""
        if trouble and trouble != self.trouble:
            self.listener.trouble(trouble)
        self.trouble = trouble
