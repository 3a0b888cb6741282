"""What is true of a delivery's purchases: counts, identities, what adds up to what."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tallymark.check.counting.hourly import HOUR_MS, packed
from tallymark.check.counting.sizes import sizes_of
from tallymark.check.counting.sums import Sums, measure_sums
from tallymark.contract import Contract, Payload
from tallymark.ingest.identity import is_refund, is_test, same_customer
from tallymark.ingest.payloads import Order, parse_order

__all__ = ["TWIN_MS", "OrderFacts", "OrderKey", "chance_collisions", "id_spaces", "measure_orders"]

MAX_FIELDS = 200  # distinct payload keys worth following; a hostile payload may invent more
MAX_HOURS = 24 * 62  # hours of one delivery that are told apart
_COUNTER = re.compile(r"^(.*?)(\d+)$", re.DOTALL)
_FOLLOWED = 40  # partly filled fields whose empty places are counted by the hour
TWIN_MS = 30 * 60 * 1000  # nobody buys the same things again so soon: a page was loaded again
_SPACES = 20  # kinds of ids that a ledger entry remembers
_PREFIX = 64

Row = tuple[str | None, int, str | None]  # client, milliseconds, payload
OrderKey = tuple[int, int, int, int, int]
"""Hashes of id, client, customer and content (0 where absent), and the time in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """Counts over the purchases of a delivery; money in the delivery's own unit.

    Attributes:
        without_revenue: Purchases without a revenue that is a number.
        not_a_number: Purchases whose revenue is filled with something that is no number.
        zero: Purchases worth nothing although an item is named.
        fields: For each field, (values filled, values expected).
        first_hour: The hour since 1970 that the lists by hour begin with.
        by_hour: Purchases (``orders``), their lines (``lines``), purchases of a kind (``zero``),
            empty values of partly filled fields (``field:`` and its name); all by hour.
        twins: Purchases that repeat what the same customer just bought, under another id.
        twin_revenue: What those state.
        sums: How revenue compares with the items.
        sizes: By currency and power of two of the revenue, how many, and the hour of the first.
        keys: Who bought what under which id, as hashes.
    """

    orders: int = 0
    invalid: int = 0
    without_id: int = 0
    without_revenue: int = 0
    not_a_number: int = 0
    negative: int = 0
    zero: int = 0
    test: int = 0
    redelivered: int = 0
    colliding: int = 0
    conflicting: int = 0
    colliding_ids: int = 0
    distinct_ids: int = 0
    twins: int = 0
    revenue: Decimal = Decimal(0)
    twin_revenue: Decimal = Decimal(0)
    colliding_revenue: Decimal = Decimal(0)
    chance_collisions: float | None = None
    fields: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    first_hour: int = 0
    by_hour: Mapping[str, Sequence[int]] = field(default_factory=dict)
    sums: Sums = field(default_factory=Sums)
    sizes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    spaces: Mapping[str, int] = field(default_factory=dict)
    keys: Sequence[OrderKey] = ()

    def as_entry(self) -> dict[str, Any]:
        """What the ledger keeps for the days that follow: small, plain, without any id."""
        return {
            "orders": self.orders,
            "not_a_number": self.not_a_number,
            "zero": self.zero,
            "test": self.test,
            "first_hour": self.first_hour,
            "by_hour": {name: packed(counts) for name, counts in self.by_hour.items()},
            "sums": self.sums.as_entry(),
            "sizes": {name: list(held) for name, held in self.sizes.items()},
            "spaces": dict(self.spaces),
        }


def measure_orders(rows: Sequence[Row], contract: Contract) -> OrderFacts:
    """Measure the purchases of a delivery, given in the order of time."""
    names = contract.payload
    parsed = [(client, ms, parse_order(payload, names)) for client, ms, payload in rows]
    orders = [order for _, _, order in parsed]
    by_id: dict[str, list[tuple[str | None, Order]]] = {}
    for client, _, order in parsed:
        if order.transaction_id is not None and not is_test(order) and not is_refund(order):
            by_id.setdefault(order.transaction_id, []).append((client, order))
    # An id is drawn for every customer who has it: the ids that collided were drawn as well.
    drawn = [one for one, group in by_id.items() for _ in set(_customers(group))]
    revenues = [order.revenue for order in orders if order.revenue is not None]
    odd = [(ms, _no_number(order, names), _worthless(order), is_test(order))
           for _, ms, order in parsed]  # fmt: skip
    twins = _twins(rows, parsed, names)
    fields = _filled([order for order in orders if order.valid], names)
    first, by_hour = _hourly(parsed, fields, names)
    return OrderFacts(
        orders=len(orders),
        invalid=sum(1 for order in orders if not order.valid),
        without_id=sum(1 for order in orders if order.valid and order.transaction_id is None),
        without_revenue=sum(1 for order in orders if order.valid and order.revenue is None),
        not_a_number=sum(1 for one in odd if one[1]),
        negative=sum(1 for revenue in revenues if revenue < 0),
        zero=sum(1 for one in odd if one[2]),
        test=sum(1 for one in odd if one[3]),
        distinct_ids=len(by_id),
        twins=len(twins),
        twin_revenue=sum(twins, Decimal(0)),
        revenue=sum(revenues, Decimal(0)),
        chance_collisions=chance_collisions(drawn),
        fields=fields,
        first_hour=first,
        by_hour=by_hour,
        sums=measure_sums([(ms, order) for _, ms, order in parsed]),
        sizes=sizes_of([(ms, order.currency, order.revenue) for _, ms, order in parsed]),
        spaces=id_spaces(drawn),
        keys=[_key(client, ms, order) for client, ms, order in parsed
              if order.transaction_id is not None and not is_test(order)
              and not is_refund(order)],
        **_identities(by_id.values()),
    )  # fmt: skip


def _twins(
    rows: Sequence[Row], parsed: Sequence[tuple[str | None, int, Order]], names: Payload
) -> list[Decimal]:
    """The revenue of each purchase that is another's but for its id, soon after that one."""
    alike: dict[tuple[str, Decimal], list[int]] = {}
    for at, (client, _, order) in enumerate(parsed):
        who = order.customer or client
        if who and order.items and order.revenue and order.revenue > 0 and order.transaction_id:
            alike.setdefault((who, order.revenue), []).append(at)
    found = []
    for (_, revenue), places in alike.items():
        last: dict[str, tuple[int, str | None]] = {}
        for at in places if len(places) > 1 else ():
            tree = json.loads(rows[at][2] or "{}", parse_int=str, parse_float=str)
            bought = json.dumps(tree.get(names.items))
            _, ms, order = parsed[at]
            before, known = last.get(bought, (ms, order.transaction_id))
            if known != order.transaction_id and ms - before <= TWIN_MS:
                found.append(revenue)
            last[bought] = (ms, order.transaction_id)
    return found


def _customers(group: Sequence[tuple[str | None, Order]]) -> Sequence[int]:
    """Which purchases of one transaction id are of the same customer: equal numbers are."""
    if len(group) == 1:
        return (0,)
    return same_customer([(client, order.customer, order.content) for client, order in group])


def _identities(groups: Iterable[Sequence[tuple[str | None, Order]]]) -> dict[str, Any]:
    """Counts over purchases that share a transaction id."""
    redelivered = conflicting = colliding_ids = 0
    colliding: list[Order] = []
    for group in groups:
        if len(group) == 1:
            continue
        customers = _customers(group)
        if len(set(customers)) > 1:
            colliding_ids += 1
            colliding += [order for _, order in group]
        for customer in set(customers):
            theirs = [
                order for (_, order), who in zip(group, customers, strict=True) if who == customer
            ]
            contents = {order.content for order in theirs}
            redelivered += len(theirs) - len(contents)
            conflicting += len(contents) if len(contents) > 1 else 0
    return {
        "redelivered": redelivered,
        "conflicting": conflicting,
        "colliding_ids": colliding_ids,
        "colliding": len(colliding),
        "colliding_revenue": sum((order.revenue or Decimal(0) for order in colliding), Decimal(0)),
    }


def _no_number(order: Order, names: Payload) -> bool:
    return order.revenue is None and order.fields.get(names.revenue, (0, 1))[0] > 0


def _worthless(order: Order) -> bool:
    return order.revenue == 0 and any(item.item_name for item in order.items)


def _filled(orders: Sequence[Order], names: Payload) -> dict[str, tuple[int, int]]:
    """For each field, how often it is filled and how often it could be: an order, or its line."""
    if not orders:
        return {}
    item = f"{names.items}[]."
    always = (names.transaction_id, names.revenue, names.email, names.items)
    inside = (names.item_id, names.item_name, names.quantity, names.item_price)
    filled = Counter(dict.fromkeys((*always, *(f"{item}{name}" for name in inside)), 0))
    for order in orders:
        for name, (have, _) in order.fields.items():
            if name in filled or len(filled) < MAX_FIELDS:
                filled[name] += have
    lines = sum(len(order.items) for order in orders)
    return {
        name: (have, lines if name.startswith(item) else len(orders))
        for name, have in sorted(filled.items())
    }


def _hourly(
    parsed: Sequence[tuple[str | None, int, Order]],
    fields: Mapping[str, tuple[int, int]],
    names: Payload,
) -> tuple[int, dict[str, list[int]]]:
    """The first hour, and counts by hour of what may begin or end inside the day."""
    valid = [(ms // HOUR_MS, order) for _, ms, order in parsed if order.valid]
    if not valid:
        return 0, {}
    first = min(hour for hour, _ in valid)
    length = max(hour for hour, _ in valid) - first + 1
    if length > MAX_HOURS:
        return 0, {}
    item = f"{names.items}[]."
    partly = [name for name, (have, want) in fields.items() if 0 < have < want][:_FOLLOWED]
    kinds = ("orders", "lines", "zero", "not_a_number", "test")
    places = [*kinds, *(f"field:{name}" for name in partly)]
    found: dict[str, list[int]] = {name: [0] * length for name in places}
    for hour, order in valid:
        at = hour - first
        lines = len(order.items)
        found["orders"][at] += 1
        found["lines"][at] += lines
        found["zero"][at] += _worthless(order)
        found["not_a_number"][at] += _no_number(order, names)
        found["test"][at] += is_test(order)
        for name in partly:
            have, want = order.fields.get(name, (0, lines if name.startswith(item) else 1))
            found[f"field:{name}"][at] += want - have
    return first, {name: counts for name, counts in found.items() if any(counts)}


def _hash(text: str | None) -> int:
    if text is None:
        return 0
    digest = hashlib.blake2b(text.encode("utf-8", errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) or 1


def _key(client: str | None, ms: int, order: Order) -> OrderKey:
    return (_hash(order.transaction_id), _hash(client), _hash(order.customer),
            _hash(order.content), ms)  # fmt: skip


def id_spaces(ids: Iterable[str]) -> dict[str, int]:
    """How many ids there are of each kind: ``digits:prefix``, the twenty commonest kinds.

    >>> id_spaces(["T-10", "T-11", "x"])
    {'2:T-': 2}
    """
    spaces: Counter[str] = Counter()
    for one in ids:
        if (match := _COUNTER.match(one)) is not None and len(match[1]) <= _PREFIX:
            spaces[f"{len(match[2])}:{match[1]}"] += 1
    return dict(sorted(spaces.items(), key=lambda one: (-one[1], one[0]))[:_SPACES])


def chance_collisions(ids: Sequence[str]) -> float | None:
    """Colliding pairs expected if the digits at the end of each id were drawn at random.

    Ids of one prefix and one number of digits share a space of 10^digits; n ids drawn from a
    space of s give n(n-1)/2s colliding pairs (the birthday problem). None where the ids do not
    end in digits, so that the size of their space is unknown.
    """
    spaces: Counter[tuple[str, int]] = Counter()
    for one in ids:
        if (match := _COUNTER.match(one)) is not None:
            spaces[match[1], len(match[2])] += 1
    if not spaces:
        return None
    return sum(n * (n - 1) / 2 / 10.0**digits for (_, digits), n in sorted(spaces.items()))
