"""What the stages return and write as JSON: plain, frozen, comparable data.

Findings and incidents have one shape in every report, so that a reader, a dashboard and an
alert route need to know it once.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tallymark.config import Severity
from tallymark.notebook import as_html

__all__ = [
    "FIRST_BUILD",
    "NOTHING_CHANGED",
    "BuildPlan",
    "BuildResult",
    "CheckResult",
    "DeliveryReport",
    "FailOn",
    "Finding",
    "Incident",
    "Layer",
    "MonitorResult",
    "ReportResult",
    "RunResult",
    "Severity",
    "Status",
    "Verdict",
    "exit_code",
    "refused",
    "status_of",
    "to_json",
]


class Status(enum.StrEnum):
    """RED with an open P0 or P1, YELLOW with an open P2, else GREEN."""

    GREEN = "GREEN"
    YELLOW = "YELLOW"
    RED = "RED"


class Verdict(enum.StrEnum):
    """What the gate did with a delivery, mildest first."""

    PASS = "PASS"  # noqa: S105 -- a verdict, not a password
    WARN = "WARN"
    QUARANTINE = "QUARANTINE"
    STOP = "STOP"


class Layer(enum.StrEnum):
    """The three layers of the watch."""

    HEALTH = "health"
    QUALITY = "quality"
    BUSINESS = "business"


class FailOn(enum.StrEnum):
    """From which findings on a command exits with 1."""

    ERROR = "error"
    WARN = "warn"
    NEVER = "never"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, said so that somebody can act on it.

    Attributes:
        id: Stable over days: the rule and what it is about, as ``column_renamed:client_id``.
        layer: Health, quality or business.
        severity: P0 to P3.
        message: One sentence for people who do not code.
        since: When it began, ISO 8601 UTC, as precisely as the evidence allows.
        rule: The rule that fired (this or ``metric`` is set).
        metric: The metric that moved.
        date: The day it was found on, ISO 8601.
        delivery: The delivery it concerns, if one.
        rows: How many rows it touches, where it touches rows.
        share: ``rows`` as a share of the delivery or population, 0 to 1.
        evidence: Facts behind the sentence; aggregates only, never personal data.
        fix: What to do.
        owner: Who should.
        query: SQL over the warehouse, or a command, that reproduces the count.
        sample: A few of the rows it touches, as column -> value; personal data is masked.
        money: What the touched orders state, in the shop's currency, where it touches orders.
        runbook: A link to what the owner wrote about this.
    """

    id: str
    layer: Layer
    severity: Severity
    message: str
    since: str
    rule: str | None = None
    metric: str | None = None
    date: str | None = None
    delivery: str | None = None
    rows: int | None = None
    share: float | None = None
    evidence: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fix: str = ""
    owner: str | None = None
    query: str | None = None
    sample: Sequence[Mapping[str, Any]] | None = None
    money: Decimal | None = None
    runbook: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Incident(Finding):
    """Findings of one cause, open from ``since`` until the cause is gone.

    Attributes:
        state: ``open``, ``acknowledged``, ``muted``, ``quiet`` (not found on the latest day, and
            over if the next is quiet, too) or ``resolved`` (by the data or by hand).
        findings: The ids of the findings it groups.
        money_at_risk: What is at stake in the shop's currency, where it can be stated.
        money_formula: How that amount is made.
        key: Which occurrence it is: the id it was opened under, ``@``, and that day.
        opened: The judged day it was opened on, ISO 8601.
        resolved: The judged day on which it was over, ISO 8601.
        muted_until: The last day on which it disturbs nobody, ISO 8601.
        decision: What somebody decided about it, in a sentence.
    """

    state: str = "open"
    findings: Sequence[str] = ()
    money_at_risk: Decimal | None = None
    money_formula: str | None = None
    key: str | None = None
    opened: str | None = None
    resolved: str | None = None
    muted_until: str | None = None
    decision: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """The gate's judgement of one delivery; row counts add up: read = accepted + quarantined.

    Attributes:
        score: 0 to 100; what it is made of is in ``score_parts``.
        score_parts: Each with ``reason``, ``count`` or ``share``, and ``points`` (negative).
    """

    delivery: str
    date: str | None
    version: str
    verdict: Verdict
    score: int
    rows_read: int
    rows_accepted: int
    rows_quarantined: int
    rows_repeated: int
    columns: Sequence[str]
    contract_version: str
    first_event_at: str | None = None
    last_event_at: str | None = None
    findings: Sequence[Finding] = ()
    score_parts: Sequence[Mapping[str, Any]] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """All deliveries judged, oldest first, and the status of the worst."""

    status: Status
    deliveries: Sequence[DeliveryReport]
    contract_version: str
    judged_now: int = 0

    def _repr_html_(self) -> str:
        rows = [
            (one.date, one.delivery, one.verdict, one.score, one.rows_accepted, worst)
            for one in self.deliveries
            for worst in [next((found.message for found in one.findings), None)]
        ]
        head = ("day", "delivery", "verdict", "score", "rows", "first finding")
        return as_html("The gate", head, rows, status=self.status)


NOTHING_CHANGED = "nothing changed since the last build"
FIRST_BUILD = "the first build"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What was built: row counts by table, amounts that reconcile, files exported.

    ``channel_share`` is the share of what counted orders brought, refunds aside, whose last click
    has a known channel.
    ``days`` are the dates that were computed anew; all of them if absent.
    """

    rebuilt: bool
    reason: str
    tables: Mapping[str, int]
    counted_orders: int
    counted_revenue: Decimal
    reconciliation: Sequence[Mapping[str, Any]]
    exports: Sequence[Path] = ()
    channel_share: float | None = None
    currency: str = "USD"
    days: Sequence[str] | None = None

    @property
    def is_usual(self) -> bool:
        """Whether new days were built, or none; not that of a rebuild, or of tables held back."""
        usual = {NOTHING_CHANGED, f"all days: {FIRST_BUILD}"}
        return self.days is not None or self.reason in usual

    def _repr_html_(self) -> str:
        title = f"{self.counted_orders:,} orders, {self.counted_revenue:,.2f} {self.currency}"
        rows = [(name, f"{count:,}") for name, count in self.tables.items()]
        return as_html(title, ("table", "rows"), rows, note=self.reason)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """What a build would do, and why.

    Attributes:
        needed: Whether there is anything to do.
        days: The dates it would compute anew, oldest first; all of them if absent.
        clients: How many clients have events on those dates; absent where all are computed.
        why: The reason for each of those dates.
    """

    needed: bool
    reason: str
    days: Sequence[str] | None = None
    clients: int | None = None
    why: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MonitorResult:
    """The judgement of one day, knowing only what was known on that day."""

    date: str
    status: Status
    headline: str
    findings: Sequence[Finding]
    incidents: Sequence[Incident]
    layers: Mapping[str, Status] = dataclasses.field(default_factory=dict)
    metrics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()

    def _repr_html_(self) -> str:
        rows = [(one.severity, one.since, one.message, one.fix) for one in self.incidents]
        head = ("severity", "since", "what", "fix")
        return as_html(f"{self.date}: {self.headline}", head, rows, status=self.status)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult:
    """The files the report stage wrote and the numbers its summary states."""

    paths: Sequence[Path]
    numbers: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """All four stages of one run.

    Attributes:
        monitor: The days that were judged now.
        days: The status of each day judged by now, oldest first, by its date.
        over: The incidents that are over by now, or quiet, the latest first.
        unchanged: Whether deliveries, tables and judgement are those of the run before.
    """

    check: CheckResult
    build: BuildResult
    monitor: Sequence[MonitorResult]
    report: ReportResult | None
    paths: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    days: Mapping[str, Status] = dataclasses.field(default_factory=dict)
    over: Sequence[Incident] = ()
    unchanged: bool = False

    def _repr_html_(self) -> str:
        watch = "".join(one._repr_html_() for one in self.monitor[-1:])
        return f"{self.check._repr_html_()}{self.build._repr_html_()}{watch}"


def status_of(severities: Sequence[Severity]) -> Status:
    """RED with a P0 or P1, YELLOW with a P2, else GREEN."""
    if any(severity.is_error for severity in severities):
        return Status.RED
    if Severity.P2 in severities:
        return Status.YELLOW
    return Status.GREEN


def refused(check: CheckResult) -> list[DeliveryReport]:
    """Deliveries of which nothing was read, on days that have nothing else: open errors.

    They stay open, whatever came after them, until the day is delivered again or somebody
    decided that it is to stay out (then all that is said of it is information).
    """
    there = {one.date for one in check.deliveries if one.date and one.rows_accepted}
    return [
        one
        for one in check.deliveries
        if one.verdict in {Verdict.STOP, Verdict.QUARANTINE}
        and not one.rows_accepted
        and one.date not in there
        and any(finding.severity is not Severity.P3 for finding in one.findings)
    ]


def exit_code(status: Status, fail_on: FailOn) -> int:
    """0 when the status is good enough for ``fail_on``, else 1."""
    if fail_on is FailOn.NEVER or status is Status.GREEN:
        return 0
    if fail_on is FailOn.ERROR and status is Status.YELLOW:
        return 0
    return 1


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value) if value != value.to_integral_value() else int(value)
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, dt.date):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
            if getattr(value, field.name) is not None
        }
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)


def to_json(value: object) -> str:
    """Any result as JSON text: same value, same bytes; a last newline; None keys left out."""
    return json.dumps(value, default=_plain, indent=2, ensure_ascii=False) + "\n"
