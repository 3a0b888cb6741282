"""Test messages: each is its own, and leaves nothing behind."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path
from typing import Any

import pytest

from tallymark.notify.desk import AlertDesk
from tests.notify.making import NOON, alerts
from tests.notify.servers import mail_server, service

PAGER = {"name": "hook", "service": "pagerduty", "env": "HOOK"}


def desk(folder: Path, channel: dict[str, Any]) -> AlertDesk:
    """A desk at noon."""
    settings = alerts(channel, timeout_seconds=1)
    return AlertDesk(folder, settings, shop="Shop", currency="USD", timezone="UTC",
                     now=lambda: NOON)  # fmt: skip


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "key")


def test_the_incident_of_a_test_is_resolved_at_once(tmp_path: Path) -> None:
    """PagerDuty hears of its beginning, dated now, and of its end, under one key."""
    with service() as there:
        (tried,) = desk(tmp_path, PAGER | {"endpoint": there.url}).test()
        assert (tried.sent, tried.trouble) == (True, "")
    first, second = there.taken
    assert (first["event_action"], second["event_action"]) == ("trigger", "resolve")
    assert first["dedup_key"] == second["dedup_key"] == "tallymark/Shop/test"
    assert first["payload"]["timestamp"] == "2031-05-05T12:00:00.000Z"


@pytest.mark.parametrize(
    ("answers", "calls", "trouble"),
    [
        ([200, 500], 2, "the test's incident could not be resolved (answered 500): do it there"),
        ([0, 200], 2, "no answer within 1 s"), ([400], 1, "answered 400"),
    ],
)  # fmt: skip
def test_a_test_that_goes_wrong(
    tmp_path: Path, answers: list[int], calls: int, trouble: str
) -> None:
    """What may have been opened is resolved; what was refused is not; what stays open is said."""
    with service(*answers) as there:
        (tried,) = desk(tmp_path, PAGER | {"endpoint": there.url}).test()
        assert tried.trouble == trouble
        assert there.calls == calls


def test_two_tests_are_two_mails(tmp_path: Path) -> None:
    """Each has its date and a Message-ID of its own; a preview has neither a date nor a secret."""
    with mail_server() as box:
        channel = {"name": "hook", "service": "email", "to": ["a@example.org"], "host": box.host,
                   "port": box.port, "sender": "t@example.org", "security": "none"}  # fmt: skip
        for _ in range(2):
            assert desk(tmp_path, channel).test()[0].sent
        (shown,) = desk(tmp_path, channel).test(dry_run=True)
        assert shown.message == desk(tmp_path, channel).test(dry_run=True)[0].message
    first, second = (email.message_from_string(one, policy=email.policy.default)
                     for one in box.mails)  # fmt: skip
    assert first["Message-ID"] != second["Message-ID"]
    assert first["Date"] == second["Date"] == "Mon, 05 May 2031 12:00:00 +0000"
