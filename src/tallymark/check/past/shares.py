"""Shares of a delivery that are far above what the shop's earlier deliveries had.

Empty columns, lost ids, bots, internal traffic, events fired twice: all are judged alike. A share
counts as unusual if it is above the usual one by the rule's threshold **and** beyond chance; the
hours in which it is so date it. A day that is unusual does not teach what is usual.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallymark.check.counting import queries
from tallymark.check.counting.hourly import unpacked as numbers
from tallymark.check.counting.repeats import DOUBLE_MS
from tallymark.check.past.habits import (
    CHANCE,
    HOURS,
    Counts,
    Day,
    Entry,
    Habit,
    Told,
    Window,
    clock,
    onset,
)
from tallymark.check.past.usual import Usual, as_usual, softens
from tallymark.check.rules import Hit
from tallymark.check.words import agreed, part
from tallymark.config import CheckRule, Severity
from tallymark.contract import Contract
from tallymark.engine.base import literal

__all__ = ["Shares"]

_HALF = 0.5
# A day can also be compared with itself, and must be without history: filled in most hours, and
# then in next to none.
_OF_COLUMNS = frozenset({"column_partly_empty", "anonymous_rows"})
_BREAKS = ((0.99, 0.7), (0.9, 0.1))  # empty inside at least, outside at most
_FEWEST = 30  # rows on either side of such a break
_PART = 0.1  # of the day's rows that it must concern
_KEPT = 2 / 3  # of the filled share of other hours: what hours that lost values have at the most
_DEEP_FEWEST = 5
_FEW_HOURS = 6  # beside a stretch, to tell how uneven the hours of the day are
_NEXT_TO_NONE = 0.002  # a usual share below which every row counts as touched
_NEVER = 0.999  # share of empty values above which a column counts as never filled
_LOST_CHANCE = 1e-6
_MANY_ACTS = 0.2  # share of a step's events that are of bots, from which on it is a warning


@dataclass(frozen=True, slots=True)
class _Kind:
    """What to say of one measure, and of which rows.

    Attributes:
        check: The check that fires.
        says: What is true of the rows.
        rows: What the rows are called.
        bad: A condition on ``events`` that says the same.
        among: A condition on ``events`` for the rows that are looked at.
    """

    check: str
    says: str
    rows: str = "rows"
    bad: str | None = None
    among: str | None = None


_PEOPLE = "not is_bot and not is_internal and client_id is not null"
_KINDS = {
    "bot": _Kind("bot_wave", "come from bots", bad="is_bot"),
    "internal": _Kind("internal_traffic", "are internal or staging traffic", bad="is_internal"),
    "client_id": _Kind("anonymous_rows", "have no client id", bad="client_id is null"),
    "page_url": _Kind("column_partly_empty", "have no usable page_url", bad="page_host is null"),
    "referrer": _Kind("column_partly_empty", "have an empty referrer", "rows with a client id",
                      "referrer is null", _PEOPLE),
    "user_agent": _Kind("column_partly_empty", "have an empty user_agent",
                        bad="user_agent is null"),
}  # fmt: skip
_EMPTY = {"client_id": "client_missing", "user_agent": "agent_missing"}  # told by a delivery alone
_BOTS = "bot_majority"
_PAYLOAD = "event_data:"
_DOUBLE = "double:"
_ACTING = "bot:"


def _kind(name: str) -> _Kind:
    step = name.partition(":")[2]
    if name.startswith(_PAYLOAD):
        return _Kind("column_partly_empty", "have an empty event_data", f"{step} events",
                     "payload is null", f"step = {literal(step)}")  # fmt: skip
    if name.startswith(_ACTING):
        return _Kind("bot_actions", "come from bots", f"{step} events", "is_bot",
                     f"step = {literal(step)}")  # fmt: skip
    if name.startswith(_DOUBLE):
        return _Kind(
            "double_fired", "repeat the same event of the same client and page within "
            f"{DOUBLE_MS // 1000} seconds", f"{step} events",
        )  # fmt: skip
    return _KINDS[name]


@dataclass(slots=True)
class Shares:
    """Judges the shares of each day against the days before; asked in the order of days."""

    contract: Contract
    rules: Mapping[str, CheckRule]
    habits: dict[str, Habit] = field(default_factory=dict)
    deep: Habit = field(default_factory=Habit)
    learned: dict[str, list[tuple[int, Entry]]] = field(default_factory=dict)
    usual: Usual = field(default_factory=dict)

    def look(self, day: Day) -> Iterator[Told]:
        """What is unusual about a day."""
        names = sorted({name for one in day.entries for name in one["traffic"]["shares"]})
        for name in names:
            if name == "client_id:deep":
                continue
            having = [one for one in day.entries if name in one["traffic"]["shares"]]
            bad, of = (sum(one["traffic"]["shares"][name][at] for one in having) for at in (0, 1))
            habit = self.habits.setdefault(name, Habit())
            told = self._judge(name, habit, day, having, bad, of)
            if told is None:
                if name == "bot":
                    yield from self._mostly_bots(habit, day, having, bad, of)
                self._note_usual(name, habit, day, bad, of)
                habit.add(day.number, bad, of)
                if len(having) == 1:
                    self.learned.setdefault(name, []).append((day.number, having[0]))
            else:
                yield told
        self._learn_deep(day)

    def _note_usual(self, name: str, habit: Habit, day: Day, bad: int, of: int) -> None:
        """What is true of a day's rows and was of those before: of no use as a warning."""
        rule = self.rules.get(_EMPTY.get(name, ""))
        if rule is None or not of or bad / of <= (rule.threshold or 0.0):
            return  # nothing was said
        usual = habit.usual_if(day.number, bad, of)
        if usual is not None:
            self.usual.update({(one["delivery"], rule.check): usual for one in day.entries})

    def _mostly_bots(
        self, habit: Habit, day: Day, having: Sequence[Entry], bad: int, of: int
    ) -> Iterator[Told]:
        """A day of next to nobody but bots, usual or not: there is nothing to tell rates from."""
        rule = self.rules.get(_BOTS)
        if rule is None or not of or bad / of <= (rule.threshold or _HALF):
            return
        usual = habit.usual_if(day.number, bad, of) if softens(rule) else None
        for entry in having:
            rows, read = entry["traffic"]["shares"]["bot"]
            if not rows:
                continue
            hit = Hit(
                message=f"{rows:,} of {read:,} rows ({part(rows / read)}) "
                + agreed(rows, "come from bots, which are in no rate")
                + ("" if usual is None else as_usual(usual)),
                rows=rows,
                share=rows / entry["rows_read"],
                severity=None if usual is None else Severity.P3,
                evidence=_named("bot", entry["traffic"]),
                query=_query(entry, _KINDS["bot"], None, None),
            )
            yield Told(_BOTS, entry["delivery"], hit)

    def _learn_deep(self, day: Day) -> None:
        pairs = [one["traffic"]["shares"].get("client_id:deep", (0, 0)) for one in day.entries]
        self.deep.add(day.number, sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs))

    def _judge(
        self, name: str, habit: Habit, day: Day, having: Sequence[Entry], bad: int, of: int
    ) -> Told | None:
        if not bad or not of:
            return None
        worst = max(having, key=lambda one: (one["traffic"]["shares"][name][0], one["delivery"]))
        counts = _counts(worst, name)
        usual = habit.usual(day.number)
        rule = self.rules.get(_kind(name).check)
        floor = (rule.threshold if rule is not None else None) or 0.0
        if usual is None:
            window = _broken_off(counts) if _kind(name).check in _OF_COLUMNS else None
            return None if window is None else self._told(name, worst, counts, window, None)
        never = usual >= _NEVER or not habit.mostly_less(day.number)
        if bad == of and not never and usual**of < _LOST_CHANCE:
            return self._emptied(name, worst, counts, usual)
        if bad / of - usual < floor:
            return None
        if habit.chance_of_more(day.number, bad, of) <= CHANCE:
            same = self._same_hours(name, day, counts)
            if same is None:
                return self._told(name, worst, counts, onset(counts, usual), usual)
            usual = same.usual(day.number) or 0.0
            more = bad / of - usual >= floor
            if more and same.chance_of_more(day.number, counts.bad, counts.of) <= CHANCE:
                return self._told(name, worst, counts, onset(counts, usual), usual)
        window = None
        if _kind(name).check in _OF_COLUMNS:
            window = _broken_off(counts) or _sunk(counts, usual)
        return None if window is None else self._told(name, worst, counts, window, usual)

    def _same_hours(self, name: str, day: Day, counts: Counts) -> Habit | None:
        """What is usual in the hours that a day has, where it lacks some; None if it has all.

        At night more of the rows are of bots: half a day is no whole one.
        """
        there = [at for at, of in enumerate(counts.of_hour) if of]
        if len(counts.of_hour) != HOURS or len(there) == HOURS:
            return None
        habit = Habit()
        for number, entry in self.learned.get(name, ()):
            past = _counts(entry, name)
            if len(past.of_hour) == HOURS:
                bad, of = (sum(told[at] for at in there) for told in (past.by_hour, past.of_hour))
                habit.add(number, bad, of)
        return habit if habit.usual(day.number) is not None else None

    def _told(
        self, name: str, entry: Entry, counts: Counts, window: Window | None, usual: float | None
    ) -> Told:
        kind = _kind(name)
        inside = window is not None and (window.starts_inside or window.ends_inside)
        rows = window.bad if window is not None and inside else counts.bad
        of = window.of if window is not None and inside else counts.of
        traffic = entry["traffic"]
        since = clock(traffic, window.first) if window and window.starts_inside else None
        until = clock(traffic, window.last + 1) if window and window.ends_inside else None
        check, severity, more = self._weighed(name, kind, entry, window, rows / of if of else 0.0)
        before = "" if usual is None else f"; earlier deliveries had {usual:.1%}"
        touched = _beyond(kind, usual or 0.0, rows, of)
        if touched != rows:
            before += f", so about {touched:,} are too many"
        hit = Hit(
            subject=_subject(name) if ":" in name or check.startswith("column") else "",
            message=f"{rows:,} of {of:,} {kind.rows} ({part(rows / of)}){_when(window)} "
            f"{kind.says}{before}{more}",
            rows=touched,
            share=touched / entry["rows_read"],
            severity=severity,
            evidence={
                "usual_share": None if usual is None else round(usual, 6),
                "share": round(rows / of, 6),
                "rows_with_it": rows,
                "from": since,
                "until": until,
                **_named(name, traffic),
            },
            query=(
                queries.fired_twice(
                    entry["delivery"], name.removeprefix(_DOUBLE), DOUBLE_MS, since, until
                )
                if name.startswith(_DOUBLE)
                else _query(entry, kind, since, until, (usual or 0.0) if touched != rows else 0.0)
            ),
        )
        return Told(check, entry["delivery"], hit, since)

    def _weighed(
        self, name: str, kind: _Kind, entry: Entry, window: Window | None, share: float
    ) -> tuple[str, Severity | None, str]:
        """The check that fires, how bad it is where that depends, and what more there is to say."""
        if name == "client_id":
            if self._ids_are_lost(entry, window):
                return "client_ids_lost", None, "; carts and purchases too: the ids are lost"
            return kind.check, None, "; other steps keep theirs: rows without an id were added"
        if name.startswith(_ACTING):
            counts = _counts(entry, name)
            many = counts.bad >= _MANY_ACTS * counts.of
            rule = self.rules.get(kind.check)
            return kind.check, min(rule.severity, Severity.P2) if rule and many else None, ""
        if not kind.check.startswith("column"):
            return kind.check, None, ""
        column = self.contract.by_role(name.partition(":")[0])
        bad = column is not None and column.if_missing.is_error and share >= _HALF
        return kind.check, Severity.P1 if bad else None, ""

    def _ids_are_lost(self, entry: Entry, window: Window | None) -> bool:
        """Whether more than page views lost their id; where nothing else happened, they are."""
        counts = _counts(entry, "client_id:deep")
        bad, of = counts.bad, counts.of
        if window is not None and window.starts_inside | window.ends_inside:
            bad = sum(counts.by_hour[window.first : window.last + 1])
            of = sum(counts.of_hour[window.first : window.last + 1])
        if of < _DEEP_FEWEST:
            return window is None or window.bad / window.of > _HALF
        # What is usual, by the days before and by the hours around.
        lost = counts.bad - bad + sum(one[1] for one in self.deep.days)
        there = counts.of - of + sum(one[2] for one in self.deep.days)
        return bad > 1 and bad / of > 2 * (lost + 0.5) / (there + 1)

    def _emptied(self, name: str, entry: Entry, counts: Counts, usual: float) -> Told:
        kind = _kind(name)
        if kind.check not in _OF_COLUMNS:
            return self._told(name, entry, counts, None, usual)
        column = self.contract.by_role(name.partition(":")[0])
        called = name if column is None else column.name
        hit = Hit(
            subject=name,
            message=f"column {called} is empty in all {counts.of:,} {kind.rows}; earlier "
            f"deliveries filled {1 - usual:.0%} of them",
            rows=counts.bad,
            share=counts.bad / entry["rows_read"],
            severity=column.if_missing if column is not None else None,
            evidence={"usual_share": round(usual, 6), "share": 1.0},
            query=_query(entry, kind, None, None),
        )
        return Told("column_emptied", entry["delivery"], hit)


def _counts(entry: Entry, name: str) -> Counts:
    traffic = entry["traffic"]
    bad, of = traffic["shares"].get(name, (0, 0))
    hours = numbers(traffic["of"].get(name) or traffic["hours"])
    by_hour = numbers(traffic["by_hour"][name]) if name in traffic["by_hour"] else [0] * len(hours)
    return Counts(bad, of, by_hour, hours)


def _broken_off(counts: Counts) -> Window | None:
    """Hours in which a column is all but empty, on a day that fills it otherwise."""
    outside = sum(counts.of_hour) - sum(counts.by_hour)
    if outside < _FEWEST or counts.bad < _FEWEST:
        return None
    window = onset(counts, _HALF)
    if window is None or not window.of or window.of < _PART * counts.of:
        return None
    rest = sum(counts.of_hour) - window.of
    others = sum(counts.by_hour) - window.bad
    broken = any(
        window.bad >= inside * window.of and others <= outside * rest for inside, outside in _BREAKS
    )
    # Where the stretch lies was chosen: each begin and each end is one more chance.
    chosen = len(counts.of_hour) ** 2 / 2
    chance = chosen * ((others + 1) / (rest + 2)) ** window.bad
    return window if broken and rest >= _FEWEST and chance < _LOST_CHANCE else None


def _sunk(counts: Counts, usual: float) -> Window | None:
    """Hours in which far fewer values are filled than in the day's others, and than usual.

    Hours of a day differ: how much is taken from the other hours themselves (Pearson's dispersion,
    at least 1), and the stretch with the largest difference was chosen among all stretches.
    """
    window = onset(counts, usual)
    if window is None or not (window.starts_inside or window.ends_inside):
        return None
    hours = [
        (bad, of)
        for at, (bad, of) in enumerate(zip(counts.by_hour, counts.of_hour, strict=True))
        if of and not window.first <= at <= window.last
    ]
    rest, others = sum(of for _, of in hours), sum(bad for bad, _ in hours)
    if window.of < max(_FEWEST, _PART * counts.of) or rest < _FEWEST or len(hours) < _FEW_HOURS:
        return None
    inside, outside = window.bad / window.of, (others + 0.5) / (rest + 1)
    if 1 - inside > _KEPT * (1 - max(outside, usual)):
        return None
    noise = outside * (1 - outside)
    uneven = sum((bad - of * outside) ** 2 / (of * noise) for bad, of in hours) / (len(hours) - 1)
    z = (inside - outside) / math.sqrt(max(1.0, uneven) * noise * (1 / window.of + 1 / rest))
    chosen = len(counts.of_hour) ** 2 / 2
    chance = chosen * statistics.NormalDist().cdf(-z)
    return window if chance < _LOST_CHANCE else None


def _when(window: Window | None) -> str:
    if window is None or not (window.starts_inside or window.ends_inside):
        return ""
    begins, ends = window.first % 24, window.last % 24 + 1
    if not window.ends_inside:
        return f" from {begins:02}:00 on"
    return f" from {begins:02}:00 to {ends:02}:00"


def _subject(name: str) -> str:
    """What a finding of a measure is about."""
    return name.removeprefix(_DOUBLE).removeprefix(_ACTING)


def _named(name: str, traffic: Mapping[str, Any]) -> dict[str, Any]:
    """Who the bots are, and which hosts are internal."""
    if name == "bot":
        return {"bots": {bot: count for bot, count in traffic["bots"]}}  # noqa: C416 -- JSON pairs
    if name.startswith(_ACTING):
        return {"bots": dict(traffic.get("actors", {}).get(_subject(name), ()))}
    if name == "internal":
        return {"hosts": {host: count for host, count in traffic["hosts"]}}  # noqa: C416
    return {}


def _beyond(kind: _Kind, usual: float, rows: int, of: int) -> int:
    """How many rows are touched: those beyond the usual share, where that is not next to none.

    Of values lost, all rows would have the usual share; of rows added, the others would.
    """
    if usual < _NEXT_TO_NONE or kind.bad is None:
        return rows
    rest = of if kind.check == "column_partly_empty" else (of - rows) / (1 - usual)
    return max(1, round(rows - usual * rest))


def _query(
    entry: Entry, kind: _Kind, since: str | None, until: str | None, usual: float = 0.0
) -> str | None:
    if kind.bad is None:
        return None
    where = [f"delivery = {literal(entry['delivery'])}", *([kind.among] if kind.among else [])]
    where += [f"event_time >= timestamp '{since[:19]}'"] if since else []
    where += [f"event_time < timestamp '{until[:19]}'"] if until else []
    if not usual:
        return f"select count(*) from events where {' and '.join([*where, kind.bad])}"
    bad = f"count(case when {kind.bad} then 1 end)"
    lost = kind.check == "column_partly_empty"
    rest = "count(*)" if lost else f"(count(*) - {bad}) / {1 - usual:.6f}"
    return f"select round({bad} - {usual:.6f} * {rest}) from events where {' and '.join(where)}"
