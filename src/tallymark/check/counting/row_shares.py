"""What the gate says about rows that lack what every row needs: how many, which, and the fix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tallymark.check.counting import queries
from tallymark.check.header import column_words
from tallymark.check.words import agreed, part
from tallymark.config import CheckRule, Severity
from tallymark.ingest.landing_sql import Fault

if TYPE_CHECKING:
    from tallymark.check.counting.facts import Facts

__all__ = ["MANY", "kept_out", "share_above", "times", "without"]

# Share of rows that cannot be used from which on the day cannot be trusted; the watch's rule
# `quarantined_rows_many` says the same of all that was kept out.
MANY = 0.1
_HEADER_FIX = "write the header once, as the first line; look for a job that appends whole files"


def share_above(
    facts: Facts, rule: CheckRule, rows: int, what: str, condition: str, fault: Fault | None = None
) -> Iterator[dict[str, Any]]:
    """A hit if more than the threshold's share of the rows is affected.

    Args:
        facts: What is known of the delivery.
        rule: Says the threshold.
        rows: How many rows are affected.
        what: What is true of them, with a verb in the plural.
        condition: SQL over ``events`` that picks the rows; over ``landed`` if a fault is given.
        fault: The flag of landing that marks the same rows.
    """
    key = facts.delivery.key
    if fault is None:
        query = queries.rows_of_events(key, condition)
        where = f"({condition}) and {queries.SOUND}"
    else:
        query, where = queries.rows_of(key, condition), f"faults & {fault.value} > 0"
    share = rows / facts.rows if facts.rows else 0.0
    if rows and share > (rule.threshold or 0.0):
        yield {
            "message": f"{rows:,} of {facts.rows:,} rows ({part(share)}) {agreed(rows, what)}",
            "rows": rows,
            "share": share,
            "evidence": {"threshold": rule.threshold or 0.0},
            "query": query,
            "where": where,
        }


def without(
    facts: Facts, rule: CheckRule, fault: Fault, what: str, condition: str
) -> Iterator[dict[str, Any]]:
    """Rows without a value that they can do without, if need be.

    Rows that are kept out for a graver reason are not told again; where all are, all are looked at.
    """
    for one in share_above(facts, rule, facts.of(fault), what, condition, fault):
        if facts.accepted and facts.of(fault) != facts.faults[fault]:
            one["query"] = queries.rows_of(facts.delivery.key, f"{condition} and {queries.SOUND}")
            one["where"] = f"({one['where']} and {queries.SOUND})"
        yield one


def kept_out(
    facts: Facts, rule: CheckRule, fault: Fault, what: str, condition: str
) -> Iterator[dict[str, Any]]:
    """Rows that are kept out for want of a value: so many of them are an error."""
    rows = facts.faults[fault]
    for one in share_above(facts, rule, rows, what, condition, fault):
        if rows > 1 and rows > MANY * facts.rows:
            one["severity"] = min(rule.severity, Severity.P1)
        yield one


def times(facts: Facts, rule: CheckRule) -> Iterator[dict[str, Any]]:
    """Rows whose time cannot be read, a header that came again among them."""
    other = next((one for one in facts.columns.changes if one.column.role == "timestamp"), None)
    rows = facts.faults[Fault.TIME]
    told = "have a time that cannot be read"
    for one in kept_out(facts, rule, Fault.TIME, told, "event_time is null"):
        if facts.headers:
            again = agreed(facts.headers, "are the header again")
            all_of = rows == facts.headers
            share = f"{rows:,} of {facts.rows:,} rows ({part(rows / facts.rows)})"
            one["message"] = (
                f"{share} {again}" if all_of else f"{one['message']}; {facts.headers:,} {again}"
            )
            one["evidence"] = {**one["evidence"], "headers": facts.headers}
            one["fix"] = _HEADER_FIX if all_of else f"{rule.fix}; {_HEADER_FIX}"
        if other is not None:
            one["fix"] = column_words.changed(other)["fix"]
        yield one
