"""SARIF 2.1.0: what a code host needs to show a finding beside the file.

``sarif_subset.schema.json`` is a hand-made subset of the OASIS schema: the objects written here,
with their required and allowed keys, closed. The whole schema is not ours to carry.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tallymark.check.reports.sarif import sarif
from tallymark.config import CheckRule, CheckRules, Severity
from tests.check.reporting import HOSTILE, a_delivery, a_finding, a_result

SCHEMA = json.loads((Path(__file__).parent / "sarif_subset.schema.json").read_text("utf-8"))
RULES = CheckRules(
    rules=(
        CheckRule(
            id="client_missing", check="client_missing", severity=Severity.P2,
            why="rows without a client id belong to no session", fix="look {here} [now]",
            owner="web", runbook="https://wiki.example/a b",
        ),
        CheckRule(id="file_empty", check="file_empty", severity=Severity.P0, action="stop"),
    )
)  # fmt: skip


def _read(text: str) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(text)
    jsonschema.Draft7Validator(
        SCHEMA, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
    ).validate(log)
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for one in run["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
    found: dict[str, Any] = run
    return found


def test_a_finding_is_a_result_at_its_file() -> None:
    """Level by severity, the path below the input folder, the line where one is known."""
    one = a_finding(sample=[{"line": 9}, {"line": 4}], evidence={"a": 1})
    run = _read(sarif(a_result([a_delivery(5, one, delivery="eu/day 1.csv")]), RULES))
    result = run["results"][0]
    place = result["locations"][0]["physicalLocation"]
    assert result["level"] == "warning"
    assert place["artifactLocation"] == {"uri": "eu/day%201.csv", "uriBaseId": "INPUT"}
    assert place["region"] == {"startLine": 4}
    assert result["properties"]["rows"] == 12
    assert result["properties"]["since"] == "2031-05-05T07:00:00.000Z"


@pytest.mark.parametrize(
    ("severity", "level"),
    [(Severity.P0, "error"), (Severity.P1, "error"), (Severity.P2, "warning"),
     (Severity.P3, "note")],
)  # fmt: skip
def test_levels(severity: Severity, level: str) -> None:
    """Errors, warnings and notes."""
    run = _read(sarif(a_result([a_delivery(5, a_finding(severity=severity))]), RULES))
    assert run["results"][0]["level"] == level


def test_a_rule_helps() -> None:
    """Why and fix are its help, and what looks like a link or a placeholder is none."""
    run = _read(sarif(a_result([]), RULES))
    rule = run["tool"]["driver"]["rules"][0]
    assert rule["help"]["text"] == (
        "Why: rows without a client id belong to no session. Fix: look {{here}} \\[now\\]."
    )
    assert rule["helpUri"] == "https://wiki.example/a%20b"


def test_fingerprints_outlive_the_day() -> None:
    """One cause has one fingerprint on all days, and one for each delivery."""
    days = [a_delivery(day, a_finding(message=f"day {day}")) for day in (1, 2)]
    first, second = (one["fingerprints"] for one in _read(sarif(a_result(days), RULES))["results"])
    assert first["tallymarkFinding/v1"] == second["tallymarkFinding/v1"]
    assert first["tallymarkDelivery/v1"] != second["tallymarkDelivery/v1"]
    again = _read(sarif(a_result([a_delivery(2, a_finding())]), RULES))["results"][0]
    assert again["fingerprints"] == second


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_comes_the_log_is_valid(text: str) -> None:
    """Text from data is text: no link, no placeholder, a relative file name."""
    one = a_finding(f"x:{text}", message=text, fix=text, rule=text, owner=text)
    told = sarif(a_result([a_delivery(5, one, delivery=text)]), RULES).encode(errors="replace")
    result = _read(told.decode())["results"][0]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert ":" not in uri.split("/")[0]
    assert "](" not in result["message"]["text"].replace("\\]", "")
