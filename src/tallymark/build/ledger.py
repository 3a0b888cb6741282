"""The gate's verdicts and findings as tables of the warehouse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tallymark.results import CheckResult

__all__ = ["ledger_tables"]


def ledger_tables(checked: CheckResult) -> dict[str, dict[str, tuple[str, Sequence[Any]]]]:
    """The gate's verdicts as tables."""
    reports = checked.deliveries
    pairs = [(report, one) for report in reports for one in report.findings]
    return {
        "ledger_deliveries": {
            "delivery": ("varchar", [one.delivery for one in reports]),
            "date": ("varchar", [one.date for one in reports]),
            "version": ("varchar", [one.version for one in reports]),
            "verdict": ("varchar", [str(one.verdict) for one in reports]),
            "score": ("integer", [one.score for one in reports]),
            "rows_read": ("bigint", [one.rows_read for one in reports]),
            "rows_accepted": ("bigint", [one.rows_accepted for one in reports]),
            "rows_quarantined": ("bigint", [one.rows_quarantined for one in reports]),
            "rows_repeated": ("bigint", [one.rows_repeated for one in reports]),
            "columns": ("varchar", [json.dumps(list(one.columns)) for one in reports]),
            "contract_version": ("varchar", [one.contract_version for one in reports]),
            "first_event_at": ("varchar", [one.first_event_at for one in reports]),
            "last_event_at": ("varchar", [one.last_event_at for one in reports]),
        },
        "ledger_findings": {
            "delivery": ("varchar", [report.delivery for report, _ in pairs]),
            "date": ("varchar", [report.date for report, _ in pairs]),
            "id": ("varchar", [one.id for _, one in pairs]),
            "layer": ("varchar", [str(one.layer) for _, one in pairs]),
            "severity": ("varchar", [str(one.severity) for _, one in pairs]),
            "rule": ("varchar", [one.rule for _, one in pairs]),
            "message": ("varchar", [one.message for _, one in pairs]),
            "since": ("varchar", [one.since for _, one in pairs]),
            "rows": ("bigint", [one.rows for _, one in pairs]),
            "share": ("double", [one.share for _, one in pairs]),
            "evidence": ("varchar", [json.dumps(dict(one.evidence)) for _, one in pairs]),
            "fix": ("varchar", [one.fix for _, one in pairs]),
            "owner": ("varchar", [one.owner for _, one in pairs]),
            "query": ("varchar", [one.query for _, one in pairs]),
        },
    }
