"""Kinds of incident: what each does to the days it lasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.detectors.shops import CHANNELS, DEVICES, Days

__all__ = ["KINDS", "Kind"]

Plant = Callable[[Days], None]
PAID = [CHANNELS.index(name) for name in ("Paid Search", "Paid Social")]
MOBILE = DEVICES.index("mobile")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of incident.

    Attributes:
        plant: Changes what the days are drawn from.
        fixed: Whether a deterministic rule, and no statistic, is to see it.
    """

    plant: Plant
    fixed: bool = False


def rate(name: str, factor: float) -> Plant:
    """A rate times a factor."""

    def plant(days: Days) -> None:
        days.rates[name] = np.clip(days.rates[name] * factor, 0.0, 1.0)

    return plant


def rise(name: str, points: float) -> Plant:
    """A rate plus some points."""

    def plant(days: Days) -> None:
        days.rates[name] = np.clip(days.rates[name] + points, 0.0, 1.0)

    return plant


def traffic(factor: float) -> Plant:
    """Fewer or more sessions."""

    def plant(days: Days) -> None:
        days.sessions = days.sessions * factor

    return plant


def channel(places: list[int], factor: float) -> Plant:
    """Channels that bring fewer visits."""

    def plant(days: Days) -> None:
        days.channels[:, places] *= factor

    return plant


def untagged(part: float) -> Plant:
    """Paid visits that arrive without their tags and look direct."""

    def plant(days: Days) -> None:
        lost = days.channels[:, PAID] * part
        days.channels[:, PAID] -= lost
        days.channels[:, 0] += lost.sum(axis=1)

    return plant


def device(factor: float) -> Plant:
    """Phones that come less often."""

    def plant(days: Days) -> None:
        days.devices[:, MOBILE] *= factor

    return plant


def prices(factor: float) -> Plant:
    """Orders of another value."""

    def plant(days: Days) -> None:
        days.value = days.value * factor

    return plant


def unfilled(name: str, part: float, *, money: bool = False) -> Plant:
    """A field that part of the orders no longer carry."""

    def plant(days: Days) -> None:
        days.fields[name] = days.fields[name] * (1 - part)
        if money:
            days.money = days.money * (1 - part)

    return plant


def silent(start: int, end: int) -> Plant:
    """Hours of which nothing arrives."""

    def plant(days: Days) -> None:
        days.kept[:, start:end] = 0.0

    return plant


def thinned(part: float) -> Plant:
    """Rows lost evenly over the day."""

    def plant(days: Days) -> None:
        days.kept = days.kept * (1 - part)

    return plant


def sinking(name: str, daily: float) -> Plant:
    """A rate that sinks a little more every day."""

    def plant(days: Days) -> None:
        days.rates[name] = days.rates[name] * (1 - daily) ** np.arange(1, len(days.sessions) + 1)

    return plant


def refused(part: float) -> Plant:
    """Rows that the gate sets aside."""

    def plant(days: Days) -> None:
        days.quarantined = days.quarantined + part

    return plant


def again(days: Days) -> None:
    """Orders that come a second time."""
    days.redelivered = days.redelivered + 2.0


KINDS: Mapping[str, Kind] = {
    "purchase given checkout -80 %": Kind(rate("purchase", 0.2)),
    "purchase given checkout -50 %": Kind(rate("purchase", 0.5)),
    "purchase given checkout -30 %": Kind(rate("purchase", 0.7)),
    "purchase sinks 8 % a day": Kind(sinking("purchase", 0.08)),
    "checkout given cart -50 %": Kind(rate("checkout", 0.5)),
    "checkout given cart -30 %": Kind(rate("checkout", 0.7)),
    "cart given session -50 %": Kind(rate("cart", 0.5)),
    "cart given session -30 %": Kind(rate("cart", 0.7)),
    "sessions -60 %": Kind(traffic(0.4)),
    "sessions -30 %": Kind(traffic(0.7)),
    "sessions doubled": Kind(traffic(2.0)),
    "paid share -50 %": Kind(channel(PAID, 0.5)),
    "paid share -30 %": Kind(channel(PAID, 0.7)),
    "paid visits lose their tags, half": Kind(untagged(0.5)),
    "organic search -50 %": Kind(channel([1], 0.5)),
    "newsletter gone": Kind(channel([4], 0.02)),
    "phones -50 %": Kind(device(0.5)),
    "average order -35 %": Kind(prices(0.65)),
    "average order doubled": Kind(prices(2.0)),
    "amounts missing, half": Kind(unfilled("revenue", 0.5, money=True)),
    "transaction ids missing, 30 %": Kind(unfilled("transaction_id", 0.3)),
    "item names missing, half": Kind(unfilled("items[].item_name", 0.5)),
    "client ids missing, 10 points": Kind(rise("anonymous", 0.10)),
    "client ids missing, 3 points": Kind(rise("anonymous", 0.03)),
    "referrers -90 %": Kind(rate("referred", 0.1)),
    "referrers -30 %": Kind(rate("referred", 0.7)),
    "views fired twice, 10 points": Kind(rise("double", 0.10)),
    "rows repeated, 5 points": Kind(rise("repeated", 0.05)),
    "bots, 15 points": Kind(rise("bots", 0.15)),
    "revenue without channel, 35 points": Kind(rise("lost", 0.35)),
    "new clients, 20 points": Kind(rise("new", 0.20)),
    "rows lost evenly, 40 %": Kind(thinned(0.4)),
    "half the day missing": Kind(silent(12, 24), fixed=True),
    "three hours missing": Kind(silent(13, 16), fixed=True),
    "rows refused, 5 %": Kind(refused(0.05), fixed=True),
    "orders delivered again": Kind(again, fixed=True),
}
