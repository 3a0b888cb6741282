"""A process that is killed at any step neither loses an alert nor sends it twice."""

from __future__ import annotations

import http.client
import os
import signal
import smtplib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallymark.notify.outbox import Outbox, State
from tallymark.routing import Alerts
from tests.notify.making import alerts, courier, message
from tests.notify.servers import Service, mail_server, service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork there")

# Everything by which a courier changes the disk or reaches a service.
STEPS: tuple[tuple[type, str], ...] = (
    (Path, "rename"),
    (Path, "replace"),
    (http.client.HTTPConnection, "endheaders"),
    (http.client.HTTPConnection, "send"),
    (http.client.HTTPConnection, "getresponse"),
    (smtplib.SMTP, "send"),
    (smtplib.SMTP, "getreply"),
)
MANY = 40  # more steps than any of these has


class Steps:
    """Counts steps, and kills the process before or after one of them."""

    def __init__(self, last: int, *, after: bool) -> None:
        self.last, self.after, self.number = last, after, 0
        self.names: list[str] = []

    def install(self) -> None:
        """Wrap every step; only in a process that is about to be killed."""
        for owner, name in STEPS:
            setattr(owner, name, self.wrapped(getattr(owner, name)))

    def wrapped(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """The step, and the kill."""

        def run(*arguments: Any, **more: Any) -> Any:
            self.number += 1
            mine = self.number == self.last
            if mine and not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            found = step(*arguments, **more)
            if mine and self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return run


def plan_and_deliver(folder: Path, settings: Alerts, url: str) -> None:
    """What a run does."""
    Outbox(folder).add([message()])
    courier(folder, settings, HOOK=url).deliver()


def killed(
    folder: Path, settings: Alerts, url: str, last: int, *, after: bool,
    run: Callable[[Path, Alerts, str], None] = plan_and_deliver,
) -> bool:  # fmt: skip
    """Run in a process of its own, killed at a step; whether it came to that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the servers are threads of ours
        child = os.fork()
    if child == 0:
        try:
            Steps(last, after=after).install()
            run(folder, settings, url)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def outcomes(
    tmp_path: Path, settings: Alerts, url: str, taken: Callable[[], int],
    settle: Callable[[], None],
) -> list[tuple[int, int]]:  # fmt: skip
    """For each step, before and after: messages taken before the next run, and after two more."""
    found: list[tuple[int, int]] = []
    for last in range(1, MANY):
        for after in (False, True):
            folder = tmp_path / f"{last}{after}"
            before = taken()
            if not killed(folder, settings, url, last, after=after):
                return found
            settle()  # what the killed one sent may still be under way
            once = taken() - before
            Outbox(folder).add([message()])
            for _ in range(2):
                courier(folder, settings, HOOK=url).deliver()
            found.append((once, taken() - before))
    message_text = f"more than {MANY} steps"
    raise AssertionError(message_text)


def keys(there: Service) -> list[str]:
    """What tells one message from another, for each request."""
    return [one.get("dedup_key") or one.get("id") or one["text"] for one in there.taken]


@pytest.mark.parametrize("name", ["webhook", "pagerduty"])
def test_services_that_know_a_key_hear_of_it_once(tmp_path: Path, name: str) -> None:
    """Wherever the kill falls, the service has the message; a second request has the same key."""
    with service() as there:
        channel = {"name": "hook", "service": name, "env": "HOOK"}
        if name == "pagerduty":
            channel["endpoint"] = there.url
        found = outcomes(tmp_path, alerts(channel), there.url, lambda: len(there.taken),
                         there.settle)  # fmt: skip
        assert len(set(keys(there))) == 1
    assert len(found) > 15
    assert {total for _, total in found} <= {1, 2}
    # Sent again only where the kill left open whether the service had it.
    assert sum(total == 2 for _, total in found) <= len(found) // 3


def test_slack_hears_of_it_once(tmp_path: Path) -> None:
    """Slack knows no keys: it has the message at most once, and misses it at one single step.

    That is the kill between our note that the message is handed over and its last byte; the run
    after says so, instead of sending what was very likely sent.
    """
    with service() as there:
        settings = alerts({"name": "hook", "service": "slack", "env": "HOOK"})
        found = outcomes(tmp_path, settings, there.url, lambda: len(there.taken),
                         there.settle)  # fmt: skip
    assert len(found) > 15
    assert {total for _, total in found} == {0, 1}
    # After the rename that is the note; before the last byte leaves: the same moment, twice.
    assert sum(total == 0 for _, total in found) == 2


@pytest.mark.parametrize("name", ["slack", "webhook"])
def test_a_slow_service_and_a_kill(tmp_path: Path, name: str) -> None:
    """It takes the message and answers too late, and the kill falls anywhere.

    Also into our note that nobody answered: the message is not lost unsaid, and is sent again under
    its key alone.
    """
    channel = {"name": "hook", "service": name, "env": "HOOK"}
    totals, ends = set(), set()
    with service() as there:
        for last in range(1, MANY):
            folder, before = tmp_path / str(last), len(there.taken)
            there.slow = True
            # Before a step: the one that waits for an answer never ends.
            brief = alerts(channel, timeout_seconds=0.2)
            fell = killed(folder, brief, there.url, last, after=False)
            there.slow = False
            there.settle()
            for _ in range(3):
                plan_and_deliver(folder, alerts(channel), there.url)
            totals.add(len(there.taken) - before)
            ends |= {str(one.state) for one in Outbox(folder).entries()}
            if not fell:
                break
        assert len(set(keys(there))) == 1
    assert last > 9
    assert totals == ({0, 1} if name == "slack" else {1, 2})
    assert ends == {"sent", "unconfirmed"}


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_around_a_message_that_is_refused(tmp_path: Path, after: object) -> None:
    """The refused one is asked again only if its answer was not noted; the other one comes."""
    settings = alerts({"name": "hook", "service": "webhook", "env": "HOOK"})

    def run(folder: Path, settings: Alerts, url: str) -> None:
        Outbox(folder).add([message(), message(name="outage", key="outage@2031-05-05")])
        courier(folder, settings, HOOK=url).deliver()

    with service() as there:
        there.poison["orders@"] = 400
        for last in range(1, MANY):
            folder, before, calls = tmp_path / str(last), len(there.taken), there.calls
            fell = killed(folder, settings, there.url, last, after=bool(after), run=run)
            there.settle()
            for _ in range(2):
                run(folder, settings, there.url)
            found = {one.message.incident: str(one.state) for one in Outbox(folder).entries()}
            assert found == {"orders": "refused", "outage": "sent"}
            assert len(there.taken) - before in {1, 2}
            assert there.calls - calls <= 3
            if not fell:
                break
    assert last > 20


@pytest.mark.parametrize("name", ["slack", "webhook"])
def test_a_kill_of_the_run_that_puts_right(tmp_path: Path, name: str) -> None:
    """A run was killed after it had handed over, and the next one while it puts that right."""
    settings = alerts({"name": "hook", "service": name, "env": "HOOK"})

    def run(folder: Path, settings: Alerts, url: str) -> None:
        courier(folder, settings, HOOK=url).deliver()

    with service() as there:
        for last in range(1, MANY):
            folder, before = tmp_path / str(last), len(there.taken)
            box = Outbox(folder)
            box.add([message()])
            (entry,) = box.entries()
            box.move(box.move(entry, State.SENDING), State.HANDED)
            fell = killed(folder, settings, there.url, last, after=False, run=run)
            there.settle()
            for _ in range(2):
                run(folder, settings, there.url)
            (entry,) = box.entries()
            if name == "slack":
                assert (str(entry.state), len(there.taken) - before) == ("unconfirmed", 0)
            else:
                assert str(entry.state) == "sent"
                assert len(there.taken) - before in {1, 2}
            if not fell:
                break
    assert last > 1


def test_mail_is_sent_once(tmp_path: Path) -> None:
    """A mail is taken over at the line that ends it: the same single moment."""
    with mail_server() as box:
        settings = alerts({"name": "hook", "service": "email", "to": ["a@example.org"],
                           "host": box.host, "port": box.port, "sender": "t@example.org",
                           "security": "none"})  # fmt: skip
        found = outcomes(tmp_path, settings, "", lambda: len(box.mails), box.settle)
    assert len(found) > 15
    assert {total for _, total in found} == {0, 1}
    assert sum(total == 0 for _, total in found) == 2


def test_what_was_not_confirmed_is_said_and_can_be_sent_again(tmp_path: Path) -> None:
    """The one case that nobody can decide is left to a person."""
    with service() as there:
        settings = alerts({"name": "hook", "service": "slack", "env": "HOOK"})
        for last in range(1, MANY):
            folder = tmp_path / str(last)
            if not killed(folder, settings, there.url, last, after=False):
                break
            told = courier(folder, settings, HOOK=there.url).deliver()
            if told.troubles:
                break
        assert "killed before the service confirmed" in told.troubles[0]
        assert [str(one.state) for one in Outbox(folder).entries()] == ["unconfirmed"]
        again = courier(folder, settings, HOOK=there.url)
        assert again.deliver().troubles == []
        count = len(there.taken)
        assert again.deliver(unconfirmed=True).sent == 1
        assert len(there.taken) == count + 1
