"""What the purchases that a finding touches state, in their own currency.

Asked of the landed rows only when a finding touches some: most deliveries have none, and none of
this is paid for then. Amounts of several currencies are never added up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

import duckdb

from tallymark.check.counting.hourly import moment
from tallymark.contract import Payload
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.identity import is_test, same_customer
from tallymark.ingest.landing import Landed
from tallymark.ingest.landing_sql import REJECTED
from tallymark.ingest.payloads import Order, parse_order

__all__ = ["Again", "Touched", "Worth"]

Again = Literal["redelivered", "conflicting"]
_MOST = 200_000  # purchases that are read for one finding
_Bought = tuple[str | None, Order, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What some purchases state.

    Attributes:
        money: Their revenue, each taken without its sign; None where they state none, or state
            it in more than one currency.
        currency: Of the money; None where the payloads do not say.
        by_currency: Where there are several: the money of each.
        purchases: How many they are, if that was asked.
        first: When the first of them was, ISO 8601 UTC.
    """

    money: Decimal | None = None
    currency: str | None = None
    by_currency: dict[str, Decimal] = field(default_factory=dict)
    purchases: int | None = None
    first: str | None = None

    def evidence(self) -> dict[str, Any]:
        """What a finding says of the currency."""
        if self.by_currency:
            return {"money_by_currency": {name: str(one) for name, one in
                                          sorted(self.by_currency.items())}}  # fmt: skip
        return {"currency": self.currency} if self.money is not None and self.currency else {}


class Worth:
    """Prices the purchases of one landed delivery.

    Args:
        engine: Where to ask.
        landed: The landed delivery; what is not in it, such as a payload, does not bind.
        names: The keys of a purchase's payload.
    """

    def __init__(self, engine: DuckEngine, landed: Landed, names: Payload) -> None:
        self._engine = engine
        self._landed = landed
        self._names = names
        self._purchases = landed.purchases if landed.light else landed.source

    def of_rows(self, condition: str) -> Touched:
        """What the purchases among the rows that meet a condition on landed rows state."""
        try:
            rows = self._engine.rows(
                f"select payload, event_ms from {self._purchases} where step = 'purchase' "
                f"and ({self._landed.condition(condition)}) limit {_MOST + 1}"
            )
        except duckdb.BinderException:
            if self._landed.light:
                raise
            return Touched()  # only a built table can answer
        if len(rows) > _MOST:
            return Touched()
        told = _summed(parse_order(row[0], self._names) for row in rows)
        first = min((row[1] for row in rows if row[1] is not None), default=None)
        return replace(
            told, purchases=len(rows), first=None if first is None else moment(first)
        )  # fmt: skip

    def of_orders(self, which: Again) -> Touched:
        """What the copies, or the versions, of orders that came more than once state."""
        rows = self._engine.rows(
            f"select client_id, payload, event_ms from {self._purchases} where step = 'purchase' "
            f"and faults & {REJECTED.value} = 0 order by event_ms, line_number limit {_MOST + 1}"
        )
        by_id: defaultdict[str, list[_Bought]] = defaultdict(list)
        for client, payload, ms in rows if len(rows) <= _MOST else ():
            order = parse_order(payload, self._names)
            if order.transaction_id is not None and not is_test(order):
                by_id[order.transaction_id].append((client, order, ms))
        told = [one for group in by_id.values() if len(group) > 1 for one in _again(group, which)]
        return replace(
            _summed(order for order, _ in told), purchases=len(told),
            first=moment(min(ms for _, ms in told)) if told else None,
        )  # fmt: skip


def _again(group: Sequence[_Bought], which: Again) -> list[tuple[Order, int]]:
    """Of purchases of one transaction id: the copies, or all versions of what has several."""
    customers = same_customer(
        [(client, order.customer, order.content) for client, order, _ in group]
    )
    found: list[tuple[Order, int]] = []
    for customer in sorted(set(customers)):
        versions: dict[str, tuple[Order, int]] = {}
        copies = []
        for (_, order, ms), who in zip(group, customers, strict=True):
            if who != customer:
                continue
            if order.content in versions:
                copies.append((order, ms))
            versions.setdefault(order.content, (order, ms))
        if which == "redelivered":
            found += copies
        elif len(versions) > 1:
            found += versions.values()
    return found


def _summed(orders: Iterable[Order]) -> Touched:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for order in orders:
        if order.revenue:
            sums[(order.currency or "").upper()] += abs(order.revenue)
    if not sums:
        return Touched()
    if len(sums) > 1:
        return Touched(by_currency={name or "not stated": one for name, one in sums.items()})
    ((currency, money),) = sums.items()
    return Touched(money=money, currency=currency or None)
