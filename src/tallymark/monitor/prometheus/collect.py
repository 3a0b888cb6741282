"""Reads the metrics of a warehouse's latest day out of its tables and its ledger.

Nothing here names a client, an order, a page, a file or a column of one: labels are rules of the
configuration, channels, devices, fields of the contract, and words of our own.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from tallymark.config import Shop
from tallymark.engine.base import Engine
from tallymark.engine.currency import currency_until
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import WarehouseError
from tallymark.monitor.exports import EXPORTS, derive
from tallymark.monitor.prometheus.families import BY_NAME, FAMILIES
from tallymark.monitor.prometheus.incidents import judged
from tallymark.monitor.prometheus.text import Metric, bounded
from tallymark.results import Verdict
from tallymark.version import __version__

__all__ = ["Collected", "collect"]

# metric of metrics_daily -> metric exported
_PLAIN = {
    "orders": "orders",
    "sessions": "sessions",
    "events": "events",
    "page_views": "page_views",
    "conversion_rate": "conversion_ratio",
    "new_client_share": "new_client_sessions_ratio",
    "no_channel_revenue_share": "no_channel_revenue_ratio",
    "identity_coverage": "client_id_coverage_ratio",
    "referrer_coverage": "referrer_coverage_ratio",
    "utm_coverage": "utm_coverage_ratio",
    "click_id_coverage": "click_id_coverage_ratio",
    "bot_share": "bot_events_ratio",
    "double_fired_share": "double_fired_views_ratio",
}
_MONEY = {
    "revenue": "revenue",
    "revenue_gross": "revenue_gross",
    "aov": "average_order_value",
}
_ODD = {
    "test_orders": "test",
    "redelivered_orders": "redelivery",
    "colliding_orders": "id_collision",
    "conflicting_orders": "conflict",
}
_STEPS = {"cart_rate": "cart", "checkout_rate": "checkout", "purchase_rate": "purchase"}
# A rate whose numerator is the number of sessions that reached the step.
_REACHED = {"cart_rate": "cart", "checkout_rate": "checkout", "conversion_rate": "order"}
_ONE_DAY = dt.timedelta(days=1)

_DAY = """
select metric, segment, cast(known_value as double) as value,
    cast(known_numerator as double) as numerator,
    cast(known_denominator as double) as denominator
from metrics_daily
where date = ?
order by metric, segment
"""
_LEDGER = """
select date, verdict, score, rows_read, rows_accepted, rows_quarantined, rows_repeated,
    last_event_at
from ledger_deliveries
order by date, delivery
"""
# As results.refused: nothing was read of it, its day has nothing else, and nobody decided on it.
_REFUSED = """
select count(*)
from ledger_deliveries as refused
where refused.verdict in ('STOP', 'QUARANTINE')
    and refused.rows_accepted = 0
    and not exists (
        select 1 from ledger_deliveries as other
        where other.date = refused.date and other.rows_accepted > 0
    )
    and exists (
        select 1 from ledger_findings as finding
        where finding.delivery = refused.delivery and finding.severity <> 'P3'
    )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Metrics of a moment.

    Attributes:
        metrics: By name, in the order of the families; some without samples.
        date: The latest day that has a delivery; None in an empty warehouse.
        judged: The latest day that was judged; None if none was.
    """

    metrics: Mapping[str, Metric]
    date: dt.date | None = None
    judged: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """What the ledger says of one delivery."""

    date: dt.date | None
    verdict: str
    score: int
    read: int
    accepted: int
    quarantined: int
    repeated: int
    last_event: str | None


@dataclass(frozen=True, slots=True)
class _Row:
    """One metric and segment of a day."""

    value: float | None
    numerator: float | None
    denominator: float | None


@dataclass(slots=True)
class _Page:
    """The metrics, as they are filled in."""

    metrics: dict[str, Metric] = field(
        default_factory=lambda: {one.name: Metric(one) for one in FAMILIES}
    )

    def put(self, name: str, value: float | None, *labels: str) -> None:
        """Add a sample of ``tallymark_<name>``."""
        self.metrics[BY_NAME[f"tallymark_{name}"].name].put(value, *labels)


def collect(
    warehouse: Warehouse,
    shop: Shop,
    *,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> Collected:
    """Every metric of a warehouse, or of a folder of exported tables, as it is now.

    Raises:
        WarehouseError: There is no warehouse, or it cannot be read.
    """
    engine = warehouse.open(memory_limit=memory_limit, threads=threads)
    try:
        return _collected(warehouse, engine, shop)
    except (duckdb.Error, ValueError) as error:
        raise WarehouseError(
            f"the tables or the ledger cannot be read: {str(error).splitlines()[0]}",
            where=str(warehouse.root),
            fix="run `tallymark run` again with this version",
        ) from error
    finally:
        engine.close()


def _collected(warehouse: Warehouse, engine: Engine, shop: Shop) -> Collected:
    page = _Page()
    zone = ZoneInfo(shop.timezone)
    latest, rows = _tables(page, engine, zone)
    page.put("up", 1.0)
    page.put("build_info", 1.0, __version__)
    page.put("last_run_timestamp_seconds", _last_run(warehouse))
    page.put("latest_day_timestamp_seconds", _start(latest, zone))
    currency = currency_until(engine, shop.currency)
    _put_sales(page, rows, currency)
    _put_shares(page, rows)
    _put_mixes(page, rows, currency)
    day = judged(warehouse, page.put, currency)
    page.put("judged_day_timestamp_seconds", _start(day, zone))
    return Collected(metrics=page.metrics, date=latest, judged=day)


def _tables(
    page: _Page, engine: Engine, zone: ZoneInfo
) -> tuple[dt.date | None, dict[tuple[str, str], _Row]]:
    """The latest day and its rows of metrics_daily; what the ledger says is put in."""
    names = {row[0] for row in engine.rows("select table_name from information_schema.tables")}
    if "metrics_daily" not in names:
        return _exported(engine) if names >= EXPORTS else (None, {})
    if "ledger_deliveries" not in names:
        return None, {}
    ledger = _ledger(engine)
    latest = max((one.date for one in ledger if one.date is not None), default=None)
    _put_deliveries(page, ledger, latest, zone)
    page.put("refused_deliveries", float(engine.rows(_REFUSED)[0][0]))
    return latest, {} if latest is None else _keyed(engine.rows(_DAY, [latest]))


def _last_run(warehouse: Warehouse) -> float | None:
    """When the catalog was last put in place, or a judgement recorded, as the files say."""
    files = (
        warehouse.catalog,
        warehouse.root / "ledger" / "days",  # changes with every judgement that is put there
        *warehouse.exports().values(),
    )
    return max((one.stat().st_mtime for one in files if one.exists()), default=None)


def _start(day: dt.date | None, zone: ZoneInfo) -> float | None:
    """The start of a day in the shop's time, in seconds since 1970."""
    return None if day is None else dt.datetime.combine(day, dt.time(), tzinfo=zone).timestamp()


# ---------------------------------------------------------------- rows of metrics_daily


def _keyed(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[str, str], _Row]:
    return {(metric, segment): _Row(*numbers) for metric, segment, *numbers in rows}


def _exported(engine: Engine) -> tuple[dt.date | None, dict[tuple[str, str], _Row]]:
    """The latest day of exported tables, and what they say of it."""
    rows = derive(engine)
    latest = max((row[0] for row in rows), default=None)
    return latest, _keyed(row[1:] for row in rows if row[0] == latest)


def _put_sales(page: _Page, rows: Mapping[tuple[str, str], _Row], currency: str) -> None:
    for metric, name in _MONEY.items():
        if (row := rows.get((metric, "all"))) is not None:
            page.put(name, row.value, currency)
    for metric, kind in _ODD.items():
        if (row := rows.get((metric, "all"))) is not None:
            page.put("odd_orders", row.value, kind)
    if (row := rows.get(("sessions", "all"))) is not None:
        page.put("funnel_sessions", row.value, "session")
    for metric, step in _REACHED.items():
        if (row := rows.get((metric, "all"))) is not None:
            page.put("funnel_sessions", row.numerator, step)
    for metric, step in _STEPS.items():
        if (row := rows.get((metric, "all"))) is not None:
            page.put("funnel_step_ratio", row.value, step)


def _put_shares(page: _Page, rows: Mapping[tuple[str, str], _Row]) -> None:
    for metric, name in _PLAIN.items():
        if (row := rows.get((metric, "all"))) is not None:
            page.put(name, row.value)
    events, repeated = rows.get(("events", "all")), rows.get(("repeated_events", "all"))
    if events is not None and repeated is not None and events.value:
        page.put("repeated_events_ratio", min(1.0, (repeated.value or 0.0) / events.value))
    filled = {
        segment.removeprefix("field="): (row.denominator or 0.0, row.numerator or 0.0)
        for (metric, segment), row in rows.items()
        if metric == "payload_coverage" and segment.startswith("field=")
    }
    for label, (expected, have) in sorted(bounded(filled).items()):
        page.put("payload_coverage_ratio", have / expected if expected else None, label)


def _put_mixes(page: _Page, rows: Mapping[tuple[str, str], _Row], currency: str) -> None:
    for metric, kind, name in (
        ("channel_share", "channel", "channel_sessions"),
        ("device_share", "device", "device_sessions"),
    ):
        counts = {
            segment.removeprefix(f"{kind}="): (row.numerator or 0.0,)
            for (one, segment), row in rows.items()
            if one == metric and segment.startswith(f"{kind}=")
        }
        for label, (count,) in sorted(bounded(counts).items()):
            page.put(name, count, label)
    credit: dict[str, dict[str, tuple[float]]] = {}
    for (metric, segment), row in rows.items():
        if metric == "attributed_revenue":
            model, _, channel = segment.removeprefix("model=").partition(";channel=")
            credit.setdefault(model, {})[channel] = (row.numerator or 0.0,)
    for model in sorted(credit):
        for label, (amount,) in sorted(bounded(credit[model]).items()):
            page.put("channel_revenue", amount, label, model, currency)


# ---------------------------------------------------------------- the ledger


def _ledger(engine: Engine) -> list[_Delivery]:
    found = []
    for date, verdict, *numbers, last_event in engine.rows(_LEDGER):
        score, read, accepted, quarantined, repeated = (int(number or 0) for number in numbers)
        found.append(
            _Delivery(
                date=None if date is None else dt.date.fromisoformat(str(date)[:10]),
                verdict=str(verdict),
                score=score,
                read=read,
                accepted=accepted,
                quarantined=quarantined,
                repeated=repeated,
                last_event=last_event,
            )
        )
    return found


def _put_deliveries(
    page: _Page, ledger: list[_Delivery], latest: dt.date | None, zone: ZoneInfo
) -> None:
    page.put("quarantine_rows", float(sum(one.quarantined for one in ledger)))
    days = {one.date for one in ledger if one.date is not None}
    page.put("dates_delivered", float(len(days)))
    if latest is None:
        return
    page.put("dates_missing", float((latest - min(days)).days + 1 - len(days)))
    here = [one for one in ledger if one.date == latest]
    verdicts = Counter(one.verdict for one in here)
    for verdict in Verdict:
        page.put("deliveries", float(verdicts[verdict.value]), verdict.value)
    page.put("delivery_score", float(min(one.score for one in here)))
    counts: tuple[tuple[str, Callable[[_Delivery], int]], ...] = (
        ("read", lambda one: one.read),
        ("accepted", lambda one: one.accepted),
        ("quarantined", lambda one: one.quarantined),
        ("repeated", lambda one: one.repeated),
    )
    for name, count in counts:
        page.put(f"delivery_rows_{name}", float(sum(map(count, here))))
    read = sum(one.read for one in here)
    out = sum(one.quarantined for one in here)
    page.put("quarantined_rows_ratio", out / read if read else None)
    page.put("last_event_timestamp_seconds", _last_event(ledger, latest, zone))


def _last_event(ledger: Iterable[_Delivery], latest: dt.date, zone: ZoneInfo) -> float | None:
    """The latest event's time, at most the end of the latest day: a clock may be wrong."""
    end = _start(latest + _ONE_DAY, zone)
    told = [
        dt.datetime.fromisoformat(one.last_event).replace(tzinfo=dt.UTC).timestamp()
        for one in ledger
        if one.last_event
    ]
    return None if not told or end is None else min(max(told), end)
