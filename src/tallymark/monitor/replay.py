"""A look back: on which day each alert would have fired, had the watch been there."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tallymark.errors import InputError
from tallymark.results import Incident, MonitorResult, Status

__all__ = ["Fired", "Replay", "Replayed", "replayed", "spans_of"]

Span = tuple[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """An incident of the replayed days.

    Attributes:
        key: Which it is.
        id: Its first cause.
        severity: The gravest it had.
        fired: The day on which it was first told.
        since: When it began, ISO 8601 UTC, as known on the last day it was found.
        days: On how many of the replayed days it was found.
        state: How it stood at the end.
        message: What was said of it on the first day.
        false_alarm: Whether nothing had been planted then; None where no truth was given.
    """

    key: str
    id: str
    severity: str
    fired: str
    since: str
    days: int
    state: str
    message: str
    false_alarm: bool | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A replayed day."""

    date: str
    status: Status
    headline: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Days as they would have been judged, and what would have fired.

    Attributes:
        days: Each day.
        fired: Each incident, by the day it fired.
        statuses: How many days were GREEN, YELLOW and RED.
        false_alarm_days: Days on which a false alarm fired; None where no truth was given.
    """

    days: Sequence[Replayed]
    fired: Sequence[Fired]
    statuses: Mapping[str, int]
    false_alarm_days: int | None = None


def replayed(
    results: Sequence[MonitorResult],
    incidents: Sequence[Incident],
    truth: Sequence[Span] | None = None,
) -> Replay:
    """What would have fired.

    Args:
        results: The judged days, in order.
        incidents: As they stood after the last of them.
        truth: First and last day of everything that was really wrong, ISO 8601, if known.
    """
    states = {one.key: one.state for one in incidents}
    seen: dict[str, list[Incident]] = {}
    for result in results:
        for one in result.incidents:
            seen.setdefault(one.key or one.id, []).append(one)
    fired = [_fired(key, found, states, truth) for key, found in seen.items()]
    fired.sort(key=lambda one: (one.fired, one.severity, one.key))
    counts = Counter(str(one.status) for one in results)
    return Replay(
        days=[Replayed(date=one.date, status=one.status, headline=one.headline) for one in results],
        fired=fired,
        statuses={str(status): counts[str(status)] for status in Status},
        false_alarm_days=None
        if truth is None
        else len({one.fired for one in fired if one.false_alarm}),
    )


def _fired(
    key: str, found: Sequence[Incident], states: Mapping[str | None, str],
    truth: Sequence[Span] | None,
) -> Fired:  # fmt: skip
    first, last = found[0], found[-1]
    day, end = first.date or "", last.date or ""
    began = min(day, last.since[:10])
    return Fired(
        key=key,
        id=first.id,
        severity=str(min(one.severity for one in found)),
        fired=day,
        since=last.since,
        days=len(found),
        state=states.get(key, last.state),
        message=first.message,
        false_alarm=None
        if truth is None
        else not any(start <= end and began <= stop for start, stop in truth),
    )


def spans_of(path: Path) -> list[Span]:
    """The days of everything that was really wrong, from the truth beside a simulated shop.

    The file is JSON: ``{"incidents": [{"day": ..., "last_day": ...}, ...]}``, days as ISO 8601.

    Raises:
        InputError: It cannot be read as that.
    """
    try:
        told: Any = json.loads(path.read_text(encoding="utf-8"))
        spans = [(str(one["day"]), str(one.get("last_day") or one["day"]))
                 for one in told["incidents"]]  # fmt: skip
        for span in spans:
            for day in span:
                dt.date.fromisoformat(day)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"is no truth of incidents: {type(error).__name__}", where=str(path),
            fix='write {"incidents": [{"day": "2026-01-31", "last_day": "2026-02-02"}]}',
        ) from error  # fmt: skip
    return spans
