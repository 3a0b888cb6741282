"""Following a folder from the command line: a line a verdict, until somebody stops it."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tallymark.cli.options import complain, finish, option, printable

if TYPE_CHECKING:
    from tallymark.project import Project
    from tallymark.results import DeliveryReport, Finding, Status

__all__ = ["follow_folder", "following"]

Command = TypeVar("Command", bound=Callable[..., Any])
_ON, _OFF = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
_SHORTEST, _LONGEST = 0.01, 3600.0  # seconds between two looks


class _Followed(click.ParamType[str | None]):
    """The folder to follow; empty for the one of --input. In the environment it may be a switch."""

    name = "folder"

    def convert(
        self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None
    ) -> str | None:
        """The folder, or nothing for no following."""
        word = str(value).lower()
        return None if word in _OFF else "" if word in _ON else str(value)


def following(command: Command) -> Command:
    """The options of following a folder."""
    for decorate in (
        option("--poll-settle", "settle", type=click.IntRange(1, 10_000), default=3,
               show_default=True, help="Looks at which a file is the same until it is complete."),
        option("--poll-interval", "interval", type=click.FloatRange(_SHORTEST, _LONGEST),
               default=1.0, show_default=True, help="Seconds between two looks."),
        option("--follow", type=_Followed(), is_flag=False, flag_value="", metavar="[DIR]",
               help="Watch DIR, or the --input folder, and judge each file as it becomes "
               "complete."),
    ):  # fmt: skip
        command = decorate(command)
    return command


def follow_folder(
    project: Project, *, keep: bool, interval: float, settle: int, as_json: bool, quiet: bool
) -> Status:
    """Follow the input folder until SIGINT or SIGTERM; a second one ends it in the middle.

    Returns:
        The status of all that was judged.
    """
    from tallymark.check.follow import Listener  # noqa: PLC0415 -- loads DuckDB

    def verdict(report: DeliveryReport) -> None:
        finish(quiet=quiet)
        if as_json:
            _emit("verdict", "report", report)
        elif not quiet:
            _line(report)

    def notify(one: Finding) -> None:
        if as_json:
            _emit("alert", "finding", one)
        alerts.tell(one)
        bell = "\a" if sys.stderr.isatty() else ""
        finish(quiet=quiet)
        where = "" if one.delivery is None or one.delivery in one.message else f" {one.delivery}:"
        click.echo(f"{bell}{printable(f'P0{where} {one.message}')}", err=True)
        if one.fix:
            click.echo(printable(f"  fix: {one.fix}"), err=True)

    stop = threading.Event()
    with (
        project.watch() as stage,
        stage.alerting(complain, project.newest_day) as alerts,
        _stopped_by_signals(stop),
    ):
        return project.follow(
            Listener(verdict=verdict, notify=notify, trouble=complain),
            stop=stop, keep=keep, interval=interval, settle=settle,
        )  # fmt: skip


@contextlib.contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """The first signal ends after the judgement that has begun, a second one at once."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {one: signal.signal(one, handle) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _emit(event: str, name: str, value: object) -> None:
    from tallymark.results import to_json  # noqa: PLC0415 -- `--help` must not pay for it

    line = json.dumps({"event": event, name: json.loads(to_json(value))}, ensure_ascii=False)
    click.echo(line)


def _line(report: DeliveryReport) -> None:
    out = f", {report.rows_quarantined:,} quarantined" if report.rows_quarantined else ""
    counts = ", ".join(
        f"{number} {level}"
        for level in ("P0", "P1", "P2")
        if (number := sum(one.severity == level for one in report.findings))
    )
    told = f"; {counts}" if counts else ""
    click.echo(
        printable(
            f"{report.verdict:<10} {report.score:>3}  {report.delivery}  "
            f"{report.rows_read:,} rows{out}{told}"
        )
    )
