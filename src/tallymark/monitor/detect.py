"""One rule, one day: how far the metric is from its own past, and how surprising that is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tallymark.config import MonitorRule
from tallymark.monitor.tables import Series, Tables
from tallymark.stats.baseline import (
    Baseline,
    Past,
    Prior,
    count_baseline,
    money_baseline,
    rate_baseline,
)
from tallymark.stats.mix import mix_shift
from tallymark.stats.predictive import (
    Tails,
    beta_binomial_tails,
    log_t_tails,
    mixture,
    negative_binomial_tails,
    two_sided,
)
from tallymark.stats.special import student_quantile

__all__ = ["Judged", "Learning", "in_direction", "judge_rule", "smallest_seen"]

Floats = NDArray[np.float64]
Days = NDArray[np.int64]

# Believed before a shop has a history: day-to-day standard deviations on the log or logit scale,
# first with the weekday known, then what not knowing it adds. Chosen on the wide side of shops.
COUNT = Prior(spread=0.12, unknown_weekday=0.18)
RATE = Prior(spread=0.12, unknown_weekday=0.08)
MONEY_SPREAD = 0.12
MONEY_UNKNOWN_WEEKDAY = 0.18
ORDER_VALUE_VARIANCE = 0.8  # squared coefficient of variation of one order's value
MIX_CORRELATION = 0.002  # prior of two visits of one day having the same unusual channel
MONEY_SHARE_WEIGHT = 0.5  # orders differ in value: a share of revenue rests on half as many

# Shares of money: judged as a share of so many orders.
PER_ORDER = {"no_channel_revenue_share": "orders"}
_ZERO_MONEY = 0.01  # no revenue although there are orders: judged as this part of the usual
_FEWEST_FREEDOM = 3.0  # degrees of freedom with which a t still has a variance
_POWER = 0.84  # the standard normal lies below it four times out of five
_MISTAKES = 0.05  # intervals in reports hold 95 % of normal days


@dataclass(frozen=True, slots=True)
class Judged:
    """How one metric of one day compares with its past.

    Attributes:
        rule: The rule that asked.
        key: Id of a finding about it.
        observed: Today's value.
        expected: The baseline's.
        low: Lower end of the interval that holds 95 % of normal days.
        high: Its upper end.
        p: Chance of such a deviation in the rule's direction on a normal day.
        days: Days of history used.
        method: In words.
        detail: Further evidence.
        spread: Standard deviation of a normal day on the log (rates: logit) scale.
        freedom: Degrees of freedom behind it.
    """

    rule: MonitorRule
    key: str
    observed: float
    expected: float
    low: float
    high: float
    p: float
    days: int
    method: str
    spread: float
    freedom: float
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def change(self) -> float:
        """Relative change; infinite when nothing was expected."""
        if self.expected == 0:
            return 0.0 if self.observed == 0 else math.inf
        return self.observed / self.expected - 1.0

    @property
    def points(self) -> float:
        """Absolute change."""
        return self.observed - self.expected

    @property
    def matters(self) -> bool:
        """Whether the change is large enough to be said, however certain it is."""
        rule = self.rule
        if rule.min_change is not None and abs(self.change) < rule.min_change:
            return False
        return rule.min_points is None or abs(self.points) >= rule.min_points


@dataclass(frozen=True, slots=True)
class Learning:
    """A metric with too little history to be judged."""

    rule: MonitorRule
    days: int


def judge_rule(
    rule: MonitorRule,
    tables: Tables,
    day: int,
    past: Days,
    needed: int,
    claimed: frozenset[tuple[str, str]] = frozenset(),
) -> list[Judged | Learning]:
    """Judge the metric of a statistical rule on a day; nothing when the day has no value.

    Args:
        rule: One whose method is count, rate or money.
        tables: What the watch knows.
        day: The day's number.
        past: Numbers of earlier days that may be compared with.
        needed: Fewest of them.
        claimed: (metric, segment) that have a rule of their own.
    """
    if rule.segment == "all" or "=" in rule.segment:
        series = tables.get(rule.metric or "", rule.segment)
        key = rule.id
        if rule.segment != "all":
            key = f"{rule.metric}:{rule.segment.partition('=')[2]}"
        found = None if series is None else _one(rule, key, series, tables, day, past, needed)
        return [] if found is None else [found]
    if (rule.metric or "").endswith("_share"):
        mixed = _mix(rule, tables, day, past, needed)
        return [] if mixed is None else [mixed]
    judged = []
    for segment in tables.segments.get((rule.metric or "", rule.segment), ()):
        if (rule.metric or "", segment) in claimed:
            continue
        key = f"{rule.id}:{segment.partition('=')[2]}"
        found = _one(rule, key, tables.series[(rule.metric or "", segment)], tables, day, past,
                     needed)  # fmt: skip
        if found is not None:
            judged.append(found)
    return judged


def _one(
    rule: MonitorRule,
    key: str,
    series: Series,
    tables: Tables,
    day: int,
    past: Days,
    needed: int,
) -> Judged | Learning | None:
    if np.isnan(series.value[day]):
        return None
    usable = past[~np.isnan(series.value[past])]
    if rule.method == "rate":
        return _rate(rule, key, series, tables, day, usable, needed)
    if rule.method == "money":
        return _money(rule, key, series, tables, day, usable, needed)
    if len(usable) < needed:
        return Learning(rule, len(usable))
    base = count_baseline(series.value[usable], Past(day - usable), COUNT)
    observed = round(float(series.value[day]))
    tails = mixture(
        lambda spread: negative_binomial_tails(observed, base.level, spread),
        base.spread,
        base.freedom,
    )
    noise = 1.0 / max(base.level, 1.0)
    return _judged(rule, key, observed, base, tails, noise, "negative binomial", _exp)


def _rate(
    rule: MonitorRule,
    key: str,
    series: Series,
    tables: Tables,
    day: int,
    usable: Days,
    needed: int,
) -> Judged | Learning | None:
    trials, successes = series.denominator, series.numerator
    per = PER_ORDER.get(rule.metric or "")
    if per is not None:
        orders = tables.get(per)
        if orders is None:
            return None
        trials = np.ceil(orders.value * MONEY_SHARE_WEIGHT)
        successes = trials * np.clip(series.value, 0.0, 1.0)
    if not trials[day] > 0:
        return None
    usable = usable[trials[usable] > 0]
    if len(usable) < needed:
        return Learning(rule, len(usable))
    base = rate_baseline(successes[usable], trials[usable], Past(day - usable), RATE)
    rate = min(max(base.level, 1e-9), 1 - 1e-9)
    n = round(float(trials[day]))
    k = min(n, max(0, round(float(successes[day]))))
    tails = mixture(
        lambda spread: beta_binomial_tails(k, n, rate, np.minimum(spread * rate * (1 - rate), 0.9)),
        base.spread,
        base.freedom,
    )
    noise = 1.0 / max(n * rate * (1 - rate), 0.5)
    detail = {"of": n} if per is None else {"orders": n}
    observed = float(series.value[day])
    return _judged(rule, key, observed, base, tails, noise, "beta-binomial", _logistic, detail)


def _money(
    rule: MonitorRule,
    key: str,
    series: Series,
    tables: Tables,
    day: int,
    usable: Days,
    needed: int,
) -> Judged | Learning | None:
    usable = usable[series.value[usable] > 0]
    if len(usable) < needed:
        return Learning(rule, len(usable))
    is_mean = not np.isnan(series.denominator[day])
    orders = tables.get("orders")
    counts = series.denominator if is_mean else (orders.value if orders is not None else None)
    typical = 1.0
    if counts is not None:
        typical = max(1.0, float(np.nanmean(np.append(counts[usable], 1.0))))
    relative = ORDER_VALUE_VARIANCE + (0.0 if is_mean else 1.0)
    prior = Prior(math.hypot(MONEY_SPREAD, math.sqrt(relative / typical)), MONEY_UNKNOWN_WEEKDAY)
    base = money_baseline(
        series.value[usable],
        Past(day - usable),
        prior,
        np.nan_to_num(counts[usable], nan=1.0) if is_mean and counts is not None else None,
        float(series.denominator[day]) if is_mean else 0.0,
    )
    # a sum of few orders strays further than its logarithm's spread tells: heavier tails
    base = dataclasses.replace(base, freedom=min(base.freedom, max(typical, _FEWEST_FREEDOM)))
    observed = float(series.value[day])
    if observed <= 0 and not is_mean and orders is not None and orders.value[day] == 0:
        tails = _nothing_sold(orders, day, usable)
    else:
        said = math.log(max(observed, _ZERO_MONEY * base.level))
        tails = log_t_tails(said, math.log(base.level), base.spread, base.freedom)
    return _judged(rule, key, observed, base, tails, 0.0, "Student's t of the logarithm", _exp)


def _nothing_sold(orders: Series, day: int, usable: Days) -> Tails:
    """Revenue is zero because orders are: exactly as surprising as that."""
    base = count_baseline(np.nan_to_num(orders.value[usable]), Past(day - usable), COUNT)
    return mixture(
        lambda spread: negative_binomial_tails(0, base.level, spread), base.spread, base.freedom
    )


def _mix(
    rule: MonitorRule, tables: Tables, day: int, past: Days, needed: int
) -> Judged | Learning | None:
    """All shares of a whole as one question; the kind that moved most stands for it."""
    everything = tables.segments.get((rule.metric or "", rule.segment), ())
    columns = {
        name.partition("=")[2]: np.nan_to_num(tables.series[(rule.metric or "", name)].numerator)
        for name in everything
    }
    seen = {name: col for name, col in columns.items() if col[day] > 0 or np.any(col[past] > 0)}
    if not seen:
        return None
    counts = np.column_stack(list(seen.values()))
    usable = past[counts[past].sum(axis=1) > 0]
    if counts[day].sum() <= 0:
        return None
    if len(usable) < needed:
        return Learning(rule, len(usable))
    weights = Past(day - usable).weights
    shift = mix_shift(counts[day], counts[usable], weights, prior=MIX_CORRELATION)
    if shift is None:
        return None
    names = list(seen)
    moves = sorted(range(len(names)), key=lambda i: (-abs(shift.observed[i] - shift.expected[i]),
                                                     names[i]))  # fmt: skip
    top = moves[0]
    expected, observed = float(shift.expected[top]), float(shift.observed[top])
    deviation = math.sqrt(expected * (1 - expected) * shift.dispersion / counts[day].sum())
    return Judged(
        rule=rule,
        key=rule.id,
        observed=observed,
        expected=expected,
        low=max(0.0, expected - 2 * deviation),
        high=min(1.0, expected + 2 * deviation),
        p=shift.p,
        days=len(usable),
        method="G-test of the mix, over-dispersed",
        spread=deviation / max(expected * (1 - expected), 1e-9),
        freedom=float(len(usable)),
        detail={
            "kind": names[top],
            "moved": [
                {
                    "kind": names[i],
                    "expected": float(shift.expected[i]),
                    "observed": float(shift.observed[i]),
                }
                for i in moves[:3]
            ],
        },
    )


def _judged(
    rule: MonitorRule,
    key: str,
    observed: float,
    base: Baseline,
    tails: Tails,
    noise: float,
    method: str,
    around: Callable[[float, float], float],
    detail: dict[str, Any] | None = None,
) -> Judged:
    lower, upper = tails
    p = {"down": lower, "up": upper, "both": two_sided(tails)}[rule.direction]
    spread = math.sqrt(base.spread + noise)
    half = student_quantile(base.freedom, 1 - _MISTAKES / 2) * spread
    known = ", weekday known" if base.weekday else ""
    return Judged(
        rule=rule,
        key=key,
        observed=float(observed),
        expected=base.level,
        low=around(base.level, -half),
        high=around(base.level, half),
        p=p,
        days=base.days,
        method=method + known,
        spread=spread,
        freedom=base.freedom,
        detail=detail or {},
    )


def _exp(level: float, step: float) -> float:
    return level * math.exp(min(step, 50.0))


def _logistic(level: float, step: float) -> float:
    rate = min(max(level, 1e-9), 1 - 1e-9)
    return 1.0 / (1.0 + math.exp(-max(min(math.log(rate / (1 - rate)) + step, 50.0), -50.0)))


def smallest_seen(judged: Judged, alpha: float, family: int) -> float:
    """The change for the worse that is seen four times out of five; points for a rate.

    A normal approximation on the log or logit scale; no simulation. Where both directions are
    judged, that of a fall; where only a rise is bad, that of a rise.
    """
    needed = student_quantile(judged.freedom, 1 - alpha / (2 * max(family, 1))) + _POWER
    is_rate = judged.rule.method == "rate"
    step = needed * judged.spread * (1.0 if judged.rule.direction == "up" else -1.0)
    there = (_logistic if is_rate else _exp)(judged.expected, step)
    change = abs(there - judged.expected)
    return change if is_rate or judged.expected <= 0 else change / judged.expected


def in_direction(judged: Sequence[Judged]) -> list[Judged]:
    """Those that moved the way their rule calls bad, far enough to be said."""
    good = {"down": lambda d: d < 0, "up": lambda d: d > 0, "both": lambda d: d != 0}
    return [one for one in judged if one.matters and good[one.rule.direction](one.points)]
