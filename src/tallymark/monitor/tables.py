"""What the watch reads: the metrics and the ledger, once, laid out on a grid of days."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tallymark.engine.base import Engine
from tallymark.engine.currency import Stated, stated_currency
from tallymark.errors import WarehouseError
from tallymark.monitor.exports import EXPORTS, derive
from tallymark.results import Finding, Layer, Severity

__all__ = ["HOURS", "Delivery", "Series", "Tables", "read"]

HOURS = 24
_ONE_DAY = dt.timedelta(days=1)
_CREDIT = "model=last_click;"  # the credit whose channels are watched

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric and segment over all days; NaN where the warehouse has nothing."""

    value: Floats
    numerator: Floats
    denominator: Floats

    @staticmethod
    def empty(days: int) -> Series:
        """A series that has nothing on any day."""
        return Series(*(np.full(days, np.nan) for _ in range(3)))


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the ledger says of one delivery."""

    delivery: str
    verdict: str
    read: int
    accepted: int
    quarantined: int
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything the watch knows, by day number (0 is the first day).

    Attributes:
        first: The date of day 0.
        size: Number of days.
        delivered: Whether each day has a delivery.
        series: By (metric, segment).
        hourly: By metric; days x 24.
        deliveries: By day number.
        exported: Whether only exported tables were there.
        unexplained: Measures of the last build whose amounts do not add up.
        stated: The one currency that all orders are in, if they say so.
    """

    first: dt.date
    size: int
    delivered: NDArray[np.bool_]
    series: Mapping[tuple[str, str], Series]
    hourly: Mapping[str, Floats]
    deliveries: Mapping[int, tuple[Delivery, ...]]
    exported: bool
    unexplained: tuple[tuple[str, str, float], ...] = ()
    segments: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    stated: Stated | None = None

    def day(self, date: dt.date) -> int:
        """The number of a date; may lie outside the grid."""
        return (date - self.first).days

    def date(self, day: int) -> dt.date:
        """The date of a day number."""
        return self.first + day * _ONE_DAY

    def get(self, metric: str, segment: str = "all") -> Series | None:
        """A series, or None when the warehouse never had it."""
        return self.series.get((metric, segment))

    def currency(self, day: int, own: str) -> str:
        """The currency of amounts, by what was known at the end of a day; else the shop's own."""
        if self.stated is None or self.date(day) < self.stated.since:
            return own
        return self.stated.code

    def value(self, metric: str, day: int) -> float | None:
        """The value of a metric on a day, or None."""
        found = self.series.get((metric, "all"))
        if found is None or not 0 <= day < self.size or np.isnan(found.value[day]):
            return None
        return float(found.value[day])


def read(engine: Engine) -> Tables:
    """Read metrics and ledger of an opened warehouse, or derive the metrics of its exports.

    Raises:
        WarehouseError: Neither is there.
    """
    names = {row[0] for row in engine.rows("select table_name from information_schema.tables")}
    if "metrics_daily" not in names:
        if not names >= EXPORTS:
            raise WarehouseError(
                "neither metrics_daily nor the exported fct_ tables are here",
                fix="run `tallymark build` first",
            )
        rows = derive(engine)
        return _assemble(rows, [], {}, exported=True, stated=stated_currency(engine))
    rows = engine.rows(
        "select date, metric, segment, cast(known_value as double) as value, "
        "cast(known_numerator as double) as numerator, "
        "cast(known_denominator as double) as denominator "
        "from metrics_daily order by metric, segment, date"
    )
    hourly = []
    if "metrics_hourly" in names:
        hourly = engine.rows(
            "select date, hour, metric, cast(known_value as double) as value from metrics_hourly "
            "where segment = 'all' order by metric, date, hour"
        )
    deliveries = _deliveries(engine) if "ledger_deliveries" in names else {}
    return _assemble(
        rows, hourly, deliveries, unexplained=_unexplained(engine, names),
        stated=stated_currency(engine),
    )  # fmt: skip


def _unexplained(engine: Engine, names: set[Any]) -> tuple[tuple[str, str, float], ...]:
    if "reconciliation" not in names:
        return ()
    found = engine.rows(
        "select step, measure, cast(abs(sum(difference)) - abs(sum(coalesce(explained, 0))) "
        "as double) as unexplained from reconciliation group by step, measure "
        "having abs(sum(difference)) <> abs(sum(coalesce(explained, 0))) order by step, measure"
    )
    return tuple((str(step), str(measure), float(amount)) for step, measure, amount in found)


def _deliveries(engine: Engine) -> dict[dt.date, list[Delivery]]:
    findings: dict[str, list[Finding]] = {}
    for row in engine.rows(
        "select delivery, date, id, layer, severity, rule, message, since, "
        'cast("rows" as bigint) as touched, share, evidence, fix, owner, query '
        "from ledger_findings order by delivery, id"
    ):
        findings.setdefault(row[0], []).append(_finding(row))
    found: dict[dt.date, list[Delivery]] = {}
    for row in engine.rows(
        "select delivery, cast(date as varchar) as date, verdict, rows_read, rows_accepted, "
        "rows_quarantined from ledger_deliveries where date is not null order by date, delivery"
    ):
        found.setdefault(dt.date.fromisoformat(str(row[1])[:10]), []).append(
            Delivery(
                delivery=row[0],
                verdict=str(row[2]),
                read=int(row[3] or 0),
                accepted=int(row[4] or 0),
                quarantined=int(row[5] or 0),
                findings=tuple(findings.get(row[0], ())),
            )
        )
    return found


def _finding(row: tuple[Any, ...]) -> Finding:
    delivery, date, key, layer, severity, rule, message, since = row[:8]
    rows, share, evidence, fix, owner, query = row[8:]
    return Finding(
        id=key,
        layer=Layer(layer),
        severity=Severity(severity),
        message=message,
        since=since or f"{str(date)[:10]}T00:00:00.000Z",
        rule=rule,
        date=str(date)[:10] if date is not None else None,
        delivery=delivery,
        rows=rows,
        share=share,
        evidence=_evidence(evidence),
        fix=fix or "",
        owner=owner,
        query=query,
    )


def _evidence(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {"text": text}
    return found if isinstance(found, dict) else {"value": found}


def _assemble(
    rows: list[tuple[Any, ...]],
    hourly: list[tuple[Any, ...]],
    ledger: dict[dt.date, list[Delivery]],
    *,
    exported: bool = False,
    unexplained: tuple[tuple[str, str, float], ...] = (),
    stated: Stated | None = None,
) -> Tables:
    dates = sorted(ledger) or sorted({row[0] for row in rows if row[3]})
    if not dates:
        raise WarehouseError(
            "there is not one day in the warehouse", fix="run `tallymark build` on some deliveries"
        )
    first, size = dates[0], (dates[-1] - dates[0]).days + 1
    delivered = np.zeros(size, dtype=np.bool_)
    delivered[[(date - first).days for date in dates]] = True
    series: dict[tuple[str, str], Series] = {}
    for date, metric, segment, *numbers in rows:
        day = (date - first).days
        if not 0 <= day < size:
            continue
        found = series.get((metric, segment))
        if found is None:
            found = series[(metric, segment)] = Series.empty(size)
        for target, number in zip(
            (found.value, found.numerator, found.denominator), numbers, strict=True
        ):
            if number is not None:
                target[day] = number
    hours: dict[str, Floats] = {}
    for date, hour, metric, value in hourly:
        day = (date - first).days
        if 0 <= day < size and 0 <= hour < HOURS:
            hours.setdefault(metric, np.zeros((size, HOURS)))[day, hour] = value or 0.0
    by_day = {(date - first).days: tuple(found) for date, found in ledger.items()}
    _add_derived(series, by_day, size)
    segments: dict[tuple[str, str], list[str]] = {}
    for metric, segment in sorted(series):
        kind = segment.partition("=")[0]
        segments.setdefault((metric, kind), []).append(segment)
    return Tables(
        first=first,
        size=size,
        delivered=delivered,
        series=series,
        hourly=hours,
        deliveries=by_day,
        exported=exported,
        unexplained=unexplained,
        segments={key: tuple(found) for key, found in segments.items()},
        stated=stated,
    )


def _add_derived(
    series: dict[tuple[str, str], Series], ledger: Mapping[int, tuple[Delivery, ...]], size: int
) -> None:
    """Metrics that follow from the ledger and from other metrics."""
    if ledger:
        accepted, share = Series.empty(size), Series.empty(size)
        for day, deliveries in ledger.items():
            taken = sum(one.accepted for one in deliveries)
            total = sum(one.read for one in deliveries)
            out = sum(one.quarantined for one in deliveries)
            accepted.value[day] = accepted.numerator[day] = taken
            if total > 0:
                share.value[day] = out / total
                share.numerator[day], share.denominator[day] = out, total
        series[("rows_accepted", "all")] = accepted
        series[("quarantined_share", "all")] = share
    events, repeated = series.get(("events", "all")), series.get(("repeated_events", "all"))
    if events is not None and repeated is not None:
        base = np.where(events.value > 0, events.value, np.nan)
        part = np.minimum(repeated.value, base)
        series[("repeated_share", "all")] = Series(part / base, part, base)
    gross, kept = series.get(("revenue_gross", "all")), series.get(("aov", "all"))
    if gross is not None and kept is not None:  # kept: without refunds, which are no loss
        base = np.where(gross.value > 0, gross.value, np.nan)
        part = np.clip(base - np.nan_to_num(kept.numerator), 0.0, None)
        series[("uncounted_revenue_share", "all")] = Series(part / base, part, base)
    clients, sessions = series.get(("clients", "all")), series.get(("sessions", "all"))
    if clients is not None and sessions is not None:
        base = np.where(sessions.value > 0, sessions.value, np.nan)
        series[("clients_per_session", "all")] = Series(clients.value / base, clients.value, base)
    revenue = series.get(("revenue", "all"))
    for metric, segment in sorted(series):
        if revenue is not None and metric == "attributed_revenue" and segment.startswith(_CREDIT):
            part = series[(metric, segment)].value
            base = np.where(revenue.value > 0, revenue.value, np.nan)
            name = segment.removeprefix(_CREDIT)
            series[("attributed_revenue_share", name)] = Series(part / base, part, base)
