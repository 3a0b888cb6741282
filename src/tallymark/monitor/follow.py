"""The default detector's numbers of one kind, followed from day to day, and their slow channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tallymark.config import MonitorRule
from tallymark.stats.dynamic import Belief, Dynamic, Family, Forecast

__all__ = ["WINDOWS", "Panel", "Seen", "Slot", "Window", "windowed"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Windows of the slow channel, in days: a window-limited scan (Lai 1995) stands for a CUSUM.
WINDOWS = (3, 7, 14)
# Beyond it a day's surprise counts no further in them: one wild day is no lasting shift, and has
# been judged alone. Sums of few orders, or none, stray that far now and then.
_LOUDEST = 3.0
_FILLED = 0.7  # of a window's days must have been judged
_LASTING = 0.5  # what days that resemble their neighbours (r = 0.2) add to the variance of a sum
_ANEW = 14  # days of one-sided surprises after which a level has changed for good
_ANEW_SCORE = 1.5  # their mean, in standard deviations
_ANEW_SHARE = 0.9  # of them on the same side
# A weekday that is odd as it was a week ago, beyond so many standard deviations each time and with
# so many days between that were not, is the shop's weekly habit: a quiet weekend, a market day.
_WEEK = 7
_ODD = 2.0
_CALM_DAYS = 4
_CERTAIN = 1e4  # degrees of freedom of a variance that is as good as known
_TINY = 1e-9
_PART = 0.5  # added to counts before their logarithm is taken


@dataclass(frozen=True, slots=True)
class Slot:
    """One number that is followed.

    Attributes:
        rule: The rule that asks for it.
        key: Id of a finding about it.
        values: Per day: counts, successes, or amounts; NaN where there is nothing to judge.
        trials: Per day, of a rate; NaN elsewhere.
        shown: Per day: the value as reports show it.
        scale: Per day: how the variance of the day's own effect is multiplied; 1 mostly.
        of: What a rate is of, in evidence.
    """

    rule: MonitorRule
    key: str
    values: Floats
    trials: Floats
    shown: Floats
    scale: Floats
    of: str = "of"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a panel says of one day, for each of its slots.

    Attributes:
        there: Whether the slot has a value and a past.
        forecast: What was expected.
        score: Standardised innovation.
        total: The day's variance on the number's scale, counting noise and all.
        noise: What that variance was expected to be before the day was seen.
        freedom: Degrees of freedom behind ``total`` (Satterthwaite 1946: only that part of it
            is uncertain which was learned, the day's own effect).
        days: Usable days of history.
    """

    there: Bools
    forecast: Forecast
    score: Floats
    total: Floats
    noise: Floats
    freedom: Floats
    days: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of days up to the one judged, taken together.

    Attributes:
        days: Its length.
        score: Sum of its surprises, standardised; NaN where too few days were judged.
        observed: Mean value (of a rate: pooled).
        expected: What its forecasts said, likewise.
        deviation: Standard deviation of the mean surprise, on the number's own scale.
    """

    days: int
    score: Floats
    observed: Floats
    expected: Floats
    deviation: Floats


class Panel:
    """All followed numbers of one family.

    Args:
        family: The family.
        slots: The numbers.
        belief: Before any history.
        half_life: In days, of the level.
        first_weekday: Of day 0.
    """

    def __init__(
        self,
        family: Family,
        slots: Sequence[Slot],
        belief: Belief,
        half_life: float,
        first_weekday: int,
    ) -> None:
        self.family = family
        self.slots = tuple(slots)
        self._weekday = first_weekday
        self._values = np.array([slot.values for slot in slots])
        self._trials = np.array([slot.trials for slot in slots])
        self._shown = np.array([slot.shown for slot in slots])
        self._scale = np.array([slot.scale for slot in slots])
        self.present: Bools = ~np.isnan(self._values)
        self._model = Dynamic(family, len(slots), belief, half_life)
        empty = np.full(self._values.shape, np.nan)
        self._scores, self._shared, self._own = empty.copy(), empty.copy(), empty.copy()
        self._expected, self._spread, self._raw = empty.copy(), empty.copy(), empty.copy()
        self._found: Forecast | None = None
        self._reopened = np.full(len(slots), -_ANEW)

    def resume(self, other: Panel) -> None:
        """Take on what another panel of the same slots has learned, of days that they share."""
        self._model = other._model.copy()
        self._found = other._found
        for name in ("_scores", "_shared", "_own", "_expected", "_spread", "_raw"):
            mine = getattr(self, name)
            mine[:] = getattr(other, name)[:, : mine.shape[1]]
        self._reopened = other._reopened.copy()

    def look(self, day: int, days: NDArray[np.int64]) -> Seen:
        """Compare a day with what was expected; the panel has been led on to it.

        Args:
            day: The day's number.
            days: Usable days of history of each slot.
        """
        self._model.advance(self._weekday + day, self._scale[:, day])
        found = self._model.forecast(self._scale[:, day])
        self._found = found
        there = self.present[:, day]
        values = np.where(there, self._values[:, day], 1.0)
        trials = np.where(there, self._trials[:, day], 1.0)
        score, gain = self._model.score(found, values, trials)
        known = there & (self._model.days > 0)
        total = found.spread / np.maximum(gain, _TINY)
        self._scores[:, day] = np.where(known, score, np.nan)
        self._raw[:, day] = self._scores[:, day]
        self._shared[:, day] = found.known / total
        self._spread[:, day] = total
        self._expected[:, day] = self._level(found.mean)
        own = np.maximum(found.spread - found.known, _TINY)
        self._own[:, day] = own / total
        freedom = np.minimum(found.freedom * np.square(total / own), _CERTAIN)
        noise = found.spread + self._counting(found.mean, trials)
        return Seen(known, found, score, total, noise, freedom, days)

    def skip(self, day: int) -> None:
        """Go past a day without a delivery."""
        self._model.advance(self._weekday + day, self._scale[:, day])
        self._found = None

    def learn(self, day: int, fit: Bools) -> None:
        """Let the day that was looked at move the states.

        Args:
            day: The day's number.
            fit: For which slots it was a normal day.
        """
        if self._found is None:
            return
        usable = (fit | self._weekly(day, fit)) & self.present[:, day]
        self._model.learn(
            self._found, self._values[:, day], self._trials[:, day], usable, self._scale[:, day]
        )
        self._scores[~fit, day] = np.nan
        self._settle(day)

    def leave_out(self, day: int) -> None:
        """A day that was looked at is known to be different, as of a promotion: no habit."""
        self._raw[:, day] = np.nan

    def _weekly(self, day: int, fit: Bools) -> Bools:
        """Which numbers, left out today, are as odd as a week ago: the weekday is found anew."""
        week = day - _WEEK
        if week < 0 or self._found is None:
            return np.zeros(len(self.slots), dtype=np.bool_)
        now, then = self._raw[:, day], self._raw[:, week]
        alike = self._raw[:, week + 1 : day] * np.sign(now)[:, None]
        calm = (alike < _ODD).sum(axis=1) >= _CALM_DAYS
        again: Bools = ~fit & calm
        again &= (np.minimum(np.abs(now), np.abs(then)) > _ODD) & (now * then > 0)
        if bool(again.any()):
            away = np.where(again, self._away(day), 0.0)
            self._model.reopen(again, np.square(away), weekday=self._weekday + day)
            self._found = self._model.forecast(self._scale[:, day])
        return again

    def _away(self, day: int) -> Floats:
        """How far a day was from what was expected, on the numbers' own scale."""
        values, expected, trials = (
            one[:, day] for one in (self._values, self._expected, self._trials)
        )
        if self.family is Family.RATE:
            expected = expected * trials
            lost, kept = trials - values + _PART, trials - expected + _PART
            away = np.log((values + _PART) / lost) - np.log((expected + _PART) / kept)
            return np.asarray(away, dtype=np.float64)
        return np.asarray(np.log((values + _PART) / (expected + _PART)), dtype=np.float64)

    def _settle(self, day: int) -> None:
        """A change of two weeks is no incident any more but the shop as it is: learn it anew."""
        if day < _ANEW:
            return
        recent = self._scores[:, day - _ANEW + 1 : day + 1]
        seen = ~np.isnan(recent)
        count = np.maximum(seen.sum(axis=1), 1)
        mean = np.where(seen, recent, 0.0).sum(axis=1) / count
        side = (np.where(seen, recent, 0.0) * np.sign(mean)[:, None] > 0).sum(axis=1) / count
        lasting = (np.abs(mean) > _ANEW_SCORE) & (side >= _ANEW_SHARE) & (count >= _ANEW - 2)
        lasting &= day - self._reopened >= _ANEW
        if bool(lasting.any()):
            shift = mean * np.sqrt(np.nan_to_num(self._spread[:, day], nan=1.0))
            self._model.reopen(lasting, np.square(shift))
            self._reopened = np.where(lasting, day, self._reopened)

    def windows(self, day: int) -> list[Window]:
        """The slow channel: stretches up to the day, taken together."""
        found = []
        for length in WINDOWS:
            if day + 1 < length:
                continue
            part = slice(day - length + 1, day + 1)
            score, deviation, seen = windowed(
                np.clip(self._scores[:, part], -_LOUDEST, _LOUDEST),
                self._shared[:, part],
                self._own[:, part],
                self._spread[:, part],
            )
            weights = np.where(seen, 1.0, 0.0)
            if self.family is Family.RATE:
                weights = weights * np.nan_to_num(self._trials[:, part], nan=0.0)
            size = np.maximum(weights.sum(axis=1), _TINY)
            shown = np.where(seen, self._shown[:, part], 0.0)
            expected = np.where(seen, self._expected[:, part], 0.0)
            found.append(
                Window(
                    length,
                    score,
                    (weights * shown).sum(axis=1) / size,
                    (weights * expected).sum(axis=1) / size,
                    deviation,
                )
            )
        return found

    def expected(self, day: int) -> Floats:
        """The expected values of a day that was looked at."""
        found: Floats = self._expected[:, day]
        return found

    def _counting(self, mean: Floats, trials: Floats) -> Floats:
        """Variance on the number's scale that comes of counting as many as are expected."""
        if self.family is Family.MONEY:
            return np.zeros_like(mean)
        if self.family is Family.COUNT:
            return np.exp(-mean)
        rate = self._level(mean)
        return np.asarray(1.0 / np.maximum(trials * rate * (1.0 - rate), _TINY), dtype=np.float64)

    def _level(self, mean: Floats) -> Floats:
        if self.family is Family.RATE:
            return np.asarray(1.0 / (1.0 + np.exp(-mean)), dtype=np.float64)
        return np.exp(mean)


def windowed(
    scores: Floats, shared: Floats, own: Floats, spread: Floats
) -> tuple[Floats, Floats, Bools]:
    """Sums of surprises over the last column's window, standardised.

    n surprises of variance 1 and mutual correlation r sum to a variance of n (1 + (n - 1) r): they
    were held against one level, and r is the part of their variance that is doubt about it. The
    effects of neighbouring days are a little alike too, which adds 2 r / (1 - r) for a first-order
    autoregression; counting noise, the rest, is not.

    Args:
        scores: Numbers x days; NaN where not judged.
        shared: Part of each score's variance that is doubt about the level.
        own: Part that is the day's own effect.
        spread: Variance behind each score, on the number's own scale.

    Returns:
        The standardised sums, NaN where too few days were judged or where the last day points the
        other way; the standard deviations of the mean surprises; which days were judged.
    """
    seen = ~np.isnan(scores)
    count = seen.sum(axis=1)
    safe = np.maximum(count, 1)
    together = np.where(seen, shared, 0.0).sum(axis=1) / safe
    alike = _LASTING * np.where(seen, own, 0.0).sum(axis=1) / safe
    total = np.where(seen, scores, 0.0).sum(axis=1)
    factor = 1.0 + (safe - 1.0) * (np.minimum(together, 1.0) + alike / safe)
    score = total / np.sqrt(safe * factor)
    last = np.where(seen[:, -1], scores[:, -1], 0.0)
    enough = (count >= _FILLED * scores.shape[1]) & (last * score > 0)
    mean = np.where(seen, spread, 0.0).sum(axis=1) / safe
    return np.where(enough, score, np.nan), np.sqrt(mean * factor / safe), seen
