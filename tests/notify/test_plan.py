"""One message for each incident and change of its state."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tallymark.notify.desk import AlertDesk
from tallymark.notify.follower import Follower
from tallymark.notify.messages import (
    as_defused,
    as_email,
    as_pagerduty,
    as_slack,
    as_text,
    dumped,
    message_of,
)
from tallymark.notify.outbox import Outbox
from tallymark.notify.plan import plan
from tallymark.results import Finding, Incident, Layer, Severity
from tallymark.routing import Alerts, Channel
from tests.notify.making import alerts, incident, message
from tests.notify.servers import service

HOOK = {"name": "hook", "service": "webhook", "env": "HOOK"}
HOSTILE = "<!channel> <http://evil.example|x> & *b* `c`\r\nBcc: a@b.example\u202e\x00"


@dataclasses.dataclass
class Days:
    """What a channel hears, day after day."""

    box: Outbox
    settings: Alerts

    def hear(self, *incidents: Incident, day: str = "2031-05-05") -> list[tuple[str, str]]:
        """The messages of a day: event and severity."""
        made = plan(self.settings, incidents, self.box.entries(), day=day, shop="Shop",
                    currency="USD")  # fmt: skip
        assert self.box.add(made) == made
        return [(one.event, one.severity) for one in made]


@pytest.fixture
def days(tmp_path: Path) -> Days:
    """A channel that hears of P1 and worse."""
    return Days(Outbox(tmp_path), alerts(HOOK))


def test_one_message_a_change(days: Days) -> None:
    """Opened, worse, over: one each, and none for a day on which nothing changed."""
    one = incident()
    assert days.hear(one) == [("opened", "P1")]
    assert days.hear(one) == []
    worse = dataclasses.replace(one, severity=Severity.P0)
    assert days.hear(worse) == [("worse", "P0")]
    assert days.hear(one, worse) == []
    assert days.hear(dataclasses.replace(one, state="resolved")) == [("resolved", "P1")]
    assert days.hear(dataclasses.replace(one, state="resolved")) == []


@pytest.mark.parametrize(
    ("more", "heard"),
    [
        ({"severity": "P2"}, 0), ({"state": "muted"}, 0), ({"state": "acknowledged"}, 0),
        ({"state": "resolved"}, 0), ({"severity": "P0"}, 1), ({"owner": None}, 1),
    ],
)  # fmt: skip
def test_who_is_told_of_what(days: Days, more: dict[str, Any], heard: int) -> None:
    """Too mild, muted, acknowledged or over before anybody heard of it: nobody is told."""
    assert len(days.hear(incident(**more))) == heard


def test_owners_hear_of_their_own(tmp_path: Path) -> None:
    """A channel with owners gets their incidents alone."""
    days = Days(Outbox(tmp_path), alerts(HOOK | {"owners": ["data"]}))
    assert days.hear(incident(), incident("rename", owner="data")) == [("opened", "P1")]


def test_each_owner_hears_in_a_channel_of_his_own() -> None:
    """Two channels, two owners: each gets what is his, and nobody what has no owner."""
    two = [{**HOOK, "name": name, "owners": [name]} for name in ("checkout", "data")]
    three = [incident(), incident("rename", owner="data"), incident("outage", owner=None)]
    made = plan(alerts(*two), three, [], day="2031-05-05", shop="Shop", currency="USD")
    assert [(one.channel, one.incident) for one in made] == [
        ("checkout", "orders"), ("data", "rename"),
    ]  # fmt: skip


def test_a_channel_may_hear_of_beginnings_alone(tmp_path: Path) -> None:
    """With `resolved: false` the end is not told."""
    days = Days(Outbox(tmp_path), alerts(HOOK | {"resolved": False}))
    days.hear(incident())
    assert days.hear(incident(state="resolved")) == []


def test_an_incident_under_another_day_or_name_is_the_same(days: Days) -> None:
    """A late file that moves the day, or a better cause: no second beginning, one end."""
    days.hear(incident())
    earlier = incident(key="orders@2031-05-04", opened="2031-05-04")
    assert days.hear(earlier) == []
    caused = incident("outage", findings=["outage", "orders"], key="outage@2031-05-05")
    assert days.hear(caused) == []
    assert days.hear(incident("outage", key="outage@2031-05-05", state="resolved",
                              findings=["outage", "orders"])) == [("resolved", "P1")]  # fmt: skip


def test_what_is_found_no_more_is_over(days: Days) -> None:
    """A day that was delivered again takes its incident with it; a later day's is left alone."""
    days.hear(incident(), incident("rename", key="rename@2031-05-06"))
    assert days.hear(day="2031-05-05") == [("resolved", "P1")]
    assert days.hear(day="2031-05-06") == [("resolved", "P1")]


def test_what_comes_back_is_told_again(days: Days) -> None:
    """Taken up again under the same key: told again, once."""
    days.hear(incident())
    days.hear(incident(state="resolved"))
    assert days.hear(incident()) == [("opened", "P1")]
    assert days.hear(incident()) == []


# ---------------------------------------------------------------- forms


def hostile() -> Any:
    """A message in which every text is hostile."""
    return message(name=HOSTILE, message=HOSTILE, fix=HOSTILE, owner=HOSTILE,
                   money_formula=HOSTILE, runbook=HOSTILE, key=f"{HOSTILE}@2031-05-05")  # fmt: skip


def test_slack_shows_hostile_text_as_text() -> None:
    """No mention, link or formatting: the three characters are escaped, all text is plain."""
    sent = as_slack(hostile())
    assert sent["mrkdwn"] is False
    texts = [sent["text"]]
    for block in sent["blocks"]:
        found = [*block.get("fields", []), *block.get("elements", [])]
        found += [block["text"]] if "text" in block else []
        assert {one["type"] for one in found} == {"plain_text"}
        assert not any(one["emoji"] for one in found)
        texts += [one["text"] for one in found]
    assert all(0 < len(one) <= 3000 for one in texts)
    assert not any(re.search(r"[<>\r\n\x00\u202e]", one) for one in texts)
    assert "&lt;!channel&gt;" in sent["text"]
    assert sent["blocks"][0]["type"] == "header"
    assert len(sent["blocks"][0]["text"]["text"]) <= 150


def test_mail_shows_hostile_text_as_text() -> None:
    """No header of its own, no tag."""
    mail = as_email(hostile(), sender="t@example.org", to=("a@example.org",))
    assert mail["Bcc"] is None
    assert len(mail.keys()) == len(set(mail.keys()))
    page = mail.get_body(("html",))
    assert page is not None
    assert "<!channel>" not in page.get_content()
    assert "&lt;!channel&gt;" in page.get_content()


def test_plain_text_and_json_hold_no_control_characters() -> None:
    """What a terminal, a log or a page would act on is gone."""
    assert "\u202e" not in as_text(hostile())
    assert "\x00" not in as_text(hostile())
    assert dumped({"a": "\u202e é"}) == b'{"a": "\\u202e \\u00e9"}'


def test_pagerduty_has_one_key_an_incident() -> None:
    """Opened, worse and resolved share the key; it is never too long."""
    sent = as_pagerduty(message(), "key")
    assert sent["dedup_key"] == "tallymark/Shop/orders@2031-05-05"
    assert (sent["event_action"], sent["payload"]["severity"]) == ("trigger", "error")
    over = as_pagerduty(dataclasses.replace(message(), event="resolved"), "key")
    assert (over["event_action"], over["dedup_key"]) == ("resolve", sent["dedup_key"])
    assert len(as_pagerduty(message(name="x" * 400), "key")["dedup_key"]) <= 255


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("https://wiki.example.org/runbooks/orders#now", True), ("http://wiki/orders", True),
        ("javascript:alert(1)", False), ("JavaScript://x/%0aalert(1)", False),
        ("data:text/html,x", False), ("https://", False), ("http://[::1", False),
        ("https://a b", False), ("//wiki/orders", False),
    ],
)  # fmt: skip
def test_a_runbook_is_a_link_that_opens_a_page(link: str, kept: object) -> None:
    """Anything but an http link is left out of every form."""
    made = message(runbook=link)
    assert made.facts.get("Runbook") == (link if kept else None)
    assert (link in as_text(made)) is kept
    assert (link in as_defused(made)[1]) is kept


def test_two_shops_that_share_a_place_are_told_apart() -> None:
    """The same incident of two shops has two keys: neither is dropped as one that came before."""
    one = incident()
    ids = {
        message_of(one, event="opened", channel="hook", key=one.key or "", ordinal=0, shop=shop,
                   currency="USD").id
        for shop in ("Shop", "Other shop")
    }  # fmt: skip
    assert len(ids) == 2


@given(st.text(st.sampled_from("@<>[]()!|`~&#;:/. aw") | st.characters(), max_size=60))
def test_defused_text_reads_the_same_and_does_nothing(text: str) -> None:
    """But for what has no width and wide brackets it is the text, and nothing of it acts."""
    made = message(message=f"x {text}")
    title, body = as_defused(made)
    for shown in (title, body):
        assert not re.search(
            r"@\w|\]\(|\]\[|\]:|<|>|://|\|\||&#?\w+;|\bwww\.", shown, re.IGNORECASE
        )
    narrow = str.maketrans("\uff1c\uff1e", "<>", "\u200b")
    same = as_text(made).translate(str.maketrans("\uff1c\uff1e", "<>"))
    assert body.translate(narrow) == same


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"env": "https://hooks.slack.com/services/T/B/x"}, "the name of an environment variable"),
        ({"env": "R0ABCDEF0123456789abcdef01234567"}, "the name of an environment variable"),
        ({"url": "https://hooks.slack.com/services/T/B/x"}, "no address, key or password"),
        ({"service": "https://hooks.slack.com/services/T/B/x"}, "an address may be a secret"),
        ({"env": None}, "needs `env`"),
        ({"service": "email"}, "needs `to`, `sender` and `host`"),
        ({"to": ["a@b\r\nBcc: c@d"]}, "no e-mail address"),
        ({"service": "carrier pigeon"}, "slack"),
    ],
)
def test_settings_that_are_refused(wrong: dict[str, Any], said: str) -> None:
    """A secret in the file, a channel that cannot work, a service that is not known."""
    with pytest.raises(ValidationError, match=said) as refused:
        Channel.model_validate(HOOK | wrong)
    assert "T/B/x" not in str(refused.value)
    assert "R0ABC" not in str(refused.value)


# ---------------------------------------------------------------- following


def p0(name: str, day: str = "2031-05-05") -> Finding:
    """A P0 of the gate."""
    return Finding(id=name, layer=Layer.QUALITY, severity=Severity.P0, message=f"{name} found",
                   since=f"{day}T00:00:00.000Z", rule="file_kind", date=day)  # fmt: skip


def follow(folder: Path, findings: Sequence[Finding], settings: Alerts) -> list[str]:
    """Follow for a while; returns what was in the way."""
    troubles: list[str] = []
    desk = AlertDesk(folder, settings, shop="Shop", currency="USD", timezone="UTC")
    follower = Follower(desk, troubles.append, newest=lambda: "2031-05-05")
    for one in findings:
        follower.tell(one)
    follower.close()
    return troubles


def test_ten_thousand_findings_of_one_cause_are_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While files are followed, a cause is told once, by whichever process sees it first."""
    with service() as there:
        monkeypatch.setenv("HOOK", there.url)
        assert follow(tmp_path, [p0("column_renamed:client_id")] * 10_000, alerts(HOOK)) == []
        assert follow(tmp_path, [p0("column_renamed:client_id")], alerts(HOOK)) == []
        assert [one["incident"] for one in there.taken] == ["column_renamed:client_id"]
        # The run of that morning knows it as the same incident.
        days = Days(Outbox(tmp_path), alerts(HOOK))
        told = incident("column_renamed:client_id", "P0")
        assert days.hear(told) == []
        assert days.hear(dataclasses.replace(told, state="resolved")) == [("resolved", "P0")]


def test_old_files_of_a_followed_folder_are_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies there of earlier days was known before anybody followed."""
    with service() as there:
        monkeypatch.setenv("HOOK", there.url)
        follow(tmp_path, [p0("file_kind:a", "2031-05-04"), p0("file_kind:b")], alerts(HOOK))
        assert [one["incident"] for one in there.taken] == ["file_kind:b"]


def test_a_follower_goes_on_when_nothing_can_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that fails is said once, and the message waits in the outbox."""
    with service(500) as there:
        monkeypatch.setenv("HOOK", there.url)
        troubles = follow(tmp_path, [p0("file_kind:a"), p0("file_kind:b")], alerts(HOOK))
    assert len(set(troubles)) == len(troubles) >= 1
    assert [str(one.state) for one in Outbox(tmp_path).entries()] == ["pending"] * 2
    written = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.json")]
    assert "s3cret" not in json.dumps([troubles, *written])


def test_an_end_says_how_it_came() -> None:
    """An incident that goes on as part of another one did not just go away."""
    over = dataclasses.replace(
        incident(), state="resolved", decision="explained by column_missing:referrer"
    )
    told = {
        one.state: message_of(one, event="resolved", channel="hook", key="k", ordinal=1,
                              shop="Shop", currency="USD").facts
        for one in (over, dataclasses.replace(over, state="acknowledged"))
    }  # fmt: skip
    assert told["resolved"]["Ended"] == "explained by column_missing:referrer"
    assert "Ended" not in told["acknowledged"]
