"""How much the orders of a delivery are worth, by powers of two: what days are compared by."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

from tallymark.check.counting.hourly import HOUR_MS
from tallymark.ingest.payloads import currency_code

__all__ = ["sizes_of"]


def sizes_of(
    orders: Iterable[tuple[int | None, str | None, Decimal | None]],
) -> dict[str, list[int]]:
    """How many orders there are of each size, and the hour of the first.

    Args:
        orders: (millisecond, currency, revenue) of purchases; those worth nothing are left out.

    Returns:
        By currency and power of two, as ``EUR:5`` for 32 to 64: orders, and the hour since 1970 in
        which the first of them was placed.
    """
    found: dict[str, list[int]] = {}
    for ms, currency, revenue in orders:
        if revenue is None or revenue <= 0 or ms is None:
            continue
        code = currency_code(currency) or ""
        # frexp gives 0.5 <= mantissa < 1: exact for powers of two, which logarithms are not.
        held = found.setdefault(f"{code}:{math.frexp(float(revenue))[1] - 1}", [0, ms // HOUR_MS])
        held[0] += 1
        held[1] = min(held[1], ms // HOUR_MS)
    return dict(sorted(found.items()))
