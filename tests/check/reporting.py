"""Results of the gate made by hand, and texts that reports must survive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallymark.check.score import score_of, score_parts
from tallymark.config import Severity
from tallymark.results import CheckResult, DeliveryReport, Finding, Layer, Verdict, status_of

__all__ = ["FORMULAS", "HOSTILE", "a_delivery", "a_finding", "a_result"]

HOSTILE = (
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/p.png)",
    "a | b\n\n# heading",
    "`code` **bold** $math$ ~strike~",
    "`open [x](http://evil.example) <b>",
    "\x1b[31mred\x1b[0m",
    "@everyone look at #12 and www.evil.example and https://evil.example",
    "\ud800 \0 é\u2028\u202e]]>&amp;{0}\ufffe",
)
FORMULAS = ("=cmd|' /C calc'!A0", "+1", "-1", "@sum(1)", "\t=1", "\r=1", " =1", "\n@x", "\uff1d1+1",
            "\uff0b1", "\uff20sum(1)", "\ufeff=1", "\u200b=1", "\u2060-1")  # fmt: skip


def a_finding(identifier: str = "client_missing", **more: Any) -> Finding:
    """A finding of a rule, with some of its values changed."""
    given = {
        "id": identifier, "layer": Layer.QUALITY, "severity": Severity.P2,
        "message": "12 of 30 rows (40.0%) have no client id", "since": "2031-05-05T07:00:00.000Z",
        "rule": identifier.partition(":")[0], "date": "2031-05-05", "rows": 12, "share": 0.4,
        "fix": "look for pages that fire early",
        "query": "select count(*) from landed where client_id is null", **more,
    }  # fmt: skip
    return Finding(**given)


def a_delivery(day: int = 5, *findings: Finding, **more: Any) -> DeliveryReport:
    """The judgement of one delivery of May 2031, scored as the gate does it."""
    worst = any(one.severity is not Severity.P3 for one in findings)
    given = {
        "delivery": f"events_203105{day:02}.csv", "date": f"2031-05-{day:02}", "version": "0",
        "verdict": Verdict.WARN if worst else Verdict.PASS, "score": score_of(findings, 0),
        "rows_read": 30, "rows_accepted": 30, "rows_quarantined": 0, "rows_repeated": 0,
        "columns": ["client_id"], "contract_version": "1", "findings": findings,
        "score_parts": score_parts(findings, 0), **more,
    }  # fmt: skip
    return DeliveryReport(**given)


def a_result(deliveries: Sequence[DeliveryReport]) -> CheckResult:
    """All deliveries with the status of the worst."""
    found = [one.severity for report in deliveries for one in report.findings]
    return CheckResult(status=status_of(found), deliveries=deliveries, contract_version="1")
