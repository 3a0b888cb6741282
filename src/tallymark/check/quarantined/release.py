"""What people do with the quarantine: look, let in, leave out.

Letting in and leaving out are decisions: each is written down first, as a file of the project's
``decisions``, and then the gate judges again and obeys it. So a run that was killed in between is
finished by the next, doing the same thing twice does it once, and a project that is built anew
from its deliveries and decisions holds the same rows.
"""

from __future__ import annotations

import base64
import csv
import dataclasses
import difflib
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tallymark.check.counting.samples import masked, masked_id
from tallymark.check.quarantined.quarantine import Quarantine, Row, hopeless
from tallymark.check.quarantined.settle import DISCARD, RELEASE, Lines, Settlements
from tallymark.config import Severity, fingerprint
from tallymark.decisions import append
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import UsageError
from tallymark.ingest.deliveries import ENDINGS, Delivery, date_in_name
from tallymark.results import Finding, Layer

__all__ = ["Desk", "Held", "Outcome", "Shown", "ShownRow", "escaped", "held", "shown"]

_SHOWN_BYTES = 4096  # of a row, when it is shown; the file of rows has it whole
# A time says when, not who; any other word with a digit in it may be somebody's number.
_WORD = re.compile(
    r"(?P<time>\d{4}-\d{2}-\d{2}(?:[T ][\d:.]{2,18}Z?)?(?!\w))"
    r"|(?<![\w-])(?=[\w-]*\d)[\w-]{4,}(?!\w)"
)
_JSON_TEXT = re.compile(r'("+[\w.-]+"+\s*:\s*"+)[^"]+')
Note = Mapping[str, Any]
Judge = Callable[[Sequence[Delivery]], list[dict[str, Any]]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one rule keeps out of one delivery.

    Attributes:
        delivery: The key of the delivery.
        date: Its day, ISO 8601, if its name states one.
        rule: The rule.
        rows: How many rows; None for the whole delivery.
        why: The reason, as a sentence.
        since: When that began, ISO 8601 UTC; empty if that cannot be told.
        release: What lets it in, as a command or a sentence.
    """

    delivery: str
    date: str | None
    rule: str
    rows: int | None
    why: str
    since: str
    release: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row as it may be shown: hidden in parts, or whole with odd bytes escaped.

    Attributes:
        line: Its line in the delivery.
        rule: The rule that keeps it out.
        reason: Why.
        text: The row.
        base64: Its exact bytes, if nothing is to be hidden.
    """

    line: int
    rule: str
    reason: str
    text: str
    base64: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is kept out of a delivery, for reading.

    Attributes:
        delivery: The key of the delivery.
        held: By which rules.
        rows: The first rows; of a delivery that was refused whole, the first lines of its copy.
        more: How many further rows there are.
        kept: What is kept of a delivery that was refused whole, as a sentence.
        file: Where its bytes are.
    """

    delivery: str
    held: Sequence[Held]
    rows: Sequence[ShownRow]
    more: int = 0
    kept: str | None = None
    file: Path | None = None


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
    """

    delivery: str
    decision: Path | None
    rows_let_in: int
    rows_accepted: int
    rows_quarantined: int
    left: Sequence[Held]


# ---------------------------------------------------------------- looking


def held(quarantine: Quarantine) -> list[Held]:
    """What is kept out and not settled: one item a delivery and rule, oldest day first."""
    found = [one for note in quarantine.notes() for one in _held(note)]
    return sorted(found, key=lambda one: (one.date or "", one.delivery, one.rule))


def _held(note: Note) -> list[Held]:
    key, date = str(note["delivery"]), note.get("date")
    whole = "rules" not in note
    return [
        Held(
            delivery=key, date=date, rule=one["rule"], rows=None if whole else one["rows"],
            why=masked(one["why"]), since=one["since"] or (f"{date}T00:00:00.000Z" if date else ""),
            release=(
                f"mend it at the source and deliver it again: {one['hopeless']}"
                if one.get("hopeless")
                else f"tallymark quarantine release {_word(key)} --rule {one['rule']}"
            ),
        )
        for one in note["refusals" if whole else "rules"]
    ]  # fmt: skip


def _word(text: str) -> str:
    """A text as one word of a command line."""
    import shlex  # noqa: PLC0415 -- only what is shown needs it

    return shlex.quote(text)


def shown(quarantine: Quarantine, key: str, *, rule: str | None, limit: int, raw: bool) -> Shown:
    """What is kept out of a delivery, with the first rows.

    Args:
        quarantine: The quarantine.
        key: The delivery.
        rule: Only what this rule keeps out.
        limit: How many rows at most.
        raw: Show everything in them; else what is personal is hidden.

    Raises:
        UsageError: Nothing of such a delivery, or by such a rule, is in quarantine.
    """
    note = _asked_for(quarantine, key, [rule] if rule else [])
    items = [one for one in _held(note) if rule is None or one.rule == rule]
    whole = "rules" not in note
    copy = quarantine.kept_copy(note) if whole else None
    rows: list[Row] = []
    if whole:
        rows = _first_lines(copy, items, limit) if copy is not None else []
    else:
        for row in quarantine.read_rows(key, rule):
            rows.append(row)
            if len(rows) >= limit:
                break
    total = sum(one.rows or 0 for one in items)
    return Shown(
        delivery=key, held=items, rows=[_shown(row, note, raw=raw) for row in rows[:limit]],
        more=max(0, total - len(rows[:limit])), kept=note.get("kept"), file=copy,
    )  # fmt: skip


def _first_lines(copy: Path, items: Sequence[Held], limit: int) -> list[Row]:
    if not copy.name.endswith((".csv", ".jsonl", ".ndjson")):
        return []
    found: list[Row] = []
    with copy.open("rb") as stream:
        while len(found) < limit and (line := stream.readline(_SHOWN_BYTES)):
            row = Row(line=len(found) + 1, rule=items[0].rule, reason=items[0].why,
                      original=line.rstrip(b"\r\n"))  # fmt: skip
            found.append(row)
            while line and not line.endswith(b"\n"):
                line = stream.readline(_SHOWN_BYTES)
    return found


def _shown(row: Row, note: Note, *, raw: bool) -> ShownRow:
    part = row.original[:_SHOWN_BYTES]
    cut = "" if len(part) == len(row.original) else "…"
    if raw:
        exact = base64.b64encode(row.original).decode()
        return ShownRow(line=row.line, rule=row.rule, reason=row.reason, text=escaped(part) + cut,
                        base64=exact)  # fmt: skip
    text = _hidden(part.decode("utf-8", errors="replace"), note.get("columns") or ())
    return ShownRow(line=row.line, rule=row.rule, reason=masked(row.reason), text=text + cut)


def escaped(original: bytes) -> str:
    r"""Bytes as text that no terminal acts on, and from which the bytes can be told.

    >>> escaped(b"a\x1b[31m\xff\\")
    'a\\x1b[31m\\xff\\\\'
    """
    text = original.replace(b"\\", b"\\\\").decode("utf-8", errors="backslashreplace")
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def _hidden(text: str, columns: Sequence[str]) -> str:
    """A row without what may be personal: its ids, the texts of its payload, its addresses."""
    text = _JSON_TEXT.sub(r"\1…", text)
    text = _WORD.sub(lambda word: word["time"] or masked_id(word[0]), text)
    cells = _cells(text)
    if columns and len(cells) == len(columns):
        return ", ".join(
            f"{name}: {masked(cell)}" for name, cell in zip(columns, cells, strict=True) if cell
        )
    return masked(text)


def _cells(text: str) -> list[str]:
    try:
        return next(iter(csv.reader(io.StringIO(text, newline=""), strict=True)), [])
    except csv.Error:
        return []


def _asked_for(quarantine: Quarantine, key: str, rules: Iterable[str]) -> Note:
    """The note on a delivery in quarantine.

    Raises:
        UsageError: There is none, or a rule keeps nothing of it out.
    """
    note = quarantine.note(key)
    if note is None:
        there = sorted({str(one["delivery"]) for one in quarantine.notes()})
        close = difflib.get_close_matches(key, there, n=1, cutoff=0.5)
        fix = f"did you mean {close[0]!r}?" if close else "see `tallymark quarantine list`"
        raise UsageError(f"nothing of {key!r} is in quarantine", fix=fix)
    known = [one.rule for one in _held(note)]
    for rule in rules:
        if rule not in known:
            raise UsageError(
                f"rule {rule!r} keeps nothing of {key!r} out", fix=f"it is {' and '.join(known)}"
            )
    return note


# ---------------------------------------------------------------- deciding


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
            note = _asked_for(self.quarantine, key, rest)
            rest = _releasable(note, rest, lines)
        # What was left out by decision is let in again by one: it is in no list any more.
        note = note or self._past_note(key)
        if note is None:
            note = _asked_for(self.quarantine, key, rules)
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
            UsageError: Nothing of it was ever kept out.
        """
        note: Note | None = self.quarantine.note(key)
        if note is None and self._settled(key) and not rules:
            return self._outcome(key, None, self._accepted(key), self.judge(()))
        if note is None:
            note = self._past_note(key) if rules else None
        else:
            _asked_for(self.quarantine, key, rules)
        if note is None:
            note = _asked_for(self.quarantine, key, rules)
        wanted = list(rules) or [one.rule for one in _held(note)]
        path = self._decide(DISCARD, note, wanted, None, reason)
        before = self._accepted(key)
        entries = self.judge(self._copies(note))
        now = self.quarantine.note(key)
        if now is not None and {one.rule for one in _held(now)} & set(wanted):
            # The file is not there any more, and no copy of it, so it cannot be judged again.
            self.quarantine.settle(key, frozenset(wanted))
            self._settle_entry(key, frozenset(wanted))
            entries = self.judge(())
        return self._outcome(key, path, before, entries)

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
        changed = {**entry, "findings": found, "fingerprint": mark}
        self.warehouse.record(json.loads(json.dumps(changed)))

    def _outcome(
        self, key: str, path: Path | None, before: int, entries: Sequence[Mapping[str, Any]]
    ) -> Outcome:
        now = next((one for one in entries if one["delivery"] == key), None)
        note = self.quarantine.note(key)
        accepted = int(now["rows_accepted"]) if now is not None else 0
        return Outcome(
            delivery=key, decision=path, rows_let_in=max(0, accepted - before),
            rows_accepted=accepted,
            rows_quarantined=int(now["rows_quarantined"]) if now is not None else 0,
            left=_held(note) if note is not None else [],
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
