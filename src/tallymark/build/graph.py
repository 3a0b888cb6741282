"""The graph of models, read from the SQL itself: what each one reads decides when it runs."""

from __future__ import annotations

import difflib
import graphlib
import importlib.resources
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tallymark.build.parsing import parse
from tallymark.errors import ModelError

__all__ = ["GRAPH", "Model", "bound", "load_models", "ordered", "reads"]

Kind = Literal["staging", "marts", "metrics", "validation"]
KINDS: tuple[Kind, ...] = ("staging", "marts", "metrics", "validation")
# Texts and comments are stepped over: a colon in them names no parameter.
_PLACEHOLDER = re.compile(r"'(?:[^']|'')*'|--[^\n]*|(?<!:):([a-z_]+)\b")
# What each shipped model reads, as its SQL says; a test holds the file to the SQL.
GRAPH = "graph.json"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Tables that Tallymark makes without a model: in the catalog, and while it builds.
_TAKEN = re.compile(
    r"(ledger|built)_.*|int_(client_days|order_events|person_emails|price_votes)|price_votes"
    r"|frontier|persons_now"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One table a file.

    Attributes:
        name: The file's name without its ending: the table it makes.
        kind: The folder it stands in.
        sql: Its text: one select.
        where: The file, for messages.
        own: Whether the file is the user's.
        reads: The tables it reads, where that is known without parsing it.
        columns: What a shipped model of this name promises its readers; empty for own tables.
    """

    name: str
    kind: Kind
    sql: str
    where: str
    own: bool = False
    reads: frozenset[str] | None = None
    columns: tuple[str, ...] = ()


def load_models(own: Path | None) -> dict[str, Model]:
    """The shipped models, and the user's: a file of a shipped model's name replaces it.

    Raises:
        ModelError: A file of the user cannot be read, or has a name that no table can have.
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
        replaced = found.get(path.stem)
        _refuse_name(path)
        try:
            sql = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(
                f"cannot be read: {error}", where=str(path), fix="save it as UTF-8 text"
            ) from error
        found[path.stem] = Model(
            name=path.stem, kind=replaced.kind if replaced else "marts", sql=sql,
            where=str(path), own=True, columns=_promised(replaced) if replaced else (),
        )  # fmt: skip
    return found


def _refuse_name(path: Path) -> None:
    """Refuse a file whose table could not be, or would take the place of one of ours."""
    name = path.stem
    if _NAME.fullmatch(name) is None:
        raise ModelError(
            f"{name!r} cannot be the name of a table", where=str(path),
            fix="begin it with a lower case letter, and use lower case letters, digits and _",
        )  # fmt: skip
    if _TAKEN.fullmatch(name):
        raise ModelError(
            f"Tallymark keeps the name {name} for itself", where=str(path),
            fix=f"give the file another name, such as mart_{name}.sql",
        )  # fmt: skip


def _promised(model: Model) -> tuple[str, ...]:
    """The columns in the file beside a shipped model; only a replacement asks for them."""
    from ruamel.yaml import YAML  # noqa: PLC0415 -- 0.1 s that a shop without own models saves

    root = importlib.resources.files("tallymark").joinpath("models", model.kind)
    text = root.joinpath(f"{model.name}.yml").read_text(encoding="utf-8")
    described = YAML(typ="safe").load(text)
    return tuple(str(column["name"]) for column in described.get("columns") or ())


def reads(model: Model, values: Mapping[str, str]) -> frozenset[str]:
    """The tables a model reads, from its SQL.

    Raises:
        ModelError: It is not one select statement; the line is named where it is known.
    """
    if model.reads is not None:
        return model.reads
    found = parse(bound(model, values))
    if found.problem:
        raise ModelError(
            found.problem, where=_at(model, found.line),
            fix="a model is one select over tables of the warehouse, one file a table",
        )  # fmt: skip
    return frozenset(found.tables)


def _at(model: Model, line: int | None) -> str:
    return f"{model.where}:{line}" if line else model.where


def _where_read(model: Model | None, table: str, values: Mapping[str, str]) -> str:
    """The file, and the line, on which a model first names a table."""
    if model is None:
        return ""
    return _at(model, parse(bound(model, values)).tables.get(table) if model.own else None)


def ordered(
    models: Iterable[Model],
    steps: Mapping[str, Sequence[str]],
    sources: Sequence[str],
    values: Mapping[str, str],
) -> list[str]:
    """The names of models and Python steps in the order in which they must run.

    Args:
        models: All SQL models but validations.
        steps: What each Python step reads, by the name of the table it makes.
        sources: Tables that are there before anything runs.
        values: The parameters of :func:`bound`.

    Raises:
        ModelError: A cycle, a table that nothing makes, or one that is made without SQL.
    """
    wanted: dict[str, frozenset[str]] = {name: frozenset(needs) for name, needs in steps.items()}
    files: dict[str, Model] = {}
    for model in models:
        if model.name in steps or model.name in sources:
            raise ModelError(
                f"{model.name} is made by Tallymark without SQL", where=model.where,
                fix="choose another name",
            )  # fmt: skip
        wanted[model.name] = reads(model, values)
        files[model.name] = model
    known = set(wanted) | set(sources)
    for name, needs in sorted(wanted.items()):
        if unknown := sorted(needs - known):
            raise ModelError(
                f"reads a table that nothing makes: {unknown[0]}",
                where=_where_read(files.get(name), unknown[0], values) or name,
                fix=_similar(unknown[0], known),
            )  # fmt: skip
    graph = {name: sorted(needs & set(wanted)) for name, needs in sorted(wanted.items())}
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        # Each name in it is read by the one after it; Tallymark's own part of it needs no mending.
        circle: list[str] = error.args[1]
        own = [place for place, name in enumerate(circle[1:]) if name in files and files[name].own]
        read = circle[own[0] if own else 0]
        reader = files.get(circle[(own[0] if own else 0) + 1])
        raise ModelError(
            f"models read each other in a circle: {' -> '.join(circle)}",
            where=_where_read(reader, read, values),
            fix="take one of these tables out of the other's SQL",
        ) from error


def _similar(word: str, words: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, sorted(words), n=1)
    return f"did you mean {close[0]}?" if close else "see the tables in docs/reference/tables.md"


def bound(model: Model, values: Mapping[str, str]) -> str:
    """The model's SQL with its named parameters (``:gap_ms``) filled in.

    Raises:
        ModelError: A parameter that does not exist.
    """

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0]
        if name not in values:
            line = model.sql.count("\n", 0, match.start()) + 1
            raise ModelError(
                f"unknown parameter :{name}", where=_at(model, line),
                fix=f"known parameters: {', '.join(f':{one}' for one in sorted(values))}",
            )  # fmt: skip
        return values[name]

    return _PLACEHOLDER.sub(fill, model.sql)
