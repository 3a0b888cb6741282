"""What one message meets does not become the lot of the others, and nothing is sent twice."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from tallymark.notify.outbox import Outbox, State
from tests.notify.making import alerts, courier, incident, message
from tests.notify.servers import mail_server, service

HOOK = {"name": "hook", "service": "webhook", "env": "HOOK"}


def fill(folder: Path, *names: str) -> None:
    """Put messages of incidents into the outbox, in this order."""
    Outbox(folder).add([message(name=name, key=f"{name}@2031-05-05") for name in names])


def states(folder: Path) -> dict[str, str]:
    """How far the message of each incident has come."""
    return {one.message.incident: str(one.state) for one in Outbox(folder).entries()}


@pytest.mark.parametrize("kind", ["slack", "webhook"])
@pytest.mark.parametrize("answer", [400, 413, 422])
def test_a_message_that_is_refused_keeps_no_other_one_waiting(
    tmp_path: Path, kind: str, answer: int
) -> None:
    """It is asked once, kept as refused and said; the others go; on request it is sent again."""
    settings = alerts(HOOK | {"service": kind}, attempts=3)
    with service() as there:
        there.poison["outage"] = answer
        fill(tmp_path, "outage", "orders", "rename")
        told = courier(tmp_path, settings, HOOK=there.url).deliver()
        assert (told.sent, told.waiting, told.refused) == (2, 0, 1)
        (said,) = told.troubles
        assert f"answered {answer}; 1 message was refused and kept" in said
        assert "alerts send --refused" in said
        assert states(tmp_path) == {"outage": "refused", "orders": "sent", "rename": "sent"}
        for _ in range(2):
            told = courier(tmp_path, settings, HOOK=there.url).deliver()
            assert (told.sent, told.refused, told.troubles) == (0, 1, [])
        assert there.calls == 3
        there.poison.clear()
        again = courier(tmp_path, settings, HOOK=there.url).deliver(refused=True)
        assert (again.sent, again.refused) == (1, 0)
    assert there.calls == len(there.taken) + 1 == 4


@pytest.mark.parametrize("answer", [401, 403, 404, 410])
def test_an_address_that_is_wrong_stops_its_channel(tmp_path: Path, answer: int) -> None:
    """One question a run; every message waits until the address is mended, and then goes."""
    with service(answer) as there:
        fill(tmp_path, "outage", "orders", "rename")
        told = courier(tmp_path, alerts(HOOK, attempts=3), HOOK=there.url).deliver()
        said = f"channel hook: answered {answer}; 3 messages wait for the next run"
        assert (told.waiting, told.troubles, there.calls) == (3, [said], 1)
        there.answers = [200]
        assert courier(tmp_path, alerts(HOOK), HOOK=there.url).deliver().sent == 3


def test_a_message_at_which_a_service_fails_lets_the_others_pass(tmp_path: Path) -> None:
    """Five that make it fail are tried again by every run, and what is behind them is sent."""
    bad = [f"broken{number}" for number in range(5)]
    with service() as there:
        there.poison["broken"] = 500
        fill(tmp_path, *bad, "orders")
        for _ in range(3):
            told = courier(tmp_path, alerts(HOOK, attempts=2), HOOK=there.url).deliver()
        assert states(tmp_path) == dict.fromkeys(bad, "pending") | {"orders": "sent"}
        assert told.troubles == ["channel hook: answered 500; 5 messages wait for the next run"]
        # Of a service that fails at all of them no more than three are asked in a run.
        assert there.calls <= 3 * (2 + 1 + 1) + 1
        there.poison.clear()
        assert courier(tmp_path, alerts(HOOK), HOOK=there.url).deliver().sent == 5


def test_an_end_is_not_told_before_its_beginning(tmp_path: Path) -> None:
    """While the first message of an incident waits, its second one waits as well."""
    from tallymark.notify.messages import message_of  # noqa: PLC0415

    one = incident("outage", state="resolved", key="outage@2031-05-05")
    end = message_of(one, event="resolved", channel="hook", key=one.key or "", ordinal=1,
                     shop="Shop", currency="USD")  # fmt: skip
    with service() as there:
        there.poison['"opened"'] = 503
        fill(tmp_path, "outage")
        Outbox(tmp_path).add([end])
        told = courier(tmp_path, alerts(HOOK), HOOK=there.url).deliver()
        assert (told.sent, told.waiting, there.calls) == (0, 2, 1)
        there.poison.clear()
        assert courier(tmp_path, alerts(HOOK), HOOK=there.url).deliver().sent == 2
    assert [told["event"] for told in there.taken] == ["opened", "resolved"]


@pytest.mark.parametrize("kind", ["slack", "webhook"])
@pytest.mark.parametrize("slow", [True, False])
def test_a_receiver_that_answers_too_late_has_it_once(
    tmp_path: Path, kind: str, slow: object
) -> None:
    """Eight runs, one copy: what was handed over and not answered goes again on request alone."""
    channel = HOOK | {"service": kind}
    settings = alerts(channel, timeout_seconds=0.3, attempts=3)
    with service(200 if slow else 0) as there:
        there.slow = bool(slow)
        fill(tmp_path, "outage", "orders")
        told = courier(tmp_path, settings, HOOK=there.url).deliver()
        assert (told.sent, told.waiting, told.unconfirmed, there.calls) == (0, 1, 1, 1)
        said, waits = told.troubles
        assert "no answer within 0.3 s; 1 message was handed over: it may have come" in said
        assert waits == "channel hook: 1 message waits for the next run"
        there.slow, there.answers = False, [200]
        for _ in range(8):
            courier(tmp_path, alerts(channel), HOOK=there.url).deliver()
        assert states(tmp_path) == {"outage": "unconfirmed", "orders": "sent"}
        assert there.calls == 2
        again = courier(tmp_path, alerts(channel), HOOK=there.url).deliver(unconfirmed=True)
        assert (again.sent, again.unconfirmed, there.calls) == (1, 0, 3)
    if kind == "webhook":
        assert len({one["Idempotency-Key"] for one in there.headers}) == 2


def test_pagerduty_is_asked_again_under_the_same_key(tmp_path: Path) -> None:
    """It knows an incident by its key, so a second request changes nothing and a first may."""
    with service(0, 200) as there:
        channel = HOOK | {"service": "pagerduty", "endpoint": there.url}
        fill(tmp_path, "outage")
        told = courier(tmp_path, alerts(channel, timeout_seconds=0.3), HOOK="key").deliver()
        assert (told.waiting, told.unconfirmed) == (1, 0)
        assert courier(tmp_path, alerts(channel), HOOK="key").deliver().sent == 1


def test_what_is_over_is_not_said_to_begin(tmp_path: Path) -> None:
    """On request nothing is sent again of whose end the channel has heard."""
    from tallymark.notify.messages import message_of  # noqa: PLC0415

    one = incident("outage", state="resolved", key="outage@2031-05-05")
    end = message_of(one, event="resolved", channel="hook", key=one.key or "", ordinal=1,
                     shop="Shop", currency="USD")  # fmt: skip
    with service(400, 200) as there:
        fill(tmp_path, "outage")
        courier(tmp_path, alerts(HOOK), HOOK=there.url).deliver()
        Outbox(tmp_path).add([end])
        courier(tmp_path, alerts(HOOK), HOOK=there.url).deliver()
        courier(tmp_path, alerts(HOOK), HOOK=there.url).deliver(refused=True, unconfirmed=True)
    assert [told["event"] for told in there.taken] == ["resolved"]


def test_a_last_byte_that_did_not_leave_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other end went before it had the whole: nobody has seen it, so it waits."""
    whole = http.client.HTTPConnection.send

    def broken(self: http.client.HTTPConnection, data: Any) -> None:
        if len(data) == 1:
            raise BrokenPipeError
        whole(self, data)

    with service() as there:
        fill(tmp_path, "outage")
        monkeypatch.setattr(http.client.HTTPConnection, "send", broken)
        told = courier(tmp_path, alerts(HOOK), HOOK=there.url).deliver()
        assert "connection failed (BrokenPipeError)" in told.troubles[0]
        assert states(tmp_path) == {"outage": "pending"}
        monkeypatch.setattr(http.client.HTTPConnection, "send", whole)
        assert courier(tmp_path, alerts(HOOK), HOOK=there.url).deliver().sent == 1


@pytest.mark.parametrize(
    ("at", "answer", "state"),
    [
        (".", "552 too big", "refused"), (".", "451 later", "pending"),
        ("RCPT", "550 unknown", "pending"), ("MAIL", "550 not you", "pending"),
    ],
)  # fmt: skip
def test_a_mail_server_refuses_a_mail_or_an_account(
    tmp_path: Path, at: str, answer: str, state: str
) -> None:
    """What it says after the whole mail is about the mail; what it says before is not."""
    with mail_server() as box:
        box.answers[at] = answer
        channel = {"name": "hook", "service": "email", "to": ["a@example.org"], "host": box.host,
                   "port": box.port, "sender": "t@example.org", "security": "none"}  # fmt: skip
        fill(tmp_path, "outage")
        told = courier(tmp_path, alerts(channel)).deliver()
        assert f"the mail server answered {answer[:3]}" in told.troubles[0]
        assert states(tmp_path) == {"outage": state}
        box.answers.clear()
        assert courier(tmp_path, alerts(channel)).deliver(refused=True).sent == 1
        assert len(box.mails) == 1


def test_an_outbox_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Messages that say nothing of answers that never came are messages all the same."""
    fill(tmp_path, "outage")
    (path,) = (tmp_path / "pending").glob("*.json")
    record = json.loads(path.read_text("ascii"))
    del record["unanswered"]
    path.write_text(json.dumps(record), encoding="ascii")
    (entry,) = Outbox(tmp_path).entries()
    assert (entry.unanswered, entry.state) == (0, State.PENDING)
