"""Revenue against items: the orders of a shop decide what adds up to what.

An item's price may be that of one unit or of its line, and the revenue may hold taxes, shipping
and discounts or not. Every reading is tried on every order; which of them is the shop's habit is
decided over days, by :mod:`tallymark.check.past.history`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tallymark.check.counting.hourly import HOUR_MS
from tallymark.ingest.payloads import Order

__all__ = ["CENT", "Sums", "measure_sums", "sign"]

# Words in the names of amounts that stand beside the items, and whether they add or take away.
_ADDS = ("tax", "vat", "duty", "shipping", "delivery", "freight", "postage", "handling", "fee")
_TAKES = ("discount", "coupon", "voucher", "rebate", "gift", "promo")
_MOST = 4  # amounts that are tried together
_KEPT = 6  # readings that a ledger entry remembers
_TRIED = 2000  # orders on which every reading is tried; the best are then tried on all
_Reading = tuple[str, tuple[str, ...]]
CENT = Decimal("0.011")
"""By how much each unit may be rounded: its cent, and a little for what is rounded twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """How many orders add up, by reading.

    Attributes:
        orders: Orders that state a revenue above zero and a price in every line.
        fits: Orders that add up under a reading, such as ``unit`` or ``line + tax - discount``.
        misfits: Times, in milliseconds, of orders that do not, for the readings that matter.
    """

    orders: int = 0
    fits: Mapping[str, int] = field(default_factory=dict)
    misfits: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def as_entry(self) -> dict[str, Any]:
        """What the ledger keeps: misfits as how many, and the hours of the first and the last."""
        return {
            "orders": self.orders,
            "fits": dict(self.fits),
            "misfits": {
                name: [min(times) // HOUR_MS, max(times) // HOUR_MS]
                for name, times in self.misfits.items()
                if times
            },
        }


def measure_sums(orders: Sequence[tuple[int, Order]]) -> Sums:
    """Try every reading on the purchases (time in milliseconds, order)."""
    usable = [
        (ms, order)
        for ms, order in orders
        if order.revenue and order.revenue > 0 and order.items
        and all(item.price is not None for item in order.items)
    ]  # fmt: skip
    beside = Counter(
        name for _, order in usable for name, _ in order.amounts if sign(name) is not None
    )
    chosen = sorted(name for name, _ in sorted(beside.items(), key=lambda one: (-one[1], one[0]))
                    [:_MOST])  # fmt: skip
    readings = [
        (base, subset)
        for size in range(len(chosen) + 1)
        for base in ("unit", "line")
        for subset in itertools.combinations(chosen, size)
    ]
    likely = readings
    if len(readings) > _KEPT:
        step = max(1, len(usable) // _TRIED)
        likely = _best(_misfits(usable[::step], readings), readings)
    misfits = _misfits(usable, likely)
    return Sums(
        orders=len(usable),
        fits={name: len(usable) - len(times) for name, times in misfits.items()} if usable else {},
        misfits=misfits if usable else {},
    )


def _misfits(
    orders: Sequence[tuple[int, Order]], readings: Sequence[_Reading]
) -> dict[str, list[int]]:
    """When the orders came that do not add up, by reading."""
    found: dict[str, list[int]] = {_named(base, subset): [] for base, subset in readings}
    for ms, order in orders:
        parts = _Parts(order)
        for base, subset in readings:
            if not parts.add_up(base, subset):
                found[_named(base, subset)].append(ms)
    return found


def _best(misfits: Mapping[str, Sequence[int]], readings: Sequence[_Reading]) -> list[_Reading]:
    """The readings worth following: the two plain ones and the few that fit best."""
    plain = readings[:2]
    order = sorted(readings, key=lambda one: len(misfits[_named(*one)]))
    chosen = [*plain, *order[:_KEPT]]
    return [one for one in readings if one in chosen]


def sign(name: str) -> int | None:
    """Whether an amount of some name adds to what the items cost (1) or takes away (-1)."""
    lower = name.lower()
    if any(word in lower for word in _TAKES):
        return -1
    return 1 if any(word in lower for word in _ADDS) else None


def _named(base: str, subset: Sequence[str]) -> str:
    return base + "".join(f" {'-' if sign(one) == -1 else '+'} {one}" for one in subset)


class _Parts:
    """The amounts of one order, added up once."""

    def __init__(self, order: Order) -> None:
        self.revenue = order.revenue or Decimal(0)
        prices = [(item.price or Decimal(0), _times(item.quantity)) for item in order.items]
        self.bases = {
            "unit": sum((price * times for price, times in prices), Decimal(0)),
            "line": sum((price for price, _ in prices), Decimal(0)),
        }
        self.allowed = CENT * max(Decimal(1), sum((abs(n) for _, n in prices), Decimal(0)))
        self.amounts = dict(order.amounts)

    def add_up(self, base: str, subset: Sequence[str]) -> bool:
        """Whether the items and some of the amounts make the revenue, to the rounded cent."""
        total = self.bases[base]
        for name in subset:
            total += (sign(name) or 1) * abs(self.amounts.get(name, Decimal(0)))
        return abs(total - self.revenue) <= self.allowed


def _times(quantity: Decimal | None) -> Decimal:
    return Decimal(1) if quantity is None else quantity
