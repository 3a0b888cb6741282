"""Some models alone: made from what is published, and published with the rest, at once.

Shipped tables reconcile with each other only together, so that a build makes all of them or
none. What can be made alone are the shop's own models; everything else stays as it is.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tallymark.build.blame import blaming
from tallymark.build.book import state_of
from tallymark.build.graph import Model, bound, load_models, ordered, reads
from tallymark.build.model_tests import demands, own_texts, run_tests
from tallymark.build.steps import SOURCES, STEPS
from tallymark.config import Config, fingerprint
from tallymark.engine.base import identifier
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.published import read_publication
from tallymark.engine.table import tables
from tallymark.engine.warehouse import Publication, Warehouse
from tallymark.errors import ModelError, UsageError

__all__ = ["Selection", "build_selection", "select"]

_SELECTOR = re.compile(r"(\+?)([A-Za-z0-9_]+)(\+?)")
_PARQUET = "format parquet, parquet_version v2, compression snappy, write_bloom_filter false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was asked for.

    Attributes:
        made: The shop's own models, in the order in which they run.
        kept: What was selected too, and stays as it is published: shipped tables.
        tables: Rows by table that was made; empty for a dry run.
        published: Whether they were made and published.
    """

    made: Sequence[str]
    kept: Sequence[str]
    tables: Mapping[str, int]
    published: bool


def select(
    models: Mapping[str, Model], parameters: Mapping[str, str], asked: Iterable[str]
) -> Selection:
    """What some selectors mean.

    ``model`` is one, ``model+`` also all that rests on it, ``+model`` all that it rests on.

    Args:
        models: All models.
        parameters: The named parameters of the models.
        asked: Selectors; one may hold several, separated by commas or blanks.

    Raises:
        UsageError: A selector is none, or names no model.
        ModelError: The models cannot be ordered.
    """
    runnable = [model for model in models.values() if model.kind != "validation"]
    needs = {name: step.reads for name, step in STEPS.items()}
    order = ordered(runnable, needs, SOURCES, parameters)
    above: dict[str, frozenset[str]] = {
        name: frozenset(needs[name] if name in needs else reads(models[name], parameters))
        for name in order
    }
    below: dict[str, set[str]] = {name: set() for name in order}
    for name in order:
        for parent in above[name] & set(order):
            below[parent].add(name)
    wanted: set[str] = set()
    for selector in (word for one in asked for word in re.split(r"[,\s]+", one) if word):
        ancestors, name, descendants = _parts(selector, order)
        wanted.add(name)
        wanted |= _closure(name, above) if ancestors else set()
        wanted |= _closure(name, below) if descendants else set()
    found = [name for name in order if name in wanted]
    made = [name for name in found if name in models and _stands_alone(models[name])]
    return Selection(
        made=made, kept=[name for name in found if name not in made], tables={}, published=False
    )


def _stands_alone(model: Model) -> bool:
    """Whether it is a table of the shop's own, which no shipped table rests on."""
    return model.own and not model.columns


def _parts(selector: str, known: Sequence[str]) -> tuple[str, str, str]:
    match = _SELECTOR.fullmatch(selector)
    if match is None:
        raise UsageError(f"{selector!r} selects nothing", fix="write it as model, model+ or +model")
    if match[2] not in known:
        near = difflib.get_close_matches(match[2], known, n=1)
        raise UsageError(
            f"there is no model {match[2]!r}",
            fix=f"did you mean {near[0]!r}?" if near else "see docs/reference/tables.md",
        )
    return match[1], match[2], match[3]


def _closure(name: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for one in edges.get(waiting.pop(), ()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return found


# ---------------------------------------------------------------- making them


def build_selection(
    warehouse: Warehouse,
    config: Config,
    own: Path,
    parameters: Mapping[str, str],
    asked: Sequence[str],
    *,
    dry_run: bool = False,
) -> Selection:
    """Make the selected models of the shop, test them, and publish them; the caller holds it.

    Args:
        warehouse: Where the last build is.
        config: The configuration.
        own: The folder of the shop's models.
        parameters: The named parameters of the models.
        asked: Selectors.
        dry_run: Say what would be made; make and write nothing.

    Raises:
        UsageError: Nothing that can be made alone was selected.
        ModelError: A model does not run, or a test fails; nothing was published.
        WarehouseError: Nothing was built yet.
    """
    models = load_models(own)
    selection = select(models, parameters, asked)
    if not selection.made:
        raise UsageError(
            "only the shop's own models can be made alone: shipped tables are made together",
            fix="run `tallymark build`, or `tallymark build --full-refresh` to make all again",
        )
    _refuse_unkept(selection, models, parameters, tables(warehouse))
    if dry_run:
        return selection
    limits = config.engine
    engine = warehouse.open(memory_limit=limits.memory_limit, threads=limits.threads)
    try:
        engine.execute("drop schema if exists made cascade")
        engine.execute("create schema made")
        engine.execute("set search_path = 'made,main'")
        for name in selection.made:
            with blaming(models[name].where):
                sql = bound(models[name], parameters)
                engine.execute(f"create table made.{identifier(name)} as {sql}")
        run_tests(engine, demands(models, own), tables=selection.made)
        counts = {name: _count(engine, name) for name in selection.made}
        files = {name: [_written(engine, warehouse, name)] for name in selection.made}
    finally:
        engine.close()
    last = read_publication(warehouse)
    warehouse.publish(
        replace(
            last,
            files={**last.files, **files},
            meta=_meta(last, models, selection.made, counts, own_texts(own)),
        ),
        generations=config.generations,
    )
    return replace(selection, tables=counts, published=True)


def _refuse_unkept(
    selection: Selection,
    models: Mapping[str, Model],
    parameters: Mapping[str, str],
    published: Sequence[str],
) -> None:
    """A table that a build drops once its models have run is not there to read."""
    there = {*published, *selection.made}
    for name in selection.made:
        if lost := sorted(reads(models[name], parameters) - there):
            raise ModelError(
                f"reads {lost[0]}, which is not published", where=models[name].where,
                fix="run `tallymark build`, which makes it, or read a published table",
            )  # fmt: skip


def _count(engine: DuckEngine, name: str) -> int:
    return int(engine.rows(f"select count(*) from made.{identifier(name)}")[0][0])


def _written(engine: DuckEngine, warehouse: Warehouse, name: str) -> Path:
    aside = warehouse.scratch / f"{name}.parquet"
    engine.write(f"select * from made.{identifier(name)} order by all", aside, _PARQUET)
    return warehouse.keep(name, aside)


def _meta(
    last: Publication,
    models: Mapping[str, Model],
    made: Sequence[str],
    counts: Mapping[str, int],
    beside: Sequence[str],
) -> dict[str, str]:
    """The facts of the publication, changed: it is of another state, and these rows are in it."""
    meta = dict(last.meta)
    facts: dict[str, Any] = json.loads(meta.get("facts", "{}"))
    facts["tables"] = {**facts.get("tables", {}), **counts}
    texts = [f"{name}\n{models[name].sql}" for name in made]
    meta["facts"] = json.dumps(facts)
    # No build has this state: the next one looks at everything again, whatever was changed back.
    meta["state"] = fingerprint(meta.get("state", ""), *texts)
    if "settings" in meta:
        settings = json.loads(meta["settings"])
        settings |= {f"the model {name}": fingerprint(models[name].sql) for name in made}
        meta["settings"] = json.dumps(settings)
        # Who goes back from here wants this state no more, and a build of it neither.
        asked = {"the tests beside the models": fingerprint(*beside)}
        meta["built_as"] = state_of(meta.get("inputs", ""), {**settings, **asked})
    return meta
