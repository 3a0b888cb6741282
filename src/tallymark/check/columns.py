"""Which delivered column plays which role: by name, by alias, or by recognising a rename.

A rename is judged by three kinds of evidence together: how alike the names are, whether the
column stands where the old one stood, and whether its values have the shape the contract asks
for. Only one that is strong and without a rival is adopted; anything else is a suggestion.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tallymark.contract import Column, Contract
from tallymark.ingest.header import Head

__all__ = ["Mapping_", "Rename", "map_columns", "name_likeness", "shape_likeness"]

ADOPT_AT = 0.62  # score from which a rename is believed, when no other pair comes near
SUGGEST_AT = 0.40
LEAD = 0.12  # by how much it must beat every rival
_WEIGHTS = (0.45, 0.20, 0.35)  # name, position, shape

_TIME = re.compile(r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?.*)?$")
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://[^\s]+$", re.IGNORECASE)
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_.: -]{1,63}$")
_IDENTIFIER = re.compile(r"^[A-Za-z0-9_.:@=+/-]{4,128}$")
_AGENT = re.compile(r"^[A-Za-z][^\s/]*/[\d.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A contract column that is missing and a delivered one that looks like it."""

    column: Column
    delivered: str
    score: float
    name: float
    position: bool
    shape: float
    adopted: bool

    def evidence(self) -> str:
        """The evidence in words."""
        place = "same position" if self.position else "other position"
        return f"names {self.name:.0%} alike, {place}, {self.shape:.0%} of sampled values fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping_:  # noqa: N801 -- `Mapping` is the standard library's
    """Roles and the delivered columns that play them."""

    roles: Mapping[str, str | None]
    renames: Sequence[Rename] = ()
    missing: Sequence[Column] = ()
    unexpected: Sequence[str] = ()
    repeated: Sequence[str] = field(default=())


def map_columns(contract: Contract, head: Head) -> Mapping_:
    """Decide which delivered column plays each role of the contract."""
    roles: dict[str, str | None] = {}
    left = list(dict.fromkeys(head.columns))
    missing: list[tuple[int, Column]] = []
    for index, column in enumerate(contract.columns):
        found = next((name for name in (column.name, *column.aliases) if name in left), None)
        roles[column.role] = found
        if found is None:
            missing.append((index, column))
        else:
            left.remove(found)
    renames = _renames(missing, left, head, contract)
    for rename in renames:
        if rename.adopted:
            roles[rename.column.role] = rename.delivered
            left.remove(rename.delivered)
    gone = {rename.column.role for rename in renames if rename.adopted}
    return Mapping_(
        roles=roles,
        renames=renames,
        missing=[column for _, column in missing if column.role not in gone],
        unexpected=left,
        repeated=sorted({name for name in head.columns if head.columns.count(name) > 1}),
    )


def _renames(
    missing: Sequence[tuple[int, Column]], left: Sequence[str], head: Head, contract: Contract
) -> list[Rename]:
    expected = [column.name for column in contract.columns]
    scored: dict[tuple[str, str], Rename] = {}
    for _, column in missing:
        for name in left:
            scored[column.role, name] = _scored(column, name, head, expected)
    found: list[Rename] = []
    for (role, name), rename in scored.items():
        rivals = [
            other.score
            for key, other in scored.items()
            if key != (role, name) and (key[0] == role or key[1] == name)
        ]
        best = max(rivals, default=0.0)
        if rename.score < SUGGEST_AT or rename.score <= best:
            continue
        sure = rename.score >= ADOPT_AT and rename.score - best >= LEAD and rename.shape > 0
        found.append(dataclasses.replace(rename, adopted=sure))
    return sorted(found, key=lambda one: one.column.name)


def _scored(column: Column, name: str, head: Head, expected: Sequence[str]) -> Rename:
    likeness = max(name_likeness(known, name) for known in (column.name, *column.aliases))
    position = _same_place(column.name, name, head.columns, expected)
    shape = shape_likeness(column, head.sample.get(name, ()))
    score = _WEIGHTS[0] * likeness + _WEIGHTS[1] * position + _WEIGHTS[2] * shape
    return Rename(
        column=column, delivered=name, score=round(score, 4), name=likeness,
        position=position, shape=shape, adopted=False,
    )  # fmt: skip


def _same_place(old: str, new: str, delivered: Sequence[str], expected: Sequence[str]) -> bool:
    """Whether the new column has the neighbours the old one had (a column may be gone before)."""
    here, there = list(delivered).index(new), list(expected).index(old)
    if here == there:
        return True
    before = {expected[there - 1]} if there else {None}
    after = {expected[there + 1]} if there + 1 < len(expected) else {None}
    left = delivered[here - 1] if here else None
    right = delivered[here + 1] if here + 1 < len(delivered) else None
    return left in before and right in after


def _tokens(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.findall(r"[a-z]+|\d+", spaced.lower()))


def name_likeness(old: str, new: str) -> float:
    """How alike two column names are, 0 to 1; style (snake, camel, dots) does not count."""
    from rapidfuzz.fuzz import ratio, token_set_ratio  # noqa: PLC0415 -- only renames need it

    first, second = _tokens(old), _tokens(new)
    if first.replace(" ", "") == second.replace(" ", ""):
        return 1.0
    return float(max(ratio(first, second), 0.85 * token_set_ratio(first, second))) / 100


def shape_likeness(column: Column, sample: Sequence[str | None]) -> float:
    """Which share of the sampled values has the shape that the contract asks for, 0 to 1.

    An empty sample proves nothing: 0 for a required column, and 0.5 where values may be empty.
    """
    filled = [value for value in sample if value]
    if not filled:
        return 0.0 if column.required else 0.5
    if column.pattern:
        pattern = re.compile(column.pattern)
        return sum(1 for value in filled if pattern.search(value)) / len(filled)
    good = sum(1 for value in filled if _has_kind(column.kind, value)) / len(filled)
    distinct = len(set(filled)) / len(filled)
    if column.kind == "identifier":
        # Ids are many; a constant column or a handful of labels is none.
        return good * min(1.0, distinct * 2)
    if column.kind == "name":
        return good * (1.0 if distinct < 0.5 else 0.5)  # noqa: PLR2004
    return good


def _has_kind(kind: str, value: str) -> bool:
    if kind == "timestamp":
        return bool(_TIME.match(value))
    if kind == "url":
        return bool(_URL.match(value))
    if kind == "json":
        return value.lstrip()[:1] in {"{", "["}
    if kind == "user_agent":
        return bool(_AGENT.match(value))
    if kind == "name":
        return bool(_NAME.match(value)) and not _TIME.match(value)
    if kind == "identifier":
        return bool(_IDENTIFIER.match(value)) and not _URL.match(value) and not _TIME.match(value)
    return True
