"""A message about an incident, and its form for each service.

A message holds texts that came from data: names of columns, channels, files. Each form escapes
them for the service that shows it; none can add a link, a mention, a header or a tag.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import html
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from tallymark.results import Incident

__all__ = ["Event", "Message", "as_defused", "as_email", "as_json", "as_pagerduty", "as_slack",
           "as_text", "dumped", "message_of"]  # fmt: skip

Event = Literal["opened", "worse", "resolved", "test"]

_LONGEST = 700  # characters of one piece of text; Slack shows 3,000 in a block, PagerDuty 1,024
_SUBJECT = 120
_HEADER = 150  # Slack refuses a longer header
_DEDUP = 255  # PagerDuty refuses a longer key
_HASH = 24
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_VERBS = {"opened": "", "worse": "worse: ", "resolved": "resolved: ", "test": "test: "}
_PAGERDUTY = {"P0": "critical", "P1": "error", "P2": "warning", "P3": "info"}
_MARKS = {"P0": "\N{LARGE RED CIRCLE}", "P1": "\N{LARGE RED CIRCLE}",
          "P2": "\N{LARGE YELLOW CIRCLE}", "P3": "\N{LARGE BLUE CIRCLE}"}  # fmt: skip
_GOOD = "\N{LARGE GREEN CIRCLE}"
_LINKS = frozenset({"http", "https"})  # what a runbook may be; `javascript:` and the like are not
_RUNBOOK = "Runbook"
_GAP = "\N{ZERO WIDTH SPACE}"
# Where it keeps apart what some service would act on: mentions (`@all`, `@**all**`), Markdown's
# links, images, footnotes and spoilers, addresses that become links, entities that become others.
_ACTING = re.compile(
    r"@(?=\S)|\](?=[(\[:])|!(?=\[)|\|(?=\|)|~(?=~)|`(?=`)|&(?=#?\w+;)|\bwww(?=\.)"
    r"|:(?=//)|\b(?:mailto|javascript|data|tel|sms):(?=\S)",
    re.IGNORECASE,
)
_WIDE = str.maketrans("<>", "\N{FULLWIDTH LESS-THAN SIGN}\N{FULLWIDTH GREATER-THAN SIGN}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is told, to one channel, of one incident and one change of its state.

    Attributes:
        id: The idempotency key: the same change is the same message, whoever makes it. That of a
            test is its own.
        channel: The name of the channel.
        event: ``opened``, ``worse`` (a graver severity), ``resolved``, or ``test``.
        key: The incident: the id of its first cause and the day it was opened.
        incident: The id of the cause as reports name it.
        severity: As it was when the message was made.
        text: One sentence, as reports say it.
        day: The judged day it was made on, ISO 8601.
        since: When it began, ISO 8601 UTC.
        facts: Further lines, name and value: money at risk, probable cause, fix, owner, runbook.
        shop: The shop's name.
    """

    id: str
    channel: str
    event: Event
    key: str
    incident: str
    severity: str
    text: str
    day: str
    since: str
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    shop: str = ""

    @property
    def title(self) -> str:
        """``P1 worse: The number of orders``, on one line and short."""
        return _cut(f"{self.severity} {_VERBS[self.event]}{self.text}", _SUBJECT)

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Message:
        """A message from the JSON that :func:`as_json` made; unknown keys are left alone."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in record.items() if name in names})


def message_of(
    incident: Incident,
    *,
    event: Event,
    channel: str,
    key: str,
    ordinal: int,
    shop: str,
    currency: str,
) -> Message:
    """The message of a change.

    Args:
        incident: As the judged day says it.
        event: What changed.
        channel: To whom.
        key: The incident's key.
        ordinal: How many messages of this incident the channel has had; part of the id, so that
            an incident that comes back is told again.
        shop: The shop's name.
        currency: Of the money at risk.
    """
    # The shop as well: two shops may share a mailbox or a webhook, which knows a message by its id.
    parts = [channel, key, event, str(incident.severity), str(ordinal), shop]
    digest = hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()
    return Message(
        id=digest[:_HASH],
        channel=channel,
        event=event,
        key=key,
        incident=incident.id,
        severity=str(incident.severity),
        text=_line(incident.message).rstrip(". "),
        day=incident.date or key.rpartition("@")[2],
        since=incident.since,
        facts=_facts(incident, currency),
        shop=_line(shop),
    )


def _facts(incident: Incident, currency: str) -> dict[str, str]:
    money = ""
    if incident.money_at_risk is not None:
        money = f"{currency} {incident.money_at_risk:,.2f}"
        if incident.money_formula:
            money += f" ({incident.money_formula})"
    told = {
        "Money at risk": money,
        "Probable cause": incident.evidence.get("probable_cause") or "",
        "What changed": incident.evidence.get("what_changed") or "",
        "Fix": incident.fix,
        "Owner": incident.owner or "",
        "Ended": (incident.decision or "") if incident.state == "resolved" else "",
        _RUNBOOK: _link(incident.runbook or ""),
    }
    return {name: _line(text) for name, text in told.items() if text}


def _link(text: str) -> str:
    """A link that opens a page and does nothing else; any other is left out of messages."""
    flat = _line(text)
    try:
        parts = urlsplit(flat)
        opens = parts.scheme.lower() in _LINKS and bool(parts.hostname)
    except ValueError:
        opens = False
    return flat if opens and " " not in flat else ""


def _line(text: object, longest: int = _LONGEST) -> str:
    """Text from anywhere on one line, without what a program would act on."""
    flat = " ".join(str(text).split())
    return _cut("".join(one for one in flat if unicodedata.category(one) not in _HIDDEN), longest)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _since(message: Message) -> str:
    return message.since[:16].replace("T", " ") + " UTC"


def as_json(message: Message) -> dict[str, Any]:
    """For a webhook: every part by its name; ``id`` is the idempotency key."""
    return {**dataclasses.asdict(message), "facts": dict(message.facts), "title": message.title}


def as_text(message: Message) -> str:
    """For people, as plain text."""
    return _text(message, str)


def _text(message: Message, safe: Callable[[str], str]) -> str:
    lines = [f"{safe(message.text)}.", "", f"Since: {_since(message)}"]
    # A runbook comes from the shop's own rules, is an http link, and is there to be followed.
    lines += [
        f"{name}: {value if name == _RUNBOOK else safe(value)}"
        for name, value in message.facts.items()
    ]
    lines += [f"Shop: {safe(message.shop)}"] if message.shop else []
    return "\n".join([*lines, f"Incident: {safe(_line(message.key))}"]) + "\n"


def as_defused(message: Message) -> tuple[str, str]:
    """For services unknown to us, that may read Markdown, HTML or mentions: title and body.

    What could be acted on is kept apart by characters without width, and angle brackets are wide
    ones: it reads the same, and nobody is called and nothing is linked, but for the runbook.
    """
    return _defused(message.title), _text(message, _defused)


def _defused(text: str) -> str:
    return _ACTING.sub(lambda found: found.group() + _GAP, text).translate(_WIDE)


def _slack(text: str) -> str:
    """The three characters with which Slack begins links, mentions and entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slack_text(text: str) -> dict[str, Any]:
    # Plain text: Slack reads no emphasis, link or mention in it. Emoji names stay as written.
    return {"type": "plain_text", "text": _slack(text), "emoji": False}


def as_slack(message: Message) -> dict[str, Any]:
    """For a Slack webhook: Block Kit, and a line for notifications."""
    mark = _GOOD if message.event == "resolved" else _MARKS.get(message.severity, _GOOD)
    head = f"{mark} {message.severity} {_VERBS[message.event].rstrip(': ') or 'incident'}"
    head += f" · {message.shop}" if message.shop else ""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _slack_text(_cut(head, _HEADER // 2))},
        {"type": "section", "text": _slack_text(f"{message.text}.")},
        {"type": "section", "fields": [_slack_text(f"Since: {_since(message)}"),
                                       _slack_text(f"Judged day: {message.day}")]},
    ]  # fmt: skip
    blocks += [
        {"type": "section", "text": _slack_text(f"{name}: {value}")}
        for name, value in message.facts.items()
    ]
    blocks.append({"type": "context", "elements": [_slack_text(_line(message.key))]})
    return {"text": _slack(message.title), "mrkdwn": False, "blocks": blocks,
            "unfurl_links": False, "unfurl_media": False}  # fmt: skip


def as_pagerduty(message: Message, routing_key: str) -> dict[str, Any]:
    """For PagerDuty's Events API v2; all messages of an incident share one ``dedup_key``."""
    dedup = f"tallymark/{message.shop}/{message.key}"
    if len(dedup) > _DEDUP:
        dedup = f"tallymark/{hashlib.sha256(dedup.encode(errors='replace')).hexdigest()}"
    return {
        "routing_key": routing_key,
        "event_action": "resolve" if message.event == "resolved" else "trigger",
        "dedup_key": dedup,
        "client": "Tallymark",
        "payload": {
            "summary": message.title,
            "source": message.shop or "Tallymark",
            "severity": _PAGERDUTY.get(message.severity, "info"),
            "timestamp": message.since,
            "component": _line(message.incident),
            "custom_details": {"text": message.text, **message.facts},
        },
    }


def as_email(
    message: Message, *, sender: str, to: tuple[str, ...], date: dt.datetime | None = None
) -> EmailMessage:
    """For a mail server: plain text and HTML.

    The ``Message-ID`` is the message's own id, so that mail systems that know one already drop the
    second.

    Args:
        message: What is told.
        sender: From whom.
        to: To whom.
        date: When it is sent, with a time zone; only a preview has none.
    """
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = _line(f"[{message.shop or 'Tallymark'}] {message.title}", 200)
    mail["From"] = _line(sender)
    mail["To"] = ", ".join(_line(one) for one in to)
    if date is not None:
        mail["Date"] = format_datetime(date)
    mail["Message-ID"] = f"<{message.id}@tallymark.invalid>"
    thread = hashlib.sha256(f"{message.shop}\0{message.key}".encode(errors="replace")).hexdigest()
    mail["References"] = f"<{thread[:_HASH]}@tallymark.invalid>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(as_text(message))
    mail.add_alternative(_html(message), subtype="html")
    return mail


def _html(message: Message) -> str:
    rows = {"Since": _since(message), **message.facts, "Incident": _line(message.key)}
    cells = "".join(
        f"<tr><th align='left' valign='top'>{html.escape(name)}</th>"
        f"<td>{html.escape(value)}</td></tr>"
        for name, value in rows.items()
    )
    return (
        f"<html><body><p><b>{html.escape(message.title)}</b></p>"
        f"<p>{html.escape(message.text)}.</p><table>{cells}</table></body></html>\n"
    )


def dumped(value: object) -> bytes:
    """JSON as bytes that any service reads, in pure ASCII."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True).encode("ascii")
