"""The plain rule that many teams know: so many standard deviations and so many per cent.

It is here for comparison and for teams that want no other. It knows no weekday, no counting noise
and no budget: three standard deviations of 14 days, estimated from these days, are exceeded far
more often than tables of the normal distribution say, once for each metric and kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tallymark.config import MonitorRule, MonitorRules
from tallymark.monitor.detect import Judged, Learning
from tallymark.monitor.mixes import mixes_of
from tallymark.monitor.slots import slots_of
from tallymark.monitor.tables import Tables
from tallymark.stats.special import student_cdf

__all__ = ["PlainDetector", "honest"]

Bools = NDArray[np.bool_]

_FEWEST = 3  # days of which a standard deviation is taken
_TINY = 1e-12
# False alarm-days a year that the shipped limits raised in bench/detectors on simulated shops of
# 200,000 and of 1,000 events a day, over the shipped metrics and their kinds.
_FEWEST_ALARMS, _MOST_ALARMS = 30, 95


def honest(settings: MonitorRules, tested: int) -> str:
    """What to expect of this rule, for the report's notes.

    Args:
        settings: Its limits.
        tested: Numbers it judges a day.
    """
    return (
        f"{tested} numbers judged by the plain rule ({settings.z_score:g} standard deviations of "
        f"{settings.z_days} days and {100 * settings.z_change:g} %), which has no budget of false "
        f"alarms: 3 deviations of 14 days and 20 % raise {_FEWEST_ALARMS} to {_MOST_ALARMS} false "
        "alarm-days a year on simulated shops, the more the smaller the shop"
    )


class PlainDetector:
    """Every statistical rule's numbers against the mean and deviation of the last days.

    Args:
        rules: The statistical rules.
        tables: What the watch knows.
        settings: ``z_days`` is how many days.
        claimed: (metric, segment) that have a rule of their own.
    """

    def __init__(
        self,
        rules: Sequence[MonitorRule],
        tables: Tables,
        settings: MonitorRules,
        claimed: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self._days = settings.z_days
        numbers = slots_of(rules, tables, claimed)
        self._slots = [(slot.rule, slot.key, slot.shown) for found in numbers.values()
                       for slot in found]  # fmt: skip
        for mix in mixes_of(rules, tables, 1.0):
            self._slots += [
                (mix.rule, f"{mix.rule.id}:{name}", slot.shown)
                for name, slot in zip(mix.names, mix.panel.slots, strict=True)
            ]

    def judge(
        self, day: int, fit: Mapping[str, Bools], *, business: bool = True
    ) -> list[Judged | Learning]:
        """Every rule's answer for a day; none where there is no value.

        Args:
            day: The day's number.
            fit: By rule id: which days are normal.
            business: Whether business metrics are judged: not on promotion days.
        """
        found: list[Judged | Learning] = []
        for rule, key, shown in self._slots:
            if np.isnan(shown[day]) or not (business or rule.layer != "business"):
                continue
            normal = np.flatnonzero(fit[rule.id][:day] & ~np.isnan(shown[:day]))
            past = shown[normal[normal >= day - self._days]]
            if len(past) < _FEWEST:
                found.append(Learning(rule, len(past)))
            else:
                found.append(_judged(rule, key, float(shown[day]), past))
        return found


def _judged(rule: MonitorRule, key: str, observed: float, past: NDArray[np.float64]) -> Judged:
    mean, deviation = float(past.mean()), float(past.std(ddof=1))
    z = (observed - mean) / max(deviation, _TINY * max(abs(mean), 1.0))
    freedom = float(len(past) - 1)
    return Judged(
        rule=rule,
        key=key,
        observed=observed,
        expected=mean,
        low=mean - 2 * deviation,
        high=mean + 2 * deviation,
        p=min(1.0, 2.0 * student_cdf(freedom, -abs(z))),
        days=len(past),
        method=f"standard deviations of {len(past)} days",
        spread=deviation / max(abs(mean), _TINY),
        freedom=freedom,
        detail={"z": z},
    )
