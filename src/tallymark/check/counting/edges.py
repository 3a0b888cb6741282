"""Where a file's day begins: at the shop's midnight, at UTC's, or at that of another zone.

Most exports are cut at midnight of UTC. In a shop of another zone each such file holds some hours
of the day after (or before) and lacks as many at its other end. That is no fault of a row, and is
known by whole hours: what is over at one edge is missing at the other.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["CUT_FIX", "DAYS_FIX", "Strays", "strays_of"]

CUT_FIX = (
    "if that is the shop's own midnight, set `timezone` under `shop` in tallymark.yml; else nothing"
)

DAYS_FIX = "deliver one file a day: days without one of their own count as missing"

_HOURS = 24
_FARTHEST = 14  # hours that a zone may be from UTC
_OUTSIDE = 0.02  # of the rows: late events and slow clocks, which lie in no whole hour of the day
_LACKING = 0.1  # of the rows over one edge: so many may be at the other, which should have none
_SEVERAL = 3  # days: two are a file that was cut at the wrong hour
_FAIR = 0.1  # of an even share: a quiet Sunday is a day as well, stray late events are none
_FILLED = 0.5  # of the hours over one edge must have rows: strays lie in some
_HOUR_MS, _QUARTER_MS = 3_600_000, 900_000
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Strays:
    """Rows of a file that are of other days than its own.

    Attributes:
        before: Of days before it.
        after: Of days after it.
        cut: The hour of the shop's day, counted from its midnight, at which the file's day begins;
            0 if it is the shop's day, or no hour fits.
        of_utc: Whether that hour is UTC's midnight.
        held: The days it holds, where it is of several days: a week's file, or a month's.
    """

    before: int
    after: int
    cut: int = 0
    of_utc: bool = False
    held: Sequence[dt.date] = ()

    def said(self, date: dt.date, main_day: str | None) -> str:
        """What is to be said of these rows, after their number.

        Args:
            date: The file's day.
            main_day: The day that most rows are of.
        """
        named = f"{date}, the day in the file's name"
        if self.cut:
            begins = f"{self.cut % _HOURS}:00"
            begins += " of the day before" if self.cut < 0 else ""
            return (
                f"are of other days than {named}, by whole hours: in the time zone of the reports "
                f"the file's day begins at {begins}, so it was cut at another zone's midnight"
            )
        if self.held:
            return (
                f"are of other days than {named}: the file holds {len(self.held)} days, from "
                f"{self.held[0]} to {self.held[-1]}"
            )
        if main_day != str(date):
            return f"are not of {named}; most are of {main_day}"
        sides = [f"{rows:,} of days {side} it" for rows, side in
                 ((self.before, "before"), (self.after, "after")) if rows]  # fmt: skip
        return f"are of other days than {named}: {' and '.join(sides)}"


def strays_of(groups: Sequence[tuple[Any, ...]], date: dt.date) -> Strays:
    """Count the rows of other days, and look whether whole hours explain them.

    Args:
        groups: Accepted rows by the shop's day and hour: (day, hour, faults, step, rows, first
            and last millisecond, ...).
        date: The file's day.
    """
    counts: Counter[int] = Counter()
    for row in groups:
        away = (dt.date.fromisoformat(str(row[0])[:10]) - date).days
        counts[away * _HOURS + int(row[1])] += row[4]
    total = counts.total()
    before = sum(rows for hour, rows in counts.items() if hour < 0)
    after = sum(rows for hour, rows in counts.items() if hour >= _HOURS)
    fitting = [
        (total - _inside(counts, cut), abs(cut), cut)
        for cut in range(-_FARTHEST, _FARTHEST + 1) if cut and _fits(counts, cut, total)
    ]  # fmt: skip
    # Night hours are nearly empty: of several, the one that leaves the fewest rows outside.
    if fitting:
        cut = min(fitting)[-1]
        return Strays(before, after, cut, cut == _utc_midnight(groups))
    return Strays(before, after, held=_held(counts, date))


def _held(counts: Counter[int], date: dt.date) -> Sequence[dt.date]:
    """The days of a file that is of several: three at least, each with a fair part of the rows."""
    days: Counter[int] = Counter()
    for hour, rows in counts.items():
        days[hour // _HOURS] += rows
    whole = [away for away, rows in days.items() if rows * len(days) >= _FAIR * counts.total()]
    if len(whole) < _SEVERAL or len(whole) < len(days):
        return ()
    return [date + dt.timedelta(days=away) for away in sorted(days)]


def _inside(counts: Counter[int], cut: int) -> int:
    """Rows of the day that begins at an hour."""
    # Where zones differ by half an hour, the first hour belongs to both days.
    return sum(rows for hour, rows in counts.items() if cut <= hour <= cut + _HOURS)


def _fits(counts: Counter[int], cut: int, total: int) -> bool:
    """Whether nearly all rows lie within the day from that hour on, and whole hours lack."""
    inside = _inside(counts, cut)
    beyond = range(_HOURS, _HOURS + cut) if cut > 0 else range(cut, 0)
    last = _HOURS + cut  # where zones differ by half an hour, it belongs to both days
    over = sum(counts[hour] for hour in beyond) + (counts[last] if cut > 0 else 0)
    lacking = range(cut) if cut > 0 else range(last + 1, _HOURS)
    # Not all: a night hour may be empty, and the day on which clocks are put forward is shorter.
    filled = sum(1 for hour in beyond if counts[hour])
    return (
        total - inside <= _OUTSIDE * total
        and counts[cut] > 0
        and filled >= max(1.0, _FILLED * len(beyond))
        and sum(counts[hour] for hour in lacking) <= _LACKING * over
    )


def _utc_midnight(groups: Sequence[tuple[Any, ...]]) -> int | None:
    """The hour of the shop's clock at midnight of UTC, as the rows themselves tell."""
    least = None
    for row in groups:
        if row[5] is None:
            continue
        day = dt.date.fromisoformat(str(row[0])[:10])
        begins = ((day - _EPOCH).days * _HOURS + int(row[1])) * _HOUR_MS
        least = begins - row[5] if least is None else max(least, begins - row[5])
    if least is None:
        return None
    offset = -(-least // _QUARTER_MS) * _QUARTER_MS
    return int(offset // _HOUR_MS)
