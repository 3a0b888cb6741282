"""What the watch has said of the data: the status, the troubles still open, the bad days."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tallymark.config import Severity
from tallymark.engine.base import Engine
from tallymark.engine.warehouse import Warehouse
from tallymark.report.tables import present
from tallymark.results import Status, status_of

__all__ = ["Judgement", "Trouble", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something broken and not yet mended, with what it puts at risk where that can be stated."""

    id: str
    severity: Severity
    layer: str
    since: str
    message: str
    fix: str
    state: str
    money: Decimal | None
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The status of the data and the evidence for it.

    Attributes:
        day: The judged day the status is of; None if nothing was judged.
        status: None where neither the watch nor the gate has looked.
        source: ``watch``, ``gate`` (findings of deliveries alone) or ``nobody``.
        troubles: Worst first.
        bad_days: Judged days with an open P0 or P1.
        judged_days: All judged days.
    """

    day: str | None
    status: Status | None
    source: str
    troubles: tuple[Trouble, ...]
    bad_days: frozenset[dt.date]
    judged_days: frozenset[dt.date]

    @property
    def errors(self) -> tuple[Trouble, ...]:
        """The open troubles of severity P0 and P1."""
        return tuple(trouble for trouble in self.troubles if trouble.severity.is_error)


def read(warehouse: Warehouse, engine: Engine, *, through: dt.date | None) -> Judgement:
    """The latest judgement up to ``through``; the gate's findings where the watch never ran."""
    days = [day for day in warehouse.judged_days() if through is None or day <= through.isoformat()]
    bad: set[dt.date] = set()
    judged: set[dt.date] = set()
    latest: Mapping[str, Any] | None = None
    for day in days:
        report = warehouse.sound_judgement(day)
        try:
            date = dt.date.fromisoformat(day)
        except ValueError:
            continue
        if not report:
            continue
        latest = report
        judged.add(date)
        if _status(report) is Status.RED:
            bad.add(date)
    if latest is None:
        return _by_the_gate(engine, through)
    return Judgement(
        day=max(judged).isoformat(),
        status=_status(latest),
        source="watch",
        troubles=_troubles(latest),
        bad_days=frozenset(bad),
        judged_days=frozenset(judged),
    )


def _status(report: Mapping[str, Any]) -> Status:
    given = str(report.get("status", ""))
    if given in set(Status):
        return Status(given)
    return status_of([trouble.severity for trouble in _troubles(report)])


def _troubles(report: Mapping[str, Any]) -> tuple[Trouble, ...]:
    given = report.get("incidents") or report.get("findings") or ()
    found = [_trouble(entry) for entry in given if isinstance(entry, Mapping)]
    return _ranked([trouble for trouble in found if trouble.state != "resolved"])


def _trouble(entry: Mapping[str, Any]) -> Trouble:
    severity = str(entry.get("severity", ""))
    return Trouble(
        id=str(entry.get("id", "")),
        severity=Severity(severity) if severity in set(Severity) else Severity.P3,
        layer=str(entry.get("layer") or ""),
        since=str(entry.get("since") or ""),
        message=str(entry.get("message") or entry.get("id") or ""),
        fix=str(entry.get("fix") or ""),
        state=str(entry.get("state") or "open"),
        money=_amount(entry.get("money_at_risk")),
        formula=str(entry.get("money_formula") or ""),
    )


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return Decimal(str(value)) if math.isfinite(value) else None


def _ranked(troubles: list[Trouble]) -> tuple[Trouble, ...]:
    return tuple(
        sorted(troubles, key=lambda t: (t.severity, -(t.money or Decimal(0)), t.since, t.id))
    )


def _by_the_gate(engine: Engine, through: dt.date | None) -> Judgement:
    troubles: tuple[Trouble, ...] = ()
    status = None
    source = "nobody"
    if {"ledger_findings", "ledger_deliveries"} <= present(engine):
        source = "gate"
        bound = through.isoformat() if through else "9999-12-31"
        found = engine.rows(
            """
            select id, min(severity), min(since), max(date), count(distinct delivery),
                min(message), min(fix), min(layer)
            from ledger_findings
            where coalesce(date, '') <= ? and severity <= 'P2'
            group by id order by id
            """,
            [bound],
        )
        troubles = _ranked(
            [
                Trouble(
                    id=str(row[0]),
                    severity=Severity(row[1]),
                    layer=str(row[7] or ""),
                    since=str(row[2] or ""),
                    message=str(row[5] or row[0]),
                    fix=str(row[6] or ""),
                    state=f"in {row[4]:,} deliver{'y' if row[4] == 1 else 'ies'}",
                    money=None,
                    formula="",
                )
                for row in found
            ]
        )
        status = status_of([trouble.severity for trouble in troubles])
    return Judgement(
        day=None,
        status=status,
        source=source,
        troubles=troubles,
        bad_days=frozenset(),
        judged_days=frozenset(),
    )
