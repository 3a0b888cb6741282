"""What the gate said of the deliveries, as the tables that models read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from tallymark.build.steps import calendar
from tallymark.engine.duckdb import DuckEngine

__all__ = ["days_of", "load_inputs", "may_repeat"]

HOURS = 24


def load_inputs(
    engine: DuckEngine,
    entries: Sequence[Mapping[str, Any]],
    *,
    repeats: frozenset[str],
    days: Sequence[dt.date],
) -> None:
    """Make the tables of deliveries, expected fields, dates and hours.

    Args:
        engine: Where.
        entries: The deliveries.
        repeats: The deliveries that can hold an exact repeat.
        days: The calendar.
    """
    keys = [one["delivery"] for one in entries]
    engine.values(
        "int_delivery_days",
        {
            "delivery": ("varchar", keys),
            "place": ("integer", _places(keys)),
            "may_repeat": ("boolean", [key in repeats for key in keys]),
            "date": ("date", [_date(one["date"]) for one in entries]),
            "rows_read": ("bigint", [one["rows_read"] for one in entries]),
            "rows_accepted": ("bigint", [one["rows_accepted"] for one in entries]),
            "rows_quarantined": ("bigint", [one["rows_quarantined"] for one in entries]),
        },
    )
    filled: dict[tuple[str, str], list[int]] = {}
    for one in entries:
        for field, (have, want) in one["fields"].items():
            sums = filled.setdefault((one["date"], field), [0, 0])
            sums[0] += have
            sums[1] += want
    fields = sorted(filled)
    engine.values(
        "int_payload_days",
        {
            "date": ("date", [dt.date.fromisoformat(day) for day, _ in fields]),
            "field": ("varchar", [field for _, field in fields]),
            "filled": ("bigint", [filled[key][0] for key in fields]),
            "expected": ("bigint", [filled[key][1] for key in fields]),
        },
    )
    engine.values("int_calendar", {"date": ("date", list(days))})
    engine.values("int_day_hours", {"hour": ("integer", list(range(HOURS)))})


def days_of(entries: Sequence[Mapping[str, Any]]) -> list[dt.date]:
    """Every date from the first to the last that a delivery is of."""
    dated = [day for one in entries if (day := _date(one["date"])) is not None]
    return calendar(min(dated), max(dated)) if dated else []


def _date(text: str | None) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None


def _places(keys: Sequence[str]) -> list[int]:
    """The rank of each delivery key: what ties between deliveries are broken by."""
    ranks = {key: place for place, key in enumerate(sorted(keys))}
    return [ranks[key] for key in keys]


def may_repeat(entries: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The deliveries that can hold an exact repeat at all.

    One can if the gate saw one in it, or if its time overlaps that of another delivery: events
    of one millisecond can only repeat each other.
    """
    ends = sorted(
        (one["first_event_at"], one["last_event_at"], one["delivery"])
        for one in entries
        if one["first_event_at"]
    )
    found = {one["delivery"] for one in entries if one["rows_repeated"]}
    latest: tuple[str, str] | None = None
    for first, last, delivery in ends:
        if latest is not None and first <= latest[0]:
            found |= {delivery, latest[1]}
        if latest is None or last > latest[0]:
            latest = (last, delivery)
    return frozenset(found)
