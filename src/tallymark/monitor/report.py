"""The watch's report: Markdown for people, JSON for programs, and the JSON's published schema."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tallymark.monitor.words import moment
from tallymark.package import shipped
from tallymark.results import Finding, Incident, MonitorResult, to_json

__all__ = ["SCHEMA", "as_json", "escaped", "markdown"]

SCHEMA: Mapping[str, Any] = json.loads(shipped("templates/monitoring_report.schema.json"))

_SPECIAL = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        **{mark: f"\\{mark}" for mark in "\\`*_[]#|~"},
    }
)
_LONGEST = 500  # characters of one piece of outside text


def as_json(result: MonitorResult) -> str:
    """``monitoring_report.json``: same result, same bytes."""
    return to_json(result)


def markdown(result: MonitorResult) -> str:
    """``monitoring_report.md``: everything that came from outside is escaped."""
    parts: list[str] = [
        f"# Monitoring report of {escaped(result.date)}: {result.status.value}",
        escaped(result.headline),
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
        parts += ["## Notes", "\n".join(f"- {escaped(note)}" for note in result.notes)]
    return "\n\n".join(parts) + "\n"


def escaped(text: object) -> str:
    r"""Text from anywhere as one line that Markdown and HTML show as it is.

    >>> escaped("<b>*Ads*</b>")
    '&lt;b&gt;\\*Ads\\*&lt;/b&gt;'
    """
    line = " ".join(str(text).split())
    seen = "".join(one for one in line if unicodedata.category(one) not in {"Cc", "Cf", "Cs"})
    if len(seen) > _LONGEST:
        seen = seen[: _LONGEST - 1] + "…"
    # a bare address would become a link
    return seen.translate(_SPECIAL).replace("://", ":&#47;&#47;").replace("www.", "www&#46;")


def _incident(incident: Incident) -> str:
    lines = [
        f"### {incident.severity.value} {escaped(incident.id)}",
        "",
        f"{escaped(incident.message)}.",
        "",
        f"- Since: {escaped(moment(incident.since))} UTC ({escaped(incident.state)})",
    ]
    if incident.money_at_risk is not None:
        formula = f" ({escaped(incident.money_formula)})" if incident.money_formula else ""
        lines.append(f"- Money at risk: {incident.money_at_risk:,.2f}{formula}")
    if incident.evidence.get("what_changed"):
        lines.append(f"- What changed: {escaped(incident.evidence['what_changed'])}")
    if incident.evidence.get("probable_cause"):
        lines.append(f"- Probable cause: {escaped(incident.evidence['probable_cause'])}")
    if incident.fix:
        lines.append(f"- Fix: {escaped(incident.fix)}")
    if incident.decision:
        lines.append(f"- Decided: {escaped(incident.decision)}")
    if incident.owner:
        lines.append(f"- Owner: {escaped(incident.owner)}")
    if incident.runbook:
        lines.append(f"- Runbook: {escaped(incident.runbook)}")
    return "\n".join(lines)


def _finding(finding: Finding) -> tuple[str, ...]:
    return (
        finding.severity.value,
        finding.layer.value,
        escaped(finding.id),
        escaped(moment(finding.since)),
        escaped(finding.message),
    )


def _metrics(metrics: Mapping[str, Any]) -> str:
    rows = []
    for name, entry in metrics.items():
        interval = f"{_plain(entry['low'])} to {_plain(entry['high'])}" if "low" in entry else ""
        if "smallest_change_seen_points" in entry:
            seen = f"{100 * entry['smallest_change_seen_points']:.1f} points"
        elif "smallest_change_seen" in entry:
            seen = f"{100 * entry['smallest_change_seen']:.0f} %"
        else:
            seen = ""
        rows.append(
            (
                escaped(name),
                _plain(entry["value"]),
                _plain(entry.get("expected")),
                interval,
                seen,
                escaped(entry.get("state", "")),
            )
        )
    header = ("Metric", "Value", "Expected", "95 % of normal days", "Smallest change seen", "State")
    return _table(header, rows)


def _plain(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}".rstrip("0").rstrip(".")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)
