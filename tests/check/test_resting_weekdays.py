"""`init` writes down the weekdays of which a shop never has a file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tallymark.check.contracts.infer import write_project
from tallymark.config import load
from tallymark.contract import WEEK, Contract
from tests.check.judging import Shop
from tests.ingest.making import as_csv, event

MONDAY = dt.date(2031, 5, 5)


def calendar_of(tmp_path: Path, days: list[int]) -> tuple[str, ...]:
    """The weekdays of the contract that is learned from files of some days after a Monday."""
    shop = Shop(tmp_path)
    for one in days:
        day = MONDAY + dt.timedelta(days=one)
        shop.put(as_csv([event(timestamp=f"{day}T08:00:00Z")]), f"{day}.csv")
    write_project(tmp_path, str(tmp_path / "raw"))
    return load(Contract, tmp_path / "contracts" / "events.yml", "").calendar.weekdays


WORKDAYS = [one for one in range(19) if one % 7 < 5]


@pytest.mark.parametrize(
    ("days", "weekdays"),
    [
        (WORKDAYS, WEEK[:5]),
        ([one for one in WORKDAYS if one != 7], WEEK[:5]),  # a holiday on a Monday
        (list(range(19)), WEEK),
        ([0, 1, 2, 3, 4, 7, 8], WEEK),  # one weekend only
        ([0, 7, 14], WEEK),  # files of weeks
        ([0, 1, 3, 8, 10, 15, 16, 18], WEEK),  # gaps everywhere
    ],
)
def test_weekdays_without_files_are_learned(
    tmp_path: Path, days: list[int], weekdays: tuple[str, ...]
) -> None:
    """Only where at least two weeks of files speak for it, and no other weekday has gaps."""
    assert calendar_of(tmp_path, days) == weekdays
