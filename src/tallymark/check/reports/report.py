"""The gate's reports: for people (Markdown), programs (JSON), spreadsheets (CSV) and CI systems."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from tallymark.check.reports.junit import junit
from tallymark.check.reports.markdown import markdown
from tallymark.check.reports.sarif import sarif
from tallymark.check.words import cell
from tallymark.config import CheckRules, ReportFormat
from tallymark.engine.warehouse import write_atomically
from tallymark.package import shipped
from tallymark.results import CheckResult, to_json

__all__ = ["FILES", "SCHEMA", "as_csv", "as_json", "markdown", "write_reports"]

SCHEMA: Mapping[str, Any] = json.loads(shipped("templates/dq_report.schema.json"))
_ALWAYS: tuple[ReportFormat, ...] = ("md", "json", "csv")
_COLUMNS = (
    "delivery", "date", "verdict", "score", "rows_read", "rows_accepted", "rows_quarantined",
    "finding", "severity", "message", "since", "rows", "share", "fix", "owner", "money",
    "runbook", "query",
)  # fmt: skip
_OF_A_DELIVERY = 7  # of these columns
FILES: Mapping[ReportFormat, str] = {
    "md": "dq_report.md",
    "json": "dq_report.json",
    "csv": "dq_report.csv",
    "junit": "dq_report.junit.xml",
    "sarif": "dq_report.sarif",
}


def write_reports(
    result: CheckResult,
    folder: Path,
    *,
    formats: Collection[ReportFormat] = (),
    rules: CheckRules | None = None,
) -> list[Path]:
    """Write ``dq_report.{md,json,csv}`` and what else is asked for; same result, same bytes.

    Args:
        result: The verdicts.
        folder: Where to write.
        formats: Which of ``junit`` and ``sarif`` to write as well.
        rules: The rules that were asked; JUnit lists them all, SARIF describes them.
    """
    asked = rules or CheckRules(rules=())
    makers: Mapping[ReportFormat, Callable[[], str]] = {
        "md": lambda: markdown(result),
        "json": lambda: as_json(result),
        "csv": lambda: as_csv(result),
        "junit": lambda: junit(result, asked),
        "sarif": lambda: sarif(result, asked),
    }
    written = []
    for name, make in makers.items():
        if name in _ALWAYS or name in formats:
            path = folder / FILES[name]
            # What UTF-8 cannot say, half a surrogate pair, is a question mark here.
            write_atomically(path, make().encode(errors="replace"))
            written.append(path)
    return written


def as_json(result: CheckResult) -> str:
    """The report as JSON, without how much of it is new: a second run writes the same bytes."""
    fields = {one.name: getattr(result, one.name) for one in dataclasses.fields(result)}
    del fields["judged_now"]
    return to_json(fields)


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
            money = None if f.money is None else float(f.money)
            rest = (
                f.id, str(f.severity), f.message, f.since, f.rows, f.share, f.fix, f.owner,
                money, f.runbook, f.query,
            )  # fmt: skip
            writer.writerow([cell(value) for value in (*base, *rest)])
        if not one.findings:
            blank = [""] * (len(_COLUMNS) - _OF_A_DELIVERY)
            writer.writerow([cell(value) for value in base] + blank)
    return text.getvalue()
