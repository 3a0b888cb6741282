"""What a table is made of: its SQL, the tables before and after it, and where columns come from."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallymark.build.descriptions import Description, described, shipped_description
from tallymark.build.graph import Model, bound, load_models, reads
from tallymark.build.steps import SOURCES, STEPS
from tallymark.engine.render import Dialect, render
from tallymark.errors import ModelError, UsageError

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["ExplainedColumn", "Explanation", "explain"]

PYTHON = "python"
_INPUT = "input"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedColumn:
    """A column: its meaning, its tests, and the columns of other tables that it is made of."""

    name: str
    description: str = ""
    tests: Sequence[str] = ()
    sources: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What can be said of a table without running anything.

    Attributes:
        name: The table.
        kind: ``staging``, ``marts``, ``metrics``, ``validation``, ``python`` for a table that
            Python makes, ``input`` for one that is there before anything runs.
        own: Whether the shop's own file makes it.
        where: The file.
        description: What a row is.
        grain: The columns that name one row.
        engine: In whose SQL ``sql`` is.
        sql: The select that makes it. For what Python makes: the one that stands for it in compiled
            SQL, if another engine was asked for; else empty.
        upstream: The tables it reads.
        downstream: The tables and validations that read it.
        sources: Everything it rests on, at any distance.
        columns: Its columns.
    """

    name: str
    kind: str
    own: bool
    where: str
    description: str
    grain: Sequence[str]
    engine: str
    sql: str
    upstream: Sequence[str]
    downstream: Sequence[str]
    sources: Sequence[str]
    columns: Sequence[ExplainedColumn]


def explain(
    name: str,
    *,
    own: Path,
    parameters: Mapping[str, str],
    engine: Dialect = "duckdb",
    compiled: Mapping[str, Model] | None = None,
) -> Explanation:
    """Explain one table.

    Args:
        name: The table or validation.
        own: The folder of the shop's models.
        parameters: The named parameters of the models.
        engine: In whose SQL to show it.
        compiled: The SQL that stands for what Python makes, where another engine is asked for.

    Raises:
        UsageError: There is no such table; with the nearest name.
        ModelError: Its SQL cannot be read, or not be said in the other engine's.
    """
    models = load_models(own)
    edges: dict[str, frozenset[str]] = {name: frozenset() for name in SOURCES}
    edges |= {step: frozenset(one.reads) for step, one in STEPS.items()}
    edges |= {one.name: reads(one, parameters) for one in models.values()}
    if name not in edges:
        near = difflib.get_close_matches(name, sorted(edges), n=1)
        raise UsageError(
            f"there is no model {name!r}",
            fix=f"did you mean {near[0]!r}?" if near else "see docs/reference/tables.md",
        )
    model = models.get(name)
    beside = _beside(name, model, own)
    text = bound(model, parameters) if model is not None else ""
    shown = text.strip()
    if model is not None and engine != "duckdb":
        shown = render(text, engine, where=model.where)
    elif model is None and compiled is not None and name in compiled:
        shown = render(compiled[name].sql, engine, where=compiled[name].where)
    return Explanation(
        name=name,
        kind=model.kind if model is not None else PYTHON if name in STEPS else _INPUT,
        own=model is not None and model.own,
        where=model.where if model is not None else "tallymark/build",
        description=beside.description,
        grain=beside.grain,
        engine=engine,
        sql=shown,
        upstream=sorted(edges[name]),
        downstream=sorted(one for one, needs in edges.items() if name in needs),
        sources=sorted(_closure(name, edges)),
        columns=_columns(text, beside, models, own, parameters),
    )


def _beside(name: str, model: Model | None, own: Path) -> Description:
    path = own / f"{name}.yml"
    if path.is_file():
        return described(path)
    shipped = None if model is not None and model.own and not model.columns else name
    return (shipped_description(shipped) if shipped is not None else None) or Description()


def _closure(name: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        more = set(edges.get(waiting.pop(), ())) - found
        found |= more
        waiting += more
    return found


# ---------------------------------------------------------------- columns


def _columns(
    text: str, beside: Description, models: Mapping[str, Model], own: Path,
    parameters: Mapping[str, str],
) -> list[ExplainedColumn]:  # fmt: skip
    said = {one.name: one for one in beside.columns}
    found = _sources(text, models, own, parameters) if text else {}
    names = list(found) or list(said)
    return [
        ExplainedColumn(
            name=column,
            description=said[column].description if column in said else "",
            tests=[_test(test) for test in said[column].tests] if column in said else (),
            sources=found.get(column, ()),
        )
        for column in names
    ]


def _test(test: object) -> str:
    if isinstance(test, str):
        return test
    told: dict[str, Any] = test.model_dump() if hasattr(test, "model_dump") else {}
    return ", ".join(f"{key} {value}" for key, value in told.items())


def _sources(
    text: str, models: Mapping[str, Model], own: Path, parameters: Mapping[str, str]
) -> dict[str, list[str]]:
    """For each column of a text the columns of tables that its value is made of."""
    import sqlglot  # noqa: PLC0415 -- 0.4 s that only this command must pay
    from sqlglot import exp  # noqa: PLC0415
    from sqlglot.lineage import lineage  # noqa: PLC0415
    from sqlglot.optimizer.qualify import qualify  # noqa: PLC0415
    from sqlglot.optimizer.scope import build_scope  # noqa: PLC0415

    tree = sqlglot.parse_one(text, dialect="duckdb")
    known = {
        table.name.lower(): _names(table.name.lower(), models, own, parameters)
        for table in tree.find_all(exp.Table)
    }
    schema: dict[str, object] = {
        table: dict.fromkeys(names, "varchar") for table, names in known.items() if names
    }
    try:
        whole = qualify(tree, dialect="duckdb", schema=schema, validate_qualify_columns=False)
        scope = build_scope(whole)
        names = whole.named_selects if isinstance(whole, exp.Query) else []
        return {
            column: _leaves(lineage(column, whole, schema, dialect="duckdb", scope=scope))
            for column in names
            if column != "*"
        }
    except (sqlglot.errors.SqlglotError, ValueError) as error:
        raise ModelError(f"cannot be followed: {error}") from error


def _leaves(node: Any) -> list[str]:
    from sqlglot import exp  # noqa: PLC0415 -- see above

    found = set()
    for one in node.walk():
        if isinstance(one.source, exp.Table) and not one.downstream:
            found.add(f"{one.source.name}.{one.name.rsplit('.', 1)[-1]}".replace('"', ""))
    return sorted(found)


def _names(
    table: str, models: Mapping[str, Model], own: Path, parameters: Mapping[str, str]
) -> list[str]:
    """The columns of a table, from its description or its SQL; none where neither says."""
    import sqlglot  # noqa: PLC0415 -- see above
    from sqlglot import exp  # noqa: PLC0415

    model = models.get(table)
    beside = _beside(table, model, own)
    if beside.columns and not (model is not None and model.own):
        return [one.name for one in beside.columns]
    if model is None:
        return []
    tree: exp.Expr = sqlglot.parse_one(bound(model, parameters), dialect="duckdb")
    names = tree.named_selects if isinstance(tree, exp.Query) else []
    return [] if "*" in names else list(names)
