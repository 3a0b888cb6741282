"""What the stages return is what the published JSON Schemas promise."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tallymark import results

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "schemas"
FINDING = results.Finding(
    id="column_renamed:client_id",
    layer=results.Layer.QUALITY,
    severity=results.Severity.P0,
    message="column client_id is missing; clientId matches it",
    since="2025-03-01T00:00:00.000Z",
    rule="column_renamed",
    rows=3,
    share=0.5,
    evidence={"old": "client_id", "new": "clientId", "values": 3},
    fix="name the alias in the contract",
)
INCIDENT = results.Incident(
    id="column_renamed:client_id",
    layer=results.Layer.QUALITY,
    severity=results.Severity.P0,
    message="column client_id is missing; clientId matches it",
    since="2025-03-01T00:00:00.000Z",
    findings=("column_renamed:client_id",),
    money_at_risk=Decimal("12.50"),
    money_formula="orders x average value",
)
DELIVERY = results.DeliveryReport(
    delivery="events_20250301.csv",
    date=None,
    version="0" * 64,
    verdict=results.Verdict.WARN,
    score=90,
    rows_read=3,
    rows_accepted=2,
    rows_quarantined=1,
    rows_repeated=0,
    columns=("clientId", "timestamp"),
    contract_version="1",
    findings=(FINDING,),
)
CHECK = results.CheckResult(
    status=results.Status.RED, deliveries=(DELIVERY,), contract_version="1", judged_now=1
)
MONITOR = results.MonitorResult(
    date="2025-03-01",
    status=results.Status.RED,
    headline="One column has a new name",
    findings=(FINDING,),
    incidents=(INCIDENT,),
    layers={"health": results.Status.GREEN},
    metrics={"revenue": Decimal("10.00"), "sessions": 2},
    notes=("learning",),
)


def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    return schema


@pytest.mark.parametrize(("name", "result"), [("dq_report", CHECK), ("monitoring_report", MONITOR)])
def test_results_satisfy_their_schema(name: str, result: object) -> None:
    """A result, written as the stages write it, is valid under its published schema."""
    jsonschema.validate(json.loads(results.to_json(result)), _schema(name))


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("dq_report", ("status",), "PURPLE"),
        ("dq_report", ("deliveries", 0, "rows_read"), "three"),
        ("dq_report", ("deliveries", 0, "findings", 0, "severity"), "P9"),
        ("monitoring_report", ("date",), 20250301),
        ("monitoring_report", ("incidents", 0, "money_at_risk"), "12.50"),
    ],
)
def test_the_schemas_refuse_what_is_wrong(
    name: str, path: tuple[str | int, ...], value: object
) -> None:
    """A schema that accepts anything would prove nothing: each wrong value is refused."""
    report = json.loads(results.to_json(CHECK if name == "dq_report" else MONITOR))
    place = report
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, _schema(name))


@pytest.mark.parametrize("key", ["id", "layer", "severity", "message", "since"])
def test_a_finding_without_its_core_is_refused(key: str) -> None:
    """The keys that every reader relies on are required."""
    report = json.loads(results.to_json(MONITOR))
    del report["findings"][0][key]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, _schema("monitoring_report"))
