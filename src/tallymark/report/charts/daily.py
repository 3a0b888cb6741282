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
from tallymark.report.numbers import Coverage, Day, Numbers
from tallymark.report.text import count, day, money, percent
from tallymark.stats.intervals import wilson
from tallymark.stats.resampling import Interval

__all__ = ["conversion", "coverage", "daily_revenue", "usual_range"]

LONGEST_GAP = 31  # days without data inside one chart
FEWEST_DAYS = 7  # for a usual range
NORMAL_95 = 1.96
PALE_MARK, ALARM = "#a9c0df", "#d98b84"  # deeper than their areas, to be seen as a dot
ROBUST = 1.4826  # a median absolute deviation as a standard deviation


def usual_range(days: Sequence[Day]) -> Interval | None:
    """Where 95 % of days would fall if nothing but chance were at work; None below a week.

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


def _consecutive(numbers: Numbers) -> list[Day]:
    """Every date of the last year at most; a date without data is a day of nothing.

    What lies before a gap of more than a month (a wrong clock, an old test) is not drawn.
    """
    if not numbers.days:
        return []
    known = {one.date: one for one in numbers.days}
    last = first = numbers.days[-1].date
    for date in sorted(known, reverse=True):
        if (first - date).days > LONGEST_GAP or (last - date).days >= LONGEST_CHART:
            break
        first = date
    return [known.get(date) or Day.empty(date) for date in span(first, last)]


def daily_revenue(
    numbers: Numbers, bad_days: frozenset[dt.date], *, currency: str, judged: bool
) -> Chart:
    """Counted revenue by day, its usual range, and the days with an open P0 or P1."""
    days = _consecutive(numbers)
    if not days or numbers.orders is None:
        return Chart(
            title="Revenue by day", subtitle="No order or session yet.", alt="No data.", spec=None
        )
    usual = usual_range(days)
    outside = [one for one in days if usual and not usual.low <= float(one.revenue) <= usual.high]
    marked = [one.date for one in days if one.date in bad_days]
    layers = _bad_stripes(marked, days)
    if usual:
        layers.append(_band(usual, days))
    layers.extend(_revenue_line(days, {one.date for one in outside}, currency))
    said = "Counted revenue" if judged else "Counted revenue; days were not monitored"
    legend: list[tuple[str, str, str]] = []
    if usual:
        legend.append(("■", "usual range", PALE_MARK))
    if marked:
        legend.append(("■", f"error open, {len(marked)} of {len(days)} days", ALARM))
    return Chart(
        title=_revenue_title(days, outside, usual),
        subtitle=said,
        alt=(
            f"Line chart of counted revenue by day, {count(len(days), 'day')}, from "
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
    if not outside:
        return "No day left its usual range"
    if len(outside) == 1:
        moved = "fell below" if float(outside[0].revenue) < usual.low else "rose above"
        return f"{day(outside[0].date)} {moved} its usual range"
    return f"{len(outside)} of {len(days)} days left the usual range"


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


def _bad_stripes(marked: list[dt.date], days: list[Day]) -> list[dict[str, Any]]:
    """A red rule along the foot of the chart under each run of bad days."""
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
    shared = {"x": dates([one.date for one in days]), "x2": {"field": "end"}}
    foot = {"y": {"value": {"expr": "height - 3"}}, "y2": {"value": {"expr": "height"}}}
    return [
        {
            "data": {"values": values},
            "mark": {"type": "rect", "color": "#f9e9e7"},
            "encoding": shared,
        },
        {
            "data": {"values": values},
            "mark": {"type": "rect", "color": ALARM},
            "encoding": {**shared, **foot},
        },
    ]


def _revenue_line(days: list[Day], outside: set[dt.date], currency: str) -> list[dict[str, Any]]:
    values = [
        {
            "date": midnight(one.date),
            "revenue": float(one.revenue),
            "outside": one.date in outside,
            "label": money(one.revenue, currency, "short"),
        }
        for one in days
    ]
    top = max(value["revenue"] for value in values)  # type: ignore[type-var]
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
    points = {
        "mark": {"type": "point", "filled": True, "size": 13, "opacity": 1, "color": BLUE},
        "encoding": {"x": x, "y": y},
    }
    odd = {
        "transform": [{"filter": "datum.outside"}],
        "mark": {"type": "point", "filled": True, "size": 26, "opacity": 1, "color": ORANGE},
        "encoding": {"x": x, "y": y},
    }
    line = {
        "mark": {"type": "line", "color": BLUE, "strokeWidth": 1.3},
        "encoding": {"x": x, "y": y},
    }
    drawn = [line, points, odd] if len(days) <= MARKED_DAYS else [line, odd]
    return [{"data": {"values": values}, "layer": drawn}]


def coverage(numbers: Numbers) -> Chart | None:
    """The share of rows with a client id and of landings with a referrer; None if not known."""
    rows: list[Coverage] = list(numbers.coverage[-LONGEST_CHART:])
    lines = (
        ("identity", "rows with a client id", BLUE),
        ("referrer", "landings with a referrer", ORANGE),
    )
    values = [
        {"date": midnight(row.date), "name": name, "share": getattr(row, name)}
        for row in rows
        for name, _, _ in lines
        if getattr(row, name) is not None
    ]
    if not values:
        return None
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
    layers: list[dict[str, Any]] = [{"mark": {"type": "line", "strokeWidth": 1.3}}]
    if len(rows) <= MARKED_DAYS:
        layers.append({"mark": {"type": "point", "filled": True, "size": 13, "opacity": 1}})
    present = [line for line in lines if any(value["name"] == line[0] for value in values)]
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
    days = [one for one in _consecutive(numbers) if one.sessions]
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
