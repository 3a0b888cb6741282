"""The stage on which incidents act: one day's rows, an account of what was touched, a registry."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tallymark.demo.chance import Ints
from tallymark.demo.render import DayTable
from tallymark.demo.season import DAY_MS, HOUR_MS
from tallymark.demo.specs import Detail, Kind, a_share, hours

__all__ = ["PURCHASE_NAME", "REGISTRY", "Incident", "Scene", "Stage", "Touched", "incident"]

PURCHASE_NAME = "checkout_completed"
"""The event that carries an order."""


class Stage(enum.IntEnum):
    """Incidents of one day happen in this order, whatever the order they are asked for in."""

    FEWER_ROWS = 0
    CHANGED_ROWS = 1
    MORE_ROWS = 2
    SILENCE = 3
    HEADER = 4
    FILE = 5


@dataclasses.dataclass(slots=True)
class Scene:
    """What an incident may see and change.

    Attributes:
        table: The day's rows.
        spec: The incident's specification, for messages.
        details: The details asked for, all present.
        chance: Randomness of this incident and day alone.
        earlier: Payloads of the purchases delivered on the days before.
    """

    table: DayTable
    spec: str
    details: Mapping[str, str]
    chance: np.random.Generator
    earlier: Sequence[str]

    @property
    def midnight(self) -> int:
        """The beginning of the day, milliseconds since 1970."""
        return (self.table.date - dt.date(1970, 1, 1)).days * DAY_MS

    def window(self) -> tuple[int, int]:
        """Beginning and end (not included) of the hours asked for, milliseconds since 1970."""
        first, end = hours(self.details["hours"])
        return self.midnight + first * HOUR_MS, self.midnight + end * HOUR_MS

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
