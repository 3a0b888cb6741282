"""A publication that readers do not see until the watch has judged it (``publish: withhold``).

The catalog and the exports of a run are written into a folder of their own, ``.withheld``, beside
the ones that readers see; the data files are shared. What is sound is then put in place, the
catalog by one rename. What is not stays there: the next run goes on from it, and judges it again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tallymark.engine.warehouse import CATALOG, EXPORTED, FRONT, Warehouse

__all__ = ["Front", "drop_front", "going_on", "put_in_place", "withheld"]

_MARK = ".exported"


class Front:
    """What a run publishes, for readers or withheld from them.

    Args:
        warehouse: The warehouse of readers.
        keep: Withhold what the run publishes until it is known to be sound.

    Attributes:
        warehouse: The warehouse of the run.
        bad: Set when the watch has found what must be withheld.
    """

    def __init__(self, warehouse: Warehouse, *, keep: bool) -> None:
        self._readers = self.warehouse = warehouse
        self._keep = keep
        self.bad = False

    @property
    def withholds(self) -> bool:
        """Whether readers do not see what the run made."""
        return self._keep and self.bad

    @contextmanager
    def run(self) -> Iterator[Front]:
        """Hold the warehouse for a run; at its end readers see what came of it, if it is sound."""
        with self._readers.hold("run"):
            self.warehouse = withheld(self._readers.root, start=self._keep)
            yield self
            if not self.withholds:
                put_in_place(self.warehouse)


def withheld(root: Path, *, start: bool) -> Warehouse:
    """The warehouse as the run sees it, with what it published last, withheld or not.

    Args:
        root: The warehouse folder.
        start: Begin to withhold, if nothing is withheld yet. Else the warehouse of readers is
            returned then.
    """
    front = root / FRONT
    if (front / CATALOG).is_file():
        return Warehouse(root, front=front)
    if not start:
        return Warehouse(root)
    front.mkdir(parents=True, exist_ok=True)
    for path in _files(root):
        _link(path, front / path.name)
    if (root / CATALOG).is_file():
        _link(root / CATALOG, front / CATALOG)  # last: with it, the folder counts
    return Warehouse(root, front=front)


@contextmanager
def going_on(readers: Warehouse, command: str) -> Iterator[Warehouse | None]:
    """Hold a warehouse, and go on from what was made last, withheld or not; None if nothing was."""
    if not (readers.root / "ledger").is_dir():
        yield None
        return
    with readers.hold(command):
        yield withheld(readers.root, start=False)


def put_in_place(warehouse: Warehouse) -> None:
    """Show readers what was withheld from them; the caller holds the warehouse."""
    root, front = warehouse.root, warehouse.front
    if front == root or not (front / CATALOG).is_file():
        return
    aside = root / f".{CATALOG}.tmp"
    _link(front / CATALOG, aside)
    # The catalog stays in front until the exports have moved: a kill in between is made good.
    aside.replace(root / CATALOG)
    fresh = _files(front)
    names = {path.name for path in fresh}
    for path in fresh:
        path.replace(root / path.name)
    for old in _files(root):
        if old.name not in names:
            old.unlink()
    shutil.rmtree(front)


def drop_front(root: Path) -> None:
    """Nothing is withheld any more: somebody has built for readers."""
    shutil.rmtree(root / FRONT, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    """The exports, and the note that says of which state they are."""
    names = [f"{table}.{kind}" for table in EXPORTED for kind in ("csv", "parquet")]
    return [folder / name for name in (*names, _MARK) if (folder / name).is_file()]


def _link(source: Path, target: Path) -> None:
    """Link a file that is only ever replaced whole; copy it where links do not work."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
