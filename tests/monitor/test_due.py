"""Deliveries against the calendar: late, then missing; days of which there is none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tallymark.config import MonitorRules, load
from tallymark.contract import Calendar
from tallymark.monitor.due import Due
from tallymark.monitor.watch import Watch
from tallymark.results import Severity, Status

Shop = Any
Dates = Callable[[int], dt.date]
CALENDAR = Calendar(expected_by="07:00", grace_minutes=60)


def at(text: str) -> dt.datetime:
    """A moment, UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("now", "zone", "awaited", "missing"),
    [
        ("2031-05-07T06:59", "UTC", None, "2031-05-05"),
        ("2031-05-07T07:30", "UTC", "2031-05-06", "2031-05-05"),
        ("2031-05-07T08:01", "UTC", None, "2031-05-06"),
        # Berlin is two hours ahead in May, one in March before the clocks change on the 30th.
        ("2031-05-07T05:30", "Europe/Berlin", "2031-05-06", "2031-05-05"),
        ("2031-03-29T06:30", "Europe/Berlin", "2031-03-28", "2031-03-27"),
        ("2031-03-30T05:30", "Europe/Berlin", "2031-03-29", "2031-03-28"),
    ],
)
def test_late_is_not_missing_yet(now: str, zone: str, awaited: str | None, missing: str) -> None:
    """Late from the time in the calendar on, missing when the grace is over; in the shop's zone."""
    due = Due(CALENDAR, zone, at(now))
    assert str(due.missing_from()) == missing
    assert (None if due.awaited() is None else str(due.awaited())) == awaited


def test_without_a_clock_or_a_time_nothing_is_late() -> None:
    """Old files say nothing about today."""
    assert Due(CALENDAR).awaited() is None
    assert Due(Calendar(), now=at("2031-05-07T12:00")).missing_from() is None


def watched(shop: Shop, calendar: Calendar, now: str | None = None) -> Watch:
    """The watch over a shop with a calendar."""
    rules = load(MonitorRules, None, "rules/monitor.yml")
    return Watch(shop.engine(), rules, due=Due(calendar, "UTC", at(now) if now else None))


def test_a_late_delivery_is_a_warning(simulated: Shop, day: Dates) -> None:
    """Said of the latest day, of no day before it, and gone when the file is there."""
    shop = simulated.simulate(6)
    late = f"{day(7)}T07:30"
    watch = watched(shop, CALENDAR, late)
    (incident,) = watch.judge(day(5)).incidents
    assert (incident.id, incident.severity) == ("delivery_late", Severity.P2)
    assert incident.since == f"{day(7)}T07:00:00.000Z"
    assert "due by 07:00 UTC, counts as late from 08:00 UTC on" in incident.message
    assert incident.key == f"delivery_late@{day(5)}"
    whole = watched(simulated.simulate(7), CALENDAR, late)
    assert whole.judge(day(6)).status is Status.GREEN


def test_days_that_are_never_delivered_are_not_missing(simulated: Shop, day: Dates) -> None:
    """A shop that exports on weekdays has no incident on Sunday, and one on Monday."""
    shop = simulated.simulate(9)  # 5 May 2031 is a Monday
    weekdays = Calendar(weekdays=("mon", "tue", "wed", "thu", "fri"))
    for number in (5, 6, 7):
        shop.drop(day(number))
    watch = watched(shop, weekdays)
    assert [watch.judge(day(number)).status for number in (5, 6)] == [Status.GREEN] * 2
    (incident,) = watch.judge(day(7)).incidents
    assert incident.id == "delivery_missing"
    findings = {one.id: one for one in watch.judge(day(8)).findings}
    assert findings["days_missing"].evidence["days"] == [str(day(7))]


def test_each_missing_day_costs_a_day(simulated: Shop, day: Dates) -> None:
    """Three days without a delivery put three days' revenue at risk, and the formula says so."""
    shop = simulated.simulate(12)
    watch = watched(shop, Calendar())
    (one,) = watch.judge(day(12)).incidents
    (three,) = watch.judge(day(14)).incidents
    assert one.money_at_risk is not None
    assert three.money_at_risk is not None
    assert float(three.money_at_risk) == pytest.approx(3 * float(one.money_at_risk), abs=0.02)
    formula = three.money_formula or ""
    assert formula.startswith("3 missing days, times the mean daily revenue")
    assert "nor for 2 more days since" in three.message
    shop.drop(day(5))
    shop.drop(day(6))
    after = {one.id: one for one in watched(shop, Calendar()).judge(day(9)).incidents}
    assert (after["days_missing"].money_formula or "").startswith("2 missing days")


def test_a_gap_begins_with_the_first_expected_day(simulated: Shop, day: Dates) -> None:
    """Weekdays alone are delivered: a missing Monday is missing since Monday, not Saturday."""
    shop = simulated.simulate(8)
    for number in (5, 6, 7):
        shop.drop(day(number))
    weekdays = Calendar(weekdays=("mon", "tue", "wed", "thu", "fri"))
    (incident,) = watched(shop, weekdays).judge(day(7)).incidents
    assert incident.since == f"{day(7)}T00:00:00.000Z"
    assert incident.evidence["days_missing"] == 1
    assert "Mon 12 May" in incident.message


def test_a_day_on_which_nothing_is_due_says_so(simulated: Shop, day: Dates) -> None:
    """`--expected-run-date` on a Sunday of a shop that exports on weekdays: none is due."""
    shop = simulated.simulate(5)
    weekdays = Calendar(weekdays=("mon", "tue", "wed", "thu", "fri"))
    result = watched(shop, weekdays).judge(day(6), expected_run_date=day(6))
    assert result.status is Status.GREEN
    assert "no delivery is due for Sun 11 May 2031" in result.headline
    assert "ordinary" not in result.headline
    asked = watched(shop, weekdays).judge(day(4), expected_run_date=day(6))
    assert any("no delivery is due for Sun 11 May" in one for one in asked.notes)


@pytest.mark.parametrize(
    ("now", "weekdays", "told"),
    [
        (None, (), None),
        ("2031-05-19T09:00", (), None),  # three days since Thursday the 15th: a weekend
        ("2031-05-20T09:00", (), "2031-05-16"),
        ("2031-05-21T09:00", ("mon", "tue", "wed", "thu", "fri"), None),
        ("2031-05-22T09:00", ("mon", "tue", "wed", "thu", "fri"), "2031-05-16"),
    ],
)
def test_old_data_is_said_where_there_is_a_clock(
    simulated: Shop, now: str | None, weekdays: tuple[str, ...], told: str | None
) -> None:
    """Without a calendar's hour, `--now` days after the newest delivery is a warning."""
    calendar = Calendar(weekdays=weekdays) if weekdays else Calendar()
    result = watched(simulated.simulate(11), calendar, now).judge(dt.date(2031, 5, 15))
    found = {one.id: one for one in result.findings}
    assert ("freshness" in found) is (told is not None)
    if told:
        assert found["freshness"].severity is Severity.P2
        assert found["freshness"].since.startswith(told)
        assert "Thu 15 May" in result.headline


def test_old_data_with_a_calendars_hour_is_missing(simulated: Shop, day: Dates) -> None:
    """Where the calendar says when a delivery is due, the missing one is told, not its age."""
    watch = watched(simulated.simulate(11), CALENDAR, "2031-05-25T09:00")
    assert "freshness" not in {one.id for one in watch.judge(day(10)).findings}
