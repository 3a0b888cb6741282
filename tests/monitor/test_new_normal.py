"""A change that is here to stay: its days become normal, and the level before is forgotten."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallymark.config import MonitorRules, load
from tallymark.decisions import append, read
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import ConfigError, UsageError
from tallymark.monitor.book import Book
from tallymark.monitor.kept import kept_incidents
from tallymark.monitor.lives import ACK, RESOLVE, Choice, NewNormal, agreed, choices_of
from tallymark.monitor.watch import Watch
from tallymark.results import Finding, Incident, Layer, Severity

Shop = Any
Dates = Callable[[int], dt.date]
CHANGED = 30  # the day of the change
DECIDED = 33


def fewer_ids(one: Any) -> None:
    """From a day on a fifth of the rows has no id: a new consent banner."""
    if one.number >= CHANGED:
        one.anonymous = one.rng.binomial(one.events.astype(int), 0.2).astype(float)


def watch(shop: Shop, *choices: Choice) -> Watch:
    """The watch over a shop about which something was decided."""
    return Watch(shop.engine(), load(MonitorRules, None, "rules/monitor.yml"), choices=choices)


def decided(day: Dates, kind: str = RESOLVE, at: int = DECIDED, number: int = 1) -> Choice:
    """That fewer ids are normal now."""
    made = kind == RESOLVE
    return Choice(
        kind=kind, key=f"identity_coverage@{day(CHANGED)}", day=day(at).isoformat(), number=number,
        since=day(CHANGED).isoformat() if made else "",
        rules=("identity_coverage",) if made else (),
    )  # fmt: skip


def ids(watch: Watch, date: dt.date) -> set[str]:
    """The incidents of a day."""
    return {one.id for one in watch.judge(date).incidents if one.state == "open"}


@pytest.fixture(scope="module")
def shop(simulated: Shop) -> Shop:
    """Forty days; from the thirtieth on fewer ids."""
    return simulated.simulate(40, sessions=3000, plant=fewer_ids)


def test_without_a_decision_it_stays_open(shop: Shop, day: Dates) -> None:
    """An error keeps its days out of what is normal, however long it lasts."""
    assert "identity_coverage" in ids(watch(shop), day(DECIDED + 3))


def test_the_new_level_is_learned(shop: Shop, day: Dates) -> None:
    """From the next day on it is expected; earlier reports stay as they were."""
    plain, anew = watch(shop), watch(shop, decided(day))
    for number in range(CHANGED, DECIDED):
        assert anew.judge(day(number)) == plain.judge(day(number))
    assert "identity_coverage" not in ids(anew, day(DECIDED))  # resolved by hand
    for number in range(DECIDED + 1, 40):
        result = anew.judge(day(number))
        assert not {one.id for one in result.incidents} & {"identity_coverage"}
    assert 0.75 < result.metrics["identity_coverage"]["expected"] < 0.85
    assert result.metrics["identity_coverage"]["baseline_days"] == 39 - CHANGED
    # Of what only rests on it the level is kept, without the days until somebody decided.
    assert result.metrics["sessions"]["baseline_days"] == 39 - (DECIDED + 1 - CHANGED)


def test_the_order_of_asking_says_nothing(shop: Shop, day: Dates) -> None:
    """The last day alone, or after all others: the same report."""
    alone, last = watch(shop, decided(day)), watch(shop, decided(day))
    for number in range(40):
        last.judge(day(number))
    assert alone.judge(day(39)) == last.judge(day(39))


def test_the_old_level_is_an_incident_now(simulated: Shop, day: Dates) -> None:
    """What changes again is measured against the new level, to which the old one is news."""

    def worse(one: Any) -> None:
        fewer_ids(one)
        if one.number == 39:
            one.anonymous = one.rng.binomial(one.events.astype(int), 0.4).astype(float)

    made = simulated.simulate(40, sessions=3000, plant=worse)
    found = watch(made, decided(day)).judge(day(39)).incidents
    told = next(one for one in found if one.id == "identity_coverage")
    assert told.since == f"{day(39)}T00:00:00.000Z"
    assert 0.75 < told.evidence["expected"] < 0.85


def test_it_is_taken_back(shop: Shop, day: Dates) -> None:
    """Who takes the incident up again has the old level back from that day on."""
    back = decided(day, ACK, at=DECIDED + 2, number=2)
    both = watch(shop, decided(day), back)
    assert "identity_coverage" not in ids(both, day(DECIDED + 2))
    found = {one.id for one in both.judge(day(DECIDED + 3)).incidents}
    assert "identity_coverage" in found


def test_the_decision_is_a_file(tmp_path: Path) -> None:
    """It says since when, and which rules are to learn; a fact cannot be normal."""
    warehouse = Warehouse(tmp_path / "warehouse")
    measured = Incident(
        id="identity_coverage", layer=Layer.QUALITY, severity=Severity.P1, message="fewer ids",
        since="2031-06-04T07:00:00.000Z", rule="identity_coverage", metric="identity_coverage",
        key="identity_coverage@2031-06-04", opened="2031-06-04", evidence={"interval": [0.9, 1.0]},
        findings=["identity_coverage", "client_ids_lost", "payload_coverage:purchase.revenue"],
    )  # fmt: skip
    fact = Incident(
        id="order_conflict", layer=Layer.QUALITY, severity=Severity.P1, message="m",
        since="2031-06-04T00:00:00.000Z", metric="conflicting_orders",
        key="order_conflict@2031-06-04", opened="2031-06-04",
    )  # fmt: skip
    warehouse.record_judgement("incidents", kept_incidents([measured, fact], "2031-06-07"))
    book = Book(warehouse, tmp_path / "decisions")
    told = book.resolve("identity_coverage", reason="new banner", new_normal=True).incident
    assert told.decision == ("resolved by hand, as the new normal since 2031-06-04: new banner")
    made = choices_of(read(tmp_path / "decisions"))[0]
    assert made.since == "2031-06-04"
    assert made.rules == ("client_ids_lost", "identity_coverage", "payload_coverage")
    with pytest.raises(UsageError, match="is a fact"):
        book.resolve("order_conflict", new_normal=True)


def test_a_decision_with_no_day(tmp_path: Path) -> None:
    """Who edits decisions by hand is told where it is wrong."""
    append(tmp_path, RESOLVE, {"incident": "a@b", "day": "2031-06-07", "new_normal_since": "soon"})
    with pytest.raises(ConfigError, match="'soon' is no day"):
        choices_of(read(tmp_path))


def test_the_gate_says_of_it_what_is_known() -> None:
    """What the gate compares with the days before is information once these count no more."""
    lost, gone = (
        Finding(id=name, layer=Layer.QUALITY, severity=Severity.P1, message="fell",
                since="2031-05-05T00:00:00.000Z")
        for name in ("client_ids_lost", "column_missing:client_id")
    )  # fmt: skip
    anew = [NewNormal(dt.date(2031, 5, 1), frozenset({"identity_coverage", "client_ids_lost"}))]
    assert [one.severity for one in agreed([lost, gone], anew)] == [Severity.P3, Severity.P1]
    assert [one.severity for one in agreed([lost], [])] == [Severity.P1]
