"""Credit by channel: first click against last click."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tallymark.report.charts.frame import (
    BLUE,
    INK,
    ORANGE,
    RED,
    Chart,
    framed,
    money_marks,
    room_for_words,
)
from tallymark.report.numbers import NO_CHANNEL, ChannelCredit, Numbers
from tallymark.report.text import money, percent, shorten, shown

__all__ = ["credit"]

MOST_CHANNELS = 9
MOST_TICKS = 4


def credit(numbers: Numbers, *, currency: str) -> Chart:
    """First-click against last-click revenue by channel, those that are no channel included."""
    rows = _grouped(numbers.channels)
    if not rows:
        return Chart(
            title="Credit by channel",
            subtitle="No attribution of a counted order in this data.",
            alt="No data.",
            spec=None,
        )
    values = [
        {
            "channel": shorten(shown(row.channel, 60).replace("\u200b", ""), 24),
            "first": None if row.first is None else float(row.first),
            "last": None if row.last is None else float(row.last),
            "low": float(min(_amounts(row), default=Decimal(0))),
            "high": float(max(_amounts(row), default=Decimal(0))),
            "label": " / ".join(
                "–" if value is None else money(value, currency, "short")
                for value in (row.first, row.last)
            ),
        }
        for row in rows
    ]
    share = numbers.no_channel_value
    title = "Credit by channel"
    if share is not None:
        title = f"{percent(share)} of last-click revenue has no known channel"
    return Chart(
        title=title,
        subtitle="Credited revenue, not revenue caused",
        alt="Dot chart of credited revenue by channel, first click and last click. "
        + " ".join(f"{value['channel']}: {value['label']}." for value in values),
        spec=framed(_dumbbells(values, currency)),
        legend=(("○", "first click", ORANGE), ("●", "last click", BLUE)),
    )


def _amounts(row: ChannelCredit) -> list[Decimal]:
    return [value for value in (row.first, row.last) if value is not None]


def _grouped(channels: Sequence[ChannelCredit]) -> list[ChannelCredit]:
    """At most :data:`MOST_CHANNELS` rows: the small channels together are one."""
    if len(channels) <= MOST_CHANNELS:
        return list(channels)
    apart = [row for row in channels if row.channel in NO_CHANNEL]
    named = [row for row in channels if row.channel not in NO_CHANNEL]
    kept = MOST_CHANNELS - len(apart) - 1
    rest = named[kept:]

    def total(amounts: list[Decimal | None]) -> Decimal | None:
        return None if None in amounts else sum((a for a in amounts if a), Decimal(0))

    other = ChannelCredit(
        channel=f"{len(rest)} other channels",
        first=total([row.first for row in rest]),
        last=total([row.last for row in rest]),
    )
    return [*named[:kept], other, *apart]


def _dumbbells(values: list[dict[str, Any]], currency: str) -> list[dict[str, Any]]:
    top = max((value["high"] for value in values), default=0) or 1
    least = min(0, *(value["low"] for value in values))
    none = " || ".join(f"datum.value === '{name}'" for name in NO_CHANNEL)
    y = {
        "field": "channel",
        "type": "nominal",
        "sort": [value["channel"] for value in values],
        "axis": {
            "gridDash": [1, 2],
            "labelColor": {"condition": {"test": none, "value": RED}, "value": INK},
        },
    }
    room = room_for_words(
        max(len(value["channel"]) for value in values), max(len(value["label"]) for value in values)
    )
    scale = {"domain": [least - top / 40, top * room], "nice": False}
    ticks = _ticks(top)
    axis = {"values": ticks, "labelExpr": money_marks(currency)}
    x = {"type": "quantitative", "scale": scale, "axis": axis}
    dot = {"type": "point", "opacity": 1, "size": 24}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "rule", "color": "#9aa5b4", "strokeWidth": 1.2},
            "encoding": {"y": y, "x": {"field": "low", **x}, "x2": {"field": "high"}},
        },
        {
            "mark": {**dot, "filled": True, "color": BLUE},
            "encoding": {"y": y, "x": {"field": "last", **x}},
        },
        {
            "mark": {**dot, "filled": False, "size": 30, "color": ORANGE, "strokeWidth": 1.3},
            "encoding": {"y": y, "x": {"field": "first", **x}},
        },
        {
            "mark": {"type": "text", "align": "right", "baseline": "middle"},
            "encoding": {
                "y": y,
                "x": {"value": {"expr": "width"}},
                "text": {"field": "label"},
            },
        },
    ]
    return [{"data": {"values": values}, "layer": layers}]


def _ticks(top: float) -> list[float]:
    """Three or four round values from zero to ``top``."""
    size = 10 ** math.floor(math.log10(top)) if top > 0 else 1
    step = next(
        (size * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2) if top / (size * part) <= MOST_TICKS),
        size,
    )
    return [step * n for n in range(int(top / step) + 1)]
