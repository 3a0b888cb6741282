"""How surprising is one more number, given a level and a spread that are themselves uncertain.

Each function returns the two tails (lower, upper): the chance of a value as small as the one
observed or smaller, and as large or larger. The day-to-day variance is not known exactly after a
few days: :func:`mixture` averages a tail over what it may be, which makes the tails as heavy as
the history is short.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from tallymark.stats.special import (
    Floats,
    beta_cdf,
    chi_square_quantile,
    log_gamma,
    poisson_tails,
    student_cdf,
)

__all__ = [
    "Tails",
    "beta_binomial_tails",
    "log_t_tails",
    "mid_tails",
    "mixture",
    "negative_binomial_tails",
    "variance_nodes",
]

Tails = tuple[float, float]

_NODES = 12  # Gauss-Legendre nodes: p-values down to 1e-6 within a few per cent
_TINY_DISPERSION = 1e-7  # below it a negative binomial is a Poisson to all digits shown
_LARGEST_SIZE = 1e8  # of a + b in Beta(a, b): beyond it log-gamma loses its digits
_EXACT_UP_TO = 200_000  # trials; beyond, the discreteness of a beta-binomial is invisible
_CHUNK = 512
_NEGLIGIBLE = 1e-12


@functools.cache
def _legendre() -> tuple[Floats, Floats]:
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    return (points + 1.0) / 2.0, weights / 2.0


def variance_nodes(variance: float, freedom: float) -> tuple[Floats, Floats]:
    """Values a variance may have, and their weights (sum 1).

    Args:
        variance: Its estimate.
        freedom: Degrees of freedom behind the estimate; the truth is scaled inverse chi-square.
    """
    probabilities, weights = _legendre()
    return variance * freedom / chi_square_quantile(freedom, probabilities), weights


def mixture(
    tails: Callable[[Floats], tuple[Floats, Floats]], variance: float, freedom: float
) -> Tails:
    """Tails averaged over the uncertainty of a variance."""
    values, weights = variance_nodes(variance, freedom)
    lower, upper = tails(values)
    return _share(float(weights @ lower)), _share(float(weights @ upper))


def mid_tails(tails: Tails) -> Tails:
    """Tails of a number of things with only half the chance of the very value that was observed.

    A tail of a discrete number is below a level less often than the level says, of a dozen orders
    about half as often: the value itself is counted whole, although only a part of it lies beyond
    any level. Counted half (the mid-p-value: Lancaster 1961; Agresti 2013, 1.4.4), a tail keeps
    what it promises on average over many days, as a budget of false alarms asks. No tail is more
    than halved.

    >>> mid_tails((0.25, 1.0))  # none of something of which there is none one day in four
    (0.125, 0.875)
    """
    lower, upper = tails
    shown = max(lower + upper - 1.0, 0.0)  # both tails hold the value itself
    return max(lower - shown / 2.0, lower / 2.0), max(upper - shown / 2.0, upper / 2.0)


def negative_binomial_tails(
    observed: int, mean: float, dispersion: Floats
) -> tuple[Floats, Floats]:
    """Tails of a count with mean ``mean`` and variance mean + dispersion * mean^2."""
    if mean <= 0:
        return np.ones_like(dispersion), np.full_like(dispersion, float(observed <= 0))
    if float(np.max(dispersion)) < _TINY_DISPERSION:
        low, high = poisson_tails(observed, mean)
        return np.full_like(dispersion, low), np.full_like(dispersion, high)
    size = 1.0 / np.maximum(dispersion, _TINY_DISPERSION)
    success = size / (size + mean)
    lower = beta_cdf(size, np.full_like(size, observed + 1.0), success)
    if observed <= 0:
        return lower, np.ones_like(lower)
    return lower, beta_cdf(np.full_like(size, float(observed)), size, 1.0 - success)


def beta_binomial_tails(
    successes: int, trials: int, rate: float, correlation: Floats
) -> tuple[Floats, Floats]:
    """Tails of a number of successes whose rate varies from day to day.

    Args:
        successes: Of this day.
        trials: Of this day.
        rate: The expected rate, strictly between 0 and 1.
        correlation: Variance of the rate / (rate * (1 - rate)), between 0 and 1.
    """
    size = np.clip(1.0 / np.clip(correlation, 1e-12, 1 - 1e-9) - 1.0, 1e-9, _LARGEST_SIZE)
    a, b = rate * size, (1.0 - rate) * size
    if trials > _EXACT_UP_TO:
        return _moment_matched(successes, trials, rate, size)
    at = np.exp(_log_choose(trials, successes) + _log_beta(successes + a, trials - successes + b)
                - _log_beta(a, b))  # fmt: skip
    if successes <= rate * trials:
        lower = at * _down(successes, trials, a, b)
        return np.minimum(lower, 1.0), np.clip(1.0 - lower + at, 0.0, 1.0)
    upper = at * _down(trials - successes, trials, b, a)
    return np.clip(1.0 - upper + at, 0.0, 1.0), np.minimum(upper, 1.0)


def _down(k: int, n: int, a: Floats, b: Floats) -> Floats:
    """Sum of P(X = j) / P(X = k) for j from k down to 0, for each (a, b)."""
    total = np.ones_like(a)
    last = np.ones_like(a)
    top = k
    while top > 0:
        j = np.arange(top, max(top - _CHUNK, 0), -1, dtype=np.float64)[:, None]
        ratios = j * (n - j + b) / ((n - j + 1.0) * (j - 1.0 + a))
        terms = last * np.cumprod(ratios, axis=0)
        total = total + terms.sum(axis=0)
        last = terms[-1]
        if bool(np.all(last < _NEGLIGIBLE * total)):
            break
        top -= _CHUNK
    return total


def _moment_matched(k: int, n: int, rate: float, size: Floats) -> tuple[Floats, Floats]:
    """The share k / n as a Beta variable of the same mean and variance."""
    matched = n * (size + 1.0) / (size + n) - 1.0
    a, b = rate * matched, (1.0 - rate) * matched
    lower = beta_cdf(a, b, np.full_like(a, min(1.0, (k + 0.5) / n)))
    upper = beta_cdf(b, a, np.full_like(a, min(1.0, (n - k + 0.5) / n)))
    return lower, upper


def log_t_tails(observed: float, centre: float, variance: float, freedom: float) -> Tails:
    """Tails of a logarithm around ``centre``: Student's t, so money may have wild days."""
    t = (observed - centre) / max(variance, 1e-12) ** 0.5
    return student_cdf(freedom, t), student_cdf(freedom, -t)


def _log_beta(a: Floats, b: Floats) -> Floats:
    return log_gamma(a) + log_gamma(b) - log_gamma(a + b)


def _log_choose(n: int, k: int) -> float:
    pieces = log_gamma(np.array([n + 1.0, k + 1.0, n - k + 1.0]))
    return float(pieces[0] - pieces[1] - pieces[2])


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
