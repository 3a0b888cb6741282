"""The outbox: messages as plain files, whose folder says how far each has come.

::

    outbox/pending       to be sent
    outbox/sending       taken up; the service has not had the whole of it
    outbox/handed        the last byte is about to leave, or has left
    outbox/sent          the service has it
    outbox/unconfirmed   handed over, and no answer was heard: only a person can say if it came
    outbox/refused       the service does not take it as it is, and takes others

A message moves by one rename, so a process that is killed leaves it in exactly one folder. Nothing
is ever made twice: a message's name is its idempotency key, and it is looked for everywhere first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from tallymark.errors import WarehouseError
from tallymark.notify.messages import Message

__all__ = ["Entry", "Outbox", "State"]

_WAIT = 10.0  # seconds for which another process may move a file
_KEPT = 200  # incidents that are over whose messages are kept, the newest


class State(enum.StrEnum):
    """How far a message has come."""

    PENDING = "pending"
    SENDING = "sending"
    HANDED = "handed"
    SENT = "sent"
    UNCONFIRMED = "unconfirmed"
    REFUSED = "refused"


_ENDS = frozenset({State.SENT, State.UNCONFIRMED, State.REFUSED})  # nothing moves it by itself


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A message in the outbox.

    Attributes:
        message: What is told.
        number: Its place in the order of messages, from 1.
        state: How far it has come.
        attempts: How often it was tried in vain.
        trouble: What was in the way the last time.
        at: When it was sent or last tried, ISO 8601 UTC.
        unanswered: How often it was handed over before and no answer was heard.
    """

    message: Message
    number: int
    state: State = State.PENDING
    attempts: int = 0
    trouble: str = ""
    at: str = ""
    unanswered: int = 0


class Outbox:
    """The outbox of a warehouse.

    Args:
        folder: ``warehouse/outbox``; made when the first message is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entries(self) -> list[Entry]:
        """All messages, in the order in which they were made.

        Raises:
            WarehouseError: A message's file cannot be read.
        """
        found: dict[str, Entry] = {}
        # In the order in which files move on: what moves meanwhile is seen where it arrives.
        for state in State:
            for path in (self.folder / state).glob("*.json"):
                with contextlib.suppress(FileNotFoundError):
                    found[path.stem] = _read(path, state)
        return sorted(found.values(), key=lambda one: (one.number, one.message.id))

    def add(self, messages: Sequence[Message]) -> list[Message]:
        """Make messages that are not there yet, in whatever state.

        Returns:
            Those that were new.
        """
        if not messages:
            return []
        fresh = []
        with self._moving():
            known = self.entries()
            ids = {one.message.id for one in known}
            number = max((one.number for one in known), default=0)
            for message in messages:
                if message.id not in ids:
                    number += 1
                    ids.add(message.id)
                    fresh.append(message)
                    self._write(Entry(message=message, number=number))
        return fresh

    def move(self, entry: Entry, state: State, **changes: Any) -> Entry:
        """A message is in another state now: the file is written there whole, by one rename.

        Raises:
            FileNotFoundError: Somebody else moved it meanwhile.
        """
        after = dataclasses.replace(entry, state=state, **changes)
        source, target = self._path(entry), self._path(after)
        with self._moving():
            target.parent.mkdir(parents=True, exist_ok=True)
            if changes:
                # What is said of it first, where it is; then the rename, which alone decides.
                if not source.is_file():
                    raise FileNotFoundError(source)
                self._write(dataclasses.replace(after, state=entry.state))
            source.rename(target)
        return after

    def withdraw(self, keys: Collection[str]) -> None:
        """Take back what waits to be told of incidents that somebody decided about meanwhile."""
        if not keys:
            return
        with self._moving():
            for one in self.entries():
                told = one.message
                if one.state is State.PENDING and told.key in keys and told.event != "resolved":
                    self._path(one).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove the messages of incidents that are long over."""
        by_incident: dict[tuple[str, str], list[Entry]] = {}
        for one in self.entries():
            by_incident.setdefault((one.message.channel, one.message.key), []).append(one)
        over = [
            told
            for told in by_incident.values()
            if told[-1].message.event in {"resolved", "test"}
            and all(one.state in _ENDS for one in told)
        ]
        over.sort(key=lambda told: told[-1].number)
        for told in over[:-_KEPT]:
            for one in told:
                self._path(one).unlink(missing_ok=True)

    @contextlib.contextmanager
    def courier(self) -> Iterator[bool]:
        """Be the one who sends; yields whether nobody else is."""
        from filelock import FileLock, Timeout  # noqa: PLC0415 -- only who writes needs it

        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".courier", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    @contextlib.contextmanager
    def _moving(self) -> Iterator[None]:
        from filelock import FileLock, Timeout  # noqa: PLC0415 -- only who writes needs it

        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / ".lock", timeout=_WAIT):
                yield
        except Timeout:
            raise WarehouseError(
                "another process holds the outbox", where=str(self.folder),
                fix="wait for it to end, then run again; nothing was changed",
            ) from None  # fmt: skip

    def _path(self, entry: Entry) -> Path:
        return self.folder / entry.state / f"{entry.message.id}.json"

    def _write(self, entry: Entry) -> None:
        path = self._path(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {
            "number": entry.number, "attempts": entry.attempts, "trouble": entry.trouble,
            "at": entry.at, "unanswered": entry.unanswered,
            "message": dataclasses.asdict(entry.message),
        }  # fmt: skip
        text = json.dumps(record, indent=1, ensure_ascii=True, sort_keys=True) + "\n"
        aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            aside.write_text(text, encoding="ascii")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def _read(path: Path, state: State) -> Entry:
    try:
        record = json.loads(path.read_text(encoding="ascii"))
        return Entry(
            message=Message.read(record["message"]), number=record["number"], state=state,
            attempts=record["attempts"], trouble=record["trouble"], at=record["at"],
            unanswered=record.get("unanswered", 0),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise WarehouseError(
            f"a message of the outbox cannot be read: {type(error).__name__}", where=str(path),
            fix="delete that file; what it said is told again",
        ) from error  # fmt: skip
