"""The whole transformation as SQL files for another engine, in the order in which they run.

What Python makes in a build is said in SQL here (``build/compiled/``), as far as SQL can say it;
lists become seed tables. The page beside the files says plainly where the two differ.
"""

from __future__ import annotations

import csv
import importlib.resources
import io
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tallymark.build.channel_sql import channel_seeds, traffic_parameters
from tallymark.build.graph import Model, bound, load_models, ordered
from tallymark.build.model_tests import demands
from tallymark.build.parameters import model_parameters
from tallymark.build.readme import readme
from tallymark.build.staging_sql import (
    AGENT_COLUMNS,
    AGENTS,
    agent_seed,
    list_seeds,
    raw_name,
    staging_parameters,
)
from tallymark.config import Config
from tallymark.contract import Contract
from tallymark.engine.base import literal
from tallymark.engine.portable import beyond
from tallymark.engine.render import ENGINES, Dialect, render
from tallymark.engine.warehouse import write_atomically
from tallymark.errors import ModelError, UsageError

__all__ = [
    "Compiled", "CompiledFile", "compile_models", "compiled_models", "raw_columns",
    "write_compiled",
]  # fmt: skip

FOLDER = "compiled"
# Selections out of another table; a table of their own would only cost space.
_VIEWS = frozenset(
    {"landed_urls", "events", "fct_sessions", "fct_orders", "dim_clients", "session_pages"}
)
_RAW = "raw_events"
_TYPES: Mapping[Dialect, tuple[str, str]] = {
    "duckdb": ("varchar", "bigint"),
    "snowflake": ("VARCHAR", "BIGINT"),
    "bigquery": ("STRING", "INT64"),
    "spark": ("STRING", "BIGINT"),
}
_MARK = ".tallymark"  # says that a folder is ours to write anew


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFile:
    """One file.

    Attributes:
        path: Its name in the folder.
        text: What it holds.
        table: The table it makes, or the validation it is.
    """

    path: str
    text: str
    table: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What was written.

    Attributes:
        engine: For which engine.
        output: The folder.
        files: Every file, in the order in which they run.
        tables: The tables they make, in that order.
        validations: The queries that must find no row.
        left_out: Settings of this shop that the SQL does not say.
        unproved: What the shop's own models use beyond the portable subset, a sentence a model.
    """

    engine: str
    output: Path
    files: Sequence[str]
    tables: Sequence[str]
    validations: Sequence[str]
    left_out: Sequence[str]
    unproved: Sequence[str] = ()


def compiled_models(config: Config, contract: Contract) -> dict[str, Model]:
    """The SQL of what Python makes in a build, by table; in the portable subset."""
    root = importlib.resources.files("tallymark").joinpath("build").joinpath(FOLDER)
    parameters = {**staging_parameters(config, contract), **traffic_parameters(config)}
    found = {}
    for file in sorted(root.iterdir(), key=lambda one: one.name):
        name = file.name.removesuffix(".sql")
        plain = Model(
            name=name, kind="staging", sql=file.read_text(encoding="utf-8"),
            where=f"tallymark/build/{FOLDER}/{file.name}",
        )  # fmt: skip
        found[name] = Model(
            name=name, kind="staging", sql=bound(plain, parameters), where=plain.where
        )
    return found


def compile_models(
    engine: Dialect, config: Config, contract: Contract, *, own: Path, agents: Path | None = None
) -> tuple[list[CompiledFile], list[str], list[str]]:
    """Every file of the transformation, and what it does not say or prove.

    The second are settings of this shop that the SQL leaves out, the third what its own models
    use beyond the portable subset.

    Args:
        engine: For which engine.
        config: The configuration.
        contract: The contract.
        own: The folder of the shop's models.
        agents: A warehouse whose classified user agents become a seed.

    Raises:
        ModelError: A model cannot be said in the engine's SQL, or two raw columns have one name.
        UsageError: There is no such engine.
    """
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}", fix=f"one of: {', '.join(ENGINES)}")
    seeds = {**channel_seeds(config), **list_seeds(config)}
    parameters = model_parameters(config, "compiled")
    models = load_models(own)
    made = compiled_models(config, contract)
    runnable = [one for one in models.values() if one.kind != "validation"]
    sources = [_RAW, AGENTS, *seeds]
    order = ordered([*made.values(), *runnable], {}, sources, parameters)
    known = {**{one.name: one for one in runnable}, **made}
    files = [_setup(engine, contract)]
    files += [_seed(engine, name, *seed) for name, seed in seeds.items()]
    files += [_table(engine, known[name], parameters) for name in order]
    checks = [one for one in models.values() if one.kind == "validation"]
    queries = {one.name: bound(one, parameters) for one in checks}
    files += [_query(engine, one, queries[one.name]) for one in checks]
    queries |= _tests(models, own)
    files.append(_together(engine, queries))
    width = len(str(len(files)))
    numbered = [
        CompiledFile(path=f"{number:0{width}d}_{file.path}.sql", text=file.text, table=file.table)
        for number, file in enumerate(files, start=1)
    ]
    seed = CompiledFile(path=f"seeds/{AGENTS}.csv", text=_csv(agent_seed(agents)), table=AGENTS)
    return [*numbered, seed], _left_out(config, contract), _unproved(models)


def write_compiled(
    engine: Dialect,
    config: Config,
    contract: Contract,
    *,
    own: Path,
    output: Path,
    warehouse: Path | None = None,
) -> Compiled:
    """Write them into a folder, with a page on how to run them; a folder of ours is written anew.

    Raises:
        UsageError: The folder holds something else.
        ModelError: A model cannot be said in the engine's SQL.
    """
    if output.exists() and not output.is_dir():
        raise UsageError("this is no folder", where=str(output), fix="name one with --output")
    files, left_out, unproved = compile_models(engine, config, contract, own=own, agents=warehouse)
    if output.exists() and not (output / _MARK).is_file() and any(output.iterdir()):
        raise UsageError(
            "this folder holds files that `tallymark compile` did not write", where=str(output),
            fix="choose an empty folder with --output",
        )  # fmt: skip
    shutil.rmtree(output, ignore_errors=True)
    write_atomically(output / _MARK, f"{engine}\n")
    for file in files:
        write_atomically(output / file.path, file.text)
    checks = [file.table for file in files if "_validate_" in file.path]
    tables = [file.table for file in files if file.table and file.table not in checks]
    page = readme(
        engine, [(file.path, file.table) for file in files], config=config,
        columns=[name for name, _ in raw_columns(contract)], left_out=left_out,
        unproved=unproved,
    )  # fmt: skip
    write_atomically(output / "README.md", page)
    return Compiled(
        engine=engine, output=output, files=["README.md", *(file.path for file in files)],
        tables=tables, validations=checks, left_out=left_out, unproved=unproved,
    )  # fmt: skip


def raw_columns(contract: Contract) -> list[tuple[str, bool]]:
    """The columns of ``raw_events``, and whether each is a number.

    Raises:
        ModelError: Two of them would have one name, whose case most engines overlook.
    """
    names = [column.name for column in contract.columns if column.role is not None]
    columns = [("delivery", False), ("line_number", True), *((name, False) for name in names)]
    seen: dict[str, str] = {}
    for name, _ in columns:
        if (other := seen.get(name.lower())) is not None:
            raise ModelError(
                f"columns {other} and {name} of {_RAW} would have one name",
                where="contracts/events.yml",
                fix=f"call {name} otherwise in the contract, with the name that is delivered "
                "among its aliases",
            )
        seen[name.lower()] = name
    return columns


# ---------------------------------------------------------------- files


def _setup(engine: Dialect, contract: Contract) -> CompiledFile:
    text, number = _TYPES[engine]
    columns = ",\n".join(
        f"    {raw_name(name, engine)} {number if numeric else text}"
        for name, numeric in raw_columns(contract)
    )
    agents = ",\n".join(
        f"    {name} {'BOOLEAN' if name == 'is_bot' else text}" for name in AGENT_COLUMNS
    )
    using = " USING parquet" if engine == "spark" else ""
    parts = [
        "-- Delivered rows, all columns as text: load every delivery here before the rest runs.",
        f"CREATE TABLE IF NOT EXISTS {_RAW} (\n{columns}\n){using};",
        (
            f"\n-- User agents as Python classifies them: load seeds/{AGENTS}.csv here, or leave "
            "it empty."
        ),
        f"CREATE TABLE IF NOT EXISTS {AGENTS} (\n{agents}\n){using};",
        *_FUNCTIONS.get(engine, ()),
    ]
    return CompiledFile(path="setup", text="\n".join(parts) + "\n")


_DECODE = "try { return decodeURIComponent({0}.replace(/\\+/g, ' ')); } catch (e) { return {0}; }"
_FUNCTIONS: Mapping[Dialect, Sequence[str]] = {
    "snowflake": (
        "\n-- Values of a URL's query are decoded where they can be.",
        (
            "CREATE OR REPLACE FUNCTION TALLYMARK_URL_DECODE(value VARCHAR)\nRETURNS VARCHAR\n"
            "LANGUAGE JAVASCRIPT\nRETURNS NULL ON NULL INPUT\nAS $$\n"
            f"  {_DECODE.replace('{0}', 'VALUE')}\n$$;"
        ),
    ),
    "bigquery": (
        "\n-- Values of a URL's query are decoded where they can be.",
        (
            "CREATE OR REPLACE FUNCTION tallymark_url_decode(value STRING)\nRETURNS STRING\n"
            'LANGUAGE js AS r"""\n'
            "  if (value === null) return null;\n"
            f'  {_DECODE.replace("{0}", "value")}\n""";'
        ),
    ),
}


def _seed(
    engine: Dialect, name: str, columns: Sequence[str], rows: Iterable[Sequence[str | int]]
) -> CompiledFile:
    lines = ", ".join(
        "(" + ", ".join(literal(one) if isinstance(one, str) else str(one) for one in row) + ")"
        for row in rows
    )
    names = ", ".join(columns)
    sql = f"select {names} from (values {lines}) as listed({names})"
    text = render(sql, engine)
    return CompiledFile(path=name, text=_create(engine, "TABLE", name, text), table=name)


def _table(engine: Dialect, model: Model, parameters: Mapping[str, str]) -> CompiledFile:
    sql = bound(model, parameters)
    # BigQuery wants the dataset said in a view, and copies none with the tables.
    view = model.name in _VIEWS and not model.own and engine != "bigquery"
    kind = "VIEW" if view else "TABLE"
    text = render(sql, engine, where=model.where)
    return CompiledFile(
        path=model.name, text=_create(engine, kind, model.name, text), table=model.name
    )


def _create(engine: Dialect, kind: str, name: str, select: str) -> str:
    head, text = _head(select)
    if kind == "TABLE" and engine == "spark":
        return (
            f"{head}DROP TABLE IF EXISTS {name};\n\nCREATE TABLE {name} USING parquet AS\n{text};\n"
        )
    return f"{head}CREATE OR REPLACE {kind} {name} AS\n{text};\n"


def _head(select: str) -> tuple[str, str]:
    """The first comment as a line of its own, and the select."""
    if select.startswith("/*"):
        comment, _, rest = select[2:].partition("*/")
        return f"-- {comment.strip()}\n", rest.strip()
    return "", select.strip()


def _query(engine: Dialect, model: Model, sql: str) -> CompiledFile:
    head, text = _head(render(sql, engine, where=model.where))
    return CompiledFile(
        path=f"validate_{model.name}", table=model.name,
        text=f"{head}-- It must find no row.\n{text};\n",
    )  # fmt: skip


def _tests(models: Mapping[str, Model], own: Path) -> dict[str, str]:
    """The tests beside the models as queries that must find no row."""
    asked = [one for one in demands(models, own) if one.columns]
    return {
        f"test {one.table} {one.test} {' '.join(one.columns)}": one.found.split(" order by ")[0]
        for one in asked
    }


def _together(engine: Dialect, queries: Mapping[str, str]) -> CompiledFile:
    """All validations and tests as one query: how many rows each finds."""
    parts = [
        f"select {literal(name)} as validation, count(*) as found_rows from ({sql.strip()}\n) as f"
        for name, sql in queries.items()
    ]
    sql = "select validation, found_rows from (\n" + "\nunion all\n".join(parts) + "\n) as all_of"
    text = render(f"{sql} where found_rows > 0 order by validation nulls first", engine)
    head = "-- One row per validation or test that found something: the run is good without any."
    return CompiledFile(path="validate_all", table="all", text=f"{head}\n{text};\n")


def _csv(rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(AGENT_COLUMNS)
    writer.writerows(rows)
    return out.getvalue()


def _unproved(models: Mapping[str, Model]) -> list[str]:
    """What the shop's own models use that engines may not know, or understand differently."""
    used = {name: beyond(one.sql) for name, one in sorted(models.items()) if one.own}
    return [f"models/{name}.sql uses {', '.join(words)}" for name, words in used.items() if words]


def _left_out(config: Config, contract: Contract) -> list[str]:
    """Settings of this shop that the SQL does not say."""
    found = []
    if config.sessions.break_on_campaign:
        found.append("sessions.break_on_campaign: a new campaign does not begin a session")
    if config.sessions.cap_hours is not None:
        found.append("sessions.cap_hours: long sessions are not cut")
    if contract.client_made_at is not None:
        found.append("client_made_at of the contract: a client is new by its rows alone")
    return found
