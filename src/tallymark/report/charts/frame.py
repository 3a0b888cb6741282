"""The frame every chart shares, and the drawing of a chart as SVG."""

from __future__ import annotations

import datetime as dt
import functools
import importlib.resources
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tallymark.errors import TallymarkError
from tallymark.report.text import symbol

__all__ = [
    "Chart",
    "dates",
    "framed",
    "midnight",
    "money_marks",
    "room_for_words",
    "shares",
    "span",
    "svg",
    "utc",
]

VEGA_LITE = "6.1"
INK, MUTED, GRID = "#18212f", "#5a6575", "#e4e8ee"
BLUE, ORANGE, RED, PALE, TRACK = "#1f4e8c", "#c26a10", "#b3261e", "#dfe8f4", "#f0f2f6"
WIDTH, HEIGHT = 244, 98  # points on the page: text in a chart keeps its size in print
AXIS_WORDS = 96  # points, the longest label of an axis
LONGEST_CHART = 366  # days; a wrong clock must not stretch the axis over decades
MARKED_DAYS = 45  # with more days than this a dot a day is a blot
LETTER = 3.6  # points, the width to allow a character of a chart's text
MARGIN = 12  # points, around labels
MOST_ROOM = 4
_DATE_MARKS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart: its conclusion, what is drawn, the drawing, and the same in words.

    Attributes:
        title: What the chart shows, as a sentence from the data.
        subtitle: What is drawn and in which unit.
        alt: The chart in words, for people who listen.
        spec: Vega-Lite, or None where there is nothing to draw: then ``subtitle`` says why.
        legend: Mark, words and colour of each series.
    """

    title: str
    subtitle: str
    alt: str
    spec: dict[str, Any] | None
    legend: tuple[tuple[str, str, str], ...] = field(default=())


def framed(layers: list[dict[str, Any]], height: int = HEIGHT) -> dict[str, Any]:
    """A whole specification: the layers in the house's size, fonts and colours."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": {"left": 1, "right": 4, "top": 4, "bottom": 1},
        "background": "transparent",
        "layer": layers,
        "config": {
            "font": "Inter",
            "view": {"stroke": None},
            "text": {"font": "Inter", "fontSize": 7.2, "color": INK},
            "axis": {
                "labelFont": "Inter",
                "labelFontSize": 7.2,
                "labelColor": MUTED,
                "labelLimit": AXIS_WORDS,
                "labelPadding": 3,
                "grid": True,
                "gridColor": GRID,
                "gridWidth": 0.5,
                "domain": False,
                "ticks": False,
                "title": None,
            },
        },
    }


def dates(days: Sequence[dt.date]) -> dict[str, Any]:
    """The time axis: UTC, a handful of dates, the first and the last day with room beside them."""
    first, last = days[0], days[-1]
    step = max(1, math.ceil(len(span(first, last)) / _DATE_MARKS))
    marks = [date.isoformat() for date in span(first, last)[::step]]
    edge = dt.timedelta(hours=12)
    start = dt.datetime.combine(first, dt.time()) - edge
    end = dt.datetime.combine(last, dt.time()) + edge
    return {
        "field": "date",
        "type": "temporal",
        "scale": {"type": "utc", "domain": [utc(start), utc(end)], "nice": False},
        "axis": {
            "values": [f"{mark}T00:00:00Z" for mark in marks],
            "labelExpr": "utcFormat(datum.value, '%-d %b')",
            "grid": False,
            "labelFlush": False,
            "labelOverlap": True,
        },
    }


def utc(when: dt.datetime) -> str:
    """A time as Vega reads it, whatever the time zone of the machine."""
    return f"{when.isoformat(timespec='seconds')}Z"


def midnight(date: dt.date) -> str:
    """The beginning of a day in UTC, as Vega reads it."""
    return f"{date.isoformat()}T00:00:00Z"


def span(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every date from the first to the last."""
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


def money_marks(currency: str) -> str:
    """The Vega expression of an axis of amounts: ``$500``, ``$1.5k``."""
    large = "replace(format(datum.value, '~s'), 'G', 'B')"
    text = f"abs(datum.value) >= 1000 ? {large} : format(datum.value, '~g')"
    return f"'{symbol(currency)}' + ({text})"


def room_for_words(names: int, words: int) -> float:
    """How many times its largest value an axis must reach so that words fit to the right of it.

    Args:
        names: The longest label of the other axis, in characters.
        words: The longest words to the right, in characters.
    """
    plot = WIDTH - min(AXIS_WORDS, LETTER * names) - MARGIN
    return plot / max(plot / MOST_ROOM, plot - LETTER * words - MARGIN)


def shares(top: float = 1.0) -> dict[str, Any]:
    """A scale from nothing to ``top``, where 1 is all."""
    return {"domain": [0, top], "nice": False}


@functools.cache
def _converter() -> Any:
    """The converter, made once: it starts a JavaScript engine."""
    import vl_convert  # noqa: PLC0415 -- charts as data need no converter

    fonts = importlib.resources.files("tallymark").joinpath("templates/fonts")
    vl_convert.register_font_directory(str(fonts))
    return vl_convert


def svg(chart: Chart) -> str | None:
    """The chart as SVG, the same bytes for the same data; None if there is nothing to draw.

    Raises:
        TallymarkError: The specification cannot be drawn.
    """
    if chart.spec is None:
        return None
    try:
        drawn: str = _converter().vegalite_to_svg(
            chart.spec, vl_version=VEGA_LITE, allowed_base_urls=[]
        )
    except ValueError as error:
        raise TallymarkError(
            f"a chart cannot be drawn: {str(error).splitlines()[0]}", where=chart.title
        ) from error
    return drawn
