"""A stand-in for a warehouse: what is done to it leaves the real one as it is."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tallymark.engine.warehouse import Warehouse

__all__ = ["rehearsed"]


@contextmanager
def rehearsed(warehouse: Warehouse, quarantine: Path) -> Iterator[tuple[Warehouse, Path]]:
    """A warehouse with everything that this one holds, for as long as the block runs.

    Files of a warehouse are only ever replaced whole, so that a link stands for a copy.

    Args:
        warehouse: The real one; it may not be there yet.
        quarantine: The folder of what was kept out.

    Yields:
        The stand-in, and a stand-in for the folder of what was kept out.
    """
    # Beside the real one: links do not reach into another file system.
    place = warehouse.root.parent
    while not place.is_dir():
        place = place.parent
    beside = place if os.access(place, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=beside) as name:
        stand_in, aside = Warehouse(Path(name) / "warehouse"), Path(name) / "quarantine"
        for source, target in ((warehouse.root, stand_in.root), (quarantine, aside)):
            if source.is_dir():
                shutil.copytree(source, target, copy_function=_linked, ignore=_own_state)
        stand_in.scratch.mkdir(parents=True)
        yield stand_in, aside


def _own_state(_folder: str, names: list[str]) -> set[str]:
    """What belongs to a run that may be going on."""
    return {name for name in names if name in {".scratch", ".lock", ".lock.holder"}}


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
