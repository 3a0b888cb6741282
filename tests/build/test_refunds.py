"""Money that goes back, amounts that several readings have, and currencies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallymark.build.money import Money, unit_of
from tallymark.config import Config
from tallymark.contract import Payload
from tallymark.errors import ConfigError
from tallymark.ingest.payloads import parse_order
from tests.build.shop import HOME, HOUR, MINUTE, Event, Shop, cart, order, view

DAY = 24 * HOUR
NOON = 12 * HOUR
EMAIL = f"{HOME}?utm_source=newsletter&utm_medium=email"


def back(
    at: int, client: str = "", *, number: str | None = "L-1", name: str = "refund", **said: Any
) -> Event:
    """A refund, from the back office unless a client is named."""
    told = {"transaction_id": number, **said}
    payload = {key: value for key, value in told.items() if value is not None}
    return Event(at, client, name, data=json.dumps(payload))


def pay(at: int, client: str = "ann", *, number: str = "L-1", **said: Any) -> Event:
    """A purchase with a payload of one's own."""
    payload = {"transaction_id": number, **said}
    return Event(at, client, "checkout_completed", data=json.dumps(payload))


def _shop(folder: Path, events: Sequence[Event], settings: str = "") -> Shop:
    shop = Shop(folder)
    (folder / "tallymark.yml").write_text(f"generations: 1\n{settings}", encoding="utf-8")
    shop.deliver("export.csv", events)
    shop.build()
    return shop


CASES: dict[str, tuple[list[Event], list[tuple[str, str]]]] = {
    "in full": ([order(NOON), back(NOON + 1)], [("kept", "20"), ("refund", "-20")]),
    "cancelled": (
        [order(NOON), back(NOON + 1, name="order_cancelled")],
        [("kept", "20"), ("refund", "-20")],
    ),
    "in part": ([order(NOON), back(NOON + 1, revenue=5)], [("kept", "20"), ("refund", "-5")]),
    "written below zero": (
        [order(NOON), back(NOON + 1, revenue=-5)],
        [("kept", "20"), ("refund", "-5")],
    ),
    "by its lines": (
        [
            order(NOON),
            back(NOON + 1, items=[{"item_name": "Lamp", "quantity": 2, "item_price": 3}]),
        ],
        [("kept", "20"), ("refund", "-6")],
    ),
    "twice in part": (
        [order(NOON), back(NOON + 1, revenue=5), back(NOON + 2, revenue=6)],
        [("kept", "20"), ("refund", "-5"), ("refund", "-6")],
    ),
    "sent twice": (
        [order(NOON), back(NOON + 1, revenue=5), back(NOON + 2, revenue=5)],
        [("kept", "20"), ("refund", "-5"), ("redelivery", "-5")],
    ),
    "cancelled and refunded": (
        [order(NOON), back(NOON + 1, name="order_cancelled", revenue=20), back(NOON + 2)],
        [("kept", "20"), ("refund", "-20"), ("refund", "0")],
    ),
    "more than it brought": (
        [order(NOON), back(NOON + 1, revenue=50)],
        [("kept", "20"), ("refund", "-20")],
    ),
    "what is left": (
        [order(NOON), back(NOON + 1, revenue=15), back(NOON + 2, name="order_cancelled")],
        [("kept", "20"), ("refund", "-15"), ("refund", "-5")],
    ),
    "of nobody's order": ([back(NOON, revenue=5)], [("refund", "-5")]),
    "of nobody's order, of nothing": ([back(NOON)], [("refund", "0")]),
    "without an id": (
        [order(NOON), back(NOON + 1, number=None)],
        [("kept", "20"), ("refund", "0")],
    ),
    "a purchase below zero": (
        [order(NOON), order(NOON + 1, revenue=-8)],
        [("kept", "20"), ("refund", "-8")],
    ),
    "a clock that runs backwards": (
        [order(NOON), back(NOON - HOUR)],
        [("refund", "-20"), ("kept", "20")],
    ),
    "in the same millisecond": (
        [back(NOON), order(NOON)],
        [("refund", "-20"), ("kept", "20")],
    ),
    "of the one who asks": (
        [order(NOON), order(NOON + 1, "bob", revenue=30), back(NOON + 2, "ann")],
        [("kept", "20"), ("kept", "30"), ("refund", "-20")],
    ),
    "of two who bought the same under one id": (
        [order(NOON), order(NOON + 1, "bob"), back(NOON + 2, "ann"), back(NOON + 3, "bob")],
        [("kept", "20"), ("kept", "20"), ("refund", "-20"), ("refund", "-20")],
    ),
    "of an order sent twice": (
        [order(NOON), order(NOON + 1), back(NOON + 2), back(NOON + 3, revenue=1)],
        [("kept", "20"), ("redelivery", "20"), ("refund", "-20"), ("refund", "0")],
    ),
    "absurd": (
        [order(NOON), back(NOON + 1, revenue=1e30), order(NOON + 2, number="L-2", revenue=1e30)],
        [("kept", "20"), ("refund", "-20"), ("kept", "0")],
    ),
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Each case on a day of its own, with its own ids and clients, built once."""
    events = [
        Event(
            event.at + number * DAY, event.client and f"{number}.{event.client}", event.name,
            data=event.data.replace('"L-', f'"{number}-L-'),
        )
        for number, (case, _) in enumerate(CASES.values())
        for event in case
    ]  # fmt: skip
    shop = Shop(tmp_path_factory.mktemp("cases"))
    shop.deliver("export.csv", events)
    shop.build()
    return shop


@pytest.mark.parametrize("case", CASES)
def test_refunds_are_dated_rows_below_zero(cases: Shop, case: str) -> None:
    """What is taken back of which order, in the order of time."""
    number = list(CASES).index(case)
    found = cases.rows(
        "select status, revenue, is_counted, session_id is null from fct_orders "
        f"where order_date = date '2031-05-05' + {number} order by ordered_at, revenue"
    )
    assert [(row[0], row[1]) for row in found] == [
        (status, Decimal(revenue)) for status, revenue in CASES[case][1]
    ]
    for status, _, counted, outside in found:
        assert counted == (status in {"kept", "refund"})
        assert outside or status != "refund"


def test_refunds_subtract_on_their_own_date_and_from_their_own_channel(tmp_path: Path) -> None:
    """Weeks later, from the channel that the order was credited to; no order, no session."""
    events = [
        view(NOON, url=EMAIL), order(NOON + 1), cart(NOON + 2),
        view(NOON + DAY, url=EMAIL), order(NOON + DAY + 1, number="L-2", revenue=7),
        view(NOON + 30 * DAY, "bob"), back(NOON + 30 * DAY, "bob", revenue=5),
    ]  # fmt: skip
    shop = _shop(tmp_path, events)
    assert shop.rows(
        "select model, c.channel, c.revenue, epoch_ms(touch_at) = epoch_ms(s.session_start) "
        "from fct_attribution as c inner join fct_orders using (order_id) "
        "inner join fct_sessions as s on c.session_id = s.session_id "
        "where status = 'refund' and model in ('last_click', 'linear') order by all"
    ) == [("last_click", "Email", Decimal(-5), True), ("linear", "Email", Decimal(-5), True)]
    day = "date = date '2031-06-04' and segment"
    assert shop.rows(
        "select metric, numerator from metrics_daily where metric in ('orders', 'revenue', "
        f"'refunds', 'refunded_revenue', 'revenue_gross') and {day} = 'all' order by 1"
    ) == [
        ("orders", 0), ("refunded_revenue", 5), ("refunds", 1), ("revenue", -5),
        ("revenue_gross", 0),
    ]  # fmt: skip
    assert shop.values(
        "select numerator from metrics_daily where metric = 'attributed_revenue' "
        f"and {day} = 'model=last_click;channel=Email'"
    ) == [Decimal(-5)]
    assert shop.values("select sum(revenue) from fct_sessions") == [Decimal(27)]
    assert shop.build(full=True).counted_orders == 2
    assert shop.build().counted_revenue == Decimal(22)


def test_lines_of_a_refund_are_below_zero(cases: Shop) -> None:
    """Pieces and money alike, so that sums over lines are net."""
    assert cases.rows(
        "select quantity, line_revenue from fct_order_items inner join fct_orders using (order_id) "
        "where status = 'refund' and quantity = -2"
    ) == [(Decimal(-2), Decimal(-6))]


def test_odd_orders_are_kept_and_counted(tmp_path: Path) -> None:
    """Without client, before any view, and two in a millisecond: each is an order."""
    shop = _shop(
        tmp_path,
        [
            order(NOON, "", number="L-1"),
            order(NOON, "bob", number="L-2"),
            view(NOON + MINUTE, "bob"),
            order(NOON, "cat", number="L-3"),
            order(NOON, "cat", number="L-4"),
        ],
    )
    assert shop.values("select count(*) from fct_orders where is_counted") == [4]
    assert shop.rows(
        "select numerator, denominator from metrics_daily where metric = 'unseen_journey_share'"
    ) == [(4, 4)]


# ---------------------------------------------------------------- what counts


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("total", ["100", "50", "10"]),
        ("subtotal", ["80", "44", "10"]),
        ("without_tax", ["85", "50", "10"]),
        ("without_shipping", ["95", "44", "10"]),
    ],
)
def test_what_of_an_order_is_revenue(policy: str, expected: list[str]) -> None:
    """Total, subtotal, or without tax or shipping; parts that exceed the whole do not count."""
    config = Config.model_validate({"orders": {"revenue": policy}})
    money = Money(config=config, names=Payload())
    told: tuple[dict[str, int], ...] = (
        {"revenue": 100, "tax": 15, "shipping": 5},
        {"revenue": 50, "shipping": 6, "subtotal": 44},
        {"revenue": 10, "tax": 11, "shipping": 12, "subtotal": 13},
    )
    orders = [parse_order(json.dumps(one), Payload()) for one in told]
    assert [money.amount(order) for order in orders] == [Decimal(one) for one in expected]


def test_a_refund_takes_back_what_counted(tmp_path: Path) -> None:
    """The policy holds for orders and refunds alike; what was delivered stands beside it."""
    shop = _shop(
        tmp_path,
        [pay(NOON, revenue=100, tax=15, shipping=5), back(NOON + 3)],
        "orders: {revenue: subtotal}\n",
    )
    assert shop.rows("select revenue, delivered_revenue from fct_orders order by ordered_at") == [
        (Decimal(80), Decimal(100)), (Decimal(-80), None),
    ]  # fmt: skip


MIXED = [
    pay(NOON, revenue="10.00", currency="USD"),
    pay(NOON + 1, number="L-2", revenue="10.01", currency="eur"),
    pay(NOON + 2, number="L-3", revenue="1000", currency="JPY"),
    pay(NOON + 3, number="L-4", revenue="1", currency="?"),
    pay(NOON + 4, number="L-5", revenue="1"),
    back(NOON + 5, number="L-2", revenue="5", currency="EUR"),
]


def test_mixed_currencies_without_a_rate_are_refused(tmp_path: Path) -> None:
    """In one sentence that names them and the setting; nothing is published."""
    with pytest.raises(ConfigError) as caught:
        _shop(tmp_path, MIXED, "orders: {currency_rates: {JPY: 0.0065}}\n")
    assert (
        "orders come in EUR, JPY and USD, and orders.currency_rates has no rate for EUR, so their "
        "revenue cannot be added up"
    ) in str(caught.value)
    assert "currency_rates: {EUR: 1.1}" in str(caught.value)


def test_mixed_currencies_are_converted(tmp_path: Path) -> None:
    """To the unit of the shop's currency, half a unit up; what was delivered stands beside it."""
    shop = _shop(tmp_path, MIXED, "orders: {currency_rates: {EUR: 1.085, JPY: '0.0065'}}\n")
    assert shop.rows(
        "select revenue, currency, delivered_revenue, delivered_currency from fct_orders "
        "order by ordered_at"
    ) == [
        (Decimal("10.00"), "USD", Decimal("10.00"), "USD"),
        (Decimal("10.86"), "USD", Decimal("10.01"), "eur"),
        (Decimal("6.50"), "USD", Decimal(1000), "JPY"),
        (Decimal(1), "USD", Decimal(1), "?"),
        (Decimal(1), "USD", Decimal(1), None),
        (Decimal("-5.43"), "USD", Decimal(5), "EUR"),
    ]


def test_a_refund_without_a_currency_is_in_that_of_its_order(tmp_path: Path) -> None:
    """Five of the ten euros go back, whatever the shop's own currency is worth."""
    events = [
        pay(NOON, revenue="10", currency="EUR"),
        back(NOON + 1, revenue="5", items=[{"item_id": "a", "item_price": "5"}]),
    ]
    shop = _shop(tmp_path, events, "orders: {currency_rates: {EUR: 2}}\n")
    assert shop.rows("select revenue, currency from fct_orders order by ordered_at") == [
        (Decimal(20), "USD"), (Decimal(-10), "USD"),
    ]  # fmt: skip
    assert shop.values("select line_revenue from fct_order_items") == [Decimal(-10)]


def test_one_foreign_currency_is_taken_as_it_is(cases: Shop) -> None:
    """Nothing is mixed; the report says how many orders are not in the shop's currency."""
    assert cases.values("select distinct currency from fct_orders where revenue = 20") == ["EUR"]


def test_a_total_is_said_in_the_currency_of_its_orders(tmp_path: Path) -> None:
    """Dollars are the default of a shop that named no currency; its orders may be in euros."""
    shop = _shop(tmp_path, [order(NOON), order(NOON + 1, "bob", number="L-2")])
    assert shop.build().currency == "EUR"
    shop.deliver("more.csv", [pay(NOON + 2, "cat", number="L-3", revenue=1)])
    assert shop.build().currency == "EUR"  # one that names none tells nothing else


LOST = [
    view(NOON, url=EMAIL), order(NOON + 1, revenue=100), order(NOON + 2, "bob", number="L-2"),
    back(NOON + 3, number="O-1", revenue=110), back(NOON + 4, number="O-2", revenue=30),
]  # fmt: skip


def test_a_refund_of_an_unknown_order_spoils_no_share(tmp_path: Path) -> None:
    """It has no channel, and more may go back on a day than came: the share is of what was sold."""
    shop = _shop(tmp_path, LOST)
    assert shop.values("select sum(revenue) from fct_attribution where model = 'linear'") == [-20]
    share = shop.build().channel_share
    assert share == pytest.approx(100 / 120)


def test_the_daily_share_without_a_channel_is_of_what_was_sold(tmp_path: Path) -> None:
    """As every rate: what is counted above is a part of what is counted below."""
    shop = _shop(tmp_path, LOST)
    assert shop.rows(
        "select numerator, denominator from metrics_daily where metric = 'no_channel_revenue_share'"
    ) == [(20, 120)]


def test_units_of_currencies() -> None:
    """In ten-thousandths; an unknown currency has hundredths."""
    assert [unit_of(code) for code in ("EUR", "JPY", "BHD", "CLF", "XYZ")] == [
        100, 10_000, 10, 1, 100,
    ]  # fmt: skip
