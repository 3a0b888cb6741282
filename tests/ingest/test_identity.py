"""Who is who among purchases that share a transaction id."""

from __future__ import annotations

import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.contract import Payload
from tallymark.ingest.identity import Judged, Purchase, is_test, judge_orders, same_customer
from tallymark.ingest.payloads import parse_order

Told = tuple[str | None, str | None, str]


def _judged(*told: Told) -> list[tuple[str, str]]:
    group = [
        Purchase(client=client, customer=customer, content=content, rank=rank, day="2031-05-05")
        for rank, (client, customer, content) in enumerate(told)
    ]
    return [(one.status, one.id_status) for one in judge_orders(group)]


def test_one_order() -> None:
    """An id that came once is unique."""
    assert _judged(("a", "x", "1")) == [("kept", "unique")]


def test_a_redelivery() -> None:
    """The same customer and content again is counted once, the first."""
    assert _judged(("a", "x", "1"), ("a", "x", "1"), ("a", "x", "1")) == [
        ("kept", "unique"), ("redelivery", "unique"), ("redelivery", "unique"),
    ]  # fmt: skip


def test_a_collision_whatever_the_basket() -> None:
    """Client and e-mail both differ: both are real, even with the same content."""
    for content in ("1", "2"):
        assert _judged(("a", "x", "1"), ("b", "y", content)) == [
            ("kept", "id_collision"), ("kept", "id_collision"),
        ]  # fmt: skip


def test_a_conflict() -> None:
    """The same customer with other content: the latest counts."""
    assert _judged(("a", "x", "1"), ("a", "x", "2"), ("a", "x", "3")) == [
        ("superseded", "conflict"), ("superseded", "conflict"), ("kept", "conflict"),
    ]  # fmt: skip


def test_an_old_version_that_comes_again_does_not_win() -> None:
    """A redelivery of the first version after the second is a redelivery, not the latest."""
    assert _judged(("a", "x", "1"), ("a", "x", "2"), ("a", "x", "1")) == [
        ("superseded", "conflict"), ("kept", "conflict"), ("redelivery", "conflict"),
    ]  # fmt: skip


def test_the_same_client_with_another_e_mail() -> None:
    """One of the two is enough to be the same customer."""
    assert _judged(("a", "x", "1"), ("a", "y", "1"))[1][0] == "redelivery"
    assert _judged(("a", "x", "1"), ("b", "x", "1"))[1][0] == "redelivery"


def test_customers_are_joined_through_others() -> None:
    """Two are one customer because a third shares something with each, whoever comes first."""
    told: list[Told] = [("a", "x", "1"), ("c", "y", "2"), ("a", "y", "3")]
    assert same_customer(told) == [0, 0, 0]
    assert same_customer(told[::-1]) == [0, 0, 0]


def test_nobody_says_who_bought() -> None:
    """Without client and e-mail, equal content is one order and different content two."""
    assert _judged((None, None, "1"), (None, None, "1")) == [
        ("kept", "unique"), ("redelivery", "unique"),
    ]  # fmt: skip
    assert _judged((None, None, "1"), (None, None, "2")) == [
        ("kept", "id_collision"), ("kept", "id_collision"),
    ]  # fmt: skip


def test_one_side_says_who_bought() -> None:
    """A known customer and an unknown one are not taken for the same."""
    assert same_customer([("a", None, "1"), (None, None, "1")]) == [0, 1]
    assert same_customer([("a", None, "1"), (None, "x", "1"), ("a", "x", "1")]) == [0, 0, 0]


def test_a_client_is_no_e_mail() -> None:
    """The same text as a client and as an e-mail means nothing."""
    assert same_customer([("a", None, "1"), (None, "a", "1")]) == [0, 1]


def test_collision_and_conflict_at_once() -> None:
    """Each customer is judged alone; what the id as a whole is, the others say."""
    assert _judged(("a", "x", "1"), ("b", "y", "9"), ("a", "x", "2")) == [
        ("superseded", "conflict"), ("kept", "id_collision"), ("kept", "conflict"),
    ]  # fmt: skip


def test_what_a_test_order_is() -> None:
    """Zero value and no named item, both; what cannot be read is no test."""
    names = Payload()
    for payload, expected in {
        '{"revenue": 0, "items": []}': True,
        '{"revenue": "0.00"}': True,
        '{"revenue": 0, "items": [{"item_name": ""}]}': True,
        '{"revenue": 0, "items": [{"item_name": "Gift"}]}': False,
        '{"revenue": 1, "items": []}': False,
        '{"items": []}': False,
        "{broken": False,
    }.items():
        assert is_test(parse_order(payload, names)) is expected, payload


NAMED = st.sampled_from(["a", "b", "c", None])
GROUPS = st.lists(st.tuples(NAMED, NAMED, st.sampled_from(["1", "2"])), min_size=1, max_size=8)


@settings(max_examples=200)
@given(told=GROUPS, seed=st.integers(0, 99))
def test_the_order_of_arrival_does_not_matter(told: list[Told], seed: int) -> None:
    """Given their ranks, purchases are judged the same in any order, one kept a customer."""
    group = [
        Purchase(client=client, customer=customer, content=content, rank=rank, day="2031-05-05")
        for rank, (client, customer, content) in enumerate(told)
    ]
    judged = judge_orders(group)
    shuffled = list(range(len(group)))
    random.Random(seed).shuffle(shuffled)  # noqa: S311 -- an order for a test
    again: dict[int, Judged] = dict(
        zip(shuffled, judge_orders([group[index] for index in shuffled]), strict=True)
    )
    assert [again[index] for index in range(len(group))] == judged
    kept: dict[int, int] = defaultdict(int)
    for customer, one in zip(same_customer(told), judged, strict=True):
        kept[customer] += one.status == "kept"
    assert set(kept.values()) == {1}
