"""What Tallymark wrote lies beside the deliveries now and then; it is none of them.

Nothing is told from the name of a folder alone: a folder is left out because this run writes
there, or because of what only Tallymark puts into one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from tallymark.engine.warehouse import CATALOG, EXPORTED
from tallymark.errors import UsageError

__all__ = ["Say", "Sieve", "unsaid"]

Say = Callable[[str], None]
_LEDGER = Path("ledger") / "deliveries"  # a warehouse has it before its first catalog
_PARTS = "data"
_KEPT = frozenset({"ledger", "catalogs"})
_PART = re.compile(r"[0-9a-f]{20}\.parquet")  # named by its content
_EXPORT = re.compile(rf"({'|'.join(EXPORTED)})\.(csv|parquet)")
_REPORT = re.compile(r"(dq_report|monitoring_report)\..+")
_BESIDE = "dq_report.json"  # always written with the other forms of it
_ASIDE = frozenset({"rows", "deliveries", "files", "history", ".unfinished"})
_SNAPSHOT = "warehouse_quarantine_"
_NOTES = ("rows/*.json", "deliveries/*.json", "history/*/*/*.json")
_MAY_HOLD = (".csv", ".parquet", ".jsonl", ".ndjson", ".gz", ".zst")
_SHOWN = 5  # names of files
Identity = tuple[int, int]


def unsaid(_text: str) -> None:
    """Where nobody wants to hear what was left out."""


class Sieve:
    """Lets through what may be a delivery, and keeps back what Tallymark wrote.

    Args:
        root: The input folder.
        own: Where this run writes; none of them need be there.
        say: Called with a sentence for each folder of another run, and wherever more than what
            Tallymark wrote is left out.

    Attributes:
        left_out: How many files and folders were kept back.
    """

    def __init__(self, root: Path, own: Iterable[Path] = (), say: Say = unsaid) -> None:
        self.root = root
        self.left_out = 0
        self._own = {found: path for path in own if (found := _identity(path)) is not None}
        self._say = say
        self._known: dict[Path, bool] = {}
        self._warehouses: dict[Path, bool] = {}

    def refuse_inside(self) -> None:
        """Refuse an input folder that is, or lies in, this run's quarantine.

        Raises:
            UsageError: All that it holds was kept out.
        """
        for folder in (whole := self.root.resolve(), *whole.parents):
            if _identity(folder) in self._own and _is_quarantine(folder):
                raise UsageError(
                    "this is the quarantine of this run: what lies in it was kept out",
                    where=str(self.root),
                    fix="give --input the folder of the deliveries, or let rows in with "
                    "`tallymark quarantine release`",
                )

    def refuse_nothing(self) -> None:
        """Refuse an input in which there is nothing but what Tallymark wrote.

        Raises:
            UsageError: Something was kept back.
        """
        if self.left_out:
            raise UsageError(
                "all that could be a delivery there was written by Tallymark itself",
                where=str(self.root),
                fix="give --input the folder of the deliveries",
            )

    def takes_folder(self, folder: Path) -> bool:
        """Whether a folder below the root may hold deliveries; asked of its parents first."""
        if folder not in self._known:
            self._known[folder] = self._takes(folder)
            self.left_out += not self._known[folder]
        return self._known[folder]

    def takes_file(self, file: Path) -> bool:
        """Whether a file may be a delivery, if its folder may hold one."""
        output = self._is_output(file)
        self.left_out += output
        return not output

    def takes(self, file: Path) -> bool:
        """Whether a file may be a delivery, the folders that it lies in considered."""
        inside = file.relative_to(self.root).parents
        folders = [self.root / one for one in reversed(inside) if one.parts]
        return all(self.takes_folder(one) for one in folders) and self.takes_file(file)

    def _takes(self, folder: Path) -> bool:
        if _identity(folder) in self._own:
            others = _others(folder)
            if others:
                more = f" and {len(others) - _SHOWN:,} more" if len(others) > _SHOWN else ""
                self._say(
                    f"{folder}: left out of the input, as this run writes there; so are "
                    f"{', '.join(others[:_SHOWN])}{more}"
                )
            return False
        if self._is_warehouse(folder):
            self._say(f"{folder}: left out of the input, as it is a warehouse of Tallymark")
            return False
        if _is_quarantine(folder):
            self._say(f"{folder}: left out of the input, as it is a quarantine of Tallymark")
            return False
        # The root itself may be a warehouse: what was put there besides is still delivered.
        return not (folder.name in _KEPT and self._is_warehouse(folder.parent))

    def _is_output(self, file: Path) -> bool:
        name, folder = file.name, file.parent
        if _REPORT.fullmatch(name):
            return (folder / _BESIDE).is_file()
        if _EXPORT.fullmatch(name):
            return self._is_warehouse(folder)
        if _PART.fullmatch(name):
            above = folder.absolute().parent
            return above.name == _PARTS and self._is_warehouse(above.parent)
        return False

    def _is_warehouse(self, folder: Path) -> bool:
        if folder not in self._warehouses:
            landed = (folder / _LEDGER).is_dir() and (folder / _PARTS / "landed").is_dir()
            self._warehouses[folder] = landed or (folder / CATALOG).is_file()
        return self._warehouses[folder]


def _identity(folder: Path) -> Identity | None:
    """Which folder it is, whatever it is called and through whatever links it is reached."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _others(folder: Path) -> list[str]:
    """Files right in a folder of ours that may be deliveries all the same."""
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
    except OSError:
        return []
    return [
        name for name in names
        if name.lower().endswith(_MAY_HOLD) and not name.startswith((".", "_"))
        and not _REPORT.fullmatch(name) and not _EXPORT.fullmatch(name)
    ]  # fmt: skip


def _is_quarantine(folder: Path) -> bool:
    """Whether a folder holds what a quarantine does, a note of ours among it, and nothing else."""
    try:
        inside = list(folder.iterdir())
    except OSError:
        return False
    ours = [one.name in _ASIDE or one.name.startswith(_SNAPSHOT) for one in inside]
    if not inside or not all(ours):
        return False
    if any(one.name.startswith(_SNAPSHOT) and (one / CATALOG).is_file() for one in inside):
        return True
    notes = (next(folder.glob(pattern), None) for pattern in _NOTES)
    return any(note is not None and _is_note(note) for note in notes)


def _is_note(path: Path) -> bool:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and {"delivery", "version"} <= told.keys()
