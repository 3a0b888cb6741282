"""Missing days, late, short and odd files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from tallymark.check.past.days import Arrivals, Clock, Gaps, Sizes
from tallymark.check.past.habits import Day
from tallymark.config import CheckRules, Config, load
from tallymark.contract import Calendar, Contract
from tallymark.results import CheckResult
from tests.check.days_made import findings, made_day, made_days
from tests.check.judging import RULES, Shop
from tests.ingest.making import CONTRACT, as_csv

BY_CHECK = {rule.check: rule for rule in load(CheckRules, None, "rules/check.yml").rules}


def _day(date: str, rows: int = 1000, parts: int = 1, **more: object) -> Day:
    entries: list[Mapping[str, Any]] = [
        {"delivery": f"{date}-{part}.csv", "date": date, "rows_accepted": rows, "rows_read": rows,
         "last_event_at": f"{date}T23:59:00.000Z", "traffic": {"days": [date]}, **more}
        for part in range(parts)
    ]  # fmt: skip
    return Day(date, entries, entries)


def _dates(first: str, count: int) -> list[str]:
    start = dt.date.fromisoformat(first)
    return [str(start + dt.timedelta(days=at)) for at in range(count)]


def test_a_missing_day(shop: Shop) -> None:
    """Told of the delivery after the gap, dated to the missing day."""
    (found,) = findings(made_days(shop, [1, 2, 3, 6]), "missing_days")
    assert (found.delivery, found.date) == ("2031-05-06.csv", "2031-05-04")
    assert (found.severity, found.since) == ("P1", "2031-05-04T00:00:00.000Z")
    assert found.evidence["missing_days"] == ["2031-05-04", "2031-05-05"]


def test_a_refused_day_is_not_missing(shop: Shop) -> None:
    """A day whose file could not be read has its own finding."""
    for number in (1, 2, 4):
        shop.put(as_csv(made_day(number)), f"2031-05-{number:02}.csv")
    shop.put(b"", "2031-05-03.csv")
    assert not findings(shop.check(), "missing_days")


def test_days_without_delivery_by_habit_or_calendar() -> None:
    """A shop that rests at weekends misses nothing once that is known, or said."""
    weekdays = [one for one in _dates("2031-05-05", 28) if dt.date.fromisoformat(one).weekday() < 5]
    told = [
        one for gaps in [Gaps(Calendar())] for date in weekdays for one in gaps.look(_day(date))
    ]
    assert [one.day for one in told] == ["2031-05-10"]
    known = Gaps(Calendar(weekdays=("mon", "tue", "wed", "thu", "fri")))
    assert not [one for date in weekdays for one in known.look(_day(date))]


@pytest.mark.parametrize(("rows", "severity"), [(500, "P2"), (100, "P1"), (2600, "P2")])
def test_a_suspicious_size(rows: int, severity: str) -> None:
    """Far too few or too many rows, against the days before."""
    sizes = Sizes(BY_CHECK)
    days = _dates("2031-05-05", 8)
    assert not [one for date in days[:7] for one in sizes.look(_day(date))]
    (told,) = sizes.look(_day(days[7], rows))
    assert told.check == "file_size"
    assert (told.hit.severity or BY_CHECK["file_size"].severity) == severity
    assert told.hit.evidence["expected_rows"] == pytest.approx(1000, abs=30)


def test_sizes_know_weekdays_and_promotions() -> None:
    """A weak Sunday every week is no finding, nor are the days after a sale."""
    sizes = Sizes(BY_CHECK)
    told = []
    for at, date in enumerate(_dates("2031-05-05", 28)):
        rows = 600 if dt.date.fromisoformat(date).weekday() == 6 else 1700 if 17 < at < 21 else 1000
        told += [one for one in sizes.look(_day(date, rows)) if at > 7]
    assert not told


def test_a_day_in_several_files_is_judged_when_all_have_come() -> None:
    """While only some of a day's usual files are there, it is not small but unfinished."""
    sizes = Sizes(BY_CHECK)
    days = _dates("2031-05-05", 6)
    told = [one for date in days[:5] for one in sizes.look(_day(date, parts=4))]
    assert not [*told, *sizes.look(_day(days[5], parts=1))]


def _due(shop: Shop, now: str, *, only: list[str] | None = None) -> CheckResult:
    calendar = Calendar(expected_by="06:00", grace_minutes=60)
    contract: Contract = CONTRACT.model_copy(update={"calendar": calendar})
    return shop.check(contract=contract, now=dt.datetime.fromisoformat(now), only=only)


def test_a_late_delivery(shop: Shop) -> None:
    """First seen after it was due: late, as long as the ledger says so, with or without a clock."""
    for number in (1, 2, 3):
        shop.put(as_csv(made_day(number)), f"2031-05-{number:02}.csv")
    assert not findings(_due(shop, "2031-05-04T06:30+00:00"), "file_late")
    shop.put(as_csv(made_day(4)), "2031-05-04.csv")
    (found,) = findings(_due(shop, "2031-05-05T19:00+00:00"), "file_late")
    assert (found.delivery, found.severity) == ("2031-05-04.csv", "P1")
    assert found.since == "2031-05-05T06:00:00.000Z"
    assert found.evidence["hours_late"] == 13
    assert "due by 2031-05-05 06:00 UTC, counts as late from 07:00 UTC on" in found.message
    shop.put(as_csv(made_day(5)), "2031-05-05.csv")
    later = findings(_due(shop, "2031-05-06T06:59+00:00"), "file_late")
    assert [one.delivery for one in later] == ["2031-05-04.csv"]


def test_a_day_that_is_due_and_not_there() -> None:
    """With a clock, a day that has not come is said; without one, or a calendar, nothing is."""
    calendar = Calendar(expected_by="06:00", grace_minutes=0)
    now = dt.datetime(2031, 5, 9, 12, tzinfo=dt.UTC)
    for clock, expected in ((Clock("UTC", now), ["2031-05-07"]), (Clock(), [])):
        arrivals = Arrivals(calendar, clock)
        list(arrivals.look(_day("2031-05-06")))
        assert [one.day for one in arrivals.overdue()] == expected
    silent = Arrivals(Calendar(), Clock("UTC", now))
    list(silent.look(_day("2031-05-06")))
    assert not list(silent.overdue())


def test_what_was_there_at_first_is_not_late(shop: Shop) -> None:
    """A backlog found on the first look came nobody knows when."""
    for number in (1, 2):
        shop.put(as_csv(made_day(number)), f"2031-05-{number:02}.csv")
    found = findings(_due(shop, "2031-05-03T06:00+00:00"), "file_late")
    assert not found
    assert all(one["backlog"] for one in shop.entries)


def test_a_clock_changes_nothing_else(shop: Shop) -> None:
    """Without --now the ledger holds no time of arrival."""
    made_days(shop, [1])
    assert "first_seen" not in shop.entries[0]


@pytest.mark.parametrize(
    ("content", "rule", "severity"),
    [
        (b"\xef\xbb\xbf" + as_csv(made_day(3)), "file_bom", "P3"),
        (as_csv(made_day(3), delimiter=";"), "file_delimiter", "P2"),
    ],
)
def test_an_odd_form(shop: Shop, content: bytes, rule: str, severity: str) -> None:
    """A byte order mark, and a delimiter that changed, are named; the rows are read."""
    made_days(shop, [1, 2])
    report = shop.one(content, "2031-05-03.csv")
    (found,) = [one for one in report.findings if one.rule == rule]
    assert found.severity == severity
    assert report.rows_accepted == 312


def test_a_shop_that_always_uses_semicolons(shop: Shop) -> None:
    """Its first delivery says so for information; no later one does."""
    for number in (1, 2):
        shop.put(as_csv(made_day(number), delimiter=";"), f"2031-05-{number:02}.csv")
    found = findings(shop.check(rules=RULES, config=Config()), "file_delimiter")
    assert [(one.delivery, one.severity) for one in found] == [("2031-05-01.csv", "P3")]
