"""How the last run ended: finished, failed, or never came to its end.

A run that publishes says in the ledger that it began, and replaces that by how it ended. One that
was killed could say nothing more, so what it said first tells of it. No time is kept: the same
runs leave the same bytes.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tallymark.errors import (
    ConfigError,
    DiskFullError,
    InputError,
    ModelError,
    ReconciliationError,
    WarehouseError,
)

__all__ = ["LastRun", "last_run", "recorded"]

_PUBLISHING = frozenset({"build", "run"})
_UNFINISHED, _FINISHED, _FAILED = "unfinished", "finished", "failed"
# Not its own words: a message may show a row, and this reaches reports and chats.
_KINDS: Sequence[tuple[type[BaseException], str]] = (
    (ReconciliationError, "the amounts did not add up"),
    (ModelError, "a model or one of its tests"),
    (ConfigError, "the settings"),
    (InputError, "the deliveries could not be read"),
    (WarehouseError, "the warehouse could not be read or written"),
    (DiskFullError, "the disk is full"),
    (OSError, "a file could not be read or written"),
    (MemoryError, "not enough memory"),
)

Write = Callable[[Path, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """A run that left the tables as they were.

    Attributes:
        command: ``run`` or ``build``.
        killed: Whether it never came to its end.
        error: The kind of error that it failed with, if it did.
    """

    command: str
    killed: bool
    error: str = ""


class recorded:  # noqa: N801 -- used like the functions of contextlib
    """Keeps how a run that publishes ends; other commands leave no trace.

    Args:
        root: The warehouse folder, held for writing.
        command: What runs.
        write: Writes a file so that it is seen whole.
    """

    def __init__(self, root: Path, command: str, write: Write) -> None:
        self._place, self._command, self._write = _place(root), command, write
        self._counts = command in _PUBLISHING

    def __enter__(self) -> None:
        """Say that it began."""
        if self._counts:
            self._write(self._place, _text(self._command, _UNFINISHED))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say how it ended; of one that somebody stopped, that it never came to its end."""
        if not self._counts or isinstance(error, (KeyboardInterrupt, SystemExit)):
            return
        if error is None:
            self._write(self._place, _text(self._command, _FINISHED))
            return
        # On a full disk this fails as well: then it never came to its end.
        with contextlib.suppress(OSError):
            self._write(self._place, _text(self._command, _FAILED, _kind(error)))


def last_run(root: Path) -> LastRun | None:
    """The last run, if it failed or was killed; None if all is well, or one is under way.

    Args:
        root: The warehouse folder.
    """
    try:
        kept = json.loads(_place(root).read_text(encoding="utf-8"))
        command, outcome = str(kept["command"]), str(kept["outcome"])
    except (OSError, ValueError, KeyError, TypeError):  # never run, or by an older version
        return None
    if outcome == _FAILED:
        return LastRun(command=command, killed=False, error=str(kept.get("error", "")))
    if outcome == _UNFINISHED and not _held(root):
        return LastRun(command=command, killed=True)
    return None


def _kind(error: BaseException | None) -> str:
    """What went wrong, as a word or two of our own."""
    fitting = (said for kind, said in _KINDS if isinstance(error, kind))
    return next(fitting, f"an internal error ({type(error).__name__})")


def _held(root: Path) -> bool:
    """Whether somebody holds the warehouse now."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 -- only after a run that never ended

    try:
        with FileLock(root / ".lock", timeout=0):
            return False
    except (Timeout, OSError):  # a folder that only others may write: it cannot be known
        return True


def _place(root: Path) -> Path:
    return root / "ledger" / "last_run.json"


def _text(command: str, outcome: str, error: str = "") -> str:
    record = {"command": command, "outcome": outcome, **({"error": error} if error else {})}
    return json.dumps(record, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
