"""Days and hours that are missing, files too small or too late, clients too busy."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import statistics
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tallymark.check.counting import queries
from tallymark.check.counting.hourly import unpacked
from tallymark.check.past.habits import CHANCE, LEARNING, Day, Entry, Habit, Told, clock
from tallymark.check.rules import Hit
from tallymark.check.words import count
from tallymark.config import CheckRule, Severity
from tallymark.contract import Calendar
from tallymark.engine.base import literal

__all__ = ["NO_CLOCK", "Arrivals", "Clock", "Gaps", "Hours", "Sizes", "client_volume", "file_form"]

HOURS = 24
_RECENT = 28  # days whose hours say what an hour of today should hold
_CALM = 3.0  # variance of an hour's count over its mean, at least: visits bring several events
_LARGE = 2.0  # times the expected rows, from which on a delivery is suspiciously large
_NEAR = 0.75  # of the usual rows: what is not below needs no closer look
_TOO_LARGE = (
    "ask whether the export holds more than one day, or rows twice; nothing, if the shop was busy"
)
_FEW = 0.0025  # chance of so few rows, below which half a file is a warning: one number a day
_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_SHOWN = 5
_LISTED = 400  # days that a query names
_WEEK = 7
_KEPT_OUT = 0.1  # of the accepted rows: with more in quarantine, a day's hours teach nothing
_STEADY = 2  # days delivered without a gap, before a weekday never seen counts as missed
_HALF = 0.5
_HABIT_WEEKS = 2  # odd days of one weekday, all alike, after which the next is as usual


def _only(day: Day) -> Entry:
    """The delivery that a finding about a whole day is told of: its last."""
    return day.entries[-1]


@dataclass(slots=True)
class _Parts:
    """How many files a day usually comes in: a day of fewer is not complete yet."""

    seen: list[int] = field(default_factory=list)

    def complete(self, day: Day) -> bool:
        """Whether as many have come as on most days; remembers the day."""
        usual = statistics.median_low(self.seen[-_RECENT:]) if self.seen else 1
        self.seen.append(len(day.entries))
        return len(day.entries) >= usual


@dataclass(slots=True)
class Sizes:
    """Judges the rows of each day's delivery against the days before, weekdays known."""

    rules: Mapping[str, CheckRule]
    habit: Habit = field(default_factory=Habit)
    parts: _Parts = field(default_factory=_Parts)
    odd: Habit = field(default_factory=Habit)

    def look(self, day: Day) -> Iterator[Told]:
        """A day whose delivery is far too small, or far too large."""
        if not day.entries or not self.parts.complete(day):
            return
        rows = sum(one["rows_read"] for one in day.entries)
        past = [count for _, count, _ in self.habit.recent(day.number)]
        told = self._judge(day, rows) if len(past) >= LEARNING and _odd(rows, past) else None
        if told is None:
            self.habit.add(day.number, rows, 1)
            return
        weeks = self._same_weekday(day.number, rows)
        self.odd.add(day.number, rows, 1)
        if weeks < _HABIT_WEEKS:
            yield told

    def _same_weekday(self, day: int, rows: int) -> int:
        """On how many odd days of this weekday came as many: a quiet weekend is no half file."""
        same = [one for one in self.odd.recent(day) if (day - one[0]) % _WEEK == 0]
        if not same:
            return 0
        _, fewer, more = Habit(same).chance_of_count(day, rows, _CALM)
        return len(same) if min(fewer, more) > CHANCE else 0

    def _judge(self, day: Day, rows: int) -> Told | None:
        # Rows come a visit at a time: as many as vary like Poisson's are as many visits.
        expected, fewer, more = self.habit.chance_of_count(day.number, rows, _CALM)
        rule = self.rules.get("file_size")
        small = (rule.threshold if rule is not None else None) or 0.0
        grave = rows < _HALF * expected and fewer < CHANCE
        fix = None
        # Half a file on a weekday that never came before may be how quiet the shop is on that day.
        known = (*self.habit.recent(day.number), *self.odd.recent(day.number))
        if not any((day.number - one[0]) % _WEEK == 0 for one in known) or self._same_weekday(
            day.number, rows
        ):
            grave = False
        if rows < small * expected and fewer < _FEW:
            says, severity = "only", Severity.P1 if grave else None
        elif rows > _LARGE * expected and more < CHANCE:
            says, severity, fix = "as many as", None, _TOO_LARGE
        else:
            return None
        entry = _only(day)
        last = max(one["last_event_at"] or "" for one in day.entries)
        hit = Hit(
            message=f"{says} {count(rows, 'row')}, where about {expected:,.0f} were expected after "
            f"the deliveries before ({rows / expected:.0%}); the last event is of "
            f"{last[11:16]} UTC",
            severity=severity,
            fix=fix,
            evidence={"expected_rows": round(expected), "ratio": round(rows / expected, 3),
                      "last_event_at": last},
            query=_rows_of(day),
        )  # fmt: skip
        return Told("file_size", entry["delivery"], hit)


def _odd(rows: int, past: Sequence[int]) -> bool:
    usual = statistics.median(past)
    return not _NEAR * usual <= rows <= _LARGE * _NEAR * usual


def _rows_of(day: Day) -> str:
    keys = ", ".join(literal(one["delivery"]) for one in day.entries)
    return f"select sum(rows_read) from ledger_deliveries where delivery in ({keys})"


@dataclass(slots=True)
class Hours:
    """Judges hours without a single event by the hours around them and those of other days.

    The count of an hour varies more than Poisson's would, since a visit brings several events:
    how much more is taken from the day's own neighbouring hours.
    """

    past: list[list[int]] = field(default_factory=list)
    parts: _Parts = field(default_factory=_Parts)

    def look(self, day: Day) -> Iterator[Told]:
        """Hours that are empty although they cannot be."""
        if not day.entries:
            return
        complete = self.parts.complete(day)
        whole = [one for one in day.entries if len(one["traffic"]["days"]) == 1]
        if not complete or len(whole) != len(day.entries):
            return
        files = [unpacked(one["traffic"]["hours"]) for one in whole]
        counts = [sum(hour) for hour in zip(*files, strict=True)]
        silent = False
        # Rows that are kept out, for want of a time or a name, came all the same.
        kept_out = sum(one["rows_quarantined"] for one in whole)
        for first, last in _empty(counts):
            around, usual = _around(counts, first, last), self._usual(counts, first, last)
            sure = min((one for one in (around, usual) if one is not None), default=0.0)
            unrest = _unrest(counts)
            chance = max(_chance_of_none(max(0.0, sure - kept_out), unrest),
                         self._chance_of_others(counts, first, last, unrest))  # fmt: skip
            if chance >= CHANCE / HOURS or _skipped(whole, first, last):
                continue
            if not self._clock_changed(whole, first, last):
                silent = True
                # Hours beside an outage may be hit themselves, so other days know better.
                told = sure if usual is None else usual
                source = "the hours around" if usual is None else "the days before"
                yield _silence(_only(day), first, last, max(0.0, told - kept_out), source)
        if not silent and kept_out <= _KEPT_OUT * sum(counts):
            self.past.append(counts)

    def _usual(self, counts: Sequence[int], first: int, last: int) -> float | None:
        """Events that the empty hours should hold, by what part of other days they are."""
        part = self._usual_part(first, last)
        return None if part is None else sum(counts) * part / (1 - part) if part < 1 else 0.0

    def _usual_part(self, first: int, last: int) -> float | None:
        """What part of a day's events these hours usually hold; None while nobody can tell."""
        recent = self.past[-_RECENT:]
        if len(recent) < LEARNING:
            return None
        return statistics.median(
            sum(one[first : last + 1]) / max(sum(one), 1) for one in recent
        )  # fmt: skip

    def _clock_changed(self, entries: Sequence[Entry], first: int, last: int) -> bool:
        """Whether the day ends an hour sooner than all before, where another zone's clock rules.

        Such files begin before the shop's midnight and end before it; in the week in which clocks
        are put forward, an hour sooner.
        """
        if last != HOURS - 1 or first == last or len(self.past) < LEARNING:
            return False
        traffic = entries[0]["traffic"]
        early = any(
            one["first_event_at"] is not None and one["first_event_at"] < clock(traffic, 0)
            for one in entries
        )
        return early and not any(any(one[first + 1 :]) for one in self.past[-_RECENT:])

    def _chance_of_others(
        self, counts: Sequence[int], first: int, last: int, unrest: float
    ) -> float:
        """The chance that all visits of the day fell into its other hours: few easily do."""
        usual = self._usual_part(first, last)
        return 0.0 if usual is None else (1.0 - usual) ** (sum(counts) * _visits(unrest))


def _around(counts: Sequence[int], first: int, last: int) -> float | None:
    """Events that the empty hours should hold, by the poorer one of the hours beside them."""
    if first == 0 or last == HOURS - 1:
        return None
    return float((last - first + 1) * min(counts[first - 1], counts[last + 1]))


def _empty(counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Stretches of empty hours, as first and last index."""
    start: int | None = None
    for at, number in enumerate([*counts, 1]):
        if not number and start is None:
            start = at
        elif number and start is not None:
            yield start, at - 1
            start = None


def _unrest(counts: Sequence[int]) -> float:
    """Variance over mean of an hour's count, from neighbouring hours; trends make it larger."""
    pairs = [(a, b) for a, b in itertools.pairwise(counts) if a and b]
    if not pairs:
        return _CALM
    return max(_CALM, sum((a - b) ** 2 / (a + b) for a, b in pairs) / len(pairs))


def _chance_of_none(expected: float, unrest: float) -> float:
    """The chance of no event: negative binomial with that mean and variance over mean."""
    return math.exp(-expected * _visits(unrest))


def _visits(unrest: float) -> float:
    """For one event, how many visits of their own: 1 where events come singly (unrest 1)."""
    return math.log(unrest) / (unrest - 1)


def _skipped(entries: Sequence[Entry], first: int, last: int) -> bool:
    """Whether the clock jumped over the hour, as it does once a year: no time is missing."""
    if first == 0 or last == HOURS - 1:
        return False
    before = max(unpacked(one["traffic"]["last"])[first - 1] for one in entries)
    after = [unpacked(one["traffic"]["first"])[last + 1] for one in entries]
    after = [one for one in after if one >= 0]
    return bool(after) and min(after) - before < (last - first + 1) * 3_600_000


def _silence(entry: Entry, first: int, last: int, expected: float, source: str) -> Told:
    traffic = entry["traffic"]
    since = clock(traffic, first)
    hours = last - first + 1
    if last == HOURS - 1:
        return _cut(entry, first, expected)
    hit = Hit(
        subject=f"{first:02}-{last + 1:02}",
        message=f"no events from {first:02}:00 to {last + 1:02}:00 ({hours} "
        f"hour{'s' * (hours > 1)}), where about {expected:,.0f} were expected, going by {source}",
        evidence={"hours": hours, "expected_events": round(expected), "from": since},
        query=(
            f"select count(*) from events where delivery = {literal(entry['delivery'])} "
            f"and event_hour between {first} and {last}"
        ),
    )
    return Told("hours_silent", entry["delivery"], hit, since)


def _cut(entry: Entry, first: int, expected: float) -> Told:
    """A delivery that ends hours before its day does."""
    last = str(entry["last_event_at"])
    hit = Hit(
        message=f"the delivery ends early: its last event is of {last[11:16]} UTC, and about "
        f"{expected:,.0f} more were expected in the hours to the end of the day",
        evidence={"last_event_at": last, "hours": HOURS - first,
                  "expected_events": round(expected)},
        query=(
            "select max(event_time) from events where delivery = "
            f"{literal(entry['delivery'])}"
        ),
    )  # fmt: skip
    return Told("file_ends_early", entry["delivery"], hit, last)


@dataclass(slots=True)
class Gaps:
    """Days between deliveries of which there is none; told of the first delivery after them."""

    calendar: Calendar
    first: int | None = None
    last: int = 0
    held: set[int] = field(default_factory=set)

    def look(self, day: Day) -> Iterator[Told]:
        """The days missing before this one."""
        missing = [] if self.first is None else list(self._missing(day.number))
        if missing:
            dates = [str(dt.date.fromordinal(one)) for one in missing]
            shown = ", ".join(dates[:_SHOWN]) + (" ..." if len(dates) > _SHOWN else "")
            hit = Hit(
                message=f"nothing was delivered for {shown}"
                + (f" ({len(dates)} days)" if len(dates) > 1 else ""),
                evidence={"missing_days": dates[:_RECENT], "days": len(dates)},
                query=queries.days_held(dates) if len(dates) <= _LISTED else None,
            )
            entry = day.delivered[0]
            since = f"{dates[0]}T00:00:00.000Z"
            yield Told("missing_days", entry["delivery"], hit, since, dates[0])
        self.first = day.number if self.first is None else self.first
        self.last = max(self.last, day.number)
        self.held.add(day.number)
        for one in day.delivered:
            self.held |= {dt.date.fromisoformat(at).toordinal() for at in _days_in(one)}

    def _missing(self, today: int) -> Iterator[int]:
        for number in range(self.last + 1, today):
            day = dt.date.fromordinal(number)
            if number not in self.held and self.calendar.expects(day) and self._usual(number):
                yield number

    def _usual(self, number: int) -> bool:
        """Whether this shop delivers on such weekdays, as far as it can be told."""
        first = self.first or number
        same = range(number - _WEEK, first - 1, -_WEEK)
        if same:
            return sum(one in self.held for one in same) >= _HALF * len(same)
        before = range(first, self.last + 1)
        return len(before) >= _STEADY and all(one in self.held for one in before)


def _days_in(entry: Entry) -> Sequence[str]:
    found: Sequence[str] = (entry.get("traffic") or {}).get("days", ())
    return found


@dataclass(frozen=True, slots=True)
class Clock:
    """The shop's time zone, and the time it is, if somebody says so (with a time zone)."""

    zone: str = "UTC"
    now: dt.datetime | None = None


NO_CLOCK = Clock()


@dataclass(slots=True)
class Arrivals:
    """Deliveries that came late, and one that is due and not there: only with a clock.

    Attributes:
        calendar: When a day's delivery is expected.
        clock: What time it is.
        newest: The last day asked for.
    """

    calendar: Calendar
    clock: Clock
    newest: Day | None = None

    def look(self, day: Day) -> Iterator[Told]:
        """The deliveries of a day that were first seen after they were due."""
        self.newest = day
        date = dt.date.fromisoformat(day.date)
        due, late = self._due(date), self._late(date)
        for entry in day.delivered:
            seen = entry.get("first_seen")
            if due is None or late is None or seen is None or entry.get("backlog"):
                continue
            came = dt.datetime.fromisoformat(seen)
            if came > late:
                hours = (came - due).total_seconds() / 3600
                hit = Hit(
                    message=f"came {hours:,.1f} hours after it was due: first seen "
                    f"{_said(came)}, {_due_by(due, late)}",
                    evidence={"first_seen": seen, "due": _utc(due.isoformat()),
                              "late_from": _utc(late.isoformat()), "hours_late": round(hours, 2)},
                )  # fmt: skip
                yield Told("file_late", entry["delivery"], hit, _utc(due.isoformat()))

    def overdue(self) -> Iterator[Told]:
        """Days after the newest that are due by now and have not come."""
        now = self.clock.now
        if now is None or self.newest is None:
            return
        day = dt.date.fromisoformat(self.newest.date) + dt.timedelta(days=1)
        missing = []
        while (late := self._late(day)) is None or late < now:
            if day > now.date():
                break
            if late is not None:
                missing.append(day)
            day += dt.timedelta(days=1)
        if missing:
            since = self._due(missing[0]) or now
            late = self._late(missing[0]) or now
            days = f"{len(missing)} days, from {missing[0]} on," if missing[1:] else f"{missing[0]}"
            hit = Hit(
                subject="overdue",
                message=f"the delivery of {days} has not come; it was {_due_by(since, late)}",
                evidence={"missing_days": [str(one) for one in missing[:_RECENT]]},
            )
            last = self.newest.delivered[-1]["delivery"]
            yield Told("file_late", last, hit, _utc(since.isoformat()), str(missing[0]))

    def _due(self, day: dt.date) -> dt.datetime | None:
        """By when a day's delivery is to come; None where none is expected."""
        if self.calendar.expected_by is None or not self.calendar.expects(day):
            return None
        local = dt.datetime.combine(
            day + dt.timedelta(days=self.calendar.days_after),
            dt.time.fromisoformat(self.calendar.expected_by),
            zoneinfo.ZoneInfo(self.clock.zone),
        )
        return local.astimezone(dt.UTC)

    def _late(self, day: dt.date) -> dt.datetime | None:
        """From when on it counts as late."""
        due = self._due(day)
        return None if due is None else due + dt.timedelta(minutes=self.calendar.grace_minutes)


def _said(moment: dt.datetime) -> str:
    """A moment for reading: 2031-05-06 07:00 UTC."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _due_by(due: dt.datetime, late: dt.datetime) -> str:
    """When a delivery was due, in the words of the watch."""
    if late == due:
        return f"due by {_said(due)}"
    return f"due by {_said(due)}, counts as late from {late.astimezone(dt.UTC):%H:%M} UTC on"


def _utc(moment: str) -> str:
    told = dt.datetime.fromisoformat(moment).astimezone(dt.UTC)
    return told.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def client_volume(day: Day, rules: Mapping[str, CheckRule]) -> Iterator[Told]:
    """Clients with more events in one hour than a person can make."""
    rule = rules.get("client_volume")
    limit = (rule.threshold if rule is not None else None) or math.inf
    for entry in day.entries:
        busy = [one for one in entry["traffic"]["busy"] if one[0] > limit]
        if busy:
            peak, at, rows = busy[0]
            who = "one client" if len(busy) == 1 else f"{len(busy)} clients"
            since = clock(entry["traffic"], min(one[1] for one in busy))
            total = sum(one[2] for one in busy)
            hit = Hit(
                message=f"{who} sent {total:,} events, up to {peak:,} within one hour "
                f"({at % HOURS:02}:00): no person does",
                rows=total,
                share=total / entry["rows_read"],
                evidence={"clients": len(busy), "busiest_hour": peak, "rows_of_busiest": rows},
                query=queries.many_from_one(entry["delivery"], limit, len(busy)),
            )
            yield Told("client_volume", entry["delivery"], hit, since)


def file_form(day: Day, known: dict[str, str]) -> Iterator[Told]:
    """A byte order mark, and a delimiter that is not the usual one.

    Args:
        day: The day.
        known: The delimiter so far under ``delimiter``; kept up to date.
    """
    for entry in day.entries:
        form = entry.get("form") or {}
        if form.get("bom"):
            yield Told("file_bom", entry["delivery"], Hit(
                message="the file begins with a byte order mark; it was read past",
            ))  # fmt: skip
        delimiter = form.get("delimiter")
        if delimiter is None:
            continue
        usual = known.get("delimiter")
        if delimiter != (usual or ","):
            named = _NAMES.get(delimiter, repr(delimiter))
            expected = _NAMES.get(usual or ",", repr(usual))
            yield Told("file_delimiter", entry["delivery"], Hit(
                message=f"values are separated by {named}, not by {expected}"
                + (" as before" if usual else "") + "; it was read so",
                severity=None if usual else Severity.P3,
                evidence={"delimiter": delimiter, "usual": usual or ","},
            ))  # fmt: skip
        known.setdefault("delimiter", delimiter)
