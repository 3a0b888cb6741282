"""Which delivered column plays which role: by name, by alias, or by recognising a rename.

A rename is judged by three kinds of evidence together: how alike the names are, whether the
column stands where the old one stood, and whether its values have the shape the contract asks
for. Each is a logarithm of odds, so that they add up; all missing and all unexpected columns are
paired at once so that the sum is greatest. Only a pair that is strong and without a rival is
adopted; anything else is a suggestion. Columns that hold each other's values are a swap.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tallymark.check.header.names import Likeness, likeness, name_likeness, same_name
from tallymark.check.header.places import same_places
from tallymark.check.header.shapes import SAYS, Shape, expected, shape_likeness, shape_of
from tallymark.check.header.swaps import ENOUGH, Swap, swaps_of
from tallymark.contract import Column, Contract
from tallymark.ingest.header import Head
from tallymark.stats.assignment import best_pairs, total

__all__ = [
    "READ_OTHERWISE",
    "Double",
    "Mapping_",
    "Rename",
    "TypeChange",
    "map_columns",
    "name_likeness",
    "shape_likeness",
]

READ_OTHERWISE = frozenset({"column_renamed", "column_swapped"})
"""Checks whose findings mean that a column is read as one it is not called (``on_rename``)."""

# All in natural logarithms of odds; bench/gate_renames.py measures what they lead to.
ADOPT_AT = 3.0  # a rename is believed from odds of 20 to 1 on
SUGGEST_AT = 1.3  # and named as a possibility from nearly 4 to 1 on
_ASKED = 0.01
_THE_NAME = 0.9  # likeness from which a name is the very name in another style
LEAD = 2.0  # by how much the best pairing must beat the best one without the pair
_NAME_SAYS = ((0.0, -1.0), (0.55, -0.7), (0.7, 0.5), (0.85, 2.5), (0.95, 4.0), (1.0, 5.0))
_OTHER_MEANING = -4.0  # the name is known to mean something else
_IN_PLACE, _ELSEWHERE = 3.0, -1.0
_FITS = 0.5  # share of values that must be of the kind, or of a known form of it
_SOME = 1  # rows of each of two columns of the very name, from which on one is the other
_NEARLY_ALL = 0.9  # share of the rows that have a value under one of two names, whatever those say
_EMPTY_ROWS = 20  # sampled rows after which a column without any value counts as empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A contract column that is missing, or empty, and a delivered one that looks like it.

    Attributes:
        score: Probability that it is so, from the evidence alone; 0 to 1.
        name: How alike the names are; 0 to 1.
        position: Whether the new column stands where the old one stood.
        shape: Share of the sampled values that fit; 0 to 1.
        adopted: Whether it is read as the old one.
        usual: Whether the new name is a usual one for such a column.
        readable: Whether its values can be read as those of the old one.
        empty: Whether the old column is still there, without a single value.
        partly: Whether some rows come under the old name and others under the new one.
        rows: If so, how many rows come under the new one, where that was counted.
        line: The first of them, and ``since`` its time.
        rivals: Other delivered columns that might be it as well.
    """

    column: Column
    delivered: str
    score: float
    name: float
    position: bool
    shape: float
    adopted: bool
    usual: bool = False
    readable: bool = True
    empty: bool = False
    partly: bool = False
    rows: int | None = None
    line: int | None = None
    since: str | None = None
    rivals: Sequence[str] = ()

    def evidence(self) -> str:
        """The evidence in words."""
        place = "same position" if self.position else "other position"
        place = "never both in one row" if self.partly else place
        names = "a usual name for it" if self.usual else f"names {self.name:.0%} alike"
        return f"{names}, {place}, {self.shape:.0%} of sampled values fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeChange:
    """A column whose values are no longer of the kind the contract asks for."""

    column: Column
    delivered: str
    shape: Shape

    @property
    def expected(self) -> str:
        """What the contract asks for, in words."""
        column = self.column
        if column.pattern:
            return f"values like {column.pattern}"
        if column.allowed is not None:
            return "one of the allowed values"
        return expected(column)

    @property
    def usable(self) -> bool:
        """Whether the values are still of the column's kind and only not as agreed."""
        column = self.column
        if column.pattern is None and column.allowed is None:
            return False
        return self.shape.readable and not self.shape.form


@dataclass(frozen=True, slots=True, kw_only=True)
class Double:
    """A column that came under two names at once.

    Attributes:
        same: Share of the sampled rows in which their values are equal.
        agreed: Whether the contract knows both: then the other is read where the one is empty.
    """

    column: Column
    read: str
    also: str
    same: float | None
    agreed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping_:  # noqa: N801 -- `Mapping` is the standard library's
    """Roles and the delivered columns that play them, and what is odd about the header.

    Attributes:
        roles: By role the delivered column, or None.
        delivered: The same by the name in the contract, for columns without a role too.
        beside: By delivered column others that hold its values in rows where it is empty.
    """

    roles: Mapping[str, str | None]
    delivered: Mapping[str, str | None] = field(default_factory=dict)
    beside: Mapping[str, Sequence[str]] = field(default_factory=dict)
    renames: Sequence[Rename] = ()
    swaps: Sequence[Swap] = ()
    changes: Sequence[TypeChange] = ()
    doubles: Sequence[Double] = ()
    missing: Sequence[Column] = ()
    unexpected: Sequence[str] = ()
    repeated: Sequence[str] = field(default=())

    @property
    def adopted(self) -> bool:
        """Whether a column is read as one that it is not called."""
        renamed = any(one.adopted for one in self.renames)
        return renamed or any(one.adopted for one in self.swaps)


class _Shapes:
    """How columns of the contract and delivered ones go together; each pair is looked at once."""

    def __init__(self, contract: Contract, head: Head) -> None:
        self._contract, self._head = contract, head
        self._known: dict[tuple[str, str], Shape] = {}

    def __call__(self, column: Column, name: str) -> Shape:
        key = column.name, name
        if key not in self._known:
            sample = self._head.sample.get(name, ())
            self._known[key] = shape_of(column, sample, self._contract)
        return self._known[key]


def map_columns(contract: Contract, head: Head) -> Mapping_:
    """Decide which delivered column plays each role of the contract."""
    told = _Shapes(contract, head)
    left = list(dict.fromkeys(head.columns))
    found: dict[str, str | None] = {}
    agreed: dict[str, Sequence[str]] = {}
    for column in contract.columns:
        there = [name for name in column.names if name in left]
        # An old name that is still there, and empty, gives way to the new one that was agreed.
        filled = [name for name in there if not _empty(head, name)]
        found[column.name] = next(iter(filled or there), None)
        agreed[column.name] = there
        left = [name for name in left if name not in there]
    swaps = swaps_of(contract, head, told, found)
    for swap in swaps:
        if swap.adopted:
            found.update(swap.reads)
    renames = _renames(contract, head, told, found, left)
    beside: dict[str, list[str]] = {}
    for column in contract.columns:
        read = found[column.name]
        others = [name for name in agreed[column.name] if name not in found.values()]
        if read is not None and others:
            beside[read] = others
    for rename in renames:
        if rename.adopted:
            _take(rename, found, beside)
            left.remove(rename.delivered)
    return Mapping_(
        roles={one.role: found[one.name] for one in contract.columns if one.role is not None},
        delivered=found,
        beside=beside,
        renames=renames,
        swaps=swaps,
        changes=_changes(contract, told, found, renames, swaps),
        doubles=list(_doubles(contract, head, found, agreed, left)),
        missing=[column for column in contract.columns if found[column.name] is None],
        unexpected=left,
        repeated=sorted({name for name in head.columns if head.columns.count(name) > 1}),
    )


def _take(rename: Rename, found: dict[str, str | None], beside: dict[str, list[str]]) -> None:
    """Read a column as the contract's, or as well as the one that is read already."""
    old, new = found[rename.column.name], rename.delivered
    if rename.partly and old is not None:
        beside[old] = [*beside.get(old, ()), new]
        return
    found[rename.column.name] = new
    if old is not None:
        # Empty as far as was looked: further down it may not be.
        beside[new] = [old, *beside.pop(old, ())]


def _empty(head: Head, name: str) -> bool:
    """Whether a column has no value in a sample that is large enough to say so."""
    sample = head.sample.get(name, ())
    return len(sample) >= _EMPTY_ROWS and not any(sample)


# ---------------------------------------------------------------- renames


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """A column that is looked for, a delivered one, and what speaks for their being one."""

    odds: float
    name: Likeness
    position: bool
    shape: Shape
    believable: bool
    partly: bool


def _renames(
    contract: Contract,
    head: Head,
    told: _Shapes,
    found: Mapping[str, str | None],
    left: Sequence[str],
) -> list[Rename]:
    """What the missing columns are called now; the greatest sum of evidence over all of them."""
    if not left:
        return []
    sought = [one for one in contract.columns if _sought(head, found[one.name], left)]
    if not sought:
        return []
    places = same_places([one.name for one in contract.columns], head.columns, found)
    pairs = [
        [_pair(column, name, told, head, found, places, len(left)) for name in left]
        for column in sought
    ]
    # Whatever reaches the threshold is a gain.
    gains = [[pair.odds - SUGGEST_AT for pair in line] for line in pairs]
    chosen = best_pairs(gains)
    renames = []
    for row, column in enumerate(chosen):
        if column is None:
            continue
        pair = pairs[row][column]
        lead = total(gains, chosen) - _without(gains, row, column)
        sure = pair.believable and pair.odds >= ADOPT_AT and (
            lead >= min(LEAD, ADOPT_AT - SUGGEST_AT)
        )  # fmt: skip
        near = pair.odds - LEAD
        renames.append(
            Rename(
                column=sought[row], delivered=left[column],
                score=round(1 / (1 + math.exp(-pair.odds)), 4), name=pair.name.score,
                position=pair.position, shape=pair.shape.fits, adopted=sure,
                usual=pair.name.usual, readable=pair.shape.readable,
                empty=found[sought[row].name] is not None and not pair.partly,
                partly=pair.partly,
                rivals=[] if sure else [
                    name for at, name in enumerate(left)
                    if at != column and pairs[row][at].odds > max(near, SUGGEST_AT)
                ],
            )
        )  # fmt: skip
    return sorted(renames, key=lambda one: one.column.name)


def _sought(head: Head, delivered: str | None, left: Sequence[str]) -> bool:
    if delivered is None or _empty(head, delivered):
        return True
    return any(_in_turn(head, delivered, name, _SOME) for name in left)


def _in_turn(head: Head, one: str, other: str, least: int) -> bool:
    """Whether so many rows have a value under each of two names, and none under both."""
    first, second = head.sample.get(one, ()), head.sample.get(other, ())
    if len(first) != len(second):
        return False  # not of the same rows
    pairs = [(bool(here), bool(there)) for here, there in zip(first, second, strict=True)]
    return (
        (True, True) not in pairs
        and pairs.count((True, False)) >= least
        and pairs.count((False, True)) >= least
    )


def _one_each(head: Head, one: str, other: str) -> bool:
    """Whether nearly every row has a value under one of two names."""
    pairs = [*zip(head.sample.get(one, ()), head.sample.get(other, ()), strict=False)]
    return sum(1 for pair in pairs if any(pair)) >= _NEARLY_ALL * len(pairs)


def _without(gains: Sequence[Sequence[float]], row: int, column: int) -> float:
    """The greatest sum if one pair is out of the question."""
    other = [list(line) for line in gains]
    other[row][column] = -math.inf
    return total(other, best_pairs(other))


def _pair(
    column: Column,
    name: str,
    told: _Shapes,
    head: Head,
    found: Mapping[str, str | None],
    places: Mapping[str, str],
    candidates: int,
) -> _Pair:
    alike = likeness(column.names, column.role, name)
    formed = told(column, name)
    position = places.get(column.name) == name
    read = found[column.name]
    gone = read is None
    partly = read is not None and not _empty(head, read)
    odds = _name_says(alike) + formed.says - math.log(1 + candidates)
    if gone:
        odds += _IN_PLACE if position else _ELSEWHERE
        if position and formed.filled >= ENOUGH and formed.says > 0:
            # In the very place, and of the very form: whatever its name, worth a question.
            odds = max(odds, SUGGEST_AT + _ASKED)
    elif read is not None and partly:
        # Of what not every row has, two may well come in turn: then the very name must say so.
        sure = column.required or alike.score >= _THE_NAME or _one_each(head, read, name)
        least = _SOME if alike.score >= _THE_NAME else ENOUGH
        stands_in = sure and _in_turn(head, read, name, least)
        odds = odds + _IN_PLACE if stands_in else -math.inf
    elif not column.required or not formed.filled:
        # The old column is there, and may be empty today: only its very name says more.
        odds = odds if alike.score >= _THE_NAME and formed.filled else -math.inf
    # The very name in another style, in the very place: payloads of rare orders may come later.
    believable = not column.required and gone and position and not formed.filled and any(
        same_name(known, name) for known in column.names
    )  # fmt: skip
    believable = believable or (
        not alike.other and formed.filled > 0 and formed.readable
        and max(formed.fits, formed.formed) >= _FITS and formed.likeness + formed.formed > 0
    )  # fmt: skip
    return _Pair(
        odds=odds, name=alike, position=position, shape=formed, believable=believable,
        partly=partly,
    )  # fmt: skip


def _name_says(alike: Likeness) -> float:
    if alike.other:
        return _OTHER_MEANING
    for (low, least), (high, most) in itertools.pairwise(_NAME_SAYS):
        if alike.score <= high:
            return least + (most - least) * (alike.score - low) / (high - low)
    return _NAME_SAYS[-1][1]


# ---------------------------------------------------------------- types and doubles


def _changes(
    contract: Contract,
    told: _Shapes,
    found: Mapping[str, str | None],
    renames: Sequence[Rename],
    swaps: Sequence[Swap],
) -> list[TypeChange]:
    """Columns whose values are mostly not what the contract asks for."""
    suggested = {one.column.name: one.delivered for one in renames if not one.adopted}
    swapped = {one.name for swap in swaps for one in swap.columns}
    changes = []
    for column in contract.columns:
        name = suggested.get(column.name) or found[column.name]
        if name is None or column.name in swapped or SAYS[column.kind] == 0:
            continue
        shape = told(column, name)
        if shape.changed:
            changes.append(TypeChange(column=column, delivered=name, shape=shape))
    return changes


def _doubles(
    contract: Contract,
    head: Head,
    found: Mapping[str, str | None],
    agreed: Mapping[str, Sequence[str]],
    left: Sequence[str],
) -> Iterator[Double]:
    """Columns that came under two names, both of them filled."""
    for column in contract.columns:
        read = found[column.name]
        if read is None or _empty(head, read):
            continue
        others = [name for name in agreed[column.name] if name not in found.values()]
        others += [name for name in left if any(same_name(known, name) for known in column.names)]
        for also in others:
            if any(head.sample.get(also, ())):
                yield Double(
                    column=column, read=read, also=also, same=_same(head, read, also),
                    agreed=also in agreed[column.name],
                )  # fmt: skip


def _same(head: Head, first: str, second: str) -> float | None:
    """Share of the sampled rows in which two columns are equal; None where rows are not known."""
    one, other = head.sample.get(first, ()), head.sample.get(second, ())
    if len(one) != len(other) or not one:
        return None
    return sum(1 for left, right in zip(one, other, strict=True) if left == right) / len(one)
