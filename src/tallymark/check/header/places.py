"""Where a column stood and what stands there now, judged by the columns that kept their names."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence

__all__ = ["same_places"]

_IN_ORDER = 0.8  # share of the known columns that must keep their order for a place to mean much


def same_places(
    expected: Sequence[str], delivered: Sequence[str], known: Mapping[str, str | None]
) -> dict[str, str]:
    """For each expected column that is not known, the delivered one that stands in its place.

    Columns whose names are known divide both lists into stretches. Inside a stretch columns
    correspond one by one, from its beginning; what is longer on one side is left over. A list
    whose known columns come in another order says nothing.

    Args:
        expected: The contract's columns in order.
        delivered: The delivered columns in order.
        known: By expected name the delivered one, or None.

    >>> same_places(["a", "b", "c"], ["a", "x", "c"], {"a": "a", "b": None, "c": "c"})
    {'b': 'x'}
    """
    at = {name: place for place, name in reversed(list(enumerate(delivered)))}
    anchors = [
        (place, at[name])
        for place, one in enumerate(expected)
        if (name := known.get(one)) is not None and name in at
    ]
    kept = _in_order(anchors)
    if len(kept) < _IN_ORDER * len(anchors):
        return {}
    moved = {there for _, there in anchors}
    found: dict[str, str] = {}
    edges = [(-1, -1), *kept, (len(expected), len(delivered))]
    for (left, after), (right, before) in itertools.pairwise(edges):
        lost = [one for one in expected[left + 1 : right] if known.get(one) is None]
        new = [delivered[place] for place in range(after + 1, before) if place not in moved]
        found.update(zip(lost, new, strict=False))
    return found


def _in_order(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest part of some pairs, ordered by the first, whose second numbers rise too."""
    ends: list[int] = []  # the least second number that ends a run of each length
    length: list[int] = []
    for _, value in pairs:
        place = bisect.bisect_left(ends, value)
        ends[place : place + 1] = [value]
        length.append(place + 1)
    kept: list[tuple[int, int]] = []
    wanted = len(ends)
    for pair, reached in zip(reversed(pairs), reversed(length), strict=True):
        if reached == wanted and (not kept or pair[1] < kept[-1][1]):
            kept.append(pair)
            wanted -= 1
    return kept[::-1]
