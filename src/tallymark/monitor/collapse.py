"""What was there on every normal day and is all but gone: a fact, where chance rules that out.

No level is followed and no budget is spent: the number that the usual share of the day makes is so
large that so few of it are impossible, even if the share itself varies by a third from day to day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tallymark.config import MonitorRule
from tallymark.monitor.slots import MONEY_SHARE_WEIGHT, PER_ORDER
from tallymark.monitor.tables import Series, Tables
from tallymark.monitor.words import number, percent
from tallymark.results import Finding, Layer, Severity
from tallymark.stats.predictive import negative_binomial_tails

__all__ = ["collapsed"]

Days = NDArray[np.int64]
Floats = NDArray[np.float64]
Moment = Callable[[int, int], str]  # day number and hour to ISO 8601 UTC
Past = Callable[[int, MonitorRule], Days]  # the normal days before one

_METHOD = "gamma-Poisson chance of so few"
_RECENT = 28  # days that say what is there every day
_FEWEST = 3  # of them, before anything is missed
_ANEW = 14  # days in a row after which what is gone belongs to the shop as it was
_DISPERSION = 0.1  # of a day's number beyond chance: a standard deviation of a third
_IMPOSSIBLE = 1e-6
_ALL = 1.0
# Tags that are taken off leave the visits; campaigns that stop take them along. Of the tagged
# visits that are missing, at most so many may be missing from all visits:
_STAYED = 0.5
_TELLING = 0.1  # of all visits must have been tagged, or their ups and downs hide the difference
_TAGS = frozenset({"utm_coverage", "click_id_coverage"})
_SAID = {
    "click_id_coverage": ("sessions that began with a click id (gclid, fbclid and the like)",
                          "sessions"),
    "clients_per_session": ("different client ids", "sessions"),
    "utm_coverage": ("sessions that began with a campaign tag (utm_...)", "sessions"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Fall:
    """A number that is all but gone."""

    key: str
    kind: str
    observed: float
    expected: float
    of: float
    usual: float
    chance: float
    days: int


class _Day(Protocol):
    """What is known of an earlier day."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What was found on it."""


def collapsed(
    rules: Sequence[MonitorRule],
    tables: Tables,
    day: int,
    past: Past,
    known: Mapping[int, _Day],
    moment: Moment,
) -> list[Finding]:
    """What is all but gone on a day, by the rules with the method ``collapse``.

    Args:
        rules: The watch's rules.
        tables: What the watch knows.
        day: The judged day.
        past: Normal days before a day, for a rule.
        known: The days that were judged before: one that was told of teaches nothing.
        moment: A day and hour as ISO 8601 UTC.
    """
    found = []
    last = max((one for one in known if one < day), default=-1)
    for rule in rules:
        if rule.method != "collapse":
            continue
        for key, series in _asked(rule, tables):
            if not _fell(series.value, day, rule):
                continue  # quickly, on nearly all days
            normal = past(day, rule)
            began = _began(known, last, key)
            if began is not None and moment(max(day - _ANEW, 0), 0) >= began:
                continue
            taught = _taught(normal, known, key, day)
            fall = _fall(rule, tables, key, series, day, taught)
            if fall is not None:
                since = began or moment(day, 0)
                found.append(_finding(rule, tables, fall, day, normal, since))
    return found


def _began(known: Mapping[int, _Day], day: int, key: str) -> str | None:
    """When what was found on a day began; None if it was not found."""
    found = known[day].findings if day in known else ()
    return next((one.since for one in found if one.id == key), None)


def _asked(rule: MonitorRule, tables: Tables) -> Iterator[tuple[str, Series]]:
    metric = rule.metric or ""
    if rule.segment == "all" or "=" in rule.segment:
        one = tables.get(metric, rule.segment)
        if one is not None:
            yield rule.id, one
        return
    parts = [(one, tables.series[(metric, one)]) for one in _segments(rule, tables)]
    if not parts:
        return
    # A part that did not come on a day has no row there: none of it came, of what did come.
    whole = np.fmax.reduce([one.denominator for _, one in parts])
    for segment, one in parts:
        none = np.isnan(one.value) & ~np.isnan(whole)
        value = np.where(none, 0.0, one.value)
        yield (
            f"{rule.id}:{segment.partition('=')[2]}",
            Series(value, np.where(none, 0.0, one.numerator), whole),
        )


def _segments(rule: MonitorRule, tables: Tables) -> Sequence[str]:
    return tables.segments.get((rule.metric or "", rule.segment), ())


def _left(rule: MonitorRule) -> float:
    """What part of the usual may be left of what is all but gone."""
    return 1.0 - (_ALL if rule.threshold is None else rule.threshold)


def _fell(shares: Floats, day: int, rule: MonitorRule) -> bool:
    """Whether a day is so far below the highest of the days before; false of no value."""
    most = np.fmax.reduce(shares[max(0, day - _RECENT) : day], initial=0.0)
    return bool(most > 0 and shares[day] <= _left(rule) * most)


def _taught(normal: Days, known: Mapping[int, _Day], key: str, day: int) -> Days:
    """The recent days that say what is usual: not those on which it was gone."""
    recent = normal[normal >= day - _RECENT]
    sound = [one for one in recent if _began(known, int(one), key) is None]
    return np.array(sound, dtype=np.int64)


def _fall(
    rule: MonitorRule, tables: Tables, key: str, series: Series, day: int, past: Days
) -> _Fall | None:
    per = PER_ORDER.get(rule.metric or "")
    trials, share = series.denominator, series.value
    if per is not None:
        orders = tables.get(per)
        if orders is None:
            return None
        trials = orders.value * MONEY_SHARE_WEIGHT
    usable = past[~np.isnan(share[past]) & (np.nan_to_num(trials[past]) > 0)]
    if len(usable) < _FEWEST or not trials[day] > 0 or np.isnan(share[day]):
        return None
    if share[day] < 0:
        return None  # more was refunded than sold: nobody can tell that nothing was sold
    if not bool(np.all(share[usable] > 0)):
        return None
    usual = float(np.median(share[usable]))
    if share[day] > _left(rule) * usual:
        return None
    observed, expected = float(share[day] * trials[day]), float(usual * trials[day])
    lower, _ = negative_binomial_tails(round(observed), expected, _spread(share[usable]))
    if lower[0] >= _IMPOSSIBLE:
        return None
    kind = key.partition(":")[2]
    return _Fall(key, kind, observed, expected, float(trials[day]), usual, float(lower[0]),
                 len(usable))  # fmt: skip


def _spread(shares: Floats) -> Floats:
    """How much a share varies from day to day: its squared coefficient of variation, or more."""
    varied = float(np.var(shares)) / float(np.mean(shares)) ** 2
    return np.array([max(_DISPERSION, varied)])


def _finding(
    rule: MonitorRule, tables: Tables, fall: _Fall, day: int, past: Days, since: str
) -> Finding:
    metric = rule.metric or ""
    what, of = _SAID.get(metric, (metric.replace("_", " "), "in all"))
    if metric == "click_id_coverage" and fall.kind:
        what = f"sessions that began with {fall.kind}"
    there = "There were no" if round(fall.observed) == 0 else f"Only {number(fall.observed)}"
    message = (
        f"{there} {what} ({number(fall.of)} {of} in all), where about {number(fall.expected)} were "
        f"to be expected: usual are {percent(fall.usual)}"
    )
    if PER_ORDER.get(metric) is not None:  # shares of money, counted as so many orders
        message = (
            f"Next to none of the revenue was credited to {fall.kind}: "
            f"{percent(fall.observed / fall.of)} where {percent(fall.usual)} is usual"
        )
    severity, more = rule.severity, ""
    stayed = _stayed(tables, fall, day, past) if metric in _TAGS else None
    if stayed:
        severity = min(severity, Severity.P1)
        more = (
            ". The visits came all the same, so the tags are taken off on the way; campaigns that "
            "stop would take the visits along"
        )
    elif stayed is not None:
        more = ". About as many visits are missing: were campaigns stopped?"
    return Finding(
        id=fall.key,
        layer=Layer(rule.layer),
        severity=severity,
        rule=rule.id,
        metric=rule.metric,
        message=message + more,
        since=since,
        share=round(fall.observed / fall.of, 6),
        evidence={
            "observed": round(fall.observed, 3),
            "expected": round(fall.expected, 3),
            "usual_share": round(fall.usual, 6),
            "direction": "down",
            "chance": fall.chance,
            "baseline_days": fall.days,
            "visits_stayed": stayed,
            "method": _METHOD,
        },
        fix=rule.fix,
        owner=rule.owner,
        query="select date, segment, known_value from metrics_daily where metric = "
        f"'{rule.metric}' and date <= date '{tables.date(day).isoformat()}' "
        "order by date, segment",
    )


def _stayed(tables: Tables, fall: _Fall, day: int, past: Days) -> bool | None:
    """Whether the visits came although their tags did not; None where that cannot be told."""
    sessions = tables.get("sessions")
    recent = past[past >= day - _RECENT]
    if sessions is None or len(recent) == 0 or fall.usual < _TELLING:
        return None
    alike = recent[(day - recent) % 7 == 0]
    days = alike if len(alike) >= _FEWEST else recent
    usual = float(np.nanmedian(sessions.value[days]))
    lost = fall.usual * usual - fall.observed
    missing = usual - float(sessions.value[day])
    return bool(missing <= _STAYED * lost)
