"""The lives of incidents: opened, updated, ended by the data or by hand; one cause is one."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallymark.config import MonitorRule, MonitorRules, load
from tallymark.decisions import append, read
from tallymark.errors import ConfigError
from tallymark.monitor.junit import junit
from tallymark.monitor.lives import Choice, Ledger, choices_of
from tallymark.monitor.watch import Watch
from tallymark.results import Incident, Layer, Severity, Status

Shop = Any
Dates = Callable[[int], dt.date]
RENAMED = "column_renamed:client_id"


def one(name: str = "orders", *findings: str, **more: Any) -> Incident:
    """An incident of a day."""
    given: dict[str, Any] = {
        "id": name, "layer": Layer.BUSINESS, "severity": Severity.P1, "message": f"{name} fell",
        "since": "2031-05-05T00:00:00.000Z", "metric": name, "findings": [name, *findings],
    }  # fmt: skip
    return Incident(**(given | more))


def lived(*days: list[Incident], choices: tuple[Choice, ...] = ()) -> Ledger:
    """A ledger after some days, from 1 May on."""
    ledger = Ledger(choices)
    for number, found in enumerate(days, start=1):
        ledger.add(f"2031-05-{number:02d}", found)
    return ledger


def told(ledger: Ledger) -> list[tuple[str, str, str | None]]:
    """Key, state and last day of every incident."""
    return [(found.key or "", found.state, found.resolved) for found in ledger.all()]


def test_an_incident_lives_as_long_as_it_is_found() -> None:
    """A measurement may be quiet for a day; after the second it is over."""
    ledger = lived([one()], [one()], [], [one()], [], [])
    assert told(ledger) == [("orders@2031-05-01", "resolved", "2031-05-06")]
    assert [found.key for found in ledger.over_today()] == ["orders@2031-05-01"]


def test_an_incident_that_may_be_over_is_quiet() -> None:
    """On its first day without it, it neither counts nor is over; found again, it is open."""
    ledger = lived([one()], [])
    assert told(ledger) == [("orders@2031-05-01", "quiet", None)]
    assert ledger.found() == []
    assert [found.key for found in ledger.quiet_today()] == ["orders@2031-05-01"]
    ledger.add("2031-05-03", [one()])
    assert told(ledger) == [("orders@2031-05-01", "open", None)]


def test_a_rise_and_a_fall_are_two() -> None:
    """What rose and falls on the next day has another cause, and is told as such."""
    up, down = (one("referrer_coverage", evidence={"direction": way}) for way in ("up", "down"))
    assert told(lived([up], [up], [down])) == [
        ("referrer_coverage@2031-05-03", "open", None),
        ("referrer_coverage@2031-05-01", "resolved", "2031-05-03"),
    ]


def test_a_gap_is_one_incident() -> None:
    """Told on its day, with the next delivery and on the days after that: always the same gap."""
    names = ("delivery_missing", "missing_days", "days_missing")
    gap = [one(name, metric=None, layer=Layer.HEALTH) for name in names]
    assert told(lived(*([found] for found in gap))) == [
        ("delivery_missing@2031-05-01", "open", None)
    ]
    later = dataclasses.replace(gap[0], since="2031-05-09T00:00:00.000Z")
    assert len(told(lived([gap[2]], [gap[2], later]))) == 2


def test_what_was_open_is_shown_where_nothing_came() -> None:
    """A day without a delivery hides no incident of the days before, gravest first."""
    ledger = lived([one()])
    missing = one("delivery_missing", metric=None, layer=Layer.HEALTH, severity=Severity.P0)
    ledger.add("2031-05-02", [missing], judged=frozenset())
    assert [found.id for found in ledger.found()] == ["delivery_missing", "orders"]


def test_a_fact_is_over_when_it_is_gone() -> None:
    """A renamed column is there or is not; when it comes back it is another incident."""
    fact = one(RENAMED, metric=None)
    ledger = lived([fact], [], [fact])
    assert told(ledger) == [
        (f"{RENAMED}@2031-05-03", "open", None), (f"{RENAMED}@2031-05-01", "resolved", "2031-05-02")
    ]  # fmt: skip


def test_days_without_data_end_nothing() -> None:
    """Of what could not be judged nothing is known to be over."""
    ledger = lived([one()])
    for number in range(2, 9):
        ledger.add(f"2031-05-{number:02d}", [], judged=frozenset({Layer.HEALTH}))
    assert told(ledger) == [("orders@2031-05-01", "open", None)]


def test_a_cause_that_is_found_later_takes_the_incident_over() -> None:
    """Orders that fell come to be explained by an outage: the same incident, another name."""
    ledger = lived([one()], [one("outage", "orders")], [one()])
    assert told(ledger) == [("orders@2031-05-01", "open", None)]
    ledger = lived([one(), one("outage")], [one("outage", "orders")])
    assert told(ledger) == [
        ("outage@2031-05-01", "open", None), ("orders@2031-05-01", "resolved", "2031-05-02")
    ]  # fmt: skip
    assert ledger.all()[1].decision == "explained by outage"


def test_what_began_later_is_another_incident() -> None:
    """A column that is lost on the fourth day did not make what was strange since the first."""
    lost = one("column_missing:referrer", "orders", since="2031-05-08T00:00:00.000Z")
    assert told(lived([one()], [lost])) == [
        ("column_missing:referrer@2031-05-02", "open", None),
        ("orders@2031-05-01", "resolved", "2031-05-02"),
    ]


def decided(kind: str, day: str = "2031-05-02", **more: Any) -> tuple[Choice, ...]:
    """A decision on the second day."""
    return (Choice(kind=f"incident_{kind}", key="orders@2031-05-01", day=day, **more),)


@pytest.mark.parametrize(
    ("choices", "states"),
    [
        ((), ["open"] * 4),
        (decided("ack"), ["open", "acknowledged", "acknowledged", "acknowledged"]),
        (decided("mute", until="2031-05-03"), ["open", "muted", "muted", "open"]),
        (decided("mute", until="2031-05-09") + decided("mute", until="2031-05-02"),
         ["open", "muted", "open", "open"]),
        (decided("resolve"), ["open", "resolved", "open", "open"]),
        (decided("resolve") + decided("ack"),
         ["open", "acknowledged", "acknowledged", "acknowledged"]),
    ],
)  # fmt: skip
def test_decisions_hold_from_their_day_on(choices: tuple[Choice, ...], states: list[str]) -> None:
    """Never before, so that an earlier day's report stays as it was; the last one counts."""
    ledger = Ledger(choices)
    found = []
    for number in range(1, 5):
        ledger.add(f"2031-05-{number:02d}", [one()])
        found += [incident.state for incident in ledger.found()]
    assert found == states


def test_resolved_by_hand_and_found_again_is_a_new_incident() -> None:
    """So that a mended thing that was not mended is told again."""
    ledger = lived([one()], [one()], [one()], choices=decided("resolve", reason="mended"))
    assert told(ledger) == [
        ("orders@2031-05-03", "open", None), ("orders@2031-05-01", "resolved", "2031-05-02")
    ]  # fmt: skip
    assert ledger.all()[1].decision == "resolved by hand: mended"


def test_a_decision_that_lacks_its_facts_is_refused(tmp_path: Path) -> None:
    """With the file, and how decisions are made."""
    append(tmp_path, "incident_mute", {"incident": "orders@2031-05-01", "day": "2031-05-02"})
    with pytest.raises(ConfigError, match="'until'"):
        choices_of(read(tmp_path))


# ---------------------------------------------------------------- in the watch


def renamed(simulated: Shop, day: Dates) -> Shop:
    """A shop whose client id is renamed on the sixth day, for three days."""
    shop = simulated.simulate(9)
    for number in range(5, 8):
        shop.find(day(number), RENAMED, "P0", to="clientId")
    return shop


def watched(shop: Shop, *choices: Choice) -> Watch:
    """The watch over a shop, with decisions."""
    return Watch(shop.engine(), load(MonitorRules, None, "rules/monitor.yml"), choices=choices)


def test_the_report_says_how_an_incident_stands(simulated: Shop, day: Dates) -> None:
    """Its key and first day on every day; that it is over, on the day after."""
    watch = watched(renamed(simulated, day))
    for number in (5, 7):
        (incident,) = watch.judge(day(number)).incidents
        assert (incident.key, incident.opened) == (f"{RENAMED}@{day(5)}", day(5).isoformat())
    after = watch.judge(day(8))
    assert after.incidents == []
    assert f"over: P0 {RENAMED}, open since {day(5)} (no longer found)" in after.notes
    assert [found.state for found in watch.incidents()] == ["resolved"]


@pytest.mark.parametrize(
    ("kind", "until", "status", "state"),
    [
        ("mute", 6, Status.GREEN, "muted"), ("ack", 0, Status.RED, "acknowledged"),
        ("resolve", 0, Status.GREEN, "resolved"),
    ],
)  # fmt: skip
def test_muted_incidents_are_shown_and_do_not_count(
    simulated: Shop, day: Dates, kind: str, until: int, status: Status, state: str
) -> None:
    """Status and layers leave them out; the report, its notes and its headline do not."""
    choice = Choice(kind=f"incident_{kind}", key=f"{RENAMED}@{day(5)}", day=day(6).isoformat(),
                    until=day(until).isoformat() if until else "", reason="known")  # fmt: skip
    watch = watched(renamed(simulated, day), choice)
    assert watch.judge(day(5)).status is Status.RED
    result = watch.judge(day(6))
    assert result.status is status
    assert result.layers["quality"] is status
    (incident,) = result.incidents
    assert incident.state == state
    assert "known" in (incident.decision or "")
    assert any(note.startswith(f"P0 {RENAMED} is ") for note in result.notes)
    assert result.headline.endswith("(1 muted)") == (state == "muted")
    assert watch.judge(day(7)).status is Status.RED
    failures = junit(result, load(MonitorRules, None, "rules/monitor.yml")).count("<failure")
    assert failures == (status is Status.RED)


def test_the_order_of_asking_changes_no_life(simulated: Shop, day: Dates) -> None:
    """Asked backwards, for the future or twice, each day says the same."""
    shop = renamed(simulated, day)
    ahead = [watched(shop).judge(day(number)) for number in range(9)]
    watch = watched(shop)
    for number in (8, 3, 8, 6, 0, 7):
        assert watch.judge(day(number)) == ahead[number]
    late = watch.judge(day(30))
    (incident,) = late.incidents
    assert (incident.id, incident.key) == ("delivery_missing", f"delivery_missing@{day(9)}")


def test_ten_thousand_findings_of_one_cause_are_one_incident(simulated: Shop, day: Dates) -> None:
    """Many deliveries, many findings that rest on one, many alike: one incident each, soon."""
    shop = simulated.simulate(6)
    head = shop.deliveries[f"{day(5)}.csv"]
    for number in range(2_000):
        name = f"{day(5)}-{number:04d}.csv"
        shop.deliveries[name] = head | {"delivery": name}
    shop.findings += [
        {"delivery": name, "date": day(5).isoformat(), "id": RENAMED, "layer": "quality",
         "severity": "P0", "rule": "column_renamed", "message": "renamed",
         "since": f"{day(5)}T00:00:00.000Z", "rows": 1, "share": None, "evidence": "{}",
         "fix": "mend it", "owner": None, "query": None}
        for name in shop.deliveries if name.startswith(f"{day(5)}-")
    ]  # fmt: skip
    for number in range(5_000):
        shop.find(day(5), f"clients_odd:{number:04d}", "P2", column="client_id")
    for number in range(3_000):
        shop.find(day(5), f"payload_field_lost:field{number}", "P1")
    result = shop.watch().judge(day(5))
    assert len(result.findings) >= 8_001
    assert {found.id for found in result.incidents} >= {RENAMED, "payload_field_lost:field0"}
    assert len(result.incidents) <= 3
    first = next(found for found in result.incidents if found.id == RENAMED)
    assert len(first.findings) >= 5_001
    assert len(first.message) < 1_000


def test_a_few_alike_stay_apart(simulated: Shop, day: Dates) -> None:
    """Two columns that were lost on one day are two things to mend."""
    shop = simulated.simulate(6)
    for name in ("referrer", "user_agent"):
        shop.find(day(5), f"column_missing:{name}", "P1")
    assert len(shop.watch().judge(day(5)).incidents) == 2


def test_a_rule_brings_its_runbook(simulated: Shop, day: Dates) -> None:
    """The link of the rule is on the finding and on the incident."""
    rules = load(MonitorRules, None, "rules/monitor.yml")
    link = "https://example.org/runbook"
    extra = MonitorRule(id="few", layer="business", severity=Severity.P1, metric="sessions",
                        direction="down", threshold=1e9, runbook=link)  # fmt: skip
    rules = rules.model_copy(update={"rules": (*rules.rules, extra)})
    (incident,) = Watch(simulated.simulate(5).engine(), rules).judge(day(4)).incidents
    assert incident.runbook == link


def test_a_finding_keeps_what_it_is_when_decisions_change(simulated: Shop, day: Dates) -> None:
    """A decision changes how an incident stands, and no finding."""
    shop = renamed(simulated, day)
    choice = Choice(kind="incident_ack", key=f"{RENAMED}@{day(5)}", day=day(5).isoformat())
    with_it, without = watched(shop, choice).judge(day(6)), watched(shop).judge(day(6))
    assert with_it.findings == without.findings
    assert dataclasses.replace(with_it.incidents[0], state="open", decision=None) in (
        without.incidents
    )
