"""What changed, taken apart: rows added or values lost, which part of the mix, which step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tallymark.monitor.tables import Series, Tables
from tallymark.monitor.words import money, number, percent
from tallymark.results import Finding

__all__ = ["what_changed"]

Days = NDArray[np.int64]
Parts = tuple[str, Mapping[str, Any]]

_RECENT = 28  # days that say what is usual
_SHOWN = 3  # parts that are named
_LEAST = 0.02  # a step that changed by less is left out
_COVERAGE = {"identity_coverage": "rows without a client id",
             "referrer_coverage": "landing views without a referrer",
             "payload_coverage": "events without the field"}  # fmt: skip
_MIXES = {"channel_share": "sessions", "device_share": "sessions"}
# A number is the product of these, so that their changes multiply to its own.
_STEPS = {
    "conversion_rate": ("cart_rate", "checkout_rate", "purchase_rate"),
    "orders": ("sessions", "cart_rate", "checkout_rate", "purchase_rate"),
    "revenue": ("sessions", "cart_rate", "checkout_rate", "purchase_rate", "aov"),
}
_LAST_CLICK = "model=last_click;channel="


def what_changed(
    root: Finding, tables: Tables, day: int, past: Days, currency: str
) -> Parts | None:
    """The parts of a change, as a sentence and as evidence; None where nothing can be said.

    Args:
        root: The finding that an incident is named by.
        tables: What the watch knows.
        day: The judged day.
        past: Normal days before it.
        currency: The shop's.
    """
    usual = past[-_RECENT:]
    metric = root.metric or ""
    if len(usual) == 0 or not 0 <= day < tables.size:
        return None
    if metric in _COVERAGE:
        segment = f"field={root.id.partition(':')[2]}" if ":" in root.id else "all"
        return _rows(_COVERAGE[metric], tables.get(metric, segment), day, usual)
    if metric in _MIXES:
        return _mix(metric, _MIXES[metric], tables, day, usual)
    if metric == "sessions":
        return _mix("channel_share", "sessions", tables, day, usual)
    if metric in _STEPS:
        steps = _steps(_STEPS[metric], tables, day, usual)
        credit = _credit(tables, day, usual, currency) if metric == "revenue" else None
        return _joined(steps, credit)
    return None


def _rows(name: str, series: Series | None, day: int, usual: Days) -> Parts | None:
    """Of the rows that lack a value, how many lost it, and how many came on top."""
    if series is None or bool(np.isnan(series.numerator[usual]).all()):
        return None
    rows, filled = series.denominator[day], series.numerator[day]
    before = float(np.nanmean(series.denominator[usual]))
    filled_before = float(np.nanmean(series.numerator[usual]))
    extra = (rows - filled) - (before - filled_before)
    if not math.isfinite(extra) or extra <= 0:
        return None
    lost = float(np.clip(filled_before - filled, 0.0, extra))
    added = extra - lost
    text = (
        f"about {number(extra)} more {name} than usual: {number(lost)} lost it, "
        f"{number(added)} were added without it"
    )
    return text, {"values_lost": round(lost), "rows_added": round(added)}


def _mix(metric: str, what: str, tables: Tables, day: int, usual: Days) -> Parts | None:
    """Which segments lost and gained most."""
    moved = []
    for (name, segment), series in tables.series.items():
        if name != metric or segment == "all":
            continue
        before = np.nan_to_num(series.numerator[usual])
        now = float(np.nan_to_num(series.numerator[day]))
        mean = float(before.mean())
        moved.append((now - mean, mean, now, segment.partition("=")[2]))
    return _largest(moved, number, what)


def _credit(tables: Tables, day: int, usual: Days, currency: str) -> Parts | None:
    """Which channels' credited revenue fell or rose most."""
    moved = []
    for (name, segment), series in tables.series.items():
        if name == "attributed_revenue" and segment.startswith(_LAST_CLICK):
            mean = float(np.nan_to_num(series.value[usual]).mean())
            now = float(np.nan_to_num(series.value[day]))
            moved.append((now - mean, mean, now, segment.removeprefix(_LAST_CLICK)))
    return _largest(moved, lambda value: money(value, currency), "last click")


def _largest(
    moved: list[tuple[float, float, float, str]], show: Callable[[float], str], what: str
) -> Parts | None:
    moved = sorted((one for one in moved if one[0]), key=lambda one: (-abs(one[0]), one[3]))
    if not moved:
        return None
    shown = moved[:_SHOWN]
    text = ", ".join(f"{name} {show(now)} (usually {show(mean)})" for _, mean, now, name in shown)
    return f"{what} by part: {text}", {
        "parts": [
            {"part": name, "usual": round(mean, 2), "now": round(now, 2)}
            for _, mean, now, name in shown
        ]
    }


def _steps(names: tuple[str, ...], tables: Tables, day: int, usual: Days) -> Parts | None:
    """How each step changed; they multiply to the whole."""
    changes: dict[str, float] = {}
    for name in names:
        series = tables.get(name)
        if series is None:
            continue
        before, now = _mean(series, usual), float(series.value[day])
        if math.isfinite(now) and before:
            changes[name] = now / before - 1.0
    if not changes:
        return None
    told = {name: change for name, change in changes.items() if abs(change) >= _LEAST} or changes
    text = ", ".join(
        f"{name.replace('_', ' ')} {'+' if change > 0 else '−'}{percent(abs(change))}"
        for name, change in sorted(told.items(), key=lambda one: (-abs(one[1]), one[0]))[:_SHOWN]
    )
    return f"step by step against usual: {text}", {
        "steps": {name: round(change, 4) for name, change in changes.items()}
    }


def _mean(series: Series, days: Days) -> float:
    """The mean of days: of a rate or an average, the whole over the whole."""
    over = np.nansum(series.denominator[days])
    if over > 0:
        return float(np.nansum(series.numerator[days]) / over)
    filled = series.value[days][~np.isnan(series.value[days])]
    return float(filled.mean()) if len(filled) else 0.0


def _joined(*parts: Parts | None) -> Parts | None:
    known = [one for one in parts if one is not None]
    if not known:
        return None
    evidence: dict[str, Any] = {}
    for _, more in known:
        evidence.update(more)
    return "; ".join(text for text, _ in known), evidence
