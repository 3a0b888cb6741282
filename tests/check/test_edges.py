"""Files that are cut at another midnight than the shop's, and files with rows of other days."""

from __future__ import annotations

import pytest

from tallymark.config import Config
from tallymark.config import Shop as ShopSettings
from tallymark.results import Finding, Severity
from tests.check.judging import RULES, Shop
from tests.ingest.making import as_csv, event


def day_of(*hours: tuple[int, int]) -> bytes:
    """Twelve events in each hour of UTC: (day in May 2031, hour)."""
    return as_csv(
        event(client_id=f"c-{day}-{hour}-{minute}",
              timestamp=f"2031-05-{day:02}T{hour:02}:{minute:02}:30.000Z")
        for day, hour in hours for minute in range(0, 60, 5)
    )  # fmt: skip


def told(shop: Shop, content: bytes, zone: str) -> list[Finding]:
    """What is said of the day of one file."""
    shop.put(content)
    result = shop.check(config=Config(shop=ShopSettings(timezone=zone)))
    return [one for report in result.deliveries for one in report.findings
            if one.rule == "file_day"]  # fmt: skip


WHOLE = [(5, hour) for hour in range(24)]


@pytest.mark.parametrize(
    "zone",
    ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "Pacific/Auckland"],
)
def test_a_file_cut_at_midnight_of_utc_is_no_news(shop: Shop, zone: str) -> None:
    """In a shop of any zone, files by days of UTC are as they are: nothing is said each day."""
    assert not told(shop, day_of(*WHOLE), zone)


@pytest.mark.parametrize("ahead", [2, 5])
def test_a_file_cut_at_another_zones_midnight_is_only_told(shop: Shop, ahead: int) -> None:
    """The reports' zone is UTC and the files are cut elsewhere: information, with the setting."""
    hours = [*((4, hour) for hour in range(24 - ahead, 24)), *WHOLE[: 24 - ahead]]
    (found,) = told(shop, day_of(*hours), "UTC")
    assert found.severity is Severity.P3
    assert f"begins at {24 - ahead}:00 of the day before" in found.message
    assert "timezone" in found.fix
    assert "most are of" not in found.message


def test_rows_of_other_days_are_told_by_their_side(shop: Shop) -> None:
    """A whole day and some hours of the next: no zone explains it, and the sentence makes sense."""
    (found,) = told(shop, day_of(*WHOLE, (6, 3), (6, 4), (6, 5)), "UTC")
    assert found.severity is Severity.P2
    assert found.rows == 36
    assert "of other days than 2031-05-05" in found.message
    assert "36 of days after it" in found.message
    assert "most are of" not in found.message


def test_a_file_of_another_day_says_which(shop: Shop) -> None:
    """The name says the 5th and the rows are of the 3rd."""
    (found,) = told(shop, day_of(*((3, hour) for hour in range(24))), "UTC")
    assert "most are of 2031-05-03" in found.message


def test_the_hour_of_the_cut_is_right_where_nights_are_quiet(shop: Shop) -> None:
    """A single row in the first hour, which few rows lack: the file begins with it all the same."""
    early = event(client_id="c-early", timestamp="2031-05-04T22:30:00.000Z")
    rows = [
        event(client_id=f"c-{hour}-{minute}", timestamp=f"2031-05-05T{hour:02}:{minute:02}:30.000Z")
        for hour in range(22) for minute in range(0, 60, 5)
    ]  # fmt: skip
    late = event(client_id="c-late", timestamp="2031-05-04T23:30:00.000Z")
    rules = RULES.model_copy(update={"rules": tuple(
        one.model_copy(update={"threshold": 0}) if one.id == "file_day" else one
        for one in RULES.rules
    )})  # fmt: skip
    shop.put(as_csv([early, late, *rows]))
    (report,) = shop.check(rules=rules).deliveries
    (found,) = [one for one in report.findings if one.rule == "file_day"]
    assert "begins at 22:00 of the day before" in found.message


def test_the_day_on_which_clocks_are_put_forward_has_an_hour_less(shop: Shop) -> None:
    """Cut by a clock eight hours behind, of which one is skipped: still only told."""
    hours = [*((5, hour) for hour in range(8, 24)), *((6, hour) for hour in range(7))]
    (found,) = told(shop, day_of(*hours), "UTC")
    assert found.severity is Severity.P3
    assert "begins at 8:00" in found.message


def test_an_empty_hour_of_the_night_hides_no_cut(shop: Shop) -> None:
    """Nobody came in the last hours before midnight, in which it is night where files are cut."""
    hours = [*((4, hour) for hour in (18, 19, 20, 22)), *WHOLE[:18]]
    (found,) = told(shop, day_of(*hours), "UTC")
    assert found.severity is Severity.P3
    assert "begins at 18:00 of the day before" in found.message


def test_a_file_of_a_week_is_one_finding(shop: Shop) -> None:
    """Its days are named, and no clock is said to run ahead."""
    shop.put(day_of(*((day, hour) for day in range(5, 12) for hour in range(24))))
    (found,) = [one for one in shop.check().deliveries[0].findings if one.severity < "P3"]
    assert found.rule == "file_day"
    assert "holds 7 days, from 2031-05-05 to 2031-05-11" in found.message
    assert found.evidence["explains"] == ["time_future"]
