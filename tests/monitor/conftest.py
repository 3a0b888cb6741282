"""A shop in memory: metrics, hours and ledger of many days, in the shape of a warehouse."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tallymark.config import MonitorRules, load
from tallymark.engine.duckdb import DuckEngine
from tallymark.monitor.watch import Watch

FIRST = dt.date(2031, 5, 5)
CHANNELS = ("Direct", "Organic Search", "Paid Search", "Email", "Referral")
CHANNEL_SHARES = (0.3, 0.25, 0.25, 0.12, 0.08)
DEVICES = ("desktop", "mobile", "tablet")
DEVICE_SHARES = (0.35, 0.6, 0.05)
WEEKDAYS = (1.05, 1.0, 0.98, 0.97, 1.0, 0.95, 1.05)
HOURS = np.array(
    [2, 1.4, 1, 0.8, 0.7, 0.9, 1.6, 2.8, 4, 5, 5.4, 5.6, 5.6, 5.4, 5.3, 5.4, 5.6, 5.9, 6.3, 6.8, 7,
     6.4, 5, 3.2]
)  # fmt: skip
HOURLY = ("events", "page_views", "anonymous_events", "referred_views", "orders", "revenue",
          "double_fired_views")  # fmt: skip


@dataclass
class Shop:
    """Daily rows of a simulated shop, which a test may change before it opens them."""

    daily: dict[tuple[dt.date, str, str], list[float | None]] = field(default_factory=dict)
    hourly: dict[tuple[dt.date, int, str], float] = field(default_factory=dict)
    deliveries: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    unexplained: float = 0.0

    @classmethod
    def simulate(
        cls,
        days: int,
        *,
        seed: int = 1,
        sessions: float = 1500.0,
        spread: float = 0.08,
        plant: Callable[[Day], None] | None = None,
    ) -> Shop:
        """Days of a healthy shop; ``plant`` may change each before it is written down."""
        shop = cls()
        for number in range(days):
            rng = np.random.default_rng([seed, number])
            day = Day(rng, FIRST + dt.timedelta(days=number), number, sessions, spread)
            if plant is not None:
                plant(day)
            day.write(shop)
        return shop

    def put(
        self, date: dt.date, metric: str, num: float, den: float | None = None, segment: str = "all"
    ) -> None:
        """One row of metrics_daily."""
        value = num if den is None else (num / den if den else None)
        self.daily[(date, metric, segment)] = [value, num, den]

    def find(self, date: dt.date, key: str, severity: str, **more: Any) -> None:
        """One finding of the gate about the delivery of a date."""
        self.findings.append(
            {
                "delivery": f"{date.isoformat()}.csv",
                "date": date.isoformat(),
                "id": key,
                "layer": "quality",
                "severity": severity,
                "rule": key.partition(":")[0],
                "message": f"{key} found",
                "since": f"{date.isoformat()}T00:00:00.000Z",
                "rows": None,
                "share": None,
                "evidence": json.dumps(more),
                "fix": "mend it",
                "owner": None,
                "query": None,
            }
        )

    def drop(self, date: dt.date) -> None:
        """The delivery of a date never came."""
        self.deliveries.pop(f"{date.isoformat()}.csv")
        self.daily = {key: row for key, row in self.daily.items() if key[0] != date}
        self.hourly = {key: 0.0 if key[0] == date else v for key, v in self.hourly.items()}

    def until(self, last: dt.date) -> Shop:
        """The same shop as it was known on a day: everything later cut away."""
        return Shop(
            {key: row for key, row in self.daily.items() if key[0] <= last},
            {key: row for key, row in self.hourly.items() if key[0] <= last},
            {k: row for k, row in self.deliveries.items() if row["date"] <= last.isoformat()},
            [row for row in self.findings if row["date"] <= last.isoformat()],
            self.unexplained,
        )

    def engine(self) -> DuckEngine:
        """The tables of a warehouse."""
        engine = DuckEngine(threads=1)
        keys, rows = list(self.daily), list(self.daily.values())
        spec: dict[str, tuple[str, list[Any]]] = {
            "date": ("date", [key[0] for key in keys]),
            "metric": ("varchar", [key[1] for key in keys]),
            "segment": ("varchar", [key[2] for key in keys]),
            "known_value": ("double", [row[0] for row in rows]),
            "known_numerator": ("decimal(18, 4)", [row[1] for row in rows]),
            "known_denominator": ("decimal(18, 4)", [row[2] for row in rows]),
        }
        engine.values("metrics_daily", spec)
        slots = list(self.hourly)
        engine.values(
            "metrics_hourly",
            {
                "date": ("date", [key[0] for key in slots]),
                "hour": ("integer", [key[1] for key in slots]),
                "metric": ("varchar", [key[2] for key in slots]),
                "segment": ("varchar", ["all"] * len(slots)),
                "known_value": ("double", list(self.hourly.values())),
            },
        )
        kinds = dict.fromkeys(("rows_read", "rows_accepted", "rows_quarantined"), "bigint")
        ledger = list(self.deliveries.values())
        engine.values(
            "ledger_deliveries",
            {
                name: (kinds.get(name, "varchar"), [row[name] for row in ledger])
                for name in ("delivery", "date", "verdict", *kinds)
            },
        )
        names = ("delivery", "date", "id", "layer", "severity", "rule", "message", "since", "rows",
                 "share", "evidence", "fix", "owner", "query")  # fmt: skip
        engine.values(
            "ledger_findings",
            {
                name: (
                    {"rows": "bigint", "share": "double"}.get(name, "varchar"),
                    [row[name] for row in self.findings],
                )
                for name in names
            },
        )
        engine.values(
            "reconciliation",
            {
                "step": ("varchar", ["orders"]),
                "measure": ("varchar", ["revenue"]),
                "difference": ("decimal(18, 4)", [self.unexplained]),
                "explained": ("decimal(18, 4)", [0]),
            },
        )
        return engine

    def watch(self, **settings: Any) -> Watch:
        """The watch over this shop, with the shipped rules, or some of them changed."""
        rules = load(MonitorRules, None, "rules/monitor.yml")
        return Watch(self.engine(), rules.model_copy(update=settings))


class Day:
    """One simulated day: counts that a test may change before they are written."""

    def __init__(
        self, rng: np.random.Generator, date: dt.date, number: int, level: float, spread: float
    ) -> None:
        def wobble(deviation: float) -> float:
            return float(np.exp(rng.normal(0, deviation)))

        self.rng, self.date, self.number = rng, date, number
        mean = level * WEEKDAYS[date.weekday()] * wobble(spread)
        self.sessions = int(rng.poisson(mean))
        self.events = rng.poisson(2.2 * self.sessions * HOURS / HOURS.sum()).astype(float)
        self.views = rng.binomial(self.events.astype(int), 0.9).astype(float)
        self.anonymous = rng.binomial(self.events.astype(int), 0.01 * wobble(0.2)).astype(float)
        self.referred = rng.binomial(self.views.astype(int), 0.45).astype(float)
        self.double = rng.binomial(self.views.astype(int), 0.01).astype(float)
        self.carts = int(rng.binomial(self.sessions, min(0.3, 0.08 * wobble(spread))))
        self.checkouts = int(rng.binomial(self.carts, 0.5))
        self.orders = int(rng.binomial(self.checkouts, 0.5))
        self.values = rng.lognormal(4.0, 0.6, size=self.orders)
        self.landings = int(0.9 * self.sessions)
        self.referrer_rate = 0.45 * wobble(spread / 2)
        self.channels = rng.multinomial(
            self.sessions, rng.dirichlet(np.array(CHANNEL_SHARES) * 800)
        )
        self.devices = rng.multinomial(self.sessions, DEVICE_SHARES)
        self.payload = dict.fromkeys(("revenue", "transaction_id", "items[].item_name"), 1.0)
        self.no_channel = 0.05

    def sell(self, part: float) -> None:
        """Leave only a part of the orders."""
        self.orders = int(self.rng.binomial(self.orders, part))
        self.values = self.values[: self.orders]

    def write(self, shop: Shop) -> None:
        """Write the rows of the day."""
        put = shop.put
        date, n = self.date, self.sessions
        events, revenue = float(self.events.sum()), round(float(self.values.sum()), 2)
        put(date, "events", events)
        put(date, "page_views", self.views.sum())
        put(date, "sessions", n)
        put(date, "orders", self.orders)
        put(date, "revenue", revenue)
        put(date, "aov", revenue, self.orders)
        put(date, "repeated_events", int(events * 0.002))
        put(date, "conversion_rate", self.orders, n)
        put(date, "cart_rate", self.carts, n)
        put(date, "checkout_rate", self.checkouts, self.carts)
        put(date, "purchase_rate", min(self.orders, self.checkouts), self.checkouts)
        put(date, "new_client_share", int(self.rng.binomial(n, 0.7)), n)
        put(date, "identity_coverage", events - self.anonymous.sum(), events)
        referred = int(self.rng.binomial(self.landings, self.referrer_rate))
        put(date, "referrer_coverage", referred, self.landings)
        put(date, "bot_share", int(self.rng.binomial(int(events), 0.03)), events)
        put(date, "double_fired_share", self.double.sum(), self.views.sum())
        put(date, "no_channel_revenue_share", round(revenue * self.no_channel, 2), revenue)
        for name, count in zip(CHANNELS, self.channels, strict=True):
            put(date, "channel_share", int(count), n, f"channel={name}")
        for name, count in zip(DEVICES, self.devices, strict=True):
            put(date, "device_share", int(count), n, f"device={name}")
        for name, share in self.payload.items():
            filled = int(self.rng.binomial(self.orders, share))
            put(date, "payload_coverage", filled, self.orders, f"field=purchase.{name}")
        orders = self.rng.multinomial(self.orders, HOURS / HOURS.sum()).astype(float)
        mean = revenue / self.orders if self.orders else 0.0
        hours = (self.events, self.views, self.anonymous, self.referred, orders, orders * mean,
                 self.double)  # fmt: skip
        for metric, counts in zip(HOURLY, hours, strict=True):
            for hour in range(24):
                shop.hourly[(date, hour, metric)] = float(counts[hour])
        name = f"{date.isoformat()}.csv"
        shop.deliveries[name] = {
            "delivery": name,
            "date": date.isoformat(),
            "verdict": "PASS",
            "rows_read": int(events),
            "rows_accepted": int(events),
            "rows_quarantined": 0,
        }


@pytest.fixture(scope="session")
def simulated() -> type[Shop]:
    """The class of simulated shops."""
    return Shop


@pytest.fixture(scope="session")
def day() -> Callable[[int], dt.date]:
    """The date of a day number of the simulated shops."""
    return lambda number: FIRST + dt.timedelta(days=number)
