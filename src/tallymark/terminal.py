"""What people read on the terminal: short, at most 80 columns wide, the worst thing first."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tallymark.check.reports.stories import Run, Sentence, runs, seen_on, stories
from tallymark.engine.currency import digits_of
from tallymark.report.text import clock, readable
from tallymark.results import (
    BuildResult,
    CheckResult,
    DeliveryReport,
    Finding,
    Incident,
    MonitorResult,
    ReportResult,
    RunResult,
    Severity,
    Status,
    Verdict,
    refused,
)

if TYPE_CHECKING:
    from tallymark.demo.shop import Truth

__all__ = ["built", "checked", "initialised", "made", "monitored", "plain", "ran", "reported"]

WIDTH = 80
NARROW = 64  # below so many columns a table has only what matters most
SAID = 4  # sentences of one finding, where its deliveries differ
SHOWN = 6  # findings; the reports have all
LISTED = 40  # deliveries; of more, only those with something to say
_COLOURS = {
    "GREEN": "bold green", "YELLOW": "bold yellow", "RED": "bold red",
    "P0": "bold red", "P1": "red", "P2": "yellow", "P3": "dim",
    "PASS": "green", "WARN": "yellow", "QUARANTINE": "red", "STOP": "bold red",
}  # fmt: skip
# Control characters, line and paragraph separators, changes of writing direction.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
_NAMES = {"executive-summary.pdf": "brief"}
_REPORTS = {
    "md": ("report", "dq_report.md"), "json": ("data", "dq_report.json"),
    "csv": ("table", "dq_report.csv"), "junit": ("junit", "dq_report.junit.xml"),
    "sarif": ("sarif", "dq_report.sarif"),
}  # fmt: skip


# ---------------------------------------------------------------- words


def plain(text: str) -> str:
    """Text from data on one line, without what a terminal would act on or cannot encode."""
    return _CONTROL.sub(" ", text).encode(errors="replace").decode()


def _count(number: int, one: str, many: str = "") -> str:
    """``1 delivery``, ``3,000 deliveries``."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _when(since: str) -> str:
    """``2026-01-31T07:00:00.000Z`` as ``31 Jan 07:00``; midnight as the day alone."""
    try:
        moment = dt.datetime.fromisoformat(since)
    except ValueError:
        return since or "unknown"
    return clock(moment)


def _long_day(day: str) -> str:
    moment = dt.date.fromisoformat(day)
    return f"{moment:%A} {moment.day} {moment:%B %Y}"


def _money(amount: Decimal, currency: str) -> str:
    """An amount with the sign of its currency where everybody knows it, else with its code."""
    sign = {"USD": "$", "EUR": "€", "GBP": "£"}.get(currency, f"{currency} ")
    return f"{sign}{amount:,.{digits_of(currency)}f}"


def _badge(word: str) -> str:
    return f"[{_COLOURS[word]}]{word}[/]"


def _near(path: Path) -> str:
    """A path relative to here where that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


# ---------------------------------------------------------------- pieces


def _console() -> Console:
    probe = Console()
    return Console(width=min(probe.width, WIDTH), highlight=False)


def _print(console: Console, what: RenderableType) -> None:
    """Print a table without the blanks that fill its lines: people copy what they see."""
    with console.capture() as printed:
        console.print(what)
    console.file.write(re.sub(r" +$", "", printed.get(), flags=re.MULTILINE))


def _finding(console: Console, one: Finding, currency: str = "USD", where: str = "") -> None:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=4)
    grid.add_column(ratio=1, overflow="fold")
    said = Text(readable(plain(one.message)))
    said.append(f"\nsince {_when(one.since)}", style="dim")
    decided = one.decision if isinstance(one, Incident) else None
    for more in (where, one.owner, decided):
        if more:
            said.append(f" · {plain(more)}", style="dim")
    if isinstance(one, Incident) and one.money_at_risk:
        said.append(f" · {_money(Decimal(one.money_at_risk), currency)} at stake", style="bold")
    elif one.money is not None:
        stated = plain(str(one.evidence.get("currency") or "")).strip()
        worth = _money(one.money, stated).strip()
        said.append(f" · {worth} in the orders it touches", style="bold")
    if one.fix:
        said.append(f"\nfix: {plain(one.fix)}", style="cyan")
    grid.add_row(f" {_badge(str(one.severity))}", said)
    _print(console, grid)


def _found(console: Console, reports: Sequence[DeliveryReport]) -> None:
    """Each cause once: as it was first seen, on which deliveries, the worst first."""
    told = [one for one in stories(reports) if one.one.severity is not Severity.P3]
    for story in told[:SHOWN]:
        one = dataclasses.replace(story.one, money=story.money)
        named = story.on[0].delivery if len(story.on) == 1 else seen_on(story)
        known = plain(named) in plain(one.message)
        _finding(console, one, where="" if known else named)
        for other in story.sentences[1:SAID]:
            _also(console, other)
        _and_more(console, len(story.sentences) - SAID, "dq_report.md")
    _and_more(console, len(told) - SHOWN, "dq_report.md")


def _also(console: Console, one: Sentence) -> None:
    """What else was said of other deliveries with the same finding."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=4)
    grid.add_column(ratio=1, overflow="fold")
    said = Text(f"also: {readable(plain(one.message))}")
    first = one.on[0].delivery
    if len(one.on) > 1 or first not in one.message:
        more = f" and {len(one.on) - 1:,} more" if len(one.on) > 1 else ""
        said.append(f" · {plain(first)}{more}", style="dim")
    grid.add_row("", said)
    _print(console, grid)


def _incidents(console: Console, found: Sequence[Incident], currency: str = "USD") -> None:
    for one in found[:SHOWN]:
        _finding(console, one, currency)
    _and_more(console, len(found) - SHOWN, "monitoring_report.md")


def _and_more(console: Console, number: int, where: str) -> None:
    if number > 0:
        console.print(f"      [dim]and {number} more in {where}[/]")


def _day(console: Console, status: Status, day: str, by: str = "") -> None:
    console.print(
        f"[{_COLOURS[str(status)]} reverse] {status} [/]  {_long_day(day)}{by}\n", soft_wrap=True
    )


def _headline(console: Console, result: MonitorResult) -> None:
    """What can be said of a day on which nothing is wrong."""
    if not result.incidents:
        said = plain(result.headline).removeprefix(f"{result.status}: ")
        _print(console, Text(f"{said[:1].upper()}{said[1:]}."))


def _paths(paths: Mapping[str, Path]) -> None:
    console = _console()
    console.print("[dim]open[/]")
    for name, path in paths.items():
        console.print(f"  {name:<8} {escape(plain(_near(path)))}", soft_wrap=True)


# ---------------------------------------------------------------- the stages


def checked(result: CheckResult, reports: Path | None = None, forms: Sequence[str] = ()) -> None:
    """The gate's verdicts, clean deliveries summed up, the worst first; where its reports are.

    Args:
        result: The verdicts.
        reports: The folder of the reports.
        forms: Which were written beyond the Markdown.
    """
    console = _console()
    _verdicts(console, result)
    console.print()
    _found(console, result.deliveries)
    console.print(f"Data quality: {_badge(str(result.status))}, {_read(result)}")
    if reports is not None:
        written = ["md", *(form for form in forms if form != "md")]
        _paths({_REPORTS[form][0]: reports / _REPORTS[form][1] for form in written})


def _verdicts(console: Console, result: CheckResult) -> None:
    """A line for each delivery that has something to say, and one for clean ones in a row."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    names: tuple[str, ...] = ("score", "rows", "quarantined", "P0", "P1", "P2")
    # Where there is little room, the rows and findings are left to the report.
    names = names if console.width >= NARROW else names[:1]
    table.add_column("delivery", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    listed = list(runs(result.deliveries))
    if len(listed) > LISTED:
        listed = [one for one in listed if one.deliveries[0].verdict is not Verdict.PASS][-LISTED:]
    for run in listed:
        first = run.deliveries[0]
        counts = [
            str(sum(finding.severity == level for finding in first.findings) or "")
            for level in ("P0", "P1", "P2")
        ]
        cells = (
            str(first.score), f"{sum(one.rows_read for one in run.deliveries):,}",
            f"{sum(one.rows_quarantined for one in run.deliveries):,}", *counts,
        )  # fmt: skip
        table.add_row(escape(_of(run)), _badge(str(first.verdict)), *cells[: len(names)])
    _print(console, table)
    left = len(result.deliveries) - sum(len(run.deliveries) for run in listed)
    _and_more(console, left, "dq_report.md")


def _of(run: Run) -> str:
    """The name of a delivery, or how many clean ones there are in a row and of which days."""
    first, last = run.deliveries[0], run.deliveries[-1]
    if first is last:
        return plain(first.delivery)
    number = _count(len(run.deliveries), "delivery", "deliveries")
    if first.date and last.date and first.date != last.date:
        begins, ends = _when(first.date), _when(last.date)
        day, _, month = begins.partition(" ")
        return f"{number}, {day if ends.endswith(f' {month}') else begins} to {ends}"
    return number


def _read(result: CheckResult) -> str:
    rows = sum(one.rows_read for one in result.deliveries)
    out = sum(one.rows_quarantined for one in result.deliveries)
    deliveries = _count(len(result.deliveries), "delivery", "deliveries")
    return f"{_count(rows, 'row')} in {deliveries}, {out:,} quarantined"


def built(result: BuildResult, gate: CheckResult | None = None) -> None:
    """What was built, and what the gate said of what it was built from."""
    console = _console()
    done = "built" if result.rebuilt else "up to date"
    console.print(f"Tables {done}: {escape(plain(result.reason))}.")
    for name, rows in result.tables.items():
        console.print(f"  {escape(plain(name)):<18}{rows:>12,}")
    console.print(
        f"{_count(result.counted_orders, 'counted order')}, "
        f"{_money(result.counted_revenue, result.currency)}; "
        "every step reconciles to the cent."
    )
    ran_away = {
        one["measure"]: int(one["explained"])
        for one in result.reconciliation
        if one["step"] == "runaway"
    }
    if ran_away.get("sessions"):
        console.print(
            f"{_count(ran_away['sessions'], 'runaway session')} with "
            f"{_count(ran_away.get('events', 0), 'event')}: kept and counted, but no person does "
            "so much without a pause; see `sessions` in tallymark.yml.",
            soft_wrap=True,
        )
    if gate is not None and gate.status is not Status.GREEN:
        left = [plain(one.delivery) for one in refused(gate)]
        console.print(f"Data quality: {_badge(str(gate.status))}, see dq_report.md")
        if left:
            named = ", ".join(left[:SHOWN]) + (", ..." if len(left) > SHOWN else "")
            console.print(f"Nothing could be read of {escape(named)}.")


def monitored(result: MonitorResult) -> None:
    """The judgement of a day."""
    console = _console()
    _day(console, result.status, result.date)
    _headline(console, result)
    _incidents(console, result.incidents)
    if result.notes:
        console.print()
    for note in result.notes:
        _print(console, Text(plain(note), style="dim"))


def reported(result: ReportResult) -> None:
    """The files of the brief."""
    _paths({_NAMES.get(path.name, path.name): path for path in result.paths})


def initialised(paths: Sequence[Path]) -> None:
    """The files of a new project and what to do next."""
    console = _console()
    for path in paths:
        console.print(f"  wrote {escape(plain(str(path)))}", soft_wrap=True)
    home = escape(plain(str(paths[0].parent)))
    console.print(f"Next: tallymark run --project {home}", soft_wrap=True)


def made(truth: Truth) -> None:
    """A simulated shop."""
    console = _console()
    raw = escape(plain(str(truth.directory / "raw")))
    files = _count(len(truth.files), "delivery", "deliveries")
    console.print(f"{files} in {raw}, the truth in {escape(plain(str(truth.path)))}",
                  soft_wrap=True)  # fmt: skip
    for one in truth.incidents:
        days = one.day if one.day == one.last_day else f"{one.day} to {one.last_day}"
        console.print(
            f"  planted {one.kind:<20} {days:<26}{_count(one.rows_touched, 'row')}", soft_wrap=True
        )


def ran(result: RunResult) -> None:
    """The morning summary: status, what broke and since when, the money, what to open."""
    console = _console()
    latest = result.monitor[-1] if result.monitor else None
    left = [one for one in refused(result.check) if latest is None or one.date != latest.date]
    console.print()
    if latest is None:
        _same(console, result)
        console.print(f"Data quality: {_badge(str(result.check.status))}")
        if result.check.status is not Status.GREEN:
            console.print()
            _found(console, result.check.deliveries)
    else:
        status = Status.RED if left else latest.status
        _day(console, status, latest.date, "  [dim]by tallymark[/]")
        _same(console, result)
        if not left:
            _headline(console, latest)
        _found(console, left)
        _incidents(console, latest.incidents, result.build.currency)
        _earlier(console, result.over)
    console.print()
    _amounts(console, result)
    console.print()
    _paths(_to_open(result))


def _same(console: Console, result: RunResult) -> None:
    if result.unchanged:
        console.print("Nothing has changed since the last run; this is how it stands.\n")


def _earlier(console: Console, told: Sequence[Incident]) -> None:
    """What broke and is over, a line each, the latest first."""
    if not told:
        return
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=4)
    grid.add_column(width=12, style="dim", no_wrap=True)
    grid.add_column(width=max(20, console.width - 20), no_wrap=True, overflow="ellipsis")
    for one in told[:SHOWN]:
        quiet = "quiet, not over yet: " if one.state == "quiet" else ""
        message = Text(f"{quiet}{readable(plain(one.message))}")
        grid.add_row(f" {_badge(str(one.severity))}", _when(one.since), message)
    console.print()
    more = f", the latest {SHOWN} of {len(told)}" if len(told) > SHOWN else ""
    console.print(f"[dim]over by now{more}[/]")
    _print(console, grid)


def _amounts(console: Console, result: RunResult) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    grid.add_row("read", _read(result.check))
    grid.add_row(
        "built", f"{_count(result.build.tables['fct_sessions'], 'session')}, "
        f"{_count(result.build.counted_orders, 'counted order')}; reconciled to the cent",
    )  # fmt: skip
    if not result.build.is_usual:
        grid.add_row("", escape(plain(result.build.reason)))
    counted = _money(result.build.counted_revenue, result.build.currency)
    grid.add_row("revenue", f"{counted} counted{_with_channel(result)}")
    if result.days:
        colours = Counter(result.days.values())
        counts = ", ".join(f"{colours[one]} {_badge(str(one))}" for one in Status if colours[one])
        grid.add_row("days judged", counts)
    _print(console, grid)


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
