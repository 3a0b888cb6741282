"""Columns that changed places: each holds what belongs in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tallymark.check.header.shapes import Shape
from tallymark.contract import Column, Contract
from tallymark.ingest.header import Head
from tallymark.stats.assignment import best_pairs

__all__ = ["ENOUGH", "Swap", "swaps_of"]

ENOUGH = 10  # filled values that anything is told from which no name says
SWAP_AT, SWAP_SUGGESTED_AT = 5.0, 3.0  # by how much crosswise must fit better than as named
_TAKEN_FOR = 0.8  # share of values that must be of the kind: a swap is believed without a name


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Columns that hold each other's values.

    Attributes:
        columns: The contract's columns, in its order; two, or more if they went round.
        reads: For each of them the delivered column that holds its values.
        gain: Natural logarithm of how much likelier this reading is.
        moved: Whether the names changed places in the header (else the values did).
        adopted: Whether they are read so.
    """

    columns: Sequence[Column]
    reads: Mapping[str, str]
    gain: float
    moved: bool
    adopted: bool


def swaps_of(
    contract: Contract,
    head: Head,
    told: Callable[[Column, str], Shape],
    found: Mapping[str, str | None],
) -> list[Swap]:
    """Columns that are there under their names and hold each other's values.

    Args:
        told: How a column of the contract and a delivered one go together.
        found: By name in the contract the delivered column.
    """
    there = [
        (one, name)
        for one in contract.columns
        if one.kind != "text" and (name := found[one.name]) is not None
    ]
    own = [told(one, name) for one, name in there]
    if not any(shape.filled >= ENOUGH and shape.says < 0 for shape in own):
        return []
    shapes = [[told(one, name) for _, name in there] for one, _ in there]
    # As named is the rule; to read otherwise must gain something over it.
    lowest = min(shape.says for line in shapes for shape in line)
    gains = [
        [
            shape.says - lowest + 1 + (SWAP_SUGGESTED_AT / 2 if row == at else 0.0)
            for at, shape in enumerate(line)
        ]
        for row, line in enumerate(shapes)
    ]
    swaps = []
    for cycle in _cycles(best_pairs(gains)):
        gain = sum(shapes[row][to].says - own[row].says for row, to in cycle.items())
        fits = [shapes[row][to] for row, to in cycle.items()]
        if gain < SWAP_SUGGESTED_AT or any(own[row].says >= 1 for row in cycle):
            continue
        moves = {there[row][0].name: there[to][1] for row, to in cycle.items()}
        swaps.append(
            Swap(
                columns=[there[row][0] for row in sorted(cycle)],
                reads=moves,
                gain=gain,
                moved=_names_moved(contract, head, moves, found),
                adopted=gain >= SWAP_AT and all(one.fits >= _TAKEN_FOR for one in fits),
            )
        )
    return swaps


def _cycles(pairs: Sequence[int | None]) -> Iterator[dict[int, int]]:
    """The cycles of a permutation that are longer than one."""
    seen: set[int] = set()
    for start, first in enumerate(pairs):
        if start in seen or first is None or first == start:
            continue
        cycle, here = {}, start
        while here not in cycle:
            there = pairs[here]
            if there is None:
                break
            cycle[here] = there
            here = there
        seen.update(cycle)
        if here == start:
            yield cycle


def _names_moved(
    contract: Contract, head: Head, moves: Mapping[str, str], found: Mapping[str, str | None]
) -> bool:
    """Whether the header is in the contract's order once the names are put back."""
    back = {delivered: found[name] for name, delivered in moves.items()}
    order = [name for name in head.columns if name in set(found.values())]
    expected = [found[one.name] for one in contract.columns if found[one.name] is not None]
    return order != expected and [back.get(name, name) for name in order] == expected
