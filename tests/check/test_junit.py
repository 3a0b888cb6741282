"""JUnit XML: a suite for each delivery, a case for each rule, in the form CI systems read."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tallymark.check.reports.junit import junit
from tallymark.config import CheckRule, CheckRules, Severity
from tallymark.results import Verdict
from tests.check.reporting import HOSTILE, a_delivery, a_finding, a_result

RULES = CheckRules(
    rules=(
        CheckRule(id="client_missing", check="client_missing", severity=Severity.P2),
        CheckRule(id="file_empty", check="file_empty", severity=Severity.P0, action="stop"),
        CheckRule(id="off", check="broken_row", severity=Severity.P0, enabled=False),
    )
)
# What the form known as junit-10 allows: for each element its attributes, needed ones first,
# and the elements inside it. No schema processor is among our dependencies.
FORM: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log",
         "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": (
        {"name"}, {"time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}  # fmt: skip


def _read(text: str) -> ET.Element:
    root = ET.fromstring(text)  # noqa: S314 -- our own output
    assert root.tag == "testsuites"
    for element in root.iter():
        needed, allowed, inside = FORM[element.tag]
        assert needed <= set(element.keys()) <= needed | allowed, element.tag
        assert {child.tag for child in element} <= inside, element.tag
    for suite in root:
        for total, path in (("tests", "testcase"), ("failures", "testcase/failure"),
                            ("skipped", "testcase/skipped")):  # fmt: skip
            assert int(suite.get(total, "")) == len(suite.findall(path))
    return root


def test_errors_fail_and_warnings_pass() -> None:
    """A P0 or P1 is a failure of its rule's case; a P2 or P3 passes and says so."""
    renamed = a_finding("column_renamed:a", severity=Severity.P0, message="a is gone")
    days = [a_delivery(1), a_delivery(2, a_finding(), renamed)]
    root = _read(junit(a_result(days), RULES))
    assert (root.get("tests"), root.get("failures")) == ("5", "1")
    clean, bad = root
    assert [case.get("name") for case in clean.iter("testcase")] == ["client_missing", "file_empty"]
    cases = {str(case.get("name")): case for case in bad.iter("testcase")}
    failure = cases["column_renamed"].find("failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("P0", "a is gone")
    assert "count it yourself: select" in str(failure.text)
    assert "P2 client_missing: 12 of 30" in str(cases["client_missing"].findtext("system-out"))
    assert list(cases["file_empty"]) == []


def test_the_properties_of_a_suite_say_how_bad() -> None:
    """Verdict, score and the severity by rule."""
    root = _read(junit(a_result([a_delivery(2, a_finding())]), RULES))
    told = {one.get("name"): one.get("value") for one in root.iter("property")}
    assert told["verdict"] == "WARN"
    assert told["score"] == "95"
    assert told["severity.client_missing"] == "P2"


def test_what_could_not_be_asked_is_skipped() -> None:
    """Of a refused file only the rule that refused it was asked."""
    empty = a_finding("file_empty", severity=Severity.P0)
    refused = a_delivery(2, empty, verdict=Verdict.STOP, rows_read=0, rows_accepted=0)
    root = _read(junit(a_result([refused]), RULES))
    assert [case.get("name") for case in root.iter("testcase") if case.find("skipped") is not None
            ] == ["client_missing"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_comes_the_xml_is_well_formed(text: str) -> None:
    """Markup, control characters and half surrogate pairs stay text."""
    one = a_finding(f"x:{text}", severity=Severity.P1, message=text, fix=text, rule=text)
    told = junit(a_result([a_delivery(5, one, a_finding(message=text), delivery=text)]), RULES)
    root = _read(told.encode(errors="strict").decode())
    assert len(list(root.iter("failure"))) == 1


def test_the_same_result_gives_the_same_bytes() -> None:
    """No clock and no host in it."""
    days = [a_delivery(2, a_finding())]
    assert junit(a_result(days), RULES) == junit(a_result(days), RULES)
