"""One cause is told once: findings of a delivery that another one surely explains.

Several rules look at the same fault, each in its own way: a column that is gone, its rows without
a value, the hours in which they are lost. A finding is left out only where another one of the same
delivery says more and nothing of it remains unexplained: where rows are left over, both are told.
What explains is never milder than what it explains, so neither verdict nor exit code changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tallymark.check.words import filled_before
from tallymark.config import CheckRules
from tallymark.contract import Contract
from tallymark.results import Finding

__all__ = ["told_once"]

_ROLES = {
    "time_unparseable": "timestamp", "event_name_missing": "event_name",
    "client_missing": "client_id", "page_invalid": "page_url", "agent_missing": "user_agent",
    "payload_invalid": "event_data", "json_invalid": "event_data",
    "referrer_invalid": "referrer",
}  # fmt: skip
# Of these, what does not fit the type of the column; of the others, only what is empty.
_UNREADABLE = frozenset({
    "json_invalid", "page_invalid", "payload_invalid", "referrer_invalid", "time_unparseable",
})  # fmt: skip
_WRONG_FILE = 3  # needed columns that are not there: it is another file, said in one sentence
_NEARLY_ALL = 0.9  # of the rows: what columns that changed places leave of a value


def told_once(
    found: Sequence[Finding], rules: CheckRules, contract: Contract, rows_read: int
) -> list[Finding]:
    """The findings of a delivery without those that others of them explain.

    What explains others names them in ``evidence.explains``, and takes over what was only known
    of the very same rows: money and sample.

    Args:
        found: All findings of one delivery.
        rules: What their rules check.
        contract: Which columns play which part, and what the payload's fields are called.
        rows_read: Rows of the delivery.
    """
    if not found[1:]:
        return list(found)
    others = _Others(rules, contract, rows_read, found)
    explained: dict[int, list[Finding]] = {}
    left: list[Finding] = []
    for one in found:
        cause = _cause(others, one)
        if cause is None:
            left.append(one)
        else:
            explained.setdefault(id(cause), []).append(one)
    return [_with(others, one, explained.get(id(one), ())) for one in left]


def _with(others: _Others, cause: Finding, explained: Sequence[Finding]) -> Finding:
    """A finding with what those that it explains know of it."""
    for one in explained:
        names = sorted({*cause.evidence.get("explains", ()), one.id})
        worst = min(cause.severity, one.severity)
        evidence = {**cause.evidence, "explains": names}
        cause = dataclasses.replace(cause, severity=worst, evidence=evidence)
        if others.check(one) == "payload_field_lost":  # that it was not always so
            past = filled_before(one.evidence["filled_before"], one.evidence["expected_before"])
            cause = dataclasses.replace(cause, message=f"{cause.message}; {past}")
        part = "rows_with_it" in cause.evidence  # of all rows that lack the value: some hours
        if one.rows is None or (one.rows != cause.rows and not part):
            continue
        if cause.money is None and one.money is not None:
            by = one.evidence.get("money_by_currency")
            more = {"money_of_rows": one.rows} if one.rows != cause.rows else {}
            more |= {} if by is None else {"money_by_currency": by}
            cause = dataclasses.replace(cause, money=one.money, evidence={**cause.evidence, **more})
        if not cause.sample and one.sample:
            cause = dataclasses.replace(cause, sample=_inside(cause, one.sample) or None)
    return cause


def _inside(cause: Finding, sample: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The rows of a sample that are of the hours a finding is about: others show the usual ones."""
    first, end = (cause.evidence.get(name) for name in ("from", "until"))
    times = [(str(row.get("time") or ""), row) for row in sample]
    return [
        row
        for time, row in times
        if (first is None or time >= first) and (end is None or (time != "" and time < end))
    ]


class _Others:
    """The findings of a delivery, by what they check and what they are about."""

    def __init__(
        self, rules: CheckRules, contract: Contract, rows_read: int, found: Sequence[Finding]
    ) -> None:
        self.payload = contract.payload
        self.rows_read = rows_read
        self._columns = {str(one.role): one.name for one in contract.columns if one.role}
        self._checks = {rule.id: rule.check for rule in rules.rules}
        self._thresholds = {rule.id: rule.threshold or 0.0 for rule in rules.rules}
        self._by: dict[str, list[Finding]] = {}
        for one in found:
            self._by.setdefault(self.check(one), []).append(one)

    def check(self, one: Finding) -> str:
        """What the rule of a finding checks."""
        return self._checks.get(one.rule or "", one.rule or "")

    def least(self, one: Finding) -> float:
        """The share of all rows from which on the rule of a finding says something."""
        return self._thresholds.get(one.rule or "", 0.0)

    def some(self, *checks: str) -> Iterator[Finding]:
        """The findings of some checks."""
        for check in checks:
            yield from self._by.get(check, ())

    def about(self, role: str, *checks: str) -> Iterator[Finding]:
        """Findings of some checks about the column of a role."""
        yield from self.about_name(self.column(role), *checks)

    def about_name(self, name: str, *checks: str) -> Iterator[Finding]:
        """Findings of some checks about a column of the contract."""
        yield from (one for one in self.some(*checks) if _subject(one) == name)

    def column(self, role: str) -> str:
        """What the contract calls the column of a role."""
        return self._columns.get(role, role)

    def unfit(self, role: str) -> Iterator[Finding]:
        """That no value of the column fits its type."""
        for one in self.about(role, "column_type_changed"):
            if not one.evidence.get("fitting_share", 1):
                yield one

    def swapped(self, role: str) -> Iterator[Finding]:
        """That the column holds what belongs in another."""
        for one in self.some("column_swapped"):
            if self.column(role) in one.evidence.get("reads", ()):
                yield one


_Look = Callable[[_Others, Finding], Iterator[Finding]]
_LOOKS: dict[str, _Look] = {}


def _explaining(*checks: str) -> Callable[[_Look], _Look]:
    def keep(look: _Look) -> _Look:
        _LOOKS.update(dict.fromkeys(checks, look))
        return look

    return keep


def _cause(others: _Others, one: Finding) -> Finding | None:
    """What explains a finding; None where nothing surely does."""
    look = _LOOKS.get(others.check(one))
    if look is None or "decision" in one.evidence:
        return None
    for cause in look(others, one):
        # A name that looks like the missing one explains it, and becomes as bad.
        like = others.check(cause) == "column_renamed" and others.check(one) == "column_missing"
        if (like or cause.severity <= one.severity) and "decision" not in cause.evidence:
            return _cause(others, cause) or cause  # a chain ends at its beginning
    return None


def _subject(one: Finding) -> str:
    return one.id.partition(":")[2]


# ---------------------------------------------------------------- rows without a usable value


@_explaining(*_ROLES)
def _values(others: _Others, one: Finding) -> Iterator[Finding]:
    check, rows = others.check(one), one.rows or 0
    role = _ROLES[check]
    whole = rows == others.rows_read
    if whole or check == "payload_invalid":
        yield from others.about(role, "column_missing", "column_renamed")
    if rows > _NEARLY_ALL * others.rows_read:
        yield from others.swapped(role)
    if check in _UNREADABLE:
        yield from others.unfit(role)
        yield from others.about(role, "column_type_changed") if whole else ()
    yield from (each for each in others.about(role, "column_emptied") if each.rows == rows)
    yield from _in_some_rows(others, one, role)
    if check == "json_invalid":
        same = (each for each in others.some("payload_invalid") if each.rows == rows)
        yield from (each for each in same if each.since == one.since and _alike(each, one))


def _in_some_rows(others: _Others, one: Finding, role: str) -> Iterator[Finding]:
    """What is told of the rows of some hours, if without those as many are left as is usual."""
    lost = others.some("client_ids_lost", "anonymous_rows") if role == "client_id" else (
        others.about(role, "column_partly_empty")
    )  # fmt: skip
    for part in lost:
        told, share, usual = (
            part.evidence.get(name) or 0.0 for name in ("rows_with_it", "share", "usual_share")
        )
        rest = (one.rows or 0) - int(told)
        besides = others.rows_read - (told / share if share else 0.0)  # rows of the other hours
        least = others.least(one)
        if 0 <= rest <= max(least * others.rows_read, (usual + least) * besides):
            yield part


def _alike(one: Finding, other: Finding) -> bool:
    """Whether two findings show the same rows."""
    first, second = ([row.get("line") for row in each.sample or ()] for each in (one, other))
    return first == second


# ---------------------------------------------------------------- columns and events


@_explaining("column_emptied", "column_partly_empty")
def _empty(others: _Others, one: Finding) -> Iterator[Finding]:
    """What cannot be read is not empty: it is of another type."""
    for change in others.some("column_type_changed"):
        if _subject(change) == _subject(one) and change.rows is not None:
            yield change


@_explaining("column_unusable")
def _unusable(others: _Others, one: Finding) -> Iterator[Finding]:
    roles = [str(role) for role in one.evidence.get("roles", ())]
    if len(roles) < _WRONG_FILE:
        gone = [[*others.about(role, "column_missing", "column_renamed")] for role in roles]
        yield from gone[0] if all(gone) else ()


@_explaining("column_unexpected")
def _unexpected(others: _Others, one: Finding) -> Iterator[Finding]:
    for rename in others.some("column_renamed"):
        if rename.evidence.get("new") == _subject(one):
            yield rename


@_explaining("column_missing")
def _missing(others: _Others, one: Finding) -> Iterator[Finding]:
    # What looks like it is the better half of the sentence, whatever it weighs.
    yield from others.about_name(_subject(one), "column_renamed")
    for unusable in others.some("column_unusable"):
        roles = [str(role) for role in unusable.evidence.get("roles", ())]
        if len(roles) >= _WRONG_FILE and _subject(one) in map(others.column, roles):
            yield unusable


@_explaining("event_vanished")
def _vanished(others: _Others, _one: Finding) -> Iterator[Finding]:
    yield from others.unfit("event_name")


@_explaining("event_unknown")
def _unknown(others: _Others, one: Finding) -> Iterator[Finding]:
    yield from others.unfit("event_name")
    if one.rows == others.rows_read:
        yield from others.swapped("event_name")
    gone = [each for each in others.some("event_vanished") if each.evidence.get("new_name")]
    new = {each.evidence["new_name"]: int(each.evidence["events_of_new_name"]) for each in gone}
    if gone and sum(new.values()) == one.rows:
        yield max(gone, key=lambda each: new[each.evidence["new_name"]])


# ---------------------------------------------------------------- orders


@_explaining("order_without_revenue")
def _without_revenue(others: _Others, one: Finding) -> Iterator[Finding]:
    yield from _lost(others, one, others.payload.revenue)
    for other in others.some("order_revenue_not_a_number"):
        if other.rows == one.rows:
            yield other


@_explaining("order_without_id")
def _without_id(others: _Others, one: Finding) -> Iterator[Finding]:
    yield from _lost(others, one, others.payload.transaction_id)


def _lost(others: _Others, one: Finding, field: str) -> Iterator[Finding]:
    for lost in others.some("payload_field_partly_lost"):
        if _subject(lost) == field and lost.rows == one.rows:
            yield lost


@_explaining("payload_field_lost")
def _field(others: _Others, one: Finding) -> Iterator[Finding]:
    names = {
        others.payload.revenue: "order_without_revenue",
        others.payload.transaction_id: "order_without_id",
    }
    for order in others.some(names.get(_subject(one), "")):
        if order.rows == one.rows:
            yield order


# ---------------------------------------------------------------- files and hours


@_explaining("hours_silent")
def _silent(others: _Others, _one: Finding) -> Iterator[Finding]:
    """Of a time that is another thing, no hour is known."""
    yield from others.unfit("timestamp")


@_explaining("file_ends_early")
def _ends_early(others: _Others, one: Finding) -> Iterator[Finding]:
    yield from others.some("file_truncated")
    yield from _silent(others, one)


@_explaining("broken_row")
def _broken(others: _Others, one: Finding) -> Iterator[Finding]:
    if one.rows == 1 and not _subject(one):
        yield from others.some("file_truncated")


@_explaining("file_size")
def _size(others: _Others, one: Finding) -> Iterator[Finding]:
    ratio, expected = (float(one.evidence.get(key, 0)) for key in ("ratio", "expected_rows"))
    if ratio >= 1:
        more = sum(each.rows or 0 for each in others.some("repeated_rows"))
        # Without the repeats it would be as large as is usual.
        yield from others.some("repeated_rows") if more >= (ratio - 1) * expected / 2 else ()
        return
    yield from others.some("file_truncated")
    gone = [*others.some("file_ends_early", "hours_silent")]
    missed = [int(each.evidence.get("expected_events", 0)) for each in gone]
    if gone and ratio * expected + sum(missed) >= others.least(one) * expected:
        yield gone[missed.index(max(missed))]


@_explaining("time_future")
def _several_days(others: _Others, _one: Finding) -> Iterator[Finding]:
    for other in others.some("file_day"):
        if other.evidence.get("days"):
            yield other


@_explaining("file_day")
def _day(others: _Others, one: Finding) -> Iterator[Finding]:
    for other in others.some("time_future", "same_bytes"):
        if other.rows == one.rows and not one.evidence.get("days"):
            yield other
