"""Facts that need no statistics: deliveries, hours, thresholds, and what the gate found."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tallymark.config import MonitorRule
from tallymark.contract import Calendar
from tallymark.engine.outcome import LastRun
from tallymark.monitor.due import Due
from tallymark.monitor.onset import ERROR_HOURS, Gap, missing_hours
from tallymark.monitor.tables import HOURS, Tables
from tallymark.monitor.weekdays import WEEKS, is_due, rest_note, weeks_without
from tallymark.monitor.words import day_name, instant, number, parse, percent
from tallymark.results import Finding, Layer, Severity

__all__ = [
    "carried_over", "delivery_findings", "hours_finding", "idle_days", "reconciled", "run_findings",
    "threshold_finding",
]  # fmt: skip

Days = NDArray[np.int64]
Moment = Callable[[int, int], str]  # day number and hour to ISO 8601 UTC

_LISTED = 20  # deliveries of one day that are named
_TOO_OLD = 4  # whole days without a delivery: longer than a weekend and a holiday
_RECENT = 7  # days for which a missing day is still worth a line: touches reach back that far


def delivery_findings(
    rules: Sequence[MonitorRule],
    tables: Tables,
    day: int,
    expected: int,
    moment: Moment,
    due: Due | None = None,
) -> list[Finding]:
    """The delivery of the day (or the expected one) is missing, late, empty, or earlier ones are.

    Args:
        rules: The watch's rules.
        tables: What the watch knows.
        day: The judged day.
        expected: The day that should have been delivered by then.
        moment: A day and hour as ISO 8601 UTC.
        due: When deliveries are due; every day's is expected if not given.
    """
    due = due or Due(Calendar())
    by_id = {rule.id: rule for rule in rules if rule.enabled}
    found = []
    wanted = [
        one
        for one in dict.fromkeys((expected, day))
        if due.expects(tables.date(one))
        and not _delivered(tables, day, one)
        # A day that somebody asks for by its name is expected, whatever the habit.
        and (one != day or is_due(due, tables, one))
    ]
    rule = by_id.get("delivery_missing")
    if rule is not None and wanted:
        found.append(_missing(rule, tables, day, max(wanted), moment, due))
    elif rule is not None and _nothing_accepted(tables, day):
        found.append(
            Finding(
                id="delivery_missing",
                layer=Layer.HEALTH,
                severity=rule.severity,
                rule=rule.id,
                message=f"The delivery of {day_name(tables.date(day))} came, but not one row of it "
                "could be accepted",
                since=moment(day, 0),
                evidence={"deliveries": [one.delivery for one in tables.deliveries[day]]},
                fix=rule.fix,
                owner=rule.owner,
            )
        )
    if not wanted:
        found += _by_the_clock(by_id, tables, day, moment, due)
    rule = by_id.get("days_missing")
    earlier = [
        one
        for one in range(max(0, day - _RECENT), min(day, tables.size))
        if not tables.delivered[one] and is_due(due, tables, one)
    ]
    if rule is not None and earlier and not wanted:
        found.append(_earlier(rule, tables, earlier, moment))
    return found


def _by_the_clock(
    by_id: Mapping[str, MonitorRule], tables: Tables, day: int, moment: Moment, due: Due
) -> list[Finding]:
    """A delivery that is late by now; data that is too old by now. Nothing without a clock."""
    found = []
    late, awaited = by_id.get("delivery_late"), due.awaited()
    if late is not None and awaited is not None:
        there = _delivered(tables, tables.size - 1, tables.day(awaited))
        found += [] if there else [_late(late, awaited, due)]
    old = by_id.get("freshness")
    if old is not None and day >= tables.size - 1:
        found += _too_old(old, tables, moment, due)
    return found


def _earlier(rule: MonitorRule, tables: Tables, earlier: Sequence[int], moment: Moment) -> Finding:
    return Finding(
        id="days_missing",
        layer=Layer.HEALTH,
        severity=rule.severity,
        rule=rule.id,
        message=f"{len(earlier)} of the last {_RECENT} days had no delivery",
        since=moment(earlier[0], 0),
        evidence={
            "days": [tables.date(one).isoformat() for one in earlier],
            "days_missing": len(earlier),
        },
        fix=rule.fix,
        owner=rule.owner,
    )


def _late(rule: MonitorRule, awaited: dt.date, due: Due) -> Finding:
    by, breach = (instant(one) for one in due.times(awaited))
    return Finding(
        id="delivery_late",
        layer=Layer.HEALTH,
        severity=rule.severity,
        rule=rule.id,
        message=f"The delivery of {day_name(awaited)} is not here yet; it was due by "
        f"{by[11:16]} UTC, counts as late from {breach[11:16]} UTC on, and is missing then",
        since=by,
        evidence={"expected": awaited.isoformat(), "due": by, "missing_from": breach},
        fix=rule.fix,
        owner=rule.owner,
    )


def _delivered(tables: Tables, day: int, wanted: int) -> bool:
    """Whether a day has a delivery, as far as could be known at the end of ``day``."""
    return 0 <= wanted <= day and wanted < tables.size and bool(tables.delivered[wanted])


def _nothing_accepted(tables: Tables, day: int) -> bool:
    deliveries = tables.deliveries.get(day, ())
    return bool(deliveries) and not any(one.accepted for one in deliveries)


def _missing(
    rule: MonitorRule, tables: Tables, day: int, wanted: int, moment: Moment, due: Due
) -> Finding:
    """The delivery of a day, and of the expected days between it and the last one there is."""
    known = np.flatnonzero(tables.delivered[: min(day, wanted) + 1])
    last = int(known[-1]) if len(known) else -1
    missing = [one for one in range(last + 1, wanted) if is_due(due, tables, one)] + [wanted]
    message = f"There is no delivery for {day_name(tables.date(wanted))}"
    if len(missing) > 1:
        more = f"{len(missing) - 1} more day{'s' * (len(missing) > 2)}"  # noqa: PLR2004 -- plural
        message += f", nor for {more} since {day_name(tables.date(missing[0]))}"
    if last >= 0:
        message += f"; the last one is of {day_name(tables.date(last))}"
    resting = all(weeks_without(due, tables, one) for one in missing)
    if resting:  # perhaps it is none: a shop may be closed on that day
        message += ". There was none on that weekday of the week before either"
    return Finding(
        id="delivery_missing",
        layer=Layer.HEALTH,
        severity=max(rule.severity, Severity.P2) if resting else rule.severity,
        rule=rule.id,
        message=message,
        since=moment(missing[0], 0),
        evidence={
            "expected": tables.date(wanted).isoformat(),
            "last_delivery": tables.date(last).isoformat() if last >= 0 else None,
            "days_missing": len(missing),
            "days_without": wanted - last,
        },
        fix=rule.fix,
        owner=rule.owner,
    )


def _too_old(rule: MonitorRule, tables: Tables, moment: Moment, due: Due) -> list[Finding]:
    """The newest delivery is older than any daily feed's; where no calendar says what is late."""
    today = due.today()
    known = np.flatnonzero(tables.delivered)
    if today is None or due.calendar.expected_by is not None or not len(known):
        return []
    last = int(known[-1])
    missing = [
        one for one in range(last + 1, tables.day(today)) if is_due(due, tables, one)
    ]  # fmt: skip
    if not missing or len(missing) < (rule.threshold or _TOO_OLD):
        return []
    return [
        Finding(
            id="freshness",
            layer=Layer.HEALTH,
            severity=rule.severity,
            rule=rule.id,
            message=f"The newest delivery is of {day_name(tables.date(last))}; today is "
            f"{day_name(today)}, and {len(missing)} whole days since have none",
            since=moment(missing[0], 0),
            evidence={
                "last_delivery": tables.date(last).isoformat(),
                "today": today.isoformat(),
                "days_missing": len(missing),
            },
            fix=rule.fix,
            owner=rule.owner,
        )
    ]


def idle_days(due: Due, tables: Tables, day: int, expected: int) -> list[str]:
    """What is to be said of a day that was asked for, and of which no delivery is due at all."""
    notes = [
        f"no delivery is due for {day_name(tables.date(one))}, by the calendar in the contract"
        for one in dict.fromkeys((expected, day))
        if not due.expects(tables.date(one)) and not _delivered(tables, max(day, one), one)
    ]
    rests = weeks_without(due, tables, day) >= WEEKS
    if rests and day == expected and not _delivered(tables, day, day):
        notes.append(rest_note(due, tables, day))
    return notes


def hours_finding(
    rule: MonitorRule,
    tables: Tables,
    day: int,
    past: Days,
    before: Sequence[Finding],
    moment: Moment,
) -> Finding | None:
    """Hours of a day without a single event although the shop is never that quiet then."""
    gaps = missing_hours(tables, day, past)
    if gaps:  # an hour that the clock skipped is not missing
        absent = [one for one in range(HOURS - 1) if moment(day, one) == moment(day, one + 1)]
        gaps = missing_hours(tables, day, past, absent) if absent else gaps
    if not gaps:
        return None
    since = moment(day, gaps[0].start)
    for earlier in before:  # an outage that ran past midnight began on the day before
        if gaps[0].start == 0 and earlier.evidence.get("until") == "24:00":
            since = earlier.since
    long = any(gap.busy >= ERROR_HOURS for gap in gaps)
    severity = rule.severity if long else max(rule.severity, Severity.P2)
    hours = sum(gap.end - gap.start for gap in gaps)
    expected = sum(gap.expected for gap in gaps)
    return Finding(
        id=rule.id,
        layer=Layer(rule.layer),
        severity=severity,
        rule=rule.id,
        metric=rule.metric,
        message=f"No event from {_clock(gaps)}; about {number(round(expected) or expected)} were "
        "to be expected",
        since=since,
        evidence={
            "hours": [hour for gap in gaps for hour in range(gap.start, gap.end)],
            "until": f"{gaps[-1].end:02d}:00",
            "expected_events": round(expected, 1),
            "missing_hours": hours,
            "baseline_days": len(past),
            "method": "gamma-Poisson chance of no event at all",
        },
        fix=rule.fix,
        owner=rule.owner,
        query=f"select hour, value from metrics_hourly where metric = 'events' "
        f"and date = date '{tables.date(day).isoformat()}' order by hour",
    )


def _clock(gaps: Sequence[Gap]) -> str:
    return " and ".join(f"{gap.start:02d}:00 to {gap.end:02d}:00" for gap in gaps)


def threshold_finding(
    rule: MonitorRule, tables: Tables, day: int, moment: Moment
) -> Finding | None:
    """A metric beyond a fixed limit."""
    series = tables.get(rule.metric or "", rule.segment)
    if series is None or rule.threshold is None or np.isnan(series.value[day]):
        return None
    value = float(series.value[day])
    if value >= rule.threshold if rule.direction == "down" else value <= rule.threshold:
        return None
    is_share = not np.isnan(series.denominator[day])
    shown, limit = ((percent if is_share else number)(one) for one in (value, rule.threshold))
    name = (rule.metric or "").replace("_", " ").capitalize()
    side = "below" if rule.direction == "down" else "above"
    message = f"{name} was {shown}, {side} the limit of {limit}"
    if rule.threshold == 0 and not is_share:
        counted = name.lower().removesuffix("s") if value == 1 else name.lower()
        message = f"{shown} {counted} on the day: {rule.why or 'there should be none'}"
    rows = None if np.isnan(series.numerator[day]) else round(float(series.numerator[day]))
    return Finding(
        id=rule.id,
        layer=Layer(rule.layer),
        severity=rule.severity,
        rule=rule.id,
        metric=rule.metric,
        message=message,
        since=moment(day, 0),
        rows=rows if is_share else None,
        share=round(value, 6) if is_share else None,
        evidence={"observed": round(value, 6), "threshold": rule.threshold, "method": "threshold"},
        fix=rule.fix,
        owner=rule.owner,
    )


def run_findings(rules: Sequence[MonitorRule], last: LastRun | None, since: str) -> list[Finding]:
    """The last run failed, or was killed: what is judged is what an earlier one made.

    Args:
        rules: The watch's rules.
        last: The last run, if it came to no good end.
        since: The beginning of the judged day: when the run was is not kept.
    """
    rule = next((one for one in rules if one.id == "last_run" and one.enabled), None)
    if rule is None or last is None:
        return []
    how = "never came to its end" if last.killed else f"failed: {last.error.rstrip('. ')}"
    return [
        Finding(
            id=rule.id,
            layer=Layer.HEALTH,
            severity=rule.severity,
            rule=rule.id,
            message=f"The last `tallymark {last.command}` {how}. What is judged here is what an "
            "earlier run made",
            since=since,
            evidence={
                "command": last.command,
                "outcome": "killed" if last.killed else "failed",
                "error": last.error or None,
            },
            fix=rule.fix,
            owner=rule.owner,
        )
    ]


def reconciled(rules: Sequence[MonitorRule], tables: Tables, day: int) -> list[Finding]:
    """Amounts of the build that do not add up: these tables can be trusted on no day."""
    rule = next((one for one in rules if one.id == "reconciliation" and one.enabled), None)
    if rule is None:
        return []
    start = dt.datetime.combine(tables.date(day), dt.time())
    return [
        Finding(
            id=f"reconciliation:{step}.{measure}",
            layer=Layer.HEALTH,
            severity=rule.severity,
            rule=rule.id,
            message=f"The amounts of {measure} before and after {step} differ by "
            f"{left:,.4f} that nothing explains",
            since=start.isoformat(timespec="milliseconds") + "Z",
            evidence={"step": step, "measure": measure, "unexplained": left},
            fix=rule.fix,
            owner=rule.owner,
            query="select * from reconciliation where difference <> 0",
        )
        for step, measure, left in tables.unexplained
    ]


def carried_over(tables: Tables, day: int) -> list[Finding]:
    """What the gate found in the day's deliveries, one finding an id, with its true beginning.

    The beginning is that of the first of the consecutive earlier deliveries with the same id.
    """
    found: dict[str, list[Finding]] = {}
    for delivery in tables.deliveries.get(day, ()):
        for finding in delivery.findings:
            if not delivery.accepted:
                evidence = {**finding.evidence, "nothing_accepted": True}
                finding = dataclasses.replace(finding, evidence=evidence)  # noqa: PLW2901
            found.setdefault(finding.id, []).append(finding)
    loud = {key for key, given in found.items() if any(_loud(one) for one in given)}
    since = _beginnings(tables, day, set(found), loud)
    return [
        dataclasses.replace(
            _merged(given),
            date=tables.date(day).isoformat(),
            since=_utc(since.get(key) or min(one.since for one in given)),
        )
        for key, given in sorted(found.items())
    ]


def _merged(given: Sequence[Finding]) -> Finding:
    """Deliveries of one day with the same trouble: one finding, the worst severity."""
    worst = min(given, key=lambda one: one.severity)
    if len(given) == 1:
        return worst
    counted = [one.rows for one in given if one.rows is not None]
    others = sorted({str(one.delivery) for one in given} - {str(worst.delivery)})
    evidence = {**worst.evidence, "also_in": others[:_LISTED], "deliveries": len(given)}
    return dataclasses.replace(worst, rows=sum(counted) if counted else None, evidence=evidence)


def _loud(one: Finding) -> bool:
    return one.severity is not Severity.P3


def _beginnings(tables: Tables, day: int, ids: set[str], loud: set[str]) -> dict[str, str]:
    """When each finding began: in the first of the deliveries in a row that have it.

    What was mere information before, being usual, and is a warning now (``loud``), begins now.
    """
    found: dict[str, str] = {}
    going = set(ids)
    for earlier in range(day - 1, -1, -1):
        if not going:
            break
        deliveries = tables.deliveries.get(earlier)
        if deliveries is None:
            continue
        there: dict[str, str] = {}
        for given in deliveries:
            for one in given.findings:
                if one.id in going and (_loud(one) or one.id not in loud):
                    there[one.id] = min(one.since, there.get(one.id, one.since))
        found.update(there)
        going &= set(there)
    return found


def _utc(since: str) -> str:
    found = parse(since)
    return since if found is None else found.isoformat(timespec="milliseconds") + "Z"
