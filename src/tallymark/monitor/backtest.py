"""What the watch would see at this shop: faults planted into its own history, many times.

A fault is planted into the metrics of real days, from many start days on, and the watch judges the
days as if they were new. It is seen when the watch finds something that it does not find on the
same days as they were.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence

import numpy as np

from tallymark.config import MonitorRules
from tallymark.errors import WarehouseError
from tallymark.monitor.planting import FAULTS, Fault, planted, window
from tallymark.monitor.tables import Tables
from tallymark.monitor.watch import Watch
from tallymark.results import Severity

__all__ = ["SIZES", "Backtest", "Cell", "Setting", "backtest"]

SIZES = (0.2, 0.3, 0.5, 0.8, 1.0)
_WEEK = 7  # days within which a fault is to be seen
_HISTORY = 90  # days before a start that are judged: beyond that little is remembered
_LEAST = 14  # days of history before the first start
_YEAR = 365.0
Judge = Callable[[Tables], Watch]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How often a fault of a size was seen.

    Attributes:
        fault: What broke.
        size: The part that was lost, 0 to 1.
        tries: From how many start days.
        same_day: Share seen on the first day.
        within_week: Share seen within seven days.
        delay: Mean days until it was seen, of those that were; None if none was.
    """

    fault: str
    size: float
    tries: int
    same_day: float
    within_week: float
    delay: float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of the watch and what comes of it.

    Attributes:
        false_alarms_per_year: The budget it was given.
        alarms_in_history: Days of the history as it was on which a new incident was opened that
            statistics found.
        per_year: The same for a year; true ones among them, for nobody can tell.
        days: Days of history that were judged for that.
        cells: Per fault and size.
    """

    false_alarms_per_year: float
    alarms_in_history: int
    per_year: float
    days: int
    cells: Sequence[Cell]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What the watch would see at this shop, for each setting."""

    first: str
    last: str
    settings: Sequence[Setting]


def backtest(
    tables: Tables,
    rules: MonitorRules,
    *,
    timezone: str,
    currency: str,
    budgets: Sequence[float] = (),
    sizes: Sequence[float] = SIZES,
    starts: int = 6,
    seed: int = 1,
    progress: Callable[[str], None] = lambda _text: None,
) -> Backtest:
    """Plant faults into a shop's history and count what is seen.

    Args:
        tables: The history.
        rules: The watch's rules.
        timezone: The shop's.
        currency: The shop's.
        budgets: False alarms a year to try; the rules' own if none is given.
        sizes: Parts to take away, 0 to 1.
        starts: From how many start days, spread over the history.
        seed: Of the chance by which orders and visits are taken.
        progress: Called with a line of talk now and then.

    Raises:
        WarehouseError: There are too few days.
    """
    chosen = _starts(tables, starts)
    settings = []
    for budget in budgets or (rules.false_alarms_per_year,):
        tried = rules.model_copy(update={"false_alarms_per_year": budget})

        def judge(days: Tables, tried: MonitorRules = tried) -> Watch:
            return Watch(days, tried, timezone=timezone, currency=currency)

        progress(f"judging the history, {budget:g} false alarms a year")
        alarms, days = _alarms(judge(tables), tables)
        cells = _cells(judge, tables, chosen, sizes, seed, progress)
        settings.append(
            Setting(
                false_alarms_per_year=budget, alarms_in_history=alarms, days=days,
                per_year=round(alarms * _YEAR / days, 2) if days else 0.0, cells=cells,
            )
        )  # fmt: skip
    return Backtest(
        first=tables.first.isoformat(),
        last=tables.date(tables.size - 1).isoformat(),
        settings=settings,
    )


def _starts(tables: Tables, number: int) -> list[int]:
    """Delivered days with enough history before and some days after, spread evenly."""
    delivered = [day for day in range(_LEAST, tables.size) if tables.delivered[day]]
    fitting = [day for day in delivered if day + _WEEK <= tables.size] or delivered
    if not fitting:
        raise WarehouseError(
            f"{tables.size} days are too few: faults are planted after {_LEAST} days of history",
            fix="come back when there are more",
        )
    picks = np.unique(np.linspace(0, len(fitting) - 1, min(number, len(fitting))).round())
    return [fitting[int(one)] for one in picks]


def _cells(
    judge: Judge, tables: Tables, starts: Sequence[int], sizes: Sequence[float], seed: int,
    progress: Callable[[str], None],
) -> list[Cell]:  # fmt: skip
    delays: dict[tuple[Fault, float], list[int | None]] = {}
    for number, start in enumerate(starts, start=1):
        progress(f"planting, start {number} of {len(starts)}")
        first = max(0, start - _HISTORY)
        part = window(tables, first, min(tables.size, start + _WEEK))
        begin = start - first
        usual = _found(judge(part), part, begin)
        for fault in FAULTS:
            for size in sizes:
                bad = planted(part, fault, begin, 1.0 - size, seed)
                if bad is not None:
                    seen = _found(judge(bad), bad, begin)
                    delay = next(
                        (day for day in sorted(seen) if seen[day] - usual.get(day, set())), None
                    )
                    delays.setdefault((fault, size), []).append(delay)
    return [_cell(fault, size, found) for (fault, size), found in sorted(
        delays.items(), key=lambda one: (FAULTS.index(one[0][0]), one[0][1]))]  # fmt: skip


def _found(watch: Watch, tables: Tables, begin: int) -> dict[int, set[str]]:
    """What is found on each day from ``begin`` on, P2 and worse, by days after it."""
    found = {}
    for day in range(begin, tables.size):
        result = watch.judge(tables.date(day))
        found[day - begin] = {one.id for one in result.findings if one.severity is not Severity.P3}
    return found


def _cell(fault: Fault, size: float, delays: Sequence[int | None]) -> Cell:
    seen = [one for one in delays if one is not None]
    return Cell(
        fault=fault.name, size=size, tries=len(delays),
        same_day=round(sum(one == 0 for one in seen) / len(delays), 3),
        within_week=round(len(seen) / len(delays), 3),
        delay=round(sum(seen) / len(seen), 2) if seen else None,
    )  # fmt: skip


def _alarms(watch: Watch, tables: Tables) -> tuple[int, int]:
    """Days on which statistics opened an incident, of all judged days."""
    days = [day for day in range(tables.size) if tables.delivered[day]]
    alarms = 0
    for day in days:
        date: dt.date = tables.date(day)
        result = watch.judge(date)
        alarms += any(
            one.opened == result.date and one.metric is not None and "p" in one.evidence
            for one in result.incidents
        )
    return alarms, len(days)
