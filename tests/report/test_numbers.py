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


def test_a_refund_is_no_part_of_what_was_sold(shop: Any, tmp_path: Path) -> None:
    """Of one whose order is older than the data no channel is known; no share is above one."""
    tables = _tiny(shop)
    tables["fct_orders"].append(
        shop.order(20, NEXT, "-190.00", transaction_id="t0", status="refund", session_id=None)
    )
    tables["fct_attribution"].append(shop.credit(20, "last_click", "Unattributed", "-190.00"))
    numbers = _numbers(shop.publish(tmp_path, tables))
    assert numbers.no_channel is not None
    assert numbers.no_channel.value == 100
    assert numbers.no_channel_of == 200
    assert numbers.no_channel_value == 0.5


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


# ---------------------------------------------------------------- days without data


def _delivered(date: dt.date, rows: int = 40, quarantined: int = 0) -> dict[str, Any]:
    return {
        "delivery": f"{date}.csv", "date": date.isoformat(), "score": 100, "rows_read": rows,
        "rows_quarantined": quarantined,
    }  # fmt: skip


def _days(*offsets: int) -> list[dt.date]:
    return [DAY + dt.timedelta(days=n) for n in offsets]


def _week(shop: Any) -> dict[str, list[dict[str, Any]]]:
    """Five days with ten sessions and an order each, of which the fourth sold nothing."""
    sessions = [shop.session(10 * n + m, date) for n, date in enumerate(_days(*range(5)))
                for m in range(10)]  # fmt: skip
    orders = [shop.order(10 * n, date, "10.00") for n, date in enumerate(_days(0, 1, 2, 4))]
    return {
        "fct_sessions": sessions,
        "fct_orders": orders,
        "fct_attribution": [],
        "ledger_deliveries": [_delivered(date) for date in _days(*range(5))],
    }


def test_a_day_that_was_not_delivered_is_no_day_of_zero(shop: Any, tmp_path: Path) -> None:
    """It is a gap; a delivered day without an order, or without anything, stays a day of zero."""
    tables = _week(shop)
    third, last = _days(2, 6)
    for name, key in (("fct_sessions", "session_date"), ("fct_orders", "order_date")):
        tables[name] = [row for row in tables[name] if row[key] != third]
    tables["ledger_deliveries"][2] |= {"rows_quarantined": 40}
    tables["ledger_deliveries"].append(_delivered(last))
    numbers = _numbers(shop.publish(tmp_path, tables))
    assert [(one.date, float(one.revenue)) for one in numbers.days] == list(
        zip(_days(0, 1, 3, 4, 6), (10, 10, 0, 10, 0), strict=True)
    )
    assert (numbers.days_with_data, numbers.last) == (5, last)
    assert numbers.gaps == tuple(_days(2, 5))


def test_late_rows_make_no_day(shop: Any, tmp_path: Path) -> None:
    """Some sessions of a day that came with the next day's file do not make it a delivered one."""
    tables = _week(shop)
    (second,) = _days(1)
    tables["ledger_deliveries"] = [
        one for one in tables["ledger_deliveries"] if one["date"] != second.isoformat()
    ]
    whole = _numbers(shop.publish(tmp_path / "whole", tables))
    assert whole.gaps == (), "all of the day came in a file of another name"
    late = [row for row in tables["fct_sessions"] if row["session_date"] == second][4:]
    tables["fct_sessions"] = [row for row in tables["fct_sessions"] if row not in late]
    few = _numbers(shop.publish(tmp_path / "few", tables))
    assert few.gaps == (second,)
    assert few.days_with_data == 4
    assert few.orders is not None
    assert few.orders.revenue.value == 40, "its order counts all the same"


def test_without_a_ledger_a_day_of_nothing_is_not_known(shop: Any, tmp_path: Path) -> None:
    """In exported tables, a day that is not there has no data; holes of months are not listed."""
    tables = _week(shop)
    del tables["ledger_deliveries"]
    for row in tables["fct_sessions"]:
        if row["session_date"] == DAY:
            row["session_date"] = DAY - dt.timedelta(days=400)
    tables["fct_orders"] = tables["fct_orders"][2:]
    tables["fct_sessions"] = [
        row for row in tables["fct_sessions"] if row["session_date"] != _days(3)[0]
    ]
    numbers = _numbers(shop.export(tmp_path, tables))
    assert numbers.gaps == tuple(_days(3))


# ---------------------------------------------------------------- what readers reconcile


def test_every_order_has_its_place(shop: Any, tmp_path: Path) -> None:
    """Orders after a checkout, without one, of bots, and of no known session add up to all."""
    tables = _tiny(shop)
    tables["fct_orders"] += [
        shop.order(11, DAY, "5.00"),
        shop.order(12, DAY, "6.00", session_id=None),
        shop.order(13, DAY, "7.00", session_id="s1"),
    ]
    numbers = _numbers(shop.publish(tmp_path, tables))
    orders, sessions = numbers.orders, numbers.sessions
    assert orders is not None
    assert sessions is not None
    found = (orders.after_checkout, orders.without_checkout, orders.outside, orders.without_session)
    assert found == (3, 1, 1, 1)
    assert sum(found) == orders.counted
    assert sessions.purchase.numerator == 2, "one session bought twice"


@pytest.mark.parametrize(("channel", "bound"), [("Email", (0, 0.1391)), ("Unknown", (0.8609, 1))])
def test_none_or_all_without_a_channel(
    shop: Any, tmp_path: Path, channel: str, bound: tuple[float, float]
) -> None:
    """Resampling would be sure that it can never be otherwise; the exact bound is not."""
    tables = {
        "fct_sessions": [shop.session(n, DAY, orders=1) for n in range(20)],
        "fct_orders": [shop.order(n, DAY, "10.00") for n in range(20)],
        "fct_attribution": [shop.credit(n, "last_click", channel, "10.00") for n in range(20)],
    }
    numbers = _numbers(shop.publish(tmp_path, tables))
    assert numbers.no_channel_share is None
    assert numbers.no_channel is not None
    assert numbers.no_channel.interval is None
    assert numbers.no_channel_orders == pytest.approx(bound, abs=1e-4)
