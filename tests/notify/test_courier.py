"""Messages reach the services once, whatever the services do."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import socket
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallymark.notify.outbox import Outbox, State
from tests.notify.making import NOON, alerts, courier, message
from tests.notify.servers import mail_server, service

HOOK = {"name": "hook", "service": "webhook", "env": "HOOK"}
SLACK = {"name": "hook", "service": "slack", "env": "HOOK"}


def states(folder: Path) -> list[str]:
    """The states of the messages, in their order."""
    return [str(one.state) for one in Outbox(folder).entries()]


def test_a_message_is_sent_once(tmp_path: Path) -> None:
    """A second call, and the same message made again, send nothing more."""
    with service() as there:
        box = Outbox(tmp_path)
        assert box.add([message()]) == [message()]
        carrier = courier(tmp_path, alerts(HOOK), HOOK=there.url)
        assert carrier.deliver().sent == 1
        assert box.add([message()]) == []
        assert carrier.deliver().sent == 0
    (told,) = there.taken
    assert told["id"] == message().id == there.headers[0]["Idempotency-Key"]
    assert told["facts"]["Money at risk"] == "USD 12.50 (expected minus observed)"
    assert states(tmp_path) == ["sent"]


@pytest.mark.parametrize("service_name", ["slack", "webhook"])
@pytest.mark.parametrize(
    ("answer", "said"),
    [(500, "answered 500"), (404, "answered 404"), (302, "answered 302"), (429, "answered 429")],
)
def test_what_a_service_does_not_take_is_sent_by_the_next_run(
    tmp_path: Path, service_name: str, answer: int, said: str
) -> None:
    """A service that fails, is gone or redirects: bounded, reported, tried again, then once."""
    channel = HOOK | {"service": service_name}
    with service(answer, 200) as there:
        box = Outbox(tmp_path)
        box.add([message()])
        told = courier(tmp_path, alerts(channel), HOOK=there.url).deliver()
        assert (told.sent, told.waiting) == (0, 1)
        (trouble,) = told.troubles
        assert said in trouble
        assert "s3cret" not in trouble
        assert states(tmp_path) == ["pending"]
        assert courier(tmp_path, alerts(channel), HOOK=there.url).deliver().sent == 1
    assert len(there.taken) == 1


def test_a_service_that_refuses_is_asked_once_for_all_messages(tmp_path: Path) -> None:
    """Nobody listens there: one sentence, and the other messages do not wait for it one by one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/s3cret"
        Outbox(tmp_path).add([message(name=f"orders{number}") for number in range(50)])
        told = courier(tmp_path, alerts(HOOK), HOOK=url).deliver()
    assert told.waiting == 50
    assert told.troubles == ["channel hook: connection refused; 50 messages wait for the next run"]


def test_attempts_of_one_run(tmp_path: Path) -> None:
    """A passing trouble is tried again at once, a lasting one is not."""
    with service(503, 429, 200) as there:
        Outbox(tmp_path).add([message()])
        assert courier(tmp_path, alerts(HOOK, attempts=3), HOOK=there.url).deliver().sent == 1
        assert there.calls == 3
    with service(403) as there:
        Outbox(tmp_path / "b").add([message()])
        courier(tmp_path / "b", alerts(HOOK, attempts=3), HOOK=there.url).deliver()
        assert there.calls == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "the environment variable HOOK is not set"),
        ("file:///etc/passwd", "its address is no http or https URL"),
        ("http://[::1", "its address is no http or https URL"),
        ("http://127.0.0.1:1/a b\r\nX: y", "connection failed"),
    ],
)
def test_addresses_that_are_none(tmp_path: Path, url: str, said: str) -> None:
    """What cannot be an address is said, and waits until it is mended."""
    Outbox(tmp_path).add([message()])
    told = courier(tmp_path, alerts(HOOK), HOOK=url).deliver()
    assert said in told.troubles[0]
    assert told.waiting == 1


def test_quiet_hours_hold_back_all_but_the_gravest(tmp_path: Path) -> None:
    """At night a P0 is told and a P1 waits for the morning."""
    settings = alerts(HOOK, quiet_hours={"start": "22:00", "end": "07:00"})
    night = NOON.replace(hour=23)
    with service() as there:
        Outbox(tmp_path).add([message(), message(name="rename", severity="P0")])
        told = courier(tmp_path, settings, now=night, HOOK=there.url).deliver()
        assert (told.sent, told.waiting, told.held, told.troubles) == (1, 1, 1, [])
        morning = night + dt.timedelta(hours=8)
        assert courier(tmp_path, settings, now=morning, HOOK=there.url).deliver().sent == 1
    assert [one["severity"] for one in there.taken] == ["P0", "P1"]


def test_two_senders_do_not_meet(tmp_path: Path) -> None:
    """While one process sends, another says so and leaves it alone."""
    box = Outbox(tmp_path)
    box.add([message()])
    with box.courier() as alone:
        assert alone
        told = courier(tmp_path, alerts(HOOK), HOOK="http://127.0.0.1:1/").deliver()
    assert told.troubles == ["another process is sending just now"]
    assert states(tmp_path) == ["pending"]


def test_mail_is_handed_over_whole_and_cannot_be_bent(tmp_path: Path) -> None:
    """Lines of dots, and line ends in what becomes a header, stay text."""
    channel = {"name": "hook", "service": "email", "to": ["a@example.org"], "host": "127.0.0.1",
               "sender": "t@example.org", "security": "none"}  # fmt: skip
    text = "Orders fell\r\nBcc: evil@example.org\r\n.\r\n<b>x</b>"
    with mail_server() as box:
        Outbox(tmp_path).add([message(message=text, fix=".")])
        assert courier(tmp_path, alerts(channel | {"port": box.port})).deliver().sent == 1
    (mail,) = box.mails
    read = email.message_from_string(mail, policy=email.policy.default)
    assert read["Bcc"] is None
    assert "Bcc: evil@example.org" in read["Subject"]
    assert read["Message-ID"] == f"<{message(message=text, fix='.').id}@tallymark.invalid>"
    assert read["Date"] == "Mon, 05 May 2031 12:00:00 +0000"
    body = read.get_body(("html",))
    assert body is not None
    assert "<b>x</b>" not in body.get_content()
    # Python 3.13 writes these words in capitals.
    told = [one.lower() for one in box.commands]
    assert [one for one in told if one.startswith("rcpt to")] == ["rcpt to:<a@example.org>"]


class FakeApprise:
    """Stands in for the package, which is an extra."""

    sent: list[dict[str, Any]]
    works = True

    def __iter__(self) -> Iterator[str]:
        """The one place it knows, of length 1."""
        return iter("x")

    def add(self, url: str) -> bool:
        """Know addresses of one kind."""
        return url.startswith("known://")

    def notify(self, **told: Any) -> bool:
        """Take a message."""
        FakeApprise.sent.append(told)
        return FakeApprise.works


@pytest.mark.parametrize(("url", "works", "state"), [
    ("known://x", True, "sent"), ("known://x", False, "pending"), ("what://x", True, "pending"),
])  # fmt: skip
def test_any_service_of_apprise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, works: object, state: str
) -> None:
    """Apprise is asked for the address, and believed about the outcome."""
    FakeApprise.sent, FakeApprise.works = [], bool(works)
    module = types.ModuleType("apprise")
    module.Apprise = FakeApprise  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "apprise", module)
    Outbox(tmp_path).add([message()])
    courier(tmp_path, alerts(HOOK | {"service": "apprise"}), HOOK=url).deliver()
    assert states(tmp_path) == [state]
    assert len(FakeApprise.sent) == (url == "known://x")


def test_without_apprise_one_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra that is missing is named."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    Outbox(tmp_path).add([message()])
    told = courier(tmp_path, alerts(HOOK | {"service": "apprise"}), HOOK="x://y").deliver()
    assert "pip install 'tallymark[alerts]'" in told.troubles[0]


def test_what_is_long_over_is_tidied_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of old incidents go, those of open ones and the newest stay."""
    monkeypatch.setattr("tallymark.notify.outbox._KEPT", 2)
    box = Outbox(tmp_path)
    from tallymark.notify.messages import message_of  # noqa: PLC0415
    from tests.notify.making import incident  # noqa: PLC0415

    made = []
    for number in range(4):
        one = incident(f"orders{number}", state="resolved")
        made += [message(name=f"orders{number}")]
        if number < 3:
            made.append(message_of(one, event="resolved", channel="hook", key=one.key or "",
                                   ordinal=1, shop="Shop", currency="USD"))  # fmt: skip
    box.add(made)
    for entry in box.entries():
        box.move(entry, State.SENT)
    box.tidy()
    assert {one.message.incident for one in box.entries()} == {"orders1", "orders2", "orders3"}
