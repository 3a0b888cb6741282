"""Which answers are told: a year's budget of false alarms, allotted over metrics and channels."""

from __future__ import annotations

from collections.abc import Sequence

from tallymark.config import MonitorRules
from tallymark.monitor.detect import Judged, in_direction
from tallymark.stats.multiple import benjamini_hochberg

__all__ = ["FAST", "allotted", "told", "weights_of"]

_YEAR = 365.0
FAST = 0.6  # of the budget goes to single days, the rest to the slow channel
# `min_change` and metrics that move together leave a part of the budget unspent: simulated shops
# (bench/detectors, development seeds) raise 1.5 false alarm-days a year at a nominal 2.
_UNSPENT = 1.3
# What breaks in the data breaks far beyond chance; what breaks in the shop hides in few orders.
_WEIGHTS = {"health": 0.5, "quality": 0.5, "business": 1.5}


def allotted(false_alarms_per_year: float, *, slow: bool = False) -> float:
    """The chance of a false alarm that one day may have in one channel, over all its metrics.

    Args:
        false_alarms_per_year: The budget over all metrics and both channels.
        slow: Of the slow channel.
    """
    part = 1.0 - FAST if slow else FAST
    return part * _UNSPENT * false_alarms_per_year / _YEAR


def weights_of(judged: Sequence[Judged]) -> list[float]:
    """What part of a channel's chance each metric is allotted, in units of an equal part."""
    raw = [_WEIGHTS[one.rule.layer] for one in judged]
    mean = sum(raw) / max(len(raw), 1)
    return [one / mean for one in raw]


def told(judged: Sequence[Judged], rules: MonitorRules) -> list[Judged]:
    """Those to be told: beyond their channel's budget, the bad way, and large enough to matter.

    Within a channel, Benjamini and Hochberg (1995) with weights (Genovese, Roeder and Wasserman
    2006): the least p-value is allotted its metric's weight / m of the channel's chance, the second
    twice that, and so on, so that metrics that agree help each other. A metric that is told for its
    day alone is not told again for its week. The plain rule has no budget: it tells what is beyond
    both its limits.
    """
    if rules.detector == "z":
        return [one for one in judged if _beyond(one, rules)]
    found: dict[str, Judged] = {}
    for slow in (False, True):
        channel = [one for one in judged if (one.window > 1) is slow]
        level = allotted(rules.false_alarms_per_year, slow=slow)
        weights = weights_of(channel)
        believed = benjamini_hochberg(
            [one.p / weight for one, weight in zip(channel, weights, strict=True)], level
        )
        unlikely = [one for one, yes in zip(channel, believed, strict=True) if yes]
        for one in in_direction(unlikely):
            found.setdefault(one.key, one)
    return list(found.values())


def _beyond(judged: Judged, rules: MonitorRules) -> bool:
    z = float(judged.detail["z"])
    bad = {"down": z < 0, "up": z > 0, "both": True}[judged.rule.direction]
    return bad and abs(z) >= rules.z_score and abs(judged.change) >= rules.z_change
