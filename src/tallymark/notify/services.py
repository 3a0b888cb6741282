"""The services that carry messages: Slack, PagerDuty, a webhook, e-mail, and any of Apprise's."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import importlib
import logging
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from tallymark.notify.messages import (
    Message,
    as_defused,
    as_email,
    as_json,
    as_pagerduty,
    as_slack,
    as_text,
    dumped,
)
from tallymark.notify.post import Answer, Fault, Handed, Refused, Silent, bounded, post, why
from tallymark.routing import PAGERDUTY, Channel

__all__ = ["preview", "resends", "secret_of", "send"]

_KEY = "Idempotency-Key"
_GOOD = range(200, 300)
_REDIRECTS = range(300, 400)
_BUSY = frozenset({408, 425, 429})  # answers after which another attempt may help
# Not signed in, not paid, not allowed, not there, not by POST, not by this proxy, gone: the
# address or the key. Any other 4xx is about what was sent.
_ADDRESS = frozenset({401, 402, 403, 404, 405, 407, 410})
_BROKEN = 500  # from here on the service is at fault
_MAIL_OK = range(200, 300)
_MAIL_DATA = 354
# What Apprise's log says when a request got no answer; it tells its caller no more than "no".
_UNANSWERED = ("read timed out", "readtimeout", "remotedisconnected", "connection reset",
               "connection aborted")  # fmt: skip
_KILLS = 2  # how often a webhook gets a message again that a killed run may have handed over
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
        raise Refused(f"the environment variable {channel.env} is not set", fault=Fault.CHANNEL)
    return secret


def resends(service: str, unanswered: int, *, killed: bool) -> bool:
    """Whether what was handed over and not answered is sent again without being asked to.

    PagerDuty knows an incident by its key: a second request changes nothing. A webhook's receiver
    has the key as well, but need not honour it: it gets the message again only if it was we who
    went away, and not for ever. Slack, mail and Apprise know no keys.

    Args:
        service: The kind of place.
        unanswered: How often this message was handed over before and not answered.
        killed: Whether we were killed; else the service was silent.
    """
    if service == "webhook":
        return killed and unanswered < _KILLS
    return service == "pagerduty"


def send(
    channel: Channel, message: Message, secret: str, handed: Handed, *, timeout: float,
    now: dt.datetime,
) -> None:  # fmt: skip
    """Send a message; returns when the service has said that it has it.

    Args:
        channel: Where to.
        message: What.
        secret: From :func:`secret_of`.
        handed: Called once, right before the message can no longer be taken back.
        timeout: Seconds for everything.
        now: The date of a mail, with a time zone.

    Raises:
        Refused: It was not taken, or not confirmed; see :mod:`tallymark.notify.post`.
    """
    if channel.service == "email":
        mail = as_email(message, sender=channel.sender or "", to=channel.to, date=now)
        text = _stuffed(mail.as_bytes())
        bounded(functools.partial(_mail, channel, text, secret, timeout), handed, timeout)
    elif channel.service == "apprise":
        bounded(functools.partial(_apprise, message, secret), handed, timeout)
    else:
        url, body, headers = _request(channel, message, secret)
        answer = post(url, body, headers, handed, timeout=timeout)
        if answer.status not in _GOOD:
            fault = _fault(answer.status)
            raise Refused(f"answered {answer.status}", fault=fault, patience=answer.patience)


def _fault(status: int) -> Fault:
    if status >= _BROKEN:
        return Fault.SERVICE
    if status in _BUSY:
        return Fault.WAY
    if status in _ADDRESS or status in _REDIRECTS:
        return Fault.CHANNEL
    return Fault.MESSAGE


def preview(channel: Channel, message: Message) -> Any:
    """What would be sent, with no secret in it."""
    if channel.service == "email":
        mail = as_email(message, sender=channel.sender or "", to=channel.to)
        return {name: str(mail[name]) for name in ("From", "To", "Subject", "Message-ID")} | {
            "text": as_text(message)
        }
    if channel.service == "apprise":
        title, body = as_defused(message)
        return {"title": title, "body": body}
    if channel.service == "pagerduty":
        return as_pagerduty(message, f"${channel.env}")
    return as_slack(message) if channel.service == "slack" else as_json(message)


def _request(channel: Channel, message: Message, secret: str) -> tuple[str, bytes, dict[str, str]]:
    if channel.service == "pagerduty":
        return channel.endpoint or PAGERDUTY, dumped(as_pagerduty(message, secret)), {}
    if channel.service == "slack":
        return secret, dumped(as_slack(message)), {}
    return secret, dumped(as_json(message)), {_KEY: message.id}


def _mail(channel: Channel, text: bytes, password: str, timeout: float, handed: Handed) -> Answer:
    """Deliver by SMTP; the server takes a mail over at the line that ends it (RFC 5321, 6.1)."""
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
        try:
            server.send(b".\r\n")
        except OSError as error:  # the other end has gone without the whole of it
            raise Refused(why(error, timeout)) from None
        _agree(server.getreply(), _MAIL_OK, final=Fault.MESSAGE, passing=Fault.SERVICE)
        return Answer(_MAIL_OK.start)
    except smtplib.SMTPAuthenticationError:
        raise Refused(
            "the mail server does not know this user and password", fault=Fault.CHANNEL
        ) from None
    except smtplib.SMTPNotSupportedError:
        raise Refused(
            "the mail server offers no STARTTLS or no login", fault=Fault.CHANNEL
        ) from None
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


def _agree(
    reply: tuple[int, bytes], wanted: range, *, final: Fault = Fault.CHANNEL,
    passing: Fault = Fault.WAY,
) -> None:  # fmt: skip
    code = reply[0]
    if code not in wanted:
        fault = final if code >= _BROKEN else passing
        raise Refused(f"the mail server answered {code}", fault=fault)


def _apprise(message: Message, url: str, handed: Handed) -> Answer:
    try:
        apprise = importlib.import_module("apprise")  # an extra: most shops need none of it
    except ImportError:
        raise Refused(
            "Apprise is not installed: pip install 'tallymark[alerts]'", fault=Fault.CHANNEL
        ) from None
    service = apprise.Apprise()
    if not service.add(url):
        raise Refused("Apprise knows no service of that address", fault=Fault.CHANNEL)
    kinds = {"P0": "failure", "P1": "failure", "P2": "warning"}
    kind = "success" if message.event == "resolved" else kinds.get(message.severity, "info")
    title, body = as_defused(message)
    for one in service:
        # A message that is cut is better than one that is too long for the service.
        if getattr(one, "overflow_mode", "") == "upstream":
            one.overflow_mode = "truncate"
    handed()
    with _apprise_log() as said:
        taken = service.notify(title=title, body=body, body_format="text", notify_type=kind)
    if taken:
        return Answer(_GOOD.start)
    if sum(len(one) for one in service) > 1:
        # It goes to each of them, and does not say which has it.
        raise Silent("Apprise could not deliver it to all of the address's places")
    if any(sign in line for line in said for sign in _UNANSWERED):
        raise Silent("Apprise got no answer")
    raise Refused("Apprise could not deliver it", fault=Fault.SERVICE)


class _Lines(logging.Handler):
    """Keeps lines for a moment; they may hold addresses, so they go nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, in lower case."""
        self.lines.append(record.getMessage().lower())


@contextlib.contextmanager
def _apprise_log() -> Iterator[list[str]]:
    """What Apprise logs meanwhile, kept from everybody else."""
    logger, kept = logging.getLogger("apprise"), _Lines()
    before = logger.level, logger.propagate
    logger.addHandler(kept)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield kept.lines
    finally:
        logger.removeHandler(kept)
        logger.setLevel(before[0])
        logger.propagate = before[1]
