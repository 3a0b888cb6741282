"""Many questions asked at once: which answers still count."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["benjamini_hochberg", "simes"]


def simes(values: Sequence[float]) -> float:
    """One p-value for "nothing at all is happening" out of many; 1.0 when there are none.

    >>> round(simes([0.01, 0.02, 0.9]), 4)
    0.03
    """
    ordered = sorted(values)
    count = len(ordered)
    return min((count * p / rank for rank, p in enumerate(ordered, start=1)), default=1.0)


def benjamini_hochberg(values: Sequence[float], level: float) -> list[bool]:
    """Which of many p-values to believe, so that at most ``level`` of the believed are false.

    When nothing is happening, the chance to believe any is at most ``level`` too.

    >>> benjamini_hochberg([0.001, 0.30, 0.02], 0.05)
    [True, False, True]
    """
    count = len(values)
    limit = -1.0
    for rank, p in enumerate(sorted(values), start=1):
        if p <= level * rank / count:
            limit = p
    return [p <= limit for p in values]
