"""What a sample can show: intervals of means, ratios and totals, and the change it could see.

Up to :data:`BOOTSTRAP_LIMIT` values the intervals are a seeded percentile bootstrap; above, the
normal approximation that the bootstrap converges to. The same input gives the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tallymark.stats.intervals import normal_quantile

__all__ = [
    "BOOTSTRAP_LIMIT",
    "Interval",
    "bootstrap_mean",
    "bootstrap_ratio",
    "bootstrap_total",
    "smallest_visible_change",
]

BOOTSTRAP_LIMIT = 5_000
_DRAWS = 4_000
_AT_ONCE = 250  # draws at a time, so that memory stays near 10 MB
_PAIR = 2  # fewer values have no spread


class Interval(NamedTuple):
    """A closed range, in the unit of what it is a range of."""

    low: float
    high: float


def bootstrap_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    *,
    seed: int,
    level: float = 0.95,
) -> Interval:
    """The interval of sum(numerators) / sum(denominators), drawing the pairs again.

    Raises:
        ValueError: Fewer than two pairs, unequal lengths, or denominators that add up to nothing.

    >>> bootstrap_ratio([1.0, 1.0, 1.0], [2.0, 2.0, 2.0], seed=1)
    Interval(low=0.5, high=0.5)
    """
    top = np.asarray(numerators, dtype=float)
    bottom = np.asarray(denominators, dtype=float)
    n = len(top)
    if n < _PAIR or len(bottom) != n or not bottom.sum() > 0:
        msg = "a ratio needs at least two pairs and a positive denominator"
        raise ValueError(msg)
    if n > BOOTSTRAP_LIMIT:
        ratio = float(top.sum() / bottom.sum())
        spread = math.sqrt(float(((top - ratio * bottom) ** 2).sum())) / float(bottom.sum())
        return _normal(ratio, spread, level)
    random = np.random.default_rng(seed)
    found = []
    for _ in range(_DRAWS // _AT_ONCE):
        picks = random.integers(0, n, size=(_AT_ONCE, n))
        below = bottom[picks].sum(axis=1)
        above = top[picks].sum(axis=1)
        found.append(above[below > 0] / below[below > 0])
    return _percentiles(np.concatenate(found), level)


def bootstrap_mean(values: Sequence[float], *, seed: int, level: float = 0.95) -> Interval:
    """The interval of a mean, in the unit of the values.

    Raises:
        ValueError: Fewer than two values.
    """
    return bootstrap_ratio(values, [1.0] * len(values), seed=seed, level=level)


def bootstrap_total(values: Sequence[float], *, seed: int, level: float = 0.95) -> Interval:
    """Where a total would fall by chance alone if the same rate of arrivals came again.

    Each value comes again a Poisson number of times (mean 1), so that both how many arrive and
    how large they are may vary.

    Raises:
        ValueError: Fewer than two values.
    """
    array = np.asarray(values, dtype=float)
    n = len(array)
    if n < _PAIR:
        msg = "a total needs at least two values for an interval"
        raise ValueError(msg)
    if n > BOOTSTRAP_LIMIT:
        return _normal(float(array.sum()), math.sqrt(float((array**2).sum())), level)
    random = np.random.default_rng(seed)
    totals = [
        random.poisson(1.0, size=(_AT_ONCE, n)).astype(float) @ array
        for _ in range(_DRAWS // _AT_ONCE)
    ]
    return _percentiles(np.concatenate(totals), level)


def _normal(middle: float, spread: float, level: float) -> Interval:
    half = normal_quantile(0.5 + level / 2) * spread
    return Interval(middle - half, middle + half)


def _percentiles(drawn: np.ndarray[tuple[int], np.dtype[np.float64]], level: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def smallest_visible_change(
    successes: int, trials: int, *, level: float = 0.95, power: float = 0.8
) -> float:
    """The relative change of a share that two samples of this size would show with ``power``.

    0.25 means plus or minus 25 %. Infinite without a success: nothing could be seen then.

    Raises:
        ValueError: The counts are no share, or nothing was tried.

    >>> round(smallest_visible_change(280, 36_800), 3)
    0.236
    """
    if trials < 1 or not 0 <= successes <= trials:
        msg = f"{successes} of {trials} is no share"
        raise ValueError(msg)
    if successes == 0:
        return math.inf
    share = successes / trials
    z = normal_quantile(0.5 + level / 2) + normal_quantile(power)
    return z * math.sqrt(2 * share * (1 - share) / trials) / share
