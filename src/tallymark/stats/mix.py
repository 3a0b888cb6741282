"""Has the mix changed: one test over all shares of a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tallymark.stats.special import Floats, f_survival

__all__ = ["MixShift", "mix_shift"]

_FEWEST = 5.0  # expected of a kind in a day; rarer kinds are taken together
_PRIOR_DAYS = 6.0


@dataclass(frozen=True, slots=True)
class MixShift:
    """The comparison of one day's mix with its past.

    Attributes:
        p: The chance of so great a difference when nothing has changed.
        expected: The usual share of each kind, as given.
        observed: Today's.
        dispersion: How many times more than by chance the mix varies from day to day.
    """

    p: float
    expected: Floats
    observed: Floats
    dispersion: float


def mix_shift(today: Floats, history: Floats, weights: Floats, *, prior: float) -> MixShift | None:
    """Compare a day's counts of each kind with those of past days: a G-test, F-scaled.

    Args:
        today: Count of each kind.
        history: Days x kinds.
        weights: Weight of each past day.
        prior: Correlation of two visits of one day believed before history: the variance of
            shares from day to day, relative to share * (1 - share).

    Returns:
        None when there is nothing to compare.
    """
    total = float(today.sum())
    pooled = weights @ history
    if total <= 0 or float(pooled.sum()) <= 0:
        return None
    expected = pooled / float(pooled.sum())
    groups = _groups(expected, today, total)
    if len(groups) < 2:  # noqa: PLR2004 -- one kind is no mix
        return None
    usual = np.array([expected[g].sum() for g in groups])
    freedom = len(groups) - 1
    sizes = history.sum(axis=1)
    excess, known = 0.0, 0.0
    for counts, size in zip(history, sizes, strict=True):
        if size <= 1:
            continue
        day = np.array([counts[g].sum() for g in groups])
        excess += (_g(day, usual * size) / freedom - 1.0) / (size - 1.0)
        known += 1.0
    correlation = (_PRIOR_DAYS * prior + max(0.0, excess)) / (_PRIOR_DAYS + known)
    dispersion = 1.0 + (total - 1.0) * correlation * (1.0 + 1.0 / max(known, 1.0))
    now = np.array([today[g].sum() for g in groups])
    statistic = _g(now, usual * total) / freedom / dispersion
    p = f_survival(float(freedom), _PRIOR_DAYS + known, statistic)
    return MixShift(p, expected, today / total, dispersion)


def _groups(expected: Floats, today: Floats, total: float) -> list[list[int]]:
    """Kinds common enough to stand alone, and one group of all the rest."""
    alone = [i for i in range(len(expected)) if expected[i] * total >= _FEWEST]
    rest = [i for i in range(len(expected)) if i not in set(alone)]
    if rest and (expected[rest].sum() > 0 or today[rest].sum() > 0):
        return [*([i] for i in alone), rest]
    return [[i] for i in alone]


def _g(observed: Floats, expected: Floats) -> float:
    """Twice the log-likelihood ratio; half an event stands in where none was ever expected."""
    expected = np.maximum(expected, 0.5)
    seen = observed > 0
    ratio = np.log(np.divide(observed, expected, out=np.ones_like(observed), where=seen))
    return max(0.0, 2.0 * float(np.sum(observed * ratio - (observed - expected))))
