"""The gate's reports: safe in Markdown, JSON and a spreadsheet, and always the same."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest

from tallymark.check.reports.report import FILES, SCHEMA, markdown, write_reports
from tallymark.check.reports.report import as_csv as report_csv
from tallymark.config import Severity
from tallymark.results import CheckResult, DeliveryReport, Finding, Layer, Status, Verdict
from tests.check.reporting import FORMULAS, HOSTILE


def _result(message: str, key: str = "2031-05-05.csv") -> CheckResult:
    one = Finding(
        id=f"column_unexpected:{message}", layer=Layer.QUALITY, severity=Severity.P2,
        message=message, since="2031-05-05T00:00:00.000Z", rule="column_unexpected",
        date="2031-05-05", delivery=key, rows=3, share=0.1, fix=message, owner=message,
        query=f"select '{message}'",
    )  # fmt: skip
    report = DeliveryReport(
        delivery=key, date="2031-05-05", version="0", verdict=Verdict.WARN, score=95, rows_read=30,
        rows_accepted=30, rows_quarantined=0, rows_repeated=0, columns=[message],
        contract_version="1", findings=[one],
    )  # fmt: skip
    return CheckResult(status=Status.YELLOW, deliveries=[report], contract_version="1")


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_what_came_and_does_nothing_with_it(text: str) -> None:
    """Markup, HTML, links, line breaks and terminal codes of data are plain text."""
    shown = markdown(_result(text, text))
    for line in shown.splitlines():
        assert not line.startswith("# heading")
    outside = "".join(shown.split("`")[::2])
    assert "<script>" not in outside
    assert "](" not in outside
    assert "\x1b" not in shown
    assert shown.count("`") % 2 == 0
    # A row of the table has as many cells as the header.
    row = next(line for line in shown.splitlines() if line.startswith("| ") and "95" in line)
    assert row.replace("\\|", "").count("|") == 7


@pytest.mark.parametrize("text", FORMULAS)
def test_no_formula_reaches_a_spreadsheet(text: str) -> None:
    """A cell of the CSV report never begins as a formula does."""
    for row in csv.reader(io.StringIO(report_csv(_result(text, text)), newline="")):
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff20"))


@pytest.mark.parametrize("text", [*HOSTILE, *FORMULAS, "\ud800", "\0", "é\u2028"])
def test_json_is_json(tmp_path: Path, text: str) -> None:
    """Whatever was delivered, the JSON report can be read back."""
    write_reports(_result(text, text), tmp_path)
    found = json.loads((tmp_path / "dq_report.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, SCHEMA)
    assert found["status"] == "YELLOW"
    assert found["deliveries"][0]["findings"][0]["severity"] == "P2"
    assert (tmp_path / "dq_report.csv").read_bytes()
    assert (tmp_path / "dq_report.md").read_bytes()


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    """Written twice, three files of equal bytes; nothing else in the folder."""
    for folder in ("a", "b"):
        write_reports(_result("x"), tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["dq_report.csv", "dq_report.json", "dq_report.md"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_delivery_without_findings_has_its_line(tmp_path: Path) -> None:
    """Nothing wrong is said too: a row in the table and in the CSV."""
    report = CheckResult(
        status=Status.GREEN,
        deliveries=[
            DeliveryReport(
                delivery="a.csv", date=None, version="0", verdict=Verdict.PASS, score=100,
                rows_read=1, rows_accepted=1, rows_quarantined=0, rows_repeated=0, columns=["a"],
                contract_version="1",
            )
        ],
        contract_version="1",
    )  # fmt: skip
    assert "| a.csv | PASS | 100 | 1 | 0 | none |" in markdown(report)
    rows = list(csv.DictReader(io.StringIO(report_csv(report), newline="")))
    assert [(row["delivery"], row["verdict"], row["finding"]) for row in rows] == [
        ("a.csv", "PASS", "")
    ]
    assert write_reports(report, tmp_path)


def test_what_is_asked_for_is_written_as_well(tmp_path: Path) -> None:
    """Markdown, JSON and CSV always, JUnit and SARIF on demand."""
    write_reports(_result("x"), tmp_path, formats=("junit", "sarif"))
    assert {path.name for path in tmp_path.iterdir()} == set(FILES.values())
