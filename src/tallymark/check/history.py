"""Facts across deliveries: what only the ledger of earlier days can show.

They are worked out from the ledger each time, for every delivery, from deliveries of earlier days
alone: so they do not depend on the order in which files happened to arrive.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tallymark.check.rules import Hit, finding
from tallymark.config import CheckRules, Severity
from tallymark.results import Finding

__all__ = ["history_findings"]

_ITEM = "[]."  # in the name of a field of an order's lines
CHANCE = 1e-6  # how unlikely an empty field must be before it is called lost


def history_findings(
    entries: Sequence[Mapping[str, Any]], rules: CheckRules, *, money_fields: frozenset[str]
) -> dict[str, list[Finding]]:
    """Findings by delivery key, from ledger entries ordered by date and key."""
    wanted = {rule.check: rule for rule in rules.rules if rule.enabled}
    found: dict[str, list[Finding]] = {}
    versions: dict[str, str] = {}
    filled: dict[str, list[int]] = {}
    lost_since: dict[str, str] = {}
    for entry in entries:
        mine = found.setdefault(entry["delivery"], [])
        if not entry["rows_read"]:
            continue
        if (rule := wanted.get("same_bytes")) and entry["version"] in versions:
            other = versions[entry["version"]]
            hit = Hit(
                message=f"the same bytes were delivered before as {other}; their rows are "
                "flagged as repeats and count once",
                evidence={"other": other},
                rows=entry["rows_read"],
                share=1.0,
            )
            mine.append(_dated(finding(rule, hit), entry))
        versions.setdefault(entry["version"], entry["delivery"])
        rule = wanted.get("payload_field_lost")
        for name, (have, want) in _fields(entry, filled):
            before = filled.setdefault(name, [0, 0])
            if rule and have == 0 and _impossible(before, want):
                share = before[0] / before[1]
                lost_since.setdefault(name, entry["first_event_at"] or "")
                hit = Hit(
                    subject=name[:96],
                    message=f"{name[:96]} is empty in all {want} places of the purchases; earlier "
                    f"deliveries filled {share:.0%} of them",
                    severity=Severity.P1 if name in money_fields else None,
                    evidence={"filled_before": before[0], "expected_before": before[1]},
                    rows=want,
                    share=1.0,
                )
                mine.append(_dated(finding(rule, hit), entry, lost_since[name]))
            else:
                # A day on which the field is lost does not teach that empty is normal.
                lost_since.pop(name, None)
                before[0] += have
                before[1] += want
    return found


def _fields(
    entry: Mapping[str, Any], known: Mapping[str, object]
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Filled and expected places by field; a known field that no payload names is empty."""
    fields = entry["fields"]
    places = dict.fromkeys((False, True), 0)
    for name, (_, want) in fields.items():
        places[_ITEM in name] = max(places[_ITEM in name], want)
    for name in sorted({*fields, *known} if fields else ()):
        have, want = fields.get(name, (0, places[_ITEM in name]))
        yield name, (have, want)


def _impossible(before: Sequence[int], want: int) -> bool:
    """Whether an empty field is beyond chance, given how often it was filled before."""
    have, total = before
    if not have or not want:
        return False
    # Laplace's rule keeps a short history from being taken for certainty.
    empty = (total - have + 1) / (total + 2)
    return bool(empty**want < CHANCE)


def _dated(one: Finding, entry: Mapping[str, Any], since: str | None = None) -> Finding:
    return dataclasses.replace(
        one,
        since=since or entry["first_event_at"] or f"{entry['date']}T00:00:00.000Z",
        date=entry["date"],
        delivery=entry["delivery"],
    )
