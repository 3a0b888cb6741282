"""The model as SQL: compiled for another engine, and explained table by table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallymark.cli.options import (
    Group,
    cli,
    common,
    open_project,
    option,
    output_to,
    printable,
    say,
    warehouse_at,
)

if TYPE_CHECKING:
    from tallymark.build.compiling import Compiled
    from tallymark.build.lineage import Explanation
    from tallymark.engine.render import Dialect

__all__: list[str] = []

ENGINES = ("duckdb", "snowflake", "bigquery", "spark")
_SHOWN = 3  # source columns of a column; JSON has all


@cli.command("compile")
@option("--engine", type=click.Choice(ENGINES), required=True, help="For which engine.")
@output_to("The folder to write; one that `compile` wrote is written anew (default: sql).")
@warehouse_at
@common
def compile_(
    *,
    engine: Dialect, output: Path | None, warehouse: Path | None, home: Path | None,
    config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Write the whole transformation, and its validations, as SQL for another engine.

    Numbered files in the order in which they run, from raw events to metrics, with a page on how
    to load, run and schedule them, and on what was never executed.
    """
    project = open_project(home, config, quiet=quiet, warehouse=warehouse)
    result = project.compile(engine, output or Path("sql"))
    say(result, _compiled, as_json=as_json, quiet=quiet)


def _compiled(found: Compiled) -> None:
    click.echo(
        printable(
            f"{len(found.files)} files for {found.engine} in {found.output}: "
            f"{len(found.tables)} tables, {len(found.validations)} validations."
        )
    )
    for one in found.left_out:
        click.echo(printable(f"not in the SQL: {one}"))
    for one in found.unproved:
        click.echo(printable(f"not of the portable subset: {one}"))
    click.echo(printable(f"How to load, run and schedule them: {found.output / 'README.md'}"))


@cli.group(cls=Group)
def explain() -> None:
    """What something is made of, without running anything."""


@explain.command("model")
@click.argument("name")
@option("--engine", type=click.Choice(ENGINES), default="duckdb", show_default=True,
         help="In whose SQL to show it.")  # fmt: skip
@common
def explain_model(
    *, name: str, engine: Dialect, home: Path | None, config: Path | None, quiet: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """The SQL of table NAME, the tables before and after it, and where its columns come from."""
    project = open_project(home, config, quiet=quiet)
    say(project.explain_model(name, engine=engine), _explained, as_json=as_json, quiet=quiet)


def _explained(found: Explanation) -> None:
    kind = "made in Python" if found.kind == "python" else found.kind
    lines = [f"{found.name} ({kind}, {found.where})"]
    if found.description:
        lines.append(found.description)
    if found.grain:
        lines.append(f"one row per {', '.join(found.grain)}")
    lines += ["", f"reads:    {', '.join(found.upstream) or 'nothing'}"]
    lines.append(f"read by:  {', '.join(found.downstream) or 'nothing'}")
    if found.columns:
        lines += ["", "columns"]
    for one in found.columns:
        more = f" and {len(one.sources) - _SHOWN} more" if len(one.sources) > _SHOWN else ""
        came = f"  <- {', '.join(one.sources[:_SHOWN])}{more}" if one.sources else ""
        lines.append(f"  {one.name}{came}")
    if found.sql:
        lines += ["", found.sql]
    click.echo(printable("\n".join(lines)))
