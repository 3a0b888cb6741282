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
    assert "counts as missing from 08:00 UTC on" in incident.message
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
