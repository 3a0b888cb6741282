"""The contract: show it, compare versions, adopt a rename, exchange it with other tools."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallymark.cli.options import (
    DAY,
    Group,
    cli,
    common,
    open_project,
    option,
    printable,
    say,
    warehouse_at,
)
from tallymark.ingest.encodings import spelled, unspelled

if TYPE_CHECKING:
    from tallymark.check.contracts.adopting import Adopted
    from tallymark.check.contracts.differences import Difference
    from tallymark.check.contracts.odcs import Imported
    from tallymark.contract import Column, Contract

__all__: list[str] = []

FORMATS = ("odcs", "yaml")


@cli.group(cls=Group)
def contract() -> None:
    """What a delivery promises to be: show, compare, change and exchange it."""


# ---------------------------------------------------------------- show and diff


@contract.command()
@common
def show(*, home: Path | None, config: Path | None, quiet: bool, as_json: bool) -> None:
    """The contract in force, column by column."""
    project = open_project(home, config, quiet=quiet)
    path = project.paths.contract
    where = str(path) if path.is_file() else "shipped with Tallymark"
    shown = project.contract.model_dump(mode="json", by_alias=True)
    say(
        {"file": where, **shown},
        lambda _: _show(project.contract, where), as_json=as_json, quiet=quiet,
    )  # fmt: skip


def _show(contract: Contract, where: str) -> None:
    click.echo(printable(f"Contract version {contract.version} ({where})"))
    named = [(spelled(column.name), column) for column in contract.columns]
    width = max(len(name) for name, _ in named)
    click.echo("\nColumns")
    for name, column in named:
        click.echo(printable(f"  {name.ljust(width)}  {_promise(column)}"))
    click.echo("\nEvents")
    for step, names in contract.events.steps():
        click.echo(printable(f"  {step}: {', '.join(map(spelled, names)) or 'none'}"))
    for title, names in (
        ("Payload schemas", tuple(contract.payloads)),
        ("Own hosts", contract.hosts.own),
        ("Payment hosts", contract.hosts.payment),
        ("Internal hosts", contract.hosts.internal),
        ("Marks of internal traffic",
         (*contract.internal.url_parameters, *contract.internal.user_agents)),
    ):  # fmt: skip
        if names:
            click.echo(printable(f"\n{title}\n  {', '.join(names)}"))
    due = contract.calendar
    if due.expected_by is not None:
        click.echo(
            f"\nCalendar\n  due at {due.expected_by}, {due.days_after} day(s) after the day it "
            f"holds; {due.grace_minutes} minutes of grace"
        )


def _promise(column: Column) -> str:
    """What a column promises, in a line."""
    role = f" ({column.role})" if column.role and column.role != column.name else ""
    said = [f"{column.kind}{role}", "required" if column.required else "optional"]
    said += [f"also called {', '.join(map(spelled, column.names[1:]))}"] if column.aliases else []
    said += [f"like {column.pattern}"] if column.pattern else []
    said += [f"one of {', '.join(column.allowed)}"] if column.allowed else []
    for low, high, what in ((column.min, column.max, ""),
                            (column.min_length, column.max_length, " characters")):  # fmt: skip
        said += [f"at least {low:g}{what}"] if low is not None else []
        said += [f"at most {high:g}{what}"] if high is not None else []
    said += ["unique"] if column.unique else []
    return ", ".join(said)


@contract.command()
@click.argument("old")
@click.argument("new", default="current")
@option("--fail-on-breaking", is_flag=True, help="Exit with 1 if a change is breaking.")
@common
def diff(
    *, old: str, new: str, fail_on_breaking: bool, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """What changed from contract OLD to NEW (default: current), and what of it is breaking.

    Each is a file, a version the contract has or had, `current`, or `shipped`.
    """
    from tallymark.check.contracts.adopting import resolve  # noqa: PLC0415 -- loads DuckDB
    from tallymark.check.contracts.differences import compare  # noqa: PLC0415

    path = open_project(home, config, quiet=quiet).paths.contract
    result = compare(resolve(old, path), resolve(new, path))
    say(result, _told, as_json=as_json, quiet=quiet)
    raise SystemExit(1 if fail_on_breaking and result.breaking else 0)


def _told(result: Difference) -> None:
    if not result.changes:
        click.echo("no difference")
        return
    for one in result.changes:
        click.echo(printable(f"{'BREAKING' if one.breaking else 'fine':<10}{one.message}"))
    count = sum(one.breaking for one in result.changes)
    many = len(result.changes)
    click.echo(
        printable(
            f"\nversion {result.old_version} to {result.new_version}: {many} "
            f"change{'s' * (many != 1)}, {count or 'none'} of them breaking"
        )
    )


# ---------------------------------------------------------------- alias


class _Pair(click.ParamType[tuple[str, str]]):
    """Two names, written as OLD=NEW."""

    name = "old=new"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Both names, or a usage error that says how to write them."""
        old, equals, new = str(value).partition("=")
        if not (old and equals and new):
            self.fail(f"{value!r} names no two things; write them as OLD=NEW", param, ctx)
        return old, new


@contract.command()
@click.argument("old")
@click.argument("new")
@option("--column", "more", type=_Pair(), multiple=True, help="A further OLD=NEW; repeatable.")
@option("--since", type=DAY, help="First day of the new name; as the ledger knows it else.")
@option("--note", help="Why; kept with the decision.")
@warehouse_at
@common
def alias(
    *, old: str, new: str, more: tuple[tuple[str, str], ...], since: dt.date | None,
    note: str | None, warehouse: Path | None, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Agree that column OLD is delivered as NEW: the rename is then no error any more.

    Writes the name into the contract, raises its version, and records the decision in
    `decisions`. The next run judges the deliveries concerned again.
    """
    from tallymark.check.contracts.adopting import adopt  # noqa: PLC0415 -- loads DuckDB

    # What nobody sees is written as the reports write it.
    pairs = [(unspelled(before), unspelled(after)) for before, after in [(old, new), *more]]
    project = open_project(home, config, quiet=quiet, warehouse=warehouse)
    result = adopt(
        project.paths.contract, pairs, decided_in=project.paths.home / "decisions",
        warehouse=project.paths.warehouse, since=since, note=note,
    )  # fmt: skip
    place = project.paths.warehouse
    since_when = "; no delivery with it is known yet"
    if not (place / "ledger").is_dir():
        since_when = (
            f"; since when is not known, as no run was kept in {place}: if yours is elsewhere, "
            "name its folder with --warehouse, or the day with --since"
        )
    again = "tallymark run" + (f" --project {home}" if home is not None else "")
    if project.paths.source is None:
        again += " with the --input and --output of your last run"
        again += "" if home is not None else ", in this folder"
    say(result, lambda it: _adopted(it, since_when, again), as_json=as_json, quiet=quiet)


def _adopted(result: Adopted, since_when: str, again: str) -> None:
    for one in result.aliases:
        day = f", since {one['since']}" if one["since"] else since_when
        told = f"{spelled(str(one['alias']))} is now a name of column {spelled(str(one['column']))}"
        click.echo(printable(f"{told}{day}"))
    click.echo(
        printable(
            f"{result.contract}: version {result.previous_version} became {result.version}\n"
            f"recorded in {result.decision}\nNext: {again}"
        )
    )


# ---------------------------------------------------------------- exchange


@contract.command(name="export")
@option("--format", "form", type=click.Choice(FORMATS), default="odcs", show_default=True,
         help="Open Data Contract Standard 3, or Tallymark's own.")  # fmt: skip
@option("--output", type=click.Path(path_type=Path),
         help="File, or a folder for contract.odcs.yaml; standard output else.")  # fmt: skip
@common
def export_(
    *, form: str, output: Path | None, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Write the contract for other tools: the Open Data Contract Standard 3."""
    project = open_project(home, config, quiet=quiet)
    from tallymark.check.contracts.adopting import as_yaml  # noqa: PLC0415 -- loads DuckDB
    from tallymark.check.contracts.odcs import exported, odcs_yaml  # noqa: PLC0415
    from tallymark.engine.warehouse import write_atomically  # noqa: PLC0415

    one = project.contract
    if as_json and output is None:
        say(exported(one) if form == "odcs" else one.model_dump(mode="json"), click.echo,
            as_json=True, quiet=quiet)  # fmt: skip
        return
    text = odcs_yaml(one) if form == "odcs" else as_yaml(one)
    if output is None:
        click.echo(text, nl=False)
        return
    ending = "odcs.yaml" if form == "odcs" else "yml"
    path = output / f"contract.{ending}" if output.is_dir() else output
    write_atomically(path, text)
    say({"path": path, "format": form}, lambda _: click.echo(printable(str(path))),
        as_json=as_json, quiet=quiet)  # fmt: skip


@contract.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@option("--table", help="The part of the file that describes the events, if it has several.")
@option("--role", "roles", type=_Pair(), multiple=True,
         help="ROLE=COLUMN, such as timestamp=created_at; repeatable.")  # fmt: skip
@option("--force", is_flag=True, help="Replace the project's contract; the old one is kept.")
@common
def import_(
    *, file: Path, table: str | None, roles: tuple[tuple[str, str], ...], force: bool,
    home: Path | None, config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Take over a contract of the Open Data Contract Standard 3 from FILE."""
    from tallymark.check.contracts.odcs import import_file  # noqa: PLC0415 -- loads DuckDB

    path = open_project(home, config, quiet=quiet).paths.contract
    result = import_file(file, path, table=table, roles=dict(roles), force=force)
    say(result, _imported, as_json=as_json, quiet=quiet)


def _imported(result: Imported) -> None:
    for one in result.notes:
        click.echo(printable(f"left out: {one}"))
    click.echo(
        printable(
            f"{result.contract}: version {result.version}, {result.columns} columns\n"
            "Next: tallymark check"
        )
    )
