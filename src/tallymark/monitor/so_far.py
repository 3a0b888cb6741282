"""How things stand in the ledger: each judged day with its status, and what is over by now.

A run judges only what is new, but it tells of all there is: the same words for the same state.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from tallymark.engine.warehouse import Warehouse
from tallymark.errors import WarehouseError
from tallymark.monitor.kept import load_incidents
from tallymark.results import Incident, Severity, Status

__all__ = ["SoFar", "judged_so_far", "latest_judgement"]

_OVER = frozenset({"resolved", "quiet"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SoFar:
    """What the watch has said by now.

    Attributes:
        days: The status of each judged day, oldest first, by its date.
        over: Incidents that are over, or quiet on the latest day, the latest first; mere
            information is left out.
    """

    days: dict[str, Status]
    over: Sequence[Incident]


def judged_so_far(warehouse: Warehouse) -> SoFar:
    """Every judged day, and the incidents that are over; what cannot be read is left out."""
    days = {}
    for day in warehouse.judged_days():
        with contextlib.suppress(ValueError, KeyError):
            days[day] = Status(warehouse.sound_judgement(day)["status"])
    known: Sequence[Incident] = ()
    with contextlib.suppress(WarehouseError):  # the watch has never run here, or its file is hurt
        known = load_incidents(warehouse)[1]
    over = [one for one in known if one.state in _OVER and one.severity is not Severity.P3]
    over.sort(key=lambda one: (one.since, one.id, one.key or ""), reverse=True)
    return SoFar(days=days, over=over)


def latest_judgement(warehouse: Warehouse) -> tuple[object, ...]:
    """The latest day and what was said of it, to be compared: equal if nothing has changed."""
    days = warehouse.judged_days()
    folder = warehouse.root / "ledger" / "days"
    files = [folder / f"{name}.json" for name in ("state", "incidents", *days[-1:])]
    # As bytes: the next run heals a file that cannot be read.
    return len(days), *(path.read_bytes() if path.is_file() else b"" for path in files)
