"""What a model's text reads, and what no model may say: read from the SQL, never run."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Parsed", "parse"]

# Rows out of numbers and lists; every other function in FROM reads what is no table here.
_MAKES_ROWS = frozenset({"unnest", "generate_series", "range"})
# Functions that read files, other databases, settings or the machine, wherever they stand.
_REACHES_OUT = re.compile(
    r"(read_\w+|\w+_scan|parquet_\w+|sniff_csv|glob|getenv|query|query_table|write_\w+|nextval"
    r"|duckdb_\w+|pragma_\w+|sqlite_\w+|postgres_\w+|mysql_\w+|iceberg_\w+|delta_\w+|which_secret"
    r"|getvariable|current_setting)"
)
_ONE_SELECT = "a model is exactly one select statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What is known of a text.

    Attributes:
        tables: The tables it reads, and the line, from 1, on which each is first named.
        problem: What keeps it from being a model; empty if nothing does.
        line: Where the problem is, where that is known.
    """

    tables: Mapping[str, int | None] = field(default_factory=dict)
    problem: str = ""
    line: int | None = None


@functools.lru_cache(maxsize=256)
def parse(sql: str) -> Parsed:
    """Read one text, once per process.

    Example:
        >>> parse("with a as (select x from b) select x from a").tables
        {'b': 1}
        >>> parse("drop table a").problem
        'a model is exactly one select statement'
    """
    import sqlglot  # noqa: PLC0415 -- 0.4 s that only own models must pay
    from sqlglot import exp  # noqa: PLC0415

    try:
        statements = [one for one in sqlglot.parse(sql, dialect="duckdb") if one is not None]
    except RecursionError:
        return Parsed(problem="is nested too deeply")
    except sqlglot.errors.TokenError as error:
        # "Missing ' from 2:7" where a text is not closed; of a comment nothing is said.
        found = re.match(r"Missing (\S+) from (\d+):", str(error.__cause__))
        said = f"the text that {found[1]} begins" if found else "a text or a comment"
        line = int(found[2]) if found else None
        return Parsed(problem=f"is not SQL: {said} has no end", line=line)
    except sqlglot.errors.SqlglotError as error:
        known = error.errors if isinstance(error, sqlglot.ParseError) else []
        first = known[0] if known else {}
        said = str(first.get("description") or error).splitlines()[0]
        if "<" in said:  # the parser speaks of its own pieces
            said = f"something is missing at {first.get('highlight') or 'the end'}"
        return Parsed(problem=f"is not SQL: {said}", line=first.get("line"))
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        # The first one that is too much, or is none.
        good = bool(statements) and isinstance(statements[0], exp.Query)
        odd = statements[int(good) : int(good) + 1]
        return Parsed(problem=_ONE_SELECT, line=_line(odd[0]) if odd else None)
    tree = statements[0]
    # A CTE may hold what changes tables: DuckDB runs it.
    if changing := tree.find(exp.DDL, exp.DML, exp.Command):
        return Parsed(problem=_ONE_SELECT, line=_line(changing))
    for word, line in _reaching_out(tree):
        return Parsed(problem=f"reads {word}, which is no table here", line=line)
    tables: dict[str, int | None] = {}
    for table in _tables(tree):
        tables.setdefault(table.name.lower(), _line(table))
    return Parsed(tables=tables)


def _line(node: exp.Expr) -> int | None:
    """The line of the first word of a piece of SQL that the parser kept the place of."""
    from sqlglot import exp  # noqa: PLC0415 -- see parse

    for one in node.find_all(exp.Identifier, exp.Anonymous, exp.Literal, bfs=False):
        if "line" in one.meta:
            return int(one.meta["line"])
    return None


def _reaching_out(tree: exp.Expr) -> Iterator[tuple[str, int | None]]:
    """Whatever is read that is no table of the warehouse."""
    from sqlglot import exp  # noqa: PLC0415 -- see parse

    for table in tree.find_all(exp.Table):
        made = table.this
        makes_rows = isinstance(made, exp.Func) and _called(made) in _MAKES_ROWS
        if table.db or not (makes_rows or isinstance(made, exp.Identifier)):
            yield table.sql(dialect="duckdb"), _line(table)
    for call in tree.find_all(exp.Func):
        if _REACHES_OUT.fullmatch(_called(call)):
            yield call.sql(dialect="duckdb"), _line(call)


def _called(call: exp.Func) -> str:
    """The name of a function as DuckDB knows it, in lower case."""
    from sqlglot import exp  # noqa: PLC0415 -- see parse

    if isinstance(call, exp.Anonymous):
        return str(call.this).lower()
    return call.sql_name().lower()


def _tables(tree: exp.Query) -> Iterator[exp.Table]:
    """Tables of the warehouse: a name that a CTE has is one only where the CTE is not known."""
    from sqlglot import exp  # noqa: PLC0415 -- see parse

    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and not _is_cte(table):
            yield table


def _is_cte(table: exp.Table) -> bool:
    """Whether a name means a CTE: one beside or above it, and written before it."""
    from sqlglot import exp  # noqa: PLC0415 -- see parse

    name = table.name.lower()
    node: exp.Expr | None = table
    inside: exp.Expr | None = None  # the CTE in whose definition the name stands
    while node is not None:
        if isinstance(node, exp.CTE):
            inside = node
        with_ = node.args.get("with_") or node.args.get("with")
        if isinstance(with_, exp.With):
            for cte in with_.expressions:
                if cte is inside and not with_.recursive:
                    break
                if cte.alias_or_name.lower() == name:
                    return True
        node = node.parent
    return False
