"""Planting the incidents asked for, and keeping account of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from tallymark.demo import incidents_files, incidents_gate
from tallymark.demo.chance import stream
from tallymark.demo.incidents import purchase_payloads
from tallymark.demo.render import DayTable, iso
from tallymark.demo.scene import REGISTRY, Parcel, Scene, Stage, Touched
from tallymark.demo.specs import IncidentSpec, Kind, parse_spec
from tallymark.errors import UsageError

__all__ = ["Planted", "Planter", "incident_kinds", "incident_names"]

_REGISTERED = (incidents_gate, incidents_files)  # importing them registered their kinds


@dataclasses.dataclass(frozen=True, slots=True)
class Planted:
    """One incident as it was planted; times are ISO 8601 UTC.

    Attributes:
        kind: The kind of incident.
        spec: The specification in full.
        day: Its first day.
        last_day: Its last day.
        start: Time of the first touched row, or the hour it began.
        end: Time of the last touched row, or the hour it ended.
        column: The column concerned, if one.
        field: The payload's field concerned, if one.
        rows_touched: Rows changed, added or removed, over all its days.
        detail: The details it was planted with.
        days: Date, rows, start, end and further facts of each day it touched.
    """

    kind: str
    spec: str
    day: str
    last_day: str
    start: str
    end: str
    column: str | None
    field: str | None
    rows_touched: int
    detail: Mapping[str, str]
    days: tuple[Mapping[str, Any], ...]


def incident_names() -> tuple[str, ...]:
    """The names of all kinds of incident, in order."""
    return tuple(sorted(REGISTRY))


def incident_kinds() -> Mapping[str, Kind]:
    """All kinds of incident by name, with what can be set; for help texts and references."""
    return {name: REGISTRY[name].kind for name in incident_names()}


class Planter:
    """Plants the incidents asked for, day by day, and remembers what it did.

    Args:
        specs: Specifications as users write them.
        start: The first simulated day.
        days: How many days there are.
        seed: The shop's seed.

    Raises:
        UsageError: If a specification cannot be understood.
    """

    def __init__(self, specs: Sequence[str], start: dt.date, days: int, seed: int) -> None:
        self._specs = [parse_spec(text, start, days, incident_kinds()) for text in specs]
        self._seed = seed
        self._done: dict[int, list[tuple[dt.date, Touched]]] = {
            at: [] for at in range(len(self._specs))
        }
        self._earlier: list[str] = []

    def plant(self, table: DayTable) -> None:
        """Change one day's rows; days come in order.

        Raises:
            UsageError: If an incident cannot happen on that day.
        """
        due = [(stage, at) for stage, at in self._due(table.date) if stage < Stage.BYTES]
        for stage, at in due:
            if stage < Stage.TYPES:
                self._happen(at, table)
        delivered = purchase_payloads(table)
        for stage, at in due:
            if stage >= Stage.TYPES:
                self._happen(at, table)
        if table.written:
            self._earlier += delivered

    def befall(self, table: DayTable, parcel: Parcel) -> None:
        """Do to a day's written file what befalls its bytes; days come in order."""
        for stage, at in self._due(table.date):
            if stage >= Stage.BYTES:
                self._happen(at, table, parcel)

    def _due(self, day: dt.date) -> list[tuple[Stage, int]]:
        """The incidents of a day, in the order in which they happen."""
        return sorted(
            (REGISTRY[spec.name].stage, at)
            for at, spec in enumerate(self._specs)
            if spec.first <= day <= spec.last
        )

    def _happen(self, at: int, table: DayTable, parcel: Parcel | None = None) -> None:
        spec = self._specs[at]
        nth = sum(other.name == spec.name for other in self._specs[:at])
        chance = stream(self._seed, f"{spec.name}#{nth}@{table.date.isoformat()}")
        scene = Scene(table, str(spec), spec.details, chance, self._earlier, parcel)
        self._done[at].append((table.date, REGISTRY[spec.name].act(scene)))

    def planted(self) -> tuple[Planted, ...]:
        """Everything that was planted, in the order asked for.

        Raises:
            UsageError: If an incident found no row to touch.
        """
        return tuple(_account(spec, self._done[at]) for at, spec in enumerate(self._specs))


def _account(spec: IncidentSpec, done: Sequence[tuple[dt.date, Touched]]) -> Planted:
    real = [(date, touched) for date, touched in done if touched.rows]
    if not real:
        raise UsageError(
            f"{spec.name} found nothing to touch on {spec.first.isoformat()}",
            where=f"--incident {spec}",
            fix="ask for more events per day, or for another day",
        )
    return Planted(
        kind=spec.name,
        spec=str(spec),
        day=spec.first.isoformat(),
        last_day=spec.last.isoformat(),
        start=iso(real[0][1].start),
        end=iso(real[-1][1].end),
        column=spec.details.get("column") or REGISTRY[spec.name].touches,
        field=spec.details.get("field"),
        rows_touched=sum(touched.rows for _, touched in real),
        detail=dict(spec.details),
        days=tuple(
            {
                "date": date.isoformat(),
                "rows": touched.rows,
                "start": iso(touched.start),
                "end": iso(touched.end),
                **touched.facts,
            }
            for date, touched in real
        ),
    )
