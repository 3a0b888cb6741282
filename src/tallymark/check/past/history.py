"""Facts across deliveries: what only the ledger of earlier days can show.

They are worked out from the ledger each time, for every delivery, from deliveries of earlier days
alone: so they do not depend on the order in which files happened to arrive.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tallymark.check.counting.queries import rows_read
from tallymark.check.past.days import (
    NO_CLOCK,
    Arrivals,
    Clock,
    Gaps,
    Hours,
    Sizes,
    client_volume,
    file_form,
)
from tallymark.check.past.event_names import EventNames
from tallymark.check.past.far_orders import Worths
from tallymark.check.past.habits import Day, Habit, Told
from tallymark.check.past.order_history import Fields, Ids, Sums, odd_orders
from tallymark.check.past.shares import Shares
from tallymark.check.past.usual import Usual
from tallymark.check.rules import Hit, finding
from tallymark.config import CheckRules
from tallymark.contract import Contract
from tallymark.results import Finding

__all__ = ["history_findings"]

Entry = Mapping[str, Any]
Look = Callable[[Day], Iterator[Told]]


def history_findings(
    entries: Sequence[Entry],
    rules: CheckRules,
    contract: Contract,
    clock: Clock = NO_CLOCK,
) -> tuple[dict[str, list[Finding]], Usual]:
    """Findings by delivery key, and what of a delivery's own is usual, from the ledger.

    Args:
        entries: What the gate remembers of each delivery, ordered by date and key.
        rules: Which checks there are, and how bad a hit is.
        contract: The calendar, and what the columns and fields are.
        clock: What time it is; without it nothing is overdue.
    """
    wanted = {rule.check: rule for rule in rules.rules if rule.enabled}
    money = frozenset({contract.payload.transaction_id, contract.payload.revenue})
    arrivals = Arrivals(contract.calendar, clock)
    form: dict[str, str] = {}
    habits: dict[str, Habit] = {}
    shares = Shares(contract, wanted)
    looks: list[Look] = [
        Gaps(contract.calendar).look,
        arrivals.look,
        lambda day: file_form(day, form),
        Sizes(wanted).look,
        Fields(wanted, money).look,
        shares.look,
        Hours().look,
        EventNames(contract).look,
        lambda day: client_volume(day, wanted),
        lambda day: odd_orders(day, habits, contract.payload, wanted),
        Sums(contract.payload).look,
        Worths(contract.payload).look,
        Ids(contract.payload).look,
    ]
    found: dict[str, list[Finding]] = {entry["delivery"]: [] for entry in entries}
    known = {entry["delivery"]: entry for entry in entries}
    days, told = _days(entries)
    for day in days:
        for look in looks:
            told += look(day)
    told += arrivals.overdue()
    for one in told:
        rule = wanted.get(one.check)
        if rule is not None:
            entry = known[one.delivery]
            found[one.delivery].append(_dated(finding(rule, one.hit), entry, one))
    return found, shares.usual


def _days(entries: Sequence[Entry]) -> tuple[list[Day], list[Told]]:
    """The days in order, and which deliveries are another one under a second name."""
    days: dict[str, Day] = {}
    told: list[Told] = []
    versions: dict[str, Entry] = {}
    for entry in entries:
        if not entry["date"]:
            continue
        day = days.setdefault(entry["date"], Day(entry["date"]))
        day.delivered.append(entry)
        if not entry["rows_read"]:
            continue
        other = versions.setdefault(entry["version"], entry)
        if other is not entry:
            told.append(_same(entry, other["delivery"], other["date"]))
        elif entry.get("traffic"):
            day.entries.append(entry)
    return [days[date] for date in sorted(days)], told


def _same(entry: Entry, other: str, day: str | None) -> Told:
    hit = Hit(
        message=f"the same bytes were delivered before as {other}; their rows are "
        "flagged as repeats and count once",
        evidence={"other": other},
        rows=entry["rows_read"],
        share=1.0,
        query=rows_read(entry["delivery"]),
        fix=None if day in {None, entry["date"]} else (
            f"deliver the file of {entry['date']}: what came in its place is that of {day}"
        ),
    )  # fmt: skip
    return Told("same_bytes", entry["delivery"], hit)


def _dated(one: Finding, entry: Entry, told: Told) -> Finding:
    return dataclasses.replace(
        one,
        since=told.since or entry["first_event_at"] or f"{entry['date']}T00:00:00.000Z",
        date=told.day or entry["date"],
        delivery=entry["delivery"],
    )
