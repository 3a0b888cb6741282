"""Orders worth so much more than the shop's orders are that a mistake is likelier than a sale.

A point that got lost, a test with nines all over, a number from another field. How much orders are
worth differs by so many orders of magnitude between shops that only their own can say what is far,
and on the scale of logarithms: a power of two of an order's revenue is all that is kept of it.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tallymark.check.counting import queries
from tallymark.check.counting.hourly import HOUR_MS, moment
from tallymark.check.past.habits import WINDOW, Day, Entry, Told
from tallymark.check.rules import Hit
from tallymark.check.words import agreed
from tallymark.config import Severity
from tallymark.contract import Payload

__all__ = ["Worths"]

_LEAST = 30  # orders, earlier ones included, that it takes to know what is usual
_TIMES = 10  # powers of two above the median: beyond a thousand times the usual order
_SPREADS = 6.0  # and so many robust standard deviations: some shops sell spoons and kitchens
_SIGMA = 1.4826  # standard deviations in a median absolute deviation, of normal logarithms
_NARROW = 0.5  # powers of two: the spread is not believed to be less
Sizes = Mapping[str, Sequence[int]]


@dataclass(slots=True)
class Worths:
    """Judges whether orders are of the size that the shop's orders have, day by day."""

    names: Payload = field(default_factory=Payload)
    past: deque[tuple[int, Counter[tuple[str, int]]]] = field(default_factory=deque)
    known: Counter[tuple[str, int]] = field(default_factory=Counter)  # their sum

    def look(self, day: Day) -> Iterator[Told]:
        """Orders far beyond those of the day and of the days before, a finding a delivery."""
        told = [(entry, _split((entry.get("orders") or {}).get("sizes"))) for entry in day.entries]
        today: Counter[tuple[str, int]] = Counter()
        for _, sizes in told:
            today.update({key: count for key, (count, _) in sizes.items()})
        while self.past and self.past[0][0] < day.number - WINDOW:
            self.known.subtract(self.past.popleft()[1])
        self.known.update(today)
        self.past.append((day.number, today))
        known = +self.known  # what there is any of
        several = len({currency for currency, _ in known}) > 1
        for currency in sorted({currency for currency, _ in today}):
            bounds = _bounds({size: n for (code, size), n in known.items() if code == currency})
            if bounds is None:
                continue
            for entry, sizes in told:
                mine = {size: held for (code, size), held in sizes.items() if code == currency}
                far = {size: held for size, held in mine.items() if size >= bounds[1]}
                if far:
                    yield self._told(entry, mine, far, bounds, currency if several else None)

    def _told(
        self,
        entry: Entry,
        sizes: Mapping[int, Sequence[int]],
        far: Mapping[int, Sequence[int]],
        bounds: tuple[int, int],
        currency: str | None,
    ) -> Told:
        usual, least = bounds
        count, total = (sum(held[0] for held in one.values()) for one in (far, sizes))
        # At least what they come to, and at most what all others do.
        theirs = sum(held[0] * 2.0**size for size, held in far.items())
        others = sum(held[0] * 2.0 ** (size + 1) for size, held in sizes.items() if size < least)
        most = theirs > others
        condition = f"{queries.number(self.names.revenue)} >= {2**least}"
        if currency is not None:
            condition += f" and {queries.stated(self.names.currency, currency)}"
        since = moment(min(hour for _, hour in far.values()) * HOUR_MS)
        says = f"state a revenue of {_round(2.0**least)} or more"
        hit = Hit(
            subject=currency or "",
            message=f"{count:,} of {total:,} purchases {agreed(count, says)}"
            f"{f' {currency}' if currency else ''}, where half of all orders are below "
            f"{_round(2.0 ** (usual + 1))}{': most of the revenue' if most else ''}",
            rows=count,
            share=count / total,
            severity=Severity.P1 if most else None,
            evidence={"from_revenue": 2**least, "usual_below": 2.0 ** (usual + 1)},
            query=queries.rows_of_events(entry["delivery"], queries.purchases(condition)),
        )
        return Told("order_far_revenue", entry["delivery"], hit, since)


def _split(sizes: Sizes | None) -> dict[tuple[str, int], Sequence[int]]:
    found = {}
    for name, held in (sizes or {}).items():
        currency, _, size = name.rpartition(":")
        found[currency, int(size)] = held
    return found


def _bounds(sizes: Mapping[int, int]) -> tuple[int, int] | None:
    """The usual power of two, and the one from which on an order is far; None of too few orders."""
    if sum(sizes.values()) < _LEAST:
        return None
    usual = _median(sizes)
    away: Counter[int] = Counter()
    for size, count in sizes.items():
        away[abs(size - usual)] += count
    spread = max(_NARROW, _SIGMA * _median(away))
    # One more, for the usual order is somewhere within its power of two.
    least = usual + 1 + max(_TIMES, math.ceil(_SPREADS * spread))
    return (usual, least) if least > 0 else None


def _median(counts: Mapping[int, int]) -> int:
    half, seen = sum(counts.values()) / 2, 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= half:
            break
    return value


def _round(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 1 else f"{amount:g}"
