"""The watch's report: Markdown for people, JSON for programs, and the JSON's published schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tallymark.escaping import escaped, linked, plain, rich
from tallymark.monitor.words import moment, percent
from tallymark.package import shipped
from tallymark.results import Finding, Incident, MonitorResult, to_json

__all__ = ["SCHEMA", "as_json", "markdown"]

SCHEMA: Mapping[str, Any] = json.loads(shipped("templates/monitoring_report.schema.json"))

_BEYOND, _NOTHING = 1e12, 1e-6  # of no number that a shop counts
_BAR = re.compile(r"(?<!\\)\|")
_LONGEST = 500  # characters of one piece of outside text


def as_json(result: MonitorResult) -> str:
    """``monitoring_report.json``: same result, same bytes."""
    return to_json(result)


def markdown(result: MonitorResult) -> str:
    """``monitoring_report.md``: everything that came from outside is escaped."""
    parts: list[str] = [
        f"# Monitoring report of {escaped(result.date)}: {result.status.value}",
        _told(result.headline),
        _table(
            ("Layer", "Status"), [(name, status.value) for name, status in result.layers.items()]
        ),
        "## Incidents",
    ]
    if result.incidents:
        parts += [_incident(one) for one in result.incidents]
    else:
        parts.append("None.")
    parts.append("## Findings")
    if result.findings:
        parts.append(
            _table(
                ("Severity", "Layer", "Finding", "Since (UTC)", "What"),
                [_finding(one) for one in result.findings],
            )
        )
    else:
        parts.append("None.")
    if result.metrics:
        parts += ["## Metrics", _metrics(result.metrics)]
    if result.notes:
        parts += ["## Notes", "\n".join(f"- {_told(note)}" for note in result.notes)]
    return "\n\n".join(parts) + "\n"


def _cut(text: object) -> str:
    told = plain(str(text))
    return told if len(told) <= _LONGEST else told[: _LONGEST - 1] + "…"


def _told(text: object) -> str:
    """A sentence of ours, in which backticks mark what to type, with words from outside in it."""
    return rich(_cut(text))


def _named(text: object) -> str:
    """A name: of a metric, an incident, a rule."""
    return escaped(_cut(text))


def _incident(incident: Incident) -> str:
    lines = [
        f"### {incident.severity.value} {_named(incident.id)}",
        "",
        f"{_told(incident.message)}.",
        "",
        f"- Since: {escaped(moment(incident.since))} UTC ({escaped(incident.state)})",
    ]
    if incident.money_at_risk is not None:
        lines.append(f"- Money at risk: {_money(incident)}")
    if incident.evidence.get("what_changed"):
        lines.append(f"- What changed: {_told(incident.evidence['what_changed'])}")
    if incident.evidence.get("probable_cause"):
        lines.append(f"- Probable cause: {_told(incident.evidence['probable_cause'])}")
    if incident.fix:
        lines.append(f"- Fix: {_told(incident.fix)}")
    if incident.decision:
        lines.append(f"- Decided: {_told(incident.decision)}")
    if incident.owner:
        lines.append(f"- Owner: {escaped(_cut(incident.owner))}")
    if incident.runbook:
        lines.append(f"- Runbook: {linked(incident.runbook)}")
    return "\n".join(lines)


def _finding(finding: Finding) -> tuple[str, ...]:
    return (
        finding.severity.value,
        finding.layer.value,
        _named(finding.id),
        escaped(moment(finding.since)),
        _told(finding.message),
    )


def _money(incident: Incident) -> str:
    """The amount and how it was come by; the formula may end with the amount as people say it."""
    formula, equals, amount = (incident.money_formula or "").rpartition(" = ")
    if equals:
        return escaped(f"{amount} ({_cut(formula)})")
    said = f"{incident.money_at_risk:,.2f}"
    return escaped(f"{said} ({_cut(amount)})" if amount else said)


def _metrics(metrics: Mapping[str, Any]) -> str:
    rows = []
    for name, entry in metrics.items():
        said = percent if "smallest_change_seen_points" in entry else _plain
        interval = f"{said(entry['low'])} to {said(entry['high'])}" if "low" in entry else ""
        if "smallest_change_seen_points" in entry:
            seen = f"{100 * entry['smallest_change_seen_points']:.1f} points"
        elif "smallest_change_seen" in entry:
            seen = f"{100 * entry['smallest_change_seen']:.0f} %"
        else:
            seen = ""
        expected = entry.get("expected")
        rows.append(
            (
                _named(name),
                said(entry["value"]) if entry["value"] is not None else "",
                said(expected) if expected is not None else "",
                interval,
                seen,
                escaped(str(entry.get("state", ""))),
            )
        )
    header = ("Metric", "Value", "Expected", "95 % of normal days", "Smallest change seen", "State")
    return _table(header, rows)


def _plain(value: float) -> str:
    if abs(value) >= _BEYOND:
        return "any number"  # of a metric that was always zero nothing is known
    if abs(value) < _NOTHING:
        return "0"
    return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}".rstrip("0").rstrip(".")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    for row in rows:  # also in a code span a bar would begin the next cell
        cells = [_BAR.sub(r"\\|", cell) for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
