"""The laws of the build, on random small histories: order, credit, and what was known when."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tallymark.config import CreditModel
from tallymark.results import BuildResult
from tests.build.shop import BOT, HOME, HOUR, MINUTE, Event, Shop, cart, checkout, order, view

DAYS = 4
DAY = 24 * HOUR
SETTINGS = "generations: 1\n"
# West and east of Greenwich a delivery holds hours of two dates.
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati")
# Of the daily metrics those that an hour has too, and that add up.
ADDITIVE = ("events", "page_views", "anonymous_events", "double_fired_views", "orders", "revenue")
LANDINGS: tuple[dict[str, str], ...] = (
    {},
    {"url": f"{HOME}?utm_source=newsletter&utm_medium=email"},
    {"url": f"{HOME}?gclid=1"},
    {"referrer": "https://www.google.com/"},
    {"referrer": "https://www.paypal.com/"},
    {"referrer": HOME},
    {"agent": BOT},
    {"url": "https://staging.lamps.example/"},
)
REVENUES: tuple[float | str, ...] = (0, 10, 10, "12.3456")
KNOWN = "known_value, known_numerator, known_denominator"
TABLES: Mapping[str, str] = {
    "metrics_daily": f"date, metric, segment, value, numerator, denominator, {KNOWN}",
    "metrics_hourly": f"date, hour, metric, value, {KNOWN}",
    "fct_order_items": "order_id, line, item_name, quantity, line_revenue",
    "dim_clients": "client_id, first_seen, last_seen, sessions, orders, revenue, first_channel",
    "reconciliation": "place, step, measure, amount_in, amount_out, explained",
}


clients = st.sampled_from(["ann", "bob", "cat", ""])
# An example is several builds: shrinking one that fails would take minutes; they are small anyway.
few_laws = settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass(frozen=True)
class History:
    """The deliveries of a shop by day, some of them first sent in another version."""

    final: tuple[tuple[Event, ...], ...]
    first: Mapping[int, tuple[Event, ...]]
    without_referrer: frozenset[int]


@st.composite
def events(draw: st.DrawFn, day: int) -> Event:
    """An event of a delivery: mostly of its day, now and then late, or early."""
    of = max(0, day + draw(st.sampled_from([0, 0, 0, 0, 0, -1, -1, -2, 1])))
    at = of * DAY + draw(st.integers(0, 47)) * 30 * MINUTE + draw(st.sampled_from([0, 0, 1, 500]))
    client = draw(clients)
    kind = draw(st.sampled_from(["view", "view", "view", "cart", "checkout", "order", "order"]))
    if kind == "cart":
        return cart(at, client)
    if kind == "checkout":
        return checkout(at, client)
    if kind == "order":
        return order(
            at,
            client,
            number=draw(st.sampled_from(["L-1", "L-1", "L-2", None])),
            revenue=draw(st.sampled_from(REVENUES)),
            email=draw(st.sampled_from([None, None, "a@b.example", "c@d.example"])),
            item=draw(st.sampled_from(["Lamp", "Lamp", None])),
        )
    return view(at, client, **draw(st.sampled_from(LANDINGS)))


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A few days, each with a delivery of a few events."""

    def delivery(day: int) -> tuple[Event, ...]:
        return tuple(draw(st.lists(events(day), min_size=1, max_size=7)))

    final = tuple(delivery(day) for day in range(DAYS))
    again = draw(st.sets(st.integers(0, DAYS - 1), max_size=2))
    return History(
        final=final,
        first={day: delivery(day) for day in sorted(again)},
        without_referrer=draw(st.frozensets(st.integers(0, DAYS - 1), max_size=1)),
    )


def _shop(folder: Path) -> Shop:
    shop = Shop(folder)
    (folder / "tallymark.yml").write_text(SETTINGS, encoding="utf-8")
    return shop


def _deliver(shop: Shop, history: History, days: Sequence[int]) -> None:
    for day in days:
        without = ("referrer",) if day in history.without_referrer else ()
        shop.deliver(day, history.final[day], without=without)


def _tables(shop: Shop) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: shop.rows(f"select {columns} from {table} order by all")
        for table, columns in TABLES.items()
    }


def _known(shop: Shop, until: int) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables say was known at the end of each day up to ``until``."""
    last = f"date <= date '2031-05-05' + {until}"
    return {
        # An hour without a row and an hour of nothing are read alike.
        table: shop.rows(
            f"select * from (select {columns} from {table}) where {last} "
            f"and known_numerator is not null {more} order by all"
        )
        for table, columns, more in (
            ("metrics_daily", f"date, metric, segment, {KNOWN}", ""),
            ("metrics_hourly", f"date, hour, metric, {KNOWN}", "and known_numerator <> 0"),
        )
    }


@few_laws
@given(history=histories(), data=st.data())
def test_any_order_and_split_equals_one_full_refresh(history: History, data: st.DataObject) -> None:
    """Runs in any order, with redeliveries and corrections, export the bytes of one refresh.

    And in that refresh each model credits each counted order with its revenue, and no event is
    lost or made.
    """
    arrival = data.draw(st.permutations(range(DAYS)))
    cuts = sorted(data.draw(st.sets(st.integers(1, DAYS - 1), max_size=2)))
    with tempfile.TemporaryDirectory() as name:
        whole = _shop(Path(name) / "whole")
        _deliver(whole, history, range(DAYS))
        whole.build()
        parts = _shop(Path(name) / "parts")
        for start, end in zip([0, *cuts], [*cuts, DAYS], strict=True):
            for day in arrival[start:end]:
                parts.deliver(day, history.first.get(day, history.final[day]))
            parts.build()
        _deliver(parts, history, range(DAYS))  # corrections, and the others' bytes once more
        parts.build()
        assert parts.exports() == whole.exports()
        assert _tables(parts) == _tables(whole)
        again = parts.build()
        assert not again.rebuilt
        _credit_is_revenue(parts, again)
        _rows_are_conserved(parts, history, again)


@few_laws
@given(history=histories(), until=st.integers(0, DAYS - 2))
def test_what_was_known_does_not_depend_on_what_came_later(history: History, until: int) -> None:
    """Up to each day, ``known_*`` are those of a warehouse without the deliveries after it."""
    with tempfile.TemporaryDirectory() as name:
        shop = _shop(Path(name))
        _deliver(shop, history, range(until + 1))
        shop.build()
        then = _known(shop, until)
        _deliver(shop, history, range(until + 1, DAYS))
        shop.build()
        assert _known(shop, until) == then


@few_laws
@given(history=histories(), zone=st.sampled_from(ZONES))
def test_the_hours_of_a_date_add_up_to_the_date(history: History, zone: str) -> None:
    """What can be added is the same by day and by hour: now, and as it was known then."""
    with tempfile.TemporaryDirectory() as name:
        shop = _shop(Path(name))
        (shop.home / "tallymark.yml").write_text(f"{SETTINGS}shop: {{timezone: {zone}}}\n")
        _deliver(shop, history, range(DAYS))
        shop.build()
        # Of a date of which nothing was known then, the hours between others are known as empty.
        known = "coalesce(sum(known_numerator), 0)"
        sums = f"date, metric, sum(numerator), {known}"
        days, hours = (
            shop.rows(
                f"select {sums} from {table} where metric in {ADDITIVE} and segment = 'all' "
                f"group by date, metric having sum(numerator) <> 0 or {known} <> 0 "
                "order by all"
            )
            for table in ("metrics_daily", "metrics_hourly")
        )
        assert hours == days
        assert set(shop.values("select count(*) from metrics_hourly group by date")) == {7 * 24}


def _credit_is_revenue(shop: Shop, result: BuildResult) -> None:
    counted = dict(shop.rows("select order_id, revenue from fct_orders where is_counted"))
    for model in get_args(CreditModel):
        credited = shop.rows(
            "select order_id, sum(revenue), sum(weight) from fct_attribution "
            f"where model = '{model}' group by order_id"
        )
        assert {key: revenue for key, revenue, _ in credited} == counted
        assert all(weight == 1 for _, _, weight in credited)
    assert result.counted_revenue == sum(counted.values(), Decimal(0))


def _rows_are_conserved(shop: Shop, history: History, result: BuildResult) -> None:
    delivered = [event for events in history.final for event in events]
    assert result.tables["events"] == len(delivered)
    purchases = [event for event in delivered if event.name == "checkout_completed"]
    assert result.tables["fct_orders"] == len(purchases)
    # A delivery without the referrer tells fewer events apart, so that more of them are repeats.
    if not history.without_referrer:
        of_clients = {event for event in delivered if event.client}
        assert shop.values("select sum(events) from fct_sessions") == [len(of_clients) or None]
