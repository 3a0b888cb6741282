"""The gate's verdicts as JUnit XML: a test case for each delivery and rule, as CI systems read it.

An error (P0, P1) is a failed test; a warning (P2) and information (P3) pass and say so in the
test's output, as they do not fail ``tallymark check`` either. What could not be asked, because a
delivery was refused before, is a skipped test.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from tallymark.config import CheckRule, CheckRules
from tallymark.results import CheckResult, DeliveryReport, Finding, Verdict

__all__ = ["junit"]

# What XML 1.0 cannot hold, not even as a reference, and half surrogate pairs.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(result: CheckResult, rules: CheckRules) -> str:
    """The verdicts as JUnit XML (the ``junit-10`` form); same result and rules, same bytes."""
    root = ET.Element("testsuites", name="tallymark check")
    known = [rule for rule in rules.rules if rule.enabled]
    for report in result.deliveries:
        root.append(_suite(report, known))
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _text(value: object) -> str:
    """A text that XML can hold, each character that it cannot as a question mark."""
    return _FORBIDDEN.sub("?", str(value))


def _suite(report: DeliveryReport, rules: Sequence[CheckRule]) -> ET.Element:
    found: dict[str, list[Finding]] = {rule.id: [] for rule in rules}
    for one in report.findings:
        found.setdefault(one.rule or one.id, []).append(one)
    suite = ET.Element("testsuite", name=_text(report.delivery), file=_text(report.delivery))
    _properties(suite, report, found)
    refused = report.verdict is Verdict.STOP and not report.rows_read
    for name, ones in found.items():
        case = ET.SubElement(suite, "testcase", name=_text(name), classname=_text(report.delivery))
        errors = [one for one in ones if one.severity.is_error]
        if errors:
            worst = min(errors, key=lambda one: one.severity)
            failure = ET.SubElement(
                case, "failure", type=worst.severity.value, message=_text(worst.message)
            )
            failure.text = _told(errors)
        elif refused and not ones:
            ET.SubElement(case, "skipped", message="the delivery was refused before this was asked")
        if rest := [one for one in ones if not one.severity.is_error]:
            ET.SubElement(case, "system-out").text = _told(rest)
    suite.set("tests", str(len(found)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", "0")
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    return suite


def _properties(
    suite: ET.Element, report: DeliveryReport, found: Mapping[str, Sequence[Finding]]
) -> None:
    listed = ET.SubElement(suite, "properties")
    facts: dict[str, object] = {
        "date": report.date or "", "verdict": report.verdict.value, "score": report.score,
        "rows_read": report.rows_read, "rows_quarantined": report.rows_quarantined,
        "contract_version": report.contract_version,
    }  # fmt: skip
    facts |= {
        f"severity.{name}": min(one.severity for one in ones).value
        for name, ones in found.items()
        if ones
    }
    for name, value in facts.items():
        ET.SubElement(listed, "property", name=_text(name), value=_text(value))


def _told(ones: Sequence[Finding]) -> str:
    return _text("\n\n".join("\n".join(_lines(one)) for one in ones))


def _lines(one: Finding) -> list[str]:
    facts = {
        "since": one.since, "rows": one.rows, "share": one.share, "money": one.money,
        "fix": one.fix, "owner": one.owner, "runbook": one.runbook, "count it yourself": one.query,
    }  # fmt: skip
    told = [f"{name}: {value}" for name, value in facts.items() if value not in (None, "")]
    return [f"{one.severity} {one.id}: {one.message}", *told]
