"""What people read on the terminal: short, at most 80 columns wide, the worst thing first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tallymark.results import (
    BuildResult,
    CheckResult,
    Finding,
    Incident,
    MonitorResult,
    ReportResult,
    RunResult,
    Severity,
)

if TYPE_CHECKING:
    from tallymark.demo.shop import Truth

__all__ = ["built", "checked", "initialised", "made", "monitored", "ran", "reported"]

WIDTH = 80
SHOWN = 6
_COLOURS = {
    "GREEN": "bold green", "YELLOW": "bold yellow", "RED": "bold red",
    "P0": "bold red", "P1": "red", "P2": "yellow", "P3": "dim",
    "PASS": "green", "WARN": "yellow", "QUARANTINE": "red", "STOP": "bold red",
}  # fmt: skip


def _console() -> Console:
    probe = Console()
    return Console(width=min(probe.width, WIDTH), highlight=False)


def _when(since: str) -> str:
    """``2026-01-31T07:00:00.000Z`` as ``31 Jan 07:00``; midnight as the day alone."""
    try:
        moment = dt.datetime.fromisoformat(since)
    except ValueError:
        return since or "unknown"
    day = f"{moment.day} {moment:%b}"
    return day if (moment.hour, moment.minute) == (0, 0) else f"{day} {moment:%H:%M}"


def _badge(word: str) -> str:
    return f"[{_COLOURS[word]}]{word}[/]"


def _finding(console: Console, one: Finding | Incident, currency: str = "USD") -> None:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=4)
    grid.add_column(ratio=1)
    said = Text(one.message)
    said.append(f"\nsince {_when(one.since)}", style="dim")
    if isinstance(one, Incident) and one.money_at_risk:
        said.append(f" · {_money(Decimal(one.money_at_risk), currency)} at stake", style="bold")
    if one.fix:
        said.append(f"\nfix: {one.fix}", style="cyan")
    grid.add_row(f" {_badge(str(one.severity))}", said)
    console.print(grid)


def _worst(found: Sequence[Finding]) -> list[Finding]:
    """One finding an id: the earliest, the worst first."""
    first: dict[str, Finding] = {}
    for one in found:
        first.setdefault(one.id, one)
    return sorted(first.values(), key=lambda one: (one.severity, one.since, one.id))


def checked(result: CheckResult) -> None:
    """The gate's verdicts."""
    console = _console()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("delivery", "verdict", "score", "rows", "quarantined", "P0", "P1", "P2"):
        table.add_column(name, justify="left" if name in {"delivery", "verdict"} else "right")
    for one in result.deliveries:
        counts = [
            str(sum(finding.severity == level for finding in one.findings) or "")
            for level in ("P0", "P1", "P2")
        ]
        table.add_row(
            escape(one.delivery), _badge(str(one.verdict)), str(one.score),
            f"{one.rows_read:,}", f"{one.rows_quarantined:,}", *counts,
        )  # fmt: skip
    console.print(table)
    console.print()
    found = _worst([finding for report in result.deliveries for finding in report.findings])
    for worst in [finding for finding in found if finding.severity is not Severity.P3][:SHOWN]:
        _finding(console, worst)
    console.print(f"Data quality: {_badge(str(result.status))}")


def built(result: BuildResult) -> None:
    """What was built."""
    console = _console()
    done = "built" if result.rebuilt else "up to date"
    console.print(f"Tables {done}: {result.reason}.")
    for name, rows in result.tables.items():
        console.print(f"  {name:<18}{rows:>12,}")
    console.print(
        f"{result.counted_orders:,} counted orders, "
        f"{_money(result.counted_revenue, result.currency)}; "
        "every step reconciles to the cent."
    )


def monitored(result: MonitorResult) -> None:
    """The judgement of a day."""
    console = _console()
    console.print(f"{result.date}  {_badge(str(result.status))}  {escape(result.headline)}")
    console.print()
    for one in result.incidents[:SHOWN]:
        _finding(console, one)
    for note in result.notes[:3]:
        console.print(f"[dim]{escape(note)}[/]")


def reported(result: ReportResult) -> None:
    """The files of the brief."""
    _paths({path.name: path for path in result.paths})


def initialised(paths: Sequence[Path]) -> None:
    """The files of a new project and what to do next."""
    console = _console()
    for path in paths:
        console.print(f"  wrote {escape(str(path))}", soft_wrap=True)
    console.print(f"Next: tallymark run --project {escape(str(paths[0].parent))}", soft_wrap=True)


def made(truth: Truth) -> None:
    """A simulated shop."""
    console = _console()
    console.print(f"{len(truth.files)} deliveries in {escape(str(truth.directory / 'raw'))}")
    for one in truth.incidents:
        console.print(f"  planted {escape(str(one.kind))}", soft_wrap=True)


def ran(result: RunResult) -> None:
    """The morning summary: status, what broke and since when, the money, what to open."""
    console = _console()
    latest = result.monitor[-1] if result.monitor else None
    console.print()
    status = latest.status if latest else result.check.status
    if latest is not None:
        console.print(
            f"[{_COLOURS[str(status)]} reverse] {status} [/]  "
            f"{_long_day(latest.date)}  [dim]by tallymark[/]"
        )
    console.print()
    for one in (latest.incidents if latest else [])[:SHOWN]:
        _finding(console, one, result.build.currency)
    if latest is not None and len(latest.incidents) > SHOWN:
        console.print(f"      [dim]and {len(latest.incidents) - SHOWN} more in the report[/]")
    if latest is None:
        for finding in _worst([f for d in result.check.deliveries for f in d.findings])[:SHOWN]:
            _finding(console, finding)
    console.print()
    _amounts(console, result)
    console.print()
    _paths(_to_open(result))


def _amounts(console: Console, result: RunResult) -> None:
    rows = sum(one.rows_read for one in result.check.deliveries)
    out = sum(one.rows_quarantined for one in result.check.deliveries)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(
        "read", f"{rows:,} rows in {len(result.check.deliveries)} deliveries, {out:,} quarantined"
    )
    grid.add_row(
        "built", f"{result.build.tables['fct_sessions']:,} sessions, "
        f"{result.build.counted_orders:,} counted orders; reconciled to the cent",
    )  # fmt: skip
    counted = _money(result.build.counted_revenue, result.build.currency)
    grid.add_row("revenue", f"{counted} counted{_with_channel(result)}")
    if result.monitor:
        colours = [str(one.status) for one in result.monitor]
        counts = ", ".join(
            f"{colours.count(name)} {_badge(name)}"
            for name in ("GREEN", "YELLOW", "RED")
            if name in colours
        )
        grid.add_row("days judged", counts)
    console.print(grid)


def _with_channel(result: RunResult) -> str:
    share = result.build.channel_share
    return "" if share is None else f", {share:.0%} of it with a known channel (last click)"


def _to_open(result: RunResult) -> Mapping[str, Path]:
    reports = result.paths["reports"]
    wanted = {
        "brief": reports / "executive-summary.pdf",
        "watch": reports / "monitoring_report.md",
        "gate": reports / "dq_report.md",
        "tables": result.paths["warehouse"] / "tallymark.duckdb",
    }
    return {name: path for name, path in wanted.items() if path.is_file()}


def _paths(paths: Mapping[str, Path]) -> None:
    console = _console()
    console.print("[dim]open[/]")
    for name, path in paths.items():
        console.print(f"  {name:<8} {escape(_near(path))}", soft_wrap=True)


def _near(path: Path) -> str:
    """A path relative to here where that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _long_day(day: str) -> str:
    moment = dt.date.fromisoformat(day)
    return f"{moment:%A} {moment.day} {moment:%B %Y}"


def _money(amount: Decimal, currency: str) -> str:
    """An amount with the sign of its currency where everybody knows it, else with its code."""
    sign = {"USD": "$", "EUR": "€", "GBP": "£"}.get(currency, f"{currency} ")
    return f"{sign}{amount:,.2f}"
