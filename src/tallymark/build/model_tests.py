"""What must hold of the tables before they are published: the tests beside the models.

All tests of a table are one query. Staging tables of our own are not asked: what could be wrong
with them is found by the validations and the reconciliation, which run anyway.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

from tallymark.build.blame import blaming
from tallymark.build.descriptions import (
    AcceptedValues,
    Description,
    Reference,
    described,
    shipped_description,
)
from tallymark.build.graph import Model
from tallymark.build.parsing import parse
from tallymark.config import place
from tallymark.engine.base import identifier, literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.errors import ModelError

__all__ = ["Demand", "demands", "own_texts", "run_tests"]

SHOWN = 3
# What the validation `unique_grain` proves of these, it need not be asked twice.
_PROVEN = frozenset({"fct_sessions", "fct_orders", "fct_attribution"})
# Shipped views that nobody asks for a value until they are read: making all of their rows costs
# a tenth of a build, and each follows from a row of a table that is asked.
_LAZY = frozenset({"dim_clients", "session_pages"})
# Texts of our own making: hashes, labels and names of metrics. Others may be personal.
_OURS = frozenset(
    {"session_id", "order_id", "channel", "channel_rule", "first_channel", "model",
     "device", "status", "id_status", "metric", "segment", "step", "measure", "explanation",
     "currency", "delivery"}
)  # fmt: skip
_OF_ITS_KIND = "ask for values that the column can have, and for a table that is there"
_PERSONAL = re.compile(r"client|customer|user|visitor|person|mail|phone|address|payload|url|ip$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One test of one table.

    Attributes:
        table: The table.
        test: ``unique``, ``not_null``, ``accepted_values``, ``references``, ``grain`` or the
            name of the shop's own query.
        columns: What it is about; empty for an own query.
        count: SQL that gives the number of rows, keys or values that break it.
        found: SQL that gives what breaks it.
        path: The file it stands in.
        steps: The keys that lead to it there.
        reads: Another table it needs.
    """

    table: str
    test: str
    columns: tuple[str, ...]
    count: str
    found: str
    path: Path | str
    steps: tuple[int | str, ...] = ()
    reads: str | None = None

    @property
    def where(self) -> str:
        """The file, line and column, looked up when somebody needs it."""
        return place(self.path, *self.steps) if isinstance(self.path, Path) else self.path


# ---------------------------------------------------------------- what is asked


def demands(
    models: Mapping[str, Model], own: Path | None, *, everything: bool = False
) -> list[Demand]:
    """The tests of all tables: the shipped ones, and those of the shop's own files.

    Args:
        models: The models of a build.
        own: The folder of the shop's models; a ``.yml`` there counts for the table of its name,
            be it the shop's or a shipped one.
        everything: Also ask what validations prove.

    Raises:
        ConfigError: A file says something unknown.
        ModelError: A file is named after no table.
    """
    asked: list[Demand] = []
    files = {path.stem: path for path in sorted(own.glob("*.yml"))} if own is not None else {}
    for name, path in files.items():
        if name not in models:
            near = difflib.get_close_matches(name, sorted(models), n=1)
            raise ModelError(
                "describes a table that no model makes", where=str(path),
                fix=f"did you mean {near[0]}.yml?" if near else f"write {name}.sql beside it",
            )  # fmt: skip
        asked += _of(name, described(path), path)
    for name, model in sorted(models.items()):
        proven = (model.kind in {"staging", "validation"} or name in _LAZY) and not model.own
        beside = None if proven and not everything else shipped_description(name)
        if beside is not None and model.kind != "validation":
            skipped = _PROVEN if not (everything or model.own) else frozenset()
            asked += _of(name, beside, _beside(model), proven=name in skipped)
    return asked


def _beside(model: Model) -> str:
    """The file of a shipped description; the shop's own file where it replaces the model."""
    return model.where if model.own else f"{model.where.removesuffix('.sql')}.yml"


def own_texts(own: Path | None) -> list[str]:
    """The shop's files beside its models, as text: the tables depend on what they ask for."""
    paths = sorted(own.glob("*.yml")) if own is not None else []
    return [f"{path.name}\n{path.read_text(encoding='utf-8', errors='replace')}" for path in paths]


def _of(
    table: str, beside: Description, path: Path | str, *, proven: bool = False
) -> list[Demand]:  # fmt: skip
    asked = []
    if beside.grain and not proven:
        asked.append(_unique(table, beside.grain, path, ("grain",)))
    for number, column in enumerate(beside.columns):
        for place_, test in enumerate(column.tests):
            steps = ("columns", number, "tests", place_)
            if isinstance(test, AcceptedValues):
                asked.append(_accepted(table, column.name, test, path, steps))
            elif isinstance(test, Reference):
                asked.append(_refers(table, column.name, test, path, steps))
            elif test == "not_null":
                asked.append(_filled(table, column.name, path, steps))
            elif not proven and beside.grain != (column.name,):
                asked.append(_unique(table, (column.name,), path, steps))
    asked += [
        Demand(table=table, test=one.name, columns=(), count=one.sql, found=one.sql, path=path,
               steps=("tests", number, "sql"))
        for number, one in enumerate(beside.tests)
    ]  # fmt: skip
    return asked


Steps = tuple[int | str, ...]


def _unique(table: str, columns: tuple[str, ...], path: Path | str, steps: Steps) -> Demand:
    keys = ", ".join(identifier(one) for one in columns)
    rows, key = ("count(*)", f"row({keys})") if len(columns) > 1 else (f"count({keys})", keys)
    return Demand(
        table=table, test="grain" if steps == ("grain",) else "unique", columns=columns,
        count=f"{rows} - count(distinct {key})",
        found=f"select {keys} from {identifier(table)} where {identifier(columns[0])} is not null "
        f"group by {keys} having count(*) > 1 order by {keys}",
        path=path, steps=steps,
    )  # fmt: skip


def _filled(table: str, column: str, path: Path | str, steps: Steps) -> Demand:
    return Demand(
        table=table, test="not_null", columns=(column,),
        count=f"count(*) - count({identifier(column)})",
        found=f"select * from {identifier(table)} where {identifier(column)} is null",
        path=path, steps=steps,
    )  # fmt: skip


def _accepted(
    table: str, column: str, test: AcceptedValues, path: Path | str, steps: Steps
) -> Demand:
    name = identifier(column)
    values = ", ".join(_spelled(value) for value in test.accepted_values)
    other = f"{name} is not null and {name} not in ({values})"
    return Demand(
        table=table, test="accepted_values", columns=(column,),
        count=f"count(case when {other} then 1 end)",
        found=f"select distinct {name} from {identifier(table)} where {other} order by 1",
        path=path, steps=steps,
    )  # fmt: skip


def _spelled(value: str | float | bool) -> str:  # noqa: FBT001 -- a value of YAML
    if isinstance(value, bool):
        return "true" if value else "false"
    return literal(value) if isinstance(value, str) else repr(value)


def _refers(table: str, column: str, test: Reference, path: Path | str, steps: Steps) -> Demand:
    other, key = test.references.split(".", 1)
    name = identifier(column)
    lost = (
        f"select distinct {name} from {identifier(table)} where {name} is not null and {name} "
        f"not in (select {identifier(key)} from {identifier(other)} "
        f"where {identifier(key)} is not null)"
    )
    return Demand(
        table=table, test="references", columns=(column,),
        count=f"(select count(*) from ({lost}))", found=f"{lost} order by 1",
        path=path, steps=steps, reads=test.references,
    )  # fmt: skip


# ---------------------------------------------------------------- what is answered


def run_tests(
    engine: DuckEngine, asked: Iterable[Demand], *, tables: Iterable[str] | None = None
) -> int:
    """Ask them all; returns how many were asked.

    Args:
        engine: Where the tables are, not yet published.
        asked: What :func:`demands` found.
        tables: Ask only of these tables; of all if None.

    Raises:
        ModelError: A test fails: the model, the test, the file and line, and what was found.
    """
    wanted = None if tables is None else frozenset(tables)
    by_table: dict[str, list[Demand]] = {}
    for one in asked:
        if wanted is None or one.table in wanted:
            by_table.setdefault(one.table, []).append(one)
    for table, tests in by_table.items():
        _refuse_unknown(engine, table, tests)
        batch = [one for one in tests if one.columns]
        counts: list[int] = []
        if batch:
            counts = _counts(engine, table, batch)
        failed = [(one, int(count)) for one, count in zip(batch, counts, strict=True) if count]
        failed += [found for one in tests if not one.columns for found in _own(engine, one)]
        if failed:
            raise _failure(engine, failed)
    return sum(len(tests) for tests in by_table.values())


def _counts(engine: DuckEngine, table: str, batch: Sequence[Demand]) -> list[int]:
    """How often each of some tests of a table is broken: one query, if all can be asked."""
    asked = ", ".join(one.count for one in batch)
    try:
        return list(engine.rows(f"select {asked} from {identifier(table)}")[0])
    except duckdb.Error:
        for one in batch:
            with blaming(one.where, _OF_ITS_KIND, one.count):
                engine.rows(f"select {one.count} from {identifier(table)}")
        raise


def _own(engine: DuckEngine, one: Demand) -> list[tuple[Demand, int]]:
    """What the shop's own query found."""
    found = parse(one.count)
    if found.problem:
        raise ModelError(
            f"test {one.test!r}: {found.problem}", where=one.where,
            fix="a test is one select that finds the rows which must not be",
        )  # fmt: skip
    with blaming(one.where):
        count = engine.rows(f"select count(*) from ({one.count}\n)")[0][0]
    return [(one, int(count))] if count else []


def _refuse_unknown(engine: DuckEngine, table: str, tests: Sequence[Demand]) -> None:
    """Name the column that a test is about and that is not there."""
    there = {table: [name for name, _ in engine.columns(table)]}
    for one in tests:
        about = [(table, column) for column in one.columns]
        if one.reads is not None:
            other, key = one.reads.split(".", 1)
            about.append((other, key))
        for name, column in about:
            if name not in there:
                with blaming(one.where):
                    there[name] = [found for found, _ in engine.columns(name)]
            if column not in there[name]:
                near = difflib.get_close_matches(column, there[name], n=1)
                raise ModelError(
                    f"{name} has no column {column}", where=one.where,
                    fix=f"did you mean {near[0]}?" if near else "name one of its columns",
                )  # fmt: skip


def _failure(engine: DuckEngine, failed: Sequence[tuple[Demand, int]]) -> ModelError:
    one, count = failed[0]
    about = f" of {', '.join(one.columns)}" if one.columns else ""
    more = f" ({len(failed) - 1} more tests fail)" if len(failed) > 1 else ""
    with blaming(one.where):
        described_ = engine.rows(f"describe select * from ({one.found}\n)")
        rows = engine.rows(f"select * from ({one.found}\n) limit {SHOWN}")
    names = [str(row[0]) for row in described_]
    shown = "; ".join(_masked(names, row) for row in rows)
    return ModelError(
        f"model {one.table!r} fails its test {one.test}{about}: {count:,} found"
        + (f", such as {shown}" if shown else "")
        + f"{more}; nothing was published",
        where=one.where,
        fix="the last good state stays; mend the model or the data, or correct the test",
    )


_CELLS = 4


def _masked(names: Sequence[str], row: Sequence[object]) -> str:
    """A few values of a row that tell no person: ours, numbers, days and truths."""
    pairs = list(zip(names, row, strict=True))
    if len(pairs) > _CELLS:
        pairs = [(name, value) for name, value in pairs if value is None or _plain(name, value)]
    return ", ".join(f"{name} {_cell(name, value)}" for name, value in pairs[:_CELLS])


def _plain(name: str, value: object) -> bool:
    if _PERSONAL.search(name.lower()):
        return False
    return name in _OURS or isinstance(value, (bool, int, float, Decimal, dt.date, dt.datetime))


def _cell(name: str, value: object) -> str:
    if value is None:
        return "null"
    return str(value) if _plain(name, value) else f"({len(str(value))} characters)"
