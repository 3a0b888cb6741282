"""Looking back: the day on which each alert would have fired; faults planted into the history."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tallymark.config import MonitorRules, load
from tallymark.errors import InputError, WarehouseError
from tallymark.monitor.backtest import Backtest, backtest
from tallymark.monitor.planting import FAULTS, planted, window
from tallymark.monitor.replay import replayed, spans_of
from tallymark.monitor.tables import read

Shop = Any
Dates = Callable[[int], dt.date]


def test_each_alert_is_dated_to_the_day_it_fired(simulated: Shop, day: Dates) -> None:
    """A renamed column and an order id on a day of its own: two alerts, one of them false."""
    shop = simulated.simulate(12)
    for number in (6, 7, 8):
        shop.find(day(number), "column_renamed:client_id", "P0")
    shop.find(day(10), "order_without_id", "P1")
    watch = shop.watch()
    results = [watch.judge(day(number)) for number in range(3, 12)]
    truth = [(str(day(6)), str(day(8)))]
    found = replayed(results, watch.incidents(), truth)
    assert [(one.fired, one.id, one.days, one.state, one.false_alarm) for one in found.fired] == [
        (str(day(6)), "column_renamed:client_id", 3, "resolved", False),
        (str(day(10)), "order_without_id", 1, "resolved", True),
    ]
    assert found.statuses == {"GREEN": 5, "YELLOW": 0, "RED": 4}
    assert found.false_alarm_days == 1
    assert replayed(results, watch.incidents()).false_alarm_days is None


@pytest.mark.parametrize("text", ["", "[]", '{"incidents": [{"day": "x"}]}', '{"incidents": 3}'])
def test_a_truth_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """With the form that it ought to have."""
    path = tmp_path / "truth.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="no truth"):
        spans_of(path)
    path.write_text(json.dumps({"incidents": [{"day": "2031-05-05"}]}), encoding="utf-8")
    assert spans_of(path) == [("2031-05-05", "2031-05-05")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_what_is_planted_is_a_possible_shop(simulated: Shop, fault: Any) -> None:
    """The days before stay as they were; rates stay shares; the rest of the tables is untouched."""
    tables = read(simulated.simulate(20).engine())
    bad = planted(tables, fault, 15, 0.5, 1)
    assert bad is not None
    changed = set()
    for key, one in bad.series.items():
        before = tables.series[key]
        for left, right in ((one.value, before.value), (one.numerator, before.numerator)):
            assert np.array_equal(left[:15], right[:15], equal_nan=True)
        if not np.array_equal(one.value, before.value, equal_nan=True):
            changed.add(key[0])
        if not np.isnan(one.denominator[15:]).any() and "revenue" not in key[0] and key[0] != "aov":
            assert np.nanmax(one.value[15:]) <= 1.0
            assert np.nanmin(one.value[15:]) >= 0.0
    assert changed >= set(fault.rates) - {"referrer_coverage"} or fault.rates[0] in changed
    shares = [one.value[15:] for key, one in bad.series.items() if key[0] == "channel_share"]
    assert np.allclose(np.sum(shares, axis=0), 1.0)
    again = planted(tables, fault, 15, 0.5, 1)
    assert again is not None
    assert all(
        np.array_equal(one.value, again.series[key].value, equal_nan=True)
        for key, one in bad.series.items()
    )


def test_a_window_is_a_warehouse_of_its_own(simulated: Shop, day: Dates) -> None:
    """Dates, deliveries and hours move along."""
    part = window(read(simulated.simulate(12).engine()), 4, 9)
    assert (part.first, part.size) == (day(4), 5)
    assert sorted(part.deliveries) == list(range(5))
    assert part.deliveries[0][0].delivery == f"{day(4)}.csv"
    assert part.hourly["events"].shape == (5, 24)


def tried(simulated: Shop, days: int, **settings: Any) -> Backtest:
    """A back-test of a simulated shop with the shipped rules."""
    rules = load(MonitorRules, None, "rules/monitor.yml")
    tables = read(simulated.simulate(days, sessions=3000).engine())
    return backtest(tables, rules, timezone="UTC", currency="USD", **settings)


def test_large_faults_are_seen_and_small_ones_are_not(simulated: Shop) -> None:
    """Everything gone is seen on the day; the table has a row a fault and size."""
    found = tried(simulated, 23, sizes=(0.02, 1.0), starts=1)
    (setting,) = found.settings
    assert setting.false_alarms_per_year == 2
    assert setting.days == 23
    assert len(setting.cells) == 2 * len(FAULTS)
    assert {cell.tries for cell in setting.cells} == {1}
    whole = [cell for cell in setting.cells if cell.size == 1.0]
    assert all(cell.within_week == 1.0 for cell in whole), whole
    small = [cell.within_week for cell in setting.cells if cell.size == 0.02]
    assert sum(small) / len(small) < 0.5


def test_a_short_history_cannot_be_tried(simulated: Shop) -> None:
    """One sentence says how many days are needed."""
    with pytest.raises(WarehouseError, match="14 days of history"):
        tried(simulated, 10)
