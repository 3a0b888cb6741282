"""One cause, one incident: its message, its money, and the sentence that matters first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from tallymark.monitor.causes import HOURLY, Causes, groups, kind_of, of_ids, rows_added
from tallymark.monitor.decomposition import what_changed
from tallymark.monitor.detect import Judged, Learning
from tallymark.monitor.lives import counts
from tallymark.monitor.numbers import plain
from tallymark.monitor.onset import PROFILE_DAYS, usual_hours
from tallymark.monitor.tables import Tables
from tallymark.monitor.words import moment, money, number, parse, percent
from tallymark.results import Finding, Incident, Layer, Status, status_of

__all__ = ["decided", "headline", "incidents_of", "layers_of"]

Days = NDArray[np.int64]
Risk = tuple[Decimal, str]

_CENT = Decimal("0.01")
_NAMED = 4  # further findings named in an incident's message
_EXPLAINS = ". It explains "
_ALIKE = ". The same holds for "
_SALES = frozenset({"orders", "revenue", "conversion_rate", "purchase_rate", "checkout_rate",
                    "cart_rate", "sessions", "aov"})  # fmt: skip


def incidents_of(
    findings: Sequence[Finding],
    causes: Causes,
    tables: Tables,
    day: int,
    past: Days,
    currency: str,
) -> list[Incident]:
    """Findings of P2 and worse, grouped by cause; gravest first."""
    found = [
        _incident(members, causes, tables, day, past, currency)
        for members in groups(findings, causes).values()
    ]
    return sorted(found, key=lambda one: (one.severity, one.since, one.id))


def _incident(
    members: Sequence[Finding],
    causes: Causes,
    tables: Tables,
    day: int,
    past: Days,
    currency: str,
) -> Incident:
    root, rest = members[0], members[1:]
    alike = [one for one in rest if one.rule is not None and one.rule == root.rule]
    since = _since(root, alike, rest)
    message = root.message.rstrip(". ")
    if alike:
        message += f"{_ALIKE}{_names(alike)}"
    if len(alike) < len(rest):
        same = {one.id for one in alike}
        message += f"{_EXPLAINS}{_names([one for one in rest if one.id not in same])}"
    risk = _risk(root, members, causes, tables, day, past, since, currency)
    parts = what_changed(root, tables, day, past, currency)
    added = rows_added(members) if of_ids(root) else None
    return Incident(
        id=root.id,
        layer=root.layer,
        severity=min(one.severity for one in members),
        message=message,
        since=since,
        rule=root.rule,
        metric=root.metric,
        date=root.date,
        delivery=root.delivery,
        rows=root.rows,
        share=root.share,
        evidence=plain(
            {
                **root.evidence,
                "probable_cause": causes.why(root),
                "days_open": _days_open(since, tables, day),
                **({"what_changed": parts[0], **parts[1]} if parts is not None else {}),
            }
        ),
        fix=root.fix if added is None else added.fix,
        owner=root.owner,
        query=root.query,
        runbook=root.runbook,
        findings=[one.id for one in members],
        money_at_risk=None if risk is None else risk[0],
        money_formula=None if risk is None else risk[1],
    )


def _since(root: Finding, alike: Sequence[Finding], rest: Sequence[Finding]) -> str:
    """When an incident began: with its cause, not with the midnight of a day's effect.

    Where the gate saw the same thing begin at an hour of the cause's first day, at that hour.
    """
    since = min([root.since, *(one.since for one in alike)])
    if root.metric is None or kind_of(root) == "hours_missing":
        return root.since
    first = parse(since)
    hours = [one.since for one in rest if kind_of(one) in HOURLY]
    exact = [one for one in hours if first and (at := parse(one)) and _within_a_day(at - first)]
    return min(exact, default=since)


def _within_a_day(apart: dt.timedelta) -> bool:
    return dt.timedelta(0) <= apart < dt.timedelta(days=1)


def _names(found: Sequence[Finding]) -> str:
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return ", ".join(one.id for one in found[:_NAMED]) + more


def decided(
    incidents: Sequence[Incident], over: Sequence[Incident], quiet: Sequence[Incident] = ()
) -> list[str]:
    """What became of incidents, as notes: muted ones disturb nobody, and that is never hidden.

    Args:
        incidents: Those of the day.
        over: Those that ended on it.
        quiet: Those that were not found on it, and are not yet over.
    """
    there = {one.key for one in incidents}
    notes = [
        f"{one.severity} {one.id} is {one.decision}; "
        + (
            "it alerts nobody and does not count for status and exit code"
            if one.state == "muted"
            else "it still counts for status and exit code"
            if one.state == "acknowledged"
            else "it no longer counts for status and exit code"
        )
        for one in incidents
        if one.decision
    ]
    notes += [
        f"quiet: {one.severity} {one.id}, open since {one.opened}, was not found on this day; "
        "it is over when the next day is quiet, too"
        for one in quiet
        if one.key not in there
    ]
    notes += [
        f"over: {one.severity} {one.id}, open since {one.opened} ({one.decision})"
        for one in over
        if one.key not in there
    ]
    return notes


def headline(
    status: Status,
    incidents: Sequence[Incident],
    tables: Tables,
    day: int,
    judged: Sequence[Judged | Learning],
    currency: str,
) -> str:
    """The sentence that matters first."""
    if incidents and status is not Status.GREEN:
        first = incidents[0]
        fix = f"; fix: {first.fix}" if first.fix else ""
        more = f" (and {len(incidents) - 1} more)" if len(incidents) > 1 else ""
        said = first.message.split(_EXPLAINS)[0].split(_ALIKE)[0]
        return f"{status.value}: {said} — since {moment(first.since)}{fix}{more}"
    parts = []
    sessions, revenue = tables.value("sessions", day), tables.value("revenue", day)
    if sessions is not None:
        parts.append(f"{number(sessions)} sessions")
    if revenue is not None:
        parts.append(f"{money(revenue, currency)} revenue")
    learning = any(isinstance(one, Learning) for one in judged)
    parts.append(
        "nothing known to be wrong, still learning what is normal"
        if learning
        else "nothing out of the ordinary"
    )
    return f"{status.value}: {', '.join(parts)}"


def layers_of(findings: Sequence[Finding], incidents: Sequence[Incident]) -> dict[str, Status]:
    """The status of each layer: of what was found, and of what is open from before."""
    silent = {one for met in incidents if not counts(met) for one in met.findings}
    told = [*findings, *(one for one in incidents if counts(one))]
    return {
        layer.value: status_of(
            [one.severity for one in told if one.layer is layer and one.id not in silent]
        )
        for layer in Layer
    }


# ---------------------------------------------------------------- money at risk


def _risk(
    root: Finding,
    members: Sequence[Finding],
    causes: Causes,
    tables: Tables,
    day: int,
    past: Days,
    since: str,
    currency: str,
) -> Risk | None:
    """What the incident touches in money, where known metrics can tell."""
    kind = kind_of(root)
    first = max(0, day - _days_open(since, tables, day) + 1)
    days = np.arange(first, min(day, tables.size - 1) + 1)
    missing = max((int(one.evidence.get("days_missing", 0)) for one in members), default=0)
    if missing or any(kind_of(one) == "delivery_missing" for one in members):
        usual = _usual_revenue(tables, past)
        text = "mean daily revenue of the comparable days before"
        several = f"{missing} missing days, times the {text}" if missing > 1 else text
        return _priced(usual and usual * max(missing, 1), several, currency)
    if kind == "hours_missing":
        return _lost_hours(root, tables, past, currency)
    if kind == "column_renamed" and not root.evidence.get("nothing_accepted"):
        total = _sum(tables, "revenue", days)
        if root.evidence.get("adopted"):
            rests = money(total or 0.0, currency)
            return Decimal(0), f"none while the new name is read; {rests} of revenue rests on that"
        return _priced(total, "revenue of the days since, whose customers are unknown", currency)
    if root.metric == "identity_coverage":
        return _without_id(members, tables, days, currency)
    if "referrer" in causes.about(root) and root.evidence.get("direction") != "up":
        return _without_channel(tables, days, past, currency)
    if any(one.metric in _SALES for one in members):
        return _shortfall(members, tables, day, past, currency)
    return None


def _shortfall(
    members: Sequence[Finding], tables: Tables, day: int, past: Days, currency: str
) -> Risk | None:
    """Expected minus observed revenue of the day, where it fell."""
    observed = tables.value("revenue", day)
    judged = next((one for one in members if one.metric == "revenue"), None)
    usual = judged.evidence.get("expected") if judged else _usual_revenue(tables, past)
    if observed is None or usual is None or float(usual) <= observed:
        return None
    text = f"expected {money(float(usual), currency)} minus observed {money(observed, currency)}"
    return _priced(float(usual) - observed, f"revenue of the day: {text}", None)


def _lost_hours(root: Finding, tables: Tables, past: Days, currency: str) -> Risk | None:
    usual = usual_hours(tables, "revenue", past)
    hours = root.evidence.get("hours")
    if usual is None or not isinstance(hours, list):
        return None
    lost = float(sum(usual[int(hour)] for hour in hours))
    return _priced(lost, "mean revenue of those hours on the comparable days before", currency)


def _without_id(
    members: Sequence[Finding], tables: Tables, days: Days, currency: str
) -> Risk | None:
    """Revenue of each day, in proportion to the rows that lost their client id."""
    if rows_added(members) is not None:
        return Decimal(0), "none: carts and purchases kept their client ids; rows were added"
    coverage, revenue = tables.get("identity_coverage"), tables.get("revenue")
    usual = members[0].evidence.get("expected")
    if coverage is None or revenue is None or usual is None:
        return None
    lost = np.clip(float(usual) - coverage.value[days], 0.0, 1.0)
    total = float(np.nansum(revenue.value[days] * lost))
    text = "revenue since, times the share of rows that lost their client id"
    return _priced(total, text, currency)


def _without_channel(tables: Tables, days: Days, past: Days, currency: str) -> Risk | None:
    """Revenue without a channel, beyond what was usual on the normal days before."""
    series = tables.get("no_channel_revenue_share")
    if series is None or len(days) == 0:
        return None
    before = past[(past >= int(days[0]) - PROFILE_DAYS) & (past < int(days[0]))]
    sold = float(np.nansum(series.denominator[before]))
    usual = float(np.nansum(series.numerator[before])) / sold if sold > 0 else 0.0
    now = float(np.nansum(series.numerator[days] - usual * series.denominator[days]))
    text = f"revenue since that is Unknown or Unattributed, beyond the usual {percent(usual)}"
    return _priced(now, text, currency)


def _usual_revenue(tables: Tables, past: Days) -> float | None:
    series = tables.get("revenue")
    if series is None or len(past) == 0 or bool(np.isnan(series.value[past]).all()):
        return None
    return float(np.nanmean(series.value[past]))


def _sum(tables: Tables, metric: str, days: Days) -> float | None:
    series = tables.get(metric)
    if series is None or len(days) == 0:
        return None
    return float(np.nansum(series.numerator[days]))


def _priced(value: float | None, formula: str, currency: str | None) -> Risk | None:
    if value is None or value <= 0:
        return None
    shown = f" = {money(value, currency)}" if currency else ""
    return Decimal(repr(value)).quantize(_CENT), f"{formula}{shown}"


def _days_open(since: str, tables: Tables, day: int) -> int:
    """Days the incident has lasted, the day itself included."""
    began = parse(since)
    if began is None:
        return 1
    return max(1, (tables.date(day) - began.date()).days + 1)
