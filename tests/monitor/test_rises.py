"""Amounts far above any sale: an error, said in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tallymark.results import Severity

Shop = Any
Dates = Callable[[int], dt.date]


def multiplied(factor: float, day: int) -> Callable[[Any], None]:
    """Every amount of a day multiplied."""

    def plant(one: Any) -> None:
        if one.number == day:
            one.values = one.values * factor

    return plant


@pytest.mark.parametrize(
    ("factor", "history", "says"),
    [(100, 20, "prices in cents?"), (100, 5, "prices in cents?"), (0.01, 20, "divided by 100")],
)
def test_another_unit_of_money_is_an_error(
    simulated: Shop, day: Dates, factor: float, history: int, says: str
) -> None:
    """All amounts a hundred times, or a hundredth, of the usual: P1, and the unit is named."""
    shop = simulated.simulate(history + 1, sessions=3000.0, plant=multiplied(factor, history))
    result = shop.watch().judge(day(history))
    found = {one.id: one for one in result.findings}
    assert found["aov"].severity is Severity.P1
    assert says in found["aov"].message
    assert result.status == "RED"
    (incident,) = [one for one in result.incidents if "aov" in one.findings]
    assert "revenue" in incident.findings
    assert says in result.headline


def test_many_times_the_usual_is_said_as_times(simulated: Shop, day: Dates) -> None:
    """From five times on nobody thinks in per cent."""
    shop = simulated.simulate(15, sessions=3000.0, plant=multiplied(12, 14))
    (found,) = [one for one in shop.watch().judge(day(14)).findings if one.id == "aov"]
    assert " times the usual " in found.message
    assert " %" not in found.message.partition("(")[0]
    assert found.severity is Severity.P1


def test_a_sale_is_no_absurd_amount(simulated: Shop, day: Dates) -> None:
    """Twice or three times the usual order may be a good day: a warning."""
    shop = simulated.simulate(15, sessions=3000.0, plant=multiplied(3, 14))
    (found,) = [one for one in shop.watch().judge(day(14)).findings if one.id == "aov"]
    assert found.severity is Severity.P2
