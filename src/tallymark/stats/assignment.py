"""Who goes with whom: the pairing of two lists with the greatest total gain."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["best_pairs", "total"]


def best_pairs(gains: Sequence[Sequence[float]]) -> list[int | None]:
    """For each row the column it goes with, or None; no column is given twice.

    The total of the chosen gains is the greatest there is (the Hungarian method, in time of
    rows squared times columns). A pair whose gain is not above 0 is never chosen, so gains may
    be minus infinity for what cannot be. Of several best pairings one is returned, always the
    same.

    >>> best_pairs([[3.0, 2.5], [3.0, 0.1]])
    [1, 0]
    >>> best_pairs([[-1.0]])
    [None]
    """
    rows = len(gains)
    if not rows:
        return []
    # A column of its own for each row, worth nothing, stands for being left alone.
    costs = [[-gain if gain > 0 else 0.0 for gain in line] + [0.0] * rows for line in gains]
    chosen = _cheapest(costs)
    return [
        column if column < len(line) and line[column] > 0 else None
        for column, line in zip(chosen, gains, strict=True)
    ]


def total(gains: Sequence[Sequence[float]], pairs: Sequence[int | None]) -> float:
    """What a pairing gains in all.

    >>> total([[3.0, 2.5], [3.0, 0.1]], [1, 0])
    5.5
    """
    return math.fsum(
        line[column] for line, column in zip(gains, pairs, strict=True) if column is not None
    )


def _cheapest(costs: Sequence[Sequence[float]]) -> list[int]:
    """The column of each row in an assignment of least cost; at least as many columns as rows."""
    count, width = len(costs), len(costs[0])
    # Potentials of rows and columns; column 0 and row 0 are the start of every search.
    of_row, of_column = [0.0] * (count + 1), [0.0] * (width + 1)
    owner = [0] * (width + 1)
    for row in range(1, count + 1):
        owner[0] = row
        way = _shortest_way(costs, of_row, of_column, owner)
        place = way[-1]
        for before in reversed(way[:-1]):
            owner[place] = owner[before]
            place = before
    found = [0] * count
    for column in range(1, width + 1):
        if owner[column]:
            found[owner[column] - 1] = column - 1
    return found


def _shortest_way(
    costs: Sequence[Sequence[float]],
    of_row: list[float],
    of_column: list[float],
    owner: Sequence[int],
) -> list[int]:
    """The columns from 0 to a free one along which everybody moves up; updates the potentials."""
    width = len(of_column) - 1
    least = [math.inf] * (width + 1)
    came_from = [0] * (width + 1)
    done = [False] * (width + 1)
    here = 0
    while owner[here]:
        done[here] = True
        row = owner[here]
        for column in range(1, width + 1):
            if not done[column]:
                cost = costs[row - 1][column - 1] - of_row[row] - of_column[column]
                if cost < least[column]:
                    least[column], came_from[column] = cost, here
        there = min((c for c in range(1, width + 1) if not done[c]), key=lambda c: (least[c], c))
        step = least[there]
        for column in range(width + 1):
            if done[column]:
                of_row[owner[column]] += step
                of_column[column] -= step
            else:
                least[column] -= step
        here = there
    way = [here]
    while here:
        here = came_from[here]
        way.append(here)
    return way[::-1]
