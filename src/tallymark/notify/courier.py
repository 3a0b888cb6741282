"""Who carries the messages of an outbox to the services, once each."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from tallymark.notify.outbox import Entry, Outbox, State
from tallymark.notify.post import Refused
from tallymark.notify.services import REPEATABLE, secret_of, send
from tallymark.routing import Alerts, Channel

__all__ = ["Courier", "Told"]

_PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before another attempt, as long as each is in vain
_LONGEST_PAUSE = 15.0  # seconds that a service may ask us to wait; else the next run tries again


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What has become of the messages.

    Attributes:
        sent: Messages that a service has taken now.
        waiting: Messages still to be sent.
        held: Of those, how many wait for the end of the quiet hours.
        troubles: What was in the way, a sentence a channel.
    """

    sent: int = 0
    waiting: int = 0
    held: int = 0
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
        self._now = now
        self._pause = pause

    def deliver(self, *, attempts: int | None = None, unconfirmed: bool = False) -> Told:
        """Send what is to be sent; what a service does not take stays for the next time.

        A channel that fails is left alone for the rest of the call, so that the whole is bounded
        by attempts times timeout (and the pauses) for each channel, however many messages wait.

        Args:
            attempts: Other than the configuration's.
            unconfirmed: Also send again what was handed over and never confirmed.
        """
        with self._outbox.courier() as alone:
            if not alone:
                return Told(troubles=["another process is sending just now"])
            troubles = self._recover(again=unconfirmed)
            sent = 0
            for channel in self._alerts.channels:
                waiting = [one for one in self._pending() if one.message.channel == channel.name]
                done, trouble = self._carry(channel, waiting, attempts or self._alerts.attempts)
                sent += done
                troubles += [trouble] if trouble else []
            self._outbox.tidy()
            left = self._pending()
            held = sum(self._held(one) for one in left)
        return Told(sent=sent, waiting=len(left), held=held, troubles=troubles)

    def _pending(self) -> list[Entry]:
        return [one for one in self._outbox.entries() if one.state is State.PENDING]

    def _recover(self, *, again: bool) -> list[str]:
        """Put right what a process that was killed left on its way; nobody else is sending."""
        repeatable = {one.name for one in self._alerts.channels if one.service in REPEATABLE}
        lost = 0
        for one in self._outbox.entries():
            if one.state is State.SENDING or (one.state is State.UNCONFIRMED and again):
                self._outbox.move(one, State.PENDING)
            elif one.state is State.HANDED:
                known = one.message.channel in repeatable
                self._outbox.move(one, State.PENDING if known else State.UNCONFIRMED)
                lost += not known
        if not lost:
            return []
        number = "1 message was" if lost == 1 else f"{lost} messages were"
        what = (
            f"{number} handed over by a run that was killed before the service confirmed; "
            "`tallymark alerts send --unconfirmed` sends again, if it never came"
        )
        return [what]

    def _carry(self, channel: Channel, waiting: Sequence[Entry], attempts: int) -> tuple[int, str]:
        done = 0
        for entry in waiting:
            if self._held(entry):
                continue
            trouble = self._try(channel, entry, attempts)
            if trouble:
                left = len(waiting) - done
                messages = "1 message waits" if left == 1 else f"{left} messages wait"
                return done, f"channel {channel.name}: {trouble}; {messages} for the next run"
            done += 1
        return done, ""

    def _held(self, entry: Entry) -> bool:
        """Whether a message waits for the end of the quiet hours."""
        quiet = self._alerts.quiet_hours
        if quiet is None or entry.message.severity == "P0":
            return False
        return quiet.hold(self._now().astimezone(self._zone).time())

    def _try(self, channel: Channel, entry: Entry, attempts: int) -> str:
        """Send a message; returns what was in the way, or nothing."""
        trouble = ""
        for attempt in range(attempts):
            taken = self._outbox.move(entry, State.SENDING)
            try:
                secret = secret_of(channel, self.environ)
                handed = functools.partial(self._hand, taken)
                send(channel, entry.message, secret, handed, timeout=self._alerts.timeout_seconds)
            except Refused as error:
                trouble = error.why
                entry = self._back(taken, trouble)
                pause = max(error.patience, _PAUSES[min(attempt, len(_PAUSES) - 1)])
                if error.final or pause > _LONGEST_PAUSE or attempt + 1 == attempts:
                    break
                self._pause(pause)
            else:
                there = dataclasses.replace(taken, state=State.HANDED)
                self._outbox.move(there, State.SENT, at=self._moment(), trouble="")
                return ""
        return trouble

    def _back(self, taken: Entry, trouble: str) -> Entry:
        """A message was not taken: to be sent again, wherever it had come to."""
        changes = {"attempts": taken.attempts + 1, "trouble": trouble, "at": self._moment()}
        try:
            return self._outbox.move(taken, State.PENDING, **changes)
        except FileNotFoundError:
            handed = dataclasses.replace(taken, state=State.HANDED)
            return self._outbox.move(handed, State.PENDING, **changes)

    def _moment(self) -> str:
        return self._now().astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _hand(self, taken: Entry) -> None:
        self._outbox.move(taken, State.HANDED)
