"""The checks that rules can name: each looks at the facts and says what is wrong, or nothing.

A check is one function from :class:`~tallymark.check.facts.Facts` to hits; the rule in YAML adds
how bad it is, what happens then, and from which threshold on it counts.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tallymark.check.facts import Facts
from tallymark.config import CheckRule, CheckRules, Severity, place
from tallymark.errors import ConfigError
from tallymark.ingest.landing_sql import Fault
from tallymark.results import Finding, Layer

__all__ = ["CHECKS", "FILE_CHECKS", "HISTORY_CHECKS", "Hit", "finding", "judge", "refuse_unknown",
           "since"]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One violation, before a rule weighs it."""

    message: str
    subject: str = ""
    rows: int | None = None
    share: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    fix: str | None = None
    severity: Severity | None = None
    query: str | None = None


Check = Callable[[Facts, CheckRule], Iterator[Hit]]
CHECKS: dict[str, Check] = {}
FILE_CHECKS = ("file_empty", "file_header_only", "file_kind", "file_compression", "file_encoding")
HISTORY_CHECKS = ("same_bytes", "payload_field_lost")
ROW_CHECKS = ("broken_row", "time_unparseable", "event_name_missing")


def _check(function: Check) -> Check:
    CHECKS[function.__name__.strip("_")] = function
    return function


def refuse_unknown(rules: CheckRules, where: str) -> None:
    """Refuse a rule whose check does not exist, or that asks what its check does not do.

    Args:
        rules: The rules.
        where: The file that they were read from.

    Raises:
        ConfigError: With the nearest known name, or what to leave out.
    """
    known = [*CHECKS, *FILE_CHECKS, *HISTORY_CHECKS]
    for number, rule in enumerate(rules.rules):
        if rule.check not in known:
            close = difflib.get_close_matches(rule.check, known, n=1, cutoff=0.5)
            fix = f"did you mean {close[0]!r}?" if close else f"known checks: {', '.join(known)}"
            raise ConfigError(
                f"rule {rule.id!r}: unknown check {rule.check!r}",
                where=place(Path(where), "rules", number, "check"),
                fix=fix,
            )
        for key in ("column", "event", "expression"):
            if getattr(rule, key) is not None:
                raise ConfigError(
                    f"rule {rule.id!r}: {rule.check} does nothing with {key!r}",
                    where=place(Path(where), "rules", number, key),
                    fix="leave it out",
                )
        if rule.action == "quarantine_rows" and rule.check not in ROW_CHECKS:
            raise ConfigError(
                f"rule {rule.id!r}: {rule.check} cannot quarantine rows",
                where=place(Path(where), "rules", number, "action"),
                fix=f"say action: warn; rows are kept out by {', '.join(ROW_CHECKS)}",
            )


def judge(facts: Facts, rules: CheckRules) -> list[tuple[CheckRule, Finding]]:
    """Every finding of the rules on these facts, in the order of the rules."""
    found = []
    for rule in rules.rules:
        check = CHECKS.get(rule.check)
        if rule.enabled and check is not None:
            found += [(rule, finding(rule, hit, facts)) for hit in check(facts, rule)]
    return found


def finding(rule: CheckRule, hit: Hit, facts: Facts | None = None) -> Finding:
    """A hit weighed by its rule."""
    day = facts.delivery.date if facts else None
    return Finding(
        id=f"{rule.id}:{hit.subject}" if hit.subject else rule.id,
        layer=Layer.QUALITY,
        severity=hit.severity or rule.severity,
        rule=rule.id,
        message=hit.message,
        since=since(facts),
        date=str(day) if day else facts.main_day if facts else None,
        delivery=facts.delivery.key if facts else None,
        rows=hit.rows,
        share=None if hit.share is None else round(hit.share, 6),
        evidence=hit.evidence,
        fix=hit.fix or rule.fix,
        owner=rule.owner,
        query=hit.query,
    )


def since(facts: Facts | None) -> str:
    """When a fault of a whole delivery began: with its first event, else with its day."""
    if facts is None:
        return ""
    if facts.first:
        return facts.first
    day = facts.delivery.date
    return f"{day}T00:00:00.000Z" if day else ""


def _rows_query(facts: Facts, condition: str) -> str:
    key = facts.delivery.key.replace("'", "''")
    return f"select count(*) from events where delivery = '{key}' and {condition}"


def _share_above(
    facts: Facts, rule: CheckRule, rows: int, what: str, condition: str
) -> Iterator[Hit]:
    """A hit if more than the threshold's share of the rows is affected."""
    share = rows / facts.rows if facts.rows else 0.0
    if rows and share > (rule.threshold or 0.0):
        yield Hit(
            message=f"{rows:,} of {facts.rows:,} rows ({share:.1%}) {what}",
            rows=rows,
            share=share,
            evidence={"threshold": rule.threshold or 0.0},
            query=_rows_query(facts, condition),
        )


# ---------------------------------------------------------------- tier 0 and 1


@_check
def _file_day(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    if facts.delivery.date is None:
        return
    yield from _share_above(
        facts, rule, facts.faults[Fault.OTHER_DAY],
        f"are not of {facts.delivery.date}, the day in the file's name (most are of "
        f"{facts.main_day})",
        f"event_date <> date '{facts.delivery.date}'",
    )  # fmt: skip


@_check
def _column_renamed(facts: Facts, _rule: CheckRule) -> Iterator[Hit]:
    for rename in facts.columns.renames:
        old, new = rename.column.name, rename.delivered
        yield Hit(
            subject=old,
            message=(
                f"column {old} is missing; {new} matches it ({rename.evidence()})"
                + ("" if rename.adopted else "; not sure enough to read it so")
            ),
            severity=None if rename.adopted else Severity.P1,
            evidence={
                "old": old, "new": new, "adopted": rename.adopted, "score": rename.score,
                "name_likeness": round(rename.name, 3), "same_position": rename.position,
                "shape_likeness": round(rename.shape, 3),
            },
            fix=(
                f"run on as is: {new} is read as {old}; agree to it with `aliases: [{new}]` on "
                f"{old} in contracts/events.yml, or restore the name {old}"
                if rename.adopted
                else f"if {new} is {old}, add `aliases: [{new}]` to it in contracts/events.yml"
            ),
            rows=facts.rows,
            share=1.0,
        )  # fmt: skip


@_check
def _column_missing(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    for column in facts.columns.missing:
        yield Hit(
            subject=column.name,
            message=f"column {column.name} was not delivered: {column.why or rule.why}",
            severity=column.if_missing,
            evidence={"columns": list(facts.columns.unexpected)},
            fix=f"restore {column.name} at the source and deliver the day again",
            rows=facts.rows,
            share=1.0,
        )


@_check
def _column_unexpected(facts: Facts, _rule: CheckRule) -> Iterator[Hit]:
    for name in facts.columns.unexpected:
        yield Hit(subject=name[:64], message=f"column {name[:64]} is not in the contract")


@_check
def _column_unusable(facts: Facts, _rule: CheckRule) -> Iterator[Hit]:
    needed = ("timestamp", "event_name", "page_url", "client_id")
    gone = [role for role in needed if facts.columns.roles.get(role) is None]
    if gone:
        yield Hit(
            message=f"no column plays the part of {', '.join(gone)}, so nothing can be counted",
            evidence={"roles": gone},
            rows=facts.rows,
        )


# ---------------------------------------------------------------- tier 2


@_check
def _broken_row(facts: Facts, _rule: CheckRule) -> Iterator[Hit]:
    if facts.bad_lines:
        yield Hit(
            message=f"{facts.bad_lines:,} of {facts.rows:,} lines are no rows: "
            "broken quoting, width or encoding",
            rows=facts.bad_lines,
            share=facts.bad_lines / facts.rows,
            evidence={"doubt": facts.careful},
        )


@_check
def _time_unparseable(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _share_above(
        facts, rule, facts.faults[Fault.TIME], "have a time that cannot be read", "false"
    )


@_check
def _event_name_missing(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _share_above(
        facts, rule, facts.faults[Fault.EVENT_NAME], "have no event name", "false"
    )


@_check
def _client_missing(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _share_above(
        facts, rule, facts.faults[Fault.CLIENT], "have no client id", "client_id is null"
    )


@_check
def _page_invalid(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _share_above(
        facts, rule, facts.faults[Fault.PAGE], "have no absolute page URL", "page_host is null"
    )


@_check
def _agent_missing(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    if facts.columns.roles.get("user_agent") is not None:
        yield from _share_above(
            facts, rule, facts.faults[Fault.AGENT], "have no user agent", "user_agent is null"
        )


@_check
def _repeated_rows(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _share_above(
        facts, rule, facts.repeated, "repeat another row of the delivery exactly", "is_repeat"
    )


# ---------------------------------------------------------------- orders


def _orders_above(
    facts: Facts, rule: CheckRule, count: int, what: str, **more: Any
) -> Iterator[Hit]:
    if count and facts.columns.roles.get("event_data") and count > (rule.threshold or 0):
        total = facts.orders.orders
        yield Hit(
            message=f"{count:,} of {total:,} purchases {what}",
            rows=count,
            share=count / total,
            **more,
        )


@_check
def _payload_invalid(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(
        facts, rule, facts.orders.invalid, "have a payload that is no JSON object"
    )


@_check
def _order_without_id(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(facts, rule, facts.orders.without_id, "have no transaction id")


@_check
def _order_without_revenue(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(facts, rule, facts.orders.without_revenue, "state no revenue")


@_check
def _order_negative_revenue(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(facts, rule, facts.orders.negative, "have a negative revenue")


@_check
def _order_test(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(
        facts, rule, facts.orders.test,
        "worth nothing and without a named item: shown as test, not counted",
        query=f"select count(*) from fct_orders where status = 'test' "
        f"and order_date = date '{facts.delivery.date}'",
    )  # fmt: skip


@_check
def _order_redelivered(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(
        facts, rule, facts.orders.redelivered,
        "are the same order of the same customer again; each is counted once",
        query=f"select count(*) from fct_orders where status = 'redelivery' "
        f"and order_date = date '{facts.delivery.date}'",
    )  # fmt: skip


@_check
def _order_id_collision(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    orders = facts.orders
    chance = orders.chance_collisions
    by_chance = "" if chance is None else f" ({chance:.2f} collisions expected by chance)"
    yield from _orders_above(
        facts, rule, orders.colliding,
        f"share {orders.colliding_ids} transaction id{'' if orders.colliding_ids == 1 else 's'} "
        f"with another customer: "
        f"all are real and all count{by_chance}",
        evidence={
            "ids": orders.colliding_ids, "distinct_ids": orders.distinct_ids,
            "collisions_by_chance": None if chance is None else round(chance, 4),
            "revenue_kept": str(orders.colliding_revenue),
        },
        query=f"select count(*) from fct_orders where id_status = 'id_collision' "
        f"and order_date = date '{facts.delivery.date}'",
    )  # fmt: skip


@_check
def _order_conflict(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(
        facts, rule, facts.orders.conflicting,
        "have the id and customer of another but not its content; the latest counts",
        query=f"select count(*) from fct_orders where id_status = 'conflict' "
        f"and order_date = date '{facts.delivery.date}'",
    )  # fmt: skip
