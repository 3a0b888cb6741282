"""Which messages there ought to be: one for each incident and change of its state.

It is decided from how things stand, not from what just happened: an incident that is open and of
which a channel has heard nothing is told; one of which it has heard and that is over is told as
well. So a run that was killed, or never ran, or ran twice, changes nothing about what is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallymark.notify.messages import Event, Message, message_of
from tallymark.notify.outbox import Entry
from tallymark.results import Incident, Layer, Severity
from tallymark.routing import Alerts, Channel

__all__ = ["plan"]

_TELLING = frozenset({"open"})
_OPEN = frozenset({"open", "acknowledged", "muted", "quiet"})


def plan(
    alerts: Alerts,
    incidents: Sequence[Incident],
    told: Sequence[Entry],
    *,
    day: str,
    shop: str,
    currency: str,
) -> list[Message]:
    """The messages that are missing.

    Args:
        alerts: Who is told of what.
        incidents: All that are open, and those that are over, as the latest judged day has them.
        told: The outbox.
        day: The latest judged day, ISO 8601. A message of a later one, which the gate sent as the
            file came, is not known to be over.
        shop: The shop's name.
        currency: Of money at risk.
    """
    found: list[Message] = []
    for channel in alerts.channels:
        heard: dict[str, list[Message]] = {}
        for one in told:
            if one.message.channel == channel.name and one.message.event != "test":
                heard.setdefault(one.message.key, []).append(one.message)
        found += _for_channel(channel, incidents, heard, day, shop, currency)
    return found


def _for_channel(
    channel: Channel,
    incidents: Sequence[Incident],
    heard: Mapping[str, Sequence[Message]],
    day: str,
    shop: str,
    currency: str,
) -> list[Message]:
    known = {one.key for one in incidents}
    strays = {key: told for key, told in heard.items()
              if key not in known and told[-1].event != "resolved"}  # fmt: skip
    changes: list[tuple[Incident, Event, str]] = []
    for incident in incidents:
        key = incident.key or incident.id
        if key not in heard:
            # Told before under another day or by the gate, which knows no incidents: the same one.
            stray = next((one for one, said in strays.items() if _same(said[-1], incident)), None)
            if stray is not None:
                strays.pop(stray)
                key = stray
        event = _change(channel, incident, heard.get(key, ()))
        if event is not None:
            changes.append((incident, event, key))
    messages = [
        message_of(incident, event=event, channel=channel.name, key=key,
                   ordinal=len(heard.get(key, ())), shop=shop, currency=currency)
        for incident, event, key in changes
    ]  # fmt: skip
    over = [said for key, said in strays.items() if key.rpartition("@")[2] <= day]
    if channel.resolved:
        messages += [_withdrawn(said[-1], len(said), day, shop, currency) for said in over]
    return messages


def _same(message: Message, incident: Incident) -> bool:
    """Whether what a stray message told is what an open incident, not told itself, tells now."""
    if incident.state not in _OPEN:
        return False
    return message.incident == incident.id or message.incident in incident.findings


def _change(channel: Channel, incident: Incident, told: Sequence[Message]) -> Event | None:
    """What has changed since the channel last heard of an incident."""
    last = told[-1].event if told else None
    if incident.state == "resolved":
        return "resolved" if channel.resolved and last in {"opened", "worse"} else None
    if incident.state not in _TELLING or not _wanted(channel, incident):
        return None
    if last in {None, "resolved"}:
        return "opened"
    graver = str(incident.severity) < min(one.severity for one in told if one.event != "resolved")
    return "worse" if graver else None


def _wanted(channel: Channel, incident: Incident) -> bool:
    if channel.owners and incident.owner not in channel.owners:
        return False
    return str(incident.severity) <= channel.severity


def _withdrawn(message: Message, ordinal: int, day: str, shop: str, currency: str) -> Message:
    """What was told is not found any more: its day was delivered again, or the rules changed."""
    gone = Incident(
        id=message.incident, layer=Layer.QUALITY, severity=Severity(message.severity),
        message=message.text, since=message.since, date=day, state="resolved",
    )  # fmt: skip
    return message_of(gone, event="resolved", channel=message.channel, key=message.key,
                      ordinal=ordinal, shop=shop, currency=currency)  # fmt: skip
