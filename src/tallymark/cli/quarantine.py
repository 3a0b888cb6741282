"""The quarantine: what was kept out, and what somebody decides about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallymark.cli.options import (
    Group,
    cli,
    common,
    deliveries,
    engine_limits,
    open_project,
    option,
    output_to,
    printable,
    say,
    say_withheld,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallymark.check.quarantined.held import Held
    from tallymark.check.quarantined.release import Outcome
    from tallymark.check.quarantined.shown import Shown

__all__: list[str] = []

WIDTH = 80
LINES = 20  # shown of a delivery, if nothing is said
where = output_to("Folder of warehouse, reports and quarantine (default: the project folder).")


class _Lines(click.ParamType["tuple[int, int]"]):
    """Lines of a delivery, written as 12-40 or 12."""

    name = "lines"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The first and the last line, or a usage error that says how to write them."""
        from tallymark.check.quarantined.settle import lines_of  # noqa: PLC0415 -- loads DuckDB
        from tallymark.errors import ConfigError  # noqa: PLC0415

        try:
            return lines_of(str(value))
        except ConfigError as error:
            self.fail(f"{error.what}; {error.fix}", param, ctx)


@cli.group(cls=Group)
def quarantine() -> None:
    """What the gate kept out: look at it, let it in, or leave it out."""


@quarantine.command("list")
@where
@common
def list_(
    *, output: Path | None, home: Path | None, config: Path | None, quiet: bool, as_json: bool
) -> None:
    """What is kept out and not settled, by delivery and rule."""
    project = open_project(home, config, quiet=quiet, output=output)
    from tallymark.check.quarantined.held import held  # noqa: PLC0415 -- loads DuckDB

    say(held(project.quarantine()), _listed, as_json=as_json, quiet=quiet)


@quarantine.command()
@click.argument("delivery")
@option("--rule", help="Only what this rule keeps out.")
@option("--limit", type=click.IntRange(0, 100_000), default=LINES, show_default=True,
         help="Rows to show.")  # fmt: skip
@option("--raw", is_flag=True, help="Hide nothing: the original bytes, odd ones escaped.")
@where
@common
def show(
    *,
    delivery: str, rule: str | None, limit: int, raw: bool, output: Path | None,
    home: Path | None, config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """The rows that are kept out of DELIVERY; what is personal in them is hidden."""
    project = open_project(home, config, quiet=quiet, output=output)
    from tallymark.check.quarantined.shown import shown  # noqa: PLC0415 -- loads DuckDB

    found = shown(project.quarantine(), delivery, rule=rule, limit=limit, raw=raw)
    say(found, _shown, as_json=as_json, quiet=quiet)


@quarantine.command()
@click.argument("delivery")
@option("--rule", "rules", multiple=True,
         help="Let in what this rule keeps out, although it fires; a decision.")  # fmt: skip
@option("--lines", type=_Lines(), help="Only the rows of these lines, such as 12-40.")
@option("--reason", default="", help="Why, for those who read the decision later.")
@deliveries
@where
@engine_limits
@common
def release(
    *,
    delivery: str, rules: tuple[str, ...], lines: tuple[int, int] | None, reason: str,
    source: str | None, output: Path | None, memory_limit: str | None, threads: int | None,
    home: Path | None, config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Judge DELIVERY again and let in what is sound now.

    After contract or rules were mended nothing else is needed. With --rule, what that rule keeps
    out is let in although the rule still fires; the decision is kept in decisions/.
    """
    project = open_project(
        home, config, quiet=quiet, memory_limit=memory_limit, threads=threads, source=source,
        output=output,
    )  # fmt: skip
    with project.desk() as desk:
        result = desk.release(delivery, rules=rules, lines=lines, reason=reason)
    say(result, _decided, as_json=as_json, quiet=quiet)
    say_withheld(project)


@quarantine.command()
@click.argument("delivery")
@option("--rule", "rules", multiple=True, help="Only what this rule keeps out.")
@option("--reason", default="", help="Why, for those who read the decision later.")
@deliveries
@where
@engine_limits
@common
def discard(
    *,
    delivery: str, rules: tuple[str, ...], reason: str, source: str | None, output: Path | None,
    memory_limit: str | None, threads: int | None, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Leave out what is kept out of DELIVERY: it is settled, and its findings are information.

    Nothing is deleted: the bytes move to quarantine/history. A later release takes it back.
    """
    project = open_project(
        home, config, quiet=quiet, memory_limit=memory_limit, threads=threads, source=source,
        output=output,
    )  # fmt: skip
    with project.desk() as desk:
        result = desk.discard(delivery, rules=rules, reason=reason)
    say(result, _decided, as_json=as_json, quiet=quiet)
    say_withheld(project)


# ---------------------------------------------------------------- for people


def _listed(found: Sequence[Held]) -> None:
    if not found:
        click.echo("Nothing is in quarantine.")
        return
    from rich.console import Console  # noqa: PLC0415 -- `--help` must not pay for it
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from tallymark.terminal import plain  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("delivery", overflow="fold", ratio=3)
    table.add_column("day", no_wrap=True)
    table.add_column("rule", overflow="fold", ratio=2)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=3)
    for one in found:
        rows = "whole" if one.rows is None else f"{one.rows:,}"
        cells = (one.delivery, one.date or "", one.rule, rows, one.why)
        table.add_row(*(escape(plain(cell)) for cell in cells))
    console = Console(width=min(Console().width, WIDTH), highlight=False)
    with console.capture() as printed:
        console.print(table)
    # Without the blanks that fill its lines: people copy what they see.
    console.file.write(re.sub(r" +$", "", printed.get(), flags=re.MULTILINE))
    for one in found:
        since = f", since {one.since}" if one.since else ""
        console.print(f"\n[dim]{escape(plain(f'{one.delivery}, {one.rule}{since}'))}[/]")
        console.print(f"  {escape(plain(one.release))}", soft_wrap=one.release.startswith("tally"))


def _rows(number: int | None) -> str:
    if number is None:
        return "the whole delivery"
    return f"{number:,} row{'' if number == 1 else 's'}"


def _shown(found: Shown) -> None:
    for one in found.held:
        rows = _rows(one.rows)
        since = f", since {one.since}" if one.since else ""
        click.echo(printable(f"{found.delivery}: {rows} kept out by {one.rule}{since}"))
        click.echo(printable(f"  {one.why}"))
    if found.kept:
        click.echo(printable(f"  kept: {found.kept}{f', {found.file}' if found.file else ''}"))
    for row in found.rows:
        text = row.text.replace("\r", " ").replace("\n", " ")
        click.echo(printable(f"{row.line:>8}  {text}"))
    if found.more:
        click.echo(f"{'':>8}  and {found.more:,} more; see --limit")


def _decided(found: Outcome) -> None:
    if found.decision is not None:
        click.echo(printable(f"Decision kept in {found.decision}"))
    click.echo(
        printable(
            f"{found.delivery}: {_rows(found.rows_let_in)} let in; "
            f"{found.rows_accepted:,} accepted, {found.rows_quarantined:,} kept out."
        )
    )
    for one in found.left:
        rows = _rows(one.rows)
        click.echo(printable(f"  still kept out by {one.rule}: {rows}; {one.why}"))
        waits = "the delivery is not in the input any more: put it back, and the next run obeys"
        click.echo(printable(f"    {waits if one.rule in found.waiting else one.release}"))
