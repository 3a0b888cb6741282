"""The orders: what each purchase or refund is, what it is worth, and the lines it holds.

Everything about an order but its session is worked out here, over the whole history: which
purchases are one, which refund belongs to which order, and amounts in the shop's currency.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tallymark.build.money import Money, currency_of, mixed
from tallymark.config import Config
from tallymark.contract import Contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.identity import Judged, Purchase, is_refund, is_test, judge_orders
from tallymark.ingest.payloads import Item, Order, parse_order
from tallymark.ingest.refunds import Refunds

__all__ = ["Votes", "make_orders"]

_PLACES = Decimal("0.0001")
_TOO_LARGE = Decimal(10) ** 14  # what DECIMAL(18,4) cannot hold
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """What other orders than those at hand say of item prices, where some are at hand only.

    Attributes:
        others: How many more orders of other days add up with prices of one unit.
        days: The days whose orders are all at hand, ISO 8601.
    """

    others: int
    days: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Row:
    """A purchase, refund or cancellation event, in the total order."""

    event_id: int
    client: str | None
    ms: int
    day: str
    order: Order
    refund: bool


def make_orders(
    engine: DuckEngine, config: Config, contract: Contract, votes: Votes | None = None
) -> None:
    """Make ``int_order_identity``, ``int_order_lines`` and ``price_votes``.

    Args:
        engine: It holds the landed rows.
        config: The configuration.
        contract: The contract.
        votes: What other orders say of item prices, where not all are at hand.

    Raises:
        ConfigError: Orders come in several currencies, and a rate is missing.
    """
    found = engine.rows(
        "select event_id, client_id, event_ms, cast(event_date as varchar), payload, step "
        "from landed where rejected = 0 and step in ('purchase', 'refund', 'cancellation') "
        "order by event_ms, delivery, line_number"
    )
    payloads = {row[4]: parse_order(row[4], contract.payload) for row in found}
    rows = [
        _Row(
            event_id=event_id, client=client, ms=ms, day=day, order=payloads[payload],
            refund=step != "purchase" or is_refund(payloads[payload]),
        )
        for event_id, client, ms, day, payload, step in found
    ]  # fmt: skip
    money = Money(config=config, names=contract.payload)
    mixed([row.order for row in rows], config)
    by_unit = _price_is_per_unit(engine, rows, votes)
    final, known = _judged(rows)
    amounts, refunded, priced = _amounts(rows, final, known, money, by_unit=by_unit)
    ids = _order_ids(rows)
    engine.values(
        "int_order_identity",
        {
            "event_id": ("bigint", [row.event_id for row in rows]),
            "order_id": ("varchar", ids),
            "transaction_id": ("varchar", [row.order.transaction_id for row in rows]),
            "revenue": ("decimal(18,4)", amounts),
            "currency": ("varchar", [money.currency(order) for order in priced]),
            "delivered_revenue": ("decimal(18,4)", [row.order.revenue for row in rows]),
            "delivered_currency": ("varchar", [row.order.currency for row in rows]),
            "items": ("integer", [len(row.order.items) for row in rows]),
            "status": ("varchar", [one.status for one in final]),
            "id_status": ("varchar", [one.id_status for one in final]),
            "known_status": ("varchar", [one.status for one in known]),
            "known_id_status": ("varchar", [one.id_status for one in known]),
            "is_refund": ("boolean", [row.refund for row in rows]),
            "refunded_event_id": ("bigint", refunded),
        },
    )
    _order_lines(engine, ids, rows, priced, money, by_unit=by_unit)


# ---------------------------------------------------------------- what each one is


def _judged(rows: Sequence[_Row]) -> tuple[list[Judged], list[Judged]]:
    """What each order is, and what it was by the end of its own day.

    Refunds are told apart from those sent twice by :func:`_amounts`, which follows.
    """
    kept = Judged(status="kept", id_status="unique")
    test = Judged(status="test", id_status="unique")
    refund = Judged(status="refund", id_status="unique")
    final = [refund if row.refund else test if is_test(row.order) else kept for row in rows]
    known = list(final)
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        if final[index] is kept:
            # Without an id only an exact twin can be the same order.
            twin = f"\x1f{row.client}\x1f{row.ms}\x1f{row.order.content}"
            groups.setdefault(row.order.transaction_id or twin, []).append(index)
    for members in groups.values():
        if len(members) > 1:
            group = [
                Purchase(
                    client=rows[index].client, customer=rows[index].order.customer,
                    content=rows[index].order.content, rank=index, day=rows[index].day,
                )
                for index in members
            ]  # fmt: skip
            for index, verdict in zip(members, judge_orders(group), strict=True):
                final[index] = verdict
            for day in sorted({one.day for one in group}):
                until = [place for place, one in enumerate(group) if one.day <= day]
                verdicts = judge_orders([group[place] for place in until])
                for place, verdict in zip(until, verdicts, strict=True):
                    if group[place].day == day:
                        known[members[place]] = verdict
    return final, known


def _amounts(
    rows: Sequence[_Row],
    final: list[Judged],
    known: list[Judged],
    money: Money,
    *,
    by_unit: bool,
) -> tuple[list[Decimal], list[int | None], list[Order]]:
    """What each row brought, refunds below zero, and the event that each refund takes back.

    And what each row is to be read as: a refund that names no currency has that of its order. A
    refund sent twice becomes a ``redelivery`` in ``final`` and ``known``.
    """
    twice = Judged(status="redelivery", id_status="unique")
    refunds = Refunds()
    for index, row in enumerate(rows):
        if not row.refund and not is_test(row.order):
            refunds.sold_on(row.day, index, row.client, row.order)
    amounts: list[Decimal] = []
    refunded: list[int | None] = []
    priced = [row.order for row in rows]
    for index, row in enumerate(rows):
        if not row.refund:
            amounts.append(money.amount(row.order) or _NOTHING)
            refunded.append(None)
            if not is_test(row.order):
                refunds.sold(index, row.client, row.order)
            continue
        if refunds.sent_before(row.client, row.order, row.ms):
            final[index] = known[index] = twice
        target = refunds.target(row.client, row.day, row.order)
        brought = None
        if target is not None:
            brought = money.amount(rows[target].order) or _NOTHING
            if currency_of(row.order) is None:
                priced[index] = row.order._replace(currency=rows[target].order.currency)
        # A refund of nothing is one that names no amount.
        stated = money.amount(priced[index]) or _of_lines(priced[index], money, by_unit=by_unit)
        counts = final[index] is not twice
        amounts.append(-refunds.taken_back(target, brought, stated, counts=counts))
        refunded.append(rows[target].event_id if target is not None else None)
    return amounts, refunded, priced


def _of_lines(order: Order, money: Money, *, by_unit: bool) -> Decimal | None:
    """What the lines of a refund come to, if it names no amount; None without prices."""
    lines = [_line_revenue(item, by_unit=by_unit) for item in order.items]
    priced = [line for line in lines if line is not None]
    return money.converted(sum(priced, _NOTHING).copy_abs(), order) if priced else None


def _order_ids(rows: Sequence[_Row]) -> list[str]:
    """Ids from content alone: who, when, what; equal twins are numbered in the total order."""
    seen: dict[str, int] = {}
    ids = []
    for row in rows:
        order = row.order
        text = "\x1f".join(
            [order.transaction_id or "", row.client or "", order.customer or "", order.content,
             str(row.ms), *(["refund"] if row.refund else [])]
        )  # fmt: skip
        digest = hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()[:32]
        twin = seen[digest] = seen.get(digest, 0) + 1
        ids.append(digest if twin == 1 else f"{digest}-{twin}")
    return ids


# ---------------------------------------------------------------- lines


def _order_lines(
    engine: DuckEngine,
    ids: Sequence[str],
    rows: Sequence[_Row],
    priced: Sequence[Order],
    money: Money,
    *,
    by_unit: bool,
) -> None:
    """The lines of every order; those of a refund are below zero, pieces and money alike."""
    lines = [
        (order_id, number, item, order, row.refund)
        for order_id, order, row in zip(ids, priced, rows, strict=True)
        for number, item in enumerate(order.items, start=1)
    ]
    columns: Mapping[str, tuple[str, Sequence[Any]]] = {
        "order_id": ("varchar", [order_id for order_id, *_ in lines]),
        "line": ("integer", [number for _, number, *_ in lines]),
        "item_id": ("varchar", [item.item_id for _, _, item, *_ in lines]),
        "item_name": ("varchar", [item.item_name for _, _, item, *_ in lines]),
        "quantity": (
            "decimal(18,4)",
            [_back(item.quantity, refund=refund) for _, _, item, _, refund in lines],
        ),
        "line_revenue": (
            "decimal(18,4)",
            [
                _back(
                    money.converted(_line_revenue(item, by_unit=by_unit), order),
                    refund=refund,
                )
                for _, _, item, order, refund in lines
            ],
        ),
    }
    engine.values("int_order_lines", columns)


def _back(number: Decimal | None, *, refund: bool) -> Decimal | None:
    return -number.copy_abs() if refund and number else number


def _line_revenue(item: Item, *, by_unit: bool) -> Decimal | None:
    if item.price is None:
        return None
    times = item.quantity if by_unit and item.quantity is not None else Decimal(1)
    product = item.price * times
    return product.quantize(_PLACES, ROUND_HALF_UP) if abs(product) < _TOO_LARGE else None


def _price_is_per_unit(engine: DuckEngine, rows: Sequence[_Row], others: Votes | None) -> bool:
    """Whether item prices are for one unit; leaves the votes of each day in ``price_votes``."""
    votes = _price_votes(rows)
    days = sorted(votes)
    engine.values(
        "price_votes",
        {
            "date": ("date", [dt.date.fromisoformat(day) for day in days]),
            "votes": ("bigint", [votes[day] for day in days]),
        },
    )
    if others is None:
        return sum(votes.values()) >= 0
    return others.others + sum(votes.get(day, 0) for day in others.days) >= 0


def _price_votes(rows: Sequence[_Row]) -> dict[str, int]:
    """By day, how many more orders add up if item prices are for one unit than if they are not.

    Shops disagree, so the orders decide: sums of price x quantity against sums of prices, over
    orders where the two differ. Where none does it makes no difference.
    """
    votes: dict[str, int] = {}
    for row in rows:
        order = row.order
        if row.refund or not order.revenue or any(item.price is None for item in order.items):
            continue
        sums = [
            sum((_line_revenue(item, by_unit=by) or _NOTHING for item in order.items), _NOTHING)
            for by in (True, False)
        ]
        if sums[0] != sums[1]:
            vote = (sums[0] == order.revenue) - (sums[1] == order.revenue)
            votes[row.day] = votes.get(row.day, 0) + vote
    return votes
