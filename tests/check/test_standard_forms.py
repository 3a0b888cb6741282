"""SARIF and JUnit as packages that know them read them.

The official schemas are not ours to carry, and no package carries them. ``sarif-om`` is the object
model that was made from the SARIF 2.1.0 schema: which object has which properties, and which of
them it must have. ``junitparser`` reads what CI systems read, and counts it anew.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tallymark.check.reports.junit import junit
from tallymark.check.reports.sarif import sarif
from tallymark.config import CheckRules, Severity, load
from tallymark.results import Verdict
from tests.check.reporting import HOSTILE, a_delivery, a_finding, a_result

RULES = load(CheckRules, None, "rules/check.yml")
# Which object of the model a property holds: itself, or each of its list, or of its values.
HOLDS = {
    "runs": "Run", "tool": "Tool", "driver": "ToolComponent", "rules": "ReportingDescriptor",
    "results": "Result", "locations": "Location", "physicalLocation": "PhysicalLocation",
    "artifactLocation": "ArtifactLocation", "region": "Region", "message": "Message",
    "shortDescription": "MultiformatMessageString", "fullDescription": "MultiformatMessageString",
    "help": "MultiformatMessageString", "defaultConfiguration": "ReportingConfiguration",
    "description": "Message",
}  # fmt: skip
FREE = {"properties", "fingerprints"}
BY_NAME = {"originalUriBaseIds": "ArtifactLocation"}


def _some() -> Any:
    """A result with findings of every severity, samples, money and hostile texts."""
    found = [
        a_finding(f"r{place}:{text}", severity=severity, message=text, sample=[{"line": 2}],
                  owner=text, runbook="https://wiki.example/r", evidence={text: text})
        for place, text in enumerate(HOSTILE)
        for severity in Severity
    ]  # fmt: skip
    refused = a_delivery(6, a_finding("file_empty"), verdict=Verdict.STOP, rows_read=0)
    return a_result([a_delivery(4), a_delivery(5, *found), refused])


def _conform(model: Any, kind: str, given: dict[str, Any], where: str) -> int:
    """Check an object against the model, and return how many objects were checked."""
    known = {
        field.metadata["schema_property_name"]: field
        for field in getattr(model, kind).__attrs_attrs__
    }
    assert set(given) <= set(known), where
    needed = {name for name, field in known.items() if type(field.default).__name__ == "_Nothing"
              or str(field.default) == "NOTHING"}  # fmt: skip
    assert needed <= set(given), where
    seen = 1
    for name, value in given.items():
        if name in BY_NAME:
            seen += sum(_conform(model, BY_NAME[name], one, f"{where}.{name}")
                        for one in value.values())  # fmt: skip
        elif name in HOLDS:
            ones = value if isinstance(value, list) else [value]
            seen += sum(_conform(model, HOLDS[name], one, f"{where}.{name}") for one in ones)
        else:
            assert name in FREE or not isinstance(value, dict), f"{where}.{name}"
    return seen


def test_sarif_is_what_the_object_model_knows() -> None:
    """Every object has only properties that the model names, and all that it must have."""
    model = pytest.importorskip("sarif_om", reason="sarif-om is not installed")
    log = json.loads(sarif(_some(), RULES))
    assert _conform(model, "SarifLog", {**log, "$schema": log["$schema"]}, "log") > len(HOSTILE)


def test_junit_is_read_and_counted_alike() -> None:
    """Suites, cases, failures and skipped cases are as many as the totals say."""
    parser = pytest.importorskip("junitparser", reason="junitparser is not installed")
    text = junit(_some(), RULES)
    read = parser.JUnitXml.fromstring(text.encode())
    said = [(one.tests, one.failures, one.errors, one.skipped) for one in (read, *read)]
    for suite in read:
        suite.update_statistics()
    read.update_statistics()
    counted = [(one.tests, one.failures, one.errors, one.skipped) for one in (read, *read)]
    assert said[1:] == counted[1:]
    assert said[0][:3] == counted[0][:3]
    assert sum(len(list(suite)) for suite in read) == read.tests
