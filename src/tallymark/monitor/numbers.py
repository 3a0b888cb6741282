"""Numbers as reports carry them: rounded, finite, plain."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tallymark.monitor.budget import allotted, weights_of
from tallymark.monitor.detect import Judged, Learning, smallest_seen
from tallymark.monitor.tables import Tables

__all__ = ["HEADLINE_METRICS", "evidence_of", "metrics_of", "plain", "rounded"]

HEADLINE_METRICS = (
    "sessions",
    "orders",
    "revenue",
    "aov",
    "conversion_rate",
    "cart_rate",
    "checkout_rate",
    "purchase_rate",
    "identity_coverage",
    "referrer_coverage",
    "no_channel_revenue_share",
    "events",
    "page_views",
)
_DIGITS = 6  # significant: enough for any reader, few enough to be equal on every machine


def rounded(value: float) -> float | int | None:
    """A number with six significant digits; whole numbers as integers; None for no number."""
    if not math.isfinite(value):
        return None
    if value == 0:
        return 0
    places = _DIGITS - 1 - math.floor(math.log10(abs(value)))
    short = round(float(value), places)
    return int(short) if short == int(short) and abs(short) >= 1 else short


def plain(value: Any) -> Any:
    """Evidence as JSON can carry it, with keys that have no value left out."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [
            plain(one) for one in (value if isinstance(value, (list, tuple)) else sorted(value))
        ]
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    if isinstance(value, (float, Decimal)):
        return rounded(float(value))
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    return str(value)


def evidence_of(judged: Judged) -> dict[str, Any]:
    """The facts behind a statistical finding."""
    return {
        "observed": judged.observed,
        "expected": judged.expected,
        "interval": [judged.low, judged.high],
        "interval_covers": "95 % of normal days",
        "change": judged.change if math.isfinite(judged.change) else None,
        "direction": "up" if judged.points > 0 else "down",
        "p": judged.p,
        "baseline_days": judged.days,
        "method": judged.method,
        **judged.detail,
    }


def metrics_of(
    tables: Tables, day: int, judged: Sequence[Judged | Learning], false_alarms_per_year: float
) -> dict[str, Any]:
    """The headline metrics of a day: value, what was expected, what change could be seen."""
    single = [one for one in judged if isinstance(one, Learning) or one.window == 1]
    answers = {one.rule.metric: one for one in single if one.rule.segment == "all"}
    tested = [one for one in single if isinstance(one, Judged)]
    alpha, family = allotted(false_alarms_per_year), len(tested)
    parts = dict(zip((one.key for one in tested), weights_of(tested, alpha), strict=True))
    found: dict[str, Any] = {}
    for metric in HEADLINE_METRICS:
        value = tables.value(metric, day)
        if value is None:
            continue
        entry: dict[str, Any] = {"value": value}
        answer = answers.get(metric)
        if isinstance(answer, Judged):
            seen = smallest_seen(answer, alpha * parts[answer.key], family)
            unit = "smallest_change_seen_points" if _is_rate(answer) else "smallest_change_seen"
            entry |= {
                "state": "learning" if answer.learning else "judged",
                "expected": answer.expected,
                "low": answer.low,
                "high": answer.high,
                "change": answer.change if math.isfinite(answer.change) else None,
                "baseline_days": answer.days,
            }
            if "z" not in answer.detail:  # of the plain rule nobody knows
                entry[unit] = seen
        elif answer is not None:
            entry |= {"state": "learning", "baseline_days": answer.days}
        found[metric] = plain(entry)
    return found


def _is_rate(judged: Judged) -> bool:
    return judged.rule.method == "rate"
