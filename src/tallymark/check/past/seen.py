"""Transaction ids that earlier deliveries brought: the same order, a conflict, or a collision.

Each delivery leaves a small file of hashes beside its ledger entry, five numbers an order. Only
the column of ids is read of all of them; the rest is read of ids that come more than once.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tallymark.check.counting.orders import OrderKey
from tallymark.engine.warehouse import write_atomically

__all__ = ["keep_keys", "keys_are_hurt", "keys_file", "seen_before"]

_COLUMNS = 5  # id, client, customer, content, milliseconds
Ids = NDArray[np.uint64]
Entry = Mapping[str, Any]


def keys_file(folder: Path, entry: Entry) -> Path:
    """Where the hashes of one version of a delivery lie."""
    return folder / f"{entry['version'][:20]}-{entry['fingerprint']}.npy"


def keep_keys(folder: Path, entry: Entry, keys: Sequence[OrderKey]) -> None:
    """Write the hashes of a delivery's orders; without orders there is no file."""
    path = keys_file(folder, entry)
    if not keys:
        path.unlink(missing_ok=True)
        return
    table = np.array(keys, dtype=np.uint64).reshape(-1, _COLUMNS)
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(table.T), allow_pickle=False)
    write_atomically(path, content.getvalue())


def keys_are_hurt(folder: Path, entry: Entry) -> bool:
    """Whether hashes of a delivery's orders should be there, and cannot be read."""
    if not (entry.get("orders") or {}).get("spaces"):
        return False  # no order of it has an id
    return _kept(keys_file(folder, entry)) is None


def _kept(path: Path) -> Ids | None:
    """The hashes of a file, read where they are asked for; None if it was cut or edited."""
    try:
        found: Ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    sound = found.dtype == np.uint64 and found.ndim == 2 and len(found) == _COLUMNS  # noqa: PLR2004
    return found if sound else None


@dataclass(slots=True)
class _Known:
    """What is known of one transaction id: who bought under it, and what."""

    roots: dict[tuple[str, int], int] = field(default_factory=dict)
    contents: dict[int, set[int]] = field(default_factory=dict)

    def judged(self, client: int, customer: int, content: int) -> str | None:
        """What one more purchase is to those known; None if it is the first."""
        if not self.contents:
            return None
        mine = {self.roots[key] for key in _keys(client, customer, content) if key in self.roots}
        if not mine:
            return "colliding"
        told = set().union(*(self.contents[root] for root in mine))
        return "redelivered" if content in told else "conflicting"

    def add(self, client: int, customer: int, content: int) -> None:
        """Remember a purchase; customers that it shows to be one become one."""
        keys = _keys(client, customer, content)
        mine = sorted({self.roots[key] for key in keys if key in self.roots})
        root = mine[0] if mine else len(self.roots)
        told = self.contents.setdefault(root, set())
        for other in mine[1:]:
            told |= self.contents.pop(other)
            self.roots = {key: root if at == other else at for key, at in self.roots.items()}
        told.add(content)
        for key in keys:
            self.roots[key] = root


def _keys(client: int, customer: int, content: int) -> list[tuple[str, int]]:
    keys = [("client", client), ("customer", customer)]
    found = [key for key in keys if key[1]]
    return found or [("content", content)]


def seen_before(entries: Sequence[Entry], folder: Path) -> dict[str, dict[str, Any]]:
    """By delivery: how many of its orders repeat, contradict or share the id of an earlier one.

    Earlier is a delivery of an earlier day, or of the same day with a smaller key: nothing here
    depends on the order of arrival.

    Args:
        entries: Ledger entries ordered by date and key.
        folder: Where :func:`keep_keys` wrote.
    """
    tables = list(_tables(entries, folder))
    if len(tables) < 2:  # noqa: PLR2004 -- it takes two to meet
        return {}
    repeated = _repeated([np.unique(table[0]) for _, table in tables])
    if not repeated.size:
        return {}
    known: defaultdict[int, _Known] = defaultdict(_Known)
    found: dict[str, dict[str, Any]] = {}
    for delivery, table in tables:
        rows = table[:, np.isin(table[0], repeated)].T.tolist()
        told: dict[str, list[int]] = {}
        for one, client, customer, content, ms in rows:
            kind = known[one].judged(client, customer, content)
            if kind is not None:
                told.setdefault(kind, []).append(ms)
        for one, client, customer, content, _ in rows:
            known[one].add(client, customer, content)
        if told:
            found[delivery] = {
                kind: {"orders": len(times), "first": min(times)}
                for kind, times in sorted(told.items())
            }
    return found


def _tables(entries: Sequence[Entry], folder: Path) -> Iterator[tuple[str, Ids]]:
    """The hashes of every delivery that has some."""
    versions = set()  # the same bytes under another name are told of as such
    for entry in entries:
        path = keys_file(folder, entry)
        if not entry["rows_accepted"] or entry["version"] in versions or not path.is_file():
            continue
        table = _kept(path)
        if table is not None:  # hurt ones of a delivery that is gone cannot be made anew
            versions.add(entry["version"])
            yield entry["delivery"], table


def _repeated(ids: Sequence[Ids]) -> Ids:
    """Ids that more than one delivery has."""
    values, counts = np.unique(np.concatenate(ids), return_counts=True)
    return values[counts > 1]
