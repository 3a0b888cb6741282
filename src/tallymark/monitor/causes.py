"""What explains what: findings of one cause become one incident.

Rules say what their metric rests on (``depends_on``): columns, payload fields, whole rows, other
metrics. A finding that is about one of those explains the finding that rests on it. The strongest
cause at the top of such a chain gives the incident its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallymark.config import MonitorRule
from tallymark.results import Finding, Layer, Severity

__all__ = ["Causes", "groups", "kind_of"]

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
    "delivery_missing": (ROWS,),
    "delivery_shrunken": (ROWS,),
    "double_fired": ("double_fired_share",),
    "event_name_missing": ("quarantined_share",),
    "hours_missing": (ROWS,),
    "hours_silent": (ROWS,),
    "missing_days": (ROWS,),
    "order_conflict_history": ("conflicting_orders",),
    "order_id_collision_history": ("colliding_orders",),
    "order_redelivered_history": ("redelivered_orders",),
    "order_revenue_not_a_number": ("purchase.revenue",),
    "order_without_id": ("purchase.transaction_id",),
    "order_without_revenue": ("purchase.revenue",),
    "order_zero_revenue": ("purchase.revenue",),
    "repeated_rows": ("repeated_share",),
    "same_bytes": (ROWS,),
    "time_unparseable": ("quarantined_share",),
}
_SCHEMA = ("column_", "payload_field_")
_ROWS_KINDS = ("delivery_missing", "file_", "hours_", "missing_days")
# Dated to the hour by the gate: they go before its other facts of the same kind.
_DATED = ("anonymous_rows", "bot_wave", "client_ids_lost", "double_fired")
_QUALITY, _GATE, _BUSINESS = 100, 200, 300  # ranks; metrics add how deep they lie
_FIELDS = ("payload_coverage", "payload_field_lost", "payload_field_partly_lost")
_EVIDENCE_KEYS = ("column", "role", "field")


def kind_of(finding: Finding) -> str:
    """The part of an id before the colon."""
    return finding.id.partition(":")[0]


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
        if kind.startswith("file_"):
            found.add(ROWS)
        if name:
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
        if finding.layer is not Layer.BUSINESS:
            found.update(self._direct.get(finding.rule or finding.metric, ()))
        return frozenset(found)

    def explained_by(self, finding: Finding) -> frozenset[str]:
        """Everything that would explain a finding."""
        found = set(self.about(finding))
        if finding.metric is not None:
            found |= self.rests_on(finding.metric)
            if finding.rule is not None:
                found |= self.rests_on(finding.rule)
        return frozenset(found)

    def spoils(self, finding: Finding, rule: MonitorRule) -> bool:
        """Whether a day with this finding is no normal day for a rule's metric."""
        if not finding.severity.is_error or kind_of(finding) == "column_renamed":
            return False  # a renamed column that was read anyway spoils nothing
        needs = self.rests_on(rule.id) | self.rests_on(rule.metric or rule.id)
        return bool(self.about(finding) & needs)

    def rank(self, finding: Finding) -> int:
        """Lower explains higher: rows, schema, quality metrics, other facts, down the funnel.

        What the gate counts in a delivery (``client_missing``) says no more than the metric that
        dates it to the hour (``identity_coverage``), so the metric goes first.
        """
        kind = kind_of(finding)
        if kind.startswith(_ROWS_KINDS):
            return 0
        if kind.startswith(_SCHEMA):
            return 1
        if finding.metric is None:
            return _GATE - (kind in _DATED)
        depth = len(self.rests_on(finding.metric) & set(self._direct))
        return (_QUALITY if finding.layer is not Layer.BUSINESS else _BUSINESS) + depth


def groups(findings: Sequence[Finding], causes: Causes) -> Mapping[str, list[Finding]]:
    """Findings of P2 and worse by the id of the finding at their root, root first."""
    serious = [finding for finding in findings if finding.severity is not Severity.P3]
    parents = {finding.id: _parent(finding, serious, causes) for finding in serious}
    found: dict[str, list[Finding]] = {}
    for finding in serious:
        root, parent = finding, parents[finding.id]
        while parent is not None:
            root, parent = parent, parents[parent.id]
        members = found.setdefault(root.id, [root])
        if finding is not root:
            members.append(finding)
    return found


def _parent(finding: Finding, others: Sequence[Finding], causes: Causes) -> Finding | None:
    rank = causes.rank(finding)
    needs = causes.explained_by(finding)
    fitting = [
        other
        for other in others
        if other is not finding
        and _before(causes.rank(other), rank, other, finding)
        and causes.about(other) & needs
        and _still_explains(other, finding)
    ]
    return min(
        fitting, key=lambda other: (causes.rank(other), other.severity, other.id), default=None
    )


def _before(other_rank: int, rank: int, other: Finding, finding: Finding) -> bool:
    """A strict order, so that no finding explains its own cause."""
    if other_rank != rank:
        return other_rank < rank
    # the watch and the gate may both see the same hours missing: one incident
    return rank == 0 and _told(other) < _told(finding)


def _told(finding: Finding) -> tuple[Severity, bool, str]:
    """Of findings on whole files the gravest goes first, and of those what is wrong with a file."""
    return finding.severity, not kind_of(finding).startswith("file_"), finding.id


def _still_explains(cause: Finding, finding: Finding) -> bool:
    """A renamed column that is read under its new name explains only what began with it."""
    if kind_of(cause) != "column_renamed":
        return True
    return cause.since[:10] == finding.since[:10] or bool(cause.evidence.get("nothing_accepted"))
