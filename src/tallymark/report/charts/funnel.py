"""The funnel: each step given the one before."""

from __future__ import annotations

from typing import Any

from tallymark.report.charts.frame import (
    BLUE,
    INK,
    MUTED,
    TRACK,
    Chart,
    framed,
    room_for_words,
    shares,
)
from tallymark.report.numbers import Numbers, Rate
from tallymark.report.text import percent, percent_range

__all__ = ["funnel"]

STAR = "*"  # what the subtitle explains
GAP = 0.05  # between a full bar and the words beside it


def funnel(numbers: Numbers) -> Chart:
    """Each step of the funnel given the one before, with 95 % Wilson intervals."""
    sessions = numbers.sessions
    if sessions is None or not sessions.total:
        return Chart(
            title="The funnel", subtitle="No session of a person.", alt="No data.", spec=None
        )
    steps = (
        ("Session → cart", sessions.cart),
        (f"Cart{STAR} → checkout", sessions.checkout),
        ("Checkout → order", sessions.purchase),
        ("Session → order", sessions.conversion),
    )
    rows = [_step(name, rate) for name, rate in steps]
    return Chart(
        title=_funnel_title(steps),
        subtitle=f"Sessions, with 95% interval; {STAR} with a cart or a checkout",
        alt="Bar chart of the funnel. "
        + " ".join(f"{row['step'].replace('→', 'to')}: {row['label']}." for row in rows),
        spec=framed(_bars(rows)),
    )


def _funnel_title(steps: tuple[tuple[str, Rate], ...]) -> str:
    sold = steps[3][1].numerator > 0
    # Who bought had a cart: a step that nobody at all reached was never recorded.
    known = [
        (rate.value, name)
        for name, rate in steps[:3]
        if rate.value is not None and not (sold and rate.numerator == 0)
    ]
    if not known:
        return "Carts and checkouts were not recorded" if sold else (
            "No session went further than looking"
        )  # fmt: skip
    share, name = min(known)
    words = {
        "Session → cart": "sessions reach a cart",
        f"Cart{STAR} → checkout": f"carts{STAR} reach the checkout",
        "Checkout → order": "checkouts end in an order",
    }
    return f"The narrowest step: {percent(share)} of {words[name]}"


def _step(name: str, rate: Rate) -> dict[str, Any]:
    if rate.value is None or rate.interval is None:
        return {
            "step": name,
            "share": 0,
            "low": 0,
            "high": 0,
            "label": "none to count",
            "counts": "",
        }
    return {
        "step": name,
        "share": rate.value,
        "low": rate.interval.low,
        "high": rate.interval.high,
        "label": f"{percent(rate.value)} ({percent_range(*rate.interval).removesuffix('%')})",
        "counts": f"{rate.numerator:,} of {rate.denominator:,}",
    }


def _bars(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    y = {
        "field": "step",
        "type": "nominal",
        "sort": [row["step"] for row in rows],
        "axis": {"grid": False, "labelColor": INK},
        "scale": {"paddingInner": 0.42, "paddingOuter": 0.2},
    }
    names = max(len(row["step"]) for row in rows)
    letters = max(len(row[part]) for row in rows for part in ("label", "counts"))
    top = room_for_words(names, letters) * (1 + GAP)
    x = {
        "field": "share",
        "type": "quantitative",
        "scale": shares(top),
        "axis": {"values": [0, 0.25, 0.5, 0.75, 1], "format": ".0%"},
    }
    words = {"type": "text", "align": "left", "baseline": "middle"}
    return [
        {
            "data": {"values": rows},
            "layer": [
                {
                    "mark": {"type": "bar", "color": TRACK},
                    "encoding": {"y": y, "x": {"datum": 1, "type": "quantitative"}},
                },
                {"mark": {"type": "bar", "color": BLUE}, "encoding": {"y": y, "x": x}},
                {
                    "mark": {"type": "rule", "color": INK, "strokeWidth": 1.1},
                    "encoding": {
                        "y": y,
                        "x": {"field": "low", "type": "quantitative"},
                        "x2": {"field": "high"},
                    },
                },
                {
                    "mark": {**words, "dy": -4, "fontWeight": 600},
                    "encoding": {
                        "y": y,
                        "x": {"datum": 1 + GAP, "type": "quantitative"},
                        "text": {"field": "label"},
                    },
                },
                {
                    "mark": {**words, "dy": 5, "color": MUTED, "fontSize": 6.8},
                    "encoding": {
                        "y": y,
                        "x": {"datum": 1 + GAP, "type": "quantitative"},
                        "text": {"field": "counts"},
                    },
                },
            ],
        }
    ]
