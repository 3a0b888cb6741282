"""What today should be like: many numbers followed at once, each a state of level, slope, weekday.

A dynamic generalised linear model (West, Harrison and Migon 1985; West and Harrison 1997, chapter
14) with a random effect of each day (Berry and West 2020). On its own scale (logarithm of counts
and money, logit of rates) the mean of a day is

    eta = level + weekday effect + effect of the day,    effect of the day ~ N(0, V h)

and the state walks: level += slope + N(0, W), slope *= 0.98. Counts are Poisson and numbers of
successes binomial given eta. A day's forecast is the conjugate distribution with the mean and
variance of eta: gamma (hence a negative binomial count) or beta (hence a beta-binomial); its
posterior moments move the state by linear Bayes. Money is Gaussian on the logarithm. V is learned
from squared innovations, drawn towards a belief, with degrees of freedom as evidence comes in. No
innovation counts beyond three standard deviations, so that one wild day sets nothing.

One step is a few array operations over all numbers, so following a year costs what a year of days
costs and not its square.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from tallymark.stats.special import Floats, digamma, trigamma

__all__ = ["Belief", "Dynamic", "Family", "Forecast"]

WEEK = 7
_LEVEL, _SLOPE, _WEEKDAYS = 0, 1, 2
_STATES = _WEEKDAYS + WEEK
_DAMPING = 0.98  # of the slope a day: a trend of today is half believed in five weeks
_UNKNOWN = 25.0  # variance of a level before its first day
_CLIP = 3.0  # standard deviations beyond which an innovation counts no further
_MEMORY = 0.99  # of the evidence on the day-to-day variance, a day
_LEAST = 0.04  # of the believed variance: no number is taken to be steadier
_EDGE = 25.0  # of logits and of the logarithm of a mean: beyond it floats say no more
_WIDEST = 1.0  # variance up to which gamma and beta are matched by simple formulas
_TINY = 1e-9


class Family(Enum):
    """The kind of number."""

    COUNT = "count"
    RATE = "rate"
    MONEY = "money"


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of a number before it has a history.

    Attributes:
        variance: V: of a day's effect, on the number's scale.
        weekday: Standard deviation of weekday effects.
        slope: Standard deviation of a day's trend.
        drift: The most of a day's variance to which the level's walk is held in proportion.
        freedom: For how many days' worth the variance is believed.
    """

    variance: float
    weekday: float
    slope: float
    drift: float = 0.0144
    freedom: float = 6.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of a day, for every number.

    Attributes:
        mean: Of eta.
        known: Variance of eta from the state alone: how well the level is known.
        spread: Variance of eta: ``known`` and the day's own effect.
        freedom: Degrees of freedom behind the spread.
    """

    mean: Floats
    known: Floats
    spread: Floats
    freedom: Floats


class Dynamic:
    """The states of many numbers of one family, on one day.

    Args:
        family: The kind of number.
        size: How many.
        belief: Before any history.
        half_life: Days after which a day weighs half in the level of a long history.
    """

    def __init__(self, family: Family, size: int, belief: Belief, half_life: float) -> None:
        self.family = family
        self._belief = belief
        gain = float(np.log(2.0)) / half_life
        self._walk = gain * gain / (1.0 - gain)  # W / V that has this gain in the long run
        self._mean = np.zeros((size, _STATES))
        variances = np.array([_UNKNOWN, belief.slope**2, *[belief.weekday**2] * WEEK])
        self._cov = np.tile(np.diag(variances), (size, 1, 1))
        self._squares = np.zeros(size)
        self._evidence = np.zeros(size)
        self._weekday = 0
        self.days = np.zeros(size, dtype=np.int64)

    def copy(self) -> Dynamic:
        """The same states, to be led on from here without touching these."""
        twin = copy.copy(self)
        for name in ("_mean", "_cov", "_squares", "_evidence", "days"):
            setattr(twin, name, getattr(self, name).copy())
        return twin

    @property
    def variance(self) -> Floats:
        """V of each number: belief and evidence together."""
        believed = self._belief.freedom * self._belief.variance
        found = (believed + self._squares) / (self._belief.freedom + self._evidence)
        return np.maximum(found, _LEAST * self._belief.variance)

    def advance(self, weekday: int, scale: Floats | None = None) -> None:
        """Go on to the next day, whatever is known of the day before.

        Args:
            weekday: Of the next day, 0 to 6.
            scale: h of each number's day; default 1.
        """
        mean, cov = self._mean, self._cov
        mean[:, _LEVEL] += mean[:, _SLOPE]
        mean[:, _SLOPE] *= _DAMPING
        cov[:, _LEVEL, :] += cov[:, _SLOPE, :]
        cov[:, :, _LEVEL] += cov[:, :, _SLOPE]
        cov[:, _SLOPE, :] *= _DAMPING
        cov[:, :, _SLOPE] *= _DAMPING
        own = self.variance * (1.0 if scale is None else scale)
        cov[:, _LEVEL, _LEVEL] += self._walk * np.minimum(own, self._belief.drift)
        cov[:, _SLOPE, _SLOPE] += (1.0 - _DAMPING**2) * self._belief.slope**2
        self._weekday = _WEEKDAYS + weekday % WEEK

    def forecast(self, scale: Floats | None = None) -> Forecast:
        """What is expected of the day.

        Args:
            scale: h of each number's day; default 1.
        """
        day = self._weekday
        known = (
            self._cov[:, _LEVEL, _LEVEL] + 2.0 * self._cov[:, _LEVEL, day] + self._cov[:, day, day]
        )
        known = np.maximum(known, _TINY)
        own = self.variance * (1.0 if scale is None else scale)
        mean = np.clip(self._mean[:, _LEVEL] + self._mean[:, day], -_EDGE, _EDGE)
        return Forecast(mean, known, known + own, self._belief.freedom + self._evidence)

    def score(
        self, found: Forecast, values: Floats, trials: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Pearson's residuals of the predictive distribution, and gains.

        The residuals have mean 0 and variance 1 on normal days; the gain is the share of the
        day's variance, on the number's scale, that is not counting noise.

        Args:
            found: The day's forecast.
            values: Counts, successes, or amounts.
            trials: Of rates.
        """
        _, gain = self._posterior(found, values, trials)
        return self._residual(found, values, trials), gain

    def learn(
        self,
        found: Forecast,
        values: Floats,
        trials: Floats | None,
        fit: NDArray[np.bool_],
        scale: Floats | None = None,
    ) -> None:
        """Let a normal day move the states.

        Args:
            found: The day's forecast.
            values: Counts, successes, or amounts; anything where ``fit`` is false.
            trials: Of rates.
            fit: For which numbers the day counts.
            scale: As the forecast had it.
        """
        safe = np.where(fit, values, 1.0)
        tried = None if trials is None else np.where(fit, trials, 1.0)
        shift, gain = self._posterior(found, safe, tried)
        edge = _CLIP * np.sqrt(found.spread * gain)
        clipped = np.clip(self._residual(found, safe, tried), -_CLIP, _CLIP)
        new = self.days == 0  # nothing is known of the level: nothing to hold the first day against
        first = fit & new
        later = fit & ~new
        shift = np.clip(shift, -edge, edge)
        self._adapt(found, clipped, gain, later, 1.0 if scale is None else scale)
        if bool(first.any()):
            seen, noise = self._working(safe, tried)
            gain = np.where(first, found.spread / (found.spread + noise), gain)
            shift = np.where(first, (seen - found.mean) * gain, shift)
        column = self._cov[:, :, _LEVEL] + self._cov[:, :, self._weekday]
        towards = column / found.spread[:, None]
        self._mean += np.where(fit, shift, 0.0)[:, None] * towards
        reduction = np.where(fit, gain / found.spread, 0.0)
        self._cov -= column[:, :, None] * column[:, None, :] * reduction[:, None, None]
        self.days += fit

    def reopen(
        self, which: NDArray[np.bool_], variance: Floats, weekday: int | None = None
    ) -> None:
        """Let the level of some numbers be found anew: it has changed for good (intervention).

        Args:
            which: Of the numbers.
            variance: Added to that of the level.
            weekday: The effect of this weekday, and not the level, is to be found anew.
        """
        state = _LEVEL if weekday is None else _WEEKDAYS + weekday % WEEK
        self._cov[:, state, state] += np.where(which, variance, 0.0)

    def _adapt(
        self,
        found: Forecast,
        clipped: Floats,
        gain: Floats,
        fit: NDArray[np.bool_],
        scale: Floats | float,
    ) -> None:
        """Learn V: what squared innovations have beyond the rest, weighed by what they tell of V.

        The innovation e has variance spread / gain, so e^2 tells V h with the relative weight
        (V h gain / spread)^2: the inverse of its variance, that of a day known exactly being 1.
        """
        total = found.spread / np.maximum(gain, _TINY)
        own = self.variance * scale
        weight = np.where(fit, np.square(own / total), 0.0)
        excess = (np.square(clipped) * total - (total - own)) / scale
        self._squares = _MEMORY * self._squares + weight * np.where(fit, excess, 0.0)
        self._evidence = _MEMORY * self._evidence + weight

    def _posterior(
        self, found: Forecast, values: Floats, trials: Floats | None
    ) -> tuple[Floats, Floats]:
        """How far eta's mean moves when the day is seen, and the share of variance that goes."""
        spread = found.spread
        if self.family is Family.MONEY:
            return np.log(np.maximum(values, _TINY)) - found.mean, np.ones_like(spread)
        spread = np.minimum(spread, _WIDEST)
        if self.family is Family.COUNT:
            shape = 1.0 / spread + 0.5
            before = trigamma(shape)
            rate = np.exp(digamma(shape) - found.mean)
            shift = digamma(shape + values) - digamma(shape) - np.log1p(1.0 / rate)
            return shift, 1.0 - trigamma(shape + values) / before
        if trials is None:
            raise ValueError("rates need trials")
        a = (1.0 + np.exp(found.mean)) / spread
        b = (1.0 + np.exp(-found.mean)) / spread
        failures = np.maximum(trials - values, 0.0)
        shift = digamma(a + values) - digamma(b + failures) - digamma(a) + digamma(b)
        after = trigamma(a + values) + trigamma(b + failures)
        return shift, np.clip(1.0 - after / (trigamma(a) + trigamma(b)), 0.0, 1.0)

    def _residual(self, found: Forecast, values: Floats, trials: Floats | None) -> Floats:
        spread = found.spread
        if self.family is Family.MONEY:
            away = np.log(np.maximum(values, _TINY)) - found.mean
            return np.asarray(away / np.sqrt(spread), dtype=np.float64)
        spread = np.minimum(spread, _WIDEST)
        if self.family is Family.COUNT:
            shape = 1.0 / spread + 0.5
            level = shape * np.exp(found.mean - digamma(shape))
            deviation = np.sqrt(level + np.square(level) / shape)
            return np.asarray((values - level) / deviation, dtype=np.float64)
        tried = np.ones_like(values) if trials is None else trials
        rate = 1.0 / (1.0 + np.exp(-found.mean))
        size = (2.0 + np.exp(found.mean) + np.exp(-found.mean)) / spread
        variance = tried * rate * (1.0 - rate) * (size + tried) / (size + 1.0)
        return np.asarray((values - tried * rate) / np.sqrt(np.maximum(variance, _TINY)),
                          dtype=np.float64)  # fmt: skip

    def _working(self, values: Floats, trials: Floats | None) -> tuple[Floats, Floats]:
        """The first day on the number's scale, and the variance of its counting noise."""
        if self.family is Family.RATE and trials is not None:
            won, lost = values + 0.5, np.maximum(trials - values, 0.0) + 0.5
            return np.log(won / lost), 1.0 / won + 1.0 / lost
        if self.family is Family.COUNT:
            return np.log(values + 0.5), 1.0 / (values + 0.5)
        return np.log(np.maximum(values, _TINY)), np.zeros_like(values)
