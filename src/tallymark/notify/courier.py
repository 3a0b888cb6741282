"""Who carries the messages of an outbox to the services, once each."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import functools
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from tallymark.notify.outbox import Entry, Outbox, State
from tallymark.notify.post import Fault, Refused, Silent
from tallymark.notify.services import resends, secret_of, send
from tallymark.routing import Alerts, Channel

__all__ = ["Courier", "Told"]

_PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before another attempt, as long as each is in vain
_LONGEST_PAUSE = 15.0  # seconds that a service may ask us to wait; else the next run tries again
_Count = collections.Counter[str]
_IN_VAIN = 3  # incidents at which a service fails before it is held to be down altogether
_UNCONFIRMED = (
    "it may have come, so it is not sent again by itself; `tallymark alerts send --unconfirmed` "
    "sends it again"
)
_REFUSED = "`tallymark alerts list` shows what, `tallymark alerts send --refused` sends it again"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What has become of the messages.

    Attributes:
        sent: Messages that a service has taken now.
        waiting: Messages still to be sent.
        held: Of those, how many wait for the end of the quiet hours.
        refused: Messages in the outbox that a service did not take as they are.
        unconfirmed: Messages in the outbox that were handed over and never confirmed.
        troubles: What was in the way, a sentence each.
    """

    sent: int = 0
    waiting: int = 0
    held: int = 0
    refused: int = 0
    unconfirmed: int = 0
    troubles: Sequence[str] = ()


class Courier:
    """Carries the messages of an outbox.

    Args:
        outbox: The outbox.
        alerts: Who is told, and how long each may take.
        timezone: Of the quiet hours.
        environ: Where the secrets are.
        now: What time it is, with a time zone.
        pause: Waits so many seconds.

    Attributes:
        environ: Where the secrets are.
        now: What time it is, with a time zone.
    """

    def __init__(
        self,
        outbox: Outbox,
        alerts: Alerts,
        *,
        timezone: str = "UTC",
        environ: Mapping[str, str] | None = None,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._outbox = outbox
        self._alerts = alerts
        self._zone = ZoneInfo(timezone)
        self.environ = os.environ if environ is None else environ
        self.now = now
        self._pause = pause

    def deliver(
        self, *, attempts: int | None = None, unconfirmed: bool = False, refused: bool = False
    ) -> Told:
        """Send what is to be sent; what a service does not take stays for the next time.

        A channel that cannot be reached is left alone for the rest of the call, so that the whole
        is bounded for each channel, however many messages wait. A message that a service does not
        take as it is keeps no other one waiting.

        Args:
            attempts: Other than the configuration's.
            unconfirmed: Also send again what was handed over and never confirmed.
            refused: Also send again what a service did not take as it was.
        """
        again = {State.UNCONFIRMED} if unconfirmed else set()
        again |= {State.REFUSED} if refused else set()
        with self._outbox.courier() as alone:
            if not alone:
                return Told(troubles=["another process is sending just now"])
            troubles = self._recover(again)
            sent = 0
            for channel in self._alerts.channels:
                pending = self._in(State.PENDING)
                waiting = [one for one in pending if one.message.channel == channel.name]
                trip = self._carry(channel, waiting, attempts or self._alerts.attempts)
                sent += trip.sent
                troubles += trip.troubles(channel.name)
            self._outbox.tidy()
            left = self._in(State.PENDING)
            return Told(
                sent=sent, waiting=len(left), held=sum(self._held(one) for one in left),
                refused=len(self._in(State.REFUSED)),
                unconfirmed=len(self._in(State.UNCONFIRMED)), troubles=troubles,
            )  # fmt: skip

    def _in(self, state: State) -> list[Entry]:
        return [one for one in self._outbox.entries() if one.state is state]

    def _recover(self, again: Collection[State]) -> list[str]:
        """Put right what a process that was killed left on its way; nobody else is sending."""
        services = {one.name: one.service for one in self._alerts.channels}
        entries = self._outbox.entries()
        ends = {
            (one.message.channel, one.message.key): one.number
            for one in entries
            if one.message.event == "resolved" and one.state is State.SENT
        }
        lost = 0
        for one in entries:
            told = one.message
            # Nobody wants to hear that something began of whose end he has heard.
            stale = one.number < ends.get((told.channel, told.key), 0)
            if one.state is State.SENDING or (one.state in again and not stale):
                self._outbox.move(one, State.PENDING)
            elif one.state is State.HANDED:
                service = services.get(told.channel, "")
                known = resends(service, one.unanswered, killed=True)
                after = State.PENDING if known else State.UNCONFIRMED
                self._outbox.move(one, after, unanswered=one.unanswered + 1)
                lost += not known
        if not lost:
            return []
        what = (
            f"{_number(lost, 'was', 'were')} handed over by a run that was killed before the "
            "service confirmed; `tallymark alerts send --unconfirmed` sends again, if it never came"
        )
        return [what]

    def _carry(self, channel: Channel, waiting: Sequence[Entry], attempts: int) -> _Trip:
        trip = _Trip()
        for line in _by_incident(waiting):
            for entry in line:
                if self._held(entry):
                    continue
                after, error = self._try(channel, entry, 1 if trip.failures else attempts)
                trip.note(after, error)
                if trip.over:
                    return trip.end(len(waiting))
                if after.state is State.PENDING:
                    break  # what is told later of this incident is told after it
        return trip.end(len(waiting))

    def _held(self, entry: Entry) -> bool:
        """Whether a message waits for the end of the quiet hours."""
        quiet = self._alerts.quiet_hours
        if quiet is None or entry.message.severity == "P0":
            return False
        return quiet.hold(self.now().astimezone(self._zone).time())

    def _try(self, channel: Channel, entry: Entry, attempts: int) -> tuple[Entry, Refused | None]:
        """Send a message; returns how far it came, and what was in the way the last time."""
        attempt = 0
        while True:
            taken = self._outbox.move(entry, State.SENDING)
            try:
                secret = secret_of(channel, self.environ)
                handed = functools.partial(self._hand, taken)
                send(channel, entry.message, secret, handed,
                     timeout=self._alerts.timeout_seconds, now=self.now())  # fmt: skip
            except Refused as error:
                entry = self._back(channel, taken, error)
                pause = max(error.patience, _PAUSES[min(attempt, len(_PAUSES) - 1)])
                attempt += 1
                last = error.final or pause > _LONGEST_PAUSE or attempt >= attempts
                if last or entry.state is not State.PENDING:
                    return entry, error
                self._pause(pause)
            else:
                there = dataclasses.replace(taken, state=State.HANDED)
                return self._outbox.move(there, State.SENT, at=self._moment(), trouble=""), None

    def _back(self, channel: Channel, taken: Entry, error: Refused) -> Entry:
        """A message was not taken, wherever it had come to."""
        changes: dict[str, Any] = {
            "attempts": taken.attempts + 1, "trouble": error.why, "at": self._moment(),
        }  # fmt: skip
        state = State.PENDING
        if error.fault is Fault.MESSAGE:
            state = State.REFUSED
        elif isinstance(error, Silent):
            changes["unanswered"] = taken.unanswered + 1
            if not resends(channel.service, taken.unanswered, killed=False):
                state = State.UNCONFIRMED
        try:
            return self._outbox.move(taken, state, **changes)
        except FileNotFoundError:
            handed = dataclasses.replace(taken, state=State.HANDED)
            return self._outbox.move(handed, state, **changes)

    def _moment(self) -> str:
        return self.now().astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _hand(self, taken: Entry) -> None:
        self._outbox.move(taken, State.HANDED)


def _by_incident(waiting: Sequence[Entry]) -> list[list[Entry]]:
    """The messages of each incident in their order; first what has failed least, then what is old.

    So a message at which a service fails each time never keeps the others waiting for good.
    """
    lines: dict[str, list[Entry]] = {}
    for one in waiting:
        lines.setdefault(one.message.key, []).append(one)
    return sorted(lines.values(), key=lambda line: (line[0].attempts, line[0].number))


@dataclasses.dataclass(slots=True)
class _Trip:
    """How a channel's messages fare in one call."""

    sent: int = 0
    left: int = 0
    failures: int = 0
    over: bool = False
    trouble: str = ""
    doubts: _Count = dataclasses.field(default_factory=collections.Counter)
    refusals: _Count = dataclasses.field(default_factory=collections.Counter)

    def note(self, entry: Entry, error: Refused | None) -> None:
        """A message was tried, and this is what it came to."""
        if error is None:
            self.sent += 1
            return
        failed = error.fault is Fault.SERVICE
        if entry.state is State.REFUSED:
            self.refusals[error.why] += 1
        elif entry.state is State.UNCONFIRMED:
            self.doubts[error.why] += 1
            self.over = not failed
        else:
            self.trouble = error.why
            self.failures += failed
            self.over = not failed or self.failures == _IN_VAIN

    def end(self, waiting: int) -> _Trip:
        """Of so many messages the rest is left."""
        done = self.sent + self.refusals.total() + self.doubts.total()
        self.left = waiting - done if self.over or self.failures else 0
        return self

    def troubles(self, channel: str) -> list[str]:
        """What was in the way, a sentence each."""
        found = [
            f"{why}; {_number(count, 'was', 'were')} refused and kept: {_REFUSED}"
            for why, count in sorted(self.refusals.items())
        ]
        found += [
            f"{why}; {_number(count, 'was', 'were')} handed over: {_UNCONFIRMED}"
            for why, count in sorted(self.doubts.items())
        ]
        if self.left:
            waits = f"{_number(self.left, 'waits', 'wait')} for the next run"
            found.append(f"{self.trouble}; {waits}" if self.trouble else waits)
        return [f"channel {channel}: {one}" for one in found]


def _number(count: int, one: str, more: str) -> str:
    return f"1 message {one}" if count == 1 else f"{count} messages {more}"
