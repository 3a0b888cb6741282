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
    grouping = _grouping(expected, today, total)
    freedom = grouping.shape[1] - 1
    if freedom < 1:
        return None
    usual = expected @ grouping
    sizes = history.sum(axis=1)
    days = history[sizes > 1] @ grouping
    sizes = sizes[sizes > 1]
    excess = float(np.sum((_g(days, np.outer(sizes, usual)) / freedom - 1.0) / (sizes - 1.0)))
    known = float(len(sizes))
    correlation = (_PRIOR_DAYS * prior + max(0.0, excess)) / (_PRIOR_DAYS + known)
    dispersion = 1.0 + (total - 1.0) * correlation * (1.0 + 1.0 / max(known, 1.0))
    statistic = float(_g(today @ grouping, usual * total)) / freedom / dispersion
    p = f_survival(float(freedom), _PRIOR_DAYS + known, statistic)
    return MixShift(p, expected, today / total, dispersion)


def _grouping(expected: Floats, today: Floats, total: float) -> Floats:
    """Kinds x groups, 0 or 1: kinds common enough stand alone, all the rest are one group."""
    alone = expected * total >= _FEWEST
    matrix = np.eye(len(expected))[:, alone]
    if bool(np.any((expected > 0) & ~alone) or np.any((today > 0) & ~alone)):
        matrix = np.column_stack([matrix, (~alone).astype(np.float64)])
    return matrix


def _g(observed: Floats, expected: Floats) -> Floats:
    """Twice the log-likelihood ratio; half an event stands in where none was ever expected."""
    expected = np.maximum(expected, 0.5)
    ratio = np.log(np.where(observed > 0, observed / expected, 1.0))
    terms = observed * ratio - (observed - expected)
    found: Floats = np.maximum(0.0, 2.0 * np.sum(terms, axis=-1))
    return found
