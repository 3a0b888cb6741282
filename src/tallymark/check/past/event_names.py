"""Events by name: one that came every day and is gone, and whether it came under another name."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallymark.check.past.habits import LEARNING, Day, Told
from tallymark.check.rules import Hit
from tallymark.config import Severity
from tallymark.contract import Contract
from tallymark.engine.base import literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.landing import Landed
from tallymark.ingest.landing_sql import REJECTED

__all__ = ["EventNames", "counted_names", "unknown_severity"]

_MOST = 100  # names of a delivery that are kept, the commonest first; a hostile file has millions
_LONGEST = 64
_RECENT = 28  # days that say what comes every day
_ANEW = 14  # days after which an event that is gone belongs to the shop as it was
_DISPERSION = 0.1  # of a day's count beyond chance: a standard deviation of a third, and wider
_IMPOSSIBLE = 1e-5  # chance of none, for one name on one day; dozens of names a year are looked at
_LIKE = 2.0  # a new name came in about the old one's number: between half of it and twice
_FUNNEL = frozenset({"page_view", "add_to_cart", "checkout_start", "purchase"})
# Shares of rows whose event the contract does not know. One in twenty is more than a stray test;
# from one in five on what the funnel and the sessions are made of is not what the shop sends.
_MANY, _WRONG = 0.05, 0.2


def unknown_severity(share: float, least: Severity) -> Severity:
    """How bad it is that so many rows are of events that the contract does not know.

    Args:
        share: Of all rows.
        least: What the rule says, for the few.
    """
    if share >= _WRONG:
        return min(least, Severity.P1)
    return min(least, Severity.P2) if share >= _MANY else least


def counted_names(engine: DuckEngine, landed: Landed) -> list[list[Any]]:
    """The commonest event names of a landed delivery's sound rows, and their rows."""
    rows = engine.rows(
        f"select substr(event_name, 1, {_LONGEST}) as name, cast(sum(n) as bigint) as n from ("
        f"select event_name, count(*) as n from {landed.source} where "
        f"faults & {REJECTED.value} = 0 and event_name is not null group by event_name) "
        f"group by name order by n desc, name limit {_MOST}"
    )
    return [[str(name), int(count)] for name, count in rows]


@dataclass(frozen=True, slots=True)
class _Then:
    """How often a name came on an earlier day, of how many rows."""

    day: int
    count: int
    rows: int


@dataclass(slots=True)
class EventNames:
    """Judges the event names of each day against the days before; asked in the order of days.

    Attributes:
        contract: Which names are which step of the funnel.
        past: By name, the days on which it was not missed.
        files: How many deliveries each day had: a day of fewer is not complete yet.
    """

    contract: Contract
    past: dict[str, list[_Then]] = field(default_factory=dict)
    files: list[int] = field(default_factory=list)

    def look(self, day: Day) -> Iterator[Told]:
        """The events that are gone."""
        held = [one.get("events") for one in day.entries]
        if not held or any(one is None or len(one) >= _MOST for one in held):
            return
        usual = statistics.median_low(self.files[-_RECENT:]) if self.files else 1
        self.files.append(len(held))
        if len(held) < usual:
            return
        counts: Counter[str] = Counter()
        for one in held:
            counts.update({str(name): int(count) for name, count in one or ()})
        rows = counts.total()
        missed = dict(self._missed(day.number, counts, rows))
        for name, expected in missed.items():
            found = self._told(day, name, expected, counts)
            if found is not None:
                yield found
        for name in sorted(counts.keys() | (self.past.keys() - missed.keys())):
            then = [*self._recent(name, day.number), _Then(day.number, counts[name], rows)]
            # What has not come for so long is forgotten: a hostile file has names without end.
            if any(one.count for one in then):
                self.past[name] = then
            else:
                del self.past[name]

    def _recent(self, name: str, day: int) -> list[_Then]:
        return [one for one in self.past.get(name, ()) if 0 < day - one.day <= _RECENT]

    def _missed(
        self, day: int, counts: Mapping[str, int], rows: int
    ) -> Iterator[tuple[str, float]]:
        """Names that came every day and did not today, and how often they were expected."""
        for name in sorted(self.past):
            recent = self._recent(name, day)
            if counts.get(name) or len(recent) < LEARNING or not all(one.count for one in recent):
                continue
            expected = rows * statistics.median(one.count / one.rows for one in recent)
            chance = (1.0 + _DISPERSION * expected) ** (-1.0 / _DISPERSION)
            if chance < _IMPOSSIBLE and day - recent[-1].day <= _ANEW:
                yield name, expected

    def _told(self, day: Day, name: str, expected: float, counts: Mapping[str, int]) -> Told | None:
        step = self.contract.events.step_of(name)
        if step is not None and self._replaced(day.number, name, step, expected, counts):
            return None
        new = self._new_name(day.number, expected, counts)
        message = f"{_shown(name)} is gone: none came, where about {expected:,.0f} were expected"
        fix = None
        if new is not None:
            message += (
                f"; {_shown(new)}, which never came before, came {counts[new]:,} times: renamed?"
            )
            under = f"to `{step}` under `events`" if step else "in place of the old name"
            fix = (
                f"if it is the same event, write {_shown(new)} {under} in contracts/events.yml and "
                f"run again; else restore {_shown(name)} at the source"
            )
        grave = new is not None or step in _FUNNEL
        entry = max(day.entries, key=lambda one: (one["rows_read"], one["delivery"]))
        hit = Hit(
            subject=name,
            message=message,
            severity=Severity.P1 if grave else None,
            fix=fix,
            evidence={
                "event": name, "role": step, "expected_events": round(expected), "new_name": new,
                "events_of_new_name": None if new is None else counts[new],
            },
            query=f"select count(*) from events where delivery = {literal(entry['delivery'])} "
            f"and event_name = {literal(name)}",
        )  # fmt: skip
        return Told("event_vanished", entry["delivery"], hit)

    def _replaced(
        self, day: int, name: str, step: str, expected: float, counts: Mapping[str, int]
    ) -> bool:
        """Whether another name of the same step came more often instead: the contract knows it."""
        names: Sequence[str] = dict(self.contract.events.steps())[step]
        more = 0.0
        for other in names:
            recent = self._recent(other, day)
            usual = statistics.median(one.count for one in recent) if recent else 0.0
            more += counts.get(other, 0) - usual if other != name else 0.0
        return more >= expected / _LIKE

    def _new_name(self, day: int, expected: float, counts: Mapping[str, int]) -> str | None:
        """The unknown name that came for the first time and in the most similar number."""
        known = {one for _, names in self.contract.events.steps() for one in names}
        near = []
        for name, count in counts.items():
            times = max(count / expected, expected / count)
            before = any(one.count for one in self._recent(name, day))
            if name not in known and not before and times <= _LIKE:
                near.append((times, name))
        return min(near, default=(0.0, None))[1]


def _shown(name: str) -> str:
    """A name from outside, short and on one line."""
    return "".join(one if one.isprintable() else "?" for one in name[:_LONGEST])
