"""What is bought: baskets, prices in whole cents, transaction ids and payloads."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np

from tallymark.demo.catalogue import PAGES, PRODUCTS
from tallymark.demo.chance import Floats, Ints, pick, stream
from tallymark.demo.journeys import CART, POPUP, PURCHASE, Events
from tallymark.demo.people import Visits
from tallymark.demo.season import Season

__all__ = ["Order", "payload_text", "plan_orders", "plan_popups"]

_TEST_SHARE = 0.03
_LINES = (0.64, 0.25, 0.08, 0.03)
_QUANTITIES = (0.90, 0.08, 0.02)
_VARIANT_STEP = 2650  # cents by which each next variant is dearer
_ODD_CENTS = 5  # prices end in .95
_IDS_FROM, _IDS_TO = 10_000_000, 100_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """One order of the clean shop.

    Attributes:
        transaction_id: Unique in the clean shop.
        visit: Index of the visit it was placed in.
        ms: When, milliseconds since 1970.
        cents: Revenue in hundredths of the currency's unit.
        status: ``kept`` or ``test``.
        payload: The event's JSON text.
    """

    transaction_id: str
    visit: int
    ms: int
    cents: int
    status: str
    payload: str

    @property
    def is_counted(self) -> bool:
        """Whether it counts as an order; test orders do not."""
        return self.status == "kept"


def payload_text(payload: dict[str, Any]) -> str:
    """A payload as the shop sends it: compact JSON."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False)


def plan_orders(visits: Visits, events: Events, plan: Season, seed: int) -> dict[int, Order]:
    """The order behind each purchase event, by its row, in the order of time."""
    rows = np.flatnonzero(events.kind == PURCHASE)
    chance = stream(seed, "orders")
    count = len(rows)
    ids = _IDS_FROM + chance.choice(_IDS_TO - _IDS_FROM, count, replace=False)
    test = (chance.random(count) < _TEST_SHARE).tolist()
    lines = 1 + pick(chance, _LINES, count)
    basket = _Baskets(int(lines.sum()), chance)
    discount = _discounts(events.ms[rows], plan).tolist()
    wanted = _last_carts(events, rows)
    orders: dict[int, Order] = {}
    for at, row in enumerate(rows.tolist()):
        visit = int(events.visit[row])
        email = _email(seed, int(visits.person[visit]))
        items = basket.take(int(lines[at]), int(wanted[at]), discount[at])
        if test[at]:
            items = [dict.fromkeys(items[0]) | {"quantity": 1, "item_price": 0}]
        cents = sum(round(item["item_price"] * 100) * item["quantity"] for item in items)
        payload = {
            "transaction_id": f"LL-{ids[at]}",
            "revenue": _amount(cents),
            "items": items,
            "user_email": email,
        }
        orders[row] = Order(
            transaction_id=f"LL-{ids[at]}",
            visit=visit,
            ms=int(events.ms[row]),
            cents=cents,
            status="test" if test[at] else "kept",
            payload=payload_text(payload),
        )
    return orders


def plan_popups(visits: Visits, events: Events, seed: int) -> dict[int, str]:
    """The payload of each pop-up event, by its row."""
    rows = np.flatnonzero(events.kind == POPUP)
    people = visits.person[events.visit[rows]].tolist()
    return {
        row: payload_text({"user_email": _email(seed, person)})
        for row, person in zip(rows.tolist(), people, strict=True)
    }


class _Baskets:
    """Order lines drawn ahead, handed out one order at a time."""

    def __init__(self, lines: int, chance: np.random.Generator) -> None:
        self._product = pick(chance, [product.weight for product in PRODUCTS], lines).tolist()
        self._variant = chance.integers(0, 1 << 30, lines).tolist()
        self._quantity = (1 + pick(chance, _QUANTITIES, lines)).tolist()
        self._next = 0

    def take(self, lines: int, wanted: int, discount: float) -> list[dict[str, Any]]:
        """The next ``lines`` lines; the first is the product ``wanted``, if it is one."""
        items = []
        for at in range(self._next, self._next + lines):
            number = wanted if at == self._next and wanted >= 0 else self._product[at]
            product = PRODUCTS[number]
            variant = self._variant[at] % len(product.variants)
            cents = product.cents + variant * _VARIANT_STEP - _ODD_CENTS
            items.append(
                {
                    "item_id": f"{product.sku}-{variant + 1:02d}",
                    "item_name": product.name,
                    "item_variant": product.variants[variant],
                    "quantity": self._quantity[at],
                    "item_price": _amount(round(cents * (1 - discount))),
                }
            )
        self._next += lines
        return items


def _amount(cents: int) -> float | int:
    return cents / 100 if cents % 100 else cents // 100


def _email(seed: int, person: int) -> str:
    """SHA-256 of an invented address."""
    return hashlib.sha256(f"visitor{person}.{seed}@mail.example".encode()).hexdigest()


def _discounts(times: Ints, plan: Season) -> Floats:
    shares = np.zeros(len(times))
    for promotion in plan.promotions:
        shares[plan.within(promotion, times)] = promotion.discount
    return shares


def _last_carts(events: Events, rows: Ints) -> Ints:
    """For each purchase row, the product last put into the cart in its visit, or -1."""
    shows = np.array([page.product for page in PAGES])
    carts = np.flatnonzero(events.kind == CART)
    latest: dict[int, int] = dict(
        zip(events.visit[carts].tolist(), shows[events.page[carts]].tolist(), strict=True)
    )
    return np.array(
        [latest.get(visit, -1) for visit in events.visit[rows].tolist()], dtype=np.int64
    )
