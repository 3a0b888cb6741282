"""Rules of the watch that cannot be followed, refused with a sentence."""

from __future__ import annotations

import datetime as dt
import difflib

from tallymark.config import MonitorRule, MonitorRules, load
from tallymark.errors import ConfigError

__all__ = ["FACTS", "refuse_incomplete", "refuse_unknown", "span_of"]

# Rules that need neither metric nor limit: the program knows what they are about.
FACTS = frozenset(
    {"delivery_late", "delivery_missing", "days_missing", "last_run", "reconciliation"}
)


def refuse_incomplete(rule: MonitorRule) -> None:
    """Refuse a rule that says too little to be followed.

    Raises:
        ConfigError: It does.
    """
    if rule.method != "deterministic" and rule.metric is None:
        raise ConfigError(f"rule {rule.id!r} judges by {rule.method} but names no metric",
                          fix="give it a metric, such as sessions")  # fmt: skip
    fixed = rule.metric is not None and rule.threshold is not None
    if rule.method == "deterministic" and rule.id not in FACTS and not fixed:
        raise ConfigError(f"rule {rule.id!r} is deterministic but has no metric and threshold",
                          fix="give it both, or a method: count, rate or money")  # fmt: skip


def refuse_unknown(rules: MonitorRules, there: set[str]) -> None:
    """Refuse a rule about a metric that is neither in the warehouse nor in any shipped rule.

    Raises:
        ConfigError: There is one.
    """
    asked = {rule.metric for rule in rules.rules if rule.metric is not None} - there
    if not asked:
        return
    shipped = load(MonitorRules, None, "rules/monitor.yml")
    known = sorted(there | {rule.metric for rule in shipped.rules if rule.metric is not None})
    for rule in rules.rules:
        if rule.metric is not None and rule.metric not in known:
            close = difflib.get_close_matches(rule.metric, known, n=1, cutoff=0.5)
            raise ConfigError(
                f"rule {rule.id!r}: there is no metric {rule.metric!r}",
                fix=f"did you mean {close[0]!r}?" if close else f"metrics: {', '.join(known)}",
            )


def span_of(start: str, end: str, name: str) -> tuple[dt.date, dt.date, str]:
    """The first and last day of a promotion, and its name.

    Raises:
        ConfigError: These are no days, or in the wrong order.
    """
    try:
        first, last = dt.date.fromisoformat(start), dt.date.fromisoformat(end)
    except ValueError as error:
        raise ConfigError(
            f"promotion {name!r}: {error}", fix="write dates as 2025-07-01"
        ) from error
    if last < first:
        raise ConfigError(f"promotion {name!r} ends before it starts", fix="swap start and end")
    return first, last, name
