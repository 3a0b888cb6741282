"""What others do, as one score for each day: the largest surprise over all metrics and kinds.

A rival's threshold is set on shops of the first half, so that it has the same false alarm-days as
the default detector's budget. The library forecaster is statsmodels' exponential smoothing with an
additive week (error, trend and season; Hyndman and others 2008): refitted every eight weeks, one
step ahead, its surprise in standard deviations of its own residuals.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.detectors.shops import Shop
from tallymark.config import MonitorRules, load
from tallymark.monitor.tables import Tables

__all__ = ["ETS", "Scorer", "Z", "is_there", "of_healthy", "of_planted"]

Floats = NDArray[np.float64]
Scorer = Callable[[Floats, NDArray[np.bool_], int, int], Floats]

Z_DAYS, Z_CHANGE, FEWEST = 14, 0.2, 3
REFIT, LONGEST, SHORTEST = 56, 112, 21
WEEK = 7
KIND: Mapping[str, Any] = {
    "error": "add",
    "trend": "add",
    "damped_trend": True,
    "seasonal": "add",
    "seasonal_periods": WEEK,
    "initialization_method": "heuristic",
}
_TINY = 1e-12


def Z(values: Floats, normal: NDArray[np.bool_], start: int, end: int) -> Floats:  # noqa: N802 -- the name in the table
    """Standard deviations of the last 14 normal days; 0 where the change is below a fifth."""
    found = np.zeros(end - start)
    for day in range(start, end):
        past = values[max(0, day - Z_DAYS) : day]
        past = past[normal[max(0, day - Z_DAYS) : day] & ~np.isnan(past)]
        if len(past) < FEWEST or np.isnan(values[day]):
            continue
        mean, deviation = past.mean(), past.std(ddof=1)
        if abs(values[day] - mean) >= Z_CHANGE * abs(mean):
            found[day - start] = abs(values[day] - mean) / max(deviation, _TINY)
    return found


def ETS(values: Floats, normal: NDArray[np.bool_], start: int, end: int) -> Floats:  # noqa: N802 -- its name
    """Standard deviations of one-step errors of exponential smoothing, fitted before each day."""
    from statsmodels.tsa.exponential_smoothing import ets  # noqa: PLC0415 -- optional

    found = np.zeros(end - start)
    clean = values.copy()
    usable = normal & ~np.isnan(values)
    for day in range(len(clean)):  # a day left out is as the same weekday before it
        if not usable[day]:
            clean[day] = clean[day - WEEK] if day >= WEEK else np.nanmedian(values[:WEEK])
    day = start
    while day < end:
        until = min(end, day + REFIT)
        if day >= SHORTEST and not np.any(np.isnan(clean[:until])) and np.ptp(clean[:day]) > 0:
            first = max(0, day - LONGEST)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = ets.ETSModel(clean[first:day], **KIND)
                fitted = model.fit(disp=False, maxiter=20)
                longer = ets.ETSModel(clean[first:until], **KIND)
                errors = np.asarray(longer.smooth(fitted.params).resid)[day - first :]
            deviation = max(float(np.std(np.asarray(fitted.resid))), _TINY)
            found[day - start : until - start] = np.abs(errors) / deviation
        day = until
    return np.where(usable[start:end], found, 0.0)


def is_there() -> bool:
    """Whether the library forecaster is installed."""
    return importlib.util.find_spec("statsmodels") is not None


def _series(tables: Tables) -> dict[tuple[str, str], Floats]:
    """The metrics that the shipped rules judge by statistics, and all kinds of each."""
    rules = load(MonitorRules, None, "rules/monitor.yml").rules
    asked = {rule.metric for rule in rules if rule.method in {"count", "rate", "money"}}
    return {key: found.value for key, found in tables.series.items() if key[0] in asked}


def of_healthy(shop: Shop, scorer: Scorer) -> tuple[Floats, Mapping[tuple[str, str], Floats]]:
    """The day's largest score, and every metric's, over the whole healthy history."""
    series = _series(shop.tables())
    size = len(shop.promoted)
    found = {key: scorer(values, ~shop.promoted, 0, size) for key, values in series.items()}
    largest = np.max(list(found.values()), axis=0)
    return np.where(shop.promoted, 0.0, largest), found


def of_planted(
    tables: Tables,
    shop: Shop,
    start: int,
    scorer: Scorer,
    healthy: Mapping[tuple[str, str], Floats],
) -> Floats:
    """The largest score of each day of an incident that begins on day ``start``."""
    size = tables.size
    normal = ~shop.promoted[:size]
    before = _series(shop.tables())
    rows = []
    for key, values in _series(tables).items():
        same = np.array_equal(values[start:], before[key][start:size], equal_nan=True)
        rows.append(healthy[key][start:size] if same else scorer(values, normal, start, size))
    return np.asarray(np.where(normal[start:], np.max(rows, axis=0), 0.0), dtype=np.float64)
