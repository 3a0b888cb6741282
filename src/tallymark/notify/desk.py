"""Alerts as stages and commands use them: plan, keep, send."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tallymark.errors import UsageError
from tallymark.notify.courier import Courier, Told
from tallymark.notify.messages import Event, Message, message_of
from tallymark.notify.outbox import Outbox
from tallymark.notify.plan import plan
from tallymark.notify.post import Refused, Silent
from tallymark.notify.services import preview, secret_of, send
from tallymark.results import Incident, Layer, Severity
from tallymark.routing import Alerts, Channel

__all__ = ["AlertDesk", "Tried"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How a test message fared, or what it would have been.

    Attributes:
        channel: Its channel.
        service: The kind of place.
        sent: Whether the service took it.
        trouble: What was in the way.
        message: With ``--dry-run``: what would have been sent.
    """

    channel: str
    service: str
    sent: bool = False
    trouble: str = ""
    message: Any = None


class AlertDesk:
    """Tells people what a shop's incidents are.

    Args:
        folder: The outbox.
        alerts: Who is told of what.
        shop: The shop's name.
        currency: Of money at risk.
        timezone: Of the quiet hours.
        now: What time it is, with a time zone.
    """

    def __init__(
        self, folder: Path, alerts: Alerts, *, shop: str, currency: str, timezone: str,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:  # fmt: skip
        self.outbox = Outbox(folder)
        self.alerts = alerts
        self._shop, self._currency = shop, currency
        self.courier = Courier(self.outbox, alerts, timezone=timezone, now=now)

    def planned(self, incidents: Sequence[Incident], day: str) -> list[Message]:
        """The messages that are missing, in whatever state the others are."""
        return plan(
            self.alerts, incidents, self.outbox.entries(), day=day, shop=self._shop,
            currency=self._currency,
        )  # fmt: skip

    def tell(
        self, incidents: Sequence[Incident], day: str, *, unconfirmed: bool = False,
        refused: bool = False,
    ) -> Told:  # fmt: skip
        """Put what is missing into the outbox, and send what is in it.

        Args:
            incidents: Open ones, and those that are over.
            day: The latest judged day, ISO 8601.
            unconfirmed: Also send again what was handed over and never confirmed.
            refused: Also send again what a service did not take as it was.
        """
        if not self.alerts.channels:
            return Told()
        settled = {one.key or one.id for one in incidents if _settled(one)}
        self.outbox.withdraw(settled)
        self.outbox.add(self.planned(incidents, day))
        return self.courier.deliver(unconfirmed=unconfirmed, refused=refused)

    def previews(self, messages: Sequence[Message]) -> list[Tried]:
        """What would be sent, with no secret in it."""
        by_name = {one.name: one for one in self.alerts.channels}
        return [
            Tried(
                channel=one.channel, service=by_name[one.channel].service,
                message=preview(by_name[one.channel], one),
            )
            for one in messages
            if one.channel in by_name
        ]  # fmt: skip

    def test(self, names: Sequence[str] = (), *, dry_run: bool = False) -> list[Tried]:
        """Send a test message to channels, past outbox, routing and quiet hours.

        Raises:
            UsageError: There is no such channel, or none at all.
        """
        return [self._test(one, dry_run=dry_run) for one in self._named(names)]

    def _test(self, channel: Channel, *, dry_run: bool) -> Tried:
        """Send the test; an incident that it opens at PagerDuty is resolved at once."""
        moment = self.courier.now().astimezone(dt.UTC)
        message = self._message(
            Incident(
                id="test", layer=Layer.HEALTH, severity=Severity.P2, state="open", key="test",
                message="This is a test of Tallymark's alerts. Nothing is wrong",
                since=moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"), date=moment.date().isoformat(),
                fix="nothing to do",
            ),
            "test", channel.name,
        )  # fmt: skip
        if dry_run:
            return self.previews([message])[0]
        # A test of its own each time: nobody may drop it as one he has had.
        message = dataclasses.replace(message, id=uuid.uuid4().hex)
        error, trouble = self._try(channel, message), ""
        if error is not None:
            trouble = error.why
        if channel.service == "pagerduty" and (error is None or isinstance(error, Silent)):
            end = self._try(channel, dataclasses.replace(message, event="resolved"))
            if end is not None:
                trouble = f"the test's incident could not be resolved ({end.why}): do it there"
        return Tried(
            channel=channel.name, service=channel.service, sent=error is None, trouble=trouble
        )

    def _try(self, channel: Channel, message: Message) -> Refused | None:
        """Send past the outbox; returns what was in the way."""
        try:
            secret = secret_of(channel, self.courier.environ)
            send(channel, message, secret, lambda: None, timeout=self.alerts.timeout_seconds,
                 now=self.courier.now())  # fmt: skip
        except Refused as error:
            return error
        return None

    def _message(self, incident: Incident, event: Event, channel: str) -> Message:
        return message_of(
            incident, event=event, channel=channel, key=incident.key or incident.id, ordinal=0,
            shop=self._shop, currency=self._currency,
        )  # fmt: skip

    def _named(self, names: Sequence[str]) -> list[Channel]:
        known = {one.name: one for one in self.alerts.channels}
        if not known:
            raise UsageError(
                "no channel is configured", fix="add `alerts:` with `channels:` to tallymark.yml"
            )
        for name in names:
            if name not in known:
                raise UsageError(
                    f"there is no channel {name!r}", fix=f"channels: {', '.join(known)}"
                )
        return [one for name, one in known.items() if not names or name in names]


def _settled(incident: Incident) -> bool:
    """Whether somebody decided, so that a beginning nobody has heard of need not be told."""
    by_hand = incident.state == "resolved" and (incident.decision or "").startswith("resolved by")
    return incident.state in {"muted", "acknowledged"} or by_hand
