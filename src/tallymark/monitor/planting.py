"""Faults planted into a shop's own metrics, as they would look there."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tallymark.monitor.tables import Series, Tables

__all__ = ["FAULTS", "Fault", "planted", "window"]

Floats = NDArray[np.float64]
Key = tuple[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind of fault: which numbers it takes a part of.

    Attributes:
        name: In the table.
        counts: Counts and amounts that shrink, whole metrics.
        rates: Rates of which the numerator shrinks, the denominator stays.
        bases: Rates of which both shrink.
        hourly: Hourly metrics that shrink.
        grows: Hourly metrics that grow by what the first of ``rates`` loses.
        segment: The kind of segment of which the largest one shrinks, of the first of ``rates``.
    """

    name: str
    counts: tuple[str, ...] = ()
    rates: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    hourly: tuple[str, ...] = ()
    grows: str | None = None
    segment: str | None = None


_FUNNEL = ("cart_rate", "checkout_rate", "purchase_rate", "conversion_rate")
_SALES = ("orders", "revenue", "revenue_gross")
FAULTS = (
    Fault(name="purchases fail", counts=_SALES, rates=("purchase_rate", "conversion_rate"),
          hourly=("orders", "revenue")),
    Fault(name="checkouts fail", counts=_SALES, rates=("checkout_rate", "conversion_rate"),
          bases=("purchase_rate",), hourly=("orders", "revenue")),
    Fault(name="carts fail", counts=_SALES, rates=("cart_rate", "conversion_rate"),
          bases=("checkout_rate", "purchase_rate"), hourly=("orders", "revenue")),
    Fault(name="visits fall", counts=("sessions", "events", "page_views", "rows_accepted", *_SALES),
          bases=(*_FUNNEL, "identity_coverage", "referrer_coverage", "new_client_share"),
          hourly=("events", "page_views", "orders", "revenue", "anonymous_events",
                  "referred_views")),
    Fault(name="client ids are lost", rates=("identity_coverage",), grows="anonymous_events"),
    Fault(name="referrers are lost", rates=("referrer_coverage",), hourly=("referred_views",)),
    Fault(name="the largest channel falls", rates=("channel_share",), segment="channel"),
    Fault(name="orders are worth less", counts=("revenue", "revenue_gross", "aov"),
          hourly=("revenue",)),
)  # fmt: skip


def window(tables: Tables, first: int, last: int) -> Tables:
    """The days from ``first`` to before ``last``, as a warehouse of its own."""
    part = slice(first, last)
    return dataclasses.replace(
        tables,
        first=tables.date(first),
        size=last - first,
        delivered=tables.delivered[part].copy(),
        series={key: _sliced(one, part) for key, one in tables.series.items()},
        hourly={metric: one[part].copy() for metric, one in tables.hourly.items()},
        deliveries={
            day - first: found for day, found in tables.deliveries.items() if first <= day < last
        },
    )


def _sliced(series: Series, part: slice) -> Series:
    return Series(
        series.value[part].copy(), series.numerator[part].copy(), series.denominator[part].copy()
    )


def planted(tables: Tables, fault: Fault, start: int, keep: float, seed: int) -> Tables | None:
    """The same days with a fault from ``start`` on; None where the shop has no such number.

    Single orders and visits are taken by chance, so that what remains varies as it would.

    Args:
        tables: Sound days.
        fault: What breaks.
        start: The first bad day.
        keep: The part that is left, 0 to 1.
        seed: Of the chance.
    """
    rng = np.random.default_rng([seed, start, round(1000 * keep), FAULTS.index(fault)])
    bad = np.arange(start, tables.size)
    series = dict(tables.series)
    if fault.segment is not None:
        if not _one_segment(series, fault, tables, bad, keep, rng):
            return None
        return dataclasses.replace(tables, series=series)
    named = {*fault.counts, *fault.rates}
    if not any(metric in named and segment == "all" for metric, segment in series):
        return None
    for metric in (*fault.counts, *fault.rates, *fault.bases):
        one = series.get((metric, "all"))
        if one is not None:
            series[(metric, "all")] = _shrunk(one, bad, keep, rng, base=metric in fault.bases)
    hourly = dict(tables.hourly)
    for metric in fault.hourly:
        if metric in hourly:
            hourly[metric] = hourly[metric].copy()
            hourly[metric][bad] = _thinned(hourly[metric][bad], keep, rng)
    if fault.grows in hourly and "events" in hourly:
        grown = hourly[fault.grows].copy()
        grown[bad] += (1.0 - keep) * (hourly["events"][bad] - grown[bad])
        hourly[fault.grows] = np.round(grown)
    return dataclasses.replace(tables, series=series, hourly=hourly)


def _shrunk(
    one: Series, bad: NDArray[np.int64], keep: float, rng: np.random.Generator, *, base: bool
) -> Series:
    value, numerator, denominator = (
        part.copy() for part in (one.value, one.numerator, one.denominator)
    )
    rate = ~np.isnan(denominator[bad]) & (denominator[bad] > 0)
    if base:
        share = one.value[bad]
        denominator[bad] = _thinned(denominator[bad], keep, rng)
        numerator[bad] = np.round(share * denominator[bad])
    else:
        numerator[bad] = _thinned(numerator[bad], keep, rng)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = numerator[bad] / denominator[bad]
    plain = numerator[bad] if not np.isnan(numerator[bad]).all() else keep * value[bad]
    value[bad] = np.where(rate, ratio, plain)
    return Series(value, numerator, denominator)


def _thinned(counts: Floats, keep: float, rng: np.random.Generator) -> Floats:
    """What is left of counts; of amounts, which are no whole numbers, the part itself."""
    filled = np.nan_to_num(counts)
    whole = bool(np.all(filled == np.round(filled)))
    left = rng.binomial(filled.astype(np.int64), keep) if whole else np.round(keep * filled, 2)
    return np.where(np.isnan(counts), np.nan, left.astype(np.float64))


def _one_segment(
    series: dict[Key, Series], fault: Fault, tables: Tables, bad: NDArray[np.int64], keep: float,
    rng: np.random.Generator,
) -> bool:  # fmt: skip
    """Take a part of the largest segment; the others' shares grow by that."""
    metric = fault.rates[0]
    mine = {key: one for key, one in series.items() if key[0] == metric and key[1] != "all"}
    before = np.arange(bad[0])
    if len(mine) < 2 or not len(before):  # noqa: PLR2004 -- a mix has two parts at least
        return False
    largest = max(mine, key=lambda key: (float(np.nansum(mine[key].numerator[before])), key))
    lost = np.zeros(tables.size)
    one = mine[largest]
    left = _thinned(one.numerator[bad], keep, rng)
    lost[bad] = np.nan_to_num(one.numerator[bad] - left)
    for key, part in mine.items():
        numerator, denominator = part.numerator.copy(), part.denominator - lost
        if key == largest:
            numerator[bad] = left
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(denominator > 0, numerator / denominator, np.nan)
        series[key] = Series(value, numerator, denominator)
    return True
