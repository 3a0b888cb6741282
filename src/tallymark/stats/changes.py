"""When did it begin: the stretch of time whose rate differs most from the rest."""

from __future__ import annotations

import numpy as np

from tallymark.stats.special import Floats

__all__ = ["changed_stretch"]

_CLEAR = 4.0  # log-likelihood that a stretch must gain, beyond that of choosing among the slots
_INDISTINCT = 3.0  # log-likelihood within which two starts fit about equally well


def changed_stretch(
    counts: Floats,
    exposure: Floats,
    *,
    upward: bool,
    binomial: bool,
    reaching: int = 0,
    preferred: int | None = None,
) -> tuple[int, int] | None:
    """The half-open stretch ``(start, end)`` where a rate is higher (or lower) than outside.

    The maximum of the likelihood ratio of two rates over all stretches that leave something
    outside (a scan statistic, Kulldorff 1997).

    Args:
        counts: Things that happened in each slot of time.
        exposure: Things that could have happened, or were expected, in each slot.
        upward: Whether a higher rate is sought.
        binomial: Whether ``counts`` are a part of ``exposure``.
        reaching: The stretch must end after this many slots.
        preferred: A start that is taken unless another fits clearly better.

    Returns:
        None when nothing stands out beyond what looking everywhere finds by chance.
    """
    slots = len(counts)
    happened = np.concatenate([[0.0], np.cumsum(counts)])
    possible = np.concatenate([[0.0], np.cumsum(exposure)])
    if slots < 2 or possible[-1] <= 0:  # noqa: PLR2004 -- two slots make one border
        return None
    start, end = np.triu_indices(slots + 1, k=1)
    k, n = happened[end] - happened[start], possible[end] - possible[start]
    k_out, n_out = happened[-1] - k, possible[-1] - n
    inside = np.divide(k, n, out=np.zeros_like(k), where=n > 0)
    outside = np.divide(k_out, n_out, out=np.zeros_like(k), where=n_out > 0)
    gain = _likelihood(k, n, binomial=binomial) + _likelihood(k_out, n_out, binomial=binomial)
    right_way = inside > outside if upward else inside < outside
    usable = (n > 0) & (n_out > 0) & right_way & (end > reaching)
    if not bool(usable.any()):
        return None
    whole = np.array([happened[-1]]), np.array([possible[-1]])
    gain = np.where(usable, gain - _likelihood(*whole, binomial=binomial), -np.inf)
    best = int(np.argmax(gain))
    if gain[best] < _CLEAR + np.log(slots):
        return None
    if preferred is not None:
        there = np.where(start == preferred, gain, -np.inf)
        if float(there.max()) >= float(gain[best]) - _INDISTINCT:
            best = int(np.argmax(there))
    return int(start[best]), int(end[best])


def _likelihood(k: Floats, n: Floats, *, binomial: bool) -> Floats:
    """The greatest log-likelihood of a stretch, without the terms that no border changes."""
    if not binomial:
        return _x_log(k, n) - k
    return _x_log(k, n) + _x_log(n - k, n)


def _x_log(k: Floats, n: Floats) -> Floats:
    safe = (k > 0) & (n > 0)
    ratio = np.divide(k, n, out=np.ones_like(k), where=safe)
    return np.where(safe, k * np.log(ratio), 0.0)
