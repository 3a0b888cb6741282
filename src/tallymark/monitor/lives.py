"""The lives of incidents: opened, updated each day, ended by the data or by hand.

Nothing of it is kept between runs. It follows from the days in their order and from what people
decided, so that a day's report is the same whenever it is made, and a ledger that was deleted
comes back as it was.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence

from tallymark.decisions import Decision
from tallymark.errors import ConfigError
from tallymark.monitor.causes import HOURLY, kind_of
from tallymark.monitor.words import parse
from tallymark.results import Finding, Incident, Layer, Severity

__all__ = ["ACK", "EVERY", "KINDS", "MUTE", "RESOLVE", "Choice", "Ledger", "NewNormal",
           "agreed", "choices_of", "counts", "new_normals", "overlaid"]  # fmt: skip

ACK, RESOLVE, MUTE = "incident_ack", "incident_resolve", "incident_mute"
KINDS = (ACK, RESOLVE, MUTE)
OPEN, ACKNOWLEDGED, MUTED, RESOLVED = "open", "acknowledged", "muted", "resolved"
QUIET = "quiet"  # not found on the latest day; over if the next is quiet, too

EVERY = frozenset(Layer)
# What is measured wavers about its limit: such an incident is over after the second quiet day.
_QUIET_DAYS = 2
# One gap, as it is told on its day, with the next delivery, and on the days after that.
_GAP = frozenset({"delivery_missing", "missing_days", "days_missing"})
_FACTS = frozenset({"threshold", "gamma-Poisson chance of no event at all"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What somebody decided about an incident.

    Attributes:
        kind: One of :data:`KINDS`.
        key: The incident's key: which occurrence of it.
        day: From which judged day on it holds, ISO 8601.
        until: The last day of a mute, ISO 8601.
        reason: Why.
        number: The place of the decision among all.
        since: Of what is the new normal: the first day of it, ISO 8601; else empty.
        rules: Of what is the new normal: the rules that are to learn it.
    """

    kind: str
    key: str
    day: str
    until: str = ""
    reason: str = ""
    number: int = 0
    since: str = ""
    rules: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class NewNormal:
    """What somebody decided is normal now.

    Attributes:
        since: The first day of it.
        rules: The rules for which the days before do not count any more.
    """

    since: dt.date
    rules: frozenset[str]


def new_normals(choices: Sequence[Choice], day: dt.date) -> tuple[NewNormal, ...]:
    """What was decided to be the new normal before a day, in the order of the decisions.

    Taking the incident up again takes it back.
    """
    last: dict[str, Choice] = {}
    for one in choices:
        if one.kind in {ACK, RESOLVE} and one.day < day.isoformat():
            last[one.key] = one
    return tuple(
        NewNormal(dt.date.fromisoformat(one.since), frozenset(one.rules))
        for one in sorted(last.values(), key=lambda one: one.number)
        if one.kind == RESOLVE and one.since
    )


def agreed(gate: Sequence[Finding], anew: Sequence[NewNormal]) -> list[Finding]:
    """What the gate found, where it compares with days that count no more: as information.

    How much of it there is now, the metrics go on judging by what is the new normal.
    """
    rules = frozenset[str]().union(*(one.rules for one in anew)) & frozenset(HOURLY)
    return [
        dataclasses.replace(one, severity=Severity.P3) if kind_of(one) in rules else one
        for one in gate
    ]


def choices_of(decisions: Sequence[Decision]) -> list[Choice]:
    """The decisions about incidents, in their order.

    Raises:
        ConfigError: One lacks the incident or the day.
    """
    found = []
    for one in decisions:
        if one.kind not in KINDS:
            continue
        facts = {name: str(value) for name, value in one.facts.items()}
        needed = ("incident", "day", "until") if one.kind == MUTE else ("incident", "day")
        for name in needed:
            if not facts.get(name):
                raise ConfigError(
                    f"a decision of kind {one.kind} needs {name!r} among its facts",
                    where=str(one.path), fix="make decisions with `tallymark incidents`",
                )  # fmt: skip
        found.append(
            Choice(
                kind=one.kind, key=facts["incident"], day=facts["day"],
                until=facts.get("until", ""), reason=facts.get("reason", ""), number=one.number,
                since=_day(one, facts.get("new_normal_since", "")),
                rules=tuple(facts.get("rules", "").split()),
            )
        )  # fmt: skip
    return found


def _day(decision: Decision, text: str) -> str:
    try:
        return dt.date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise ConfigError(
            f"{text!r} is no day", where=str(decision.path), fix="write it as 2026-01-31"
        ) from None


@dataclasses.dataclass(slots=True)
class _Life:
    """One occurrence of an incident."""

    key: str
    opened: str
    latest: Incident
    quiet: int = 0
    closed: str | None = None
    how: str = ""

    def resolved_by(self, choices: Sequence[Choice], day: str) -> Choice | None:
        """The decision that ended it, unless it was taken up again by a later one."""
        held = [one for one in choices if one.key == self.key and one.day <= day]
        last = next((one for one in reversed(held) if one.kind in {ACK, RESOLVE}), None)
        return last if last is not None and last.kind == RESOLVE else None

    def standing(self, day: str, choices: Sequence[Choice]) -> Incident:
        """The incident as it stands at the end of a day."""
        held = [one for one in choices if one.key == self.key and one.day <= day]
        state, decision, until = OPEN, self.how or None, None
        for one in held:
            if one.kind == MUTE:
                until, decision = one.until, _said(f"muted until {one.until}", one)
            elif one.kind == ACK:
                state, decision = ACKNOWLEDGED, _said("acknowledged", one)
        if until is not None and day <= until:
            state = MUTED
        if self.quiet and state == OPEN:
            state = QUIET
        if self.closed is not None:
            state, decision = RESOLVED, self.how
        return dataclasses.replace(
            self.latest, key=self.key, opened=self.opened, state=state, resolved=self.closed,
            muted_until=until if state == MUTED else None, decision=decision,
        )  # fmt: skip


def counts(incident: Incident) -> bool:
    """Whether an incident makes the status: not while it is muted or quiet, nor once over."""
    return incident.state in {OPEN, ACKNOWLEDGED}


def overlaid(incidents: Sequence[Incident], choices: Sequence[Choice], day: str) -> list[Incident]:
    """Kept incidents as they stand now that more may have been decided.

    Args:
        incidents: As the last run kept them.
        choices: What people have decided by now.
        day: The latest judged day, ISO 8601.
    """
    found = []
    for one in incidents:
        if one.state == RESOLVED or one.key is None:
            found.append(one)
            continue
        plain = dataclasses.replace(one, decision=None, muted_until=None)
        life = _Life(key=one.key, opened=one.opened or day, latest=plain)
        if (last := life.resolved_by(choices, day)) is not None:
            life.closed, life.how = day, _said("resolved by hand", last)
        found.append(life.standing(day, choices))
    return found


def _said(what: str, choice: Choice) -> str:
    what += f", as the new normal since {choice.since}" if choice.since else ""
    return f"{what}: {choice.reason}" if choice.reason else what


class Ledger:
    """All incidents so far; days are added in their order.

    Args:
        choices: What people decided.
    """

    def __init__(self, choices: Sequence[Choice] = ()) -> None:
        self._choices = list(choices)
        self._open: dict[str, _Life] = {}
        self._closed: list[_Life] = []
        self._day = ""
        self._found: list[Incident] = []

    def add(
        self, day: str, incidents: Sequence[Incident], *, judged: frozenset[Layer] = EVERY
    ) -> None:
        """Take in what was found on the next day.

        Args:
            day: The day, ISO 8601.
            incidents: Its incidents.
            judged: The layers that could be judged. Of the others nothing is known to be over.
        """
        self._day = day
        matched = self._matched(incidents)
        today: list[_Life] = []
        for incident in incidents:
            life = matched.get(incident.id)
            if life is None:
                key = f"{incident.id}@{day}"
                life = self._open[key] = _Life(key=key, opened=day, latest=incident)
            life.latest, life.quiet = incident, 0
            today.append(life)
        there = {life.key for life in today}
        for life in list(self._open.values()):
            if life.key not in there and life.latest.layer in judged:
                self._quiet(life, day, incidents)
            self._resolve_by_hand(life, day)
        if not judged:  # nothing came, so nothing is over: what was open stays in sight
            today += [life for key, life in self._open.items() if key not in there]
            today.sort(key=lambda life: life.latest.severity)
        self._found = [life.standing(day, self._choices) for life in today]

    def found(self) -> list[Incident]:
        """The incidents of the last day that was added, as they stand, in their order.

        Of a day on which nothing could be judged those are among them that were open before.
        """
        return self._found

    def quiet_today(self) -> list[Incident]:
        """Those that were not found on the last day that was added, and are not yet over."""
        lives = [one for one in self._open.values() if one.quiet]
        return [one.standing(self._day, self._choices) for one in lives]

    def over_today(self) -> list[Incident]:
        """Those that ended on the last day that was added."""
        return [
            one.standing(self._day, self._choices)
            for one in self._closed
            if one.closed == self._day
        ]

    def all(self) -> list[Incident]:
        """Every occurrence: the open ones, gravest first; then the others, the latest first."""
        live = [one.standing(self._day, self._choices) for one in self._open.values()]
        past = [one.standing(self._day, self._choices) for one in self._closed]
        live.sort(key=lambda one: (one.severity, one.since, one.id))
        past.sort(key=lambda one: (one.id, one.opened or ""))
        past.sort(key=lambda one: one.resolved or "", reverse=True)
        return [*live, *past]

    # ------------------------------------------------------------ inside

    def _matched(self, incidents: Sequence[Incident]) -> Mapping[str, _Life]:
        """Which of the open incidents each of today's is, by its id.

        The same cause has the same id. Where a cause comes to be explained by another (or no
        longer is), its incident goes on under the other's name.
        """
        by_id = {life.latest.id: life for life in self._open.values()}
        matched = {
            one.id: by_id[one.id]
            for one in incidents
            if one.id in by_id and not _turned(by_id[one.id].latest, one)
        }
        taken = {id(life) for life in matched.values()}
        for incident in incidents:
            if incident.id in matched:
                continue
            kin = [
                life for life in self._open.values()
                if id(life) not in taken
                and _akin(life.latest, incident)
            ]  # fmt: skip
            if kin:
                life = min(kin, key=lambda one: (one.opened, one.key))
                matched[incident.id] = life
                taken.add(id(life))
        return matched

    def _quiet(self, life: _Life, day: str, incidents: Sequence[Incident]) -> None:
        """A day without it: over, or part of a graver one, or only quiet."""
        other = next((one for one in incidents if life.latest.id in one.findings), None)
        if other is not None and _turned(life.latest, other):
            self._close(life, day, "it turned the other way")
            return
        if other is not None:
            self._close(life, day, f"explained by {other.id}")
            return
        life.quiet += 1
        if life.quiet >= (1 if _is_fact(life.latest) else _QUIET_DAYS):
            self._close(life, day, "no longer found")

    def _resolve_by_hand(self, life: _Life, day: str) -> None:
        last = life.resolved_by(self._choices, day)
        if life.closed is None and last is not None:
            self._close(life, day, _said("resolved by hand", last))

    def _close(self, life: _Life, day: str, how: str) -> None:
        life.closed, life.how = day, how
        self._closed.append(self._open.pop(life.key))


def _turned(before: Incident, now: Incident) -> bool:
    """Whether what rose falls now, or the reverse: that is another incident."""
    ways = {one.evidence.get("direction") for one in (before, now)}
    return before.id == now.id and len(ways - {None}) > 1


def _akin(before: Incident, now: Incident) -> bool:
    """Whether two incidents with different names are of one cause, which began no later."""
    if {before.id, now.id} <= _GAP:
        return before.since == now.since
    began, first = parse(now.since), parse(before.since)
    if began is None or first is None or began - first >= dt.timedelta(days=1):
        return False
    if _turned(before, now):
        return False
    return before.id in now.findings or now.id in before.findings


def _is_fact(incident: Incident) -> bool:
    """Whether it is there or not, and nothing that a measurement decides."""
    return incident.metric is None or incident.evidence.get("method") in _FACTS
