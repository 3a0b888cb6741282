"""Telling a P0 while files are followed, within seconds of the file that holds it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from tallymark.errors import TallymarkError
from tallymark.notify.desk import AlertDesk
from tallymark.notify.outbox import Entry
from tallymark.results import Finding, Incident

__all__ = ["Follower"]

_RETRY = 60.0  # seconds until what was not taken is tried again
_LEAVE = 30.0  # seconds that the end waits for what is being sent


class Follower:
    """Tells each P0 of the gate once; never twice, whatever follows, runs or is started again.

    Sending happens in a thread of its own: a service that hangs keeps no file waiting.

    Args:
        desk: Where it is told.
        trouble: Called with a sentence when something is in the way.
        newest: Says the latest day there is a file of. Of an earlier day nothing is told: a folder
            that is followed for the first time holds what everybody knows.
    """

    def __init__(
        self, desk: AlertDesk, trouble: Callable[[str], None], *, newest: Callable[[], str]
    ) -> None:
        self._desk = desk
        self._trouble = trouble
        self._newest = newest
        self._said: frozenset[str] = frozenset()
        self._known: set[str] | None = None
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self, finding: Finding) -> None:
        """Tell a P0, unless the channels have heard of it and not of its end."""
        try:
            self._queue(finding)
        except (TallymarkError, OSError) as error:
            self._trouble(f"an alert could not be kept: {error}")

    def _queue(self, finding: Finding) -> None:
        day = finding.date or finding.since[:10]
        if not self._desk.alerts.channels or day < self._newest():
            return
        if self._known is None:
            self._known = _unfinished(self._desk.outbox.entries())
        if finding.id in self._known:
            return
        self._known.add(finding.id)
        incident = Incident(
            id=finding.id, key=f"{finding.id}@{day}", layer=finding.layer,
            severity=finding.severity, message=finding.message, since=finding.since, date=day,
            fix=finding.fix, owner=finding.owner, runbook=finding.runbook, rule=finding.rule,
            findings=[finding.id],
        )  # fmt: skip
        planned = self._desk.planned([incident], day)
        # Of other incidents nothing is known here, so nothing is said of their end either.
        self._desk.outbox.add([one for one in planned if one.event == "opened"])
        self._wake.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="tallymark-alerts")
            self._thread.start()

    def _run(self) -> None:
        waiting = 0
        while True:
            self._wake.wait(_RETRY if waiting else None)
            self._wake.clear()
            last = self._stop.is_set()
            waiting = self._deliver(attempts=1 if last else None)
            if last:
                return

    def _deliver(self, *, attempts: int | None) -> int:
        try:
            told = self._desk.courier.deliver(attempts=attempts)
        except (TallymarkError, OSError) as error:
            self._say([str(error)])
            return 1
        self._say(told.troubles)
        return told.waiting

    def _say(self, troubles: Sequence[str]) -> None:
        """Say what is in the way, once as long as it is the same."""
        for one in troubles:
            if one not in self._said:
                self._trouble(one)
        self._said = frozenset(troubles)

    def close(self) -> None:
        """End when what is being sent has been sent; what waits is sent by the next run."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_LEAVE)


def _unfinished(entries: Sequence[Entry]) -> set[str]:
    """The causes whose beginning was told and whose end was not."""
    last = {(one.message.channel, one.message.key): one.message for one in entries}
    return {one.incident for one in last.values() if one.event in {"opened", "worse"}}
