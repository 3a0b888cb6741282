"""One day against its own past: how far each metric is from what was expected, how surprising."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tallymark.config import MonitorRule
from tallymark.monitor.follow import Panel, Seen, Slot, Window
from tallymark.monitor.mixes import Mix, mixes_of
from tallymark.monitor.slots import BELIEFS, slots_of
from tallymark.monitor.tables import Tables
from tallymark.stats.dynamic import Family
from tallymark.stats.mix import mix_surprise
from tallymark.stats.predictive import (
    Tails,
    beta_binomial_tails,
    log_t_tails,
    mid_tails,
    mixture,
    negative_binomial_tails,
)
from tallymark.stats.special import digamma, normal_quantile, student_cdf, student_quantile

__all__ = ["Detector", "Judged", "Learning", "in_direction", "smallest_seen"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Days = NDArray[np.int64]

_MEMORY = 0.375  # of `baseline_days`: the half-life of a day's weight (three weeks of eight)
_LEARNED = 6  # usable days before the slow channel speaks
_PLAIN = 1.3  # standard deviations within which nothing surprises: the tail need not be exact
_LASTING_MATTERS = 0.5  # of `min_change`: a shift that lasts for days matters at half the size
_FEWEST_FREEDOM = 3.0  # degrees of freedom with which a t still has a variance
_ZERO_MONEY = 0.01  # no revenue although there are orders: judged as this part of the usual
_POWER = 0.84  # the standard normal lies below it four times out of five
FALLS = 0.75  # of a two-sided metric's chance goes to falls: what breaks, falls
_MISTAKES = 0.05  # intervals in reports hold 95 % of normal days
_WINDOWS_COST = 2.0  # of choosing among windows that overlap
_ODD = 0.5  # expected visits of a kind that is asked about although none came
_LEAST_TAIL = 1e-30
_TINY = 1e-9
_METHODS = {
    Family.COUNT: "negative binomial around a followed level",
    Family.RATE: "beta-binomial around a followed level",
    Family.MONEY: "Student's t of the logarithm around a followed level",
}


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
        spread: Standard deviation of a normal day on the log (rates: logit) scale.
        freedom: Degrees of freedom behind it.
        detail: Further evidence.
        noise: What the standard deviation was expected to be before the day was seen; of several
            days, and of a mix, which is no single number: None.
        window: Days taken together: 1, or more in the slow channel, whose values are means.
        learning: Whether the history is so short that mostly priors speak.
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
    noise: float | None = None
    window: int = 1
    learning: bool = False

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
    def of_mix(self) -> bool:
        """Whether it is about all shares of a whole."""
        return "moved_in_all" in self.detail

    @property
    def matters(self) -> bool:
        """Whether the change is large enough to be said, however certain it is."""
        rule, part = self.rule, _LASTING_MATTERS if self.window > 1 else 1.0
        if self.of_mix:
            part = 1.0  # of a mix, small shifts that last are campaigns
        if rule.min_change is not None and abs(self.change) < part * rule.min_change:
            return False
        moved = float(self.detail.get("moved_in_all", abs(self.points)))
        return rule.min_points is None or moved >= part * rule.min_points


@dataclass(frozen=True, slots=True)
class Learning:
    """A metric without any history: nothing can be said of it."""

    rule: MonitorRule
    days: int


class Detector:
    """The default detector: every statistical rule's numbers, led on from day to day.

    Days are judged in order. What was found on a day decides whether it is normal, and only
    normal days move what is expected of the next.

    Args:
        rules: The statistical rules.
        tables: What the watch knows.
        baseline_days: How far back "normal" reaches.
        learning_days: Usable days until which `learning` is said.
        claimed: (metric, segment) that have a rule of their own.
    """

    def __init__(
        self,
        rules: Sequence[MonitorRule],
        tables: Tables,
        *,
        baseline_days: int,
        learning_days: int,
        claimed: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self._ranks = {rule.id: rank for rank, rule in enumerate(rules)}
        self._orders = tables.get("orders")
        self._baseline = baseline_days
        self._needed = learning_days
        weekday, half_life = tables.first.weekday(), _MEMORY * baseline_days
        slots = slots_of(rules, tables, claimed)
        self._panels = [
            Panel(family, slots[family], BELIEFS[family], half_life, weekday)
            for family in Family
            if slots[family]
        ]
        self._mixes = mixes_of(rules, tables, half_life)
        self._followed = [*self._panels, *(mix.panel for mix in self._mixes)]
        self._at = -1

    def resume(self, other: Detector) -> None:
        """Take on what another has learned from tables that agree up to its day."""
        for mine, theirs in zip(self._followed, other._followed, strict=True):
            mine.resume(theirs)
        self._at = other._at

    def judge(
        self, day: int, fit: Mapping[str, Bools], *, business: bool = True
    ) -> list[Judged | Learning]:
        """Every rule's answer for a day, the slow channel's too; none where there is no value.

        Args:
            day: The day's number; later than any asked for before.
            fit: By rule id: which days are normal; read for the days before.
            business: Whether business metrics are judged: not on promotion days.
        """
        while self._at < day:
            if self._at >= 0:
                for panel in self._followed:
                    slots = panel.slots
                    panel.learn(self._at, np.array([fit[one.rule.id][self._at] for one in slots]))
            self._at += 1
            if self._at < day:
                for panel in self._followed:
                    panel.skip(self._at)
        found: list[Judged | Learning] = []
        for panel in self._panels:
            found += self._panel(panel, day, fit, business=business)
        for mix in self._mixes:
            found += self._mix(mix, day, fit, business=business)
        for panel in self._followed if not business else ():
            panel.leave_out(day)
        return sorted(found, key=lambda one: self._ranks[one.rule.id])

    # ------------------------------------------------------------ numbers

    def _panel(
        self, panel: Panel, day: int, fit: Mapping[str, Bools], *, business: bool
    ) -> list[Judged | Learning]:
        days = self._days(panel, day, fit)
        seen = panel.look(day, days)
        windows = panel.windows(day)
        expected, spread = panel.expected(day), np.sqrt(seen.total)
        found: list[Judged | Learning] = []
        for place, slot in enumerate(panel.slots):
            if not panel.present[place, day] or not (business or slot.rule.layer != "business"):
                continue
            if days[place] == 0 or not seen.there[place]:
                found.append(Learning(slot.rule, 0))
                continue
            tails = self._tails(panel, place, day, seen)
            today = _Answer(
                observed=float(slot.shown[day]),
                expected=float(expected[place]),
                spread=float(spread[place]),
                noise=math.sqrt(float(seen.noise[place])),
                freedom=self._freedom(slot, day, float(seen.freedom[place])),
                tails=tails,
            )
            known = int(days[place])
            found.append(self._judged(panel.family, slot, day, known, today))
            if known >= _LEARNED:
                found += self._slow(panel.family, slot, place, known, windows, today)
        return found

    def _days(self, panel: Panel, day: int, fit: Mapping[str, Bools]) -> Days:
        """Usable days of history of each slot."""
        start = max(0, day - self._baseline)
        normal = np.array([fit[slot.rule.id][start:day] for slot in panel.slots])
        found: Days = (normal & panel.present[:, start:day]).sum(axis=1)
        return found

    def _judged(self, family: Family, slot: Slot, day: int, days: int, today: _Answer) -> Judged:
        detail = {slot.of: round(float(slot.trials[day]))} if family is Family.RATE else {}
        half = student_quantile(today.freedom, 1 - _MISTAKES / 2) * today.noise
        around = _logistic if family is Family.RATE else _exp
        return Judged(
            rule=slot.rule,
            key=slot.key,
            observed=today.observed,
            expected=today.expected,
            low=around(today.expected, -half),
            high=around(today.expected, half),
            p=_tail(slot.rule, today.tails),
            days=days,
            method=_METHODS[family],
            spread=today.spread,
            freedom=today.freedom,
            detail=detail,
            noise=today.noise,
            learning=days < self._needed,
        )

    def _slow(
        self,
        family: Family,
        slot: Slot,
        place: int,
        days: int,
        windows: Sequence[Window],
        today: _Answer,
    ) -> list[Judged]:
        """The window that speaks loudest, with what choosing among several costs."""
        best: tuple[float, Window] | None = None
        for one in windows:
            if one.days <= days and not np.isnan(one.score[place]):
                score = float(one.score[place])
                low, high = student_cdf(today.freedom, score), student_cdf(today.freedom, -score)
                p = _tail(slot.rule, (low, high))
                if best is None or p < best[0]:
                    best = p, one
        if best is None:
            return []
        p, window = best
        expected, deviation = float(window.expected[place]), float(window.deviation[place])
        half = student_quantile(today.freedom, 1 - _MISTAKES / 2) * deviation
        around = _logistic if family is Family.RATE else _exp
        return [
            Judged(
                rule=slot.rule,
                key=slot.key,
                observed=float(window.observed[place]),
                expected=expected,
                low=around(expected, -half),
                high=around(expected, half),
                p=min(1.0, _WINDOWS_COST * p),
                days=days,
                method=f"surprises of {window.days} days together, {_METHODS[family]}",
                spread=deviation,
                freedom=today.freedom,
                detail={"days_together": window.days},
                window=window.days,
            )
        ]

    def _freedom(self, slot: Slot, day: int, freedom: float) -> float:
        """A sum of few orders strays further than its logarithm's spread tells: heavier tails."""
        if slot.rule.method != "money":
            return freedom
        return min(freedom, max(1.0 / float(slot.scale[day]), _FEWEST_FREEDOM))

    def _tails(self, panel: Panel, place: int, day: int, seen: Seen) -> Tails:
        """Chances of so low and of so high a value; near the middle by the normal curve."""
        slot, score = panel.slots[place], float(seen.score[place])
        freedom = self._freedom(slot, day, float(seen.freedom[place]))
        if abs(score) < _PLAIN:
            return student_cdf(freedom, score), student_cdf(freedom, -score)
        mean, spread = float(seen.forecast.mean[place]), float(seen.forecast.spread[place])
        value = float(slot.values[day])
        own = max(spread - float(seen.forecast.known[place]), _TINY)
        freedom = min(freedom, float(seen.forecast.freedom[place]) * (spread / own) ** 2)
        if panel.family is Family.COUNT:
            return _count_tails(round(value), mean, spread, freedom)
        if panel.family is Family.RATE:
            return _rate_tails(round(value), round(float(slot.trials[day])), mean, spread, freedom)
        if value <= 0 and self._none_sold(day):
            return _count_tails(0, -math.log(float(slot.scale[day])), float(slot.scale[day]),
                                freedom)  # fmt: skip
        return log_t_tails(max(math.log(max(value, _TINY)), mean + math.log(_ZERO_MONEY)), mean,
                           spread, freedom)  # fmt: skip

    def _none_sold(self, day: int) -> bool:
        return self._orders is not None and float(self._orders.value[day]) == 0

    # ------------------------------------------------------------ mixes

    def _mix(
        self, mix: Mix, day: int, fit: Mapping[str, Bools], *, business: bool
    ) -> list[Judged | Learning]:
        """All shares of a whole as one question; the kind that moved most stands for it."""
        panel = mix.panel
        days = self._days(panel, day, fit)
        seen = panel.look(day, days)
        windows = panel.windows(day)
        if not panel.present[0, day] or not (business or mix.rule.layer != "business"):
            return []
        known = int(days[0])
        if known == 0 or not seen.there[0]:
            return [Learning(mix.rule, 0)]
        expected = panel.expected(day)
        expected = expected / expected.sum()
        shown = np.array([slot.shown[day] for slot in panel.slots])
        seen_ones = (expected * float(panel.slots[0].trials[day]) > _ODD) | (shown > 0)
        scores = np.array(
            [
                _exact(float(score), self._tails(panel, place, day, seen))
                for place, score in enumerate(seen.score)
            ]
        )
        p = mix_surprise(scores[seen_ones], expected[seen_ones])
        today = _mixed(mix, shown, expected, p, known, learning=known < self._needed,
                       total=seen.total, freedom=seen.freedom)  # fmt: skip
        return [today, *self._mix_slow(mix, known, windows, seen)]

    def _mix_slow(self, mix: Mix, days: int, windows: Sequence[Window], seen: Seen) -> list[Judged]:
        best: tuple[float, Window] | None = None
        for one in windows:
            if one.days <= days and days >= _LEARNED:
                p = mix_surprise(np.nan_to_num(one.score), one.expected)
                if best is None or p < best[0]:
                    best = p, one
        if best is None:
            return []
        p, window = best
        return [_mixed(mix, window.observed, window.expected, min(1.0, _WINDOWS_COST * p), days,
                       learning=False, total=np.square(window.deviation), freedom=seen.freedom,
                       window=window.days)]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Answer:
    """One number of one day, on its way to being judged."""

    observed: float
    expected: float
    spread: float
    noise: float
    freedom: float
    tails: Tails


def _exact(score: float, tails: Tails) -> float:
    """The standard normal value that is as surprising as a number was."""
    if abs(score) < _PLAIN:
        return score
    tail = max(min(tails), _LEAST_TAIL)
    return math.copysign(max(-normal_quantile(tail), 0.0), score)


def _mixed(
    mix: Mix,
    observed: Floats,
    expected: Floats,
    p: float,
    days: int,
    *,
    learning: bool,
    total: Floats,
    freedom: Floats,
    window: int = 1,
) -> Judged:
    away = observed - expected
    moves = sorted(range(len(mix.names)), key=lambda i: (-abs(away[i]), mix.names[i]))
    top = moves[0]
    usual, deviation = float(expected[top]), math.sqrt(float(total[top]))
    together = {"days_together": window} if window > 1 else {}
    return Judged(
        rule=mix.rule,
        key=mix.rule.id,
        observed=float(observed[top]),
        expected=usual,
        low=_logistic(usual, -2 * deviation),
        high=_logistic(usual, 2 * deviation),
        p=p,
        days=days,
        method="chi-squared of the mix around followed shares",
        spread=deviation,
        freedom=float(freedom[top]),
        detail={
            **together,
            "kind": mix.names[top],
            "moved": [
                {"kind": mix.names[i], "expected": float(expected[i]),
                 "observed": float(observed[i])}
                for i in moves[:3]
            ],
            "moved_in_all": float(np.sum(np.abs(away)) / 2.0),
        },
        window=window,
        learning=learning,
    )  # fmt: skip


def _count_tails(observed: int, mean: float, spread: float, freedom: float) -> Tails:
    """Negative binomial: gamma with the mean and variance of the logarithm, V uncertain."""
    shape = np.array([1.0 / spread + 0.5])
    level = float(shape[0] * math.exp(mean) / math.exp(float(digamma(shape)[0])))
    tails = mixture(lambda one: negative_binomial_tails(observed, level, one), spread, freedom)
    return mid_tails(tails)


def _rate_tails(successes: int, trials: int, mean: float, spread: float, freedom: float) -> Tails:
    """Beta-binomial: beta with the mean and variance of the logit, V uncertain."""
    rate = min(max(1.0 / (1.0 + math.exp(-mean)), _TINY), 1 - _TINY)
    successes = min(successes, trials)

    def tails(one: Floats) -> tuple[Floats, Floats]:
        # a and b of Dynamic: their sum + 1 is the inverse correlation
        total = (2.0 + 2.0 * math.cosh(mean)) / one
        return beta_binomial_tails(successes, trials, rate, 1.0 / (total + 1.0))

    return mid_tails(mixture(tails, spread, freedom))


def _tail(rule: MonitorRule, tails: Tails) -> float:
    """The chance in the bad direction; where both are bad, falls have the larger part."""
    lower, upper = tails
    both = min(1.0, lower / FALLS, upper / (1.0 - FALLS))
    return {"down": lower, "up": upper, "both": both}[rule.direction]


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
    part = FALLS if judged.rule.direction == "both" else 1.0
    needed = student_quantile(judged.freedom, 1 - part * alpha / max(family, 1)) + _POWER
    is_rate = judged.rule.method == "rate"
    spread = judged.spread if judged.noise is None else judged.noise
    step = needed * spread * (1.0 if judged.rule.direction == "up" else -1.0)
    there = (_logistic if is_rate else _exp)(judged.expected, step)
    change = abs(there - judged.expected)
    return change if is_rate or judged.expected <= 0 else change / judged.expected


def in_direction(judged: Sequence[Judged]) -> list[Judged]:
    """Those that moved the way their rule calls bad, far enough to be said."""
    good = {"down": lambda d: d < 0, "up": lambda d: d > 0, "both": lambda d: d != 0}
    return [one for one in judged if one.matters and good[one.rule.direction](one.points)]
