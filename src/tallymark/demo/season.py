"""When people come: weekdays, hours, noise from day to day, and planned promotions."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

import numpy as np

from tallymark.demo.chance import Flags, Floats, Ints

__all__ = ["DAY_MS", "HOUR_MS", "Promotion", "Season", "day_weights", "hour_weights", "season"]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_WEEKDAYS = (1.03, 0.98, 0.95, 0.96, 0.94, 1.01, 1.13)  # Monday first
_HOURS = (
    *(1.6, 1.0, 0.7, 0.6, 0.6, 0.9, 1.6, 2.6, 3.6, 4.3, 4.7, 4.9),
    *(5.3, 5.1, 4.8, 4.7, 4.9, 5.3, 5.9, 6.8, 7.4, 7.0, 5.4, 3.2),
)
_DAY_NOISE = 0.04
"""Standard deviation of the logarithm of a day's level, beyond chance arrivals."""

_PROMOTION_EVERY = 28
_PROMOTION_FIRST = 18  # day of each period on which the promotion may begin, counted from 0
_PROMOTION_DAYS = 3
_PROMOTION_NAMES = ("Glow Days", "Late Light Sale", "House Warming", "Lamp Week")


@dataclasses.dataclass(frozen=True, slots=True)
class Promotion:
    """Planned days on which more people come, buy sooner and pay less.

    Attributes:
        name: What the shop calls it.
        first: First day.
        last: Last day, included.
        uplift: Factor on arrivals.
        discount: Share taken off every price.
    """

    name: str
    first: dt.date
    last: dt.date
    uplift: float
    discount: float


@dataclasses.dataclass(frozen=True, slots=True)
class Season:
    """The simulated days, in UTC.

    Attributes:
        start: The first day.
        days: How many days.
        promotions: Planned promotions, in order, not overlapping.
    """

    start: dt.date
    days: int
    promotions: tuple[Promotion, ...]

    @property
    def start_ms(self) -> int:
        """Midnight of the first day, milliseconds since 1970."""
        return (self.start - dt.date(1970, 1, 1)).days * DAY_MS

    @property
    def end_ms(self) -> int:
        """Midnight after the last day, milliseconds since 1970."""
        return self.start_ms + self.days * DAY_MS

    @property
    def last(self) -> dt.date:
        """The last day."""
        return self.day(self.days - 1)

    def day(self, index: int) -> dt.date:
        """The day with that index, the first being 0."""
        return self.start + dt.timedelta(days=index)

    def midnight_ms(self, day: dt.date) -> int:
        """Midnight at the beginning of a day, milliseconds since 1970."""
        return self.start_ms + (day - self.start).days * DAY_MS

    def within(self, promotion: Promotion, times: Ints) -> Flags:
        """Which times (milliseconds) fall into a promotion."""
        first = self.midnight_ms(promotion.first)
        return (times >= first) & (times < self.midnight_ms(promotion.last) + DAY_MS)


def season(start: dt.date, days: int, chance: np.random.Generator, *, promotions: bool) -> Season:
    """Plan the days; with ``promotions``, one of three days in each full four weeks."""
    planned: list[Promotion] = []
    periods = days // _PROMOTION_EVERY if promotions else 0
    for period in range(periods):
        offset = period * _PROMOTION_EVERY + _PROMOTION_FIRST + int(chance.integers(0, 7))
        first = start + dt.timedelta(days=offset)
        planned.append(
            Promotion(
                name=_PROMOTION_NAMES[period % len(_PROMOTION_NAMES)],
                first=first,
                last=first + dt.timedelta(days=_PROMOTION_DAYS - 1),
                uplift=round(float(chance.uniform(1.4, 1.8)), 2),
                discount=float(chance.choice((0.1, 0.15, 0.2))),
            )
        )
    return Season(start, days, tuple(planned))


def day_weights(plan: Season, before: int, chance: np.random.Generator) -> Floats:
    """Relative arrivals of each day, from ``before`` days ahead of the first to the last."""
    days = [plan.day(index) for index in range(-before, plan.days)]
    weekday = np.array([_WEEKDAYS[day.weekday()] for day in days])
    uplift = np.array([_uplift(day, plan.promotions) for day in days])
    noise = np.exp(chance.normal(0.0, _DAY_NOISE, len(days)))
    weights: Floats = weekday * uplift * noise
    return weights


def hour_weights() -> Floats:
    """Relative arrivals of the 24 hours of a day, in UTC."""
    return np.array(_HOURS)


def _uplift(day: dt.date, promotions: Sequence[Promotion]) -> float:
    for promotion in promotions:
        if promotion.first <= day <= promotion.last:
            return promotion.uplift
    return 1.0
