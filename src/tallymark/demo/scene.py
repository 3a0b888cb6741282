"""The stage on which incidents act: one day's rows, an account of what was touched, a registry."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from tallymark.demo.chance import Ints
from tallymark.demo.render import DayTable
from tallymark.demo.season import DAY_MS, HOUR_MS
from tallymark.demo.specs import Detail, Kind, a_share, hours
from tallymark.errors import UsageError

__all__ = [
    "NOTHING",
    "PURCHASE_NAME",
    "REGISTRY",
    "Incident",
    "Parcel",
    "Scene",
    "Stage",
    "Touched",
    "demand",
    "incident",
    "span",
    "take_out",
    "worth",
]

PURCHASE_NAME = "checkout_completed"
"""The event that carries an order."""


class Stage(enum.IntEnum):
    """Incidents of one day happen in this order, whatever the order they are asked for in."""

    FEWER_ROWS = 0
    CHANGED_ROWS = 1
    MORE_ROWS = 2
    SILENCE = 3
    TYPES = 4
    HEADER = 5
    FILE = 6
    BYTES = 7


@dataclasses.dataclass(slots=True)
class Parcel:
    """A day's file once it is written, for incidents that befall its bytes.

    Attributes:
        folder: Where the files lie.
        entry: Path, date, rows and columns of the file, as the truth will list it.
        earlier: The same of all files before it, oldest first.
        more: The same of files that an incident adds.
    """

    folder: Path
    entry: dict[str, Any]
    earlier: Sequence[Mapping[str, Any]]
    more: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def file(self, entry: Mapping[str, Any] | None = None) -> Path:
        """Where this file lies, or another one of the list."""
        return self.folder / Path(str((entry or self.entry)["path"])).name


@dataclasses.dataclass(slots=True)
class Scene:
    """What an incident may see and change.

    Attributes:
        table: The day's rows.
        spec: The incident's specification, for messages.
        details: The details asked for, all present.
        chance: Randomness of this incident and day alone.
        earlier: Payloads of the purchases delivered on the days before.
        parcel: The day's file, once it is written.
    """

    table: DayTable
    spec: str
    details: Mapping[str, str]
    chance: np.random.Generator
    earlier: Sequence[str]
    parcel: Parcel | None = None

    @property
    def midnight(self) -> int:
        """The beginning of the day, milliseconds since 1970."""
        return (self.table.date - dt.date(1970, 1, 1)).days * DAY_MS

    def window(self) -> tuple[int, int]:
        """Beginning and end (not included) of the hours asked for, milliseconds since 1970."""
        first, end = hours(self.details["hours"])
        return self.midnight + first * HOUR_MS, self.midnight + end * HOUR_MS

    def inside(self, rows: Ints) -> Ints:
        """Those of some rows that lie in the hours asked for."""
        begins, ends = self.window()
        times = self.table.ms[rows]
        return rows[(times >= begins) & (times < ends)]

    def purchases(self) -> Ints:
        """The rows that are purchases."""
        names = self.table.columns["event_name"]
        rows = [row for row, name in enumerate(names) if name == PURCHASE_NAME]
        return np.array(rows, dtype=np.int64)

    def some(self, rows: Ints) -> Ints:
        """The share asked for of some rows, at least one of any, in their order."""
        wanted = max(1, round(a_share(self.details["share"]) * len(rows)))
        return np.sort(self.chance.choice(rows, min(wanted, len(rows)), replace=False))


@dataclasses.dataclass(frozen=True, slots=True)
class Touched:
    """What an incident did to one day.

    Attributes:
        rows: Rows changed, added or removed.
        start: Time of the first of them, or the hour it began; milliseconds since 1970.
        end: Time of the last of them, or the hour it ended.
        facts: Further counts and names.
    """

    rows: int
    start: int
    end: int
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


NOTHING = Touched(0, 0, 0)
"""What an incident did that found no row to touch."""


def span(ms: Ints, facts: Mapping[str, Any] | None = None) -> Touched:
    """An account by the touched rows' own times."""
    if not len(ms):
        return NOTHING
    return Touched(len(ms), int(ms.min()), int(ms.max()), facts or {})


def worth(payloads: Sequence[str]) -> dict[str, Any]:
    """How many orders some payloads are, and their revenue as decimal text."""
    revenue = sum(
        (Decimal(str(json.loads(payload)["revenue"] or 0)) for payload in payloads), Decimal(0)
    )
    return {"orders": len(payloads), "revenue": f"{revenue:.2f}"}


def take_out(table: DayTable, gone: Ints) -> dict[str, Any]:
    """Take rows out of a table, and say what orders went with them."""
    lost = set(gone.tolist()) if len(gone) else set()
    names, payloads = table.columns["event_name"], table.columns["event_data"]
    facts = worth([payloads[row] for row in sorted(lost) if names[row] == PURCHASE_NAME])
    table.keep(np.array([row for row in range(len(table)) if row not in lost], dtype=np.int64))
    return facts


def demand(scene: Scene, column: str) -> None:
    """Refuse an incident whose column is not there any more.

    Raises:
        UsageError: Another incident of the day renamed or removed the column.
    """
    if column not in scene.table.columns:
        raise UsageError(
            f"{column!r} has already been renamed or removed on {scene.table.date.isoformat()}",
            where=f"--incident {scene.spec}",
            fix="give the two incidents different columns or days",
        )


Act = Callable[[Scene], Touched]
"""What an incident does to one day."""


@dataclasses.dataclass(frozen=True, slots=True)
class Incident:
    """A kind of incident, as registered.

    Attributes:
        kind: Its name and details.
        stage: When on a day it happens, among others.
        touches: The column concerned, where the details do not say.
        act: What it does.
    """

    kind: Kind
    stage: Stage
    touches: str | None
    act: Act


REGISTRY: dict[str, Incident] = {}
"""All kinds of incident by name; filled by :mod:`tallymark.demo.incidents`."""


def incident(
    stage: Stage, *, touches: str | None = None, lasting: bool = False, **details: Detail
) -> Callable[[Act], Act]:
    """Register a function under its own name; the first line of its docstring describes it."""

    def register(act: Act) -> Act:
        name = act.__name__
        summary = (act.__doc__ or "").partition("\n")[0]
        kind = Kind(name, summary, lasting, details)
        REGISTRY[name] = Incident(kind, stage, touches, act)
        return act

    return register
