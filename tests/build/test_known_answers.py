"""Definitions at their edges: one small shop, a client for each case, answers known by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any, get_args

import pytest

from tallymark.config import CreditModel
from tests.build.shop import (
    BOT,
    HOME,
    HOUR,
    MINUTE,
    Event,
    Shop,
    cart,
    checkout,
    order,
    stamp,
    view,
)

DAY = 24 * HOUR
WEEK = 7 * DAY
NOON = 12 * HOUR
TAGGED = f"{HOME}?utm_source=newsletter&utm_medium=email"
GOOGLE = "https://www.google.com/"
PAYPAL = "https://www.paypal.com/"
LATE = f"{HOME}?utm_source=late"


def _sessions_and_events() -> dict[int, list[Event]]:
    same = view(NOON, "repeat")
    return {
        0: [
            *(view(NOON + at, "gap_exact") for at in (0, 30 * MINUTE)),
            *(view(NOON + at, "gap_over") for at in (0, 30 * MINUTE + 1)),
            view(DAY - 10 * MINUTE, "midnight"),
            view(NOON, "tie_line", url=TAGGED),
            view(NOON, "tie_line", referrer=GOOGLE),
            view(NOON, "tie_file", url=TAGGED),
            view(NOON, ""),
            order(NOON, "", number="anonymous"),
            view(NOON, "bot", agent=BOT),
            order(NOON + 1, "bot", number="bot", agent=BOT),
            same,
            same,
            view(NOON, "fired"),
            view(NOON + 999, "fired"),
            view(NOON + 1999, "fired"),
            view(NOON, "staging", url="https://staging.lamps.example/"),
            view(NOON + 1, "staging", url="https://staging.lamps.example/"),
        ],
        1: [
            view(DAY + 10 * MINUTE, "midnight"),
            view(NOON, "tie_file", url=LATE),
            same,
        ],
    }


def _channels() -> dict[int, list[Event]]:
    return {
        0: [
            cart(NOON, "begins_with_cart"),
            checkout(NOON, "begins_with_checkout"),
            order(NOON, "begins_with_order", number="begins"),
            view(NOON, "plain"),
            view(NOON, "no_url", referrer="not a url"),
            view(NOON, "pays", url=TAGGED),
            view(NOON + HOUR, "pays", referrer=PAYPAL),
            view(NOON + 2 * HOUR, "pays", referrer=HOME),
            view(NOON, "pays_in_time", url=TAGGED),
            view(NOON, "pays_too_late", url=TAGGED),
            view(NOON, "pays_first", referrer=PAYPAL),
            view(NOON, "pays_after_unknown", url=TAGGED),
            cart(NOON + HOUR, "pays_after_unknown"),
            view(NOON + 2 * HOUR, "pays_after_unknown", referrer=PAYPAL),
            view(NOON, "pays_tagged", url=TAGGED, referrer=PAYPAL),
            view(NOON, "separators", url=f"{HOME}?utm_source=a%1Fb&utm_medium=email"),
            view(NOON, "separators_2", url=f"{HOME}?utm_source=a&utm_medium=b%1Femail"),
        ],
        7: [
            view(NOON + WEEK, "pays_in_time", referrer=PAYPAL),
            view(NOON + WEEK + 1, "pays_too_late", referrer=PAYPAL),
        ],
        8: [view(NOON + 8 * DAY, "uncollected")],
    }


def _touches() -> dict[int, list[Event]]:
    return {
        0: [
            view(NOON, "touch_exact", url=TAGGED),
            view(NOON, "touch_over", url=TAGGED),
            view(NOON, "buys_at_once", url=TAGGED),
            order(NOON, "buys_at_once", number="at_once"),
            order(NOON + HOUR, "buys_first", number="buys_first"),
            view(NOON + 3 * HOUR, "buys_first", url=TAGGED),
        ],
        7: [
            order(NOON + WEEK, "touch_exact", number="exact", revenue="33.33"),
            order(NOON + WEEK + 1, "touch_over", number="over"),
        ],
    }


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """All cases, built once."""
    made = Shop(tmp_path_factory.mktemp("shop"))
    days: dict[int, list[Event]] = {}
    for part in (_sessions_and_events(), _channels(), _touches()):
        for day, events in part.items():
            days.setdefault(day, []).extend(events)
    for day, events in days.items():
        made.deliver(day, events, without=("referrer",) if day == 8 else ())
    made.build()
    return made


def _sessions(shop: Shop, client: str, columns: str) -> list[tuple[Any, ...]]:
    return shop.rows(
        f"select {columns} from fct_sessions where client_id = '{client}' order by session_start"
    )


def _credit(shop: Shop, number: str) -> list[tuple[Any, ...]]:
    return shop.rows(
        "select model, touch_at, channel, fct_attribution.revenue from fct_attribution "
        "inner join fct_orders on fct_attribution.order_id = fct_orders.order_id "
        f"where transaction_id = '{number}' and model in ('first_click', 'last_click') "
        "order by model"
    )


def test_a_gap_of_thirty_minutes_is_one_session(shop: Shop) -> None:
    """Exactly the gap does not end a session."""
    assert _sessions(shop, "gap_exact", "events") == [(2,)]


def test_a_millisecond_more_is_two_sessions(shop: Shop) -> None:
    """More than the gap does."""
    assert _sessions(shop, "gap_over", "events") == [(1,), (1,)]


def test_midnight_ends_no_session(shop: Shop) -> None:
    """A session over midnight, from two deliveries, is one and counts on its first day."""
    assert _sessions(shop, "midnight", "events, session_date, session_end") == [
        (2, dt.date(2031, 5, 5), stamp(DAY + 10 * MINUTE))
    ]


@pytest.mark.parametrize("client", ["tie_line", "tie_file"])
def test_equal_times_are_ordered_by_delivery_and_line(shop: Shop, client: str) -> None:
    """Of events of the same millisecond, the first in the first delivery is the landing."""
    assert _sessions(shop, client, "events, landing_page, source") == [(2, HOME, "newsletter")]


def test_events_without_a_client_are_in_no_session(shop: Shop) -> None:
    """They stay in events and in the counts of them."""
    assert shop.values("select count(*) from events where client_id is null") == [2]
    assert shop.values("select count(*) from fct_sessions where client_id is null") == [0]
    assert shop.values(
        "select numerator from metrics_daily where metric = 'anonymous_events' "
        "and date = date '2031-05-05'"
    ) == [2]


def test_bots_have_sessions_and_their_orders_count(shop: Shop) -> None:
    """A bot is flagged and outside rates; an order is never dropped for its user agent."""
    assert _sessions(shop, "bot", "is_bot, orders") == [(True, 1)]
    assert shop.values("select is_counted from fct_orders where client_id = 'bot'") == [True]
    counted, flagged = shop.rows(
        "select (select numerator from metrics_daily where metric = 'sessions' and segment = 'all' "
        "and date = date '2031-05-05'), count(case when is_bot or is_internal then 1 end), "
        "count(*) from fct_sessions where session_date = date '2031-05-05'"
    )[0][::2]
    assert counted == flagged - 2


def test_exact_repeats_are_flagged_and_not_counted(shop: Shop) -> None:
    """The first of three is the event, across deliveries too."""
    assert shop.rows(
        "select delivery, line_number, is_repeat from events where client_id = 'repeat' "
        "order by delivery, line_number"
    ) == [
        (Shop.name(0), 14, False),
        (Shop.name(0), 15, True),
        (Shop.name(1), 4, True),
    ]
    assert _sessions(shop, "repeat", "events") == [(1,)]


def test_double_fired_views_are_counted_and_kept(shop: Shop) -> None:
    """Less than a second after the same page; a second is not. Nothing is deleted."""
    assert _sessions(shop, "fired", "page_views") == [(3,)]
    assert shop.values(
        "select numerator from metrics_daily where metric = 'double_fired_views' "
        "and date = date '2031-05-05'"
    ) == [1]  # the staging host's pair is not among them


def test_internal_traffic_is_flagged(shop: Shop) -> None:
    """A staging host makes internal sessions."""
    assert _sessions(shop, "staging", "is_internal") == [(True,)]


@pytest.mark.parametrize(
    ("client", "channels"),
    [
        ("begins_with_cart", [("Unknown", "landing_not_seen")]),
        ("begins_with_checkout", [("Unknown", "landing_not_seen")]),
        ("begins_with_order", [("Unknown", "landing_not_seen")]),
        ("plain", [("Direct", "direct")]),
        ("no_url", [("Direct", "direct")]),
        ("uncollected", [("Unknown", "referrer_not_collected")]),
        (
            "pays",
            [("Email", "email"), ("Email", "previous_channel"), ("Email", "previous_channel")],
        ),
        ("pays_in_time", [("Email", "email"), ("Email", "previous_channel")]),
        ("pays_too_late", [("Email", "email"), ("Unknown", "own_or_payment_host")]),
        ("pays_first", [("Unknown", "own_or_payment_host")]),
        (
            "pays_after_unknown",
            [("Email", "email"), ("Unknown", "landing_not_seen"), ("Email", "previous_channel")],
        ),
        ("pays_tagged", [("Email", "email")]),
        ("separators", [("Email", "email")]),
        ("separators_2", [("Unassigned", "unassigned")]),
    ],
)
def test_channels_need_evidence(shop: Shop, client: str, channels: list[tuple[str, str]]) -> None:
    """Direct is what was seen to be direct; own and payment hosts hand on what came before."""
    assert _sessions(shop, client, "channel, channel_rule") == channels


def test_a_touch_at_the_far_end_of_the_look_back_counts(shop: Shop) -> None:
    """Exactly 7 x 24 hours before the order is inside."""
    assert _credit(shop, "exact") == [
        ("first_click", stamp(NOON), "Email", Decimal("33.3300")),
        ("last_click", stamp(NOON + WEEK), "Unknown", Decimal("33.3300")),
    ]


def test_a_touch_a_millisecond_before_does_not(shop: Shop) -> None:
    """One more millisecond is outside: the order's own session is the only touch."""
    assert [row[1] for row in _credit(shop, "over")] == [stamp(NOON + WEEK + 1)] * 2


def test_a_touch_at_the_order_s_own_time_counts(shop: Shop) -> None:
    """The near end of the look-back is inside as well."""
    assert [row[1:3] for row in _credit(shop, "at_once")] == [(stamp(NOON), "Email")] * 2


def test_a_touch_after_the_order_takes_no_credit(shop: Shop) -> None:
    """What comes later cannot have brought the order."""
    assert [row[1] for row in _credit(shop, "buys_first")] == [stamp(NOON + HOUR)] * 2


def test_an_order_without_a_client_is_unattributed(shop: Shop) -> None:
    """It counts, belongs to no session, and has its row in every model."""
    assert shop.rows(
        "select session_id, is_counted from fct_orders where transaction_id = 'anonymous'"
    ) == [(None, True)]
    assert _credit(shop, "anonymous") == [
        (model, None, "Unattributed", Decimal(20)) for model in ("first_click", "last_click")
    ]


def test_credit_is_the_counted_revenue(shop: Shop) -> None:
    """In each model, to the cent."""
    counted = shop.values("select sum(revenue) from fct_orders where is_counted")
    credited = shop.values("select sum(revenue) from fct_attribution group by model")
    assert credited == counted * len(get_args(CreditModel))


def test_every_hour_between_has_a_row(shop: Shop) -> None:
    """Also on days without a delivery: silence is a number."""
    hours = shop.rows(
        "select count(distinct date), count(*) from metrics_hourly where metric = 'events'"
    )
    assert hours == [(9, 9 * 24)]


ORDERS: dict[str, tuple[list[Event], list[tuple[str, str, bool]]]] = {
    "redelivery": (
        [order(NOON, email="a@b.example"), order(NOON + 1, email="a@b.example")],
        [("kept", "unique", True), ("redelivery", "unique", False)],
    ),
    "collision_same_basket": (
        [order(NOON, email="c@b.example"), order(NOON + 1, "bob", email="d@b.example")],
        [("kept", "id_collision", True), ("kept", "id_collision", True)],
    ),
    "collision_other_basket": (
        [order(NOON, "ann"), order(NOON + 1, "bob", revenue=21)],
        [("kept", "id_collision", True), ("kept", "id_collision", True)],
    ),
    "conflict_one_address_two_spellings": (
        [order(NOON, "ann", email="e@b.example"), order(NOON + 1, "phone", email="E@b.example")],
        [("superseded", "conflict", False), ("kept", "conflict", True)],
    ),
    "conflict_with_redelivery": (
        [order(NOON), order(NOON + 1, revenue=21), order(NOON + 2)],
        [
            ("superseded", "conflict", False),
            ("kept", "conflict", True),
            ("redelivery", "conflict", False),
        ],
    ),
    "test": (
        [order(NOON, revenue=0, item=None), order(NOON + 1, revenue=0, item=None)],
        [("test", "unique", False), ("test", "unique", False)],
    ),
    "zero_with_an_item": ([order(NOON, revenue=0)], [("kept", "unique", True)]),
    "no_revenue_said": ([order(NOON, revenue=None, item=None)], [("kept", "unique", True)]),
    "no_id": (
        [order(NOON, number=None), order(NOON + 1, number=None)],
        [("kept", "unique", True), ("kept", "unique", True)],
    ),
    "broken_payload": (
        [Event(NOON, name="checkout_completed", data="{broken")],
        [("kept", "unique", True)],
    ),
}


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The cases of orders, each with clients and transaction ids of its own, built once."""
    made = Shop(tmp_path_factory.mktemp("orders"))
    made.deliver(
        0,
        [
            dataclasses.replace(
                event, client=f"{case}.{event.client}", data=event.data.replace("L-1", case)
            )
            for case, (events, _) in ORDERS.items()
            for event in events
        ],
    )
    made.build()
    return made


@pytest.mark.parametrize("case", ORDERS)
def test_orders_are_judged_by_customer_and_content(orders: Shop, case: str) -> None:
    """Which orders are real, which are sent twice, and which count."""
    found = orders.rows(
        "select status, id_status, is_counted from fct_orders "
        f"where starts_with(client_id, '{case}.') order by ordered_at"
    )
    assert found == ORDERS[case][1]
