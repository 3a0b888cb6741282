"""Who is who among purchases that share a transaction id, and what each of them is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from tallymark.ingest.payloads import Order

__all__ = ["Judged", "Purchase", "is_refund", "is_test", "judge_orders", "same_customer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One purchase event: who, when, and what it says.

    Attributes:
        rank: Its place in the total order (event time, delivery, line number).
        day: Its date, for what was known by the end of it.
    """

    client: str | None
    customer: str | None
    content: str
    rank: int
    day: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a purchase is: ``kept``, ``redelivery`` or ``superseded``, and how its id stands."""

    status: str
    id_status: str


def is_test(order: Order) -> bool:
    """Zero value **and** no named item: shown, in no rate. An unreadable payload is no test."""
    return order.valid and order.revenue == 0 and not any(item.item_name for item in order.items)


def is_refund(order: Order) -> bool:
    """Revenue below zero: money that went back, whatever the event is called."""
    return order.revenue is not None and order.revenue < 0


def same_customer(orders: Sequence[tuple[str | None, str | None, str]]) -> list[int]:
    """Number the customers behind (client, e-mail hash, content) of one transaction id.

    Two orders are one customer's if the client or the e-mail is the same. Where neither of them
    says who bought, equal content is taken for the same customer; different content is not.
    """
    owner = list(range(len(orders)))

    def root(index: int) -> int:
        while owner[index] != index:
            owner[index] = owner[owner[index]]
            index = owner[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, (client, customer, content) in enumerate(orders):
        keys = [("client", client), ("customer", customer)]
        if client is None and customer is None:
            keys = [("content", content)]
        for kind, value in keys:
            if value is not None:
                known = first.setdefault((kind, value), index)
                owner[root(index)] = root(known)
    roots = [root(index) for index in range(len(orders))]
    numbers = {found: number for number, found in enumerate(sorted(set(roots)))}
    return [numbers[found] for found in roots]


def judge_orders(group: Sequence[Purchase]) -> list[Judged]:
    """Judge all purchases under one transaction id.

    Same customer and content: counted once, the first; later ones are redeliveries. Same customer
    and different content: a conflict, of which the latest counts. Different customers: a
    collision; both are real and both count.
    """
    customers = same_customer([(one.client, one.customer, one.content) for one in group])
    collides = len(set(customers)) > 1
    judged: dict[int, Judged] = {}
    for _, members in itertools.groupby(
        sorted(range(len(group)), key=lambda index: (customers[index], group[index].rank)),
        key=lambda index: customers[index],
    ):
        firsts: dict[str, int] = {}
        theirs = list(members)
        for index in theirs:
            firsts.setdefault(group[index].content, index)
        latest = max(firsts.values(), key=lambda index: group[index].rank)
        id_status = "conflict" if len(firsts) > 1 else "id_collision" if collides else "unique"
        for index in theirs:
            if index not in firsts.values():
                status = "redelivery"
            else:
                status = "kept" if index == latest else "superseded"
            judged[index] = Judged(status=status, id_status=id_status)
    return [judged[index] for index in range(len(group))]
