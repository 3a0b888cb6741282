"""Weekdays on which a shop delivers nothing, by its own habit, where no calendar says so."""

from __future__ import annotations

import numpy as np

from tallymark.monitor.due import Due
from tallymark.monitor.tables import Tables
from tallymark.monitor.words import day_name

__all__ = ["WEEKS", "is_due", "rest_note", "weeks_without"]

WEEKS = 2
"""Weeks in which a weekday had no delivery, after which none is expected: once may be an outage."""
_WEEK = 7
_BACK = 8  # weeks that are looked at
_HALF = 0.5


def weeks_without(due: Due, tables: Tables, day: int) -> int:
    """In how many of the last weeks this weekday had no delivery, if it mostly had none.

    A week counts only if deliveries went on after that day: an outage that lasts is no habit. A
    calendar in the contract is kept to as it stands, whatever the habit.

    Args:
        due: When deliveries are due.
        tables: What the watch knows.
        day: The day's number; only days before it are looked at.
    """
    if due.calendar.model_fields_set:
        return 0
    same = list(range(day - _WEEK, -1, -_WEEK))[:_BACK]
    known = [one for one in same if one < tables.size]
    without = [
        one
        for one in known
        if not tables.delivered[one] and bool(np.any(tables.delivered[one + 1 : day]))
    ]
    return len(without) if len(without) > _HALF * len(same) else 0


def is_due(due: Due, tables: Tables, day: int) -> bool:
    """Whether a delivery of a day is to come, by the calendar and by the shop's habit."""
    return due.expects(tables.date(day)) and weeks_without(due, tables, day) < WEEKS


def rest_note(due: Due, tables: Tables, day: int) -> str:
    """What is to be said of a day on which, as always on that weekday, nothing came."""
    weeks = weeks_without(due, tables, day)
    return (
        f"no delivery came for {day_name(tables.date(day))}, as in {weeks} weeks before: if that "
        "is as it should be, name the `weekdays` of deliveries under `calendar` in "
        "contracts/events.yml; if not, all seven"
    )
