"""Exports: the tables that leave the warehouse as CSV or Parquet, the same bytes each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tallymark.engine.base import identifier
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.parts import Part, relation
from tallymark.engine.warehouse import EXPORTED, Warehouse, write_atomically

__all__ = ["current_exports", "in_order", "place_exports", "prepare_exports"]

KINDS = ("csv", "parquet")
SESSIONS = "fct_sessions"
ORDER = {
    "fct_sessions": "session_start, session_id",
    "fct_orders": "ordered_at, order_id",
    "fct_attribution": "order_id, model, touch_number",
}
_CSV = "format csv, header true, delimiter ',', timestampformat '%Y-%m-%dT%H:%M:%S.%gZ'"
# Columns whose text is never from outside.
OURS = frozenset(
    {"session_id", "order_id", "person_id", "channel", "channel_rule", "model", "device",
     "status", "id_status"}
)  # fmt: skip
_TEXTS = ("VARCHAR", "ENUM")  # the types of texts
# Says of which state the exports are. A run killed after it published and before it exported
# leaves another one there, so that the next run knows that they are old.
_MARK = ".exported"


def in_order(engine: DuckEngine, parts: Mapping[str, Sequence[Part]], *path: str) -> frozenset[str]:
    """Let published tables be read in their total order, as far as their files hold it.

    Sessions stand in the order of their starts and of the events that began them, which only the
    files know. Other tables in several parts must be sorted.

    Args:
        engine: An engine with the tables.
        parts: The parts of each table.
        *path: The schemas to look tables up in.

    Returns:
        The tables that come in order now.
    """
    ready = {table for table in EXPORTED if len(parts.get(table, ())) == 1}
    engine.execute("create schema in_order")
    if SESSIONS in parts and SESSIONS not in ready:
        sql = relation(parts[SESSIONS], order="session_start")
        engine.execute(f"create view in_order.{SESSIONS} as {sql}")
        ready.add(SESSIONS)
    engine.execute(f"set search_path = '{','.join(['in_order', *path])}'")
    return frozenset(ready)


def prepare_exports(
    engine: DuckEngine, scratch: Path, kind: str, *, presorted: frozenset[str] = frozenset()
) -> dict[str, Path]:
    """Write the exports into ``scratch``; :func:`place_exports` makes them appear.

    Text that a spreadsheet would run as a formula (it begins with = + - @ or a control character)
    gets a single quote in front; Parquet exports are exact.

    Args:
        kind: ``csv``, ``parquet`` or ``none``.
        presorted: Tables whose rows already come in their total order.

    Returns:
        Finished files in ``scratch``, by their name.
    """
    prepared = {}
    for table in EXPORTED if kind in KINDS else ():
        columns = engine.columns(table)
        texts = [name for name, kept in columns
                 if kept.startswith(_TEXTS) and name not in OURS]  # fmt: skip
        risky = _risky(engine, table, texts) if kind == "csv" else frozenset()
        picks = ", ".join(_safe(one) if one in risky else identifier(one) for one, _ in columns)
        order = "" if table in presorted else f" order by {ORDER[table]}"
        # A name of its own: the table itself passes through the same folder as Parquet.
        path = scratch / f"export-{table}.{kind}"
        options = _CSV if kind == "csv" else "format parquet"
        engine.write(f"select {picks} from {identifier(table)}{order}", path, options)
        prepared[f"{table}.{kind}"] = path
    return prepared


def place_exports(
    warehouse: Warehouse, prepared: Mapping[str, Path], kind: str, *, state: str
) -> list[Path]:
    """Put prepared exports in their places, each whole.

    Exports that an earlier run wrote in another format go away: they would lie beside the new
    ones and be old.
    """
    mark = warehouse.front / _MARK
    placed = []
    for name, path in prepared.items():
        target = warehouse.front / name
        path.replace(target)
        placed.append(target)
    if mark.is_file():
        for old in (warehouse.front / f"{table}.{one}" for table in EXPORTED for one in KINDS):
            if old not in placed:
                old.unlink(missing_ok=True)
    write_atomically(mark, _said(kind, state))
    return placed


def current_exports(warehouse: Warehouse, kind: str, *, state: str) -> list[Path] | None:
    """The exports, if every one of them is there and of this state; else None."""
    mark = warehouse.front / _MARK
    if not mark.is_file() or mark.read_bytes() != _said(kind, state).encode():
        return None
    paths = [warehouse.front / f"{table}.{kind}" for table in EXPORTED if kind in KINDS]
    return paths if all(path.is_file() for path in paths) else None


def _said(kind: str, state: str) -> str:
    return f"{kind} {state}\n"


def _suspect(name: str) -> str:
    """Whether a text may begin with a risky character: comparisons are cheap.

    Most texts begin with a letter, and in a ``case`` the first comparison settles them.
    """
    column = identifier(name)
    low = f"({column} < '.' and ({column} >= '+' or {column} < ' '))"
    wide = f"({column} >= '\uff0b' and {column} < '\uff21')"  # of full width
    return f"({column} < 'A' and ({column} >= '=' or {low}) or {wide})"


def _risky(engine: DuckEngine, table: str, names: Sequence[str]) -> frozenset[str]:
    """Columns with a value that a spreadsheet may run; most have none, and go out as they are."""
    if not names:
        return frozenset()
    tests = ", ".join(f"count(case when {_suspect(name)} then 1 end) > 0" for name in names)
    found = engine.rows(f"select {tests} from {identifier(table)}")[0]
    return frozenset(name for name, yes in zip(names, found, strict=True) if yes)


def _safe(name: str) -> str:
    """A text column, quoted where a spreadsheet would run it: the first character decides."""
    column = identifier(name)
    # Never as a long IN list: DuckDB makes a join of it, and a join loses the order of the rows.
    wide = ("'\uff1d'", "'\uff0b'", "'\uff0d'", "'\uff20'")
    marks = ("'='", "'+'", "'-'", "'@'", *wide, "chr(9)", "chr(13)", "chr(10)")
    risky = "(" + " or ".join(f"starts_with({column}, {mark})" for mark in marks) + ")"
    quoted = f"concat(chr(39), {column})"
    return f"case when {_suspect(name)} and {risky} then {quoted} else {column} end as {column}"
