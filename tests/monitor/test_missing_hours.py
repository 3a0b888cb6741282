"""Hours without an event: which of them are an outage, and which are a shop's few visits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from tallymark.monitor.onset import Gap, missing_hours
from tallymark.monitor.tables import HOURS, Tables

DAYS = 14


def gaps(usual: Mapping[range, float], today: Mapping[range, float]) -> list[Gap]:
    """What is told of a day after two weeks of days that were all alike; events by hours."""

    def hours(given: Mapping[range, float]) -> NDArray[np.float64]:
        return np.array(
            [next((n for span, n in given.items() if hour in span), 0.0) for hour in range(HOURS)]
        )

    events = np.vstack([np.tile(hours(usual), (DAYS, 1)), hours(today)])
    tables = Tables(
        first=dt.date(2031, 5, 5), size=DAYS + 1, delivered=np.ones(DAYS + 1, dtype=np.bool_),
        series={}, hourly={"events": events}, deliveries={}, exported=False,
    )  # fmt: skip
    return missing_hours(tables, DAYS, np.arange(DAYS))


def spans(found: list[Gap]) -> list[tuple[int, int]]:
    """The hours of each gap, the first and the one after the last."""
    return [(one.start, one.end) for one in found]


def test_busy_hours_without_an_event_are_told() -> None:
    """Hours that always hold hundreds of events hold none today."""
    found = gaps({range(24): 200.0}, {range(10): 200.0, range(13, 24): 200.0})
    assert spans(found) == [(10, 13)]


@pytest.mark.parametrize(
    ("today", "told"), [(range(23), (23, 24)), (range(22), (22, 24)), (range(1, 24), (0, 1))]
)
def test_the_ends_of_a_day_are_told(today: range, told: tuple[int, int]) -> None:
    """Where days reach from midnight to midnight, one hour that lacks at an end is an outage."""
    assert spans(gaps({range(24): 300.0}, {today: 300.0})) == [told]


@pytest.mark.parametrize(("last", "told"), [(22, []), (21, [(21, 24)]), (20, [(20, 24)])])
def test_a_day_that_always_ends_before_midnight(last: int, told: list[tuple[int, int]]) -> None:
    """One hour sooner than it did is a change of clocks where files are cut; two are an outage."""
    assert spans(gaps({range(23): 300.0}, {range(last): 300.0})) == told


@pytest.mark.parametrize(("events", "told"), [(100.0, [(0, 14)]), (31.0, [])])
def test_few_visits_leave_hours_empty(events: float, told: list[tuple[int, int]]) -> None:
    """A shop of two busy hours: a visit brings several events, so few easily all fall into one."""
    usual = {range(10, 11): events, range(14, 15): events}
    assert spans(gaps(usual, {range(14, 15): events})) == told
