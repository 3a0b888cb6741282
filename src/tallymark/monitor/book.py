"""The book of incidents: what is open, what was, and what somebody decides about it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from tallymark.decisions import append
from tallymark.decisions import read as read_decisions
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import UsageError
from tallymark.monitor.kept import load_incidents
from tallymark.monitor.lives import ACK, MUTE, RESOLVE, choices_of, overlaid
from tallymark.results import Incident

__all__ = ["Book", "Decided", "Listed"]

_NOTHING: Mapping[str, str] = MappingProxyType({})
_KNOWN = 8  # incidents that an error names


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Incidents up to a judged day: open ones first, gravest first."""

    day: str
    incidents: Sequence[Incident]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision about an incident, how that stands now, and the file that says so."""

    incident: Incident
    decision: Path


class Book:
    """The incidents of a warehouse.

    Args:
        warehouse: Where the last run kept them.
        decisions: The folder of what people decided.
    """

    def __init__(self, warehouse: Warehouse, decisions: Path) -> None:
        self._warehouse = warehouse
        self._decisions = decisions

    def read(self) -> Listed:
        """Every incident, with what was decided since the last run.

        Raises:
            WarehouseError: The watch has never run here.
        """
        day, incidents = load_incidents(self._warehouse)
        choices = choices_of(read_decisions(self._decisions))
        return Listed(day=day, incidents=overlaid(incidents, choices, day))

    def find(self, name: str) -> Incident:
        """An incident by its key; or by its id, the open occurrence or else the latest.

        Raises:
            UsageError: There is none.
        """
        return self._located(_find(self.read(), name))

    def _located(self, found: Incident) -> Incident:
        """With what the rows of its last day said of it, if that day's report was kept."""
        # A report that somebody wrote into says nothing of it.
        kept = self._warehouse.sound_judgement(found.date or "")
        told = [one for one in kept.get("incidents", []) if one.get("key") == found.key]
        return dataclasses.replace(found, evidence=told[0]["evidence"]) if told else found

    def acknowledge(self, name: str, *, reason: str = "") -> Decided:
        """Somebody is at it: no more alerts unless it gets worse; it still counts.

        Acknowledging an incident that was resolved by hand takes it up again.
        """
        listed = self.read()
        found = _find(listed, name)
        if found.state == "resolved" and not (found.decision or "").startswith("resolved by hand"):
            raise UsageError(f"{found.key} is over ({found.decision})", fix="nothing is to be done")
        return self._decide(ACK, found, listed.day, reason)

    def resolve(self, name: str, *, reason: str = "", new_normal: bool = False) -> Decided:
        """It is over by decision; if it is found on a later day, it is a new incident.

        Args:
            name: A key, or an id.
            reason: Why.
            new_normal: Its days are normal from now on, and those before it are forgotten, for
                the metrics that it concerns.

        Raises:
            UsageError: It is over, or it is no change of a metric.
        """
        listed = self.read()
        found = _find(listed, name)
        _refuse_over(found)
        if not new_normal:
            return self._decide(RESOLVE, found, listed.day, reason)
        if found.metric is None or "interval" not in found.evidence:
            raise UsageError(
                f"{found.key} is a fact, and no level that a metric could have from now on",
                fix="mend it, or mute it for a while with `tallymark incidents mute`",
            )
        rules = sorted({one.partition(":")[0] for one in found.findings} | {found.rule or found.id})
        facts = {"new_normal_since": found.since[:10], "rules": " ".join(rules)}
        return self._decide(RESOLVE, found, listed.day, reason, facts)

    def mute(self, name: str, *, until: dt.date, reason: str = "") -> Decided:
        """It disturbs nobody and does not count, up to and including a day.

        Raises:
            UsageError: The day lies before the latest judged one.
        """
        listed = self.read()
        found = _find(listed, name)
        _refuse_over(found)
        if until.isoformat() < listed.day:
            raise UsageError(
                f"{until.isoformat()} lies before the latest judged day, {listed.day}",
                fix="mute until that day or a later one",
            )
        return self._decide(MUTE, found, listed.day, reason, {"until": until.isoformat()})

    def _decide(
        self, kind: str, found: Incident, day: str, reason: str,
        more: Mapping[str, str] = _NOTHING,
    ) -> Decided:  # fmt: skip
        facts = {"incident": found.key or found.id, "day": day, **more}
        facts |= {"severity": str(found.severity), "message": found.message}
        facts |= {"reason": reason} if reason else {}
        path = append(self._decisions, kind, facts)
        choices = choices_of(read_decisions(self._decisions))
        fresh = dataclasses.replace(found, state="open", resolved=None)
        return Decided(incident=overlaid([fresh], choices, day)[0], decision=path)


def _refuse_over(found: Incident) -> None:
    if found.state == "resolved":
        raise UsageError(f"{found.key} is over ({found.decision})", fix="nothing is to be done")


def _find(listed: Listed, name: str) -> Incident:
    for one in listed.incidents:
        if one.key == name:
            return one
    for one in listed.incidents:  # open ones first, then the latest
        if one.id == name:
            return one
    known = list(dict.fromkeys(one.id for one in listed.incidents))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        fix = f"did you mean {close[0]!r}?"
    elif known:
        fix = f"incidents: {', '.join(known[:_KNOWN])}" + (" ..." if known[_KNOWN:] else "")
    else:
        fix = "there has been none"
    raise UsageError(f"there is no incident {name!r}", fix=fix)
