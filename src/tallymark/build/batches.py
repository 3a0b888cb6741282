"""Spans of time whose sessions are made together, so that they fit into memory and caches.

Sorting and joining ten million sessions at once costs twice as much a session as half a million.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tallymark.engine.duckdb import DuckEngine

__all__ = ["Span", "batches"]

_DAY_MS = 86_400_000
# So many sessions are made at once; a build of fewer than twice as many is one batch.
_TOGETHER = 400_000


@dataclass(frozen=True, slots=True)
class Span:
    """Milliseconds since 1970 from ``first`` to before ``end``; None is without a bound."""

    first: int | None = None
    end: int | None = None

    def holds(self, ms: str) -> str:
        """SQL that tells whether a moment lies in it."""
        bounds = [f"{ms} >= {self.first}"] * (self.first is not None)
        bounds += [f"{ms} < {self.end}"] * (self.end is not None)
        return f"({' and '.join(bounds)})" if bounds else "true"


def batches(engine: DuckEngine) -> Sequence[Span]:
    """Spans of whole days of UTC that hold all sessions of ``int_sessions``, in order of time."""
    days = engine.rows(
        f"select session_start_ms // {_DAY_MS} as day, count(*) from int_sessions group by day "
        "order by day"
    )
    if sum(count for _, count in days) < 2 * _TOGETHER:
        return [Span()]
    ends = list(_ends(days))
    return [Span(first, end) for first, end in zip([None, *ends], [*ends, None], strict=True)]


def _ends(days: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Where one batch ends and the next one begins."""
    left = sum(count for _, count in days)
    held = 0
    for (_, count), (following, _) in itertools.pairwise(days):
        held += count
        left -= count
        if held >= _TOGETHER and left >= _TOGETHER:
            yield following * _DAY_MS
            held = 0
