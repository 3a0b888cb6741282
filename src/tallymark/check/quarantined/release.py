"""What people decide about the quarantine: let in, leave out.

Letting in and leaving out are decisions: each is written down first, as a file of the project's
``decisions``, and then the gate judges again and obeys it. So a run that was killed in between is
finished by the next, doing the same thing twice does it once, and a project that is built anew
from its deliveries and decisions holds the same rows.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tallymark.check.quarantined.held import Held, Note, asked_for, held_in
from tallymark.check.quarantined.quarantine import Quarantine, hopeless
from tallymark.check.quarantined.settle import DISCARD, RELEASE, Lines, Settlements
from tallymark.config import Severity, fingerprint
from tallymark.decisions import append
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import UsageError
from tallymark.ingest.deliveries import ENDINGS, Delivery, date_in_name
from tallymark.results import Finding, Layer

__all__ = ["Desk", "Outcome"]

Judge = Callable[[Sequence[Delivery]], list[dict[str, Any]]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a decision.

    Attributes:
        delivery: The key of the delivery.
        decision: The file of the decision; None if none was needed.
        rows_let_in: How many rows are in ``events`` now that were not before.
        rows_accepted: How many of its rows are in ``events`` now.
        rows_quarantined: How many are not.
        left: What is still kept out and not settled.
        waiting: Rules of these that are overridden: the delivery is not there to be judged again.
    """

    delivery: str
    decision: Path | None
    rows_let_in: int
    rows_accepted: int
    rows_quarantined: int
    left: Sequence[Held]
    waiting: Sequence[str] = ()


class Desk:
    """Where decisions about the quarantine are made.

    Args:
        quarantine: The quarantine.
        decisions: The project's folder of decisions.
        warehouse: The warehouse, held for writing; None if rows are judged and not kept.
        judge: Judges everything that is delivered, and copies of deliveries that are not there
            any more, builds what there is to build, and returns every verdict.
    """

    def __init__(
        self, quarantine: Quarantine, *, decisions: Path, warehouse: Warehouse | None, judge: Judge
    ) -> None:
        self.quarantine = quarantine
        self.decisions = decisions
        self.warehouse = warehouse
        self.judge = judge

    def release(
        self,
        key: str,
        *,
        rules: Sequence[str] = (),
        lines: Lines | None = None,
        reason: str = "",
    ) -> Outcome:
        """Judge a delivery again; let in what is sound now.

        Args:
            key: The delivery.
            rules: Rules that shall not keep it out although they fire: a decision.
            lines: Only these rows, first and last line.
            reason: Why, in somebody's words.

        Raises:
            UsageError: Nothing of it was ever kept out, or what a rule keeps out can never be in.
        """
        note: Note | None = self.quarantine.note(key)
        back = self._discarded(key, note, rules)
        if note is None and self._settled(key) and not back:
            return self._outcome(key, None, self._accepted(key), self.judge(()))
        rest = [rule for rule in rules if rule not in back]
        if rest or not back:
            note = asked_for(self.quarantine, key, rest)
            rest = _releasable(note, rest, lines)
        # What was left out by decision is let in again by one: it is in no list any more.
        note = note or self._past_note(key)
        if note is None:
            note = asked_for(self.quarantine, key, rules)
        rules = [*back, *rest]
        path = self._decide(RELEASE, note, rules, lines, reason) if rules else None
        before = self._accepted(key)
        return self._outcome(key, path, before, self.judge(self._copies(note)))

    def _discarded(self, key: str, note: Note | None, rules: Sequence[str]) -> list[str]:
        """Those of the rules whose rows, or delivery, were left out by decision.

        Raises:
            UsageError: What one keeps out can never be let in.
        """
        known = note or self._past_note(key)
        if known is None:
            return []
        decided = Settlements(self.decisions).of(key, str(known["version"])).discarded
        back = [rule for rule in dict.fromkeys(rules) if rule in decided]
        for rule in back:
            if why := hopeless(rule):
                raise _never(rule, key, why)
        return back

    def discard(self, key: str, *, rules: Sequence[str] = (), reason: str = "") -> Outcome:
        """Decide that what is kept out stays out; it is settled, and its bytes are history.

        Args:
            key: The delivery.
            rules: Only what these rules keep out; all by default.
            reason: Why, in somebody's words.

        Raises:
            UsageError: Nothing of it was ever kept out, or it is let in by a decision that no rule
                names to take back.
        """
        note: Note | None = self.quarantine.note(key)
        if note is None and self._settled(key) and not rules:
            self._refuse_let_in(key)
            return self._outcome(key, None, self._accepted(key), self.judge(()))
        if note is None:
            note = self._past_note(key) if rules else None
        else:
            asked_for(self.quarantine, key, rules)
        if note is None:
            note = asked_for(self.quarantine, key, rules)
        wanted = list(rules) or [one.rule for one in held_in(note)]
        path = self._decide(DISCARD, note, wanted, None, reason)
        before = self._accepted(key)
        entries = self.judge(self._copies(note))
        now = self.quarantine.note(key)
        if now is not None and {one.rule for one in held_in(now)} & set(wanted):
            # The file is not there any more, and no copy of it, so it cannot be judged again.
            self.quarantine.settle(key, frozenset(wanted))
            self._settle_entry(key, frozenset(wanted))
            entries = self.judge(())
        return self._outcome(key, path, before, entries)

    def _refuse_let_in(self, key: str) -> None:
        entry = self._entry(key)
        if entry is None:
            return
        let_in = sorted(Settlements(self.decisions).of(key, str(entry["version"])).released)
        if let_in:
            raise UsageError(
                f"{key!r} is let in by decision, and nothing is kept out of it",
                fix=f"say --rule {' or --rule '.join(let_in)} to leave it out again",
            )

    def _decide(
        self,
        kind: str,
        note: Note,
        rules: Sequence[str],
        lines: Lines | None,
        reason: str,
    ) -> Path | None:
        """Write a decision down, unless it has been made before."""
        key, version = str(note["delivery"]), str(note["version"])
        facts: dict[str, Any] = {"delivery": key, "version": version, "rules": sorted(set(rules))}
        if lines is not None:
            facts["lines"] = f"{lines[0]}-{lines[1]}"
        before = Settlements(self.decisions).of(key, version)
        if before.after(kind, facts["rules"], lines) == before:
            return None
        if reason:
            facts["reason"] = reason
        return append(self.decisions, kind, facts)

    def _settled(self, key: str) -> bool:
        """Whether something of a delivery was in quarantine, or it is known at all."""
        return bool(self.quarantine.past(key)) or self._entry(key) is not None

    def _past_note(self, key: str) -> Note | None:
        """The delivery and version that a decision can name when nothing is open any more."""
        entry = self._entry(key)
        return None if entry is None else {"delivery": key, "version": entry["version"]}

    def _entry(self, key: str) -> dict[str, Any] | None:
        known = self.warehouse.deliveries() if self.warehouse is not None else []
        return next((one for one in known if one["delivery"] == key), None)

    def _accepted(self, key: str) -> int:
        entry = self._entry(key)
        return int(entry["rows_accepted"]) if entry is not None else 0

    def _copies(self, note: Note) -> list[Delivery]:
        """The kept copy of a delivery, to be judged if the delivery is not there any more."""
        copy = self.quarantine.kept_copy(note)
        if copy is None:
            return []
        key = str(note["delivery"])
        ending = max((one for one in ENDINGS if key.lower().endswith(one)), key=len, default=None)
        if ending is None:
            return []
        kind, compression = ENDINGS[ending]
        return [
            Delivery(
                key=key, path=copy, date=date_in_name(key), format=kind, compression=compression
            )
        ]

    def _settle_entry(self, key: str, rules: frozenset[str]) -> None:
        entry = self._entry(key)
        if entry is None or self.warehouse is None:
            return
        decided = Settlements(self.decisions).of(key, entry["version"])
        found = []
        for one in entry["findings"]:
            known = Finding(
                **{**one, "layer": Layer(one["layer"]), "severity": Severity(one["severity"])}
            )
            told = decided.settled(known) if one.get("rule") in rules else known
            found.append({**one, "severity": told.severity, "message": told.message,
                          "evidence": dict(told.evidence)})  # fmt: skip
        mark = fingerprint(entry["fingerprint"], decided.text)
        left = self.quarantine.open_mark(key)
        changed = {**entry, "findings": found, "fingerprint": mark, "left_open": left}
        self.warehouse.record(json.loads(json.dumps(changed)))

    def _outcome(
        self, key: str, path: Path | None, before: int, entries: Sequence[Mapping[str, Any]]
    ) -> Outcome:
        now = next((one for one in entries if one["delivery"] == key), None)
        note = self.quarantine.note(key)
        accepted = int(now["rows_accepted"]) if now is not None else 0
        left = held_in(note) if note is not None else []
        version = str(note["version"]) if note is not None else ""
        decided = Settlements(self.decisions).of(key, version)
        return Outcome(
            delivery=key, decision=path, rows_let_in=max(0, accepted - before),
            rows_accepted=accepted,
            rows_quarantined=int(now["rows_quarantined"]) if now is not None else 0,
            left=left, waiting=[one.rule for one in left if decided.releases(one.rule)],
        )  # fmt: skip


def _releasable(note: Note, rules: Sequence[str], lines: Lines | None) -> list[str]:
    """The rules to override.

    Raises:
        UsageError: What a rule keeps out can never be let in, or lines name no rule's rows.
    """
    key = str(note["delivery"])
    items = {one["rule"]: one for one in note.get("rules", note.get("refusals", ()))}
    wanted = list(dict.fromkeys(rules))
    if lines is not None:
        if "rules" not in note:
            raise UsageError(
                f"{key!r} is kept out as a whole, so there are no lines to choose",
                fix="leave out --lines",
            )
        if not wanted and len(items) > 1:
            raise UsageError("which rows?", fix=f"say --rule {' or '.join(sorted(items))}")
        wanted = wanted or list(items)
    for rule in wanted:
        if items[rule].get("hopeless"):
            raise _never(rule, key, str(items[rule]["hopeless"]))
    return wanted


def _never(rule: str, key: str, why: str) -> UsageError:
    return UsageError(
        f"{rule} of {key!r} cannot be released: {why}",
        fix="mend it at the source and deliver it again, or discard it",
    )
