"""The parts of a table: immutable Parquet files, some of which show only some of their dates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallymark.engine.base import literal, parquet_files

__all__ = ["PART_DATE", "Part", "from_row", "relation", "to_row"]

# Where a table has no date of its own, its files carry one that readers do not see.
PART_DATE = "_date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One Parquet file of a table.

    Attributes:
        path: The file.
        role: ``rows``; or ``persons``: not rows of the table but the present person of clients
            (``client_id``, ``person_id``) whose older rows still name another one.
        date_column: The column that dates a row; None where rows have no date.
        dates: The dates in the file, ISO 8601, sorted; None where rows have no date.
        hidden: Dates whose rows stand in another part now, and do not show.
    """

    path: Path
    role: str = "rows"
    date_column: str | None = None
    dates: tuple[str, ...] | None = None
    hidden: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """The dates whose rows show."""
        hidden = frozenset(self.hidden)
        return tuple(day for day in self.dates or () if day not in hidden)


def relation(parts: Sequence[Part], *, raw: bool = False, order: str | None = None) -> str:
    """SQL of all rows that the parts of one table show.

    Args:
        parts: At least one with rows.
        raw: Whether to keep the date that readers do not see.
        order: A column to order by. Rows that are equal in it lie in one part, and come in their
            order there.
    """
    rows = [part for part in parts if part.role == "rows"]
    changes = []
    if not raw and any(part.date_column == PART_DATE for part in rows):
        changes.append(f"exclude ({PART_DATE})")
    source = parquet_files([part.path for part in rows])
    tests = [
        f"not (filename = {literal(part.path.as_posix())} and {part.date_column} in ("
        + ", ".join(f"date {literal(day)}" for day in part.hidden)
        + "))"
        for part in rows
        if part.hidden
    ]
    where = f" where {' and '.join(tests)}" if tests else ""
    persons = [part.path for part in parts if part.role == "persons"]
    if not persons:
        by = f" order by {order}, file_row_number" if order else ""
        return f"select {' '.join(['*', *changes])} from {source}{where}{by}"
    place, by = ("", "")
    if order:
        place, by = (", file_row_number as place", f" order by of_rows.{order}, of_rows.place")
        changes = [f"exclude ({', '.join([PART_DATE] * bool(changes) + ['place'])})"]
    changes.append(
        "replace (case when persons.client_id is null then of_rows.person_id "
        "else persons.person_id end as person_id)"
    )
    return (
        f"select of_rows.* {' '.join(changes)} "
        f"from (select *{place} from {source}{where}) as of_rows "
        f"left join {parquet_files(persons)} as persons "
        f"on of_rows.client_id = persons.client_id{by}"
    )


def to_row(part: Part, root: Path) -> list[str | None]:
    """A part as the catalog lists it: path relative to the folder, role, column, dates, hidden."""
    return [
        part.path.relative_to(root).as_posix(),
        part.role,
        part.date_column,
        json.dumps(part.dates) if part.dates is not None else None,
        json.dumps(part.hidden),
    ]


def from_row(row: Sequence[Any], root: Path) -> Part:
    """The part that a row of the catalog's list stands for."""
    path, role, date_column, dates, hidden = row
    return Part(
        path=root / path,
        role=role,
        date_column=date_column,
        dates=tuple(json.loads(dates)) if dates is not None else None,
        hidden=tuple(json.loads(hidden)),
    )
