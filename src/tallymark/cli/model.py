"""The model from outside: its SQL for other engines, what it rests on, and earlier states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallymark.cli.options import (
    cli,
    common,
    open_project,
    option,
    printable,
    say,
    warehouse_at,
)

if TYPE_CHECKING:
    from tallymark.build.selecting import Selection
    from tallymark.engine.generations import Generation
    from tallymark.results import BuildPlan

__all__ = ["planned", "selected"]


@cli.command()
@option("--to", type=click.IntRange(1), help="The number of a generation (default: the last one).")
@option("--list", "listing", is_flag=True, help="Show what can be gone back to; change nothing.")
@warehouse_at
@common
def rollback(
    *,
    to: int | None, listing: bool, warehouse: Path | None, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Go back to an earlier publication of the tables, at once and as a whole.

    It stays until a delivery, rule, setting or model changes: the next run then builds and
    publishes as ever. `tallymark build --full-refresh` publishes the newest state at once.
    """
    project = open_project(home, config, quiet=quiet, warehouse=warehouse)
    if listing:
        say(project.generations(), _listed, as_json=as_json, quiet=quiet)
        return
    say(project.rollback(to=to), _went_back, as_json=as_json, quiet=quiet)


def _listed(found: Sequence[Generation]) -> None:
    if not found:
        click.echo("Nothing was published yet.")
    for one in found:
        mark = "  now shown" if one.current else ""
        click.echo(printable(f"{one.number:>6}  {one.published_at}  {_amount(one)}{mark}"))


def _amount(one: Generation) -> str:
    return f"{one.counted_orders:,} orders, {one.counted_revenue:,.2f} {one.currency}"


def _went_back(found: Generation) -> None:
    click.echo(printable(f"Generation {found.number} is shown now: {_amount(found)}."))
    click.echo("It stays until something changes; then the next run publishes as ever.")


def planned(found: BuildPlan) -> None:
    """What `build --dry-run` found that a build would do."""
    if not found.needed:
        click.echo(f"Nothing to build: {printable(found.reason)}.")
        return
    click.echo(printable(f"A build would compute {found.reason}."))
    for day, reason in found.why.items():
        click.echo(printable(f"  {day}  {reason}"))
    if found.clients is not None:
        click.echo(f"{found.clients:,} clients have events on those days.")
    click.echo("Nothing was changed.")


def selected(found: Selection) -> None:
    """What `build --select` made, or would make."""
    for name in found.made:
        rows = f"{found.tables[name]:,} rows" if found.published else "would be made"
        click.echo(printable(f"{name}: {rows}"))
    if found.kept:
        click.echo(printable(f"kept as they are published: {', '.join(found.kept)}"))
