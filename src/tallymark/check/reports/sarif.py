"""The gate's findings as SARIF 2.1.0, which code hosts show beside the files concerned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

from tallymark.config import CheckRule, CheckRules, Severity
from tallymark.escaping import plain
from tallymark.results import CheckResult, DeliveryReport, Finding
from tallymark.version import __version__

__all__ = ["sarif"]

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {
    Severity.P0: "error", Severity.P1: "error", Severity.P2: "warning", Severity.P3: "note",
}  # fmt: skip
_BASE = "INPUT"


def sarif(result: CheckResult, rules: CheckRules) -> str:
    """Every finding as a SARIF result; same result and rules, same bytes."""
    described = {rule.id: _rule(rule) for rule in rules.rules}
    for report in result.deliveries:
        for one in report.findings:
            described.setdefault(_rule_id(one), {"id": _rule_id(one)})
    places = {name: place for place, name in enumerate(described)}
    driver = {
        "name": "Tallymark",
        "semanticVersion": __version__,
        "rules": list(described.values()),
    }
    run = {
        "tool": {"driver": driver},
        "originalUriBaseIds": {
            _BASE: {"description": {"text": "The folder of the deliveries, as given by --input."}}
        },
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(one, report, places)
            for report in result.deliveries
            for one in report.findings
        ],
        "properties": {
            "status": result.status.value, "contractVersion": result.contract_version,
        },
    }  # fmt: skip
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _rule_id(one: Finding) -> str:
    return one.rule or one.id


def _rule(rule: CheckRule) -> dict[str, Any]:
    words = rule.id.replace("_", " ")
    told: dict[str, Any] = {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.id.split("_")),
        "shortDescription": {"text": _literal(f"{words[:1].upper()}{words[1:]}.")},
        "defaultConfiguration": {"level": _LEVELS[rule.severity], "enabled": rule.enabled},
        "properties": _without_empty(
            {"severity": rule.severity.value, "action": rule.action, "owner": rule.owner}
        ),
    }
    if rule.why:
        told["fullDescription"] = {"text": _literal(_sentence(rule.why))}
    if rule.why or rule.fix:
        parts = [("Why", rule.why), ("Fix", rule.fix)]
        said = [(name, _literal(_sentence(text))) for name, text in parts if text]
        told["help"] = {
            "text": " ".join(f"{name}: {text}" for name, text in said),
            "markdown": "\n\n".join(f"**{name}:** {text}" for name, text in said),
        }
    if rule.runbook and urlsplit(rule.runbook).scheme in {"http", "https"}:
        told["helpUri"] = quote(rule.runbook, safe=":/?#[]@!$&'()*+,;=%~")
    return told


def _result(one: Finding, report: DeliveryReport, places: Mapping[str, int]) -> dict[str, Any]:
    physical: dict[str, Any] = {
        "artifactLocation": {"uri": _uri(report.delivery), "uriBaseId": _BASE}
    }
    if (line := _line(one.sample)) is not None:
        physical["region"] = {"startLine": line}
    return {
        "ruleId": _rule_id(one),
        "ruleIndex": places[_rule_id(one)],
        "level": _LEVELS[one.severity],
        "message": {"text": _literal(_sentence(one.message))},
        "locations": [{"physicalLocation": physical}],
        # The first is the same on every day that has the fault, the second on one delivery only.
        "fingerprints": {
            "tallymarkFinding/v1": _digest(one.id),
            "tallymarkDelivery/v1": _digest(one.id, report.delivery),
        },
        "properties": _without_empty(
            {
                "severity": one.severity.value, "id": one.id, "since": one.since,
                "date": one.date, "rows": one.rows, "share": one.share,
                "money": None if one.money is None else float(Decimal(str(one.money))),
                "fix": one.fix, "owner": one.owner, "runbook": one.runbook, "query": one.query,
                "verdict": report.verdict.value,
            }
        ),
    }  # fmt: skip


def _line(sample: Sequence[Mapping[str, Any]] | None) -> int | None:
    """The first line of the file that the finding can show."""
    lines = [row["line"] for row in sample or () if isinstance(row.get("line"), int)]
    return min((line for line in lines if line > 0), default=None)


def _uri(key: str) -> str:
    """A delivery's key as a relative reference; a colon in its first part would name a scheme."""
    return quote(key.encode(errors="replace"), safe="/=@,;~!$&'()*+")


def _literal(text: str) -> str:
    """Text that SARIF takes as it stands: brackets are no links and braces no placeholders."""
    told = plain(text).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return told.replace("{", "{{").replace("}", "}}")


def _sentence(text: str) -> str:
    return text if text.rstrip().endswith((".", "?", "!")) else f"{text.rstrip()}."


def _digest(*parts: str) -> str:
    text = "\0".join(parts).encode(errors="replace")
    return hashlib.sha256(text).hexdigest()[:32]


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}
