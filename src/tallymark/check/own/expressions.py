"""A shop's own checks: a small, safe part of SQL, read by us and written anew for the engine.

An expression says what is true of a **good** row, such as ``revenue < 10000`` or
``json('coupon') is null or revenue > 0``. As with a CHECK of SQL, a row for which it is neither
true nor false (because something it names is absent) passes; ``nulls`` is the check for absence.

Nothing of the text reaches the engine: it is parsed, every part is looked up in the tables below,
and SQL is written from what was found there. What is not in the tables is refused.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tallymark.check.own.fields import Fields, Value, ValueKind, nearest, number
from tallymark.engine.base import literal
from tallymark.errors import ConfigError

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["FUNCTIONS", "compile_expression", "moment", "refuse_pattern"]

MAX_LENGTH = 2000
_MAX_DIGITS = 10
_ALIKE_NAMES = 0.75  # of functions; from which likeness on one is taken for a slip of the pen

# Each function: what its arguments are taken for, what comes out, and its SQL.
FUNCTIONS: dict[str, tuple[tuple[str, ...], ValueKind, str]] = {
    "abs": (("number",), "number", "abs({0})"),
    "ceil": (("number",), "number", "ceil({0})"),
    "contains": (("text", "text"), "truth", "contains({0}, {1})"),
    "date": (("time",), "date", "cast({0} as date)"),
    "ends_with": (("text", "text"), "truth", "ends_with({0}, {1})"),
    "floor": (("number",), "number", "floor({0})"),
    "hour": (("time",), "number", "hour({0})"),
    "length": (("text",), "number", "length({0})"),
    "lower": (("text",), "text", "lower({0})"),
    "matches": (("text", "pattern"), "truth", "regexp_matches({0}, {1})"),
    "number": (("text",), "number", "{0}"),
    "round": (("number", "digits"), "number", "round({0}, {1})"),
    "starts_with": (("text", "text"), "truth", "starts_with({0}, {1})"),
    "trim": (("text",), "text", "trim({0})"),
    "upper": (("text",), "text", "upper({0})"),
}
_ALIKE = ("coalesce", "greatest", "least", "nullif")  # any number of values of one kind
_SPECIAL = ("json", *_ALIKE)
_ORDERED = frozenset({"<", "<=", ">", ">="})
_TYPES: dict[str, ValueKind] = {
    "double": "number", "float": "number", "decimal": "number", "int": "number",
    "bigint": "number", "varchar": "text", "text": "text", "timestamp": "time",
    "timestampntz": "time", "date": "date", "boolean": "truth",
}  # fmt: skip
_MEANS = {
    "text": "a text", "field": "a text", "number": "a number", "time": "a time", "date": "a day",
    "truth": "true or false",
}  # fmt: skip


def compile_expression(text: str, fields: Fields) -> str:
    """The SQL of an expression: a boolean over landed rows that stops at no value.

    Args:
        text: The expression.
        fields: What it can name; afterwards it knows what was named.

    Raises:
        ConfigError: It is no expression, or says something that is not allowed.
    """
    from sqlglot import Dialect, exp  # noqa: PLC0415 -- only own checks need the parser
    from sqlglot.errors import SqlglotError  # noqa: PLC0415

    if len(text) > MAX_LENGTH:
        raise ConfigError(f"the expression is longer than {MAX_LENGTH} characters")
    named = len(fields.names)
    try:
        trees = Dialect.get_or_raise("duckdb").parse_into(exp.Condition, text)
        if len(trees) != 1 or trees[0] is None:
            raise ConfigError("one expression is needed here, such as revenue < 10000")
        sql = _Writer(fields).truth(_Writer(fields).value(trees[0])).sql
    except RecursionError:
        raise ConfigError("the expression is nested too deeply") from None
    except SqlglotError as error:
        raise ConfigError(f"the expression cannot be read: {_said(error)}") from None
    if len(fields.names) == named:
        raise ConfigError("the expression names no column and no payload field")
    return sql


def _said(error: Any) -> str:
    """Why and where the parser stopped."""
    first = next(iter(getattr(error, "errors", ())), None)
    if not first or not first.get("description"):
        return "check quotes and brackets"
    why = str(first["description"]).split(" missing for ")[0].removesuffix(".")
    if why.startswith("Required keyword"):
        why = "something is missing"
    mark = first.get("highlight")
    return f"{why}, at character {first['col']}" + (f" near {mark!r}" if mark else "")


def moment(text: str) -> dt.datetime:
    """A day or time given in a rule, UTC without saying so.

    Raises:
        ConfigError: It is neither.
    """
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{text!r} is no day or time", fix="write 2026-01-31 or 2026-01-31T09:30:00Z"
        ) from None
    try:
        return found.astimezone(dt.UTC).replace(tzinfo=None) if found.tzinfo else found
    except OverflowError:
        raise ConfigError(f"{text!r} is before the first year or after the last") from None


def refuse_pattern(pattern: str) -> None:
    """Refuse what RE2, which reads the rows, cannot compile.

    Raises:
        ConfigError: With what RE2 says of it.
    """
    import duckdb  # noqa: PLC0415 -- only patterns need it

    try:
        duckdb.connect(":memory:").execute("select regexp_matches('', ?)", [pattern])
    except duckdb.Error as error:
        said = str(error).splitlines()[0].rpartition("Error: ")[2]
        raise ConfigError(
            f"is no RE2 pattern: {said}",
            fix="leave out look-around and back-references, which RE2 does not have",
        ) from None


class _Writer:
    """Writes SQL from a parsed expression, part by part."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    # ------------------------------------------------------------ parts

    def value(self, node: exp.Expr) -> Value:
        """The SQL of a part of the expression."""
        writer = _parts().get(type(node))
        if writer is not None:
            return writer(self, node)
        name = _function(node)
        if name is not None:
            return self._call(name, list(_arguments(node)))
        raise ConfigError(f"{_shown(node)} is not allowed in an expression")

    def name(self, node: Any) -> Value:
        """A column, or a field as ``event_data.coupon``."""
        _only(node, "this", "table")
        whole = f"{node.table}.{node.name}" if node.table else node.name
        try:
            return self.fields.value(whole)
        except ConfigError as error:
            at = node.this.meta.get("start")
            place = "" if at is None else f" at character {at + 1}"
            raise ConfigError(f"{error.what}{place}", fix=error.fix) from None

    def constant(self, node: Any) -> Value:
        """A text or a number."""
        if node.is_string:
            return Value(sql=literal(node.this), kind="text", given=node.this)
        found = float(node.this)
        if not math.isfinite(found):
            raise ConfigError(f"the number {node.this} is too large")
        return Value(sql=f"cast({found!r} as double)", kind="number", given=node.this)

    def boolean(self, node: Any) -> Value:
        """``true`` or ``false``."""
        return Value(sql="true" if node.this else "false", kind="truth")

    def inside(self, node: Any) -> Value:
        """What stands in brackets."""
        return self.value(node.this)

    def negative(self, node: Any) -> Value:
        """``-x``."""
        return Value(sql=f"(-{self.number(self.value(node.this)).sql})", kind="number")

    def arithmetic(self, node: Any) -> Value:
        """``x + y`` and so on; what is divided by zero is null."""
        sign = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%"}[type(node).__name__]
        left = self.number(self.value(node.this)).sql
        right = self.number(self.value(node.expression)).sql
        right = f"nullif({right}, 0)" if sign in "/%" else right
        return Value(sql=f"({left} {sign} {right})", kind="number")

    def joined(self, node: Any) -> Value:
        """``a and b``, ``a or b``."""
        word = "and" if type(node).__name__ == "And" else "or"
        left = self.truth(self.value(node.this)).sql
        right = self.truth(self.value(node.expression)).sql
        return Value(sql=f"({left} {word} {right})", kind="truth")

    def denied(self, node: Any) -> Value:
        """``not a``."""
        return Value(sql=f"(not {self.truth(self.value(node.this)).sql})", kind="truth")

    def compared(self, node: Any) -> Value:
        """``a < b`` and so on."""
        sign = {
            "EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=",
        }[type(node).__name__]  # fmt: skip
        for side in (node.this, node.expression):
            if type(side).__name__ == "Null":
                raise ConfigError(f"nothing is ever {sign} null", fix="write is null")
        pair = [self.value(node.this), self.value(node.expression)]
        left, right = self.alike(pair, ordered=sign in _ORDERED)
        return Value(sql=f"({left.sql} {sign} {right.sql})", kind="truth")

    def between(self, node: Any) -> Value:
        """``a between b and c``, both ends in."""
        _only(node, "this", "low", "high")
        three = [self.value(node.this), self.value(node.args["low"]), self.value(node.args["high"])]
        middle, low, high = self.alike(three, ordered=True)
        return Value(sql=f"({middle.sql} between {low.sql} and {high.sql})", kind="truth")

    def within(self, node: Any) -> Value:
        """``a in ('b', 'c')``."""
        _only(node, "this", "expressions")
        if any(type(one).__name__ == "Null" for one in node.expressions):
            raise ConfigError("nothing is ever in a list with null", fix="write is null")
        first, *rest = self.alike(
            [self.value(node.this), *(self.value(one) for one in node.expressions)], ordered=False
        )
        return Value(sql=f"({first.sql} in ({', '.join(one.sql for one in rest)}))", kind="truth")

    def is_(self, node: Any) -> Value:
        """``a is null``, ``a is true``."""
        kind = type(node.expression).__name__
        if kind == "Null":
            return Value(sql=f"({self.value(node.this).delivered} is null)", kind="truth")
        if kind != "Boolean":
            raise ConfigError("after `is` stands null, true or false")
        word = "true" if node.expression.this else "false"
        return Value(sql=f"({self.truth(self.value(node.this)).sql} is {word})", kind="truth")

    def like(self, node: Any) -> Value:
        """``a like 'b%'``."""
        word = "like" if type(node).__name__ == "Like" else "ilike"
        pattern = self.value(node.expression)
        if pattern.given is None or pattern.kind != "text":
            raise ConfigError(
                f"after `{word}` stands a text in quotes", fix=f"such as client_id {word} 'GA1%'"
            )
        text = self.text(self.value(node.this)).sql
        return Value(sql=f"({text} {word} {pattern.sql})", kind="truth")

    def chosen(self, node: Any) -> Value:
        """``case when a then b else c end``."""
        _only(node, "ifs", "default")
        tests = [self.truth(self.value(one.this)).sql for one in node.args["ifs"]]
        given = [self.value(one.args["true"]) for one in node.args["ifs"]]
        if node.args.get("default") is not None:
            given.append(self.value(node.args["default"]))
        alike = self.alike(given, ordered=False)
        arms = " ".join(
            f"when {test} then {one.sql}" for test, one in zip(tests, alike, strict=False)
        )
        last = f" else {alike[-1].sql}" if len(alike) > len(tests) else ""
        return Value(sql=f"(case {arms}{last} end)", kind=alike[0].kind)

    def cast(self, node: Any) -> Value:
        """``cast(a as double)``: null where that cannot be."""
        _only(node, "this", "to", "safe")
        kind = _TYPES.get(str(getattr(node.to.this, "value", node.to.this)).lower())
        if kind is None:
            raise ConfigError(
                f"no value can be cast to {node.to.sql('duckdb').lower()}",
                fix=f"known types: {', '.join(sorted(_TYPES))}",
            )
        return self._taken(self.value(node.this), kind)

    # ------------------------------------------------------------ functions

    def _call(self, name: str, given: list[exp.Expr]) -> Value:
        if name == "json":
            path = self.value(given[0]) if len(given) == 1 else None
            if path is None or path.given is None:
                raise ConfigError("json() takes one path in quotes, such as json('coupon')")
            self.fields.names.append(path.given)
            return self.fields.field(path.given)
        if name in _ALIKE:
            if not given or (name == "nullif" and len(given) != 2):  # noqa: PLR2004
                raise ConfigError(f"{name}() takes {'two values' if given else 'values'}")
            alike = self.alike([self.value(one) for one in given], ordered=name != "coalesce")
            return Value(sql=f"{name}({', '.join(one.sql for one in alike)})", kind=alike[0].kind)
        kinds, kind, template = FUNCTIONS[name]
        if name == "round" and len(given) == 1:
            kinds, template = kinds[:1], "round({0})"
        if len(given) != len(kinds):
            many = f"{len(kinds)} value{'' if len(kinds) == 1 else 's'}"
            raise ConfigError(f"{name}() takes {many}, not {len(given)}")
        sql = [
            self._argument(name, self.value(one), want)
            for one, want in zip(given, kinds, strict=True)
        ]
        return Value(sql=template.format(*sql), kind=kind)

    def _argument(self, name: str, value: Value, want: str) -> str:
        if want == "pattern":
            if value.given is None or value.kind != "text":
                raise ConfigError(f"the pattern of {name}() is a text in quotes")
            refuse_pattern(value.given)
            return value.sql
        if want == "digits":
            given = value.given or ""
            if not given.isdigit() or int(given) > _MAX_DIGITS:
                raise ConfigError(f"{name}() takes a number of digits, 0 to {_MAX_DIGITS}")
            return given
        if name == "number":
            return self.number(value).sql
        takers: dict[str, Callable[[Value], Value]] = {
            "number": self.number, "text": self.text, "time": self.time,
        }  # fmt: skip
        return takers[want](value).sql

    # ------------------------------------------------------------ kinds

    def alike(self, values: list[Value], *, ordered: bool) -> list[Value]:
        """Values of one kind: that of a number, time or truth among them, else texts."""
        kinds = {one.kind for one in values}
        if "number" in kinds or (ordered and kinds == {"field"}):
            return [self.number(one) for one in values]
        if kinds & {"time", "date"}:
            return [self.time(one) for one in values]
        if "truth" in kinds:
            return [self.truth(one) for one in values]
        return [self.text(one) for one in values]

    def number(self, value: Value) -> Value:
        """As a number; null where a delivered text is none."""
        if value.kind == "number":
            return value
        if value.given is not None or value.kind not in {"text", "field"}:
            raise _mismatch(value, "a number")
        return Value(sql=f"({number(value.sql)})", kind="number")

    def text(self, value: Value) -> Value:
        """As a text."""
        if value.kind in {"text", "field"}:
            return value
        if value.raw is not None:
            return Value(sql=value.raw, kind="text")
        raise _mismatch(value, "a text")

    def time(self, value: Value) -> Value:
        """As a time; a day is its first moment."""
        if value.kind == "time":
            return value
        if value.kind == "date":
            return Value(sql=f"cast({value.sql} as timestamp)", kind="time")
        if value.given is not None and value.kind == "text":
            stamp = literal(moment(value.given).isoformat(sep=" "))
            return Value(sql=f"cast({stamp} as timestamp)", kind="time")
        if value.kind in {"text", "field"}:
            return Value(sql=f"try_cast({value.sql} as timestamp)", kind="time")
        raise _mismatch(value, "a time")

    def truth(self, value: Value) -> Value:
        """As true or false."""
        if value.kind == "truth":
            return value
        if value.kind == "field":
            return Value(sql=f"try_cast({value.sql} as boolean)", kind="truth")
        raise _mismatch(value, "true or false")

    def _taken(self, value: Value, kind: ValueKind) -> Value:
        if kind == "number":
            return self.number(value)
        if kind == "text":
            return self.text(value)
        if kind == "truth":
            return self.truth(value)
        found = self.time(value)
        return found if kind == "time" else Value(sql=f"cast({found.sql} as date)", kind="date")


def _mismatch(value: Value, wanted: str) -> ConfigError:
    what = repr(value.given) if value.given is not None else _MEANS[value.kind]
    return ConfigError(
        f"{wanted} is needed where the expression has {what}",
        fix="compare like with like, such as revenue < 10000 or client_id <> ''",
    )


def _only(node: Any, *allowed: str) -> None:
    """Refuse a part with more to it than we know."""
    for key, value in node.args.items():
        if key not in allowed and value not in (None, False, []):
            raise ConfigError(f"{_shown(node)} is not allowed in an expression")


def _parts() -> dict[type, Callable[[_Writer, Any], Value]]:
    """The parts of an expression that are neither names nor functions, and who writes them."""
    from sqlglot import exp  # noqa: PLC0415 -- only own checks need the parser

    arithmetic = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
    comparisons = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
    return {
        exp.Column: _Writer.name,
        exp.Literal: _Writer.constant,
        exp.Boolean: _Writer.boolean,
        exp.Paren: _Writer.inside,
        exp.Neg: _Writer.negative,
        exp.Not: _Writer.denied,
        exp.Between: _Writer.between,
        exp.In: _Writer.within,
        exp.Is: _Writer.is_,
        exp.Like: _Writer.like,
        exp.ILike: _Writer.like,
        exp.Case: _Writer.chosen,
        exp.Cast: _Writer.cast,
        exp.TryCast: _Writer.cast,
        **dict.fromkeys(arithmetic, _Writer.arithmetic),
        **dict.fromkeys((exp.And, exp.Or), _Writer.joined),
        **dict.fromkeys(comparisons, _Writer.compared),
    }


def _function(node: Any) -> str | None:
    """The name of an allowed function; None for what is no function at all.

    Raises:
        ConfigError: It is a function that is not allowed.
    """
    from sqlglot import exp  # noqa: PLC0415 -- only own checks need the parser

    if not issubclass(type(node), exp.Func):
        return None
    said = node.name if type(node) is exp.Anonymous else node.sql_name()
    names = {"parse_json": "json", "regexp_like": "matches", "ceiling": "ceil"}
    name = names.get(said.lower(), said.lower())
    if name in FUNCTIONS or name in _SPECIAL:
        return name
    raise ConfigError(
        f"the function {said.lower()}() is not allowed in an expression",
        fix=nearest(name, sorted([*FUNCTIONS, *_SPECIAL]), "functions", cutoff=_ALIKE_NAMES),
    )


def _arguments(node: Any) -> Iterator[exp.Expr]:
    """The arguments of a function in their order; flags of the parser are none."""
    for key in ("expressions",) if type(node).__name__ == "Anonymous" else node.arg_types:
        given = node.args.get(key)
        for one in given if isinstance(given, list) else [given]:
            if one is None or isinstance(one, bool):
                continue
            if not hasattr(one, "args"):
                raise ConfigError(f"{_shown(node)} is not allowed in an expression")
            yield one


def _shown(node: Any) -> str:
    """A part in the words of its writer, short."""
    names = {
        "Subquery": "a query", "Select": "a query", "Star": "*", "Placeholder": "a placeholder",
        "Null": "null alone", "DPipe": "||", "Bracket": "[...]", "Exists": "a query",
    }  # fmt: skip
    kind = type(node).__name__
    return names.get(kind, kind.lower())
