"""What commands share: their options, how they open a project, how they speak and exit."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tallymark.project import Project
    from tallymark.results import Status

__all__ = [
    "DAY", "MOMENT", "REPORTS", "Group", "cli", "common", "complain", "deliveries", "engine_limits",
    "exit_with", "fail_on_option", "finish", "on_terminal", "open_project", "option", "output_to",
    "printable", "progress", "rules_of", "say", "say_withheld", "talk", "tell", "warehouse_at",
]  # fmt: skip

Command = TypeVar("Command", bound=Callable[..., Any])
MEMORY = re.compile(r"\d+(\.\d+)?\s?(MB|GB|MiB|GiB)")
_NARROWEST = 40  # columns in which a line can be broken
FAIL_ON = ("error", "warn", "never")
FORMATS = ("md", "json", "csv", "junit", "sarif")


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


class _Moment(click.ParamType[dt.datetime]):
    """A moment, written as 2026-01-31T07:30Z; without a time zone it is UTC."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime:
        """The moment, or a usage error that says how to write one."""
        try:
            told = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no moment; write it as 2026-01-31T07:30Z", param, ctx)
        return told if told.tzinfo else told.replace(tzinfo=dt.UTC)


class _Memory(click.ParamType[str]):
    """An amount of memory, written as 500MB or 2GB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The amount as it was written, or a usage error that says how to write one."""
        if not MEMORY.fullmatch(str(value)):
            self.fail(f"{value!r} is no amount of memory; write it as 500MB or 2GB", param, ctx)
        return str(value)


class _Formats(click.ParamType[tuple[str, ...]]):
    """Forms of the gate's report, written as md,json,junit."""

    name = "forms"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The forms, or a usage error that names those there are."""
        if isinstance(value, tuple):
            return value
        asked = tuple(one.strip() for one in str(value).split(",") if one.strip())
        for one in asked:
            if one not in FORMATS:
                self.fail(f"{one!r} is none of {', '.join(FORMATS)}", param, ctx)
        return asked


DAY = _Day()
MOMENT = _Moment()
REPORTS = _Formats()


class _Filled(click.Option):
    """An option whose folder or file has a name: an empty one would mean the current folder."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """The value, or a usage error for an empty path."""
        if value == "" and (isinstance(self.type, click.Path) or self.name == "source"):
            msg = "a path is needed here; write . for the current folder, or leave the option out"
            raise click.BadParameter(msg, ctx=ctx, param=self)
        return super().type_cast_value(ctx, value)


def option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """An option that can also be set as TALLYMARK_NAME."""
    main_name = next(name for name in names if name.startswith("--"))
    variable = "TALLYMARK_" + main_name[2:].split("/")[0].replace("-", "_").upper()
    return click.option(*names, cls=_Filled, envvar=variable, show_envvar=False, **settings)


def talk(command: Command) -> Command:
    """What every command takes."""
    for decorate in (
        option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        option("--quiet", "-q", is_flag=True, help="Print nothing but data and errors."),
    ):
        command = decorate(command)
    return command


def common(command: Command) -> Command:
    """What every command takes that works in a project."""
    for decorate in (
        talk,
        option("--config", type=click.Path(path_type=Path), help="Another tallymark.yml."),
        option("--project", "home", type=click.Path(path_type=Path), help="Project folder."),
    ):
        command = decorate(command)
    return command


def deliveries(command: Command) -> Command:
    """Where the deliveries are."""
    return option(
        "--input", "--input-dir", "--input_dir", "source", type=str,
        help="Folder, file or pattern of deliveries, such as 'raw/*.csv'.",
    )(command)  # fmt: skip


def fail_on_option(command: Command) -> Command:
    """From which findings on the command exits with 1."""
    flag = click.option(
        "--fail-on-error", "--fail_on_error", "fail_on", flag_value="error", hidden=True,
        help="The same as --fail-on error.",
    )  # fmt: skip
    return flag(
        option(
            "--fail-on",
            "fail_on",
            type=click.Choice(FAIL_ON),
            default="error",
            show_default=True,
            help="Exit with 1 from findings of this weight on.",
        )(command)
    )


def rules_of(stage: str) -> Callable[[Command], Command]:
    """The rules of one stage."""
    return option(
        "--rules", type=click.Path(path_type=Path), help=f"Rules of the {stage}, as YAML."
    )


def output_to(what: str) -> Callable[[Command], Command]:
    """Where a command writes."""
    return option(
        "--output", "--output-dir", "--output_dir", "output", type=click.Path(path_type=Path),
        help=what,
    )  # fmt: skip


def warehouse_at(command: Command) -> Command:
    """Where the tables are."""
    return option(
        "--warehouse", "--warehouse-dir", "--warehouse_dir", "warehouse",
        type=click.Path(path_type=Path),
        help="The warehouse folder, or a folder of exported fct_*.csv files.",
    )(command)  # fmt: skip


def engine_limits(command: Command) -> Command:
    """What the embedded engine may use."""
    command = option(
        "--memory-limit", type=_Memory(), help="Such as 500MB; else half a gigabyte a thread."
    )(command)
    return option("--threads", type=click.IntRange(1, 256), help="Threads; one a core else.")(
        command
    )


class Group(click.Group):
    """A group that knows what you may have meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or a usage error with the nearest name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # noqa: PLC0415 -- only a mistyped command needs it

            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx) from error


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tallymark", message="%(prog)s %(version)s")
def cli() -> None:
    """Trusted morning numbers from raw shop events.

    One command a morning: `tallymark run`. Each part also runs alone.
    """


def open_project(
    home: Path | None,
    config: Path | None,
    *,
    quiet: bool,
    memory_limit: str | None = None,
    threads: int | None = None,
    **given: Any,
) -> Project:
    """Open the project that the options name; limits given on the command line win."""
    from tallymark.project import Project  # noqa: PLC0415 -- `--help` must not pay for it

    overrides: dict[str, Any] = {}
    project = Project.open(
        home, config=config, progress=progress(quiet=quiet), **given, **overrides
    )
    if not quiet:
        project.notice = complain
    if memory_limit is not None or threads is not None:
        from tallymark.config import Engine  # noqa: PLC0415

        limits = project.config.engine
        engine = Engine(
            memory_limit=memory_limit or limits.memory_limit, threads=threads or limits.threads
        )
        project.config = project.config.model_copy(update={"engine": engine})
    return project


def progress(*, quiet: bool) -> Callable[[str], None]:
    """Progress on one line of a terminal; nothing anywhere else."""
    if quiet or not sys.stderr.isatty():
        return lambda _text: None

    def show(text: str) -> None:
        click.echo(f"\r\x1b[2K{printable(text)[:76]}", nl=False, err=True)

    return show


def finish(*, quiet: bool) -> None:
    """Take the line of progress off the terminal."""
    if not quiet and sys.stderr.isatty():
        click.echo("\r\x1b[2K", nl=False, err=True)


def say(result: Any, show: Callable[[Any], None], *, as_json: bool, quiet: bool) -> None:
    """The result: as JSON to stdout, or for people."""
    from tallymark.results import to_json  # noqa: PLC0415 -- `--help` must not pay for it

    finish(quiet=quiet)
    if as_json:
        click.echo(to_json(result), nl=False)
    elif not quiet:
        show(result)


def on_terminal(name: str, *further: Any) -> Callable[[Any], None]:
    """What shows a result (and further things) to people, loaded only if somebody looks."""

    def show(result: Any) -> None:
        from tallymark import terminal  # noqa: PLC0415 -- loads rich

        getattr(terminal, name)(result, *further)

    return show


def exit_with(status: Status, fail_on: str) -> None:
    """Leave with the exit code of a status."""
    from tallymark.results import FailOn, exit_code  # noqa: PLC0415

    raise SystemExit(exit_code(status, FailOn(fail_on)))


def printable(text: str) -> str:
    """Text without what a terminal would act on; names from outside may hold anything."""
    return "".join(one if one.isprintable() or one == "\n" else " " for one in text)


def tell(text: str, indent: int = 0) -> None:
    """A line to stdout; on a terminal, broken where its width ends, and indented from there on.

    A program that reads it gets one line.
    """
    said = printable(text)
    if sys.stdout.isatty():
        width = max(_NARROWEST, shutil.get_terminal_size().columns)
        said = "\n".join(
            textwrap.fill(line, width, subsequent_indent=" " * indent, break_on_hyphens=False)
            for line in said.splitlines()
        )
    click.echo(said)


def say_withheld(project: Project) -> None:
    """That readers do not see what was made, if they do not."""
    if project.withheld:
        complain("withheld: readers still see the last good tables; see quarantine_path.txt")


def complain(text: str) -> None:
    """A sentence to stderr."""
    finish(quiet=False)
    click.echo(f"tallymark: {printable(text)}", err=True)
