"""SQL for other engines: one text in DuckDB's dialect, rendered for each.

sqlglot renders nearly everything. Where engines differ in meaning, and it cannot know which is
meant, a named primitive stands in the text, and this table has its rendering for each engine.
A rendering says ``_0``, ``_1`` ... for what the primitive is given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from tallymark.errors import ModelError, UsageError

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["ENGINES", "PRIMITIVES", "Dialect", "render"]

Dialect = Literal["duckdb", "snowflake", "bigquery", "spark"]
ENGINES: tuple[Dialect, ...] = get_args(Dialect)
WIDTH = 92  # a select list longer than this is broken, one column a line

PRIMITIVES: Mapping[str, Mapping[Dialect, str]] = {
    # A timestamp as milliseconds since 1970, and the reverse.
    "epoch_ms": {
        "duckdb": "epoch_ms(_0)",
        "snowflake": "DATE_PART(EPOCH_MILLISECOND, _0)",
        "bigquery": "UNIX_MILLIS(TIMESTAMP(_0))",
        "spark": "UNIX_MILLIS(CAST(_0 AS TIMESTAMP))",
    },
    "make_timestamp_ms": {
        "duckdb": "make_timestamp_ms(_0)",
        "snowflake": "CAST(TO_TIMESTAMP(_0, 3) AS TIMESTAMP_NTZ)",
        "bigquery": "DATETIME(TIMESTAMP_MILLIS(_0))",
        "spark": "CAST(TIMESTAMP_MILLIS(_0) AS TIMESTAMP_NTZ)",
    },
    # Whether a text holds another, case told apart.
    "contains": {
        "duckdb": "contains(_0, _1)",
        "snowflake": "CONTAINS(_0, _1)",
        "bigquery": "STRPOS(_0, _1) > 0",
        "spark": "CONTAINS(_0, _1)",
    },
    # A delivered time as milliseconds since 1970; null if it is none. Without a zone it is UTC.
    "iso_ms": {
        # epoch_ms would round: the last moment of a day is not the first one of the next.
        "duckdb": "epoch_us(case when ends_with(_0, 'Z') then try_cast(_0 as timestamp) else "
        "cast(try_cast(_0 as timestamptz) at time zone 'UTC' as timestamp) end) // 1000",
        "snowflake": "DATE_PART(EPOCH_MILLISECOND, TRY_TO_TIMESTAMP_TZ(_0))",
        "bigquery": "UNIX_MILLIS(SAFE_CAST(_0 AS TIMESTAMP))",
        "spark": "UNIX_MILLIS(TRY_TO_TIMESTAMP(_0))",
    },
    # Date and hour of a moment in a time zone.
    "ms_date": {
        "duckdb": "cast((make_timestamp_ms(_0) at time zone 'UTC') at time zone _1 as date)",
        "snowflake": "CAST(CONVERT_TIMEZONE('UTC', _1, "
        "CAST(TO_TIMESTAMP(_0, 3) AS TIMESTAMP_NTZ)) AS DATE)",
        "bigquery": "DATE(TIMESTAMP_MILLIS(_0), _1)",
        "spark": "CAST(FROM_UTC_TIMESTAMP(TIMESTAMP_MILLIS(_0), _1) AS DATE)",
    },
    "ms_hour": {
        "duckdb": "cast(hour((make_timestamp_ms(_0) at time zone 'UTC') at time zone _1) "
        "as integer)",
        "snowflake": "HOUR(CONVERT_TIMEZONE('UTC', _1, "
        "CAST(TO_TIMESTAMP(_0, 3) AS TIMESTAMP_NTZ)))",
        "bigquery": "EXTRACT(HOUR FROM DATETIME(TIMESTAMP_MILLIS(_0), _1))",
        "spark": "HOUR(FROM_UTC_TIMESTAMP(TIMESTAMP_MILLIS(_0), _1))",
    },
    # A date some days later.
    "days_after": {
        "duckdb": "cast(_0 + cast(_1 as integer) as date)",
        "snowflake": "CAST(DATEADD(DAY, _1, _0) AS DATE)",
        "bigquery": "DATE_ADD(_0, INTERVAL _1 DAY)",
        "spark": "DATE_ADD(_0, _1)",
    },
    # The nth part of a text, from 1, between separators; '' beyond the last.
    "part": {
        "duckdb": "split_part(_0, _1, _2)",
        "snowflake": "SPLIT_PART(_0, _1, _2)",
        "bigquery": "COALESCE(SPLIT(_0, _1)[SAFE_ORDINAL(_2)], '')",
        "spark": "SPLIT_PART(_0, _1, _2)",
    },
    # Where a text begins in another, from 1; 0 if nowhere.
    "place": {
        "duckdb": "strpos(_0, _1)",
        "snowflake": "POSITION(_1, _0)",
        "bigquery": "STRPOS(_0, _1)",
        "spark": "INSTR(_0, _1)",
    },
    # Whether a pattern is found in a text.
    "matches": {
        "duckdb": "regexp_matches(_0, _1)",
        "snowflake": "REGEXP_INSTR(_0, _1) > 0",
        "bigquery": "REGEXP_CONTAINS(_0, _1)",
        "spark": "_0 RLIKE _1",
    },
    # A text backwards.
    "backwards": {
        "duckdb": "reverse(_0)",
        "snowflake": "REVERSE(_0)",
        "bigquery": "REVERSE(_0)",
        "spark": "REVERSE(_0)",
    },
    # A number that stands for a text: a hash of 63 or 64 bits, another one in each engine.
    "key_of": {
        "duckdb": "cast(hash(_0) >> 1 as bigint)",
        "snowflake": "HASH(_0)",
        "bigquery": "FARM_FINGERPRINT(_0)",
        "spark": "XXHASH64(_0)",
    },
    # A value of a URL's query, decoded where it can be.
    "url_decoded": {
        "duckdb": "coalesce(try(url_decode(replace(_0, '+', ' '))), _0)",
        "snowflake": "TALLYMARK_URL_DECODE(_0)",
        "bigquery": "tallymark_url_decode(_0)",
        # Spark puts U+FFFD where bytes are no UTF-8; elsewhere such a value stays as it is.
        "spark": "CASE WHEN CONTAINS(TRY_URL_DECODE(_0), '\ufffd') THEN _0 "
        "ELSE COALESCE(TRY_URL_DECODE(_0), _0) END",
    },
    # A text as a whole number; null if it is none, or has more than 19 digits.
    "try_whole": {
        "duckdb": "try_cast(_0 as bigint)",
        "snowflake": "CAST(TRY_TO_NUMBER(_0, 19, 0) AS BIGINT)",
        "bigquery": "SAFE_CAST(_0 AS INT64)",
        "spark": "TRY_CAST(_0 AS BIGINT)",
    },
    # A text as money; null if it is no number.
    "try_money": {
        "duckdb": "try_cast(_0 as decimal(18, 4))",
        "snowflake": "TRY_TO_DECIMAL(_0, 18, 4)",
        "bigquery": "ROUND(SAFE_CAST(_0 AS NUMERIC), 4)",
        "spark": "TRY_CAST(_0 AS DECIMAL(18, 4))",
    },
    # A field of a JSON object as text; null if there is none, or no JSON.
    "json_field": {
        "duckdb": "case when json_valid(_0) then json_extract_string(_0, concat('$.', _1)) end",
        "snowflake": "CAST(GET_PATH(TRY_PARSE_JSON(_0), _1) AS VARCHAR)",
        "bigquery": "JSON_VALUE(_0, CONCAT('$.', _1))",
        "spark": "GET_JSON_OBJECT(_0, CONCAT('$.', _1))",
    },
    # How many elements a list in a JSON object has; null if it is none.
    "json_count": {
        "duckdb": "case when json_valid(_0) then json_array_length(_0, concat('$.', _1)) end",
        "snowflake": "ARRAY_SIZE(GET_PATH(TRY_PARSE_JSON(_0), _1))",
        "bigquery": "ARRAY_LENGTH(JSON_QUERY_ARRAY(_0, CONCAT('$.', _1)))",
        "spark": "JSON_ARRAY_LENGTH(GET_JSON_OBJECT(_0, CONCAT('$.', _1)))",
    },
    # A field of the nth element, from 0, of such a list.
    "json_item": {
        "duckdb": "case when json_valid(_0) then json_extract_string(_0, "
        "concat('$.', _1, '[', cast(_2 as varchar), '].', _3)) end",
        "snowflake": "CAST(GET_PATH(GET(GET_PATH(TRY_PARSE_JSON(_0), _1), _2), _3) AS VARCHAR)",
        "bigquery": "JSON_VALUE(JSON_QUERY_ARRAY(_0, CONCAT('$.', _1))[SAFE_OFFSET(_2)], "
        "CONCAT('$.', _3))",
        "spark": "GET_JSON_OBJECT(_0, CONCAT('$.', _1, '[', CAST(_2 AS STRING), '].', _3))",
    },
}
"""Every primitive and its rendering for each engine; ``docs/reference/portable-sql.md`` lists
which of them models may use."""


def render(sql: str, engine: Dialect, *, where: str = "") -> str:
    """One select in the SQL of an engine, laid out to be read.

    Args:
        sql: A text in the portable subset (``docs/reference/portable-sql.md``).
        engine: For which engine.
        where: The file, for messages.

    Raises:
        ModelError: It is no SQL, or holds what the engine has no words for.
        UsageError: There is no such engine.

    Example:
        >>> render("select epoch_ms(at) as at_ms from t", "snowflake").split()
        ['SELECT', 'DATE_PART(EPOCH_MILLISECOND,', 'at)', 'AS', 'at_ms', 'FROM', 't']
    """
    import sqlglot  # noqa: PLC0415 -- 0.4 s that only this command must pay

    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}", fix=f"one of: {', '.join(ENGINES)}")
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
        changed = tree.transform(functools.partial(_rendered, engine=engine))
        return changed.sql(
            dialect=engine, pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE,
            max_text_width=WIDTH,
        )  # fmt: skip
    except sqlglot.errors.SqlglotError as error:
        said = str(error).splitlines()[0]
        raise ModelError(
            f"cannot be said in the SQL of {engine}: {said}", where=where,
            fix="keep to docs/reference/portable-sql.md",
        ) from error  # fmt: skip


# ---------------------------------------------------------------- inside


def _rendered(node: exp.Expr, engine: Dialect) -> exp.Expr:
    called = _primitive(node)
    if called is not None:
        name, given = called
        # What a primitive is given may hold others; the walk does not enter what it replaced.
        inner = [one.transform(functools.partial(_rendered, engine=engine)) for one in given]
        return _filled(PRIMITIVES[name][engine], engine, inner)
    change = _CHANGES.get(engine)
    return change(node) if change is not None else node


def _primitive(node: exp.Expr) -> tuple[str, Sequence[exp.Expr]] | None:
    """The primitive that a node calls, and what it gives it."""
    from sqlglot import exp  # noqa: PLC0415 -- see render

    if isinstance(node, exp.Anonymous):
        name = str(node.this).lower()
        return (name, node.expressions) if name in PRIMITIVES else None
    if isinstance(node, exp.Contains):
        return "contains", [node.this, node.expression]
    # How sqlglot reads DuckDB's epoch_ms, whose other meaning models do not use.
    if isinstance(node, exp.UnixToTime) and node.args.get("scale") == exp.UnixToTime.MILLIS:
        return "epoch_ms", [node.this]
    return None


@functools.cache
def _template(text: str, engine: Dialect) -> exp.Expr:
    import sqlglot  # noqa: PLC0415 -- see render

    return sqlglot.parse_one(text, dialect=engine)


def _filled(text: str, engine: Dialect, given: Sequence[exp.Expr]) -> exp.Expr:
    """A rendering with its arguments in their places."""
    from sqlglot import exp  # noqa: PLC0415 -- see render

    arguments = {f"_{place}": one for place, one in enumerate(given)}

    def put(node: exp.Expr) -> exp.Expr:
        if isinstance(node, (exp.Column, exp.Identifier, exp.Var)) and node.name in arguments:
            return arguments[node.name].copy()
        return node

    made = _template(text, engine).copy().transform(put).transform(_joined)
    binary = isinstance(made, (exp.Binary, exp.Case)) and not isinstance(made, exp.Func)
    return exp.paren(made) if binary else made


def _joined(node: exp.Expr) -> exp.Expr:
    """Constant texts joined: a path into JSON must be one text in some engines."""
    from sqlglot import exp  # noqa: PLC0415 -- see render

    if isinstance(node, exp.Concat) and all(one.is_string for one in node.expressions):
        return exp.Literal.string("".join(one.name for one in node.expressions))
    return node


def _for_bigquery(node: exp.Expr) -> exp.Expr:
    """NUMERIC keeps nine digits after the point: what is cast to fewer is rounded to them."""
    from sqlglot import exp  # noqa: PLC0415 -- see render

    if not isinstance(node, exp.Cast) or isinstance(node.parent, exp.Round):
        return node
    kind = node.to
    if not kind.is_type(exp.DataType.Type.DECIMAL) or len(kind.expressions) < 2:  # noqa: PLR2004 -- precision and scale
        return node
    if isinstance(node.this, (exp.Null, exp.Literal)):
        return node
    scale = kind.expressions[1].this.copy()
    return exp.Round(this=node.copy(), decimals=scale)


_CHANGES: Mapping[str, Callable[[exp.Expr], exp.Expr]] = {"bigquery": _for_bigquery}
