"""Purchases: what they are worth, what adds up, which ids were seen before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallymark.check.counting.orders import id_spaces, measure_orders
from tallymark.check.counting.sums import measure_sums
from tallymark.check.past.seen import keep_keys, seen_before
from tallymark.ingest.payloads import parse_order
from tests.check.days_made import Row, findings, made_day, made_days
from tests.check.judging import Shop
from tests.ingest.making import CONTRACT, as_csv, purchase

Payload = dict[str, Any]
ITEMS = [{"item_name": "Tea", "item_price": 5, "quantity": 2},
         {"item_name": "Cup", "item_price": 3, "quantity": 1}]  # fmt: skip


def _paid(change: Callable[[Payload], Payload], first: int = 0, last: int = 24) -> Any:
    """Change the payload of the purchases of some hours."""

    def apply(rows: list[Row]) -> list[Row]:
        return [
            {**row, "event_data": json.dumps(change(json.loads(row["event_data"])))}
            if row["event_data"] and first <= int(row["timestamp"][11:13]) < last
            else row
            for row in rows
        ]

    return apply


def _with(**changed: Any) -> Callable[[Payload], Payload]:
    return lambda payload: {**payload, **changed}


def _prices_gone(payload: Payload) -> Payload:
    return {**payload, "items": [{**item, "item_price": None} for item in payload["items"]]}


@pytest.mark.parametrize(
    ("change", "finding", "severity", "since", "rows"),
    [
        (_paid(_with(revenue="12,50"), 9, 11), "order_revenue_not_a_number", "P1", "09", 2),
        (_paid(_with(revenue=0), 9, 12), "order_zero_revenue", "P2", "09", 3),
        (_paid(_with(revenue=0), 9), "order_zero_revenue", "P1", "09", 15),
        (_paid(_with(revenue=99), 9, 14), "order_revenue_mismatch", "P2", "09", 5),
        (_paid(_with(coupon=None), 12), "payload_field_partly_lost:coupon", "P2", "12", 12),
        (_paid(_with(coupon=""), 9, 17), "payload_field_partly_lost:coupon", "P2", "09", 8),
        (_paid(_prices_gone, 15), "payload_field_partly_lost:items[].item_price", "P2", "15", 18),
        (_paid(_with(revenue=None), 12), "payload_field_partly_lost:revenue", "P1", "12", 12),
    ],
)
def test_what_is_wrong_with_purchases(
    shop: Shop, change: Any, finding: str, severity: str, since: str, rows: int
) -> None:
    """It is found with its kind, dated to its hour, and its orders are counted."""
    result = made_days(shop, range(3, 7), change)
    (found,) = [one for one in findings(result) if one.id == finding]
    assert (found.severity, found.rows) == (severity, rows)
    assert found.since == f"2031-05-06T{since}:00:00.000Z"


def test_a_field_may_end_on_the_first_day(shop: Shop) -> None:
    """Filled until noon and never after: said without any history, with the exact hour."""
    (found,) = findings(
        made_days(shop, [6], _paid(_with(coupon=None), 12)), "payload_field_partly_lost"
    )
    assert (found.since, found.rows) == ("2031-05-06T12:00:00.000Z", 12)


def test_a_field_that_some_orders_have_is_not_lost(shop: Shop) -> None:
    """A coupon that every second order has, and any run of orders that chance brings."""
    for number in range(3, 7):
        rows = made_day(number)
        for at in range(0, 24, 2):
            rows = _paid(_with(coupon=None), at, at + 1)(rows)
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    assert not findings(shop.check(), "payload_field_partly_lost", "payload_field_lost")


def _orders(
    payload: Callable[[Decimal, Decimal], Mapping[str, Any]], count: int = 40
) -> list[tuple[int, Any]]:
    found = []
    for number in range(count):
        unit = Decimal(13 + number)
        items = [{**ITEMS[0], "item_price": 5 + number / 2}, ITEMS[1]]
        told = {"transaction_id": f"T{number}", "items": items, **payload(unit, Decimal(number))}
        found.append((number, parse_order(json.dumps(told, default=str), CONTRACT.payload)))
    return found


@pytest.mark.parametrize(
    ("payload", "reading"),
    [
        (lambda unit, _: {"revenue": unit}, "unit"),
        (lambda unit, at: {"revenue": unit + at, "tax": at}, "unit + tax"),
        (lambda unit, at: {"revenue": unit, "tax": at}, "unit"),
        (lambda unit, at: {"revenue": unit + 4 - at / 4, "shipping": 4, "discount_total": at / 4},
         "unit - discount_total + shipping"),
        (lambda _, at: {"revenue": 8 + at / 2}, "line"),
    ],
)  # fmt: skip
def test_the_orders_say_what_adds_up(payload: Any, reading: str) -> None:
    """Unit or line price, with or without taxes, shipping and discounts: one reading fits all."""
    sums = measure_sums(_orders(payload))
    assert sums.orders == 40
    assert max(sums.fits.items(), key=lambda one: one[1])[1] == 40
    assert sums.fits[reading] == 40


def test_where_nothing_adds_up_it_is_said_once(shop: Shop) -> None:
    """No reading fits most orders: one line of information, never a mismatch."""
    for number in range(3, 6):
        rows = made_day(number)
        for hour in range(24):
            rows = _paid(_with(revenue=17 + hour * 3.3), hour, hour + 1)(rows)
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    (found,) = findings(shop.check(), "order_revenue_mismatch")
    assert (found.id, found.severity) == ("order_revenue_mismatch:learning", "P3")


def _again(change: Callable[[Payload], Payload], **row: str) -> Any:
    """Yesterday's three last orders come once more, changed."""

    def apply(rows: list[Row]) -> list[Row]:
        old = [one for one in made_day(4) if one["event_data"]][-3:]
        return rows + [
            {**one, "timestamp": f"2031-05-05T07:{at:02}:00Z",
             "event_data": json.dumps(change(json.loads(one["event_data"]))), **row}
            for at, one in enumerate(old)
        ]  # fmt: skip

    return apply


@pytest.mark.parametrize(
    ("change", "rule", "severity"),
    [
        (_again(_with()), "order_redelivered_history", "P2"),
        (_again(_with(revenue=13)), "order_conflict_history", "P1"),
        (_again(_with(user_email="x@mail.example"), client_id="somebody"),
         "order_id_collision_history", "P2"),
    ],
)  # fmt: skip
def test_ids_seen_on_an_earlier_day(shop: Shop, change: Any, rule: str, severity: str) -> None:
    """The same order again, another content, another customer: told of the later delivery."""
    found = [
        one for one in findings(made_days(shop, [4, 5], change))
        if one.rule is not None and one.rule.endswith("_history")
    ]  # fmt: skip
    assert [(one.rule, one.severity, one.rows) for one in found] == [(rule, severity, 3)]
    assert found[0].since == "2031-05-05T07:00:00.000Z"
    assert found[0].delivery == "2031-05-05.csv"
    assert found[0].query


def test_ids_seen_before_do_not_depend_on_arrival(shop: Shop) -> None:
    """Delivered newest first, the later day still is the one that repeats."""
    at_once = findings(made_days(shop, [4, 5], _again(_with())))
    other = Shop(shop.raw.parent / "other")
    for name in ("2031-05-05.csv", "2031-05-04.csv"):
        other.put((shop.raw / name).read_bytes(), name)
        other.check(only=[name])
    assert findings(other.check()) == at_once


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b'{"a": 1}', None])
def test_hashes_that_were_hurt_are_made_anew(shop: Shop, content: bytes | None) -> None:
    """A file that was cut, or holds something else, is no error and hides no order."""
    first = findings(made_days(shop, [4, 5], _again(_with())))
    files = sorted((shop.warehouse.root / "ledger" / "orders").glob("*.npy"))
    before = [path.read_bytes() for path in files]
    for path in files:
        path.write_bytes(path.read_bytes()[:-8] if content is None else content)
    assert findings(shop.check()) == first
    assert [path.read_bytes() for path in files] == before


def test_hashes_that_are_gone_are_made_anew(shop: Shop) -> None:
    """Without them a delivery's orders would be met by none of the others'."""
    first = findings(made_days(shop, [4, 5], _again(_with())))
    folder = shop.warehouse.root / "ledger" / "orders"
    before = {path.name: path.read_bytes() for path in folder.glob("*.npy")}
    for name in before:
        (folder / name).unlink()
    assert findings(shop.check()) == first
    assert {path.name: path.read_bytes() for path in folder.glob("*.npy")} == before


def test_of_all_without_a_usable_revenue_some_state_no_number(shop: Shop) -> None:
    """The sentence about all of them is true of those that state something, too."""

    def change(rows: list[Row]) -> list[Row]:
        apart = _paid(_with(revenue=None), 9, 11)(rows)
        return [*_paid(_with(revenue="free"), 12, 15)(apart)]

    found = {one.rule: one for one in findings(made_days(shop, [6], change))}
    assert found["order_without_revenue"].rows == 5
    assert "state no revenue that can be added up" in found["order_without_revenue"].message
    assert found["order_revenue_not_a_number"].rows == 3


def test_hashes_of_what_is_gone_are_removed(shop: Shop) -> None:
    """A delivery that comes in another version leaves no old hashes behind."""
    made_days(shop, [4, 5])
    folder = shop.warehouse.root / "ledger" / "orders"
    assert len(list(folder.glob("*.npy"))) == 2
    made_days(shop, [4, 5], _paid(_with(revenue=1)))
    assert len(list(folder.glob("*.npy"))) == 2


def test_customers_are_one_by_client_or_mail(tmp_path: Path) -> None:
    """An order that links two others makes them one customer's for all that follow."""
    entries = []
    keys = [(1, 7, 0, 100, 5), (1, 0, 9, 200, 6), (1, 7, 9, 300, 7), (1, 0, 9, 100, 8)]
    for day, key in enumerate(keys, start=1):
        entry = {"delivery": str(day), "version": str(day), "fingerprint": "f", "rows_accepted": 1}
        keep_keys(tmp_path, entry, [key])
        entries.append(entry)
    found = seen_before(entries, tmp_path)
    assert {day: list(told) for day, told in found.items()} == {
        "2": ["colliding"], "3": ["conflicting"], "4": ["redelivered"],
    }  # fmt: skip


def test_kinds_of_ids() -> None:
    """Ids of a prefix and a number of digits are one kind; a hostile number of kinds is cut."""
    assert id_spaces(["T-10", "T-11", "x", "T-100"]) == {"2:T-": 2, "3:T-": 1}
    assert len(id_spaces(f"{chr(97 + n % 26)}{n}-{n}" for n in range(500))) == 20


def test_ids_that_collided_were_drawn_as_well() -> None:
    """Chance is asked of every order of its own, not of the ids that were left distinct."""
    rows = [
        (f"c{number}", number, json.dumps({"transaction_id": f"T{number % 10}", "revenue": 9,
                                           "user_email": f"e{number}"}))
        for number in range(20)
    ]  # fmt: skip
    again = [rows[0], rows[0]]
    facts = measure_orders([*rows, *again], CONTRACT)
    assert (facts.distinct_ids, facts.colliding_ids) == (10, 10)
    assert facts.chance_collisions == pytest.approx(20 * 19 / 2 / 10)
    assert facts.spaces == {"1:T": 20}


def test_orders_of_one_day_are_measured_once() -> None:
    """Kinds of odd purchases by hour, and fields that are partly filled."""
    rows = [
        ("c", hour * 3_600_000, json.dumps(payload))
        for hour, payload in enumerate((
            {"transaction_id": "A1", "revenue": 0, "items": ITEMS},
            {"transaction_id": "A2", "revenue": "free", "items": ITEMS},
            {"transaction_id": "A3", "revenue": 0, "items": []},
            {"transaction_id": "A4", "revenue": -1, "items": ITEMS},
        ))
    ]  # fmt: skip
    facts = measure_orders(rows, CONTRACT)
    assert (facts.zero, facts.not_a_number, facts.test, facts.negative) == (1, 1, 1, 1)
    assert facts.by_hour["zero"] == [1, 0, 0, 0]
    assert facts.by_hour["field:items"] == [0, 0, 1, 0]
    assert len(facts.keys) == 2  # money that went back is no order


def _bought(number: int, minute: int, **more: Any) -> Row:
    payload = {"transaction_id": f"T-{number}", "revenue": 12.5, "items": ITEMS,
               "user_email": "a@mail.example"} | more  # fmt: skip
    return purchase(payload, client_id="c1", timestamp=f"2031-05-05T12:{minute:02}:30.000Z")


@pytest.mark.parametrize(
    ("again", "rows", "severity"),
    [
        ([_bought(2, 9)], 1, "P3"),
        ([_bought(2, 9, user_email="A@mail.example "), _bought(3, 20), _bought(4, 40)], 3, "P2"),
        ([_bought(1, 9)], 0, ""),  # the same id: a redelivery
        ([_bought(2, 58)], 0, ""),  # so late, they wanted another
        ([_bought(2, 9, revenue=25)], 0, ""),
        ([_bought(2, 9, user_email="b@mail.example")], 0, ""),
        ([_bought(2, 9, items=[*ITEMS, {"item_id": "z", "item_name": "Tea"}])], 0, ""),
    ],
)
def test_the_same_basket_under_a_new_id(
    shop: Shop, again: list[Row], rows: int, severity: str
) -> None:
    """Told where a customer seems to buy the same twice at once, with a count and its worth."""
    day = sorted([*made_day(5), _bought(1, 0), *again], key=lambda row: row["timestamp"])
    shop.put(as_csv(day))
    found = findings(shop.check(), "order_again")
    assert [(one.rows, one.severity) for one in found] == [(rows, severity)] * bool(rows)
    assert [one.money for one in found] == [Decimal("12.5") * rows] * bool(rows)
