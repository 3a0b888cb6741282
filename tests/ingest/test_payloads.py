"""What a purchase's payload says, whatever it holds."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.contract import Payload
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.identity import is_test
from tallymark.ingest.payloads import Order, parse_order

NAMES = Payload()


def _order(payload: Any) -> Order:
    return parse_order(payload if isinstance(payload, str) else json.dumps(payload), NAMES)


def test_a_sound_order() -> None:
    """Every part of a sound payload."""
    order = _order(
        {
            "transaction_id": 1042, "revenue": "19.90", "currency": "EUR",
            "user_email": "Ada@Example.com",
            "items": [{"item_id": "a", "item_name": "Tea", "quantity": 2, "item_price": 9.95}],
        }
    )  # fmt: skip
    assert (order.transaction_id, order.revenue, order.currency) == (
        "1042",
        Decimal("19.90"),
        "EUR",
    )
    assert order.valid
    assert order.customer == _order({"user_email": " ada@example.COM "}).customer
    assert "ada" not in (order.customer or "")
    (item,) = order.items
    assert (item.item_id, item.item_name, item.quantity, item.price) == (
        "a", "Tea", Decimal(2), Decimal("9.95"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "null",
        "[]",
        "12",
        '"text"',
        "{broken",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 1} trailing',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"a": ' + "[" * 40 + "]" * 40 + "}",
        '{"a": "' + "x" * 300_000 + '"}',
        '{"a": 1e9999999999999999999999}',
    ],
)
def test_what_is_no_order(text: str | None) -> None:
    """Hostile and broken texts are an order that is not valid, never an error."""
    order = parse_order(text, NAMES)
    assert (order.valid, order.revenue, order.items, order.fields) == (False, None, (), {})
    assert not is_test(order)


def test_depth_counts_brackets_outside_of_texts() -> None:
    """Brackets inside a text, quotes escaped there too, are no depth."""
    text = json.dumps({"note": '[{"' * 100, "revenue": 1})
    assert _order(text).valid


@pytest.mark.parametrize(
    ("value", "revenue"),
    [
        (12.5, "12.5"),
        ("12.5", "12.5"),
        (" 12.50 ", "12.5"),
        (0, "0"),
        (-3, "-3"),
        (0.00005, "0.0000"),
        ("1,234.50", None),
        ("1_000", None),
        ("12 EUR", None),
        ("", None),
        ("NaN", None),
        ("Infinity", None),
        ("-Infinity", None),
        (True, None),
        (False, None),
        (None, None),
        ([12], None),
        ({"amount": 12}, None),
        ("1e400", None),
        ("1e999999999", None),
        ("1e-999999999", "0"),
        (10**10, None),
        (10**9, "1000000000"),
        ("9" * 5000, None),
    ],
)
def test_revenue(value: Any, revenue: str | None) -> None:
    """A number or the text of one; anything else, and what no shop can earn, is none."""
    found = _order({"revenue": value}).revenue
    assert found == (None if revenue is None else Decimal(revenue))


@pytest.mark.parametrize("number", ["1e400", "1e999999", "-1E+9999999", "1e-9999999", "9" * 6000])
def test_numbers_beyond_measure(number: str) -> None:
    """Numbers that no computer needs are read without an error and give no revenue."""
    order = _order(f'{{"transaction_id": {number}, "revenue": {number}}}')
    assert order.valid
    assert order.revenue in {None, Decimal(0)}
    assert order.content == _order(f'{{"revenue": {number}, "transaction_id": {number}}}').content


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"a": 1, "b": {"c": [1, 2], "d": 2}}', '{ "b": {"d":2, "c":[1,2]}, "a":1 }'),
        ('{"a": 10.0}', '{"a": 10.00}'),
        ('{"a": 10}', '{"a": 1e1}'),
        ('{"a": 0.10}', '{"a": 0.1}'),
        ('{"a": "\\u00e9"}', '{"a": "é"}'),
        ('{"a": 0, "a": 1}', '{"a": 1}'),
        ('{"a": -0.0}', '{"a": 0}'),
    ],
)
def test_equal_contents(first: str, second: str) -> None:
    """Key order, spaces and the way a number is written make no other order."""
    assert _order(first).content == _order(second).content


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"a": [1, 2]}', '{"a": [2, 1]}'),
        ('{"a": 1}', '{"a": 1.0000000000000000000000000000000000001}'),
        ('{"a": 1}', '{"a": true}'),
        ('{"a": null}', "{}"),
        ('{"a": "x"}', '{"a": "X"}'),
        ("{broken", "{broken!"),
    ],
)
def test_different_contents(first: str, second: str) -> None:
    """Order of items, values and missing keys do make another order."""
    assert _order(first).content != _order(second).content


def test_wrong_types_everywhere() -> None:
    """Lists where texts belong, numbers where lists belong: what is not understood is absent."""
    order = _order({"transaction_id": ["a"], "currency": {}, "user_email": True, "items": "none"})
    assert (order.transaction_id, order.currency, order.customer, order.items) == (
        None, None, None, (),
    )  # fmt: skip
    mixed = _order({"items": [1, None, {"item_name": 5, "quantity": "two"}, []]})
    assert [(one.item_name, one.quantity) for one in mixed.items] == [("5", None)]


def test_texts_that_no_engine_takes() -> None:
    """Half a surrogate pair becomes a question mark, so that the text can be stored."""
    order = _order('{"transaction_id": "a\\ud800b\\u0000", "items": [{"item_name": "\\udfff"}]}')
    engine = DuckEngine(threads=1)
    names = [order.transaction_id, order.items[0].item_name]
    engine.values("t", {"a": ("varchar", names)})
    assert engine.rows("select a from t") == [("a?b\0",), ("?",)]
    engine.close()


def test_which_fields_are_filled() -> None:
    """Filled and expected counts of every field, the missing ones that matter included."""
    order = _order(
        {"transaction_id": "", "revenue": 0, "coupon": None, "items": [{"item_name": "a"}, {}]}
    )
    assert order.fields["transaction_id"] == (0, 1)
    assert order.fields["revenue"] == (1, 1)
    assert order.fields["coupon"] == (0, 1)
    assert order.fields["user_email"] == (0, 1)
    assert order.fields["items[].item_name"] == (1, 2)
    assert order.fields["items[].item_price"] == (0, 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(["transaction_id", "revenue", "user_email", "items", "currency", "x"])


@settings(max_examples=100)
@given(tree=st.dictionaries(KEYS, JSON))
def test_any_json_is_survived(tree: dict[str, Any]) -> None:
    """Whatever JSON comes, an order comes back, and its content does not hang on key order."""
    order = _order(tree)
    backwards = dict(reversed(tree.items()))
    assert _order(backwards).content == order.content or not order.valid


@settings(max_examples=100)
@given(text=st.text(max_size=40))
def test_any_text_is_survived(text: str) -> None:
    """Whatever text comes, an order comes back."""
    assert isinstance(parse_order(text, NAMES), Order)
