"""Through Apprise: what services act on is defused, and what it does not say is not guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest

from tallymark.notify.outbox import Outbox
from tests.notify.making import alerts, courier, message

pytest.importorskip("apprise", reason="the extra `alerts` is not installed")
requests = pytest.importorskip("requests")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Apprise's own imports

CHANNEL = {"name": "hook", "service": "apprise", "env": "HOOK"}
HOSTILE = (
    "@everyone @here @channel @all @room @**all** <!channel> <!here|x> <@U024BE7LH> <#C1|x> "
    "[a](http://evil.example) ![i](http://evil.example/i.png) [a][b] [b]: http://evil.example "
    "www.evil.example mailto:a@evil.example <users/all> <a href='http://evil.example'>x</a> "
    "&lt;!channel&gt; &#64;all ||hidden||"
)
ACTING = ("@everyone", "@here", "@channel", "@all", "@room", "@**", "<!channel", "<!here", "<@U",
          "<#C", "](", "][", "]:", "://evil", "www.evil", "<users", "<a href", "&#64;", "||",
          "&lt;!channel")  # fmt: skip
ADDRESSES = {
    "discord": f"discord://{'1' * 18}/{'a' * 64}",
    "mattermost": f"mmost://chat.example.org/{'a' * 26}",
    "slack": f"slack://T{'A1B2C3D4E'[:8]}/A1B2C3D4E/{'a' * 24}/#general",
    "rocket": f"rocket://user:{'a' * 20}@chat.example.org/#general",
    "telegram": f"tgram://123456789:{'a' * 34}/12315544/",
    "zulip": f"zulip://bot@example/{'a' * 32}",
    "gchat": "gchat://workspace/key/token",
    "ntfy": "ntfy://ntfy.example.org/topic",
    "json": "json://example.org/hook",
}


class Wire:
    """Stands in for the network: keeps what is asked, answers as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[Any] = []
        self.asked: list[str] = []
        self.answer: int | Exception = 200
        monkeypatch.setattr(requests.sessions.Session, "request", self.request)

    def request(self, method: str, url: str, **more: Any) -> Any:
        """One request."""
        self.sent.append(_shown(more.get("data") or more.get("json")))
        self.asked.append(str(self.sent[-1]))
        if isinstance(self.answer, Exception):
            raise self.answer
        answer = requests.Response()
        answer.status_code = self.answer
        # What these services say when they are content; Slack says it in a word.
        content = {"ok": True, "success": True, "status": "success", "result": "success",
                   "data": {"authToken": "x", "userId": "x"}}  # fmt: skip
        slack = "hooks.slack.com" in url and method.upper() == "POST"
        answer._content = b"ok" if slack else json.dumps(content).encode()
        return answer


def _shown(data: Any) -> Any:
    if isinstance(data, bytes):
        data = data.decode()
    try:
        return json.loads(data)
    except (TypeError, ValueError):
        return unquote_plus(data) if isinstance(data, str) else data


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """A network that takes everything."""
    return Wire(monkeypatch)


def deliver(folder: Path, url: str, **more: Any) -> list[str]:
    """Deliver one message; returns its state."""
    Outbox(folder).add([message(**more)])
    courier(folder, alerts(CHANNEL), HOOK=url).deliver()
    return [str(one.state) for one in Outbox(folder).entries()]


@pytest.mark.parametrize("name", sorted(ADDRESSES))
def test_nobody_is_called_and_nothing_linked(tmp_path: Path, wire: Wire, name: str) -> None:
    """Text from data comes defused, whatever the service reads; the rest of it is readable."""
    found = deliver(
        tmp_path, ADDRESSES[name], name="orders", message=HOSTILE, fix="@all",
        owner="[a](http://evil.example)", runbook="https://wiki.example.org/orders",
    )  # fmt: skip
    assert found == ["sent"]
    sent = " ".join(wire.asked)
    assert [one for one in ACTING if one in sent] == []
    assert "everyone" in sent
    assert "https://wiki.example.org/orders" in sent.replace("\\", "")  # Rocket.Chat's escapes


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (200, "sent"), (400, "pending"), (500, "pending"),
        (requests.ConnectTimeout("connect timed out"), "pending"),
        (requests.ConnectionError("[Errno 111] Connection refused"), "pending"),
        (requests.ReadTimeout("Read timed out. (read timeout=4.0)"), "unconfirmed"),
        (requests.ConnectionError("RemoteDisconnected('closed without response')"), "unconfirmed"),
    ],
)  # fmt: skip
def test_only_what_was_not_taken_is_sent_again(
    tmp_path: Path, wire: Wire, answer: int | Exception, state: str
) -> None:
    """A request that got no answer may have come: it is sent again on request alone."""
    wire.answer = answer
    assert deliver(tmp_path, ADDRESSES["json"]) == [state]
    count = len(wire.asked)
    wire.answer = 200
    courier(tmp_path, alerts(CHANNEL), HOOK=ADDRESSES["json"]).deliver()
    assert len(wire.asked) == count + (state == "pending")
    courier(tmp_path, alerts(CHANNEL), HOOK=ADDRESSES["json"]).deliver(unconfirmed=True)
    assert len(wire.asked) == count + (state != "sent")


def test_one_address_of_several_places(tmp_path: Path, wire: Wire) -> None:
    """If one of them fails, nobody says which has it: it is not sent to both again."""
    wire.answer = 500
    assert deliver(tmp_path, f"{ADDRESSES['telegram']}99887766/") == ["unconfirmed"]


def test_a_long_message_is_cut_to_what_a_service_takes(tmp_path: Path, wire: Wire) -> None:
    """Discord refuses more than 2,000 characters; a shorter message is better than none."""
    long = "orders fell " * 200
    deliver(tmp_path, ADDRESSES["discord"], message=long, fix=long, owner=long, money_formula=long)
    (sent,) = wire.sent
    assert 1900 < len(sent["content"]) <= 2000


def test_what_apprise_logs_stays_here(
    tmp_path: Path, wire: Wire, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Its log may name addresses: nothing of it is printed or handed on."""
    wire.answer = requests.ConnectionError("http://example.org/s3cret refused")
    deliver(tmp_path, "json://example.org/s3cret")
    seen = capfd.readouterr()
    written = [path.read_text("ascii") for path in tmp_path.rglob("*.json")]
    assert "s3cret" not in seen.out + seen.err + caplog.text + "".join(written)
