"""The watch's judgement of a day as JUnit XML: a test case for each rule, as CI systems read it.

An error (P0, P1) is a failed test; a warning and information pass and say so in the test's output.
A rule whose every incident is muted, or resolved by hand, is a skipped test that says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from tallymark.config import MonitorRules
from tallymark.monitor.lives import counts
from tallymark.results import Finding, MonitorResult

__all__ = ["junit"]

# What XML 1.0 cannot hold, not even as a reference, and half surrogate pairs.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(result: MonitorResult, rules: MonitorRules) -> str:
    """The judgement as JUnit XML (the ``junit-10`` form); same result and rules, same bytes."""
    cases: dict[tuple[str, str], list[Finding]] = {
        (rule.layer, rule.id): [] for rule in rules.rules if rule.enabled
    }
    for one in result.findings:
        cases.setdefault((one.layer.value, one.rule or one.id), []).append(one)
    silent = {
        name: one.decision or one.state
        for one in result.incidents
        if not counts(one)
        for name in one.findings
    }
    root = ET.Element("testsuites", name="tallymark monitor")
    for layer in dict.fromkeys(layer for layer, _ in cases):
        suite = ET.SubElement(root, "testsuite", name=f"{result.date} {layer}")
        for (its, name), found in cases.items():
            if its == layer:
                _case(suite, f"{layer}", name, found, silent)
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suite.set("errors", "0")
        suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(
    suite: ET.Element, layer: str, name: str, found: Sequence[Finding], silent: Mapping[str, str]
) -> None:
    case = ET.SubElement(suite, "testcase", name=_text(name), classname=f"monitor.{layer}")
    loud = [one for one in found if one.id not in silent]
    errors = [one for one in loud if one.severity.is_error]
    if errors:
        worst = min(errors, key=lambda one: one.severity)
        failure = ET.SubElement(
            case, "failure", type=worst.severity.value, message=_text(worst.message)
        )
        failure.text = _told(errors)
    elif found and not loud:
        ET.SubElement(case, "skipped", message=_text(silent[found[0].id]))
    if rest := [one for one in found if one not in errors]:
        ET.SubElement(case, "system-out").text = _told(rest)


def _text(value: object) -> str:
    """A text that XML can hold, each character that it cannot as a question mark."""
    return _FORBIDDEN.sub("?", str(value))


def _told(ones: Sequence[Finding]) -> str:
    return _text("\n\n".join("\n".join(_lines(one)) for one in ones))


def _lines(one: Finding) -> list[str]:
    facts = {"since": one.since, "fix": one.fix, "owner": one.owner, "runbook": one.runbook,
             "count it yourself": one.query}  # fmt: skip
    told = [f"{name}: {value}" for name, value in facts.items() if value]
    return [f"{one.severity} {one.id}: {one.message}", *told]
