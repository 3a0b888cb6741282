"""One shop under a detector: its false alarms in a healthy year, and what it sees of incidents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.detectors import rivals
from bench.detectors.kinds import KINDS
from bench.detectors.shops import DAYS, Shop
from tallymark.config import MonitorRules, load
from tallymark.monitor.watch import Watch
from tallymark.results import Severity

__all__ = ["AGES", "LASTS", "Outcome", "Scored", "Trial", "score_shop", "try_shop"]

AGES = (4, 14, 28, 90, 180)
LASTS = 7  # days that an incident lasts, and is looked for
LEARNED = 28


@dataclass(frozen=True, slots=True)
class Outcome:
    """One incident: how many days it took, or None."""

    kind: str
    age: int
    delay: int | None


@dataclass
class Trial:
    """One shop.

    Attributes:
        events: A day, about.
        judged: Days of the healthy shop that were judged with a month of history.
        alarms: Of them, days with a warning or an error, by rule.
        outcomes: Of planted incidents.
    """

    events: float
    judged: int = 0
    alarm_days: int = 0
    errors: int = 0
    alarms: dict[str, int] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)


@dataclass
class Scored:
    """One shop under a rival, as scores without a threshold.

    Attributes:
        name: The rival's.
        events: A day, about.
        healthy: Score of each day with a month of history.
        planted: (kind, age, score of each day) of incidents.
    """

    name: str
    events: float
    healthy: NDArray[np.float64]
    planted: list[tuple[str, int, NDArray[np.float64]]] = field(default_factory=list)


def score_shop(
    seed: int, events: float, name: str, scorer: rivals.Scorer, ages: Sequence[int] = AGES
) -> Scored:
    """A rival's scores of a healthy shop and of each kind of incident at each age."""
    shop = Shop(seed, events)
    largest, each = rivals.of_healthy(shop, scorer)
    found = Scored(name, events, largest[LEARNED:])
    for age in ages:
        start = _start(shop, age)
        for number, kind in enumerate(KINDS):
            days = shop.part(start, LASTS)
            KINDS[kind].plant(days)
            tables = shop.planted(start, days, 1000 * start + number)
            rows = rivals.of_planted(tables, shop, start, scorer, each)
            found.planted.append((kind, age, rows))
    return found


def try_shop(
    seed: int,
    events: float,
    settings: Mapping[str, object],
    *,
    kinds: Sequence[str] = tuple(KINDS),
    ages: Sequence[int] = AGES,
) -> Trial:
    """Judge every day of a healthy shop, and plant each kind of incident at each age."""
    shop, trial = Shop(seed, events), Trial(events)
    rules = load(MonitorRules, None, "rules/monitor.yml")
    rules = rules.model_copy(update={"promotions": shop.calendar(), **settings})
    watch = Watch(shop.tables(), rules)
    starts = {_start(shop, age): age for age in ages}
    for day, date in enumerate(watch.days()):
        if day in starts:
            trial.outcomes += [
                Outcome(kind, starts[day], _delay(shop, watch, rules, day, kind, number))
                for number, kind in enumerate(kinds)
            ]
        loud = _loud(watch, date)
        if day >= LEARNED:
            trial.judged += 1
            trial.alarm_days += bool(loud)
            trial.errors += any(severity.is_error for severity in loud.values())
            for name in loud:
                trial.alarms[name] = trial.alarms.get(name, 0) + 1
    return trial


def _start(shop: Shop, age: int) -> int:
    """The first day of an incident: no promotion day."""
    while shop.promoted[age]:
        age += 1
    return min(age, DAYS - LASTS)


def _delay(
    shop: Shop, healthy: Watch, rules: MonitorRules, start: int, kind: str, number: int
) -> int | None:
    days = shop.part(start, LASTS)
    KINDS[kind].plant(days)
    watch = Watch(shop.planted(start, days, 1000 * start + number), rules)
    watch.resume(healthy)
    for delay in range(LASTS):
        if _loud(watch, watch.days()[start + delay]):
            return delay
    return None


def _loud(watch: Watch, date: dt.date) -> dict[str, Severity]:
    """Findings that somebody would be told of."""
    return {one.id: one.severity for one in watch.findings(date) if one.severity is not Severity.P3}
