from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from tallymark.monitor.report import SCHEMA, as_json, markdown
from tallymark.results import Finding, Incident, Layer, MonitorResult, Severity, Status

Shop = Any
HOSTILE = "<img src=x onerror=alert(1)>|[click](http://evil.example)\n# *Paid* `rm` \u202e\x00"


def hostile() -> MonitorResult:
    """A result in which everything that can come from outside is hostile."""
    finding = Finding(
        id=f"column_unexpected:{HOSTILE}",
        layer=Layer.QUALITY,
        severity=Severity.P2,
        message=HOSTILE,
        since="2031-05-05T00:00:00.000Z",
        rule="column_unexpected",
        fix=HOSTILE,
        owner=HOSTILE,
    )
    shared = {one.name: getattr(finding, one.name) for one in dataclasses.fields(finding)}
    incident = Incident(
        **shared,
        findings=[finding.id],
        money_at_risk=Decimal("12.50"),
        money_formula=HOSTILE,
    )
    return MonitorResult(
        date="2031-05-05",
        status=Status.YELLOW,
        headline=HOSTILE,
        findings=[finding],
        incidents=[incident],
        layers=dict.fromkeys(("health", "quality", "business"), Status.GREEN),
        notes=[HOSTILE],
    )


def test_reports_follow_the_published_schema(
    simulated: Shop, day: Callable[[int], dt.date]
) -> None:
    """Reports of good, bad and missing days are valid against the JSON Schema."""
    jsonschema.Draft202012Validator.check_schema(dict(SCHEMA))

    def plant(one: Any) -> None:
        if one.number >= 5:
            one.sell(0.0)
            one.events[9:14] = 0
            one.anonymous = one.events / 2

    shop = simulated.simulate(8, plant=plant)
    shop.find(day(6), "column_renamed:client_id", "P0", to="clientId", share=0.5)
    shop.drop(day(7))
    watch = shop.watch()
    for one in [*watch.days(), day(9)]:
        jsonschema.validate(json.loads(as_json(watch.judge(one))), dict(SCHEMA))
    jsonschema.validate(json.loads(as_json(hostile())), dict(SCHEMA))


def test_the_schema_refuses_a_finding_without_a_name() -> None:
    """A finding needs a rule or a metric; a report needs its incidents."""
    report = json.loads(as_json(hostile()))
    del report["findings"][0]["rule"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, dict(SCHEMA))


def test_markdown_shows_hostile_text_as_text() -> None:
    """No tag, link, table cell, heading or emphasis comes from outside text."""
    text = markdown(hostile())
    assert "<img" not in text
    assert "http://evil" not in text
    assert not re.search(r"(?<!\\)\[click", text)
    assert not re.search(r"(?<!\\)\*Paid", text)
    assert "\u202e" not in text
    assert "\x00" not in text
    assert not any(line.startswith("# \\*") for line in text.splitlines())
    (row,) = [line for line in text.splitlines() if line.startswith("| P2")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 6


def test_hostile_channels_are_escaped_in_a_real_report(
    simulated: Shop, day: Callable[[int], dt.date]
) -> None:
    """A channel name made of HTML reaches the report only as text."""
    shop = simulated.simulate(6)
    shop.put(day(5), "channel_share", 900, 1000, "channel=<script>alert(1)</script>|x")
    result = shop.watch().judge(day(5))
    assert "channel_share" in {one.id for one in result.findings}
    assert "<script>" not in markdown(result)
    assert "&lt;script&gt;" in markdown(result)


def test_markdown_is_the_same_every_time(simulated: Shop, day: Callable[[int], dt.date]) -> None:
    """Two watches over equal tables write equal bytes."""
    texts = {markdown(simulated.simulate(9).watch().judge(day(8))) for _ in range(2)}
    assert len(texts) == 1
    assert "## Metrics" in texts.pop()


def test_long_outside_text_is_cut() -> None:
    """One piece of outside text cannot fill the page."""
    long = dataclasses.replace(hostile(), headline="a" * 10_000, incidents=[], findings=[])
    assert "a" * 499 + "…" in markdown(long)
    assert "a" * 500 not in markdown(long)


def test_markdown_is_read_as_it_stands() -> None:
    """Names keep their underscores, a fix its command, money its currency, a runbook its link."""
    found = dataclasses.replace(
        hostile().incidents[0], id="identity_coverage", message="client_id is empty",
        fix="say `tallymark contract alias client_id clientId`",
        money_at_risk=Decimal("14353.93"), money_formula="revenue since, times a share = $14,354",
        runbook="https://wiki.example/run(book)",
    )  # fmt: skip
    text = markdown(dataclasses.replace(hostile(), incidents=[found]))
    assert "### P2 identity_coverage" in text
    assert "client_id is empty." in text
    assert "- Fix: say `tallymark contract alias client_id clientId`" in text
    assert r"- Money at risk: \$14,354 (revenue since, times a share)" in text
    assert "Runbook: <" not in text
    linked = dataclasses.replace(found, runbook="https://wiki.example/runbook")
    text = markdown(dataclasses.replace(hostile(), incidents=[linked]))
    assert "- Runbook: <https://wiki.example/runbook>" in text
