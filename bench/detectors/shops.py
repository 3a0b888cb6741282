"""Simulated shops as metrics: what their warehouse would hold, without making a single event.

Nothing here knows the detectors. Every shop draws its own level, weekdays, trend, restlessness and
funnel; it has promotions (in its calendar), campaigns that begin and end, holidays and a few wild
days (in no calendar), rates that wander, orders of very different value. Counts are drawn for
each day and spread over its hours. An incident changes what the days it lasts are drawn from.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tallymark.config import Promotion
from tallymark.monitor.tables import Delivery, Series, Tables

__all__ = ["CHANNELS", "DAYS", "DEVICES", "Days", "Shop"]

Floats = NDArray[np.float64]

DAYS = 420
FIRST = dt.date(2031, 1, 1)
EVENTS_A_SESSION = 2.35
WILD = 0.01  # of days swing three times as far as others
CHANNELS = ("Direct", "Organic Search", "Paid Search", "Paid Social", "Email", "Referral")
CHANNEL_SHARES = np.array([0.28, 0.22, 0.20, 0.12, 0.10, 0.08])
DEVICES = ("desktop", "mobile", "tablet")
DEVICE_SHARES = np.array([0.35, 0.60, 0.05])
FIELDS = ("revenue", "transaction_id", "items[].item_name")
HOURS = np.array(
    [2, 1.4, 1, 0.8, 0.7, 0.9, 1.6, 2.8, 4, 5, 5.4, 5.6, 5.6, 5.4, 5.3, 5.4, 5.6, 5.9, 6.3, 6.8, 7,
     6.4, 5, 3.2]
)  # fmt: skip
HOUR_SHARES = HOURS / HOURS.sum()
# Usual shares, and how much a shop's own differs (standard deviation of the logit).
RATES: Mapping[str, tuple[float, float]] = {
    "cart": (0.075, 0.2),
    "checkout": (0.50, 0.25),
    "purchase": (0.38, 0.25),
    "new": (0.68, 0.2),
    "anonymous": (0.015, 0.5),
    "referred": (0.45, 0.3),
    "bots": (0.03, 0.5),
    "double": (0.008, 0.5),
    "repeated": (0.002, 0.5),
    "lost": (0.06, 0.4),
}
RESTLESS = {"bots": 4.0, "lost": 3.0, "anonymous": 2.0}  # times more from day to day


@dataclass
class Days:
    """What a stretch of days is drawn from; arrays over its days. Incidents change these.

    Attributes:
        sessions: Expected.
        channels: Days x channels: weights of their visits, usually near their shares.
        devices: Days x devices, likewise.
        rates: By name, of RATES.
        value: Factor on the value of orders.
        kept: Days x hours: share of the rows that arrive.
        fields: By field: share of orders that carry it.
        money: Share of the amounts that are read.
        quarantined: Share of the rows that the gate sets aside.
        redelivered: Orders that come again.
    """

    sessions: Floats
    channels: Floats
    devices: Floats
    rates: dict[str, Floats]
    value: Floats
    kept: Floats
    fields: dict[str, Floats] = field(default_factory=dict)
    money: Floats = field(default_factory=lambda: np.ones(0))
    quarantined: Floats = field(default_factory=lambda: np.zeros(0))
    redelivered: Floats = field(default_factory=lambda: np.zeros(0))


class Shop:
    """One simulated shop.

    Args:
        seed: Of everything.
        events: A day, about.
    """

    def __init__(self, seed: int, events: float) -> None:
        self.seed, self.events = seed, events
        rng = np.random.default_rng([seed, 1])
        self._rng = rng
        self.promotions = self._planned()
        self.promoted = np.zeros(DAYS, dtype=np.bool_)
        for start, length in self.promotions:
            self.promoted[start : start + length] = True
        self.sigma = float(rng.uniform(0.55, 0.9))
        self.basket = float(rng.uniform(30, 120))
        self.usual = self._usual()
        self.drawn = self._draw(self.usual, 0, np.random.default_rng([seed, 2]))

    def calendar(self) -> tuple[Promotion, ...]:
        """The promotions, as the configuration names them."""
        return tuple(
            Promotion(
                name=f"Sale {number}",
                start=(FIRST + dt.timedelta(days=start)).isoformat(),
                end=(FIRST + dt.timedelta(days=start + length - 1)).isoformat(),
            )
            for number, (start, length) in enumerate(self.promotions, start=1)
        )

    def tables(self) -> Tables:
        """The healthy shop's warehouse."""
        return _tables(self.drawn)

    def part(self, start: int, length: int) -> Days:
        """What some days are drawn from, to be changed by an incident."""
        usual, cut = self.usual, slice(start, start + length)
        return Days(
            usual.sessions[cut].copy(), usual.channels[cut].copy(), usual.devices[cut].copy(),
            {name: rate[cut].copy() for name, rate in usual.rates.items()},
            usual.value[cut].copy(), usual.kept[cut].copy(),
            {name: share[cut].copy() for name, share in usual.fields.items()},
            usual.money[cut].copy(), usual.quarantined[cut].copy(), usual.redelivered[cut].copy(),
        )  # fmt: skip

    def planted(self, start: int, days: Days, seed: int) -> Tables:
        """The warehouse at the end of some changed days, healthy until they begin."""
        rng = np.random.default_rng([self.seed, 3, seed])
        new = self._draw(days, start, rng)
        return _tables({name: np.concatenate([self.drawn[name][:start], new[name]])
                        for name in new})  # fmt: skip

    # ------------------------------------------------------------ what days are drawn from

    def _planned(self) -> list[tuple[int, int]]:
        found, day = [], int(self._rng.integers(15, 40))
        while day < DAYS - 6:
            length = int(self._rng.integers(1, 6))
            found.append((day, length))
            day += length + int(self._rng.integers(20, 60))
        return found

    def _wander(self, step: float, noise: float, weekday: float, alike: float = 0.25) -> Floats:
        """A walk, weekdays, and noise that partly lasts, on a log or logit scale."""
        rng = self._rng
        walk = np.cumsum(rng.normal(0, step, DAYS))
        weekdays = rng.normal(0, weekday, 7)[np.arange(DAYS) % 7]
        shocks = rng.normal(0, noise, DAYS)
        last, lasting = 0.0, np.empty(DAYS)
        for day, shock in enumerate(shocks):
            last = lasting[day] = alike * last + np.sqrt(1 - alike**2) * shock
        return np.asarray(walk + weekdays + lasting, dtype=np.float64)

    def _usual(self) -> Days:
        rng = self._rng
        noise = float(np.exp(rng.uniform(np.log(0.03), np.log(0.12))))
        log = self._wander(0.006, noise, float(rng.uniform(0.03, 0.2)))
        log += rng.normal(0, 0.0012) * np.arange(DAYS)
        wild = rng.random(DAYS) < WILD
        log += np.where(wild, rng.normal(0, 3 * noise, DAYS), 0.0)
        holidays = rng.random(DAYS) < 4 / 365
        log += np.where(holidays, rng.normal(0, 0.15, DAYS), 0.0)
        log += np.where(self.promoted, np.log(rng.uniform(1.2, 1.9)), 0.0)
        rates = {}
        for name, (usual, differs) in RATES.items():
            own = np.log(usual / (1 - usual)) + rng.normal(0, differs)
            swing = float(rng.uniform(0.02, 0.06)) * RESTLESS.get(name, 1.0)
            logit = own + self._wander(0.004, swing, 0.03)
            if name in {"cart", "purchase"}:
                logit += np.where(self.promoted, 0.25, 0.0)
                logit += np.where(holidays, rng.normal(0, 0.08, DAYS), 0.0)
            rates[name] = 1 / (1 + np.exp(-logit))
        channels = self._shares(CHANNEL_SHARES, 0.3, 0.06)
        self._campaigns(channels)
        sessions = self.events / EVENTS_A_SESSION * np.exp(log)
        value = np.exp(self._wander(0.003, 0.03, 0.03)) * np.where(self.promoted, 0.85, 1.0)
        one, nothing = np.ones(DAYS), np.zeros(DAYS)
        shares = dict.fromkeys(FIELDS, 1.0) | {FIELDS[2]: float(rng.choice([1.0, 0.97]))}
        return Days(
            sessions, channels, self._shares(DEVICE_SHARES, 0.3, 0.03), rates, value,
            np.ones((DAYS, 24)), {name: share * one for name, share in shares.items()},
            one, nothing, nothing.copy(),
        )  # fmt: skip

    def _shares(self, usual: Floats, differs: float, noise: float) -> Floats:
        own = usual * np.exp(self._rng.normal(0, differs, len(usual)))
        own /= own.sum()
        moves = np.column_stack([self._wander(0.004, noise, 0.05) for _ in usual])
        return np.asarray(own * np.exp(moves), dtype=np.float64)

    def _campaigns(self, channels: Floats) -> None:
        """Budgets change: a paid channel or the newsletter brings more or fewer, for weeks."""
        day = int(self._rng.integers(20, 80))
        while day < DAYS:
            channel = int(self._rng.choice([2, 3, 4]))
            length = int(self._rng.integers(14, 60))
            channels[day : day + length, channel] *= float(self._rng.uniform(0.75, 1.35))
            day += int(self._rng.integers(30, 90))

    # ------------------------------------------------------------ days

    def _draw(self, days: Days, start: int, rng: np.random.Generator) -> dict[str, Floats]:
        size = len(days.sessions)
        weights = days.channels.sum(axis=1) * days.devices.sum(axis=1)
        base = (self.usual.channels.sum(axis=1) * self.usual.devices.sum(axis=1))[
            start : start + size
        ]
        # a channel that brings fewer visits makes the whole smaller, its healthy wander does not
        arrived = (days.kept * HOUR_SHARES).sum(axis=1)
        came = rng.poisson(days.sessions * weights / base).astype(np.float64)
        n = rng.binomial(came.astype(np.int64), arrived)

        def part(of: NDArray[np.int64], share: Floats) -> NDArray[np.int64]:
            return rng.binomial(of, np.clip(share, 0.0, 1.0))

        rates = days.rates
        hours = HOUR_SHARES * days.kept
        hours = hours / np.maximum(hours.sum(axis=1, keepdims=True), 1e-12)
        events = rng.poisson(n[:, None] * EVENTS_A_SESSION * hours / (1 - rates["bots"])[:, None])
        total = events.sum(axis=1)
        views = part(total, np.full(size, 0.88))
        carts = part(n, rates["cart"])
        checkouts = part(carts, rates["checkout"])
        orders = part(checkouts, rates["purchase"])
        values = rng.lognormal(np.log(self.basket), self.sigma, int(orders.sum()))
        ends = np.concatenate([[0], np.cumsum(orders)])
        running = np.concatenate([[0.0], np.cumsum(values)])
        revenue = (running[ends[1:]] - running[ends[:-1]]) * days.value * days.money
        landings = part(n, np.full(size, 0.9))
        drawn: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {
            "sessions": n, "came": came,
            "orders": orders, "revenue": np.round(revenue, 2), "carts": carts,
            "checkouts": checkouts, "events": total, "page_views": views, "landings": landings,
            "new": part(n, rates["new"]), "anonymous": part(total, rates["anonymous"]),
            "referred": part(landings, rates["referred"]), "bots": part(total, rates["bots"]),
            "double": part(views, rates["double"]), "repeated": part(total, rates["repeated"]),
            "lost": part(orders, rates["lost"]) / np.maximum(orders, 1) * np.round(revenue, 2),
            "quarantined": part(total, days.quarantined), "redelivered": days.redelivered,
            "channels": _multinomial(rng, n, days.channels),
            "devices": _multinomial(rng, n, days.devices),
            "hours": events.astype(np.float64),
        }  # fmt: skip
        for name, share in days.fields.items():
            drawn[f"field:{name}"] = part(orders, share)
        return {name: np.asarray(found, dtype=np.float64) for name, found in drawn.items()}


def _multinomial(rng: np.random.Generator, n: NDArray[np.int64], weights: Floats) -> Floats:
    shares = weights / weights.sum(axis=1, keepdims=True)
    return np.asarray(rng.multinomial(n, shares), dtype=np.float64)


def _tables(drawn: Mapping[str, Floats]) -> Tables:
    """The shape in which the watch reads a warehouse."""
    size = len(drawn["sessions"])
    series: dict[tuple[str, str], Series] = {}

    def put(metric: str, num: Floats, den: Floats | None = None, segment: str = "all") -> None:
        nothing = np.full(size, np.nan)
        if den is None:
            series[(metric, segment)] = Series(num, num, nothing)
        else:
            value = np.divide(num, den, out=nothing.copy(), where=den > 0)
            series[(metric, segment)] = Series(value, num, den)

    n, events, orders = drawn["sessions"], drawn["events"], drawn["orders"]
    for name in ("sessions", "orders", "revenue", "events", "page_views"):
        put(name, drawn[name])
    put("rows_accepted", events - drawn["quarantined"])
    put("quarantined_share", drawn["quarantined"], events)
    put("aov", drawn["revenue"], orders)
    put("conversion_rate", orders, n)
    put("cart_rate", drawn["carts"], n)
    put("checkout_rate", drawn["checkouts"], drawn["carts"])
    put("purchase_rate", orders, drawn["checkouts"])
    put("new_client_share", drawn["new"], n)
    put("identity_coverage", events - drawn["anonymous"], events)
    put("referrer_coverage", drawn["referred"], drawn["landings"])
    put("bot_share", drawn["bots"], events)
    put("double_fired_share", drawn["double"], drawn["page_views"])
    put("repeated_share", drawn["repeated"], events)
    put("no_channel_revenue_share", drawn["lost"], drawn["revenue"])
    put("redelivered_orders", drawn["redelivered"])
    for name in ("colliding_orders", "conflicting_orders"):
        put(name, np.zeros(size))
    for place, name in enumerate(CHANNELS):
        put("channel_share", drawn["channels"][:, place], n, f"channel={name}")
    for place, name in enumerate(DEVICES):
        put("device_share", drawn["devices"][:, place], n, f"device={name}")
    for name in FIELDS:
        put("payload_coverage", drawn[f"field:{name}"], orders, f"field=purchase.{name}")
    segments: dict[tuple[str, str], list[str]] = {}
    for metric, segment in sorted(series):
        segments.setdefault((metric, segment.partition("=")[0]), []).append(segment)
    deliveries = {
        day: (Delivery(f"{day:03d}.csv", "PASS", int(events[day]),
                       int(events[day] - drawn["quarantined"][day]),
                       int(drawn["quarantined"][day])),)
        for day in range(size)
    }  # fmt: skip
    return Tables(
        first=FIRST,
        size=size,
        delivered=np.ones(size, dtype=np.bool_),
        series=series,
        hourly={"events": drawn["hours"]},
        deliveries=deliveries,
        exported=False,
        segments={key: tuple(found) for key, found in segments.items()},
    )
