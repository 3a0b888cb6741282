"""What the watch said of the latest day it judged, as metrics."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tallymark.config import Severity
from tallymark.engine.warehouse import Warehouse
from tallymark.monitor.prometheus.text import MOST, OTHER, clean
from tallymark.results import Layer, Status

__all__ = ["LEVELS", "STATES", "judged"]

Put = Callable[..., None]

LEVELS = {Status.GREEN.value: 0.0, Status.YELLOW.value: 1.0, Status.RED.value: 2.0}
STATES = ("open", "acknowledged", "muted", "quiet", "resolved")
_BOUNDS = {"expected": "expected", "low": "expected_low", "high": "expected_high"}


@dataclass(slots=True)
class _Rule:
    """The incidents of one rule, severity and state."""

    since: float | None = None
    money: float | None = None


def judged(warehouse: Warehouse, put: Put, currency: str) -> dt.date | None:
    """Put in what was said of the latest judged day; returns that day, or None.

    Args:
        warehouse: Whose ledger keeps the judgements.
        put: Takes a metric's name, a value, and the labels' values.
        currency: Of money at risk.
    """
    days = warehouse.judged_days()
    report = warehouse.sound_judgement(days[-1]) if days else {}
    if not report:
        return None
    put("status", LEVELS.get(str(report.get("status"))))
    for layer, status in report.get("layers", {}).items():
        put("layer_status", LEVELS.get(str(status)), layer)
    _put_findings(put, report.get("findings", ()))
    _put_incidents(put, report.get("incidents", ()), currency)
    _put_expected(put, report.get("metrics", {}))
    return dt.date.fromisoformat(days[-1])


def _put_findings(put: Put, findings: Iterable[Mapping[str, Any]]) -> None:
    found = Counter((str(one.get("layer")), str(one.get("severity"))) for one in findings)
    for layer in Layer:
        for severity in Severity:
            put("findings", float(found[layer.value, severity.value]), layer.value, severity.value)


def _put_incidents(put: Put, incidents: Iterable[Mapping[str, Any]], currency: str) -> None:
    """Counts by severity and state, and each rule's start and money, the gravest first.

    A rule is named, and never what its incident is about, which may stand in a file as anything.
    """
    counts: Counter[tuple[str, str]] = Counter()
    rules: dict[tuple[str, str, str], _Rule] = {}
    for one in incidents:
        severity, state = str(one.get("severity")), _state(one)
        counts[severity, state] += 1
        name = clean(str(one.get("rule") or one.get("metric") or OTHER))
        rule = rules.setdefault((severity, name, state), _Rule())
        rule.since = _least(rule.since, _seconds(one.get("since")))
        if one.get("money_at_risk") is not None:
            rule.money = (rule.money or 0.0) + float(one["money_at_risk"])
    for severity in Severity:
        for state in STATES:
            put("incidents", float(counts[severity.value, state]), severity.value, state)
    for (severity_name, name, state), rule in _limited(rules).items():
        put("incident_since_timestamp_seconds", rule.since, name, severity_name, state)
        put("incident_money_at_risk", rule.money, name, severity_name, state, currency)


def _state(incident: Mapping[str, Any]) -> str:
    state = str(incident.get("state", STATES[0]))
    return state if state in STATES else STATES[0]


def _limited(rules: Mapping[tuple[str, str, str], _Rule]) -> dict[tuple[str, str, str], _Rule]:
    """The gravest, then by name; what is beyond the limit is one for each severity and state."""
    kept: dict[tuple[str, str, str], _Rule] = {}
    for number, (key, rule) in enumerate(sorted(rules.items())):
        severity, name, state = key
        place = kept.setdefault((severity, name if number < MOST else OTHER, state), _Rule())
        place.since = _least(place.since, rule.since)
        if rule.money is not None:
            place.money = (place.money or 0.0) + rule.money
    return kept


def _put_expected(put: Put, metrics: Mapping[str, Mapping[str, Any]]) -> None:
    for metric, entry in metrics.items():
        state = entry.get("state")
        if state is not None:
            put("metric_judged", float(state == "judged"), metric)
        for key, name in _BOUNDS.items():
            if isinstance(entry.get(key), int | float):
                put(f"metric_{name}", float(entry[key]), metric)


def _least(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _seconds(text: object) -> float | None:
    """ISO 8601 UTC as seconds since 1970; None for what is none."""
    try:
        told = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (told if told.tzinfo else told.replace(tzinfo=dt.UTC)).timestamp()
