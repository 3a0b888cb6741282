"""Weekdays on which a shop is quiet, or delivers nothing, by its own habit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tallymark.config import MonitorRules, Promotion, load
from tallymark.contract import WEEK, Calendar
from tallymark.monitor.due import Due
from tallymark.monitor.watch import Watch
from tallymark.results import Severity, Status

Shop = Any
Dates = Callable[[int], dt.date]
SATURDAY, SUNDAY = 5, 6  # day 0 of the simulated shop is a Monday


def without(simulated: Shop, day: Dates, days: int, missing: Iterable[int]) -> Shop:
    """A shop of which some days were never delivered."""
    shop = simulated.simulate(days)
    for one in missing:
        shop.drop(day(one))
    return shop


def missed(
    shop: Shop, day: Dates, number: int, calendar: Calendar | None = None
) -> Severity | None:
    """How bad it is that a day has no delivery."""
    rules = load(MonitorRules, None, "rules/monitor.yml")
    watch = Watch(shop.engine(), rules, due=Due(calendar or Calendar(), "UTC"))
    found = watch.judge(day(number)).findings
    return next((one.severity for one in found if one.id == "delivery_missing"), None)


WEEKENDS = [week * 7 + one for week in range(4) for one in (SATURDAY, SUNDAY)]


@pytest.mark.parametrize(
    ("number", "severity"),
    [(5, Severity.P0), (6, Severity.P0), (12, Severity.P2), (13, Severity.P2), (19, None),
     (20, None)],
)  # fmt: skip
def test_weekends_without_a_delivery_become_a_habit(
    simulated: Shop, day: Dates, number: int, severity: Severity | None
) -> None:
    """Missing at first, doubtful on the second weekend, expected from the third on."""
    shop = without(simulated, day, 29, WEEKENDS)
    assert missed(shop, day, number) == severity


def test_what_the_contract_says_beats_the_habit(simulated: Shop, day: Dates) -> None:
    """Also where it says what is so by default: then somebody wants to hear of every day."""
    shop = without(simulated, day, 29, WEEKENDS)
    assert missed(shop, day, 19, Calendar(weekdays=WEEK)) == Severity.P0


def test_a_habit_is_said_and_no_day_of_it_counted(simulated: Shop, day: Dates) -> None:
    """The note says how to make it a promise; nothing lingers in the days after."""
    watch = without(simulated, day, 29, WEEKENDS).watch()
    result = watch.judge(day(19))
    assert any("as in 2 weeks before" in one and "weekdays" in one for one in result.notes)
    assert result.status is not Status.RED
    assert not [one for one in watch.judge(day(24)).findings if one.id == "days_missing"]


def test_a_calendar_is_kept_to_as_it_stands(simulated: Shop, day: Dates) -> None:
    """Who says when deliveries are due expects those of weekends, too."""
    shop = without(simulated, day, 29, WEEKENDS)
    assert missed(shop, day, 19, Calendar(expected_by="07:00")) is Severity.P0


def test_an_outage_that_lasts_is_no_habit(simulated: Shop, day: Dates) -> None:
    """Two weeks without anything: the same weekdays had none, and it goes on being told."""
    shop = without(simulated, day, 30, range(10, 28))
    for number in (12, 19, 26, 27):
        assert missed(shop, day, number) is Severity.P0


def test_one_weekday_missed_among_many_is_told(simulated: Shop, day: Dates) -> None:
    """Two Saturdays of six lost are two losses."""
    shop = without(simulated, day, 44, [SATURDAY + 21, SATURDAY + 35])
    assert missed(shop, day, SATURDAY + 35) is Severity.P0


def test_quiet_weekends_are_learned_from_two(simulated: Shop, day: Dates) -> None:
    """A tenth of the visits at weekends: told twice, then what is usual for the weekday."""

    def quiet(one: Any) -> None:
        if one.number % 7 in (SATURDAY, SUNDAY):
            one.sessions = 0.04 * one.sessions

    watch = simulated.simulate(35, plant=quiet).watch()
    found = {
        number: [one.id for one in watch.judge(day(number)).findings if one.rule == "sessions"]
        for number in range(4, 35)
    }
    told = [number for number, ids in found.items() if ids]
    assert {5, 6, 12, 13} <= set(told)
    assert not [number for number in told if number > 13]


def test_a_fall_in_the_middle_of_the_week_is_told_all_the_same(simulated: Shop, day: Dates) -> None:
    """What is learned of Saturdays says nothing about Wednesdays."""

    def plant(one: Any) -> None:
        if one.number % 7 in (SATURDAY, SUNDAY) or one.number == 30:
            one.sessions = 0.04 * one.sessions

    watch = simulated.simulate(31, plant=plant).watch()
    found = watch.judge(day(30)).findings
    assert [one.severity for one in found if one.id == "sessions"] == [Severity.P1]


def test_the_range_of_normal_days_is_of_the_day_before_it_was_seen(
    simulated: Shop, day: Dates
) -> None:
    """A day without one order says nothing about how many there can be on a normal day."""

    def none(one: Any) -> None:
        if one.number == 20:
            one.sell(0.0)

    found = simulated.simulate(21, sessions=900, plant=none).watch().judge(day(20)).findings
    (orders,) = [one for one in found if one.id == "orders"]
    low, high = orders.evidence["interval"]
    assert 0 < low < orders.evidence["expected"] < high < 10 * orders.evidence["expected"]


def test_what_was_usual_and_is_an_error_now_begins_now(simulated: Shop, day: Dates) -> None:
    """The days on which a finding was mere information are no part of the incident."""
    shop = simulated.simulate(8)
    for number in range(8):
        shop.find(day(number), "order_zero_revenue", "P1" if number >= 6 else "P3")
    (found,) = [
        one for one in shop.watch().judge(day(7)).findings if one.rule == "order_zero_revenue"
    ]
    assert found.since == f"{day(6)}T00:00:00.000Z"


def test_promotions_a_week_apart_are_no_habit(simulated: Shop, day: Dates) -> None:
    """Two Saturdays of a sale, said to be ones: a Saturday as busy without a sale is told."""

    def sale(one: Any) -> None:
        if one.number in (19, 26, 33):
            one.sessions = 5 * one.sessions

    promotions = tuple(
        Promotion(name="sale", start=str(day(number)), end=str(day(number))) for number in (19, 26)
    )
    watch = simulated.simulate(34, plant=sale).watch(promotions=promotions)
    assert "sessions" in {one.id for one in watch.judge(day(33)).findings}
