"""The command line: commands, exit codes, and nothing else. Data to stdout, talk to stderr."""

from __future__ import annotations

import datetime as dt
import gc
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tallymark.errors import TallymarkError

if TYPE_CHECKING:
    from tallymark.project import Project
    from tallymark.results import RunResult, Status

__all__ = ["cli", "main"]

Command = TypeVar("Command", bound=Callable[..., Any])
MEMORY = re.compile(r"\d+(\.\d+)?\s?(MB|GB|MiB|GiB)")
STOPPED = 130  # as shells say it of a program that was interrupted
INTERRUPTED = ("Query interrupted", "INTERRUPT Error")  # as DuckDB says it, in a query of its own
FAIL_ON = ("error", "warn", "never")
STAGES = ("monitor", "report")


class _Day(click.ParamType[dt.date]):
    """A day, written as 2026-01-31."""

    name = "day"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.date:
        """The day, or a usage error that says how to write one."""
        if isinstance(value, dt.date):
            return value
        try:
            return dt.datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007 -- a day has none
        except ValueError:
            self.fail(f"{value!r} is no day; write it as 2026-01-31", param, ctx)


class _Memory(click.ParamType[str]):
    """An amount of memory, written as 500MB or 2GB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The amount as it was written, or a usage error that says how to write one."""
        if not MEMORY.fullmatch(str(value)):
            self.fail(f"{value!r} is no amount of memory; write it as 500MB or 2GB", param, ctx)
        return str(value)


DAY = _Day()


def _option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """An option that can also be set as TALLYMARK_NAME."""
    main_name = next(name for name in names if name.startswith("--"))
    variable = "TALLYMARK_" + main_name[2:].split("/")[0].replace("-", "_").upper()
    return click.option(*names, envvar=variable, show_envvar=False, **settings)


def _talk(command: Command) -> Command:
    """What every command takes."""
    for decorate in (
        _option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        _option("--quiet", "-q", is_flag=True, help="Print nothing but data and errors."),
    ):
        command = decorate(command)
    return command


def _common(command: Command) -> Command:
    """What every command takes that works in a project."""
    for decorate in (
        _talk,
        _option("--config", type=click.Path(path_type=Path), help="Another tallymark.yml."),
        _option("--project", "home", type=click.Path(path_type=Path), help="Project folder."),
    ):
        command = decorate(command)
    return command


def _input(command: Command) -> Command:
    return _option(
        "--input", "--input-dir", "--input_dir", "source", type=str,
        help="Folder, file or pattern of deliveries, such as 'raw/*.csv'.",
    )(command)  # fmt: skip


def _fail_on(command: Command) -> Command:
    flag = click.option(
        "--fail-on-error", "--fail_on_error", "fail_on", flag_value="error", hidden=True,
        help="The same as --fail-on error.",
    )  # fmt: skip
    return flag(
        _option(
            "--fail-on",
            "fail_on",
            type=click.Choice(FAIL_ON),
            default="error",
            show_default=True,
            help="Exit with 1 from findings of this weight on.",
        )(command)
    )


def _rules(stage: str) -> Callable[[Command], Command]:
    return _option(
        "--rules", type=click.Path(path_type=Path), help=f"Rules of the {stage}, as YAML."
    )


def _output(what: str) -> Callable[[Command], Command]:
    return _option(
        "--output", "--output-dir", "--output_dir", "output", type=click.Path(path_type=Path),
        help=what,
    )  # fmt: skip


def _warehouse(command: Command) -> Command:
    return _option(
        "--warehouse", "--warehouse-dir", "--warehouse_dir", "warehouse",
        type=click.Path(path_type=Path),
        help="The warehouse folder, or a folder of exported fct_*.csv files.",
    )(command)  # fmt: skip


def _engine(command: Command) -> Command:
    command = _option(
        "--memory-limit", type=_Memory(), help="Such as 500MB; DuckDB's default else."
    )(command)
    return _option("--threads", type=click.IntRange(1, 256), help="Threads; one a core else.")(
        command
    )


class _Group(click.Group):
    """A group that knows what you may have meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # noqa: PLC0415 -- only a mistyped command needs it

            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tallymark", message="%(prog)s %(version)s")
def cli() -> None:
    """Trusted morning numbers from raw shop events.

    One command a morning: `tallymark run`. Each part also runs alone.
    """


def _open(
    home: Path | None,
    config: Path | None,
    *,
    quiet: bool,
    memory_limit: str | None = None,
    threads: int | None = None,
    **given: Any,
) -> Project:
    from tallymark.project import Project  # noqa: PLC0415 -- `--help` must not pay for it

    overrides: dict[str, Any] = {}
    project = Project.open(
        home, config=config, progress=_progress(quiet=quiet), **given, **overrides
    )
    if memory_limit is not None or threads is not None:
        from tallymark.config import Engine  # noqa: PLC0415

        limits = project.config.engine
        engine = Engine(
            memory_limit=memory_limit or limits.memory_limit, threads=threads or limits.threads
        )
        project.config = project.config.model_copy(update={"engine": engine})
    return project


def _progress(*, quiet: bool) -> Callable[[str], None]:
    """Progress on one line of a terminal; nothing anywhere else."""
    if quiet or not sys.stderr.isatty():
        return lambda _text: None

    def show(text: str) -> None:
        click.echo(f"\r\x1b[2K{_printable(text)[:76]}", nl=False, err=True)

    return show


def _finish(*, quiet: bool) -> None:
    if not quiet and sys.stderr.isatty():
        click.echo("\r\x1b[2K", nl=False, err=True)


def _say(result: Any, show: Callable[[Any], None], *, as_json: bool, quiet: bool) -> None:
    """The result: as JSON to stdout, or for people."""
    from tallymark.results import to_json  # noqa: PLC0415 -- `--help` must not pay for it

    _finish(quiet=quiet)
    if as_json:
        click.echo(to_json(result), nl=False)
    elif not quiet:
        show(result)


def _exit(status: Status, fail_on: str) -> None:
    from tallymark.results import FailOn, exit_code  # noqa: PLC0415

    raise SystemExit(exit_code(status, FailOn(fail_on)))


@cli.command()
@_input
@_rules("gate")
@_output("Folder of the reports (default: reports).")
@_fail_on
@_engine
@_common
def check(
    *,
    source: str | None, rules: Path | None, output: Path | None, fail_on: str,
    memory_limit: str | None, threads: int | None, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """The gate: judge deliveries against contract and rules."""
    project = _open(
        home, config, quiet=quiet, memory_limit=memory_limit, threads=threads, source=source,
        reports=output, rules=rules,
    )  # fmt: skip
    from tallymark import terminal  # noqa: PLC0415 -- loads rich

    result = project.check()
    _say(result, terminal.checked, as_json=as_json, quiet=quiet)
    _exit(result.status, fail_on)


@cli.command()
@_input
@_output("The warehouse folder (default: warehouse).")
@_option("--export", type=click.Choice(["none", "csv", "parquet"]), help="Export format.")
@_option("--full-refresh", is_flag=True, help="Build everything again.")
@_engine
@_common
def build(
    *,
    source: str | None, output: Path | None, export: str | None, full_refresh: bool,
    memory_limit: str | None, threads: int | None, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """The model: sessions, orders and attribution that reconcile to the cent."""
    project = _open(
        home, config, quiet=quiet, memory_limit=memory_limit, threads=threads, source=source,
        warehouse=output, reports=output.parent / "reports" if output else None, export=export,
    )  # fmt: skip
    from tallymark import terminal  # noqa: PLC0415

    result = project.build(full=full_refresh)
    _say(result, lambda one: terminal.built(one, project.checked), as_json=as_json, quiet=quiet)


@cli.command()
@_warehouse
@_rules("watch")
@_output("Folder of the report (default: reports).")
@_option("--date", "--check-date", "--check_date", "date", type=DAY,
         help="Judge this day, knowing only what was known then.")  # fmt: skip
@_option("--expected-run-date", "--expected_run_date", "expected", type=DAY,
         help="The day that should have been delivered by now.")  # fmt: skip
@_fail_on
@_common
def monitor(
    *,
    warehouse: Path | None, rules: Path | None, output: Path | None, date: dt.date | None,
    expected: dt.date | None, fail_on: str, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """The watch: health, quality and business of one day.

    A past day (`--date`) is written only where `--output` says.
    """
    project = _open(home, config, quiet=quiet, warehouse=warehouse, reports=output, rules=rules)
    from tallymark import terminal  # noqa: PLC0415

    told = date is None or output is not None
    result = project.monitor(date=date, expected_run_date=expected, write=told)
    _say(result, terminal.monitored, as_json=as_json, quiet=quiet)
    _exit(result.status, fail_on)


@cli.command()
@_warehouse
@_output("Folder of the reports (default: reports).")
@_option("--date", type=DAY, help="Report the days up to this one.")
@_common
def report(
    *,
    warehouse: Path | None, output: Path | None, date: dt.date | None, home: Path | None,
    config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """The brief: a one-page executive summary as PDF."""
    project = _open(home, config, quiet=quiet, warehouse=warehouse, reports=output)
    from tallymark import terminal  # noqa: PLC0415

    result = project.report(date=date)
    _say(result, terminal.reported, as_json=as_json, quiet=quiet)


@cli.command()
@_input
@_output("Folder of warehouse, reports and quarantine (default: the project folder).")
@_option("--skip", "skip", type=click.Choice(STAGES), multiple=True, help="Leave a stage out.")
@_option("--export", type=click.Choice(["none", "csv", "parquet"]), help="Export format.")
@_option("--full-refresh", is_flag=True, help="Build everything again.")
@_fail_on
@_engine
@_common
def run(
    *,
    source: str | None, output: Path | None, skip: tuple[str, ...], export: str | None,
    full_refresh: bool, fail_on: str, memory_limit: str | None, threads: int | None,
    home: Path | None, config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """All four parts in one run: the one command a morning."""
    project = _open(
        home, config, quiet=quiet, memory_limit=memory_limit, threads=threads, source=source,
        output=output, export=export,
    )  # fmt: skip
    from tallymark import terminal  # noqa: PLC0415

    result = project.run(skip=frozenset(skip), full=full_refresh)
    _say(result, terminal.ran, as_json=as_json, quiet=quiet)
    _exit(_open_status(result), fail_on)


def _open_status(result: RunResult) -> Status:
    """The status of the latest day; RED while a delivery of an earlier one could not be read."""
    from tallymark.results import Status, refused  # noqa: PLC0415

    if not result.monitor:
        return result.check.status
    return Status.RED if refused(result.check) else result.monitor[-1].status


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@_option("--from", "source", required=True, help="Deliveries to learn from: 'events/*.csv'.")
@_option("--force", is_flag=True, help="Replace files that are there.")
@_talk
def init(*, directory: Path, source: str, force: bool, quiet: bool, as_json: bool) -> None:
    """Write a commented project for your own deliveries into DIRECTORY."""
    from tallymark import terminal  # noqa: PLC0415
    from tallymark.check.infer import write_project  # noqa: PLC0415

    paths = write_project(directory, source, force=force)
    _say(paths, terminal.initialised, as_json=as_json, quiet=quiet)


@cli.group(invoke_without_command=True, cls=_Group)
@_option("--output", "output", type=click.Path(path_type=Path), default=Path("demo-shop"),
         show_default=True, help="Folder of the made shop.")  # fmt: skip
@_talk
@click.pass_context
def demo(ctx: click.Context, *, output: Path, quiet: bool, as_json: bool) -> None:
    """Make a four-week shop with faults in it, run everything, and show what was found."""
    if ctx.invoked_subcommand is None:
        from tallymark import terminal  # noqa: PLC0415
        from tallymark.project import make_demo  # noqa: PLC0415

        result = make_demo(output, progress=_progress(quiet=quiet))
        _say(result, terminal.ran, as_json=as_json, quiet=quiet)


@demo.command("make")
@click.argument("directory", type=click.Path(path_type=Path))
@_option("--days", type=click.IntRange(1, 1000), default=28, show_default=True, help="Days.")
@_option("--events-per-day", type=click.IntRange(50, 10_000_000), default=5000, show_default=True,
         help="Mean number of events a day.")  # fmt: skip
@_option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed.")
@_option("--start", type=DAY, default="2026-01-05", show_default=True, help="First day.")
@_option("--incident", "incidents", multiple=True,
         help="NAME@DAY[..DAY][:key=value,...]; may be given several times.")  # fmt: skip
@_option("--format", "fmt", type=click.Choice(["csv", "parquet"]), default="csv",
         show_default=True, help="Format of the deliveries.")  # fmt: skip
@_talk
def demo_make(
    *,
    directory: Path, days: int, events_per_day: int, seed: int, start: dt.date,
    incidents: tuple[str, ...], fmt: str, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Simulate a shop into DIRECTORY: deliveries in raw/, the truth in truth/."""
    from tallymark import terminal  # noqa: PLC0415
    from tallymark.demo.shop import make_shop  # noqa: PLC0415 -- loads numpy

    truth = make_shop(
        directory, days=days, events_per_day=events_per_day, seed=seed, incidents=incidents,
        fmt="parquet" if fmt == "parquet" else "csv", start=start,
    )  # fmt: skip
    _say(truth, terminal.made, as_json=as_json, quiet=quiet)


def _printable(text: str) -> str:
    """Text without what a terminal would act on; names from outside may hold anything."""
    return "".join(one if one.isprintable() or one == "\n" else " " for one in text)


def _complain(text: str) -> None:
    """A sentence to stderr."""
    _finish(quiet=False)
    click.echo(f"tallymark: {_printable(text)}", err=True)


def _misused(error: click.ClickException) -> None:
    """What click says of a wrong command line, in the form of every other error."""
    context = getattr(error, "ctx", None)
    if context is None or isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    _complain(f"{error.format_message()}\n  fix: see `{context.command_path} --help`")


def _stopped() -> int:
    _complain("stopped; run again to go on")
    return STOPPED


def _unwritable(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return (
        f"{where}{error.strerror or error}\n"
        "  fix: see to that file or folder, or choose another with --output"
    )


def _run() -> int:
    """Run the command line; returns the exit code. What went wrong is said in a sentence."""
    try:
        return int(cli(prog_name="tallymark", standalone_mode=False) or 0)
    except click.ClickException as error:
        _misused(error)
    except click.Abort:
        return _stopped()
    except TallymarkError as error:
        _complain(str(error))
    except BrokenPipeError:
        # Whoever read the output wants no more of it; the interpreter must not flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if os.environ.get("TALLYMARK_DEBUG"):
            traceback.print_exc()
        _complain(_unwritable(error))
    except Exception as error:  # noqa: BLE001 -- the last resort: say it, do not throw it at users
        if str(error).startswith(INTERRUPTED):
            return _stopped()
        if os.environ.get("TALLYMARK_DEBUG"):
            traceback.print_exc()
        first = (str(error).splitlines() or [""])[0]
        _complain(
            f"internal error: {type(error).__name__}: {first}\n"
            "  fix: please report this; TALLYMARK_DEBUG=1 shows where it happened"
        )
    return 2


def main() -> None:
    """Run the command line. An error is one or two lines and exit code 2, never a traceback."""
    # A run is short and makes few cycles; looking for them all the time costs 3 % of it.
    gc.set_threshold(200_000, 20, 20)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    raise SystemExit(_run())


if __name__ == "__main__":
    main()
