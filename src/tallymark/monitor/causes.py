"""What explains what: findings of one cause become one incident.

Rules say what their metric rests on (``depends_on``): columns, payload fields, whole rows, other
metrics. A finding that is about one of those explains the finding that rests on it. The strongest
cause at the top of such a chain gives the incident its name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from tallymark.config import MonitorRule
from tallymark.monitor.words import parse
from tallymark.results import Finding, Layer, Severity

__all__ = ["HOURLY", "Causes", "groups", "kind_of", "of_ids", "rows_added"]

ROWS = "rows"  # whole hours or deliveries; depends_on names it

_EVENT = "purchase."
# What a finding of the gate is about, beyond the name after the colon in its id.
_ABOUT = {
    "agent_missing": ("user_agent",),
    "anonymous_rows": ("client_id",),
    "bot_wave": ("bot_share",),
    "broken_row": ("quarantined_share",),
    "client_ids_lost": ("client_id",),
    "client_missing": ("client_id",),
    "days_missing": ("missing_days",),
    "delivery_missing": (ROWS,),
    "delivery_shrunken": (ROWS,),
    "double_fired": ("double_fired_share",),
    "event_name_missing": ("quarantined_share",),
    "event_unknown": ("unknown_events",),
    "event_vanished": ("unknown_events",),
    # At night more of the visits are of bots: part of a day is no day.
    "file_ends_early": ("bot_share",),
    "file_truncated": ("bot_share",),
    "hours_missing": (ROWS,),
    "hours_silent": (ROWS,),
    "missing_days": (ROWS, "missing_days"),
    "order_conflict": ("conflicting_orders",),
    "order_conflict_history": ("conflicting_orders",),
    "order_id_collision": ("colliding_orders",),
    "order_id_collision_history": ("colliding_orders",),
    "order_redelivered": ("redelivered_orders",),
    "order_redelivered_history": ("redelivered_orders",),
    "order_far_revenue": ("purchase.revenue",),
    "order_negative_revenue": ("purchase.revenue",),
    "order_revenue_not_a_number": ("purchase.revenue",),
    "order_without_id": ("purchase.transaction_id",),
    "order_without_revenue": ("purchase.revenue",),
    "order_zero_revenue": ("purchase.revenue",),
    "referrer_invalid": ("referrer",),
    "repeated_rows": ("repeated_share",),
    "same_bytes": (ROWS, "repeated_share", "redelivered_orders"),
    "time_unparseable": ("quarantined_share",),
}
_SCHEMA = ("column_", "payload_field_")
_GONE = "event_vanished"  # explains the rows of the unknown event that came instead
_ROWS_KINDS = ("delivery_missing", "file_", "hours_", "missing_days", "same_bytes")
# Its rows are in no rate, whatever step of the funnel its id names.
_OUT_OF_RATES = frozenset({"bot_actions"})
_VALUES_LOST = frozenset({"column_emptied", "column_partly_empty", "payload_field_lost",
                          "payload_field_partly_lost"})  # fmt: skip
# About when a delivery came, or about another day: this day's numbers are as good as any.
_OF_NO_NUMBERS = frozenset({"file_late", "missing_days"})
_COVERAGE = "_coverage"  # ends the name of a metric that measures what it depends on
# Dated to the hour by the gate: they go before its other facts of the same kind.
HOURLY = ("anonymous_rows", "bot_wave", "client_ids_lost", "double_fired")
# Ranks; metrics add how deep they lie. The last but one is of metrics that rest on others' facts.
_QUALITY, _GATE, _RESTING, _BUSINESS = 100, 200, 250, 300
_NO_ROWS = 2  # a rank: a whole delivery without a row that could be used is an effect of its schema
# Rows that came without a client id, on top of the others, are in no session and in no order:
# what is short of ids because of them took nothing away.
_ADDED, _LOST = "anonymous_rows", "client_ids_lost"
_OF_IDS = frozenset({_ADDED, "client_missing", "identity_coverage"})
_SALES = frozenset({"aov", "cart_rate", "checkout_rate", "conversion_rate", "orders",
                    "purchase_rate", "revenue"})  # fmt: skip
_DAY = dt.timedelta(days=1)
_FIELDS = ("payload_coverage", "payload_field_lost", "payload_field_partly_lost")
_MANY = 4  # findings of one rule at one hour that are one cause; fewer are told one by one
_HOUR = len("2031-05-05T07")
_EVIDENCE_KEYS = ("column", "role", "field")


def kind_of(finding: Finding) -> str:
    """The part of an id before the colon."""
    return finding.id.partition(":")[0]


def rows_added(findings: Iterable[Finding]) -> Finding | None:
    """What the gate says of rows that came without a client id, where none lost theirs."""
    kinds = {kind_of(one): one for one in findings}
    return None if _LOST in kinds else kinds.get(_ADDED)


def of_ids(finding: Finding) -> bool:
    """Whether it says how many rows have a client id."""
    return kind_of(finding) in _OF_IDS or finding.metric in _OF_IDS


class Causes:
    """The graph of the rules' ``depends_on``.

    Args:
        rules: All rules of the watch.
    """

    def __init__(self, rules: Sequence[MonitorRule]) -> None:
        self._why = {rule.id: rule.why for rule in rules if rule.why}
        self._direct: dict[str, set[str]] = {}
        for rule in rules:
            self._direct.setdefault(rule.id, set()).update(rule.depends_on)
            if rule.metric is not None and "=" not in rule.segment:
                self._direct.setdefault(rule.metric, set()).update(rule.depends_on)
        self._closures: dict[str, frozenset[str]] = {}

    def why(self, finding: Finding) -> str | None:
        """The probable cause, in the words of the rule; None where the finding says it itself."""
        return self._why.get(finding.rule or "")

    def rests_on(self, name: str) -> frozenset[str]:
        """Everything a metric rests on, through any number of steps, and itself."""
        known = self._closures.get(name)
        if known is None:
            found, todo = {name}, [name]
            while todo:
                for further in self._direct.get(todo.pop(), set()) - found:
                    found.add(further)
                    todo.append(further)
            known = self._closures[name] = frozenset(found)
        return known

    def about(self, finding: Finding) -> frozenset[str]:
        """What a finding is about: things that others may rest on."""
        kind, _, name = finding.id.partition(":")
        found = set(_ABOUT.get(kind, ()))
        if kind.startswith("file_") or finding.evidence.get("nothing_accepted"):
            found.add(ROWS)
        if name and kind not in _OUT_OF_RATES:
            found.add(name)
        if kind in _FIELDS and name:
            found.add(name if name.startswith(_EVENT) else _EVENT + name)
        if finding.metric is None:
            found.update(
                str(finding.evidence[key])
                for key in _EVIDENCE_KEYS
                if isinstance(finding.evidence.get(key), str)
            )
            return frozenset(found)
        found.add(finding.metric)
        if self._measures(finding):
            found.update(self._direct.get(finding.rule or finding.metric, ()))
        return frozenset(found)

    def _measures(self, finding: Finding) -> bool:
        """Whether its metric says how much of a column, a field or the rows is there.

        Others only rest on these: that revenue has no channel says nothing of the client ids.
        """
        covered = (finding.metric or "").endswith(_COVERAGE)
        return finding.layer is Layer.HEALTH or (finding.layer is Layer.QUALITY and covered)

    def explained_by(self, finding: Finding) -> frozenset[str]:
        """Everything that would explain a finding."""
        found = set(self.about(finding))
        if finding.metric is not None:
            found |= self.rests_on(finding.metric)
            if finding.rule is not None:
                found |= self.rests_on(finding.rule)
        return frozenset(found)

    def spoiled(self, findings: Iterable[Finding], rules: Sequence[MonitorRule]) -> frozenset[str]:
        """The rules for whose metrics a day with these findings is no normal day."""
        found = list(findings)
        added = rows_added(found) is not None
        about: set[str] = set()
        measures: set[str | None] = set()  # of rows that were added: no other number has them
        for one in found:
            if not _spoils(one):
                continue
            if added and of_ids(one):
                measures.add(one.metric)
            else:
                about |= self.about(one)
        return frozenset(
            rule.id
            for rule in rules
            if about & (self.rests_on(rule.id) | self.rests_on(rule.metric or rule.id))
            or (rule.metric is not None and rule.metric in measures)
        )

    def rank(self, finding: Finding) -> int:
        """Lower explains higher: rows, schema, quality metrics, other facts, down the funnel.

        What the gate counts in a delivery (``client_missing``) says no more than the metric that
        dates it to the hour (``identity_coverage``), so the metric goes first.
        """
        kind = kind_of(finding)
        if kind == "delivery_missing" and "deliveries" in finding.evidence:
            return _NO_ROWS
        if kind.startswith(_ROWS_KINDS):
            return 0
        if kind.startswith(_SCHEMA):
            # Where not one row could be used for it, no row is missing for another reason.
            return -1 if finding.evidence.get("nothing_accepted") else 1
        if finding.metric is None:
            return _GATE - (kind in HOURLY or kind == _GONE)
        depth = len(self.rests_on(finding.metric) & set(self._direct))
        if finding.layer is Layer.BUSINESS:
            return _BUSINESS + depth
        resting = self._direct.get(finding.rule or finding.metric) and not self._measures(finding)
        return (_RESTING if resting else _QUALITY) + depth


def groups(findings: Sequence[Finding], causes: Causes) -> Mapping[str, list[Finding]]:
    """Findings of P2 and worse by the id of the finding at their root, root first.

    A finding belongs to what explains it. Beyond that, what one rule finds of many segments,
    fields or columns at the same hour is one cause, though nothing here can say which.
    """
    serious = [finding for finding in findings if finding.severity is not Severity.P3]
    parents = _parents(serious, causes)
    found: dict[str, list[Finding]] = {}
    for finding in serious:
        root, parent = finding, parents[finding.id]
        while parent is not None:
            root, parent = parent, parents[parent.id]
        members = found.setdefault(root.id, [root])
        if finding is not root:
            members.append(finding)
    return _together(found)


def _together(found: Mapping[str, list[Finding]]) -> Mapping[str, list[Finding]]:
    """Join groups whose roots are of one rule and began at the same hour, if they are many."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for key, members in found.items():
        root = members[0]
        name, colon, _ = key.partition(":")
        way = str(root.evidence.get("direction", ""))
        sort = (root.rule or name, root.since[:_HOUR], way) if colon else (key,)
        alike.setdefault(sort, []).append(key)
    joined: dict[str, list[Finding]] = {}
    for keys in alike.values():
        if len(keys) < _MANY:
            joined.update({key: found[key] for key in keys})
            continue
        first = min(keys, key=lambda key: (found[key][0].severity, key))
        rest = [one for key in sorted(keys) if key != first for one in found[key]]
        joined[first] = [*found[first], *rest]
    return joined


def _parents(findings: Sequence[Finding], causes: Causes) -> dict[str, Finding | None]:
    """What explains each finding best, of the others; looked up by what those are about."""
    ranks = {one.id: causes.rank(one) for one in findings}
    by_thing: dict[str, list[Finding]] = {}
    for one in sorted(findings, key=lambda one: (ranks[one.id], one.severity, one.id)):
        for thing in causes.about(one):
            by_thing.setdefault(thing, []).append(one)
    added = rows_added(findings) is not None
    return {one.id: _parent(one, by_thing, ranks, causes, added=added) for one in findings}


def _parent(
    finding: Finding,
    by_thing: Mapping[str, Sequence[Finding]],
    ranks: Mapping[str, int],
    causes: Causes,
    *,
    added: bool,
) -> Finding | None:
    rank = ranks[finding.id]
    fitting = []
    apart = added and finding.metric is not None and not of_ids(finding)
    for thing in causes.explained_by(finding):
        for other in by_thing.get(thing, ()):  # the best ones first
            if ranks[other.id] > rank:
                break
            if (
                other is not finding
                and not (apart and of_ids(other))
                and _before(ranks[other.id], rank, other, finding)
                and _still_explains(other, finding)
            ):
                fitting.append(other)
                break
            if rank and ranks[other.id] == rank:
                break
    return min(fitting, key=lambda other: (ranks[other.id], other.severity, other.id), default=None)


def _before(other_rank: int, rank: int, other: Finding, finding: Finding) -> bool:
    """A strict order, so that no finding explains its own cause."""
    if other_rank != rank:
        return other_rank < rank
    # the watch and the gate may both see the same hours missing: one incident
    return rank == 0 and _told(other) < _told(finding)


def _told(finding: Finding) -> tuple[Severity, bool, str]:
    """Of findings on whole files the gravest goes first, and of those what is wrong with a file."""
    return finding.severity, not kind_of(finding).startswith("file_"), finding.id


def _spoils(finding: Finding) -> bool:
    """Whether a day with a finding is no normal day for what the finding is about.

    An error, and a warning of values that got lost: what is usual would follow the fault. That less
    is there than usual, but as on the shop's other days, is information and spoils nothing.
    """
    kind = kind_of(finding)
    lost = kind in _VALUES_LOST and finding.severity is Severity.P2
    return (
        (finding.severity.is_error or lost)
        and kind not in _OF_NO_NUMBERS
        and not _read_anyway(finding)
    )


def _read_anyway(finding: Finding) -> bool:
    """Whether it is about a column that came otherwise and is read: it spoils no baseline."""
    kind = kind_of(finding)
    swapped = kind == "column_swapped" and bool(finding.evidence.get("adopted"))
    return kind == "column_renamed" or swapped


def _still_explains(cause: Finding, finding: Finding) -> bool:
    """Whether a cause may explain what was found: it began no later, and it took something away.

    A column that is read where it stands now explains only what began with it, and no lost sale.
    """
    began, effect = parse(cause.since), parse(finding.since)
    if began is not None and effect is not None and began - effect >= _DAY:
        return False
    if not _read_anyway(cause) or cause.evidence.get("nothing_accepted"):
        return True
    adopted = bool(cause.evidence.get("adopted"))
    return cause.since[:10] == finding.since[:10] and not (adopted and finding.metric in _SALES)
