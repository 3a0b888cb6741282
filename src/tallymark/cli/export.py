"""What other tools read: metrics for Prometheus, its alerts, and a dashboard for Grafana."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from tallymark.cli.options import (
    Group,
    cli,
    common,
    complain,
    finish,
    open_project,
    option,
    printable,
    rules_of,
    say,
    warehouse_at,
)
from tallymark.errors import UsageError

if TYPE_CHECKING:
    from tallymark.config import MonitorRules
    from tallymark.monitor.prometheus.collect import Collected
    from tallymark.monitor.prometheus.exporter import Exporter
    from tallymark.project import Project

__all__: list[str] = []

_LOOK = 0.5  # seconds between two looks at whether something is to be said
_LINK = ("http://", "https://")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One series, as JSON."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Exported:
    """What was written, or would be."""

    date: str | None
    judged: str | None
    path: Path | None
    series: int
    samples: tuple[_Sample, ...] | None = None


@cli.group(cls=Group)
def export() -> None:
    """Give the numbers to other tools: Prometheus and Grafana."""


@export.command()
@warehouse_at
@option("--output", "output", type=click.Path(path_type=Path),
         help="Textfile to write, such as tallymark.prom; standard output else.")  # fmt: skip
@option("--serve", "serve", is_flag=False, flag_value="", metavar="[HOST:PORT]",
         help="Answer scrapes here until stopped; 127.0.0.1:9846 if not given.")  # fmt: skip
@common
def prometheus(
    *, warehouse: Path | None, output: Path | None, serve: str | None, home: Path | None,
    config: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """The latest day as metrics: status, incidents, sales, funnel, channels, coverage.

    Written as a textfile (for node_exporter, in one piece), printed, or served at /metrics.
    """
    if output is not None and serve is not None:
        raise UsageError("--output writes once and --serve goes on", fix="give one of the two")
    project = open_project(home, config, quiet=quiet, warehouse=warehouse)
    from tallymark.monitor.prometheus.exporter import Exporter  # noqa: PLC0415 -- loads DuckDB

    exporter = Exporter(project.paths.warehouse, project.config)
    if serve is not None:
        _serve(exporter, serve, quiet=quiet, as_json=as_json)
        return
    if output is not None:
        found = exporter.write(output)
        say(_exported(found, output), _written, as_json=as_json, quiet=quiet)
        return
    found = exporter.collect()
    if as_json:
        say(_exported(found, None), _written, as_json=True, quiet=quiet)
    else:
        click.echo(exporter.text(found), nl=False)


@export.command()
@option("--output", "output", type=click.Path(path_type=Path), required=True,
         help="Folder for dashboards/ and provisioning/.")  # fmt: skip
@option("--link", "link", help="Where people read the report; the dashboard links to it.")
@rules_of("watch")
@common
def grafana(
    *, output: Path, link: str | None, rules: Path | None, home: Path | None, config: Path | None,
    quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """A dashboard for Grafana, with the files that let Grafana find it and Prometheus."""
    if link is not None and not link.startswith(_LINK):
        raise UsageError(f"{link!r} is no link", fix="begin it with https://")
    project = open_project(home, config, quiet=quiet, rules=rules)
    from tallymark.monitor.prometheus.grafana import grafana_files  # noqa: PLC0415

    files = grafana_files(_rules(project), page=link or "")
    say(_placed(output, files), _listed, as_json=as_json, quiet=quiet)


@export.command()
@option("--output", "output", type=click.Path(path_type=Path), required=True,
         help="Folder for tallymark.rules.yml and an example prometheus.yml.")  # fmt: skip
@rules_of("watch")
@common
def rules(
    *, output: Path, rules: Path | None, home: Path | None, config: Path | None, quiet: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Alerting rules for Prometheus, with the limits of the watch's own rules."""
    project = open_project(home, config, quiet=quiet, rules=rules)
    from tallymark.monitor.prometheus.alerts import prometheus_files  # noqa: PLC0415

    say(_placed(output, prometheus_files(_rules(project))), _listed, as_json=as_json, quiet=quiet)


# ---------------------------------------------------------------- inside


def _rules(project: Project) -> MonitorRules:
    from tallymark.config import MonitorRules, load  # noqa: PLC0415 -- loads pydantic

    return load(MonitorRules, project.paths.monitor_rules, "rules/monitor.yml")


def _placed(folder: Path, files: Mapping[str, str]) -> list[Path]:
    from tallymark.engine.warehouse import write_atomically  # noqa: PLC0415 -- loads DuckDB

    for name, text in files.items():
        write_atomically(folder / name, text)
    return [folder / name for name in files]


def _listed(paths: list[Path]) -> None:
    for path in paths:
        click.echo(printable(path.as_posix()))


def _exported(found: Collected, path: Path | None) -> _Exported:
    from tallymark.monitor.prometheus.text import samples  # noqa: PLC0415

    series = [_Sample(name=one.name, labels=one.labels, value=one.value)
              for one in samples(found.metrics.values())]  # fmt: skip
    return _Exported(
        date=found.date.isoformat() if found.date else None,
        judged=found.judged.isoformat() if found.judged else None,
        path=path,
        series=len(series),
        samples=tuple(series) if path is None else None,
    )


def _written(done: _Exported) -> None:
    day = f"of {done.date}" if done.date else "of an empty warehouse"
    judged = "" if done.judged else "; the day was not judged yet"
    click.echo(printable(f"{done.series} series {day} written to {done.path}{judged}"))


def _serve(exporter: Exporter, where: str, *, quiet: bool, as_json: bool) -> None:
    """Serve until SIGINT or SIGTERM; what goes wrong with the warehouse is said once."""
    from tallymark.monitor.prometheus.server import (  # noqa: PLC0415
        HOST,
        PORT,
        Server,
        address,
        is_loopback,
    )

    host, port = address(where) if where else (HOST, PORT)
    server = Server(host, port, exporter)
    stop = threading.Event()
    with _stopped_by_signals(stop):
        answering = threading.Thread(target=server.serve_forever, args=(_LOOK,), daemon=True)
        answering.start()
        try:
            finish(quiet=quiet)
            if as_json:
                say({"url": server.url}, lambda _result: None, as_json=True, quiet=quiet)
            elif not quiet:
                click.echo(f"serving {server.url}; Ctrl-C stops", err=True)
            if not is_loopback(host):
                complain(f"whoever reaches {host} can read the shop's revenue")
            exporter.scrape(openmetrics=True)
            said = ""
            while True:
                if exporter.trouble != said:
                    said = exporter.trouble
                    complain(said or "the warehouse can be read again")
                if stop.wait(_LOOK):
                    break
        finally:
            server.shutdown()
            server.server_close()


@contextlib.contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {one: signal.signal(one, handle) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
