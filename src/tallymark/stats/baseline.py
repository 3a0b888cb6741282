"""What today should be like: level, weekday and day-to-day spread of a number's own past.

Spread is a variance on the logarithmic scale (counts) or the logit scale (rates), beyond
what counting alone explains. A few days cannot tell it, so it is drawn towards a prior, and how
little is known is kept as degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tallymark.stats.special import Floats

__all__ = ["Baseline", "Past", "Prior", "count_baseline", "rate_baseline"]

_WEEK = 7
_HALF_LIFE = 21.0  # days after which a day weighs half
_WEEKDAY_NEEDS = 14  # days of history before weekdays are told apart
_WEEKDAY_SHRINK = 1.5  # days of "no weekday effect" that each weekday starts with
_CLIP = 3.0  # robust standard deviations beyond which a past day counts no further
_CLIP_NEEDS = 5  # days before a robust standard deviation means anything
_MAD = 1.4826  # of the median absolute deviation, to be a standard deviation


@dataclass(frozen=True, slots=True)
class Past:
    """The days that may be compared with: how long ago each lies, in days (1 is yesterday)."""

    ages: NDArray[np.int64]

    @property
    def weights(self) -> Floats:
        """Recent days weigh more."""
        weights: Floats = 0.5 ** (self.ages / _HALF_LIFE)
        return weights

    @property
    def knows_weekdays(self) -> bool:
        """Whether there is enough to tell weekdays apart."""
        return len(self.ages) >= _WEEKDAY_NEEDS


@dataclass(frozen=True, slots=True)
class Prior:
    """Day-to-day standard deviation believed before any history, and for how many days' worth."""

    spread: float
    unknown_weekday: float
    freedom: float = 6.0

    def variance(self, *, knows_weekdays: bool) -> float:
        """The prior variance; larger while Sundays cannot be told from Mondays."""
        extra = 0.0 if knows_weekdays else self.unknown_weekday**2
        return self.spread**2 + extra


@dataclass(frozen=True, slots=True)
class Baseline:
    """What today should be.

    Attributes:
        level: The expected value, on its own scale.
        spread: Variance around it on the log or logit scale, counting noise of today left out,
            the uncertainty of the level itself included.
        freedom: Degrees of freedom behind ``spread``.
        days: Days of history used.
        weekday: Whether the weekday is allowed for.
    """

    level: float
    spread: float
    freedom: float
    days: int
    weekday: bool


def count_baseline(values: Floats, past: Past, prior: Prior) -> Baseline:
    """The baseline of a count; ``values`` belong to ``past.ages``."""
    weights = past.weights
    logs = np.log(values + 0.5)
    centre = _weighted_median(logs, weights)
    effects = np.zeros(len(values))
    today = 0.0
    level = float(np.exp(centre))
    for _ in range(2):
        tame = _tamed(values, np.exp(centre + effects))
        level = float(weights @ tame / (weights @ np.exp(effects)))
        residuals = logs - np.log(level + 0.5) - effects
        if not past.knows_weekdays:
            break
        effects, today = _weekday_effects(logs - np.log(level + 0.5), past)
        centre = _weighted_median(logs - effects, weights)
    noise = 1.0 / np.maximum(level * np.exp(effects), 1.0)
    counted = float(weights**2 @ noise) / float(weights.sum()) ** 2
    return _finish(level * float(np.exp(today)), residuals, noise, past, prior, counted)


def rate_baseline(successes: Floats, trials: Floats, past: Past, prior: Prior) -> Baseline:
    """The baseline of a rate; days without trials must be left out by the caller."""
    weights = past.weights
    logits = np.log((successes + 0.5) / (trials - successes + 0.5))
    clipped = _clipped_shares(successes, trials, logits)
    won = float(weights @ (clipped * trials)) + 0.5
    rate = won / (float(weights @ trials) + 1.0)
    base = float(np.log(rate / (1.0 - rate)))
    noise = 1.0 / (trials * rate * (1.0 - rate))
    # where not even one failure a day is expected, the logit jumps with single rows: no evidence
    jumps = np.where(noise < 1.0, logits - base, 0.0)
    noise = np.where(noise < 1.0, noise, 0.0)
    effects, today = np.zeros(len(trials)), 0.0
    if past.knows_weekdays:
        effects, today = _weekday_effects(jumps, past)
    level = 1.0 / (1.0 + float(np.exp(-(base + today))))
    counted = 1.0 / ((float(trials.sum()) + 1.0) * rate * (1.0 - rate))
    return _finish(level, jumps - effects, noise, past, prior, counted)


def _finish(
    level: float, residuals: Floats, noise: Floats, past: Past, prior: Prior, counted: float
) -> Baseline:
    """Spread drawn towards the prior, plus what the uncertainty of the level adds.

    ``noise`` is the counting variance of each residual, ``counted`` that of the level.
    """
    days = len(residuals)
    deviation = _robust_deviation(residuals)
    if deviation is not None:
        edge = _CLIP * max(deviation, float(np.sqrt(np.mean(noise))))
        residuals = np.clip(residuals, -edge, edge)
    weekday = past.knows_weekdays
    fitted = 1.0 + ((_WEEK - 1.0) * days / (days + _WEEK * _WEEKDAY_SHRINK) if weekday else 0.0)
    own = max(days - fitted, 0.0)
    excess = max(0.0, float(np.sum(residuals**2)) - float(np.mean(noise)) * own)
    believed = prior.freedom * prior.variance(knows_weekdays=weekday)
    variance = (believed + excess) / (prior.freedom + own)
    weights = past.weights
    uncertain = variance * float(np.sum(weights**2) / weights.sum() ** 2) + counted
    if weekday:
        same = float(np.count_nonzero(past.ages % _WEEK == 0))
        uncertain += (variance + float(np.mean(noise))) / (same + _WEEKDAY_SHRINK)
    return Baseline(level, variance + uncertain, prior.freedom + own, days, weekday)


def _weekday_effects(residuals: Floats, past: Past) -> tuple[Floats, float]:
    """The effect on each past day, and on today, of its weekday; drawn towards none."""
    weekday = past.ages % _WEEK  # 0 is today's
    effects = np.zeros(len(residuals))
    deviation = _robust_deviation(residuals)
    if deviation is not None:
        residuals = np.clip(residuals, -_CLIP * deviation, _CLIP * deviation)
    today = 0.0
    for day in range(_WEEK):
        mask = weekday == day
        found = float(residuals[mask].sum()) / (float(mask.sum()) + _WEEKDAY_SHRINK)
        effects[mask] = found
        if day == 0:
            today = found
    return effects, today


def _tamed(values: Floats, expected: Floats) -> Floats:
    """Counts with days beyond belief moved to its edge, so that no single day sets the level."""
    ratios = np.log((values + 0.5) / (expected + 0.5))
    deviation = _robust_deviation(ratios)
    if deviation is None:
        return values
    noise = 1.0 / np.sqrt(np.maximum(expected, 1.0))
    edge = np.exp(_CLIP * np.maximum(deviation, noise))
    return np.clip(values, expected / edge, expected * edge)


def _clipped_shares(successes: Floats, trials: Floats, logits: Floats) -> Floats:
    shares = successes / trials
    deviation = _robust_deviation(logits)
    if deviation is None:
        return shares
    middle = _median(logits)
    noise = 1.0 / np.sqrt(np.maximum(np.minimum(successes, trials - successes), 1.0))
    edge = _CLIP * np.maximum(deviation, noise)
    low, high = (1.0 / (1.0 + np.exp(-(middle + side * edge))) for side in (-1.0, 1.0))
    return np.clip(shares, low, high)


def _robust_deviation(values: Floats) -> float | None:
    if len(values) < _CLIP_NEEDS:
        return None
    deviation = _MAD * _median(np.abs(values - _median(values)))
    return deviation if deviation > 0 else None


def _median(values: Floats) -> float:
    """The median; a sort of a few dozen numbers is ten times quicker than numpy's own."""
    ordered, count = np.sort(values), len(values)
    return float(ordered[(count - 1) // 2] + ordered[count // 2]) / 2.0


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    running = np.cumsum(weights[order])
    return float(values[order][int(np.searchsorted(running, running[-1] / 2.0))])
