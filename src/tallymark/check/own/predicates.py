"""Rules about values, made into SQL: each a test that is true of a **bad** row.

All tests of all rules are counted in one query over the landed file, so that a rule costs the
reading of its columns and not a pass. Only what no row can say of itself (whether a value is
there twice) is a query of its own, and only when a rule asks.
"""

from __future__ import annotations

import contextlib
import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tallymark.check.own.expressions import compile_expression, moment, refuse_pattern
from tallymark.check.own.fields import Fields, Value, number
from tallymark.config import CheckRule, CheckRules
from tallymark.contract import Column, Contract
from tallymark.engine.base import literal
from tallymark.errors import ConfigError
from tallymark.ingest.extra import Asked, Rejecting

__all__ = [
    "COMPILED",
    "Compiled",
    "Key",
    "Predicate",
    "compile_rule",
    "compile_rules",
    "event_names",
    "known_events",
]

_LIKE_A_KNOWN = 0.85  # from this likeness on, an event name is taken for a slip of the pen
_SHOWN = 80
_DAY = len("2026-01-31")
_MOST_FLAGS = 62  # bits of a number that is not negative


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """A test of single rows.

    Attributes:
        rule: Whose test it is.
        subject: What it is about, for the id of the finding.
        bad: SQL that is true of a bad row.
        of: SQL that is true of the rows that are tested; None for all.
        reason: What is wrong with a bad row, as "page_url is longer than 2048 characters".
        names: The columns and payload fields that it reads, as the rule names them.
        first: SQL over a landed file that is true of every bad row, and quickly told.
    """

    rule: CheckRule
    subject: str
    bad: str
    of: str | None
    reason: str
    names: tuple[str, ...] = ()
    first: str | None = None

    @property
    def test(self) -> str:
        """SQL that is true of a bad row that is tested."""
        # The arms of a case are looked at in turn: payloads of other events are not parsed.
        return self.bad if self.of is None else f"(case when {self.of} then {self.bad} end)"

    @property
    def counted(self) -> str:
        """The same over a landed file, where more is known of a row than while it lands."""
        return self.test if self.first is None else f"({self.first} and {self.test})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Values that may not come twice, alone or together."""

    rule: CheckRule
    subject: str
    columns: tuple[str, ...]
    of: str | None
    what: str
    names: tuple[str, ...] = ()

    @property
    def hashed(self) -> str:
        """SQL for a BIGINT that is the same where the values are; null for a row left out."""
        there = [f"{column} is not null" for column in self.columns]
        there += [] if self.of is None else [self.of]
        values = f"cast(hash({', '.join(self.columns)}) >> 1 as bigint)"
        return f"case when {' and '.join(there)} then {values} end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """All rules about values of one set of rules.

    Attributes:
        extras: Landed columns that they need beyond the usual ones, and whose values they hold.
    """

    predicates: Sequence[Predicate] = ()
    keys: Sequence[Key] = ()
    extras: Mapping[str, Column] = field(default_factory=dict)

    def asked(
        self,
        delivered: Mapping[str, str | None],
        released: Mapping[str, Sequence[tuple[int, int]]] | None = None,
    ) -> Asked:
        """What landing a delivery has to do for these rules.

        Args:
            delivered: By the name in the contract, the delivered column.
            released: Lines, first and last, that somebody let in although a rule, by its id,
                would keep them out.
        """
        return Asked(
            extras={name: delivered.get(one.name) for name, one in self.extras.items()},
            rejecting=[
                Rejecting(
                    rule=one.rule.id, reason=one.reason,
                    bad=_but_lines(one.test, (released or {}).get(one.rule.id, ())),
                )
                for one in self.predicates
                if one.rule.action == "quarantine_rows"
            ],
        )  # fmt: skip

    def lightly(self, asked: Asked) -> Asked | None:
        """What landing has to do where its rows are only counted; None if it cannot be said so."""
        tests = [one.counted for one in self.predicates]
        tests += [one.of for one in self.predicates if one.of is not None]
        flags = list(dict.fromkeys(tests))
        if asked.rejecting or len(flags) > _MOST_FLAGS:
            return None
        return replace(asked, light=True, flags=flags, keys=[one.hashed for one in self.keys])


def _but_lines(test: str, lines: Sequence[tuple[int, int]]) -> str:
    for low, high in lines:
        test = f"({test} and line_number not between {low} and {high})"
    return test


Tests = Iterator[Predicate | Key]


def compile_rules(rules: CheckRules, contract: Contract) -> Compiled:
    """Compile every rule about values that is switched on.

    Raises:
        ConfigError: A rule asks for what cannot be; ``where`` is the key that does.
    """
    fields = Fields(contract)
    tests = [test for rule in rules.rules if rule.enabled for test in compile_rule(rule, fields)]
    return Compiled(
        predicates=[one for one in tests if isinstance(one, Predicate)],
        keys=[one for one in tests if isinstance(one, Key)],
        extras=dict(sorted(fields.extras.items())),
    )


def compile_rule(rule: CheckRule, fields: Fields) -> list[Predicate | Key]:
    """The tests of one rule; none for a check that tests no values.

    Raises:
        ConfigError: The rule asks for what cannot be; ``where`` is the key that does.
    """
    make = COMPILED.get(rule.check)
    if make is not None:
        return list(make(rule, fields))
    # A plug-in reads the columns that its rule names.
    for key, names in (("column", (rule.column,)), ("columns", rule.columns or ())):
        for name in names:
            if name is not None:
                with _told_of(key):
                    fields.text(name)
    return []


# ---------------------------------------------------------------- events


def known_events(contract: Contract) -> list[str]:
    """Every event name that a contract knows."""
    steps = dict(contract.events.steps())
    names = [name for known in steps.values() for name in known]
    return list(dict.fromkeys([*names, *(one for one in contract.payloads if one not in steps)]))


def event_names(name: str, contract: Contract) -> tuple[str, ...]:
    """The event names that a rule means: those of a step of the funnel, or the one it names.

    Raises:
        ConfigError: The contract has a name so like it that this must be a slip of the pen.
    """
    steps = dict(contract.events.steps())
    if name in steps:
        return steps[name]
    known = [*known_events(contract), *steps]
    close = difflib.get_close_matches(name, known, n=1, cutoff=_LIKE_A_KNOWN)
    if name not in known and close:
        raise ConfigError(
            f"the contract has no event {name!r}", where="event", fix=f"did you mean {close[0]!r}?"
        )
    return (name,)


def _population(rule: CheckRule, contract: Contract) -> str | None:
    if rule.event is None:
        return None
    names = ", ".join(literal(name) for name in event_names(rule.event, contract))
    return f"event_name in ({names})"


# ---------------------------------------------------------------- the checks


@contextlib.contextmanager
def _told_of(key: str) -> Iterator[None]:
    """Say of a mistake which key of the rule makes it."""
    try:
        yield
    except ConfigError as error:
        error.where = error.where or key
        raise


def _given(rule: CheckRule, fields: Fields, *, text: bool = False) -> tuple[str, Value]:
    with _told_of("column"):
        if rule.column is None:
            raise ConfigError("names no column", where="check", fix="say `column: ...`")
        return rule.column, fields.text(rule.column) if text else fields.value(rule.column)


def _test(rule: CheckRule, fields: Fields, subject: str, bad: str, reason: str) -> Predicate:
    return Predicate(
        rule=rule, subject=subject, bad=bad, of=_population(rule, fields.contract),
        reason=reason, names=tuple(name for name in (rule.column,) if name),
    )  # fmt: skip


def _nulls(rule: CheckRule, fields: Fields) -> Tests:
    name, value = _given(rule, fields)
    absent = f"{value.delivered} is null"
    # A column is empty or it is not; a payload may hold a text without a character.
    bad = f"(trim({value.delivered}) = '' or {absent})" if "json_" in value.sql else f"({absent})"
    yield _test(rule, fields, name, bad, f"{name} is missing")


def _pattern(rule: CheckRule, fields: Fields) -> Tests:
    name, value = _given(rule, fields, text=True)
    with _told_of("pattern"):
        if rule.pattern is None:
            raise ConfigError("names no pattern", where="check", fix="say `pattern: ...`")
        bad = _no_match(value.sql, rule.pattern)
    yield _test(rule, fields, name, bad, f"{name} does not match {rule.pattern[:_SHOWN]}")


def _no_match(text: str, pattern: str) -> str:
    refuse_pattern(pattern)
    return f"(not regexp_matches({text}, {literal(pattern)}))"


def _allowed(rule: CheckRule, fields: Fields) -> Tests:
    name, value = _given(rule, fields, text=True)
    if not rule.values:
        raise ConfigError("names no values", where="check", fix="say `values: [...]`")
    yield _test(rule, fields, name, _not_among(value.sql, rule.values), _among(name, rule.values))


def _not_among(text: str, values: Sequence[str]) -> str:
    return f"({text} not in ({', '.join(literal(one) for one in values)}))"


def _among(name: str, values: Sequence[str]) -> str:
    said = ", ".join(values)
    return f"{name} is none of {said if len(said) <= _SHOWN else f'{len(values)} allowed values'}"


def _length(rule: CheckRule, fields: Fields) -> Tests:
    name, value = _given(rule, fields, text=True)
    low, high = (_limit(rule, key, whole=True) for key in ("min", "max"))
    _refuse_no_limits(low, high)
    length = f"length({value.sql})"
    said = _bounds(low, high, "characters")
    yield _test(rule, fields, name, _outside(length, low, high), f"{name} has not {said}")


def _range(rule: CheckRule, fields: Fields) -> Tests:
    name, value = _given(rule, fields)
    if value.kind == "truth":
        raise ConfigError(f"{name} is true or false and has no range", where="column")
    if value.kind == "time":
        yield _test(rule, fields, name, *_times(rule, name, value))
        return
    low, high = (_limit(rule, key) for key in ("min", "max"))
    _refuse_no_limits(low, high)
    bad = _out_of_range(value.delivered, low, high)
    yield _test(rule, fields, name, bad, f"{name} is not {_bounds(low, high)}")


def _out_of_range(text: str, low: float | None, high: float | None) -> str:
    """What is there and is no number between two others."""
    outside = _outside(number(text), low, high)
    return f"({text} is not null and coalesce({outside}, true))"


def _times(rule: CheckRule, name: str, value: Value) -> tuple[str, str]:
    tests = []
    if rule.min is not None:
        with _told_of("min"):
            tests.append(f"{value.sql} < {_stamp(str(rule.min))}")
    if rule.max is not None:
        with _told_of("max"):
            text = str(rule.max)
            stamp = _stamp(text)
            # A day is meant whole.
            last = f">= {stamp} + interval 1 day" if len(text) == _DAY else f"> {stamp}"
            tests.append(f"{value.sql} {last}")
    _refuse_no_limits(rule.min, rule.max)
    said = " and ".join(
        f"{word} {given}"
        for word, given in (("from", rule.min), ("up to", rule.max))
        if given is not None
    )
    return f"({' or '.join(tests)})", f"{name} is not {said}"


def _stamp(text: str) -> str:
    return f"cast({literal(moment(text).isoformat(sep=' '))} as timestamp)"


def _limit(rule: CheckRule, key: str, *, whole: bool = False) -> float | None:
    """A limit of a rule as a number.

    Raises:
        ConfigError: It is none, or no length.
    """
    given = getattr(rule, key)
    if given is None:
        return None
    try:
        found = float(given)
    except ValueError:
        found = math.nan
    if not math.isfinite(found) or (whole and (found < 0 or not found.is_integer())):
        kind = "a length" if whole else "a number"
        raise ConfigError(f"{key} is {given!r}, and {kind} is needed here", where=key)
    return found


def _refuse_no_limits(low: object, high: object) -> None:
    if low is None and high is None:
        raise ConfigError("names no limit", where="check", fix="say `min: ...` or `max: ...`")
    if isinstance(low, float) and isinstance(high, float) and low > high:
        raise ConfigError(f"min {low:g} is above max {high:g}", where="min")


def _outside(sql: str, low: float | None, high: float | None) -> str:
    tests = []
    if low is not None:
        tests.append(f"{sql} < {low!r}")
    if high is not None:
        tests.append(f"{sql} > {high!r}")
    return f"({' or '.join(tests)})"


def _bounds(low: float | None, high: float | None, unit: str = "") -> str:
    after = f" {unit}" if unit else ""
    if low is None:
        return f"at most {high:g}{after}"
    if high is None:
        return f"at least {low:g}{after}"
    return f"{low:g} to {high:g}{after}"


def _expression(rule: CheckRule, fields: Fields) -> Tests:
    if rule.expression is None:
        raise ConfigError(
            "names no expression", where="check", fix="say `expression: revenue < 10000`"
        )
    before = len(fields.names)
    with _told_of("expression"):
        good = compile_expression(rule.expression, fields)
    yield Predicate(
        rule=rule, subject="", bad=f"(not {good})", of=_population(rule, fields.contract),
        reason=f"it is not true that {rule.expression[:_SHOWN]}",
        names=tuple(dict.fromkeys(fields.names[before:])),
    )  # fmt: skip


def _event_unknown(rule: CheckRule, fields: Fields) -> Tests:
    names = ", ".join(literal(name) for name in known_events(fields.contract))
    yield Predicate(
        rule=rule,
        subject="",
        bad=f"(event_name not in ({names}))" if names else "(event_name is not null)",
        of=None,
        reason="the contract does not know the event",
        first="step = 'other'",
    )


# ---------------------------------------------------------------- keys


def _unique(rule: CheckRule, fields: Fields) -> Tests:
    name, value = _given(rule, fields)
    of = _population(rule, fields.contract)
    yield Key(rule=rule, subject=name, columns=(value.delivered,), of=of, what=name, names=(name,))


def _compound_key(rule: CheckRule, fields: Fields) -> Tests:
    if not rule.columns:
        raise ConfigError("names no columns", where="check", fix="say `columns: [...]`")
    with _told_of("columns"):
        columns = tuple(fields.value(name).delivered for name in rule.columns)
    yield Key(
        rule=rule, subject="+".join(rule.columns), columns=columns,
        of=_population(rule, fields.contract), what=", ".join(rule.columns), names=rule.columns,
    )  # fmt: skip


# ---------------------------------------------------------------- what the contract promises


def _column_contract(rule: CheckRule, fields: Fields) -> Tests:
    for column in fields.contract.columns:
        yield from _promised(rule, fields, column)


def _promised(rule: CheckRule, fields: Fields, column: Column) -> Tests:
    """What the contract promises of the values of one column."""
    name = column.name
    tests: list[tuple[str, str, str]] = []
    if column.pattern or column.allowed or column.min_length or column.max_length is not None:
        text = fields.text(name).sql
        if column.pattern:
            try:
                bad = _no_match(text, column.pattern)
            except ConfigError as error:
                raise ConfigError(
                    f"the pattern of {name} in the contract {error.what}",
                    where="check",
                    fix=error.fix,
                ) from None
            tests.append(("pattern", bad, f"{name} does not match {column.pattern[:_SHOWN]}"))
        if column.allowed:
            bad = _not_among(text, column.allowed)
            tests.append(("allowed", bad, _among(name, column.allowed)))
        if column.min_length or column.max_length is not None:
            bad = _outside(f"length({text})", column.min_length, column.max_length)
            said = _bounds(column.min_length, column.max_length, "characters")
            tests.append(("length", bad, f"{name} has not {said}"))
    tests += _of_its_kind(fields, column)
    for aspect, bad, reason in tests:
        yield Predicate(
            rule=rule, subject=f"{name}.{aspect}", bad=bad, of=None, reason=reason, names=(name,)
        )
    if column.unique:
        yield Key(
            rule=rule, subject=f"{name}.unique", columns=(fields.value(name).delivered,), of=None,
            what=name, names=(name,),
        )  # fmt: skip


def _of_its_kind(fields: Fields, column: Column) -> Iterator[tuple[str, str, str]]:
    """Whether values are numbers, days or truths where the contract says so."""
    name, kind = column.name, column.kind
    if kind not in {"number", "integer", "date", "boolean"}:
        return
    text = fields.text(name).sql
    types = {"number": "double", "integer": "double", "date": "date", "boolean": "boolean"}
    read = f"try_cast({text} as {types[kind]})"
    odd = f" or {read} <> floor({read})" if kind == "integer" else ""
    words = {"number": "a number", "integer": "a whole number", "date": "a day",
             "boolean": "true or false"}  # fmt: skip
    yield "kind", f"({text} is not null and ({read} is null{odd}))", f"{name} is not {words[kind]}"
    if column.min is not None or column.max is not None:
        said = _bounds(column.min, column.max)
        yield "range", _outside(read, column.min, column.max), f"{name} is not {said}"


COMPILED: dict[str, Callable[[CheckRule, Fields], Tests]] = {
    "allowed": _allowed,
    "column_contract": _column_contract,
    "compound_key": _compound_key,
    "event_unknown": _event_unknown,
    "expression": _expression,
    "length": _length,
    "nulls": _nulls,
    "pattern": _pattern,
    "range": _range,
    "unique": _unique,
}
