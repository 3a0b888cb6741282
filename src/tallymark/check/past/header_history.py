"""What changed in the header, and in the form of ids and times, since earlier deliveries.

A contract without a pattern allows any id. That visitors are called otherwise from one day on
only earlier days can show: nobody who came before is known again then.
"""

from __future__ import annotations

import dataclasses
import os.path
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tallymark.check.counting.queries import rows_read
from tallymark.check.header.columns import Mapping_
from tallymark.check.header.shapes import epoch_of
from tallymark.check.rules import Hit, finding
from tallymark.config import CheckRule, CheckRules, Severity
from tallymark.contract import Contract
from tallymark.ingest.header import Head
from tallymark.results import Finding

__all__ = ["forms_of", "header_findings"]

_LEAST_VALUES = 50  # sampled values, today and before, from which on forms are compared
_LEAST_DISTINCT = 10  # different values from which on a common beginning is no accident
_KNOWN_BEFORE = 0.05  # share of today's values in a form seen before that rules a change out
_MOST = 0.95
_AGREED = "times with a zone"
_START = 2  # characters of a beginning that is worth a word
_PREFIX = re.compile(r"[A-Za-z]+[-_.:]?")
_ZONE = re.compile(r"(Z|[+-]\d{2}(:?\d{2})?|\s[A-Za-z/_]{3,})$")
_SEPARATORS = "-_.:@+/="
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]{16,}", re.IGNORECASE)
Entry = Mapping[str, Any]


def forms_of(contract: Contract, columns: Mapping_, head: Head) -> dict[str, dict[str, Any]]:
    """In which forms ids and times came: by column how many sampled values had each form.

    No value is kept; ``prefix`` is how nearly all ids begin, if they do begin alike.
    """
    found: dict[str, dict[str, Any]] = {}
    for column in contract.columns:
        delivered = columns.delivered.get(column.name)
        if delivered is None or column.kind not in {"identifier", "timestamp"}:
            continue
        values = [value.strip() for value in head.sample.get(delivered, ()) if value]
        if column.kind == "timestamp":
            told = [_AGREED if epoch_of(one) in column.formats else _time_form(one)
                    for one in values]  # fmt: skip
            found[column.name] = {"forms": dict(sorted(Counter(told).items()))}
        elif column.pattern is None:
            forms = dict(sorted(Counter(map(_id_form, values)).items()))
            found[column.name] = {"forms": forms, "prefix": _prefix(values)}
    return found


def header_findings(entries: Sequence[Entry], rules: CheckRules) -> dict[str, list[Finding]]:
    """Findings by delivery key, from ledger entries ordered by date and key."""
    wanted = {rule.check: rule for rule in rules.rules if rule.enabled}
    found: dict[str, list[Finding]] = {}
    orders: dict[frozenset[str], set[tuple[str, ...]]] = {}
    seen: dict[str, _Seen] = {}
    for entry in entries:
        if not entry["rows_accepted"]:
            continue
        columns = tuple(entry["columns"])
        known = orders.setdefault(frozenset(columns), set())
        rule = wanted.get("column_reordered")
        ordered = not (entry.get("form") or {}).get("unordered")
        if rule is not None and ordered and known and columns not in known:
            found.setdefault(entry["delivery"], []).append(_dated(rule, _reordered(columns), entry))
        if ordered:
            known.add(columns)
        rule = wanted.get("column_type_changed")
        told = {one["id"].partition(":")[2] for one in entry["findings"] if rule is not None
                and one.get("rule") == rule.id}  # fmt: skip
        for name, forms in sorted(entry.get("forms", {}).items()):
            before = seen.setdefault(name, _Seen())
            hit = before.changed(name, forms) if name not in told else None
            if rule is not None and hit is not None:
                query = rows_read(entry["delivery"])
                hit = dataclasses.replace(hit, rows=entry["rows_read"], share=1.0, query=query)
                found.setdefault(entry["delivery"], []).append(_dated(rule, hit, entry))
            before.learn(forms)
    return found


@dataclasses.dataclass(slots=True)
class _Seen:
    """The forms of a column in earlier deliveries."""

    forms: Counter[str] = dataclasses.field(default_factory=Counter)
    prefixes: set[str] = dataclasses.field(default_factory=set)

    def learn(self, forms: Mapping[str, Any]) -> None:
        """Add a delivery; what changed once is known from then on."""
        self.forms.update(forms["forms"])
        if sum(forms["forms"].values()) >= _LEAST_VALUES:
            self.prefixes.add(forms.get("prefix", ""))

    def changed(self, name: str, now: Mapping[str, Any]) -> Hit | None:
        """What to say if the values come in a form that was never seen before."""
        today = Counter(now["forms"])
        if min(self.forms.total(), today.total()) < _LEAST_VALUES:
            return None
        form, before = today.most_common(1)[0][0], self.forms.most_common(1)[0][0]
        known = sum(count for one, count in today.items() if self.forms[one])
        if known < _KNOWN_BEFORE * today.total():
            return _formed(name, f"were {before}", f"are {form}", timestamp="prefix" not in now)
        prefix = now.get("prefix", "")
        if prefix and self.prefixes and self.prefixes.isdisjoint({"", prefix}):
            old = min(self.prefixes)
            return _formed(name, f"began with {old}", f"begin with {prefix}", timestamp=False)
        return None


def _formed(name: str, before: str, now: str, *, timestamp: bool) -> Hit:
    harm = (
        "times without a zone are read as UTC" if timestamp
        else "nobody who came before is known again"
    )  # fmt: skip
    return Hit(
        subject=name,
        message=f"column {name} changed its form: values {before} in earlier deliveries and {now} "
        f"in this one; {harm}",
        severity=Severity.P2 if timestamp else Severity.P1,
        evidence={"before": before, "now": now},
        fix=f"restore the earlier form of {name}"
        + (
            ""
            if timestamp
            else ", or say that it is meant: give the column its `pattern` in contracts/events.yml"
        ),
    )


def _reordered(columns: Sequence[str]) -> Hit:
    return Hit(
        message="the columns come in another order than before; they are found by their names",
        evidence={"columns": list(columns)},
    )


def _dated(rule: CheckRule, hit: Hit, entry: Entry) -> Finding:
    return dataclasses.replace(
        finding(rule, hit),
        since=entry["first_event_at"] or f"{entry['date']}T00:00:00.000Z",
        date=entry["date"],
        delivery=entry["delivery"],
    )


# ---------------------------------------------------------------- forms


def _time_form(value: str) -> str:
    if value.replace(".", "", 1).isdigit():
        return "numbers"
    return _AGREED if _ZONE.search(value[10:]) else "times without a zone"


def _id_form(value: str) -> str:
    if value.isdigit():
        return "whole numbers"
    if _UUID.fullmatch(value):
        return "UUIDs"
    if _HEX.fullmatch(value):
        return "hexadecimal"
    between = "".join(sorted(set(value) & set(_SEPARATORS)))
    return f"letters and digits with {between}" if between else "letters and digits"


def _prefix(values: Sequence[str]) -> str:
    """How nearly all values begin, as letters and a separator; empty if they do not agree."""
    if len(set(values)) < _LEAST_DISTINCT:
        return ""
    start, count = Counter(value[:_START] for value in values).most_common(1)[0]
    if count < _MOST * len(values):
        return ""
    alike = [value for value in values if value.startswith(start)]
    match = _PREFIX.match(os.path.commonprefix(alike))  # noqa: RUF071 -- ids are no paths
    return match[0] if match and len(match[0]) >= _START else ""
