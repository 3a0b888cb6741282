"""The gate's reports: for people (Markdown), for programs (JSON), for spreadsheets (CSV)."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path

from tallymark.engine.warehouse import write_atomically
from tallymark.results import CheckResult, DeliveryReport, to_json

__all__ = ["as_csv", "markdown", "write_reports"]

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|<>&~$])")
# Control characters, line and paragraph separators, changes of writing direction.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_RISKY = ("=", "+", "-", "@")
_COLUMNS = (
    "delivery", "date", "verdict", "score", "rows_read", "rows_accepted", "rows_quarantined",
    "finding", "severity", "message", "since", "rows", "share", "fix", "owner",
)  # fmt: skip


def write_reports(result: CheckResult, folder: Path) -> list[Path]:
    """Write ``dq_report.{md,json,csv}``; the same result gives the same bytes."""
    texts = {
        "dq_report.md": markdown(result),
        "dq_report.json": _lasting(result),
        "dq_report.csv": as_csv(result),
    }
    for name, text in texts.items():
        # What UTF-8 cannot say, half a surrogate pair, is a question mark here.
        write_atomically(folder / name, text.encode(errors="replace"))
    return [folder / name for name in texts]


def _lasting(result: CheckResult) -> str:
    """The report as JSON, without how much of it is new: a second run writes the same bytes."""
    fields = {one.name: getattr(result, one.name) for one in dataclasses.fields(result)}
    del fields["judged_now"]
    return to_json(fields)


def _escaped(text: str) -> str:
    """Text from data, harmless in Markdown and in the HTML made of it."""
    return _MARKUP.sub(r"\\\1", _plain(text))


def _plain(text: str) -> str:
    """Text on one line, without what a terminal or a reader would act on."""
    return " ".join(_CONTROL.sub(" ", text).split())


def markdown(result: CheckResult) -> str:
    """The report for people: a line a delivery, then what is wrong and how to mend it."""
    total = sum(one.rows_read for one in result.deliveries)
    out = sum(one.rows_quarantined for one in result.deliveries)
    lines = [
        f"# Data quality: {result.status}",
        "",
        (
            f"{len(result.deliveries)} deliveries, {total:,} rows: {total - out:,} accepted, "
            f"{out:,} quarantined. Contract version {_escaped(result.contract_version)}."
        ),
        "",
        "| Delivery | Verdict | Score | Rows | Quarantined | Findings |",
        "|---|---|--:|--:|--:|---|",
    ]
    for one in result.deliveries:
        counts = ", ".join(
            f"{sum(f.severity == level for f in one.findings)} {level}"
            for level in ("P0", "P1", "P2", "P3")
            if any(f.severity == level for f in one.findings)
        )
        lines.append(
            f"| {_escaped(one.delivery)} | {one.verdict} | {one.score} | {one.rows_read:,} "
            f"| {one.rows_quarantined:,} | {counts or 'none'} |"
        )
    for one in result.deliveries:
        if one.findings:
            lines += _section(one)
    lines += [
        "",
        (
            "Score: 100, less 40 for each P0, 20 for each P1, 5 for each P2 and 30 times the "
            "share of quarantined rows; a refused delivery scores 0."
        ),
        "",
    ]
    return "\n".join(lines)


def _section(one: DeliveryReport) -> list[str]:
    lines = ["", f"## {_escaped(one.delivery)}: {one.verdict}, {one.score} of 100", ""]
    for finding in sorted(one.findings, key=lambda f: (f.severity, f.id)):
        lines.append(f"- **{finding.severity}** {_escaped(finding.message)}")
        lines.append(f"  - since {finding.since or 'unknown'}; rule `{_code(finding.id)}`")
        if finding.fix:
            lines.append(f"  - fix: {_escaped(finding.fix)}")
        if finding.query:
            lines.append(f"  - count it yourself: `{_code(finding.query)}`")
    return lines


def _code(text: str) -> str:
    return _plain(text).replace("`", "")


def as_csv(result: CheckResult) -> str:
    """One row a finding, and one for each delivery without any; safe to open in a spreadsheet."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in result.deliveries:
        base = (
            one.delivery, one.date, str(one.verdict), one.score, one.rows_read,
            one.rows_accepted, one.rows_quarantined,
        )  # fmt: skip
        for f in one.findings:
            rest = (f.id, str(f.severity), f.message, f.since, f.rows, f.share, f.fix, f.owner)
            writer.writerow([_safe(value) for value in (*base, *rest)])
        if not one.findings:
            writer.writerow([_safe(value) for value in base] + [""] * 8)
    return text.getvalue()


def _safe(value: object) -> object:
    if not isinstance(value, str):
        return "" if value is None else value
    text = _plain(value)
    return f"'{text}" if text.startswith(_RISKY) else text
