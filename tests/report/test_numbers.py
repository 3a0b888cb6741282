from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallymark.engine.warehouse import Warehouse
from tallymark.report.numbers import Numbers, compute

DAY = dt.date(2026, 5, 4)
NEXT = DAY + dt.timedelta(days=1)


def _tiny(shop: Any) -> dict[str, list[dict[str, Any]]]:
    """Two days, ten sessions of people and two others, five rows of orders."""
    sessions = [shop.session(n, DAY if n <= 6 else NEXT) for n in range(1, 11)]
    sessions[0] |= {"orders": 1, "add_to_carts": 2, "checkouts_started": 1}
    sessions[1] |= {"orders": 1, "add_to_carts": 1}
    sessions[2] |= {"add_to_carts": 1, "checkouts_started": 1, "referrer_host": "a.example"}
    sessions[3] |= {"checkouts_started": 1}
    sessions[6] |= {"orders": 1, "add_to_carts": 1, "checkouts_started": 2}
    sessions += [
        shop.session(11, DAY, is_bot=True, orders=1),
        shop.session(12, DAY, is_internal=True),
    ]
    orders = [
        shop.order(1, DAY, "100.00", transaction_id="x", id_status="id_collision"),
        shop.order(2, DAY, "40.00", transaction_id="x", id_status="id_collision"),
        shop.order(7, NEXT, "60.00"),
        shop.order(8, NEXT, "60.00", transaction_id="t7", status="redelivery", is_counted=False),
        shop.order(9, NEXT, "0.00", status="test", is_counted=False),
    ]
    credit = [
        shop.credit(1, "first_click", "Paid Search", "100.00"),
        shop.credit(1, "last_click", "Email", "100.00"),
        shop.credit(2, "first_click", "Unknown", "40.00"),
        shop.credit(2, "last_click", "Unknown", "40.00"),
        shop.credit(7, "first_click", "Unattributed", "60.00"),
        shop.credit(7, "last_click", "Unattributed", "60.00"),
        shop.credit(9, "last_click", "Email", "999.00"),  # of an order that is not counted
    ]
    return {"fct_sessions": sessions, "fct_orders": orders, "fct_attribution": credit}


def _numbers(warehouse: Warehouse, through: dt.date | None = None) -> Numbers:
    engine = warehouse.open(threads=1)
    try:
        return compute(engine, currency="USD", through=through)
    finally:
        engine.close()


@pytest.fixture(params=["warehouse", "exports"])
def tiny(request: pytest.FixtureRequest, shop: Any, tmp_path: Path) -> Warehouse:
    """The tiny shop, as a whole warehouse and as exported CSV files."""
    make = shop.publish if request.param == "warehouse" else shop.export
    found: Warehouse = make(tmp_path, _tiny(shop))
    return found


def test_sessions_of_people(tiny: Warehouse) -> None:
    """Bots and internal traffic are in no rate, and each step counts within the one before."""
    sessions = _numbers(tiny).sessions
    assert sessions is not None
    assert (sessions.total, sessions.outside) == (10, 2)
    steps = [
        (rate.numerator, rate.denominator)
        for rate in (sessions.conversion, sessions.cart, sessions.checkout, sessions.purchase)
    ]
    assert steps == [(3, 10), (4, 10), (4, 5), (2, 4)]
    assert sessions.conversion.interval == pytest.approx((0.1078, 0.6032), abs=1e-4)


def test_orders_and_what_each_policy_is_worth(tiny: Warehouse) -> None:
    """Revenue is that of counted orders, to the cent; other policies are priced beside it."""
    orders = _numbers(tiny).orders
    assert orders is not None
    assert (orders.counted, orders.revenue.value, orders.collisions) == (3, Decimal(200), 2)
    assert orders.mean is not None
    assert orders.mean.value == pytest.approx(Decimal("66.6667"), abs=Decimal("0.0001"))
    assert orders.revenue.interval is None, "three orders carry no interval"
    assert orders.set_aside == {"redelivery": 1, "test": 1}
    assert {name: float(amount) for name, amount in orders.policies.items()} == {
        "ours": 200,
        "all": 260,
        "keep first": 160,
        "keep last": 100,
        "keep largest": 160,
    }


def test_orders_without_a_seen_checkout(tiny: Warehouse) -> None:
    """An order whose session shows no checkout start is counted as such."""
    orders = _numbers(tiny).orders
    assert orders is not None
    assert (orders.unseen_checkout, orders.unseen_checkout_revenue) == (1, Decimal(40))


def test_credit_adds_up_to_counted_revenue(tiny: Warehouse) -> None:
    """Each model credits the counted revenue whole; what is no channel stands last."""
    numbers = _numbers(tiny)
    assert [row.channel for row in numbers.channels] == [
        "Email",
        "Paid Search",
        "Unattributed",
        "Unknown",
    ]
    assert sum(row.first or 0 for row in numbers.channels) == 200
    assert sum(row.last or 0 for row in numbers.channels) == 200
    assert numbers.no_channel is not None
    assert numbers.no_channel.value == 100
    assert numbers.no_channel_value == 0.5


def test_nothing_after_the_day_asked_for(tiny: Warehouse) -> None:
    """``through`` leaves out later sessions, orders and their credit."""
    numbers = _numbers(tiny, through=DAY)
    assert numbers.last == DAY
    assert numbers.orders is not None
    assert numbers.orders.revenue.value == 140
    assert sum(row.last or 0 for row in numbers.channels) == 140


def test_other_currencies_are_counted(shop: Any, tmp_path: Path) -> None:
    """Orders in another currency are told, not silently added."""
    tables = _tiny(shop)
    tables["fct_orders"][0]["currency"] = "EUR"
    orders = _numbers(shop.publish(tmp_path, tables)).orders
    assert orders is not None
    assert orders.other_currencies == 1


def test_a_refund_counts_in_every_policy(shop: Any, tmp_path: Path) -> None:
    """A dated refund lowers the revenue of every policy, whatever its transaction id."""
    tables = _tiny(shop)
    tables["fct_orders"].append(
        shop.order(20, NEXT, "-10.00", transaction_id="t7", status="refund", session_id=None)
    )
    orders = _numbers(shop.publish(tmp_path, tables)).orders
    assert orders is not None
    assert [float(amount) for amount in orders.policies.values()] == [190, 250, 150, 90, 150]


def test_intervals_hold_the_value(full: Warehouse) -> None:
    """With enough orders every stated value lies inside its interval."""
    numbers = _numbers(full)
    orders = numbers.orders
    assert orders is not None
    assert orders.mean is not None
    for amount in (orders.revenue, orders.mean, numbers.no_channel):
        assert amount is not None
        assert amount.interval is not None
        assert amount.interval.low < amount.value < amount.interval.high
    assert numbers.no_channel_share is not None
    low, high = numbers.no_channel_share
    assert low < (numbers.no_channel_value or 0) < high
    assert numbers == _numbers(full), "seeded: the same numbers again"
