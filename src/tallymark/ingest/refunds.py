"""Which order a refund takes back, and how much of it."""

from __future__ import annotations

from decimal import Decimal

from tallymark.ingest.payloads import Order

__all__ = ["Refunds"]

_NOTHING = Decimal(0)


class Refunds:
    """What was sold and taken back so far, in the total order of events.

    Nothing that happens on a later day changes what a refund is, so that a day's revenue stays
    what it was known to be.
    """

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str, str], int] = {}
        self._first: dict[tuple[str, str, str], int] = {}
        self._same: dict[int, tuple[str, str, str]] = {}
        self._on_day: dict[tuple[str, str], int] = {}
        self._taken: dict[int, Decimal] = {}
        self._sent: set[tuple[str, ...]] = set()

    def sold_on(self, day: str, rank: int, client: str | None, order: Order) -> None:
        """Remember the first purchase of a day under a transaction id.

        A clock that runs backwards puts a refund before its order on the same day.
        """
        if order.transaction_id is not None:
            self._on_day.setdefault((order.transaction_id, day), rank)
            # Where no e-mail tells customers of equal orders apart, their clients do.
            buyer = "" if order.customer is not None else client or ""
            self._same[rank] = (order.transaction_id, order.content, buyer)

    def sold(self, rank: int, client: str | None, order: Order) -> None:
        """Remember a purchase, once its turn has come."""
        number = order.transaction_id
        if number is None:
            return
        self._first.setdefault(self._same[rank], rank)
        for kind, value in (("client", client), ("customer", order.customer), ("", "")):
            if value is not None:
                self._latest[(number, kind, value)] = rank

    def sent_before(self, client: str | None, order: Order, ms: int) -> bool:
        """Whether the same customer sent the same refund before; remembers it either way."""
        number = order.transaction_id or f"\x1f{ms}"
        keys: list[tuple[str, ...]] = [
            (number, order.content, kind, value)
            for kind, value in (("client", client), ("customer", order.customer))
            if value is not None
        ] or [(number, order.content)]
        known = any(key in self._sent for key in keys)
        self._sent.update(keys)
        return known

    def target(self, client: str | None, day: str, order: Order) -> int | None:
        """The rank of the purchase that a refund takes back, or None if no such order is known.

        The latest one before it under its transaction id, of the same customer if there is one;
        where that was sent several times, the first. Else the first of the same day.
        """
        number = order.transaction_id
        if number is None:
            return None
        mine = [
            self._latest[(number, kind, value)]
            for kind, value in (("client", client), ("customer", order.customer))
            if value is not None and (number, kind, value) in self._latest
        ]
        latest = max(mine) if mine else self._latest.get((number, "", ""))
        if latest is None:
            return self._on_day.get((number, day))
        return self._first[self._same[latest]]

    def taken_back(
        self,
        target: int | None,
        brought: Decimal | None,
        stated: Decimal | None,
        *,
        counts: bool,
    ) -> Decimal:
        """How much a refund takes back: what it states, else all, never more than is left.

        Args:
            target: What :meth:`target` found.
            brought: What that order brought; None if there is none.
            stated: The amount that the refund states.
            counts: Whether it is more than a repetition.
        """
        if target is None or brought is None:
            return stated or _NOTHING
        before = self._taken.get(target, _NOTHING)
        left = max(brought - before, _NOTHING)
        taken = left if stated is None else min(stated, left)
        if counts:
            self._taken[target] = before + taken
        return taken
