"""The four stages, all of them as one run, and the ways to begin."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallymark.cli.following import follow_folder, following
from tallymark.cli.looking_back import SPAN, show_replay
from tallymark.cli.options import (
    DAY,
    MOMENT,
    REPORTS,
    Group,
    cli,
    common,
    complain,
    deliveries,
    engine_limits,
    exit_with,
    fail_on_option,
    on_terminal,
    open_project,
    option,
    output_to,
    progress,
    rules_of,
    say,
    say_withheld,
    talk,
    warehouse_at,
)
from tallymark.errors import UsageError

if TYPE_CHECKING:
    from tallymark.demo.write import Format
    from tallymark.project import Project
    from tallymark.results import RunResult, Status

__all__: list[str] = []

STAGES = ("monitor", "report")
_clock = option(
    "--now", "now", type=MOMENT,
    help="The time it is, as 2026-02-01T07:30Z: what the contract's calendar calls late is said.",
)  # fmt: skip


@cli.command()
@deliveries
@rules_of("gate")
@output_to("Folder of the reports (default: reports).")
@option(
    "--report", "forms", type=REPORTS,
    help="Forms of dq_report, such as md,json,csv,junit,sarif; the first three always.",
)  # fmt: skip
@option("--warehouse", "--warehouse-dir", "--warehouse_dir", "warehouse",
         type=click.Path(path_type=Path),
         help="Land sound rows in this warehouse; the next build makes the tables.")  # fmt: skip
@following
@_clock
@fail_on_option
@engine_limits
@common
def check(
    *,
    now: dt.datetime | None,
    source: str | None, rules: Path | None, output: Path | None, forms: tuple[str, ...] | None,
    fail_on: str, warehouse: Path | None, follow: str | None, interval: float, settle: int,
    memory_limit: str | None, threads: int | None, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """The gate: judge deliveries against contract and rules.

    With --follow it goes on until it is interrupted: each file is judged when it is complete, and
    a P0 is said at once. It then ends with the code of all that was judged.
    """
    project = open_project(
        home, config, quiet=quiet, memory_limit=memory_limit, threads=threads,
        source=follow or source, reports=output, rules=rules, warehouse=warehouse,
    )  # fmt: skip

    project.now = now
    if forms is not None:
        project.config = project.config.model_copy(update={"reports": forms})
    if follow is not None:
        status = follow_folder(
            project, keep=warehouse is not None, interval=interval, settle=settle,
            as_json=as_json, quiet=quiet,
        )  # fmt: skip
        exit_with(status, fail_on)
    result = project.check(keep=warehouse is not None)
    shown = on_terminal("checked", project.paths.reports, project.config.reports)
    say(result, shown, as_json=as_json, quiet=quiet)
    exit_with(result.status, fail_on)


@cli.command()
@deliveries
@output_to("The warehouse folder (default: warehouse).")
@option("--export", type=click.Choice(["none", "csv", "parquet"]), help="Export format.")
@option("--full-refresh", is_flag=True, help="Build everything again.")
@option(
    "--dry-run",
    is_flag=True,
    help="Say which days and clients would be built again, and why; change nothing.",
)
@option("--select", "selectors", multiple=True,
         help="Only this model of the shop's own, from what is published; model+ with all that "
         "rests on it, +model with all it rests on.")  # fmt: skip
@engine_limits
@common
def build(
    *,
    selectors: tuple[str, ...], dry_run: bool,
    source: str | None, output: Path | None, export: str | None, full_refresh: bool,
    memory_limit: str | None, threads: int | None, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """The model: sessions, orders and attribution that reconcile to the cent."""
    if selectors and full_refresh:
        raise UsageError(
            "--full-refresh makes every table, and --select only some", fix="give one of the two"
        )
    project = open_project(
        home, config, quiet=quiet, memory_limit=memory_limit, threads=threads, source=source,
        warehouse=output, reports=output.parent / "reports" if output else None, export=export,
    )  # fmt: skip

    if selectors:
        from tallymark.cli.model import selected  # noqa: PLC0415 -- only then

        found = project.build_selected(selectors, dry_run=dry_run)
        say(found, selected, as_json=as_json, quiet=quiet)
        return
    if dry_run:
        from tallymark.cli.model import planned  # noqa: PLC0415 -- only then

        say(project.plan(full=full_refresh), planned, as_json=as_json, quiet=quiet)
        return
    result = project.build(full=full_refresh)
    say(result, on_terminal("built", project.checked), as_json=as_json, quiet=quiet)


@cli.group(invoke_without_command=True, cls=Group)
@warehouse_at
@rules_of("watch")
@output_to("Folder of the report (default: reports).")
@option("--date", "--check-date", "--check_date", "date", type=DAY,
         help="Judge this day, knowing only what was known then.")  # fmt: skip
@option("--replay", "span", type=SPAN,
         help="Judge the days from A to B, written A..B; nothing is kept or sent.")  # fmt: skip
@option("--truth", type=click.Path(path_type=Path, exists=True, dir_okay=False),
         help="With --replay: JSON of what was wrong; the rest is a false alarm.")  # fmt: skip
@option("--expected-run-date", "--expected_run_date", "expected", type=DAY,
         help="The day that should have been delivered by now.")  # fmt: skip
@option("--report", "forms", type=REPORTS,
         help="Forms of monitoring_report: md,json always, and junit.")  # fmt: skip
@_clock
@fail_on_option
@common
@click.pass_context
def monitor(
    ctx: click.Context, *,
    warehouse: Path | None, rules: Path | None, output: Path | None, date: dt.date | None,
    span: tuple[dt.date | None, dt.date | None] | None, truth: Path | None,
    forms: tuple[str, ...] | None, expected: dt.date | None, now: dt.datetime | None, fail_on: str,
    home: Path | None, config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """The watch: health, quality and business of one day.

    A past day (`--date`) is written only where `--output` says, and nobody is told of it.
    """
    if ctx.invoked_subcommand is not None:
        return
    project = open_project(
        home, config, quiet=quiet, warehouse=warehouse, reports=output, rules=rules
    )

    project.now = now
    if forms is not None:
        project.config = project.config.model_copy(update={"reports": forms})
    if span is not None:
        with project.watch() as stage:
            looked = stage.replay(*span, truth)
        say(looked, show_replay, as_json=as_json, quiet=quiet)
        return
    told = date is None or output is not None
    result = project.monitor(date=date, expected_run_date=expected, write=told)
    say(result, on_terminal("monitored"), as_json=as_json, quiet=quiet)
    _say_alerts(project)
    exit_with(result.status, fail_on)


@cli.command()
@warehouse_at
@output_to("Folder of the reports (default: reports).")
@option("--date", type=DAY, help="Report the days up to this one.")
@common
def report(
    *,
    warehouse: Path | None, output: Path | None, date: dt.date | None, home: Path | None,
    config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """The brief: a one-page executive summary as PDF."""
    project = open_project(home, config, quiet=quiet, warehouse=warehouse, reports=output)

    result = project.report(date=date)
    say(result, on_terminal("reported"), as_json=as_json, quiet=quiet)


@cli.command()
@deliveries
@output_to("Folder of warehouse, reports and quarantine (default: the project folder).")
@option("--skip", "skip", type=click.Choice(STAGES), multiple=True, help="Leave a stage out.")
@option("--export", type=click.Choice(["none", "csv", "parquet"]), help="Export format.")
@option("--full-refresh", is_flag=True, help="Build everything again.")
@_clock
@fail_on_option
@engine_limits
@common
def run(
    *,
    now: dt.datetime | None,
    source: str | None, output: Path | None, skip: tuple[str, ...], export: str | None,
    full_refresh: bool, fail_on: str, memory_limit: str | None, threads: int | None,
    home: Path | None, config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """All four parts in one run: the one command a morning."""
    project = open_project(
        home, config, quiet=quiet, memory_limit=memory_limit, threads=threads, source=source,
        output=output, export=export,
    )  # fmt: skip

    project.now = now
    result = project.run(skip=frozenset(skip), full=full_refresh)
    say(result, on_terminal("ran"), as_json=as_json, quiet=quiet)
    _say_alerts(project)
    exit_with(_open_status(result), fail_on)


def _say_alerts(project: Project) -> None:
    """What kept an alert from being sent; it changes no exit code, which is that of the data."""
    say_withheld(project)
    for one in project.told.troubles if project.told else ():
        complain(f"alerts: {one}")


def _open_status(result: RunResult) -> Status:
    """The status of the latest day; RED while a delivery of an earlier one could not be read."""
    from tallymark.results import Status, refused  # noqa: PLC0415

    if not result.monitor:
        return result.check.status
    return Status.RED if refused(result.check) else result.monitor[-1].status


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@option("--from", "source", required=True, help="Deliveries to learn from: 'events/*.csv'.")
@option("--force", is_flag=True, help="Replace files that are there.")
@talk
def init(*, directory: Path, source: str, force: bool, quiet: bool, as_json: bool) -> None:
    """Write a commented project for your own deliveries into DIRECTORY."""
    from tallymark.check.contracts.infer import write_project  # noqa: PLC0415

    heard = (lambda _text: None) if quiet else complain
    paths = write_project(directory, source, force=force, say=heard)
    say(paths, on_terminal("initialised"), as_json=as_json, quiet=quiet)


@cli.group(invoke_without_command=True, cls=Group)
@option("--output", "output", type=click.Path(path_type=Path), default=Path("demo-shop"),
         show_default=True, help="Folder of the made shop.")  # fmt: skip
@talk
@click.pass_context
def demo(ctx: click.Context, *, output: Path, quiet: bool, as_json: bool) -> None:
    """Make a four-week shop with faults in it, run everything, and show what was found."""
    if ctx.invoked_subcommand is None:
        from tallymark.showcase import make_demo  # noqa: PLC0415

        result = make_demo(output, progress=progress(quiet=quiet))
        say(result, on_terminal("ran"), as_json=as_json, quiet=quiet)


@demo.command("make")
@click.argument("directory", type=click.Path(path_type=Path))
@option("--days", type=click.IntRange(1, 1000), default=28, show_default=True, help="Days.")
@option("--events-per-day", type=click.IntRange(50, 10_000_000), default=5000, show_default=True,
         help="Mean number of events a day.")  # fmt: skip
@option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed.")
@option("--start", type=DAY, default="2026-01-05", show_default=True, help="First day.")
@option("--incident", "incidents", multiple=True,
         help="NAME@DAY[..DAY][:key=value,...], such as column_renamed@5; may be given several "
              "times. `--incident ?` lists the names.")  # fmt: skip
@option("--format", "fmt", default="csv", show_default=True,
         type=click.Choice(["csv", "csv.gz", "csv.zst", "jsonl", "parquet"]),
         help="Format of the deliveries.")  # fmt: skip
@talk
def demo_make(
    *,
    directory: Path, days: int, events_per_day: int, seed: int, start: dt.date,
    incidents: tuple[str, ...], fmt: Format, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Simulate a shop into DIRECTORY: deliveries in raw/, the truth in truth/."""
    from tallymark.demo.shop import make_shop  # noqa: PLC0415 -- loads numpy

    truth = make_shop(
        directory, days=days, events_per_day=events_per_day, seed=seed, incidents=incidents,
        fmt=fmt, start=start,
    )  # fmt: skip
    say(truth, on_terminal("made"), as_json=as_json, quiet=quiet)
