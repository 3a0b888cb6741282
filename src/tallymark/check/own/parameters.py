"""What a rule may say to its check: which keys, what a threshold counts, and within what bounds."""

from __future__ import annotations

import math

from tallymark.check.own.fields import Fields
from tallymark.check.own.predicates import COMPILED, compile_rule, event_names
from tallymark.config import CheckRule
from tallymark.contract import Contract
from tallymark.errors import ConfigError

__all__ = [
    "ROW_CHECKS",
    "ROW_TESTS",
    "VALUE_CHECKS",
    "above",
    "foreign_keys",
    "limit_of",
    "refuse_parameters",
]

# Each check about values, and the keys that it takes beside those that every rule has.
VALUE_CHECKS: dict[str, frozenset[str]] = {
    "allowed": frozenset({"column", "values", "event", "unit"}),
    "column_contract": frozenset({"unit"}),
    "compound_key": frozenset({"columns", "event", "unit"}),
    "event_unknown": frozenset({"unit"}),
    "expression": frozenset({"expression", "event", "unit"}),
    "host_unknown": frozenset({"unit"}),
    "json_invalid": frozenset({"unit"}),
    "length": frozenset({"column", "min", "max", "event", "unit"}),
    "nulls": frozenset({"column", "event", "unit"}),
    "pattern": frozenset({"column", "pattern", "event", "unit"}),
    "payload_schema": frozenset({"event", "unit"}),
    "range": frozenset({"column", "min", "max", "event", "unit"}),
    "time_future": frozenset({"unit"}),
    "time_zone": frozenset({"unit"}),
    "unique": frozenset({"column", "event", "unit"}),
}
# About rows that no table can hold.
ROW_CHECKS = ("broken_row", "time_unparseable", "event_name_missing")
# Those that say of a single row whether it is bad, and so can keep it out.
ROW_TESTS = tuple(sorted(set(COMPILED) - {"compound_key", "unique"}))
_KEYS = ("column", "columns", "event", "expression", "pattern", "values", "min", "max", "unit")
_SHARES = frozenset({
    "agent_missing", "client_missing", "event_name_missing", "file_day", "page_invalid",
    "referrer_invalid", "repeated_rows", "time_unparseable",
})  # fmt: skip


def foreign_keys(rule: CheckRule, *, plugin: bool = False) -> list[str]:
    """The keys of a rule that its check would not look at; a plug-in may look at all of them."""
    taken = frozenset(_KEYS) if plugin else VALUE_CHECKS.get(rule.check, frozenset())
    return [key for key in _KEYS if key not in taken and getattr(rule, key) is not None]


def refuse_parameters(rule: CheckRule, contract: Contract) -> None:
    """Refuse a rule that asks its check for what cannot be.

    Raises:
        ConfigError: With the key of the rule as its place.
    """
    try:
        _refuse_wrong(rule, contract)
    except ConfigError as error:
        raise ConfigError(error.what, where=error.where, fix=error.fix or _remedy(rule)) from None


def _refuse_wrong(rule: CheckRule, contract: Contract) -> None:
    _refuse_threshold(rule)
    if rule.event is not None:
        event_names(rule.event, contract)
    # A rule that is switched off is read all the same: it is to work when it is switched on.
    compile_rule(rule, Fields(contract))
    said = "action" in rule.model_fields_set
    if said and rule.action == "warn" and rule.check in ROW_CHECKS:
        raise ConfigError(
            "is about rows that cannot be let in, so `warn` would say what is not so",
            where="action", fix="say action: quarantine_rows; how loud it is says severity",
        )  # fmt: skip
    if rule.action == "quarantine_rows" and rule.check in ROW_TESTS and rule.threshold:
        raise ConfigError(
            "keeps rows out from the first one on, and a threshold cannot change that",
            where="threshold", fix="leave it out, or say action: warn",
        )  # fmt: skip


def _refuse_threshold(rule: CheckRule) -> None:
    given = rule.threshold
    if given is None:
        if rule.unit is not None and rule.check in VALUE_CHECKS:
            raise ConfigError("has a unit but no threshold", where="unit", fix="say threshold: ...")
        return
    if not math.isfinite(given) or given < 0:
        raise ConfigError(f"threshold {given:g} is below 0 or no number", where="threshold")
    shares = rule.check in _SHARES or rule.check in VALUE_CHECKS
    if shares and rule.unit != "rows" and given > 1:
        cure = f"write {given / 100:g} for {given:g} %" if given <= 100 else "write 0.05 for 5 %"  # noqa: PLR2004
        rows = "; for a number of rows add unit: rows" if rule.check in VALUE_CHECKS else ""
        raise ConfigError(
            f"threshold {given:g} is no share between 0 and 1", where="threshold",
            fix=f"{cure}{rows}",
        )  # fmt: skip
    if rule.unit == "rows" and not given.is_integer():
        raise ConfigError(f"threshold {given:g} is no number of rows", where="threshold")


def _remedy(rule: CheckRule) -> str:
    """What to do about a rule whose mistake says no more than what it is."""
    if rule.expression is not None:
        return "compare columns, payload fields and values, such as revenue < 10000"
    return f"mend this key of the rule; `{rule.check}` is described in the reference of the rules"


def limit_of(rule: CheckRule) -> dict[str, float | str]:
    """The threshold of a rule as evidence."""
    return {"threshold": rule.threshold or 0.0, "unit": rule.unit or "share"}


def above(rule: CheckRule, rows: int, of: int) -> bool:
    """Whether so many bad rows, of so many, are more than the rule lets pass."""
    if rows <= 0:
        return False
    limit = rule.threshold or 0.0
    return rows > limit if rule.unit == "rows" else rows / max(of, rows) > limit
