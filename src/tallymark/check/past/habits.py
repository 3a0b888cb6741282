"""One day against the days before it: what is usual, what is beyond chance, when it began."""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tallymark.check.rules import Hit
from tallymark.stats.baseline import Past, Prior, count_baseline, rate_baseline
from tallymark.stats.predictive import (
    beta_binomial_tails,
    mixture,
    negative_binomial_tails,
)

__all__ = ["CHANCE", "Counts", "Day", "Habit", "Told", "Window", "clock", "onset"]

Entry = Mapping[str, Any]

CHANCE = 1e-4
"""How unlikely a number must be, by the shop's own days, before it is said to be unusual. Some
twelve numbers a day are judged, so on a sound shop that is less than half a false warning a year:
and the spread believed before history is on the wide side."""
# What is true of a day anyhow is told more quietly where as much comes on one sound day in so many.
_AS_USUAL = 0.01
LEARNING = 3
"""Earlier days that it takes before a day is compared with them."""
WINDOW = 56
"""Days back that still say what is usual."""
# Believed before a shop has a history: the day-to-day standard deviation of a share on the logit
# scale, and of a count on the logarithmic one; what not knowing the weekday adds; days' worth.
_SHARE = Prior(spread=0.25, unknown_weekday=0.10, freedom=12.0)
_COUNT = Prior(spread=0.12, unknown_weekday=0.18)
_MOST_CORRELATED = 0.9
_ROUNDS = 3
HOURS = 24


@dataclass(frozen=True, slots=True)
class Told:
    """Something that history shows of a delivery."""

    check: str
    delivery: str
    hit: Hit
    since: str | None = None
    day: str | None = None


@dataclass(slots=True)
class Day:
    """The deliveries of one day, by key.

    Attributes:
        date: The day, ISO 8601.
        entries: Those with rows; of the same bytes under two names only the first.
        delivered: All of them.
    """

    date: str
    entries: list[Entry] = field(default_factory=list)
    delivered: list[Entry] = field(default_factory=list)

    @property
    def number(self) -> int:
        """Days since year 1, for ages."""
        return dt.date.fromisoformat(self.date).toordinal()


def clock(traffic: Mapping[str, Any], at: int) -> str:
    """The beginning of an hour, ISO 8601 UTC.

    Args:
        traffic: The facts that the hour belongs to.
        at: Its index: 24 for each of the delivery's days, in the shop's time zone.
    """
    day = dt.date.fromisoformat(traffic["days"][at // HOURS])
    local = dt.datetime.combine(day, dt.time(at % HOURS), zoneinfo.ZoneInfo(traffic["zone"]))
    return local.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@dataclass(frozen=True, slots=True)
class Counts:
    """How often something is true, out of how often it could be; in all and by hour."""

    bad: int
    of: int
    by_hour: Sequence[int] = ()
    of_hour: Sequence[int] = ()

    @property
    def share(self) -> float:
        """The share of all."""
        return self.bad / self.of if self.of else 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """The hours in which something is the case: from index ``first`` to ``last``, both in."""

    first: int
    last: int
    bad: int
    of: int
    starts_inside: bool
    ends_inside: bool


def onset(counts: Counts, usual: float) -> Window | None:
    """The stretch of hours in which a share is most above the usual one.

    The stretch with the largest likelihood ratio, its share against the usual one. It starts
    (ends) inside the day if hours with rows come before (after) it.
    """
    base = min(max(usual, 0.001), 0.5)
    inside = max(counts.share, 1.5 * base)
    best: tuple[int, int] | None = None
    for _ in range(_ROUNDS):
        inside = min(max(inside, base + 0.001), 0.999)
        gain, loss = math.log(inside / base), math.log((1 - inside) / (1 - base))
        scores = [
            bad * gain + (of - bad) * loss
            for bad, of in zip(counts.by_hour, counts.of_hour, strict=True)
        ]
        best = _largest(scores)
        if best is None:
            return None
        first, last = best
        of = sum(counts.of_hour[first : last + 1])
        inside = sum(counts.by_hour[first : last + 1]) / of if of else inside
    if best is None:
        return None
    first, last = best
    return Window(
        first, last, sum(counts.by_hour[first : last + 1]), sum(counts.of_hour[first : last + 1]),
        any(counts.of_hour[:first]), any(counts.of_hour[last + 1 :]),
    )  # fmt: skip


def _largest(scores: Sequence[float]) -> tuple[int, int] | None:
    """First and last place of the stretch with the largest sum, if that is above 0."""
    best, found = 0.0, None
    total, start = 0.0, 0
    for at, score in enumerate(scores):
        if total <= 0:
            total, start = 0.0, at
        total += score
        if total > best:
            best, found = total, (start, at)
    return found


@dataclass(slots=True)
class Habit:
    """A share, or a count, on the days so far."""

    days: list[tuple[int, int, int]] = field(default_factory=list)  # day, bad, of

    def add(self, day: int, bad: int, of: int) -> None:
        """Let a day teach what is usual."""
        self.days.append((day, bad, of))

    def recent(self, day: int) -> list[tuple[int, int, int]]:
        """The days that may be compared with."""
        return [one for one in self.days if 0 < day - one[0] <= WINDOW and one[2]]

    def usual(self, day: int) -> float | None:
        """The share over the recent days; None while there are too few."""
        past = self.recent(day)
        if len(past) < LEARNING:
            return None
        return sum(bad for _, bad, _ in past) / sum(of for _, _, of in past)

    def usual_if(self, day: int, bad: int, of: int) -> float | None:
        """The usual share, if the day's is none that one sound day in a hundred would not have."""
        usual = self.usual(day)
        if not usual or not of:
            return None
        as_before = bad <= usual * of or self.chance_of_more(day, bad, of) > _AS_USUAL
        return usual if as_before else None

    def mostly_less(self, day: int) -> bool:
        """Whether on most of the recent days not all of it was bad."""
        past = self.recent(day)
        return 2 * sum(1 for _, bad, of in past if bad < of) > len(past)

    def chance_of_more(self, day: int, bad: int, of: int) -> float:
        """The chance of so large a share, were this a day like those before."""
        past = self.recent(day)
        wins, trials = (np.array([one[at] for one in past], dtype=np.float64) for at in (1, 2))
        ages = np.array([day - one[0] for one in past], dtype=np.int64)
        base = rate_baseline(wins, trials, Past(ages), _SHARE)
        rate = base.level
        _, upper = mixture(
            lambda spread: beta_binomial_tails(
                bad, of, rate, np.minimum(spread * rate * (1 - rate), _MOST_CORRELATED)
            ),
            base.spread, base.freedom,
        )  # fmt: skip
        return upper

    def chance_of_count(
        self, day: int, count: int, together: float = 1.0
    ) -> tuple[float, float, float]:
        """Of a count: what is expected, and the chances of so few and of so many.

        Args:
            day: The day.
            count: Its count.
            together: How many come at a time: variance over mean beyond what the days differ.
        """
        past = self.recent(day)
        values = np.array([one[1] / together for one in past], dtype=np.float64)
        ages = np.array([day - one[0] for one in past], dtype=np.int64)
        base = count_baseline(values, Past(ages), _COUNT)
        lower, upper = mixture(
            lambda spread: negative_binomial_tails(round(count / together), base.level, spread),
            base.spread, base.freedom,
        )  # fmt: skip
        return base.level * together, lower, upper
