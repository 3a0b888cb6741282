"""What is true of the clean shop, as planned: sessions, orders, credit and totals.

Nothing here is computed from the files. Sessions are the planned visits, orders the planned
purchases, channels the planned ways in; a program that reads the files has to find them again.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tallymark.demo.catalogue import CHECKOUT_HOST, SHOP_HOST, SHOP_NAME
from tallymark.demo.chance import Ints
from tallymark.demo.journeys import EVENT_NAMES, PAGE, Events
from tallymark.demo.orders import Order
from tallymark.demo.people import Visits
from tallymark.demo.planting import Planted
from tallymark.demo.render import isos
from tallymark.demo.season import DAY_MS, Season
from tallymark.demo.traffic import CHANNELS
from tallymark.demo.write import write_columns

__all__ = ["LOOKBACK_MS", "Credit", "Setting", "credits_of", "totals_of", "write_truth"]

LOOKBACK_MS = 7 * DAY_MS
"""A touch counts if it lies at most this long before the order, both ends included."""

_DEFINITIONS = {
    "truth": "describes the clean shop, before any incident changed its files; incidents[] says"
    " what was then done to them",
    "session": "events of one client id; a gap of more than 30 minutes begins another; no break"
    " at midnight; dated by its first event (UTC)",
    "channel": "GA4 default channel group by which the visit was planned to come; a crawler's"
    " visit is Direct",
    "order": "a checkout_completed event; status test: zero revenue and no named item",
    "counted": "orders of status kept",
    "attribution": "counted orders, credited to the first or last session of the same client"
    " that begins 0 to 7 x 24 hours before the order, both ends included, by milliseconds; the"
    " order's own session is a touch, crawlers' and anonymous rows are not",
    "revenue": "sum of quantity x item_price (unit price), in the currency's unit, as decimal text",
    "anonymous_rows": "rows without a client id; they belong to no session",
    "incident": "start is the time of the first touched row, or the hour it began; end is the time"
    " of the last touched row, or the hour it ended; rows_touched counts rows changed, added or"
    " removed",
    "time": "UTC, ISO 8601 with milliseconds; dates are UTC dates",
}
_YES = {True: "true", False: "false"}


@dataclasses.dataclass(frozen=True, slots=True)
class Credit:
    """One counted order credited by one model; ``visit`` is the touch that takes it all."""

    order: Order
    model: str
    visit: int


def credits_of(visits: Visits, orders: Sequence[Order], origin: int) -> list[Credit]:
    """First and last click of each counted order, in the order of time, order and model.

    Args:
        visits: Ordered by client and start.
        orders: All orders.
        origin: A time before every visit, milliseconds.
    """
    counted = [order for order in orders if order.is_counted]
    if not counted:
        return []
    at = np.array([order.ms for order in counted], dtype=np.int64)
    client = visits.client[np.array([order.visit for order in counted])]
    span = int(max(at.max(), visits.start.max())) - origin + LOOKBACK_MS + 1
    begins = visits.client * span + visits.start - origin
    oldest = np.maximum(at - LOOKBACK_MS - origin, 0)
    first = np.searchsorted(begins, client * span + oldest, side="left").tolist()
    last = (np.searchsorted(begins, client * span + at - origin, side="right") - 1).tolist()
    return [
        Credit(order, model, visit)
        for place, order in enumerate(counted)
        for model, visit in (("first_click", first[place]), ("last_click", last[place]))
    ]


def totals_of(
    plan: Season, visits: Visits, events: Events, orders: Sequence[Order], paid: Sequence[Credit]
) -> dict[str, Any]:
    """Counts and revenue of the clean shop: in total, by day and by channel."""
    day_of_event = _days(events.ms, plan)
    day_of_visit = _days(visits.start, plan)
    nobody = visits.anonymous
    per_day = {
        "events": np.bincount(day_of_event, minlength=plan.days),
        "anonymous_rows": np.bincount(day_of_event[nobody[events.visit]], minlength=plan.days),
        "sessions": np.bincount(day_of_visit[~nobody], minlength=plan.days),
        "bot_sessions": np.bincount(day_of_visit[~nobody & visits.is_bot], minlength=plan.days),
    }
    for kind, name in enumerate(EVENT_NAMES):
        per_day[name] = np.bincount(day_of_event[events.kind == kind], minlength=plan.days)
    days: list[dict[str, Any]] = [
        {"date": plan.day(index).isoformat()}
        | {name: int(counts[index]) for name, counts in per_day.items()}
        for index in range(plan.days)
    ]
    by_day: list[list[Order]] = [[] for _ in days]
    for order in orders:
        by_day[(order.ms - plan.start_ms) // DAY_MS].append(order)
    for entry, placed in zip(days, by_day, strict=True):
        entry.update(_sums(placed))
    people = ~visits.is_bot
    sessions = np.bincount(visits.channel[people], minlength=len(CHANNELS)).tolist()
    return {
        **{name: int(counts.sum()) for name, counts in per_day.items()},
        **_sums(orders),
        "human_sessions": int(people.sum()),
        "clients": int(np.unique(visits.client[~nobody]).size),
        "by_day": days,
        "human_sessions_by_channel": dict(zip(CHANNELS, sessions, strict=True)),
        "revenue_by_model_and_channel": _revenue(visits, paid),
    }


def _days(ms: Ints, plan: Season) -> Ints:
    return (ms - plan.start_ms) // DAY_MS


def _sums(orders: Sequence[Order]) -> dict[str, Any]:
    counted = [order.cents for order in orders if order.is_counted]
    return {
        "orders": len(orders),
        "test_orders": len(orders) - len(counted),
        "counted_orders": len(counted),
        "counted_revenue": _money(sum(counted)),
    }


def _revenue(visits: Visits, paid: Sequence[Credit]) -> dict[str, dict[str, str]]:
    cents: dict[str, Counter[str]] = {"first_click": Counter(), "last_click": Counter()}
    for credit in paid:
        cents[credit.model][CHANNELS[int(visits.channel[credit.visit])]] += credit.order.cents
    return {
        model: {channel: _money(counts[channel]) for channel in CHANNELS}
        for model, counts in cents.items()
    }


def _money(cents: int) -> str:
    """An amount as decimal text; never a float."""
    return f"{cents // 100}.{cents % 100:02d}"


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """What the shop was made with."""

    plan: Season
    seed: int
    events_per_day: int
    fmt: str


def write_truth(
    folder: Path,
    setting: Setting,
    world: tuple[Visits, Events, Sequence[Order]],
    files: Sequence[Mapping[str, Any]],
    incidents: Sequence[Planted],
) -> dict[str, Any]:
    """Write ``truth.json``, ``sessions.csv``, ``orders.csv`` and ``attribution.csv``.

    Args:
        folder: Where they go; it exists.
        setting: What the shop was made with.
        world: The planned visits, events and orders.
        files: Name, date, rows and columns of each file of events, as written.
        incidents: What was done to the files.

    Returns:
        The totals, as in ``truth.json``.
    """
    visits, events, orders = world
    paid = credits_of(visits, orders, setting.plan.start_ms)
    totals = totals_of(setting.plan, visits, events, orders, paid)
    _write_sessions(folder / "sessions.csv", visits, events)
    _write_orders(folder / "orders.csv", visits, orders)
    _write_credits(folder / "attribution.csv", visits, paid)
    document = {
        "version": 1,
        "shop": {
            "name": SHOP_NAME,
            "host": SHOP_HOST,
            "checkout_host": CHECKOUT_HOST,
            "start": setting.plan.start.isoformat(),
            "days": setting.plan.days,
            "events_per_day": setting.events_per_day,
            "seed": setting.seed,
            "format": setting.fmt,
        },
        "definitions": _DEFINITIONS,
        "promotions": [
            dataclasses.asdict(promotion)
            | {"first": promotion.first.isoformat(), "last": promotion.last.isoformat()}
            for promotion in setting.plan.promotions
        ],
        "totals": totals,
        "incidents": [dataclasses.asdict(incident) for incident in incidents],
        "files": list(files),
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (folder / "truth.json").write_text(f"{text}\n", encoding="utf-8")
    return totals


def _write_orders(path: Path, visits: Visits, orders: Sequence[Order]) -> None:
    columns = {
        "transaction_id": [order.transaction_id for order in orders],
        "client_id": _clients(visits, [order.visit for order in orders]),
        "ordered_at": _moments(order.ms for order in orders),
        "revenue": [_money(order.cents) for order in orders],
        "status": [order.status for order in orders],
        "is_counted": [_YES[order.is_counted] for order in orders],
    }
    write_columns(path, columns)


def _write_credits(path: Path, visits: Visits, paid: Sequence[Credit]) -> None:
    columns = {
        "transaction_id": [credit.order.transaction_id for credit in paid],
        "client_id": _clients(visits, [credit.visit for credit in paid]),
        "ordered_at": _moments(credit.order.ms for credit in paid),
        "model": [credit.model for credit in paid],
        "channel": [CHANNELS[int(visits.channel[credit.visit])] for credit in paid],
        "touch_at": _moments(int(visits.start[credit.visit]) for credit in paid),
        "revenue": [_money(credit.order.cents) for credit in paid],
    }
    write_columns(path, columns)


def _write_sessions(path: Path, visits: Visits, events: Events) -> None:
    count = len(visits.start)
    end = visits.start.copy()
    np.maximum.at(end, events.visit, events.ms)
    rows = np.bincount(events.visit, minlength=count)
    views = np.bincount(events.visit[events.kind == PAGE], minlength=count)
    named = np.flatnonzero(~visits.anonymous)
    order = named[np.argsort(visits.start[named], kind="stable")]
    columns = {
        "client_id": _clients(visits, order.tolist()),
        "session_start": isos(visits.start[order]),
        "session_end": isos(end[order]),
        "events": [str(number) for number in rows[order].tolist()],
        "page_views": [str(number) for number in views[order].tolist()],
        "channel": [CHANNELS[channel] for channel in visits.channel[order].tolist()],
        "is_bot": [_YES[bot] for bot in visits.is_bot[order].tolist()],
    }
    write_columns(path, columns)


def _clients(visits: Visits, chosen: Sequence[int]) -> list[str]:
    """The client id of some visits."""
    numbers = visits.client[np.array(chosen, dtype=np.int64)].tolist()
    return [visits.client_ids[number] for number in numbers]


def _moments(times: Iterable[int]) -> list[str]:
    return isos(np.array(list(times), dtype=np.int64))
