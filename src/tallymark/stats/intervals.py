"""Intervals for shares, and the quantile of the normal distribution they rest on."""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["none_seen", "normal_quantile", "wilson"]

_NORMAL = NormalDist()


def normal_quantile(probability: float) -> float:
    """The value below which a standard normal falls with ``probability`` (0 < p < 1).

    >>> round(normal_quantile(0.975), 4)
    1.96
    """
    return _NORMAL.inv_cdf(probability)


def wilson(successes: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share; (0, 1) when there were no trials.

    Unlike the textbook interval it stays inside 0 and 1 and is honest for few trials.

    >>> low, high = wilson(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)

    Raises:
        ValueError: ``successes`` is not between 0 and ``trials``.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no share")
    if trials == 0:
        return 0.0, 1.0
    z = normal_quantile(0.5 + confidence / 2)
    share = successes / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return low, high


def none_seen(trials: int, confidence: float = 0.95) -> float:
    """The largest share that still agrees with not one success: the exact one-sided bound.

    That of Clopper and Pearson (1934) for no success, ``1 - (1 - confidence)^(1/trials)``; about
    ``3 / trials`` at 95 %, the rule of three. Resampling says nothing here: it finds only zeros.

    >>> round(none_seen(100), 4), none_seen(0)
    (0.0295, 1.0)
    """
    return 1.0 if trials <= 0 else 1 - (1 - confidence) ** (1 / trials)
