"""Looking back with the watch: a span of days, and how its results are shown."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from tallymark.cli.options import tell

if TYPE_CHECKING:
    from tallymark.monitor.backtest import Backtest
    from tallymark.monitor.replay import Replay

__all__ = ["SPAN", "show_backtest", "show_replay"]


class _Span(click.ParamType["tuple[dt.date | None, dt.date | None]"]):
    """Days from one to another, written as 2026-01-01..2026-01-31; either end may be left out."""

    name = "A..B"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[dt.date | None, dt.date | None]:
        """The first and the last day, or a usage error that says how to write them."""
        if isinstance(value, tuple):
            return value
        start, dots, end = str(value).partition("..")
        try:
            first, last = (dt.date.fromisoformat(one) if one else None for one in (start, end))
        except ValueError:
            dots = ""
            first = last = None
        if not dots:
            self.fail(f"{value!r} is no span of days; write it as 2026-01-01..2026-01-31",
                      param, ctx)  # fmt: skip
        if first is not None and last is not None and last < first:
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return first, last


SPAN = _Span()


def show_replay(found: Replay) -> None:
    """On which day each alert fired."""
    if not found.days:
        click.echo("No day of the warehouse lies in that span.")
        return
    counts = ", ".join(f"{number} {name}" for name, number in found.statuses.items() if number)
    click.echo(f"{found.days[0].date} to {found.days[-1].date}: {counts}")
    for one in found.fired:
        false = "  FALSE ALARM" if one.false_alarm else ""
        since = one.since[:16].replace("T", " ")
        days = "1 day" if one.days == 1 else f"{one.days} days"
        line = f"{one.fired}  {one.severity}  {one.id}  (since {since}, {days}, {one.state}){false}"
        tell(line, 16)
    if not found.fired:
        click.echo("Nothing fired.")
    if found.false_alarm_days is not None:
        click.echo(f"False alarms on {found.false_alarm_days} of {len(found.days)} days.")


def show_backtest(found: Backtest) -> None:
    """What was seen of the planted faults."""
    for one in found.settings:
        click.echo(
            f"{found.first} to {found.last}, {one.false_alarms_per_year:g} false alarms a year "
            f"accepted: {_number(one.alarms_in_history, 'alarm')} in {_number(one.days, 'day')} of "
            "history as it was"
        )
        click.echo(
            f"{'fault':<26}{'lost':>6}{'same day':>10}{'in a week':>11}{'delay':>7}{'tries':>7}"
        )
        for cell in one.cells:
            delay = "" if cell.delay is None else f"{cell.delay:.1f} d"
            click.echo(
                f"{cell.fault:<26}{cell.size:>6.0%}{cell.same_day:>10.0%}"
                f"{cell.within_week:>11.0%}{delay:>7}{cell.tries:>7}"
            )


def _number(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
