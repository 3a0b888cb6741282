"""Which answers are told: a year's budget of false alarms, allotted over metrics and channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tallymark.config import MonitorRules
from tallymark.monitor.detect import Judged, in_direction
from tallymark.stats.multiple import benjamini_hochberg
from tallymark.stats.power import optimal_levels
from tallymark.stats.special import Floats

__all__ = ["FAST", "allotted", "told", "weights_of"]

_YEAR = 365.0
FAST = 0.6  # of the budget goes to single days, the rest to the slow channel
# `min_change` and metrics that move together leave more than half of the budget unspent: with this
# factor simulated shops (bench/detectors, development seeds) raise 1.2 false alarm-days a year at
# 3,500 events a day, of a budget of 2; more with more events, where unannounced holidays stand out.
_UNSPENT = 2.5
# What breaks in the data breaks far beyond chance; what breaks in the shop hides in few orders.
_WORTH = {"health": 0.5, "quality": 0.5, "business": 1.5}
_MIX = 2.0  # parts of a mix: one question in place of one for each of its kinds
# Changes that are to be seen: about a third, half, most of what is usual, or so many times the
# fewest points a rule says. Seeing one is worth what it costs, which is in proportion to it.
_SIZES = np.array([0.3, 0.5, 0.8])
_POINTS = np.array([1.0, 2.0, 4.0])
_DERIVED = 0.25  # worth of a number that is made of others: what ails it, they show
_TINY = 1e-9
_EVEN = 0.25  # of each part is spread evenly: noise is not known so well that any is left out


def allotted(false_alarms_per_year: float, *, slow: bool = False) -> float:
    """The chance of a false alarm that one day may have in one channel, over all its metrics.

    Args:
        false_alarms_per_year: The budget over all metrics and both channels.
        slow: Of the slow channel.
    """
    part = 1.0 - FAST if slow else FAST
    return part * _UNSPENT * false_alarms_per_year / _YEAR


def weights_of(judged: Sequence[Judged], level: float) -> list[float]:
    """What part of a channel's chance each metric is allotted, in units of an equal part.

    Layers share by what seeing their changes is worth. The metrics of one day whose noise is
    known beforehand share among themselves so that most of what a shop may lose is seen
    (:func:`tallymark.stats.power.optimal_levels`): a metric whose every change that matters stands
    far above noise needs little, and so does one that shows nothing before the week is over.

    Args:
        judged: The answers of one channel.
        level: The channel's chance of a false alarm on a day.
    """
    if not judged:
        return []
    worth = [_WORTH[one.rule.layer] * (_MIX if one.of_mix else 1.0) for one in judged]
    mean = sum(worth) / len(worth)
    weights = np.array(worth) / mean
    known = np.array([one.noise is not None for one in judged])
    if int(known.sum()) > 1:
        business = frozenset(one.rule.id for one in judged if one.rule.layer == "business")
        chosen = [one for one in judged if one.noise is not None]
        shared = float(weights[known].sum())
        effects = np.array([_effects(one) for one in chosen])
        gains = np.array([_worth(one, business) * _SIZES for one in chosen])
        part = level * shared / len(judged)
        best = optimal_levels(effects, gains, part) / part
        weights[known] = shared * ((1.0 - _EVEN) * best + _EVEN / len(chosen))
    return [float(one) for one in weights]


def _worth(judged: Judged, business: frozenset[str]) -> float:
    """What seeing a change of a metric is worth, beside one of the same size of another."""
    rule = judged.rule
    parts = rule.layer == "business" and business.intersection(rule.depends_on)
    return _WORTH[rule.layer] * (_DERIVED if parts else 1.0)


def _effects(judged: Judged) -> Floats:
    """The changes to be seen, in standard deviations of a normal day.

    On the scale on which counting noise is the same at every level: the square root of counts and
    amounts, the arcsine of the root of rates (Anscombe 1948).
    """
    noise = judged.noise or _TINY
    if judged.rule.method != "rate":
        return np.asarray(2.0 * (1.0 - np.sqrt(1.0 - _SIZES)) / noise, dtype=np.float64)
    rate = min(max(judged.expected, _TINY), 1.0 - _TINY)
    step = rate * _SIZES
    if judged.rule.min_points is not None:
        step = judged.rule.min_points * _POINTS
    changed = np.clip(rate + step if judged.rule.direction == "up" else rate - step, 0.0, 1.0)
    moved = 2.0 * np.abs(np.arcsin(np.sqrt(changed)) - np.arcsin(np.sqrt(rate)))
    return np.asarray(moved / (noise * np.sqrt(rate * (1.0 - rate))), dtype=np.float64)


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
        if min((one.p for one in channel), default=1.0) > level:
            continue  # whatever the weights, of those that are told one is below the whole level
        weights = weights_of(channel, level)
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
