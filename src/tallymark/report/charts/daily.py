"""What changes by day: revenue, coverage, conversion."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Sequence
from typing import Any

from tallymark.report.charts.frame import (
    BLUE,
    LONGEST_CHART,
    MARKED_DAYS,
    ORANGE,
    PALE,
    Chart,
    dates,
    framed,
    midnight,
    money_marks,
    shares,
    span,
    utc,
)
from tallymark.report.days import LONGEST_GAP, Day
from tallymark.report.numbers import Coverage, Numbers
from tallymark.report.text import count, day, money, percent
from tallymark.stats.intervals import wilson
from tallymark.stats.resampling import Interval

__all__ = ["conversion", "coverage", "daily_revenue", "usual_range"]

FEWEST_DAYS = 7  # for a usual range
NORMAL_95 = 1.96
PALE_MARK, ALARM = "#a9c0df", "#d98b84"  # deeper than their areas, to be seen as a dot
NO_DATA, NO_DATA_MARK = "#dce0e7", "#b4bcc8"
BREAK = "break-paths-show-path-domains"  # a line ends before a day without data, and begins anew
ROBUST = 1.4826  # a median absolute deviation as a standard deviation


def usual_range(days: Sequence[Day]) -> Interval | None:
    """Where 95 % of days with data would fall if nothing but chance were at work.

    None below a week of them.

    The median day, give or take 1.96 times the larger of two spreads: that of orders arriving at
    random (Poisson arrivals, each worth what an order was worth) and the robust spread seen.
    """
    if len(days) < FEWEST_DAYS:
        return None
    revenue = [float(one.revenue) for one in days]
    middle = statistics.median(revenue)
    seen = ROBUST * statistics.median(abs(value - middle) for value in revenue)
    chance = math.sqrt(sum(one.squares for one in days) / len(days))
    half = NORMAL_95 * max(chance, seen)
    return Interval(max(0.0, middle - half), middle + half)


def _drawn(numbers: Numbers) -> list[Day]:
    """The days with data of the last year at most, oldest first.

    What lies before a gap of more than a month (a wrong clock, an old test) is not drawn.
    """
    kept: list[Day] = []
    for one in reversed(numbers.days):
        last, first = (kept or [one])[0].date, (kept or [one])[-1].date
        if (first - one.date).days > LONGEST_GAP or (last - one.date).days >= LONGEST_CHART:
            break
        kept.append(one)
    return kept[::-1]


def _holes(days: Sequence[Day]) -> list[dt.date]:
    """The dates between these that have no data."""
    known = {one.date for one in days}
    return [date for date in span(days[0].date, days[-1].date) if date not in known]


def daily_revenue(
    numbers: Numbers, bad_days: frozenset[dt.date], *, currency: str, judged: bool
) -> Chart:
    """Counted revenue by day, its usual range, and the days with an open P0 or P1."""
    days = _drawn(numbers)
    if not days or numbers.orders is None:
        return Chart(
            title="Revenue by day", subtitle="No order or session yet.", alt="No data.", spec=None
        )
    usual = usual_range(days)
    outside = [one for one in days if usual and not usual.low <= float(one.revenue) <= usual.high]
    holes = _holes(days)
    marked = [date for date in span(days[0].date, days[-1].date) if date in bad_days]
    layers = _stripes(marked, days, "#f9e9e7")
    if usual:
        layers.append(_band(usual, days))
    layers += _stripes(holes, days, NO_DATA)
    layers += _stripes(marked, days, ALARM, foot=True)
    layers.extend(_revenue_line(days, holes, {one.date for one in outside}, currency))
    said = "Counted revenue" if judged else "Counted revenue; days were not monitored"
    legend: list[tuple[str, str, str]] = []
    if usual:
        legend.append(("■", "usual range", PALE_MARK))
    if marked:
        legend.append(("■", f"error open, {count(len(marked), 'day')}", ALARM))
    if holes:
        legend.append(("■", "no data", NO_DATA_MARK))
    return Chart(
        title=_revenue_title(days, outside, usual),
        subtitle=said,
        alt=(
            f"Line chart of counted revenue by day, {count(len(days), 'day')}"
            f"{f' with data and {len(holes):,} without' if holes else ''}, from "
            f"{money(min(one.revenue for one in days), currency)} to "
            f"{money(max(one.revenue for one in days), currency)} a day. "
            f"{count(len(outside), 'day lies', 'days lie')} outside the usual range; "
            f"{count(len(marked), 'day')} with an open P0 or P1 incident."
        ),
        spec=framed(layers),
        legend=tuple(legend),
    )


def _revenue_title(days: list[Day], outside: list[Day], usual: Interval | None) -> str:
    if not any(one.orders for one in days):
        return "No counted order on any day"
    if usual is None:
        return f"{count(len(days), 'day')}: too few to say what is usual"
    known = " with data" if _holes(days) else ""
    if not outside:
        return f"No day{known} left its usual range"
    if len(outside) == 1:
        moved = "fell below" if float(outside[0].revenue) < usual.low else "rose above"
        return f"{day(outside[0].date)} {moved} its usual range"
    return f"{len(outside)} of {len(days)} days{known} left the usual range"


def _band(usual: Interval, days: list[Day]) -> dict[str, Any]:
    edge = dt.timedelta(hours=12)
    return {
        "data": {
            "values": [
                {
                    "date": utc(dt.datetime.combine(days[0].date, dt.time()) - edge),
                    "end": utc(dt.datetime.combine(days[-1].date, dt.time()) + edge),
                    "low": usual.low,
                    "high": usual.high,
                }
            ]
        },
        "mark": {"type": "rect", "color": PALE, "opacity": 0.75},
        "encoding": {
            "x": dates([one.date for one in days]),
            "x2": {"field": "end"},
            "y": {"field": "low", "type": "quantitative"},
            "y2": {"field": "high"},
        },
    }


def _stripes(
    marked: list[dt.date], days: list[Day], colour: str, *, foot: bool = False
) -> list[dict[str, Any]]:
    """Some days in a colour, from top to bottom, or as a rule along the foot of the chart."""
    if not marked:
        return []
    edge = dt.timedelta(hours=12)
    values = [
        {
            "date": utc(dt.datetime.combine(date, dt.time()) - edge),
            "end": utc(dt.datetime.combine(date, dt.time()) + edge),
        }
        for date in marked
    ]
    low = {"y": {"value": {"expr": "height - 3"}}, "y2": {"value": {"expr": "height"}}}
    return [
        {
            "data": {"values": values},
            "mark": {"type": "rect", "color": colour},
            "encoding": {
                "x": dates([one.date for one in days]),
                "x2": {"field": "end"},
                **(low if foot else {}),
            },
        }
    ]


def _revenue_line(
    days: list[Day], holes: list[dt.date], outside: set[dt.date], currency: str
) -> list[dict[str, Any]]:
    edges = {hole + dt.timedelta(days=n) for hole in holes for n in (-1, 1)}
    values: list[dict[str, Any]] = [
        {
            "date": midnight(one.date),
            "revenue": float(one.revenue),
            "outside": one.date in outside,
            "edge": one.date in edges,  # a day alone between two gaps has no line
            "label": money(one.revenue, currency, "short"),
        }
        for one in days
    ]
    values += [{"date": midnight(date), "revenue": None} for date in holes]
    values.sort(key=lambda value: str(value["date"]))
    top = max(float(one.revenue) for one in days)
    x = dates([one.date for one in days])
    y = {
        "field": "revenue",
        "type": "quantitative",
        "scale": {"zero": True} if top else {"domain": [0, 1]},
        "axis": {
            "labelExpr": money_marks(currency),
            **({"tickCount": 4} if top else {"values": [0]}),
        },
    }
    few = len(days) <= MARKED_DAYS
    points = {
        "transform": [{"filter": "datum.revenue !== null" if few else "datum.edge"}],
        "mark": {"type": "point", "filled": True, "size": 13, "opacity": 1, "color": BLUE},
        "encoding": {"x": x, "y": y},
    }
    odd = {
        "transform": [{"filter": "datum.outside"}],
        "mark": {"type": "point", "filled": True, "size": 26, "opacity": 1, "color": ORANGE},
        "encoding": {"x": x, "y": y},
    }
    line = {
        "mark": {"type": "line", "color": BLUE, "strokeWidth": 1.3, "invalid": BREAK},
        "encoding": {"x": x, "y": y},
    }
    drawn = [line, points, odd] if few or holes else [line, odd]
    return [{"data": {"values": values}, "layer": drawn}]


def coverage(numbers: Numbers) -> Chart | None:
    """The share of rows with a client id and of landings with a referrer; None if not known."""
    drawn = {one.date for one in _drawn(numbers)}
    rows: list[Coverage] = [row for row in numbers.coverage if row.date in drawn]
    lines = (
        ("identity", "rows with a client id", BLUE),
        ("referrer", "landings with a referrer", ORANGE),
    )
    present = [line for line in lines if any(getattr(row, line[0]) is not None for row in rows)]
    if not present:
        return None
    of_day = {row.date: row for row in rows}
    values = [
        # None, where a day or its column was not delivered: the line has a gap there.
        {"date": midnight(date), "name": name, "share": getattr(of_day.get(date), name, None)}
        for date in span(rows[0].date, rows[-1].date)
        for name, _, _ in lines
    ]
    x = dates([row.date for row in rows])
    y = {
        "field": "share",
        "type": "quantitative",
        "scale": shares(),
        "axis": {"values": [0, 0.25, 0.5, 0.75, 1], "format": ".0%"},
    }
    colour = {
        "field": "name",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": [n for n, _, _ in lines], "range": [c for _, _, c in lines]},
    }
    encoding = {"x": x, "y": y, "color": colour}
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "line", "strokeWidth": 1.3, "invalid": BREAK}}
    ]
    if len(rows) <= MARKED_DAYS:
        layers.append(
            {
                "transform": [{"filter": "datum.share !== null"}],
                "mark": {"type": "point", "filled": True, "size": 13, "opacity": 1},
            }
        )
    return Chart(
        title=_coverage_title(rows),
        subtitle="Share by day",
        alt="Line chart by day of the share of rows with a client id and of landing views with "
        f"a referrer. {_coverage_title(rows)}.",
        spec=framed([{"data": {"values": values}, "encoding": encoding, "layer": layers}]),
        legend=tuple(("●", words, tint) for _, words, tint in present),
    )


def _coverage_title(rows: list[Coverage]) -> str:
    blind = sum(1 for row in rows if row.referrer == 0)
    if blind:
        return f"The referrer is absent on {blind} of {len(rows)} days"
    found = [
        (getattr(row, name), words, row.date)
        for row in rows
        for name, words in (("identity", "Client ids"), ("referrer", "Referrers"))
        if getattr(row, name) is not None
    ]
    share, words, date = min(found)
    return f"{words} were scarcest on {day(date)}: {percent(share)}"


def conversion(numbers: Numbers) -> Chart:
    """Session conversion by day with 95 % Wilson intervals: what exports alone can show."""
    days = [one for one in _drawn(numbers) if one.sessions]
    if not days:
        return Chart(
            title="Conversion by day",
            subtitle="No session of a person.",
            alt="No data.",
            spec=None,
        )
    every = numbers.sessions.conversion.value if numbers.sessions else None
    values = []
    apart = 0
    for one in days:
        low, high = wilson(one.converted, one.sessions)
        apart += not low <= (every or 0.0) <= high
        share = one.converted / one.sessions
        values.append({"date": midnight(one.date), "share": share, "low": low, "high": high})
    x = dates([one.date for one in days])
    y = {
        "type": "quantitative",
        "axis": {"tickCount": 4, "format": "~%"},
        "scale": {"zero": True},
    }
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "rule", "color": "#9db4d3", "strokeWidth": 2.4},
            "encoding": {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 14, "opacity": 1, "color": BLUE},
            "encoding": {"x": x, "y": {"field": "share", **y}},
        },
    ]
    agree = "No day's conversion left its average"
    if apart:
        agree = f"Conversion left its average on {apart} of {len(days)} days"
    return Chart(
        title=agree,
        subtitle="Session conversion by day, 95% Wilson interval",
        alt=f"Dot chart of session conversion by day with 95 % intervals. {agree}.",
        spec=framed([{"data": {"values": values}, "layer": layers}]),
    )
