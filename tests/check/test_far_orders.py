"""Orders worth thousands of times what orders are: told, with their query, and nothing sound is."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.check.counting.sizes import sizes_of
from tallymark.check.past.far_orders import Worths
from tallymark.check.past.habits import Day
from tallymark.config import Severity
from tallymark.contract import Payload
from tallymark.results import CheckResult, Finding
from tests.check.days_made import findings
from tests.check.judging import Shop
from tests.check.test_queries_kinds import _counted, _order, _put, _shop, _views
from tests.ingest.making import as_csv, purchase

FAR = "order_far_revenue"


def _days(shop: Shop, days: Sequence[Sequence[float]], currency: str = "EUR") -> CheckResult:
    """A shop whose orders of each day have these revenues, one a minute from 09:00 on."""
    for number, revenues in enumerate(days, 1):
        rows = [
            purchase(
                {"transaction_id": f"T{number}-{at}", "revenue": revenue, "currency": currency,
                 "items": [{"item_name": "Tea", "item_price": revenue, "quantity": 1}]},
                client_id=f"c-{number}-{at}",
                timestamp=f"2031-05-{number:02}T{9 + at // 60:02}:{at % 60:02}:00.000Z",
            )
            for at, revenue in enumerate(revenues)
        ]  # fmt: skip
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    return shop.check()


def _usual(count: int, seed: int = 1, spread: float = 0.8) -> list[float]:
    logs = np.random.default_rng(seed).normal(0, spread, count)
    return [round(40 * float(np.exp(one)), 2) for one in logs]


def test_an_order_of_nines_is_told(shop: Shop) -> None:
    """One order of 999,999 among forty of some forty: an error, for it is most of the revenue."""
    (found,) = findings(_days(shop, [[*_usual(40)], [*_usual(65, 2), 999_999]]), FAR)
    assert (found.rows, found.severity) == (1, Severity.P1)
    assert found.since == "2031-05-02T10:00:00.000Z"
    assert found.message == (
        "1 of 66 purchases states a revenue of 65,536 or more, where half of all orders are below "
        "64: most of the revenue"
    )


def test_among_many_it_is_a_warning(shop: Shop) -> None:
    """Where it is a small part of the revenue, the rule's own severity holds."""
    (found,) = findings(_days(shop, [[*_usual(890), 70_000]]), FAR)
    assert (found.rows, found.severity) == (1, Severity.P2)


def test_small_shops_learn_from_the_days_before(shop: Shop) -> None:
    """Seven orders a day are too few at first, and enough on the fifth."""
    days = [[*_usual(6, seed), 5e6 if seed in {2, 5} else 40.0] for seed in range(1, 7)]
    found = findings(_days(shop, days), FAR)
    assert [one.since for one in found] == ["2031-05-05T09:00:00.000Z"]


@pytest.mark.parametrize("spread", [0.3, 0.8, 1.6])
@pytest.mark.parametrize("scale", [0.01, 1, 30_000])
def test_sound_orders_of_every_kind_of_shop(shop: Shop, spread: float, scale: float) -> None:
    """Stickers, cars, and shops that sell both; amounts below one, and amounts of rupiahs."""
    days = [[round(scale * one, 4) for one in _usual(400, seed, spread)] for seed in range(1, 4)]
    assert not findings(_days(shop, days), FAR)


def test_a_currency_is_compared_with_itself() -> None:
    """Orders of rupiahs beside orders of dollars are no mistake; nor do they hide one."""

    def day(number: int, rows: Sequence[tuple[str, float]]) -> Day:
        told = [(1000, currency, Decimal(str(revenue))) for currency, revenue in rows]
        entry: dict[str, Any] = {"delivery": f"{number}.csv", "orders": {"sizes": sizes_of(told)}}
        return Day(f"2031-05-{number:02}", [entry], [entry])

    worths = Worths(Payload())
    both = [*(("USD", one) for one in _usual(40)), *(("IDR", 16_000 * one) for one in _usual(40))]
    assert not list(worths.look(day(1, both)))
    (told,) = worths.look(day(2, [*both, ("USD", 640_000.0)]))
    assert told.hit.message.startswith("1 of 41 purchases states a revenue of 65,536 or more USD")
    assert "'USD'" in str(told.hit.query)


def test_what_was_usual_long_ago_is_forgotten() -> None:
    """A shop that sold machines and sells tea now: its last eight weeks say what is far."""

    def told(worths: Worths, date: str, revenues: Sequence[float]) -> int:
        rows = [(1000, "EUR", Decimal(str(one))) for one in revenues]
        entry: dict[str, Any] = {"delivery": f"{date}.csv", "orders": {"sizes": sizes_of(rows)}}
        return sum(int(one.hit.rows or 0) for one in worths.look(Day(date, [entry], [entry])))

    machines = [40_000.0] * 400
    tea = [*_usual(40), 65_536.0]
    worths = Worths(Payload())
    assert told(worths, "2031-01-01", machines) == 0
    assert told(worths, "2031-02-26", tea) == 0  # 56 days later they still count
    assert told(worths, "2031-02-27", tea) == 1
    assert told(worths, "2031-02-28", tea) == 1


def test_the_query_counts_them_again(tmp_path: Any) -> None:
    """The number of orders that the finding states is that of its query."""
    raw = _shop(tmp_path)
    orders = [_order(5, f"T{at}", f"b-{at}", at, revenue=20 + at) for at in range(40)]
    far = [_order(5, f"F{at}", f"f-{at}", 50 + at, revenue=1e9) for at in range(3)]
    _put(raw, 5, [*_views(5), *orders, *far])
    checked, told = _counted(tmp_path)
    rows: dict[str | None, Finding] = {one.rule: one for one in checked.deliveries[-1].findings}
    assert rows[FAR].rows == 3
    assert f"{FAR} by query" in told


@given(st.decimals("0.0001", "90000000000000", places=4))
def test_a_size_is_the_power_of_two_below(revenue: Decimal) -> None:
    """Exact at the powers themselves, where a rounded logarithm is on either side."""
    ((name, (count, hour)),) = sizes_of([(7_200_000, " eur ", revenue)]).items()
    currency, _, size = name.partition(":")
    assert (currency, count, hour) == ("EUR", 1, 2)
    power = Decimal(2) ** int(size)
    assert power <= revenue < 2 * power


@pytest.mark.parametrize("revenue", [None, Decimal(0), Decimal(-5)])
def test_what_is_worth_nothing_has_no_size(revenue: Decimal | None) -> None:
    """Nor has a refund, or an order that states no revenue."""
    assert not sizes_of([(0, "EUR", revenue)])
