"""The watch: judges one day, knowing only what was known at its end."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tallymark.config import MonitorRule, MonitorRules
from tallymark.contract import Calendar, Column
from tallymark.engine.base import Engine
from tallymark.engine.outcome import LastRun
from tallymark.errors import UsageError
from tallymark.monitor.apart import Evidence, rewritten, told_apart
from tallymark.monitor.budget import told
from tallymark.monitor.causes import Causes
from tallymark.monitor.cells import LandedRows
from tallymark.monitor.collapse import collapsed
from tallymark.monitor.detect import Detector, Judged, Learning
from tallymark.monitor.due import Due
from tallymark.monitor.exports import LOST
from tallymark.monitor.gravity import severity_of
from tallymark.monitor.health import (
    carried_over,
    delivery_findings,
    hours_finding,
    idle_days,
    reconciled,
    run_findings,
    threshold_finding,
)
from tallymark.monitor.incidents import decided, headline, incidents_of, layers_of
from tallymark.monitor.lives import (
    EVERY,
    Choice,
    Ledger,
    NewNormal,
    agreed,
    counts,
    new_normals,
)
from tallymark.monitor.numbers import evidence_of, metrics_of, plain
from tallymark.monitor.onset import onset
from tallymark.monitor.plain import PlainDetector, honest
from tallymark.monitor.refusals import FACTS, promotions_of, refuse_incomplete, refuse_unknown
from tallymark.monitor.tables import Tables, read
from tallymark.monitor.words import instant, named_days, said
from tallymark.results import Finding, Incident, Layer, MonitorResult, Status, status_of

__all__ = ["Watch"]

_STATISTICAL = frozenset({"count", "rate", "money"})
_LAYERS = {layer: rank for rank, layer in enumerate(Layer)}

Days = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Day:
    """What was found on a day, and for which rules it is no normal day."""

    findings: tuple[Finding, ...] = ()
    judged: tuple[Judged | Learning, ...] = ()
    spoiled: frozenset[str] = field(default_factory=frozenset)


class Watch:
    """Judges days of an opened warehouse.

    Args:
        engine: An engine in which the tables of a warehouse, or its exports, can be read. They
            are read here, once; the engine is not needed afterwards.
        rules: What is watched.
        timezone: The zone of the dates and hours in the metrics.
        currency: The shop's currency, for sentences.
        choices: What people decided about incidents.
        due: When deliveries are due; every day's is expected if not given.
        rows: The landed rows, which say where an incident of a judged day lies; they are asked
            while days are judged. Metrics alone say what changed if not given.
        columns: Of the contract, which rules may rest on; not looked at if not given.

    Raises:
        WarehouseError: There is nothing to judge.
        ConfigError: A rule says too little to be followed.
    """

    def __init__(
        self,
        engine: Engine | Tables,
        rules: MonitorRules,
        *,
        timezone: str = "UTC",
        currency: str = "USD",
        choices: Sequence[Choice] = (),
        due: Due | None = None,
        rows: LandedRows | None = None,
        columns: Sequence[Column] | None = None,
    ) -> None:
        refuse_incomplete(rules)
        self._tables: Tables = engine if isinstance(engine, Tables) else read(engine)
        refuse_unknown(rules, {metric for metric, _ in self._tables.series}, columns)
        self._rules = rules
        self._active = [rule for rule in rules.rules if rule.enabled]
        self._detector = self._detecting()
        self._causes = Causes(self._active)
        self._promotions = promotions_of(rules)
        self._normal = self._tables.delivered.copy()
        for one in range(self._tables.size):
            self._normal[one] &= self._promotion(one) is None
        self._fit = {rule.id: self._normal.copy() for rule in self._active}
        self._zone = ZoneInfo(timezone)
        self._currency = currency
        self._known: dict[int, _Day] = {}
        self._choices = choices
        self._due = due or Due(Calendar(), timezone)
        self._met: dict[int, list[Incident]] = {}
        self._ledger, self._through = Ledger(choices), -1
        self._anew: tuple[NewNormal, ...] = ()
        self._rows = rows
        self._apart: tuple[str, Mapping[str, Evidence]] = ("", {})

    def days(self) -> list[dt.date]:
        """Every day from the first delivery to the last, days without a delivery included.

        Of exported tables, which do not know deliveries: the days with sessions.
        """
        tables = self._tables
        return [
            tables.date(day)
            for day in range(tables.size)
            if tables.delivered[day] or not tables.exported
        ]

    def judge(
        self,
        date: dt.date,
        *,
        expected_run_date: dt.date | None = None,
        last_run: LastRun | None = None,
    ) -> MonitorResult:
        """The judgement of a day, the same whatever was delivered later.

        Args:
            date: The day.
            expected_run_date: A day whose delivery should be there by now; default ``date``.
            last_run: The last run, if it came to no good end; for the latest day alone.

        Raises:
            UsageError: The day lies before the first delivery.
        """
        tables = self._tables
        day = tables.day(date)
        if day < 0:
            raise UsageError(
                f"{date.isoformat()} lies before the first day, {tables.first.isoformat()}",
                fix="ask for a later day",
            )
        expected = day if expected_run_date is None else tables.day(expected_run_date)
        found = self._day(day)
        findings = self._findings(day, expected, self._due, last_run)
        incidents = self._located(day, self._standing(day, findings))
        open_ones = [one for one in incidents if counts(one)]
        status = status_of([one.severity for one in open_ones])
        idle = idle_days(self._due, tables, day, expected)
        metrics = metrics_of(tables, day, found.judged, self._rules.false_alarms_per_year)
        return MonitorResult(
            date=date.isoformat(),
            status=status,
            headline=(
                f"{status.value}: {idle[0]}"
                if idle and status is Status.GREEN
                else headline(status, open_ones, tables, day, found.judged, self._money(day))
            )
            + _muted(incidents),
            findings=findings,
            incidents=incidents,
            layers=layers_of(findings, incidents),
            metrics=metrics,
            notes=[
                *decided(incidents, self._ledger.over_today(), self._ledger.quiet_today()),
                *idle,
                *self._notes(day, found),
            ],
        )

    def incidents(self) -> list[Incident]:
        """Every incident up to the day that was judged last, those that are over included."""
        return [rewritten(one, self._apart[1], self._apart[0]) for one in self._ledger.all()]

    def _located(self, day: int, incidents: Sequence[Incident]) -> list[Incident]:
        """A day's incidents with what its rows say of them.

        It is kept for this day alone: what is known of an incident must not depend on which days
        were judged by the same run.
        """
        found: Mapping[str, Evidence] = {}
        if self._rows is not None:
            found = told_apart(incidents, self._rows, self._tables, day, self._compared)
        self._apart = (self._tables.date(day).isoformat(), found)
        return [rewritten(one, found, self._apart[0]) for one in incidents]

    def _compared(self, incident: Incident) -> Days:
        """The normal days before an incident, by the rules that judge what it is about."""
        day = self._tables.day(dt.date.fromisoformat(incident.date or incident.since[:10]))
        about = self._causes.about(incident)
        past = self._past(day)
        for rule in self._active:
            quality = incident.metric is None and Layer(rule.layer) is not Layer.BUSINESS
            if rule.id == incident.rule or (quality and about & set(rule.depends_on)):
                past = past[self._fit[rule.id][past]]
        return past

    # ------------------------------------------------------------ one day after the other

    def _findings(
        self, day: int, expected: int, due: Due, last_run: LastRun | None = None
    ) -> list[Finding]:
        """What was found on a day, gravest first; ``expected`` should be delivered by then."""
        tables = self._tables
        date = tables.date(day).isoformat()
        found = sorted(
            (
                *delivery_findings(self._active, tables, day, expected, self._moment, due),
                *reconciled(self._active, tables, day),
                *run_findings(self._active, last_run, self._moment(day, 0)),
                *self._day(day).findings,
            ),
            key=lambda one: (one.severity, _LAYERS[one.layer], one.id),
        )
        links = {rule.id: rule.runbook for rule in self._active if rule.runbook}
        return [
            dataclasses.replace(
                one, date=date, evidence=plain(one.evidence),
                runbook=one.runbook or links.get(one.rule or ""),
            )
            for one in found
        ]  # fmt: skip

    def _money(self, day: int) -> str:
        return self._tables.currency(day, self._currency)

    def _grouped(self, day: int, findings: Sequence[Finding]) -> list[Incident]:
        past = self._past(day)
        return incidents_of(findings, self._causes, self._tables, day, past, self._money(day))

    def _standing(self, day: int, findings: Sequence[Finding]) -> list[Incident]:
        """A day's incidents, with what became of them on the days before."""
        size = self._tables.size
        if self._through >= day:
            self._ledger, self._through = Ledger(self._choices), -1
        # Days after the last delivery are all alike: the first of them tells when it began.
        earlier = [*range(min(day, size)), *([size] if day > size else [])]
        for one in earlier:
            known = one >= size or self._tables.delivered[one] or not self._tables.exported
            if one > self._through and known:
                if one not in self._met:
                    # What time it is now concerns the day that is asked for, none before it.
                    then = dataclasses.replace(self._due, now=None)
                    self._met[one] = self._grouped(one, self._findings(one, one, then))
                self._take(one, self._met[one])
        self._take(day, self._grouped(day, findings))
        return self._ledger.found()

    def _take(self, day: int, incidents: Sequence[Incident]) -> None:
        there = day < self._tables.size and bool(self._tables.delivered[day])
        judged = EVERY if there else frozenset[Layer]()
        if there and self._promotion(day) is not None:
            judged = EVERY - {Layer.BUSINESS}
        self._ledger.add(self._tables.date(day).isoformat(), incidents, judged=judged)
        self._through = day

    # ------------------------------------------------------------ days

    def findings(self, date: dt.date) -> tuple[Finding, ...]:
        """What rules found on a day, without incidents and numbers: quicker than a judgement."""
        return self._day(self._tables.day(date)).findings

    def resume(self, other: Watch) -> None:
        """Take on what another watch has judged, of tables that agree with these up to there."""
        self._known = dict(other._known)
        if isinstance(self._detector, Detector) and isinstance(other._detector, Detector):
            self._detector.resume(other._detector)
        for rule, fit in self._fit.items():
            fit[:] = other._fit[rule][: len(fit)]

    def _detecting(self) -> Detector | PlainDetector:
        rules = [rule for rule in self._active if rule.method in _STATISTICAL]
        own = [rule for rule in self._rules.rules if "=" in rule.segment]
        claimed = frozenset((rule.metric or "", rule.segment) for rule in own)
        if self._rules.detector == "z":
            return PlainDetector(rules, self._tables, self._rules, claimed)
        return Detector(
            rules,
            self._tables,
            baseline_days=self._rules.baseline_days,
            learning_days=self._rules.learning_days,
            claimed=claimed,
        )

    def _day(self, day: int) -> _Day:
        """What was found on a day; the days before it are judged first, for they set "normal"."""
        tables = self._tables
        for one in range(min(day, tables.size - 1) + 1):
            if one not in self._known and tables.delivered[one]:
                anew = new_normals(self._choices, tables.date(one))
                if anew != self._anew:
                    self._learn_anew(one, anew)
                self._known[one] = self._judge_day(one)
                for rule in self._known[one].spoiled:
                    self._fit[rule][one] = False
        return self._known.get(day, _Day())

    def _learn_anew(self, day: int, anew: tuple[NewNormal, ...]) -> None:
        """Somebody decided before a day what is normal now: follow the numbers again up to it."""
        self._anew = anew
        self._fit = {rule.id: self._normal.copy() for rule in self._active}
        for earlier, found in self._known.items():
            for rule in found.spoiled:
                self._fit[rule][earlier] = False
        for one in anew:
            since = self._tables.day(one.since)
            for rule in one.rules & self._fit.keys():
                self._fit[rule][: max(0, since)] = False
                self._fit[rule][max(0, since) : day] = self._normal[max(0, since) : day]
        self._detector = self._detecting()
        for earlier in sorted(self._known):
            self._measure(earlier)

    def _judge_day(self, day: int) -> _Day:
        before = self._previous(day)
        gate = agreed(carried_over(self._tables, day), self._anew)
        facts = [*gate, *self._facts(day, before, gate)]
        judged = self._measure(day)
        findings = (*facts, *self._surprises(day, judged, before))
        spoiled = self._causes.spoiled(findings, self._active)
        return _Day(findings, tuple(judged), spoiled)

    def _previous(self, day: int) -> Sequence[Finding]:
        """What was found on the last day before that had a delivery."""
        earlier = np.flatnonzero(self._tables.delivered[:day])
        return self._known[int(earlier[-1])].findings if len(earlier) else ()

    def _past(self, day: int, rule: MonitorRule | None = None) -> Days:
        """Days before that may be compared with: delivered, normal, and no promotion."""
        start = max(0, day - self._rules.baseline_days)
        fit = self._normal if rule is None else self._fit[rule.id]
        return start + np.flatnonzero(fit[start : max(day, start)])

    def _promotion(self, day: int) -> str | None:
        date = self._tables.date(day)
        return next((name for start, end, name in self._promotions if start <= date <= end), None)

    def _facts(self, day: int, before: Sequence[Finding], gate: Sequence[Finding]) -> list[Finding]:
        """Findings of deterministic rules."""
        found = []
        for rule in self._active:
            if rule.method == "hours":
                past = self._past(day, rule)
                last = [one for one in before if one.id == rule.id] if self._adjacent(day) else []
                one = hours_finding(rule, self._tables, day, past, last, self._moment)
                if one is not None and not _told_by_gate(one, gate):
                    found.append(one)
            elif rule.method == "deterministic" and rule.id not in FACTS:
                one = threshold_finding(rule, self._tables, day, self._moment)
                if one is not None and not _told_by_gate(one, gate):
                    found.append(dataclasses.replace(one, since=_continued(one, before)))
        gone = collapsed(self._active, self._tables, day, self._past, self._known, self._moment)
        worst: dict[str, Finding] = {}
        for one in found:  # of several limits of one metric the gravest speaks
            key = one.metric or one.id
            if key not in worst or one.severity < worst[key].severity:
                worst[key] = one
        business = self._promotion(day) is None
        return [*worst.values(), *(one for one in gone if business or one.layer != "business")]

    def _adjacent(self, day: int) -> bool:
        return day > 0 and bool(self._tables.delivered[day - 1])

    def _left_out(self, day: int, judged: int) -> frozenset[str]:
        """The rules for which a day is no normal day, as seen from a later one."""
        date, rules = self._tables.date(day), self._known[day].spoiled
        for one in new_normals(self._choices, self._tables.date(judged)):
            rules = rules - one.rules if date >= one.since else rules
        return rules

    def _measure(self, day: int) -> list[Judged | Learning]:
        """Every statistical rule's answer for a day."""
        business = self._promotion(day) is None
        return self._detector.judge(day, self._fit, business=business)

    def _surprises(
        self, day: int, judged: Sequence[Judged | Learning], before: Sequence[Finding]
    ) -> list[Finding]:
        """Findings of statistical rules: beyond the day's budget of false alarms, and large."""
        tested = [one for one in judged if isinstance(one, Judged)]
        loud = told(tested, self._rules)
        return [self._surprise(day, one, before) for one in loud]

    def _surprise(self, day: int, judged: Judged, before: Sequence[Finding]) -> Finding:
        rule = judged.rule
        finding = Finding(
            id=judged.key,
            layer=Layer(rule.layer),
            severity=severity_of(judged),
            rule=rule.id,
            metric=rule.metric,
            message=said(judged, self._money(day)),
            since=self._moment(day - judged.window + 1, 0),
            evidence=evidence_of(judged),
            fix=rule.fix,
            owner=rule.owner,
            query=f"select date, segment, known_value from metrics_daily where metric = "
            f"'{rule.metric}' and date <= date '{self._tables.date(day).isoformat()}' "
            "order by date, segment",
        )
        since = _continued(finding, before)
        if since == finding.since and judged.window == 1:
            past = self._past(day, rule)
            at = onset(self._tables, rule.metric or "", day, past, upward=judged.points > 0)
            since = since if at is None else self._moment(*at)
        return dataclasses.replace(finding, since=since)

    # ------------------------------------------------------------ words

    def _moment(self, day: int, hour: int) -> str:
        """A day and hour of the shop's zone as ISO 8601 UTC."""
        local = dt.datetime.combine(self._tables.date(day), dt.time(hour), tzinfo=self._zone)
        return instant(local.astimezone(dt.UTC).replace(tzinfo=None))

    def _notes(self, day: int, found: _Day) -> list[str]:
        notes = []
        if self._tables.exported:
            notes.append(LOST)
        promotion = self._promotion(day)
        there = day < self._tables.size and self._tables.delivered[day]
        if not there:
            notes.append("nothing was delivered: quality and business were not judged, and what "
                         "was open there stays open")  # fmt: skip
        elif promotion is not None:
            notes.append(f"promotion day ({promotion}): business metrics were not judged")
        learning = [one for one in found.judged if isinstance(one, Learning) or one.learning]
        if learning:
            names = sorted({one.rule.id for one in learning})
            days = min(one.days for one in learning)
            notes.append(
                f"learning: {', '.join(names)} judged by what shops are like, with {days} usable "
                f"days of history of the {self._rules.learning_days} needed"
            )
        tested = sum(isinstance(one, Judged) and one.window == 1 for one in found.judged)
        if tested and self._rules.detector == "z":
            notes.append(honest(self._rules, tested))
        elif tested:
            notes.append(
                f"{tested} metrics judged together against a budget of "
                f"{self._rules.false_alarms_per_year:g} false alarms a year"
            )
        spoiled = sorted(
            self._tables.date(one).isoformat()
            for one in range(max(0, day - self._rules.baseline_days), min(day, self._tables.size))
            if one in self._known and self._left_out(one, day)
        )
        if spoiled:
            named = named_days(spoiled)
            notes.append(f"left out of what is normal, for metrics they concern: {named}")
        return notes


def _muted(incidents: Sequence[Incident]) -> str:
    """What the first sentence says of incidents that do not count."""
    number = sum(one.state == "muted" for one in incidents)
    return f" ({number} muted)" if number else ""


def _continued(finding: Finding, before: Sequence[Finding]) -> str:
    """When a finding began: with the one of the last delivered day, if it is the same."""
    for earlier in before:
        same_way = earlier.evidence.get("direction") == finding.evidence.get("direction")
        if earlier.id == finding.id and same_way:
            return earlier.since
    return finding.since


def _told_by_gate(finding: Finding, gate: Sequence[Finding]) -> bool:
    return any(
        one.id.partition(":")[0] == finding.id and one.severity <= finding.severity for one in gate
    )
