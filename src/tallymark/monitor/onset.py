"""When it began, to the hour, where the hourly metrics can tell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tallymark.monitor.tables import HOURS, Tables
from tallymark.stats.changes import changed_stretch

__all__ = ["ERROR_HOURS", "PROFILE_DAYS", "Gap", "missing_hours", "onset", "usual_hours"]

Floats = NDArray[np.float64]
Days = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Trace:
    """Which hourly metric shows a daily one, over which other, and whether it mirrors it."""

    counts: str
    over: str | None = None
    mirrored: bool = False


_TRACES = {
    "identity_coverage": _Trace("anonymous_events", "events", mirrored=True),
    "referrer_coverage": _Trace("referred_views", "page_views"),
    "double_fired_share": _Trace("double_fired_views", "page_views"),
    "conversion_rate": _Trace("orders"),
    "purchase_rate": _Trace("orders"),
    "orders": _Trace("orders"),
    "revenue": _Trace("orders"),
    "sessions": _Trace("page_views"),
    "rows_accepted": _Trace("events"),
}

PROFILE_DAYS = 28  # the shape of a day is learned from so many days
_DISPERSION = 0.1  # of an hour's count beyond chance, on the wide side
_IMPOSSIBLE = 1e-6
_VISITS = 0.55  # for an event, of their own: visits bring several (variance over mean of 3)
_BUSY = 3.0  # events expected of an hour that counts as busy
_OFTEN_EMPTY = 0.05  # share of past days on which an hour may have been empty and still be busy
_NEIGHBOUR = 0.5  # without a past, an hour is as busy as half its quieter neighbour
ERROR_HOURS = 2  # so many busy hours in a row without an event are an error


def onset(
    tables: Tables, metric: str, day: int, past: Days, *, upward: bool
) -> tuple[int, int] | None:
    """(day, hour) at which a metric began to differ, on the day or the one before; else None.

    Args:
        tables: What the watch knows.
        metric: The daily metric.
        day: The day it was found on.
        past: Normal days, for the usual shape of a day.
        upward: Whether the daily metric rose.
    """
    trace = _TRACES.get(metric)
    counts = tables.hourly.get(trace.counts) if trace is not None else None
    if trace is None or counts is None:
        return None
    days = [day - 1, day] if day > 0 and tables.delivered[day - 1] else [day]
    if trace.over is not None:
        base = tables.hourly.get(trace.over)
        exposure = None if base is None else base[days].ravel()
    else:
        usual = usual_hours(tables, trace.counts, past)
        exposure = None if usual is None else np.tile(usual, len(days))
    if exposure is None:
        return None
    found = changed_stretch(
        counts[days].ravel(),
        exposure,
        upward=upward != trace.mirrored,
        binomial=trace.over is not None,
        reaching=HOURS * (len(days) - 1),
        preferred=HOURS * (len(days) - 1),
    )
    if found is None or found[0] == 0:
        return None
    return days[0] + found[0] // HOURS, found[0] % HOURS


def usual_hours(tables: Tables, metric: str, past: Days) -> Floats | None:
    """The mean of each hour over past days; None without any."""
    counts = tables.hourly.get(metric)
    if counts is None or len(past) == 0:
        return None
    mean: Floats = counts[past[-PROFILE_DAYS:]].mean(axis=0)
    return mean


@dataclass(frozen=True, slots=True)
class Gap:
    """Hours in a row without an event: from ``start`` to before ``end``."""

    start: int
    end: int
    expected: float
    busy: int


def missing_hours(tables: Tables, day: int, past: Days, absent: Sequence[int] = ()) -> list[Gap]:
    """Gaps in a day that the shop's usual hours (or, without a past, its neighbours) rule out.

    Args:
        tables: What the watch knows.
        day: The day's number.
        past: Normal days before it.
        absent: Hours that the day does not have, because the clock was put forward.
    """
    events = tables.hourly.get("events")
    if events is None:
        return []
    today = events[day]
    visits, whole = math.inf, 1.0
    if len(past) == 0:
        usual = _from_neighbours(today)
    else:
        history = events[past[-PROFILE_DAYS:]]
        usual = history.mean(axis=0)
        empty = (history == 0).mean(axis=0)
        usual = np.where(empty > _OFTEN_EMPTY, 0.0, usual)
        visits, whole = float(today.sum()) * _VISITS, float(usual.sum())
        outside = float(usual[today > 0].sum())
        if outside > 0:  # a quiet day makes a quiet hour less surprising
            scale = min(1.0, float(today.sum()) / outside)
            usual, whole = usual * scale, whole * scale
    usual[list(absent)] = 0.0
    return [
        gap
        for gap in _gaps(today, usual)
        if not _closing(gap, usual)
        and _impossible(gap)
        and _by_others(gap.expected / whole, visits) < _IMPOSSIBLE
    ]


def _gaps(today: Floats, usual: Floats) -> list[Gap]:
    found: list[Gap] = []
    start = None
    for hour in range(HOURS + 1):
        empty = hour < HOURS and today[hour] == 0
        if empty and start is None:
            start = hour
        elif not empty and start is not None:
            inside = usual[start:hour]
            busy = int(np.count_nonzero(inside >= _BUSY))
            found.append(Gap(start, hour, float(inside.sum()), busy))
            start = None
    return found


def _impossible(gap: Gap) -> bool:
    """Chance of no event at all, if the expected number itself varies from day to day."""
    chance = (1.0 + _DISPERSION * gap.expected) ** (-1.0 / _DISPERSION)
    return gap.busy > 0 and chance < _IMPOSSIBLE


def _closing(gap: Gap, usual: Floats) -> bool:
    """Whether a day ends one hour sooner than it did: clocks were changed where files are cut.

    Days that end before midnight are of another zone, or of a shop that sleeps at night.
    """
    after = usual[gap.start + 1 :]
    return gap.end == HOURS and len(after) > 0 and not after.any()


def _by_others(part: float, visits: float) -> float:
    """Chance that all of a day's visits fell into hours that hold the rest of it: few easily do."""
    return float(max(0.0, 1.0 - part) ** visits) if part > 0 else 1.0


def _from_neighbours(today: Floats) -> Floats:
    usual = np.zeros(HOURS)
    filled = np.flatnonzero(today > 0)
    for left, right in itertools.pairwise(filled):
        usual[left + 1 : right] = _NEIGHBOUR * min(today[left], today[right])
    return usual
