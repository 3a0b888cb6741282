"""``check --report`` and ``reports:``: which forms of the gate's report are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.calling import call, delivery

ALWAYS = {"dq_report.md", "dq_report.json", "dq_report.csv"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with one delivery."""
    delivery(tmp_path / "raw" / "events_20310505.csv")
    return tmp_path


def _written(home: Path) -> set[str]:
    return {path.name for path in (home / "reports").iterdir()}


def _check(home: Path, *more: str, **variables: str) -> str:
    said = call("check", "--input", home / "raw", "--output", home / "reports", *more, **variables)
    assert said.code == 0
    return said.out


def test_three_forms_if_nothing_is_said(home: Path) -> None:
    """Markdown, JSON and CSV."""
    _check(home)
    assert _written(home) == ALWAYS


def test_more_forms_on_demand(home: Path) -> None:
    """Named after a comma, by option or by variable; the terminal says where they are."""
    said = _check(home, "--report", "json, junit,sarif")
    assert _written(home) == {*ALWAYS, "dq_report.junit.xml", "dq_report.sarif"}
    assert "dq_report.sarif" in said
    assert "dq_report.junit.xml" in _check(home, TALLYMARK_REPORT="junit")


def test_forms_as_a_setting(home: Path) -> None:
    """``reports:`` of tallymark.yml holds for every run."""
    (home / "tallymark.yml").write_text("reports: [sarif]\n", encoding="utf-8")
    said = call("check", "--project", home, "--input", home / "raw")
    assert said.code == 0
    assert _written(home) == {*ALWAYS, "dq_report.sarif"}


def test_an_unknown_form_is_refused(home: Path) -> None:
    """With the forms there are, on the command line and in the file."""
    said = call("check", "--input", home / "raw", "--report", "md,pdf")
    assert said.code == 2
    assert "'pdf' is none of md, json, csv, junit, sarif" in said.err
    (home / "tallymark.yml").write_text("reports: [pdf]\n", encoding="utf-8")
    said = call("check", "--project", home, "--input", home / "raw")
    assert said.code == 2
    assert "tallymark.yml:1:11" in said.err
