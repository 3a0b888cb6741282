"""Which numbers the rules ask to be followed, as arrays, and what is believed of them at first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tallymark.config import MonitorRule
from tallymark.monitor.follow import Slot
from tallymark.monitor.tables import Series, Tables
from tallymark.stats.dynamic import Belief, Family

__all__ = ["BELIEFS", "MIX", "MONEY_SHARE_WEIGHT", "PER_ORDER", "is_mix", "slots_of"]

Floats = NDArray[np.float64]

# Believed before a shop has a history, on the log or logit scale; chosen on the wide side of shops
# and tried in bench/detectors. Money: in units of what its number of orders makes of it.
BELIEFS: Mapping[Family, Belief] = {
    Family.COUNT: Belief(variance=0.12**2, weekday=0.18, slope=0.002),
    Family.RATE: Belief(variance=0.08**2, weekday=0.06, slope=0.0005, drift=0.0064),
    Family.MONEY: Belief(variance=1.0, weekday=0.10, slope=0.002),
}
# Shares of channels and devices swing more than rates, and with the weekday.
MIX = Belief(variance=0.08**2, weekday=0.08, slope=0.0, drift=0.01)
ORDER_VALUE_VARIANCE = 0.8  # squared coefficient of variation of one order's value
MEAN_SPREAD = 0.06  # of the average order from day to day, beyond the orders it was taken over
SUM_SPREAD = 0.12  # of revenue from day to day, beyond the orders it was taken over
OTHER_SPREAD = 0.25  # of an amount of which nothing more is known
MONEY_SHARE_WEIGHT = 0.5  # orders differ in value: a share of revenue rests on half as many
_TYPICAL = 0.1  # weight of a day in the typical number of orders

# Shares of money: judged as a share of so many orders.
PER_ORDER = {"attributed_revenue_share": "orders", "no_channel_revenue_share": "orders"}


def is_mix(rule: MonitorRule) -> bool:
    """Whether a rule asks for all shares of a whole as one question."""
    split = rule.segment != "all" and "=" not in rule.segment
    return split and (rule.metric or "").endswith("_share")


def slots_of(
    rules: Sequence[MonitorRule], tables: Tables, claimed: frozenset[tuple[str, str]]
) -> dict[Family, list[Slot]]:
    """The numbers of statistical rules, by family, in the order of rules and segments.

    Args:
        rules: Whose method is count, rate or money.
        tables: What the watch knows.
        claimed: (metric, segment) that have a rule of their own.
    """
    found: dict[Family, list[Slot]] = {family: [] for family in Family}
    for rule in rules:
        if is_mix(rule):
            continue
        family = Family(rule.method)
        for key, series in _asked(rule, tables, claimed):
            slot = _slot(rule, key, series, tables)
            if slot is not None:
                found[family].append(slot)
    return found


def _asked(
    rule: MonitorRule, tables: Tables, claimed: frozenset[tuple[str, str]]
) -> Iterator[tuple[str, Series]]:
    metric = rule.metric or ""
    if rule.segment == "all" or "=" in rule.segment:
        series = tables.get(metric, rule.segment)
        if series is not None:
            own = rule.segment == "all"
            yield rule.id if own else f"{metric}:{rule.segment.partition('=')[2]}", series
        return
    for segment in tables.segments.get((metric, rule.segment), ()):
        if (metric, segment) not in claimed:
            yield f"{rule.id}:{segment.partition('=')[2]}", tables.series[(metric, segment)]


def _slot(rule: MonitorRule, key: str, series: Series, tables: Tables) -> Slot | None:
    nothing, one = np.full(tables.size, np.nan), np.ones(tables.size)
    if rule.method == "count":
        values = np.maximum(np.rint(series.value), 0.0)
        return Slot(rule, key, values, nothing, series.value, one)
    if rule.method == "money":
        amounts = np.where(series.value < 0, 0.0, series.value)
        return Slot(rule, key, amounts, nothing, series.value, _variance(series, tables))
    trials, successes, of = series.denominator, series.numerator, "of"
    per = PER_ORDER.get(rule.metric or "")
    if per is not None:
        orders = tables.get(per)
        if orders is None:
            return None
        of = per
        trials = np.ceil(orders.value * MONEY_SHARE_WEIGHT)
        successes = trials * np.clip(series.value, 0.0, 1.0)
    usable = (trials > 0) & ~np.isnan(series.value) & ~np.isnan(successes)
    tried = np.where(usable, np.rint(np.where(usable, trials, 1.0)), np.nan)
    won = np.where(usable, np.rint(np.where(usable, successes, 0.0)), np.nan)
    return Slot(rule, key, np.clip(won, 0.0, tried), tried, series.value, one, of)


def _variance(series: Series, tables: Tables) -> Floats:
    """What the number of orders makes of an amount's variance on the log scale, per day."""
    if not bool(np.all(np.isnan(series.denominator))):
        counts = np.maximum(np.nan_to_num(series.denominator, nan=1.0), 1.0)
        found: Floats = MEAN_SPREAD**2 + ORDER_VALUE_VARIANCE / counts
        return found
    orders = tables.get("orders")
    if orders is None:
        return np.full(tables.size, OTHER_SPREAD**2)
    typical = _typical(orders.value)
    return np.asarray(SUM_SPREAD**2 + (1.0 + ORDER_VALUE_VARIANCE) / typical, dtype=np.float64)


def _typical(counts: Floats) -> Floats:
    """The usual number on each day, from the days before it alone."""
    found = np.ones(len(counts))
    level = np.nan
    for day, count in enumerate(counts):
        found[day] = 1.0 if np.isnan(level) else max(level, 1.0)
        if not np.isnan(count):
            level = count if np.isnan(level) else level + _TYPICAL * (count - level)
    return found
