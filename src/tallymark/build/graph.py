"""The graph of models, read from the SQL itself: what each one reads decides when it runs."""

from __future__ import annotations

import graphlib
import importlib.resources
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tallymark.errors import ModelError

__all__ = ["GRAPH", "Model", "bound", "load_models", "ordered", "reads"]

Kind = Literal["staging", "marts", "metrics", "validation"]
KINDS: tuple[Kind, ...] = ("staging", "marts", "metrics", "validation")
# What the shipped models read, as read from their SQL; a test holds the file to the SQL.
GRAPH = "graph.json"
_PLACEHOLDER = re.compile(r"(?<!:):([a-z_]+)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One table a file.

    Attributes:
        name: The file's name without its ending: the table it makes.
        kind: The folder it stands in.
        sql: Its text: one select.
        where: The file, for messages.
        reads: The tables it reads, where that is known without parsing it.
    """

    name: str
    kind: Kind
    sql: str
    where: str
    reads: frozenset[str] | None = None


def load_models(own: Path | None) -> dict[str, Model]:
    """The shipped models, and the user's: a file of a shipped model's name replaces it.

    Raises:
        ModelError: A file of the user cannot be read.
    """
    found: dict[str, Model] = {}
    root = importlib.resources.files("tallymark").joinpath("models")
    graph = json.loads(root.joinpath(GRAPH).read_text(encoding="utf-8"))
    for kind in KINDS:
        for file in sorted(root.joinpath(kind).iterdir(), key=lambda one: one.name):
            if file.name.endswith(".sql"):
                name = file.name.removesuffix(".sql")
                found[name] = Model(
                    name=name, kind=kind, sql=file.read_text(encoding="utf-8"),
                    where=f"tallymark/models/{kind}/{file.name}",
                    reads=frozenset(graph[name]) if name in graph else None,
                )  # fmt: skip
    for path in sorted(own.glob("*.sql")) if own is not None and own.is_dir() else []:
        try:
            sql = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"cannot be read: {error}", where=str(path)) from error
        kind = found[path.stem].kind if path.stem in found else "marts"
        found[path.stem] = Model(name=path.stem, kind=kind, sql=sql, where=str(path))
    return found


def reads(model: Model, values: Mapping[str, str]) -> frozenset[str]:
    """The tables a model reads, from its SQL.

    Raises:
        ModelError: It is not one select statement; the line is named where it is known.
    """
    if model.reads is not None:
        return model.reads
    import sqlglot  # noqa: PLC0415 -- 0.4 s that only models of the user's own must pay
    from sqlglot import exp  # noqa: PLC0415

    try:
        statements = [one for one in sqlglot.parse(bound(model, values), dialect="duckdb") if one is not None]
    except sqlglot.ParseError as error:
        first = error.errors[0] if error.errors else {}
        line = f":{first.get('line')}" if first.get("line") else ""
        raise ModelError(
            f"is not SQL: {first.get('description', error)}", where=f"{model.where}{line}"
        ) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ModelError(
            "a model is exactly one select statement", where=model.where,
            fix="split it into one file a table; leave create, insert and drop to Tallymark",
        )  # fmt: skip
    inner = {cte.alias_or_name for cte in statements[0].find_all(exp.CTE)}
    return frozenset(
        table.name for table in statements[0].find_all(exp.Table) if table.name not in inner
    )


def ordered(
    models: Iterable[Model],
    steps: Mapping[str, Sequence[str]],
    sources: Iterable[str],
    values: Mapping[str, str],
) -> list[str]:
    """The names of models and Python steps in the order in which they must run.

    Args:
        models: All SQL models but validations.
        steps: What each Python step reads, by the name of the table it makes.
        sources: Tables that are there before anything runs.
        values: The parameters of :func:`bound`.

    Raises:
        ModelError: A cycle, or a table that nothing makes.
    """
    wanted: dict[str, frozenset[str]] = {name: frozenset(needs) for name, needs in steps.items()}
    files = {}
    for model in models:
        wanted[model.name] = reads(model, values)
        files[model.name] = model.where
    known = set(wanted) | set(sources)
    for name, needs in sorted(wanted.items()):
        if unknown := sorted(needs - known):
            raise ModelError(
                f"reads a table that nothing makes: {unknown[0]}", where=files.get(name, name)
            )
    graph = {name: sorted(needs & set(wanted)) for name, needs in sorted(wanted.items())}
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        raise ModelError(
            f"models read each other in a circle: {' -> '.join(error.args[1])}",
            where=files.get(error.args[1][0], ""),
        ) from error


def bound(model: Model, values: Mapping[str, str]) -> str:
    """The model's SQL with its named parameters (``:gap_ms``) filled in.

    Raises:
        ModelError: A parameter that does not exist.
    """

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            raise ModelError(
                f"unknown parameter :{name}", where=model.where,
                fix=f"known parameters: {', '.join(f':{one}' for one in sorted(values))}",
            )  # fmt: skip
        return values[name]

    return _PLACEHOLDER.sub(fill, model.sql)
