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

from tallymark.notify.outbox import Outbox
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


def killed(folder: Path, settings: Alerts, url: str, last: int, *, after: bool) -> bool:
    """Plan and deliver in a process of its own, killed at a step; whether it came to that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the servers are threads of ours
        child = os.fork()
    if child == 0:
        try:
            Steps(last, after=after).install()
            Outbox(folder).add([message()])
            courier(folder, settings, HOOK=url).deliver()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def outcomes(
    tmp_path: Path, settings: Alerts, url: str, taken: Callable[[], int]
) -> list[tuple[int, int]]:
    """For each step, before and after: messages taken before the next run, and after two more."""
    found: list[tuple[int, int]] = []
    for last in range(1, MANY):
        for after in (False, True):
            folder = tmp_path / f"{last}{after}"
            before = taken()
            if not killed(folder, settings, url, last, after=after):
                return found
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
        found = outcomes(tmp_path, alerts(channel), there.url, lambda: len(there.taken))
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
        found = outcomes(tmp_path, settings, there.url, lambda: len(there.taken))
    assert len(found) > 15
    assert {total for _, total in found} == {0, 1}
    # After the rename that is the note; before the last byte leaves: the same moment, twice.
    assert sum(total == 0 for _, total in found) == 2


def test_mail_is_sent_once(tmp_path: Path) -> None:
    """A mail is taken over at the line that ends it: the same single moment."""
    with mail_server() as box:
        settings = alerts({"name": "hook", "service": "email", "to": ["a@example.org"],
                           "host": box.host, "port": box.port, "sender": "t@example.org",
                           "security": "none"})  # fmt: skip
        found = outcomes(tmp_path, settings, "", lambda: len(box.mails))
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
