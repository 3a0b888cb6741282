"""Rules of the watch that cannot be followed, refused with a sentence.

Errors say which key they are about as ``rules.3.metric``, and
:func:`put_in_place` finds that in the file.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Collection, Sequence
from pathlib import Path

from tallymark.config import MonitorRule, MonitorRules, load, place
from tallymark.contract import Column, EventNames
from tallymark.errors import ConfigError

__all__ = ["FACTS", "promotions_of", "put_in_place", "refuse_incomplete", "refuse_unknown"]

# Rules that need neither metric nor limit: the program knows what they are about.
FACTS = frozenset(
    {"delivery_late", "delivery_missing", "days_missing", "freshness", "last_run", "reconciliation"}
)


def refuse_incomplete(rules: MonitorRules) -> None:
    """Refuse a rule that says too little to be followed.

    Raises:
        ConfigError: One does.
    """
    for number, rule in enumerate(rules.rules):
        missing = _missing(rule)
        if missing is not None:
            raise ConfigError(missing[0], where=f"rules.{number}", fix=missing[1])


def _missing(rule: MonitorRule) -> tuple[str, str] | None:
    if rule.method != "deterministic" and rule.metric is None:
        return (f"rule {rule.id!r} judges by {rule.method} but names no metric",
                "give it a metric, such as sessions")  # fmt: skip
    fixed = rule.metric is not None and rule.threshold is not None
    if rule.method == "deterministic" and rule.id not in FACTS and not fixed:
        return (f"rule {rule.id!r} is deterministic but has no metric and threshold",
                "give it both, or a method: count, rate or money")  # fmt: skip
    return None


def refuse_unknown(
    rules: MonitorRules, there: set[str], columns: Sequence[Column] | None = None
) -> None:
    """Refuse a rule about a metric, or resting on a name, that there is not.

    Args:
        rules: The rules.
        there: The metrics in the warehouse; those of shipped rules are known besides.
        columns: Of the contract; what rules rest on is not looked at if not given.

    Raises:
        ConfigError: There is one.
    """
    asked = {rule.metric for rule in rules.rules if rule.metric is not None} - there
    if not asked and columns is None:
        return
    shipped = load(MonitorRules, None, "rules/monitor.yml").rules
    metrics = there | {rule.metric for rule in shipped if rule.metric is not None}
    for number, rule in enumerate(rules.rules):
        if rule.metric is not None and rule.metric not in metrics:
            raise _unknown(rule, "metric", rule.metric, metrics, f"rules.{number}.metric")
    if columns is None:
        return
    names = metrics | set(EventNames.model_fields)
    names |= {name for one in columns for name in (one.name, one.role) if name}
    names |= {rule.id for rule in (*shipped, *rules.rules)}
    names |= {name for rule in shipped for name in rule.depends_on}
    for number, rule in enumerate(rules.rules):
        for at, name in enumerate(rule.depends_on):
            if name not in names and name.partition(".")[0] not in EventNames.model_fields:
                where = f"rules.{number}.depends_on.{at}"
                raise _unknown(rule, "metric, column or field", name, names, where)


def _unknown(
    rule: MonitorRule, kind: str, name: str, names: Collection[str], where: str
) -> ConfigError:
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return ConfigError(
        f"rule {rule.id!r}: there is no {kind} {name!r}",
        where=where,
        fix=f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}",
    )


def promotions_of(rules: MonitorRules) -> Sequence[tuple[dt.date, dt.date, str]]:
    """The first and last day of each promotion, and its name.

    Raises:
        ConfigError: These are no days, or in the wrong order.
    """
    found = []
    for number, one in enumerate(rules.promotions):
        days = []
        for key, text in (("start", one.start), ("end", one.end)):
            try:
                days.append(dt.date.fromisoformat(text))
            except ValueError as error:
                raise ConfigError(
                    f"promotion {one.name!r}: {error}", where=f"promotions.{number}.{key}",
                    fix="write dates as 2025-07-01",
                ) from error  # fmt: skip
        if days[1] < days[0]:
            raise ConfigError(
                f"promotion {one.name!r} ends before it starts", where=f"promotions.{number}.end",
                fix="swap start and end",
            )  # fmt: skip
        found.append((days[0], days[1], one.name))
    return found


def put_in_place(error: ConfigError, file: Path) -> None:
    """Give an error about a key of the rules the line and column of that key in their file."""
    first, *rest = error.where.split(".")
    if first in MonitorRules.model_fields:
        error.where = place(file, first, *(int(one) if one.isdigit() else one for one in rest))
    error.where = error.where or str(file)
