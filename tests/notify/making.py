"""Incidents, settings and couriers for tests of alerts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tallymark.notify.courier import Courier
from tallymark.notify.messages import Message, message_of
from tallymark.notify.outbox import Outbox
from tallymark.results import Incident, Layer, Severity
from tallymark.routing import Alerts

__all__ = ["NOON", "alerts", "courier", "incident", "message"]

NOON = dt.datetime(2031, 5, 5, 12, tzinfo=dt.UTC)


def incident(name: str = "orders", severity: str = "P1", **more: Any) -> Incident:
    """An open incident."""
    given: dict[str, Any] = {
        "id": name, "key": f"{name}@2031-05-05", "layer": Layer.BUSINESS,
        "severity": Severity(severity), "message": "The number of orders was 3",
        "since": "2031-05-05T07:00:00.000Z", "date": "2031-05-05", "opened": "2031-05-05",
        "fix": "place a test order", "owner": "checkout", "findings": [name],
        "money_at_risk": Decimal("12.50"), "money_formula": "expected minus observed",
    }  # fmt: skip
    return Incident(**(given | more))


def message(channel: str = "hook", **more: Any) -> Message:
    """The message that an incident has begun."""
    one = incident(**more)
    return message_of(one, event="opened", channel=channel, key=one.key or "", ordinal=0,
                      shop="Shop", currency="USD")  # fmt: skip


def alerts(*channels: Mapping[str, Any], **more: Any) -> Alerts:
    """Settings with channels; a service that does not answer is given up soon."""
    given = {"channels": channels, "timeout_seconds": 5, "attempts": 1}
    return Alerts.model_validate(given | more)


def courier(folder: Path, settings: Alerts, *, now: dt.datetime = NOON, **environ: str) -> Courier:
    """A courier that does not wait between attempts."""
    return Courier(
        Outbox(folder), settings, environ=environ, now=lambda: now, pause=lambda _seconds: None
    )
