"""Which part of the rows a change lies in: rows added, values lost, or the volume of one slice.

A slice is one value of one dimension: a page, a part of the shop, a device, an agent, a source. The
slice that best tells changed rows from unchanged ones is taken out first, then the best of what is
left, so that two causes on one day are told apart. "Best" is the likelihood ratio of two rates
(inside and outside) against one, the G statistic: Sokal & Rohlf, Biometry, 3rd ed., section 17.4.

Rows without the value beyond the usual are *lost* as far as the slice has fewer rows **with** it
than it should have, and *added* beyond that. What it should have is the usual times the day's
level; the level comes from the rows that did not change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from tallymark.monitor.places import OTHERS

__all__ = ["Cell", "Slice", "gaps", "leading", "volumes"]

# Chance of 0.001 that one of about a hundred slices stands out by chance: chi-squared, 1 degree.
_STANDS_OUT = 19.5
_PART = 0.25  # of the change: a slice with less explains little
_OUTSIDE = 0.5  # of the rate inside: what may be left outside, or it is no matter of this slice
_HALF = 0.5
_DONE = 0.1  # of the change left over: enough is explained
_MOST = 3  # slices that are named
_NOISE = 2.0  # standard deviations within which the smaller of two parts is chance
_WANDERS = 0.05  # of itself: how a slice's part of the rows wanders from day to day, beside chance
_REST = 0.2  # of the usual rows that say what the day's level is


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Rows of one page, agent and source.

    Attributes:
        keys: Value by dimension, in the order in which ties are broken: the wider first.
        rows: On the judged day.
        filled: Of those, with the value.
        usual: Rows of a usual day.
        usual_filled: Of those, with the value.
    """

    keys: tuple[tuple[str, str], ...]
    rows: float
    filled: float
    usual: float
    usual_filled: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of the rows, and what changed in it.

    Attributes:
        dimension: One of those that were looked in; empty for the rest.
        name: Its value there.
        rows: On the judged day.
        usual: Rows of a usual day, at the day's level.
        share: Of the whole change.
        added: Rows without the value that came on top.
        lost: Rows that have no value any more.
    """

    dimension: str
    name: str
    rows: float
    usual: float
    share: float
    added: float = 0.0
    lost: float = 0.0


@dataclass(frozen=True, slots=True)
class _Sum:
    rows: float = 0.0
    filled: float = 0.0
    usual: float = 0.0
    usual_filled: float = 0.0

    def __sub__(self, other: _Sum) -> _Sum:
        return _Sum(
            self.rows - other.rows, self.filled - other.filled,
            self.usual - other.usual, self.usual_filled - other.usual_filled,
        )  # fmt: skip

    def excess(self, level: float) -> float:
        """Rows without the value beyond the usual ones."""
        return self.rows - self.filled - level * (self.usual - self.usual_filled)


Key = tuple[str, str]
Weigh = Callable[[_Sum, _Sum], tuple[float, float]]  # inside, all: strength, share of the change


def gaps(cells: Sequence[Cell], dimensions: Sequence[str]) -> list[Slice]:
    """Rows that lack a value beyond the usual, by slice; what no slice explains stands last.

    Args:
        cells: All rows that should have it.
        dimensions: Those to look in, the wider first.

    Returns:
        Empty where no more rows lack it than usual.
    """
    whole = _total(cells)
    level = _between(whole)
    if whole.excess(level) < 1:
        return []

    def weigh(inside: _Sum, left: _Sum) -> tuple[float, float]:
        outside = left - inside
        extra, other = inside.excess(level), outside.excess(level)
        one, two = _rate(extra, inside.rows), _rate(other, outside.rows)
        if extra <= 0 or two > _OUTSIDE * one:
            return 0.0, 0.0
        strength = _binomial(one, inside.rows) + _binomial(two, outside.rows)
        both = _rate(max(0.0, extra) + max(0.0, other), left.rows)
        return 2 * (strength - _binomial(both, left.rows)), extra / whole.excess(level)

    found, left = _taken(cells, dimensions, weigh)
    rest = _total(left)
    level = _between(rest if rest.usual >= _REST * whole.usual else whole)
    parts = [_gap(key, total, level) for key, total in [*found, (("", ""), rest)]]
    extra = sum(one.added + one.lost for one in parts)
    if extra < 1:
        return []
    parts = [replace(one, share=(one.added + one.lost) / extra) for one in parts]
    return [one for one in parts if one.dimension or one.added + one.lost >= 1]


def volumes(cells: Sequence[Cell], dimensions: Sequence[str]) -> list[Slice]:
    """Where there are more or fewer rows than usual; slices that explain much of it, no rest."""
    whole = _total(cells)
    change = whole.rows - whole.usual
    if abs(change) < 1 or whole.usual <= 0:
        return []

    def weigh(inside: _Sum, left: _Sum) -> tuple[float, float]:
        outside = left - inside
        moved, other = inside.rows - inside.usual, outside.rows - outside.usual
        way = math.copysign(1.0, change)
        one, two = way * moved / max(1.0, inside.usual), way * other / max(1.0, outside.usual)
        if one <= 0 or two > _OUTSIDE * one:
            return 0.0, 0.0
        level = left.rows / left.usual if left.usual > 0 else 0.0
        strength = _poisson(inside, level) + _poisson(outside, level)
        return 2 * strength, moved / change

    found, _ = _taken(cells, dimensions, weigh)
    return [_moved(key, total, change) for key, total in found]


def leading(cells: Sequence[Cell], dimension: str) -> list[Slice]:
    """The value of a dimension in which at least half of a change lies, if there is one.

    For rows that are of one value each day, so that none stands out among the others.
    """
    whole = _total(cells)
    change = whole.rows - whole.usual
    if abs(change) < 1:
        return []
    parts = [_moved(key, total, change) for key, total in _sliced(cells, [dimension]).items()]
    best = min(parts, key=lambda one: (-one.share, one.name), default=None)
    return [best] if best is not None and best.share >= _HALF and best.name != OTHERS else []


def _moved(key: Key, total: _Sum, change: float) -> Slice:
    return Slice(
        dimension=key[0], name=key[1], rows=total.rows, usual=total.usual,
        share=(total.rows - total.usual) / change,
    )  # fmt: skip


def _gap(key: Key, total: _Sum, level: float) -> Slice:
    extra = max(0.0, total.excess(level))
    lost = min(max(0.0, level * total.usual_filled - total.filled), extra)
    usual = level * total.usual
    if min(lost, extra - lost) <= _NOISE * math.sqrt(usual + (_WANDERS * usual) ** 2):
        lost = extra if lost > extra / 2 else 0.0
    return Slice(
        dimension=key[0], name=key[1], rows=total.rows, usual=usual, share=0.0,
        added=extra - lost, lost=lost,
    )  # fmt: skip


def _taken(
    cells: Sequence[Cell], dimensions: Sequence[str], weigh: Weigh
) -> tuple[list[tuple[Key, _Sum]], list[Cell]]:
    """The slices that stand out, one after the other, and the cells that are in none."""
    found: list[tuple[Key, _Sum]] = []
    left, explained = list(cells), 0.0
    while left and len(found) < _MOST and explained < 1 - _DONE:
        all_left = _total(left)
        best: tuple[float, int, str, float, Key, _Sum] | None = None
        for key, inside in _sliced(left, dimensions).items():
            strength, share = weigh(inside, all_left)
            if strength < _STANDS_OUT or share < _PART or key[1] == OTHERS:
                continue
            order = (-round(strength, 6), dimensions.index(key[0]), key[1], share, key, inside)
            if best is None or order[:3] < best[:3]:
                best = order
        if best is None:
            break
        _, _, _, share, key, inside = best
        found.append((key, inside))
        explained += share
        left = [one for one in left if key not in one.keys]
    return found, left


def _sliced(cells: Iterable[Cell], dimensions: Sequence[str]) -> dict[Key, _Sum]:
    sums: dict[Key, list[float]] = {}
    for cell in cells:
        for key in cell.keys:
            if key[0] in dimensions:
                kept = sums.setdefault(key, [0.0, 0.0, 0.0, 0.0])
                for at, more in enumerate((cell.rows, cell.filled, cell.usual, cell.usual_filled)):
                    kept[at] += more
    return {key: _Sum(*kept) for key, kept in sums.items()}


def _total(cells: Iterable[Cell]) -> _Sum:
    cells = tuple(cells)
    return _Sum(
        sum(one.rows for one in cells), sum(one.filled for one in cells),
        sum(one.usual for one in cells), sum(one.usual_filled for one in cells),
    )  # fmt: skip


def _between(total: _Sum) -> float:
    """The level that needs least change: the usual, unless both of rows and values rule it out.

    All were lost if rows are as many times the usual as the level, all were added if values are.
    """
    rows = total.rows / total.usual if total.usual > 0 else 1.0
    filled = total.filled / total.usual_filled if total.usual_filled > 0 else rows
    return min(max(1.0, min(rows, filled)), max(rows, filled))


def _rate(part: float, of: float) -> float:
    return min(1.0, max(0.0, part / of)) if of > 0 else 0.0


def _binomial(rate: float, rows: float) -> float:
    """The largest log-likelihood of so many rows at a rate."""
    if not 0 < rate < 1:
        return 0.0
    return rows * (rate * math.log(rate) + (1 - rate) * math.log(1 - rate))


def _poisson(total: _Sum, level: float) -> float:
    """Log-likelihood of a count at its own mean, over that at the level of all."""
    mean = max(level * total.usual, 0.5)  # what was never there before has no zero chance
    if total.rows <= 0:
        return mean
    return total.rows * math.log(total.rows / mean) - (total.rows - mean)
