"""What people decided about the quarantine, as the gate obeys it.

A decision names a delivery and the version of its bytes: corrected bytes are judged afresh. What
follows from all decisions on one version is worked out from them in their order, without times
and reasons, so that the same decisions mean the same verdict whenever they are read.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tallymark.check.quarantined.quarantine import ROW_FAULTS
from tallymark.config import CheckRule, Severity
from tallymark.decisions import Decision, read
from tallymark.engine.duckdb import DuckEngine
from tallymark.errors import ConfigError
from tallymark.ingest.landing import Landed
from tallymark.results import Finding, Layer

__all__ = ["DISCARD", "NOTHING", "RELEASE", "Lines", "Settlement", "Settlements", "lines_of"]

RELEASE = "quarantine_release"
DISCARD = "quarantine_discard"
Lines = tuple[int, int]
_ALL: Lines = (0, 2**62)
_LINE = re.compile(r"[0-9]{1,18}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What was decided about one version of one delivery.

    Attributes:
        released: Rules that are overridden, and the lines for which: first and last, both in.
        discarded: Rules whose rows or delivery are to stay out, and are nobody's task any more.
    """

    released: Mapping[str, Sequence[Lines]] = dataclasses.field(default_factory=dict)
    discarded: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """Its content as text: the same decisions, the same text; empty if there are none."""
        if not self.released and not self.discarded:
            return ""
        released = {rule: list(lines) for rule, lines in sorted(self.released.items())}
        return json.dumps([released, sorted(self.discarded)])

    def after(self, kind: str, rules: Sequence[str], lines: Lines | None) -> Settlement:
        """What holds after one more decision.

        Args:
            kind: ``quarantine_release`` or ``quarantine_discard``.
            rules: The rules it is about.
            lines: The rows it is about, first and last line; None for all.
        """
        released = dict(self.released)
        if kind == DISCARD:
            for rule in rules:
                released.pop(rule, None)
            return Settlement(released=released, discarded=self.discarded | set(rules))
        for rule in rules:
            released[rule] = _joined([*released.get(rule, ()), lines or _ALL])
        return Settlement(released=released, discarded=self.discarded - set(rules))

    def releases(self, rule: str) -> bool:
        """Whether a rule may not refuse this delivery."""
        return _ALL in self.released.get(rule, ())

    def weighed(
        self, found: Sequence[tuple[CheckRule, Finding]]
    ) -> list[tuple[CheckRule, Finding]]:
        """Findings of the rules as they count after the decisions.

        A rule that was overridden only warns; what was discarded is information.
        """
        return [self._decided(rule, one) for rule, one in found]

    def _decided(self, rule: CheckRule, one: Finding) -> tuple[CheckRule, Finding]:
        if self.releases(rule.id) and rule.action != "quarantine_rows":
            said = dataclasses.replace(
                one,
                severity=max(one.severity, Severity.P2),
                message=f"{one.message}; let in by decision",
                evidence={**one.evidence, "decision": "released", "severity": str(one.severity)},
            )
            return rule.model_copy(update={"action": "warn"}), said
        if {rule.id, rule.check} & self.discarded:
            return rule, self.settled(one)
        return rule, one

    def settled(self, one: Finding) -> Finding:
        """A finding that needs nobody any more."""
        return dataclasses.replace(
            one,
            severity=Severity.P3,
            message=f"{one.message}; left out by decision",
            evidence={**one.evidence, "decision": "discarded", "severity": str(one.severity)},
        )

    @staticmethod
    def dated(one: Finding, entry: Mapping[str, Any]) -> Finding:
        """A finding about a decision with the day and the delivery of a ledger entry."""
        since = entry["first_event_at"] or ""
        return dataclasses.replace(one, since=since, date=entry["date"], delivery=entry["delivery"])

    def pardoned(self, engine: DuckEngine, landed: Landed) -> tuple[Landed, list[Finding]]:
        """The landed rows without the faults that were overridden, and what is to be said of it."""
        found: list[Finding] = []
        for rule, lines in sorted(self.released.items()):
            fault = ROW_FAULTS.get(rule)
            if fault is None:
                continue
            source = landed.source
            inside = " or ".join(f"line_number between {low} and {high}" for low, high in lines)
            wanted = f"(faults & {fault.value} > 0 and ({inside}))"
            rows = int(engine.rows(f"select count(*) from {source} where {wanted}")[0][0])
            if not rows:
                continue
            cleared = landed.path.with_suffix(".released.parquet")
            engine.write(
                "select * replace (cast(case when "
                f"{wanted} then faults - {fault.value} else faults end as integer) as faults) "
                f"from {source}",
                cleared,
                "format parquet, compression snappy, write_bloom_filter false",
            )
            cleared.replace(landed.path)
            found.append(_said(rule, rows))
        return landed, found


NOTHING = Settlement()


def _said(rule: str, rows: int) -> Finding:
    return Finding(
        id=f"quarantine_released:{rule}", layer=Layer.QUALITY, severity=Severity.P3, rule=rule,
        message=f"{rows:,} row{'' if rows == 1 else 's'} let in by decision although "
        f"{rule} would keep {'it' if rows == 1 else 'them'} out",
        since="", rows=rows, evidence={"decision": "released"},
        fix="nothing, unless the decision was wrong: `tallymark quarantine discard` with "
        f"`--rule {rule}` takes it back",
    )  # fmt: skip


class Settlements:
    """All decisions about the quarantine of a project.

    Args:
        folder: The project's ``decisions``.

    Raises:
        ConfigError: A file there is no decision, or not one that can be obeyed.
    """

    def __init__(self, folder: Path) -> None:
        self._known: dict[tuple[str, str], Settlement] = {}
        for one in read(folder) if folder.is_dir() else []:
            if one.kind in {RELEASE, DISCARD}:
                self._add(one)

    def of(self, delivery: str, version: str) -> Settlement:
        """What was decided about one version of a delivery."""
        return self._known.get((delivery, version), NOTHING)

    def _add(self, one: Decision) -> None:
        facts = one.facts
        key = (_text(one, "delivery"), _text(one, "version"))
        rules = facts.get("rules")
        if not isinstance(rules, list) or not all(isinstance(rule, str) for rule in rules):
            raise ConfigError("rules: a list of rules is needed here", where=str(one.path))
        given = facts.get("lines")
        lines = None if given is None else lines_of(str(given), where=str(one.path))
        self._known[key] = self._known.get(key, NOTHING).after(one.kind, rules, lines)


def _text(one: Decision, name: str) -> str:
    value: Any = one.facts.get(name)
    if not isinstance(value, str):
        raise ConfigError(f"{name}: a text is needed here", where=str(one.path))
    return value


def _joined(lines: Sequence[Lines]) -> tuple[Lines, ...]:
    """Ranges of lines in order, those that touch made one."""
    found: list[Lines] = []
    for low, high in sorted(lines):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def lines_of(text: str, *, where: str = "") -> Lines:
    """A range of lines, written as ``12-40`` or ``12``.

    Raises:
        ConfigError: It is no range of lines.
    """
    first, _, last = text.partition("-")
    low, high = first.strip(), (last or first).strip()
    if not all(_LINE.fullmatch(one) for one in (low, high)) or int(low) > int(high):
        raise ConfigError(
            f"{text!r} is no range of lines", where=where, fix="write it as 12-40, or 12"
        )
    return int(low), int(high)
