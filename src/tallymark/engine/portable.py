"""What of a select is outside the subset of SQL that every engine reads alike.

``docs/reference/portable-sql.md`` is the list for people; a test holds the two together.
"""

from __future__ import annotations

from tallymark.engine.render import PRIMITIVES

__all__ = ["FUNCTIONS", "beyond"]

FUNCTIONS = frozenset({
    "cast", "coalesce", "concat", "count", "exp", "floor", "lag", "max", "md5", "min", "row_number",
    "sum",
})  # fmt: skip
"""Functions that models may call besides the primitives."""

# Means the same wherever it is known, though no shipped model needs it.
_HARMLESS = frozenset({
    "abs", "avg", "dense_rank", "ends_with", "first_value", "last_value", "lead", "length",
    "lower", "nullif", "rank", "replace", "round", "rtrim", "starts_with", "substr", "trim",
    "upper",
})  # fmt: skip


# Words and marks of which engines disagree, or that some have not.
_SHUNNED = frozenset({
    "::", "[", "{", "->", "->>", "array", "asof", "filter", "interval", "lateral", "map", "pivot",
    "positional", "qualify", "sample", "semi", "anti", "struct", "tablesample", "unnest", "unpivot",
})  # fmt: skip


def beyond(sql: str) -> list[str]:
    """What a select uses that engines may not know, or understand differently, in lower case.

    None of it is a fault: it is what somebody should look at before the result is trusted.

    Args:
        sql: One select in DuckDB's dialect.

    Example:
        >>> beyond("select median(a), b::date, min(c) from t qualify lag(d) over (order by d) = 1")
        ['::', 'median', 'qualify']
    """
    import sqlglot  # noqa: PLC0415 -- 0.4 s that only compiling must pay

    kinds = sqlglot.TokenType

    tokens = sqlglot.tokenize(sql, read="duckdb")
    known = FUNCTIONS | _HARMLESS | set(PRIMITIVES)
    named = {kinds.VAR, kinds.LIST}
    found = set()
    for token, behind in zip(tokens, [*tokens[1:], None], strict=True):
        word = token.text.lower()
        if token.token_type in {kinds.STRING, kinds.IDENTIFIER}:
            continue
        called = token.token_type in named and behind is not None and behind.text == "("
        if word in _SHUNNED or (called and word not in known):
            found.add(word)
    return sorted(found)
