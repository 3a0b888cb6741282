"""What is so every day is told as information; what is not stays a warning."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tallymark.check.counting.hourly import packed
from tallymark.check.past.days import Hours, Sizes
from tallymark.check.past.habits import Day
from tallymark.config import CheckRules
from tallymark.results import CheckResult, Severity, Verdict
from tests.check.days_made import Row, findings, made_day
from tests.check.judging import RULES, Shop
from tests.check.test_days import BY_CHECK, _dates, _day
from tests.ingest.making import as_csv, purchase

ITEM = {"item_id": "a", "item_name": "Tea", "item_price": 5, "quantity": 2}


def _without(rows: list[Row], column: str, part: int) -> list[Row]:
    """Every so many of the rows lacks a value; a part of 1 is all of them."""
    return [{**row, column: ""} if at % part == 0 else row for at, row in enumerate(rows)]


def _judged(
    shop: Shop, column: str, parts: Sequence[int], rules: CheckRules = RULES
) -> CheckResult:
    for number, part in enumerate(parts, 1):
        rows = _without(made_day(number), column, part)
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    return shop.check(rules=rules)


@pytest.mark.parametrize(
    ("column", "part", "rule"),
    [("client_id", 3, "client_missing"), ("user_agent", 1, "agent_missing")],
)
def test_what_was_always_missing_is_information(
    shop: Shop, column: str, part: int, rule: str
) -> None:
    """A shop's own habit is a warning until it is known as one, and then passes."""
    result = _judged(shop, column, [part] * 6)
    told = findings(result, rule)
    assert [one.severity for one in told] == [Severity.P2] * 3 + [Severity.P3] * 3
    assert "as usual: earlier deliveries had" in told[-1].message
    assert [one.verdict for one in result.deliveries[-2:]] == [Verdict.PASS] * 2


def test_more_than_was_always_missing_is_told(shop: Shop) -> None:
    """A third of the ids is usual, nine in ten are lost: one error, and nothing softened."""
    for number in range(1, 7):
        rows = _without(made_day(number), "client_id", 3)
        if number == 6:
            rows = [{**row, "client_id": ""} if at % 10 else row for at, row in enumerate(rows)]
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    last = shop.check().deliveries[-1].findings
    assert [(one.rule, one.severity) for one in last if one.severity < Severity.P3] == [
        ("client_ids_lost", Severity.P1)
    ]


def test_a_shop_of_nothing_but_bots(shop: Shop) -> None:
    """As where a server sends all events under its own agent: a warning, then information."""
    for number in range(1, 7):
        rows = [{**row, "user_agent": "python-requests/2.31.0"} for row in made_day(number)]
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    told = findings(shop.check(), "bot_majority")
    assert [one.severity for one in told] == [Severity.P2] * 3 + [Severity.P3] * 3
    assert "(100.0%) come from bots, which are in no rate" in told[0].message
    assert told[0].rows == len(made_day(1))


def test_what_the_owner_calls_an_error_stays_one(shop: Shop) -> None:
    """A rule that was made P1 says so on every day."""
    strict = [
        one.model_copy(update={"severity": Severity.P1}) if one.check == "client_missing" else one
        for one in RULES.rules
    ]
    result = _judged(shop, "client_id", [3] * 5, CheckRules(rules=strict))
    assert {one.severity for one in findings(result, "client_missing")} == {Severity.P1}


def _gifts(shop: Shop, gifts: Sequence[int], orders: int = 40) -> list[Severity]:
    """What is said of days with so many orders of no worth."""
    for number, given in enumerate(gifts, 1):
        rows = [
            purchase({"transaction_id": f"T{number}-{at}", "revenue": 0 if at < given else 10,
                      "user_email": f"{number}.{at}@mail.example", "items": [ITEM]},
                     client_id=f"c-{number}-{at}",
                     timestamp=f"2031-05-{number:02}T{at % 24:02}:00:00Z")
            for at in range(orders)
        ]  # fmt: skip
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    return [one.severity for one in findings(shop.check(), "order_zero_revenue")]


def test_presents_now_and_then_are_information(shop: Shop) -> None:
    """Some orders of no worth are this shop's habit; half of a day's never are."""
    assert _gifts(shop, [2, 1, 3, 2, 0, 3, 20]) == [
        Severity.P2, Severity.P2, Severity.P2, Severity.P3, Severity.P3, Severity.P1,
    ]  # fmt: skip


def test_a_first_order_of_no_worth_is_a_warning(shop: Shop) -> None:
    """Where there never was one, even one is told."""
    assert _gifts(shop, [0, 0, 0, 0, 1]) == [Severity.P2]


def _told_of(rows: Sequence[int], first: str = "2031-05-05") -> dict[str, Severity]:
    """The severity of what is said about sizes, by date."""
    sizes = Sizes(BY_CHECK)
    told = [
        one for date, count in zip(_dates(first, len(rows)), rows, strict=True)
        for one in sizes.look(_day(date, count))
    ]  # fmt: skip
    return {one.delivery[:10]: one.hit.severity or Severity.P2 for one in told}


WEEK = [1000, 1050, 980, 1020, 990, 40, 35]


def test_quiet_weekends_are_a_habit_after_two() -> None:
    """Warned of while they may be half a file, silent when they were so for two weeks."""
    told = _told_of(WEEK * 4)
    assert list(told) == ["2031-05-10", "2031-05-11", "2031-05-17", "2031-05-18"]
    assert set(told.values()) == {Severity.P2}


def test_half_a_file_is_told_beside_quiet_weekends() -> None:
    """A Wednesday as small as a Sunday is no Sunday; nor is one that follows quiet Wednesdays."""
    assert _told_of([*WEEK * 3, 1000, 1040, 60])["2031-05-28"] is Severity.P1
    quiet = [1000, 1050, 420, 1020, 990, 1010, 1000]
    assert _told_of([*WEEK, *quiet, *quiet, 1000, 1040, 30])["2031-05-28"] is Severity.P1


def test_a_small_shops_busy_day_is_no_odd_file() -> None:
    """A dozen visits, of some pages each: twice the rows may be two visitors more."""
    assert not _told_of([30, 25, 41, 33, 28, 36, 30, 27, 70, 31])
    assert _told_of([30, 25, 41, 33, 28, 36, 30, 27, 400, 31])


def _hours(date: str, counts: Sequence[int], first: str | None = None) -> Day:
    return _day(date, sum(counts), rows_quarantined=0,
                first_event_at=first or f"{date}T00:00:00.000Z",
                traffic={"days": [date], "zone": "UTC", "hours": packed(counts),
                         "first": packed([at * 3_600_000 for at in range(24)]),
                         "last": packed([at * 3_600_000 + 1 for at in range(24)])})  # fmt: skip


OPEN = [0] * 6 + [40, 80, 100, 100, 100, 100, 100, 100, 100, 100, 80, 40] + [0] * 6


def test_few_visits_leave_hours_empty() -> None:
    """Four visits on a Sunday, none of them at noon, are no outage; on a busy day it is one."""
    for today, told in (([0] * 7 + [3, 3] + [0] * 7 + [3, 3] + [0] * 6, 0),
                        ([*OPEN[:9], 0, 0, 0, *OPEN[12:]], 1)):  # fmt: skip
        hours = Hours()
        for date in _dates("2031-05-05", 5):
            assert not list(hours.look(_hours(date, OPEN)))
        found = list(hours.look(_hours("2031-05-10", today)))
        assert [one.check for one in found] == ["hours_silent"] * told


CUT_IN_BERLIN = [30] * 23 + [0]


@pytest.mark.parametrize(
    ("first", "empty", "checks"),
    [
        ("2031-03-29T23:00:10.000Z", 2, []),  # clocks go forward: the file's day has 23 hours
        ("2031-03-29T23:00:10.000Z", 4, ["file_ends_early"]),
        (
            "2031-03-30T00:00:10.000Z",
            2,
            ["file_ends_early"],
        ),  # the shop's own day: an hour is missing
    ],
)
def test_files_cut_by_a_clock_that_was_put_forward(
    first: str, empty: int, checks: list[str]
) -> None:
    """Files of another zone's days end an hour sooner in the week in which its clocks change."""
    hours = Hours()
    for date in _dates("2031-03-25", 5):
        assert not list(hours.look(_hours(date, CUT_IN_BERLIN, first)))
    counts = [30] * (24 - empty) + [0] * empty
    found = list(hours.look(_hours("2031-03-30", counts, first)))
    assert [one.check for one in found] == checks


def test_a_day_in_files_of_an_hour_is_weighed_as_a_day(shop: Shop) -> None:
    """One order an hour, all of no worth: an error of the day, which no hour alone would show."""
    for number in range(1, 6):
        for hour in range(24):
            day = f"2031-05-{number:02}"
            payload = {"transaction_id": f"T{number}-{hour}", "items": [ITEM],
                       "revenue": 0 if number == 5 else 10,
                       "user_email": f"{number}.{hour}@mail.example"}  # fmt: skip
            row = purchase(payload, client_id=f"c{number}-{hour}",
                           timestamp=f"{day}T{hour:02}:30:00Z")  # fmt: skip
            shop.put(as_csv([row]), f"{day}-{hour:02}.csv")
    told = findings(shop.check(), "order_zero_revenue")
    assert [one.severity for one in told] == [Severity.P1] * 24
