"""What findings come to: the verdict on one delivery, and the report on all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tallymark.check.counting.facts import Facts
from tallymark.check.counting.queries import answerable
from tallymark.check.counting.samples import masked, private
from tallymark.check.header.columns import READ_OTHERWISE
from tallymark.check.once import told_once
from tallymark.check.past.days import NO_CLOCK, Clock
from tallymark.check.past.header_history import header_findings
from tallymark.check.past.history import history_findings
from tallymark.check.past.usual import softened
from tallymark.check.quarantined.quarantine import Refusal, hopeless
from tallymark.check.score import score_of, score_parts
from tallymark.config import Action, CheckRule, CheckRules, Severity
from tallymark.contract import Contract
from tallymark.ingest.encodings import spelled
from tallymark.results import (
    CheckResult,
    DeliveryReport,
    Finding,
    Layer,
    Verdict,
    status_of,
    to_json,
)

__all__ = [
    "as_dict",
    "as_finding",
    "as_kept",
    "nothing_read",
    "refusals_of",
    "strictest",
    "summarise",
    "verdict_of",
]

Entry = dict[str, Any]


def summarise(entries: Sequence[Mapping[str, Any]], rules: CheckRules, contract: Contract,
              judged: int, clock: Clock = NO_CLOCK,
              paths: Mapping[str, str] | None = None) -> CheckResult:  # fmt: skip
    """All verdicts as one result, with the facts that only history shows added to each.

    Args:
        entries: What the ledger has of each delivery.
        rules: Which checks there are.
        contract: What was promised.
        judged: How many deliveries were judged now.
        clock: What time it is.
        paths: By delivery the path by which the gate can be asked about it again.
    """
    history, usual = history_findings(entries, rules, contract, clock)
    headers = header_findings(entries, rules)
    reports = []
    for entry in entries:
        kept = [as_finding(one) for one in entry["findings"]]
        own = softened(kept, entry["delivery"], usual, rules)
        later = [*history.get(entry["delivery"], []), *headers.get(entry["delivery"], [])]
        found = told_once([*own, *later], rules, contract, entry["rows_read"])
        verdict = Verdict(entry["verdict"])
        if (later or own != kept) and verdict in {Verdict.PASS, Verdict.WARN}:
            verdict = verdict_of("warn", found, 0)
        share = entry["rows_quarantined"] / entry["rows_read"] if entry["rows_read"] else 0.0
        refused = not entry["score"] and not entry["rows_accepted"]
        reports.append(
            DeliveryReport(
                delivery=entry["delivery"],
                date=entry["date"],
                version=entry["version"],
                verdict=verdict,
                score=0 if refused else score_of(found, share),
                score_parts=score_parts(found, share, refused=refused),
                rows_read=entry["rows_read"],
                rows_accepted=entry["rows_accepted"],
                rows_quarantined=entry["rows_quarantined"],
                rows_repeated=entry["rows_repeated"],
                columns=[masked(spelled(name)) for name in entry["columns"]],
                contract_version=entry["contract_version"],
                first_event_at=entry["first_event_at"],
                last_event_at=entry["last_event_at"],
                findings=[
                    private(answerable(one, entry, later, (paths or {}).get(entry["delivery"])))
                    for one in found
                ],
            )
        )
    severities = [one.severity for report in reports for one in report.findings]
    return CheckResult(
        status=status_of(severities),
        deliveries=reports,
        contract_version=contract.version,
        judged_now=judged,
    )


def strictest(
    weighed: Sequence[tuple[CheckRule, Finding]], facts: Facts, *, stop_on_rename: bool
) -> Action:
    """What happens to a delivery: the strictest action of the rules that fired."""
    order: tuple[Action, ...] = ("stop", "quarantine_delivery", "quarantine_rows", "warn")
    actions: set[Action] = {rule.action for rule, _ in weighed}
    if stop_on_rename and facts.columns.adopted:
        actions.add("stop")
    return next((action for action in order if action in actions), "warn")


def refusals_of(
    weighed: Sequence[tuple[CheckRule, Finding]], *, stop_on_rename: bool
) -> list[Refusal]:
    """Which findings keep a whole delivery out, and whether a decision could let it in."""
    found: dict[str, Refusal] = {}
    for rule, one in weighed:
        renamed = stop_on_rename and rule.check in READ_OTHERWISE
        if renamed or rule.action in {"stop", "quarantine_delivery"}:
            never = hopeless(rule.check, one.evidence.get("roles", ()))
            known = Refusal(rule=rule.id, why=one.message, since=one.since, hopeless=never)
            found.setdefault(rule.id, known)
    return list(found.values())


def verdict_of(action: Action, found: Sequence[Finding], rejected: int) -> Verdict:
    """The verdict that an action and findings come to."""
    if action == "stop":
        return Verdict.STOP
    if action == "quarantine_delivery" or rejected:
        return Verdict.QUARANTINE
    if any(one.severity is not Severity.P3 for one in found):
        return Verdict.WARN
    return Verdict.PASS


def nothing_read(base: Entry) -> Entry:
    """An entry of a delivery that was stopped before its rows were read."""
    return {
        **base, "file": None, "verdict": Verdict.STOP, "score": 0, "rows_read": 0,
        "rows_accepted": 0, "rows_quarantined": 0, "rows_repeated": 0, "columns": [],
        "first_event_at": None, "last_event_at": None, "fields": {}, "careful": None,
    }  # fmt: skip


def as_kept(entry: Entry) -> Entry:
    """As the ledger will give it back: a verdict of now and one of then are the same bytes."""
    kept: Entry = json.loads(json.dumps(entry, sort_keys=True))
    return kept


def as_dict(one: Finding) -> Entry:
    """A finding as the ledger keeps it."""
    found: Entry = json.loads(to_json(one))
    return found


def as_finding(kept: Mapping[str, Any]) -> Finding:
    """A finding as it was before the ledger kept it."""
    return Finding(
        **{
            **kept,
            "layer": Layer(kept["layer"]),
            "severity": Severity(kept["severity"]),
            "money": None if kept.get("money") is None else Decimal(str(kept["money"])),
        }
    )
