"""The checks that rules can name: each looks at the facts and says what is wrong, or nothing.

A check is one function from :class:`~tallymark.check.counting.facts.Facts` to hits; the rule in
YAML adds how bad it is, what happens then, and from which threshold on it counts.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tallymark.check.counting import queries
from tallymark.check.counting.broken_lines import broken_lines
from tallymark.check.counting.edges import CUT_FIX, DAYS_FIX, strays_of
from tallymark.check.counting.facts import Facts
from tallymark.check.counting.money import Again, Touched
from tallymark.check.counting.orders import TWIN_MS
from tallymark.check.counting.row_shares import kept_out, share_above, times, without
from tallymark.check.counting.samples import LINES, Look
from tallymark.check.header import column_words
from tallymark.check.own.parameters import (
    ROW_CHECKS,
    ROW_TESTS,
    VALUE_CHECKS,
    foreign_keys,
    refuse_parameters,
)
from tallymark.check.plugins import load_plugin, plugin_names
from tallymark.check.words import agreed
from tallymark.config import Action, CheckRule, CheckRules, Severity, place
from tallymark.contract import Contract, load_contract
from tallymark.errors import ConfigError
from tallymark.ingest.landing_sql import Fault
from tallymark.ingest.url_sql import absolute
from tallymark.results import Finding, Layer

__all__ = ["CHECKS", "FILE_CHECKS", "HISTORY_CHECKS", "Hit", "built_in", "finding", "judge",
           "refuse_unknown", "since"]  # fmt: skip


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
    query: str | None = None  # SQL that counts the rows again; empty where none can
    money: Decimal | None = None  # what the touched orders state; else asked by `where`
    again: Again | None = None  # of orders that came more than once, which of them it touches
    where: str | None = None  # SQL over landed rows: those it touches, for a sample
    action: Action | None = None  # instead of the rule's
    since: str | None = None  # where it did not begin with the delivery


Check = Callable[[Facts, CheckRule], Iterator[Hit]]
CHECKS: dict[str, Check] = {}
FILE_CHECKS = (
    "file_empty", "file_header_only", "file_header_missing", "file_kind", "file_compression",
    "file_encoding", "file_changing",
)  # fmt: skip
HISTORY_CHECKS = (
    "column_reordered", "same_bytes", "payload_field_lost", "payload_field_partly_lost",
    "file_bom", "file_delimiter", "file_size", "file_ends_early", "file_late", "missing_days",
    "hours_silent", "event_vanished",
    "client_volume", "column_emptied", "column_partly_empty", "client_ids_lost", "anonymous_rows",
    "bot_wave", "bot_actions", "bot_majority", "internal_traffic", "double_fired",
    "order_revenue_not_a_number", "order_zero_revenue", "order_far_revenue", "order_test_share",
    "order_revenue_mismatch",
    "order_redelivered_history", "order_id_collision_history", "order_conflict_history",
)  # fmt: skip
_MANY_TWINS = 0.05  # of the purchases; fewer are a customer who wanted another of the same


def _check(function: Check) -> Check:
    CHECKS[function.__name__.strip("_")] = function
    return function


def built_in(check: str) -> bool:
    """Whether a check is Tallymark's own; any other is a plug-in's."""
    return any(check in some for some in (CHECKS, FILE_CHECKS, HISTORY_CHECKS, VALUE_CHECKS))


def refuse_unknown(rules: CheckRules, where: str, contract: Contract | None = None) -> None:
    """Refuse a rule whose check does not exist, or that asks what its check does not do.

    Args:
        rules: The rules.
        where: The file that they were read from.
        contract: What their columns and events are looked up in; the shipped one if None.

    Raises:
        ConfigError: With the nearest known name, or what to leave out.
    """
    own = [*CHECKS, *FILE_CHECKS, *HISTORY_CHECKS, *VALUE_CHECKS]
    known = own if all(built_in(one.check) for one in rules.rules) else [*own, *plugin_names()]
    promised = contract or load_contract(None)
    for number, rule in enumerate(rules.rules):
        if rule.check not in known:
            close = difflib.get_close_matches(rule.check, known, n=1, cutoff=0.5)
            fix = f"did you mean {close[0]!r}?" if close else f"known checks: {', '.join(known)}"
            raise ConfigError(
                f"rule {rule.id!r}: unknown check {rule.check!r}",
                where=place(Path(where), "rules", number, "check"),
                fix=fix,
            )
        for key in foreign_keys(rule, plugin=rule.check not in own):
            raise ConfigError(
                f"rule {rule.id!r}: {rule.check} does nothing with {key!r}",
                where=place(Path(where), "rules", number, key),
                fix="leave it out",
            )
        try:
            refuse_parameters(rule, promised)
            if rule.check not in own:
                load_plugin(rule.check)
        except ConfigError as error:
            raise ConfigError(
                f"rule {rule.id!r}: {error.what}",
                where=place(Path(where), "rules", number, error.where or "check"),
                fix=error.fix,
            ) from None
        keeping = (*ROW_CHECKS, *ROW_TESTS)
        if rule.action == "quarantine_rows" and rule.check not in keeping:
            raise ConfigError(
                f"rule {rule.id!r}: {rule.check} cannot quarantine rows",
                where=place(Path(where), "rules", number, "action"),
                fix=f"say action: warn; rows are kept out by {', '.join(keeping)}",
            )


def judge(
    facts: Facts, rules: CheckRules, look: Look | None = None
) -> list[tuple[CheckRule, Finding]]:
    """Every finding of the rules on these facts, in the order of the rules; with samples."""
    found = []
    for rule in rules.rules:
        check = CHECKS.get(rule.check, _measured)
        if rule.enabled:
            found += [
                (rule.model_copy(update={"action": hit.action or rule.action}),
                 finding(rule, hit, facts, look))
                for hit in check(facts, rule)
            ]  # fmt: skip
    return found


def _measured(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    """What was found with the values, before the rules are weighed."""
    yield from facts.values.get(rule.id, ())


def finding(
    rule: CheckRule, hit: Hit, facts: Facts | None = None, look: Look | None = None
) -> Finding:
    """A hit weighed by its rule, with a sample of the rows it touches."""
    day = facts.delivery.date if facts else None
    information = (hit.severity or rule.severity) is Severity.P3
    touched = _touched(hit, None if information else look)
    return Finding(
        id=f"{rule.id}:{hit.subject}" if hit.subject else rule.id,
        layer=Layer.QUALITY,
        severity=hit.severity or rule.severity,
        rule=rule.id,
        message=hit.message,
        since=hit.since or _first(hit, touched) or since(facts),
        date=str(day) if day else facts.main_day if facts else None,
        delivery=facts.delivery.key if facts else None,
        rows=hit.rows,
        share=None if hit.share is None else round(hit.share, 6),
        evidence={**hit.evidence, **touched.evidence()},
        fix=hit.fix or rule.fix,
        owner=rule.owner,
        query=hit.query or _query(hit, facts),
        # Looking costs as much as counting: what is only information does without.
        sample=(look(hit.where) or None) if look and hit.where and not information else None,
        money=touched.money,
        runbook=rule.runbook,
    )


def _touched(hit: Hit, look: Look | None) -> Touched:
    """What the purchases that a hit touches state; lines that are no rows say nothing."""
    if hit.money is not None or look is None:
        return Touched(money=hit.money)
    if hit.again is not None:
        return look.worth.of_orders(hit.again)
    if hit.where is None or hit.where in LINES or not hit.rows:
        return Touched()
    return look.worth.of_rows(hit.where)


def _first(hit: Hit, touched: Touched) -> str | None:
    """When the first row was that a hit touches, if all of them are purchases."""
    return touched.first if hit.rows and touched.purchases == hit.rows else None


def _query(hit: Hit, facts: Facts | None) -> str | None:
    """The query of a hit that only says which landed rows it touches."""
    if facts is None or hit.rows is None or hit.where in {None, *LINES} or hit.query is not None:
        return None
    return queries.rows_of(facts.delivery.key, str(hit.where))


def since(facts: Facts | None) -> str:
    """When a fault of a whole delivery began: with its first event, else with its day."""
    if facts is None:
        return ""
    if facts.first:
        return facts.first
    day = facts.delivery.date
    return f"{day}T00:00:00.000Z" if day else ""


# ---------------------------------------------------------------- tier 0 and 1


@_check
def _file_truncated(facts: Facts, _rule: CheckRule) -> Iterator[Hit]:
    if facts.cut:
        told = f"; the last whole event before is of {facts.last}" if facts.last else ""
        yield Hit(
            message=f"the file ends in the middle of a row{told}: it was cut off, or is still "
            "being written",
            evidence={"last_event_at": facts.last, "rows_before": facts.rows - facts.bad_lines},
            since=facts.last,
        )


@_check
def _file_day(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    if facts.delivery.date is None:
        return
    strays = strays_of(facts.groups, facts.delivery.date)
    if strays.of_utc:
        return  # cut at midnight of UTC, as most exports are
    for one in share_above(
        facts, rule, facts.faults[Fault.OTHER_DAY],
        strays.said(facts.delivery.date, facts.main_day),
        f"event_date <> date '{facts.delivery.date}'", Fault.OTHER_DAY,
    ):  # fmt: skip
        hit = Hit(**one)
        if strays.cut:
            hit = replace(hit, severity=Severity.P3, fix=CUT_FIX)
        elif strays.held:
            held = [str(day) for day in strays.held]
            hit = replace(hit, fix=DAYS_FIX, evidence={**hit.evidence, "days": held})
        yield hit


@_check
def _column_renamed(facts: Facts, _rule: CheckRule) -> Iterator[Hit]:
    for rename in facts.columns.renames:
        key, old = facts.delivery.key, rename.column.name
        query = queries.rows_read(key) if rename.empty else queries.without_column(key, old)
        hit = Hit(**column_words.renamed(rename), rows=facts.rows, share=1.0, query=query)
        if rename.partly:  # which rows come under which name is not kept: the gate is asked again
            part = None if rename.rows is None else rename.rows / max(1, facts.rows)
            hit = replace(hit, rows=rename.rows, share=part, query=None, since=rename.since)
        yield hit


@_check
def _column_swapped(facts: Facts, _rule: CheckRule) -> Iterator[Hit]:
    for swap in facts.columns.swaps:
        query = queries.rows_read(facts.delivery.key)
        yield Hit(**column_words.swapped(swap), rows=facts.rows, share=1.0, query=query)


@_check
def _column_type_changed(facts: Facts, _rule: CheckRule) -> Iterator[Hit]:
    for change in facts.columns.changes:
        # Only the sample was looked at: where none of it fits, all rows are taken to be changed.
        hit = Hit(**column_words.changed(change))
        query = queries.rows_read(facts.delivery.key)
        yield hit if change.shape.fits else replace(hit, rows=facts.rows, share=1.0, query=query)


@_check
def _column_doubled(facts: Facts, _rule: CheckRule) -> Iterator[Hit]:
    yield from (Hit(**column_words.doubled(double)) for double in facts.columns.doubles)


@_check
def _column_missing(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    for column in facts.columns.missing:
        words = column_words.missing(column, facts.columns.unexpected, rule.why)
        query = queries.without_column(facts.delivery.key, column.name)
        yield Hit(**words, rows=facts.rows, share=1.0, query=query)


@_check
def _column_unexpected(facts: Facts, _rule: CheckRule) -> Iterator[Hit]:
    yield from (Hit(**column_words.unexpected(name)) for name in facts.columns.unexpected)


@_check
def _column_unusable(facts: Facts, _rule: CheckRule) -> Iterator[Hit]:
    needed = ("timestamp", "event_name", "page_url", "client_id")
    gone = [role for role in needed if facts.columns.roles.get(role) is None]
    if gone:
        yield Hit(
            message=f"no column plays the part of {', '.join(gone)}, so nothing can be counted",
            evidence={"roles": gone},
            rows=facts.rows,
            query=queries.rows_read(facts.delivery.key),
        )


# ---------------------------------------------------------------- tier 2


@_check
def _broken_row(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from (Hit(**one) for one in broken_lines(facts, rule))


@_check
def _time_unparseable(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from (Hit(**one) for one in times(facts, rule))


@_check
def _event_name_missing(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    told, first = "have no event name", facts.first_of.get(Fault.EVENT_NAME)
    for one in kept_out(facts, rule, Fault.EVENT_NAME, told, "event_name is null"):
        yield Hit(**one, since=first)


@_check
def _client_missing(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    for one in without(facts, rule, Fault.CLIENT, "have no client id", "client_id is null"):
        yield Hit(**one)


@_check
def _page_invalid(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    for one in without(facts, rule, Fault.PAGE, "have no absolute page URL", "page_host is null"):
        yield Hit(**one)


@_check
def _agent_missing(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    if facts.columns.roles.get("user_agent") is not None:
        for one in without(facts, rule, Fault.AGENT, "have no user agent", "user_agent is null"):
            yield Hit(**one)


@_check
def _referrer_invalid(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    told = "have a referrer that is no URL"
    for one in without(facts, rule, Fault.REFERRER, told, f"not {absolute('referrer')}"):
        yield Hit(**one)


@_check
def _repeated_rows(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    for one in share_above(
        facts, rule, facts.repeated, "repeat another row of the delivery exactly", "is_repeat"
    ):
        query = queries.repeats(facts.delivery.key)
        yield replace(Hit(**one), query=query, where=None, since=facts.first_repeat)


# ---------------------------------------------------------------- orders


def _orders_above(
    facts: Facts, rule: CheckRule, count: int, what: str, **more: Any
) -> Iterator[Hit]:
    if count and facts.columns.roles.get("event_data") and count > (rule.threshold or 0):
        total = facts.orders.orders
        yield Hit(
            message=f"{count:,} of {total:,} purchases {agreed(count, what)}",
            rows=count,
            share=count / total,
            **more,
        )


def _countable(facts: Facts, condition: str) -> dict[str, Any]:
    """The query and the sample of purchases whose payload meets a condition."""
    where = queries.purchases(condition)
    query = queries.rows_of_events(facts.delivery.key, where)
    return {"query": query, "where": f"{where} and {queries.SOUND}"}


def _orders_again(facts: Facts, condition: str) -> str:
    """The query of orders whose id comes more than once in the delivery."""
    again = queries.id_again(facts.delivery.key, facts.names.transaction_id)
    return queries.rows_of_orders(facts.delivery.key, f"{condition} and {again}")


@_check
def _payload_invalid(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(
        facts, rule, facts.orders.invalid, "have a payload that is no JSON object",
        query=queries.rows_of_events(facts.delivery.key, queries.UNREADABLE),
        where=f"{queries.UNREADABLE} and {queries.SOUND}",
    )  # fmt: skip


@_check
def _order_without_id(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(
        facts, rule, facts.orders.without_id, "have no transaction id",
        **_countable(facts, queries.blank(facts.names.transaction_id)),
    )  # fmt: skip


@_check
def _order_without_revenue(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(
        facts, rule, facts.orders.without_revenue, "state no revenue that can be added up",
        **_countable(facts, f"{queries.number(facts.names.revenue)} is null"),
    )  # fmt: skip


@_check
def _order_negative_revenue(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(
        facts, rule, facts.orders.negative, "have a negative revenue",
        **_countable(facts, f"{queries.number(facts.names.revenue)} < 0"),
    )  # fmt: skip


@_check
def _order_test(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(
        facts, rule, facts.orders.test,
        "are worth nothing and without a named item: shown as test, not counted",
        **_countable(
            facts, f"{queries.number(facts.names.revenue)} = 0 and not ("
            f"{queries.named_item(facts.names.items, facts.names.item_name)})",
        ),
    )  # fmt: skip


@_check
def _order_redelivered(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(
        facts, rule, facts.orders.redelivered,
        "are the same order of the same customer again; each is counted once",
        query=_orders_again(facts, "status = 'redelivery'"),
        again="redelivered",
    )  # fmt: skip


@_check
def _order_again(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    found = facts.orders.twins
    many = found > 1 and found >= _MANY_TWINS * facts.orders.orders
    yield from _orders_above(
        facts, rule, found,
        "repeat what the same customer bought within the half hour before, under another "
        "transaction id: all count",
        severity=min(rule.severity, Severity.P2) if many else None,
        query=queries.twins(facts.delivery.key, facts.names.model_dump(), TWIN_MS),
        money=facts.orders.twin_revenue,
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
        money=orders.colliding_revenue,
        query=_orders_again(facts, "id_status = 'id_collision'"),
    )  # fmt: skip


@_check
def _order_conflict(facts: Facts, rule: CheckRule) -> Iterator[Hit]:
    yield from _orders_above(
        facts, rule, facts.orders.conflicting,
        "have the id and customer of another but not its content; the latest counts",
        query=_orders_again(facts, "id_status = 'conflict'"),
        again="conflicting",
    )  # fmt: skip
