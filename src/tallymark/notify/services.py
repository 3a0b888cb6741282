"""The services that carry messages: Slack, PagerDuty, a webhook, e-mail, and any of Apprise's."""

from __future__ import annotations

import functools
import importlib
import smtplib
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from tallymark.notify.messages import (
    Message,
    as_email,
    as_json,
    as_pagerduty,
    as_slack,
    as_text,
    dumped,
)
from tallymark.notify.post import Answer, Handed, Refused, bounded, post
from tallymark.routing import PAGERDUTY, Channel

__all__ = ["REPEATABLE", "preview", "secret_of", "send"]

# Services that know a message they have had by its key: to these it may be handed a second time.
REPEATABLE = frozenset({"pagerduty", "webhook"})
_KEY = "Idempotency-Key"
_GOOD = range(200, 300)
_BUSY = frozenset({408, 425, 429})  # answers after which another attempt may help
_BROKEN = 500  # from here on the service is at fault
_MAIL_OK = range(200, 300)
_MAIL_DATA = 354
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


def secret_of(channel: Channel, environ: Mapping[str, str]) -> str:
    """The channel's address, key or password.

    Raises:
        Refused: The variable is not set.
    """
    if channel.env is None:
        return ""
    secret = environ.get(channel.env, "").strip()
    if not secret:
        raise Refused(f"the environment variable {channel.env} is not set", final=True)
    return secret


def send(channel: Channel, message: Message, secret: str, handed: Handed, *, timeout: float
         ) -> None:  # fmt: skip
    """Send a message; returns when the service has said that it has it.

    Args:
        channel: Where to.
        message: What.
        secret: From :func:`secret_of`.
        handed: Called once, right before the message can no longer be taken back.
        timeout: Seconds for everything.

    Raises:
        Refused: It was not taken, or not confirmed; see :mod:`tallymark.notify.post`.
    """
    if channel.service == "email":
        bounded(functools.partial(_mail, channel, message, secret, timeout), handed, timeout)
    elif channel.service == "apprise":
        bounded(functools.partial(_apprise, message, secret), handed, timeout)
    else:
        url, body, headers = _request(channel, message, secret)
        answer = post(url, body, headers, handed, timeout=timeout)
        if answer.status not in _GOOD:
            passing = answer.status >= _BROKEN or answer.status in _BUSY
            raise Refused(f"answered {answer.status}", patience=answer.patience, final=not passing)


def preview(channel: Channel, message: Message) -> Any:
    """What would be sent, with no secret in it."""
    if channel.service == "email":
        mail = as_email(message, sender=channel.sender or "", to=channel.to)
        return {name: str(mail[name]) for name in ("From", "To", "Subject", "Message-ID")} | {
            "text": as_text(message)
        }
    if channel.service == "apprise":
        return {"title": message.title, "body": as_text(message)}
    if channel.service == "pagerduty":
        return as_pagerduty(message, f"${channel.env}")
    return as_slack(message) if channel.service == "slack" else as_json(message)


def _request(channel: Channel, message: Message, secret: str) -> tuple[str, bytes, dict[str, str]]:
    if channel.service == "pagerduty":
        return channel.endpoint or PAGERDUTY, dumped(as_pagerduty(message, secret)), {}
    if channel.service == "slack":
        return secret, dumped(as_slack(message)), {}
    return secret, dumped(as_json(message)), {_KEY: message.id}


def _mail(channel: Channel, message: Message, password: str, timeout: float, handed: Handed
          ) -> Answer:  # fmt: skip
    """Deliver by SMTP; the server takes a mail over at the line that ends it (RFC 5321, 6.1)."""
    mail = as_email(message, sender=channel.sender or "", to=channel.to)
    text = _stuffed(mail.as_bytes())
    host, port = channel.host or "", channel.port or _PORTS[channel.security]
    safe = ssl.create_default_context() if channel.security != "none" else None
    server: smtplib.SMTP
    if channel.security == "tls":
        server = smtplib.SMTP_SSL(host, port, _own_name(), timeout=timeout, context=safe)
    else:
        server = smtplib.SMTP(host, port, _own_name(), timeout=timeout)
    try:
        if channel.security == "starttls":
            server.starttls(context=safe)
        server.ehlo_or_helo_if_needed()
        if channel.user is not None:
            server.login(channel.user, password)
        _agree(server.mail(channel.sender or ""), _MAIL_OK)
        for one in channel.to:
            _agree(server.rcpt(one), _MAIL_OK)
        _agree(server.docmd("DATA"), range(_MAIL_DATA, _MAIL_DATA + 1))
        server.send(text)
        handed()
        server.send(b".\r\n")
        _agree(server.getreply(), _MAIL_OK)
        return Answer(_MAIL_OK.start)
    except smtplib.SMTPAuthenticationError:
        raise Refused("the mail server does not know this user and password", final=True) from None
    except smtplib.SMTPNotSupportedError:
        raise Refused("the mail server offers no STARTTLS or no login", final=True) from None
    finally:
        server.close()


def _own_name() -> str:
    """Who is calling, without asking a name server, which may take longer than the mail."""
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"


def _stuffed(mail: bytes) -> bytes:
    """The lines of a mail, none of which can be taken for its end (RFC 5321, 4.5.2)."""
    lines = mail.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n").split(b"\n")
    return b"".join((b"." if one.startswith(b".") else b"") + one + b"\r\n" for one in lines)


def _agree(reply: tuple[int, bytes], wanted: range) -> None:
    code = reply[0]
    if code not in wanted:
        raise Refused(f"the mail server answered {code}", final=code >= _BROKEN)


def _apprise(message: Message, url: str, handed: Handed) -> Answer:
    try:
        apprise = importlib.import_module("apprise")  # an extra: most shops need none of it
    except ImportError:
        raise Refused("Apprise is not installed: pip install 'tallymark[alerts]'", final=True
                      ) from None  # fmt: skip
    service = apprise.Apprise()
    if not service.add(url):
        raise Refused("Apprise knows no service of that address", final=True)
    kinds = {"P0": "failure", "P1": "failure", "P2": "warning"}
    kind = "success" if message.event == "resolved" else kinds.get(message.severity, "info")
    handed()
    if not service.notify(
        title=message.title, body=as_text(message), body_format="text", notify_type=kind
    ):
        raise Refused("Apprise could not deliver it")
    return Answer(_GOOD.start)
