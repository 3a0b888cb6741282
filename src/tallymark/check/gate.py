"""The gate: judge each delivery, keep bad rows and bad deliveries out, remember the verdict."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb

from tallymark.check.columns import Mapping_, map_columns
from tallymark.check.facts import Facts, measure
from tallymark.check.history import history_findings
from tallymark.check.quarantine import Quarantine
from tallymark.check.rules import Hit, finding, judge
from tallymark.config import Action, CheckRule, CheckRules, Config, Severity, fingerprint
from tallymark.contract import Contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import Warehouse, file_digest
from tallymark.errors import InputError
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import Broken, Head, read_head
from tallymark.ingest.landing import Landed, land
from tallymark.results import (
    CheckResult,
    DeliveryReport,
    Finding,
    Layer,
    Verdict,
    status_of,
    to_json,
)

__all__ = ["Gate", "score_of", "summarise"]

LANDING_VERSION = "2"  # raised whenever the same bytes would land differently
_PENALTY = {Severity.P0: 40, Severity.P1: 20, Severity.P2: 5, Severity.P3: 0}
_QUARANTINE_PENALTY = 30
Entry = dict[str, Any]


class Gate:
    """Judges deliveries under one contract, one set of rules and one configuration.

    Args:
        warehouse: Where sound rows land and verdicts are kept; None judges without keeping.
        quarantine: Where rejected rows and deliveries are written.
        scratch: A folder for unfinished work, emptied by its owner.
    """

    def __init__(
        self,
        *,
        config: Config,
        contract: Contract,
        rules: CheckRules,
        engine: DuckEngine,
        warehouse: Warehouse | None,
        quarantine: Quarantine,
        scratch: Path,
        program: str,
    ) -> None:
        self.config = config
        self.contract = contract
        self.rules = rules
        self.engine = engine
        self.warehouse = warehouse
        self.quarantine = quarantine
        self.scratch = scratch
        self.fingerprint = fingerprint(
            contract, rules, config.on_rename, config.shop.timezone, program,
            LANDING_VERSION, duckdb.__version__,
        )  # fmt: skip

    def judge_all(
        self,
        deliveries: Sequence[Delivery],
        *,
        threads: int,
        progress: Callable[[Entry], None] | None = None,
    ) -> tuple[list[Entry], int]:
        """Judge what is new or changed; returns every known entry and how many were judged now."""
        known = {entry["delivery"]: entry for entry in self._known()}
        judged = 0
        with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
            work = [pool.submit(self._judge_once, one, known.get(one.key)) for one in deliveries]
            for task in work:
                entry, new = task.result()
                known[entry["delivery"]] = entry
                if new:
                    judged += 1
                    if self.warehouse is not None:
                        self.warehouse.record(entry)
                if progress is not None:
                    progress(entry)
        entries = sorted(known.values(), key=lambda one: (one["date"] or "", one["delivery"]))
        return entries, judged

    def _known(self) -> list[Entry]:
        return self.warehouse.deliveries() if self.warehouse is not None else []

    def _judge_once(self, delivery: Delivery, known: Entry | None) -> tuple[Entry, bool]:
        try:
            version = file_digest(delivery.path)
        except OSError as error:
            raise InputError(
                f"cannot be read: {error.strerror}",
                where=str(delivery.path),
                fix="see to its permissions, or leave it out of --input",
            ) from error
        if known is not None and self._still_good(known, version):
            return known, False
        engine = self.engine.cursor()
        try:
            # As the ledger will give it back: a verdict of now and one of then are the same bytes.
            entry: Entry = json.loads(
                json.dumps(self._judge(engine, delivery, version), sort_keys=True)
            )
            return entry, True
        finally:
            engine.close()

    def _still_good(self, known: Entry, version: str) -> bool:
        if known["version"] != version or known["fingerprint"] != self.fingerprint:
            return False
        if self.warehouse is None or known["file"] is None:
            return True
        return (self.warehouse.root / str(known["file"])).is_file()

    def _judge(self, engine: DuckEngine, delivery: Delivery, version: str) -> Entry:
        base: Entry = {
            "delivery": delivery.key,
            "date": str(delivery.date) if delivery.date else None,
            "version": version,
            "fingerprint": self.fingerprint,
            "contract_version": self.contract.version,
        }
        try:
            head = read_head(delivery)
            columns = map_columns(self.contract, head)
            _refuse_repeated(columns)
            landed = land(
                engine, delivery, head, mapping=columns.roles, contract=self.contract,
                timezone=self.config.shop.timezone, scratch=self.scratch,
            )  # fmt: skip
        except Broken as broken:
            return self._refused(delivery, base, broken)
        facts = measure(engine, delivery, columns, landed, self.contract)
        weighed = judge(facts, self.rules)
        return self._concluded(engine, delivery, base, head, landed, facts, weighed)

    def _refused(self, delivery: Delivery, base: Entry, broken: Broken) -> Entry:
        rule = next((rule for rule in self.rules.rules if rule.check == broken.check), None)
        if rule is None:
            rule = CheckRule(id=broken.check, check=broken.check, severity=Severity.P0)
        day = str(delivery.date) if delivery.date else None
        one = dataclasses.replace(
            finding(rule, Hit(message=f"{delivery.key}: {broken.message}")),
            since=f"{day}T00:00:00.000Z" if day else "",
            date=day,
            delivery=delivery.key,
            layer=Layer.HEALTH,
        )
        self.quarantine.keep_delivery(delivery, base["version"], [one])
        return {
            **base, "file": None, "verdict": Verdict.STOP, "score": 0, "rows_read": 0,
            "rows_accepted": 0, "rows_quarantined": 0, "rows_repeated": 0, "columns": [],
            "first_event_at": None, "last_event_at": None, "fields": {}, "careful": None,
            "findings": [_as_dict(one)],
        }  # fmt: skip

    def _concluded(
        self,
        engine: DuckEngine,
        delivery: Delivery,
        base: Entry,
        head: Head,
        landed: Landed,
        facts: Facts,
        weighed: Sequence[tuple[CheckRule, Finding]],
    ) -> Entry:
        found = [one for _, one in weighed]
        action = _strictest(weighed, facts, stop_on_rename=self.config.on_rename == "stop")
        whole = action in {"stop", "quarantine_delivery"}
        accepted = 0 if whole else facts.accepted
        rejected = facts.rows - accepted
        if whole:
            self.quarantine.keep_delivery(delivery, base["version"], found)
        elif rejected:
            self.quarantine.keep_rows(engine, delivery, head, landed)
        else:
            self.quarantine.nothing(delivery)
        file: str | None = None
        if self.warehouse is not None and not whole:
            kept = self.warehouse.keep("landed", landed.path)
            file = kept.relative_to(self.warehouse.root).as_posix()
        else:
            landed.path.unlink()
        return {
            **base,
            "date": base["date"] or facts.main_day,
            "file": file,
            "verdict": _verdict(action, found, rejected),
            "score": 0 if whole else score_of(found, rejected / facts.rows if facts.rows else 0.0),
            "rows_read": facts.rows,
            "rows_accepted": accepted,
            "rows_quarantined": rejected,
            "rows_repeated": 0 if whole else facts.repeated,
            "columns": list(head.columns),
            "first_event_at": facts.first,
            "last_event_at": facts.last,
            "fields": {} if whole else {k: list(v) for k, v in facts.orders.fields.items()},
            "careful": landed.careful,
            "findings": [_as_dict(one) for one in found],
        }


def summarise(entries: Sequence[Mapping[str, Any]], rules: CheckRules, contract: Contract,
              judged: int) -> CheckResult:  # fmt: skip
    """All verdicts as one result, with the facts that only history shows added to each."""
    money = frozenset({contract.payload.transaction_id, contract.payload.revenue})
    history = history_findings(entries, rules, money_fields=money)
    reports = []
    for entry in entries:
        own = [_as_finding(one) for one in entry["findings"]]
        found = own + history.get(entry["delivery"], [])
        verdict, score = Verdict(entry["verdict"]), entry["score"]
        if len(found) > len(own) and verdict in {Verdict.PASS, Verdict.WARN}:
            share = entry["rows_quarantined"] / entry["rows_read"] if entry["rows_read"] else 0.0
            verdict, score = _verdict("warn", found, 0), score_of(found, share)
        reports.append(
            DeliveryReport(
                delivery=entry["delivery"],
                date=entry["date"],
                version=entry["version"],
                verdict=verdict,
                score=score,
                rows_read=entry["rows_read"],
                rows_accepted=entry["rows_accepted"],
                rows_quarantined=entry["rows_quarantined"],
                rows_repeated=entry["rows_repeated"],
                columns=entry["columns"],
                contract_version=entry["contract_version"],
                first_event_at=entry["first_event_at"],
                last_event_at=entry["last_event_at"],
                findings=found,
            )
        )
    severities = [one.severity for report in reports for one in report.findings]
    return CheckResult(
        status=status_of(severities),
        deliveries=reports,
        contract_version=contract.version,
        judged_now=judged,
    )


def score_of(found: Sequence[Finding], quarantined: float) -> int:
    """100, less 40 a P0, 20 a P1, 5 a P2, and 30 times the quarantined share; at least 0."""
    lost = sum(_PENALTY[one.severity] for one in found) + _QUARANTINE_PENALTY * quarantined
    return max(0, round(100 - lost))


def _strictest(
    weighed: Sequence[tuple[CheckRule, Finding]], facts: Facts, *, stop_on_rename: bool
) -> Action:
    order: tuple[Action, ...] = ("stop", "quarantine_delivery", "quarantine_rows", "warn")
    actions: set[Action] = {rule.action for rule, _ in weighed}
    if stop_on_rename and any(rename.adopted for rename in facts.columns.renames):
        actions.add("stop")
    return next((action for action in order if action in actions), "warn")


def _refuse_repeated(columns: Mapping_) -> None:
    if columns.repeated:
        raise Broken("file_kind", f"the header names column {columns.repeated[0]} more than once")


def _verdict(action: Action, found: Sequence[Finding], rejected: int) -> Verdict:
    if action == "stop":
        return Verdict.STOP
    if action == "quarantine_delivery" or rejected:
        return Verdict.QUARANTINE
    if any(one.severity is not Severity.P3 for one in found):
        return Verdict.WARN
    return Verdict.PASS


def _as_dict(one: Finding) -> Entry:
    found: Entry = json.loads(to_json(one))
    return found


def _as_finding(kept: Mapping[str, Any]) -> Finding:
    return Finding(
        **{
            **kept,
            "layer": Layer(kept["layer"]),
            "severity": Severity(kept["severity"]),
        }
    )
