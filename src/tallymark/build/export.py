"""Exports: the tables that leave the warehouse as CSV or Parquet, the same bytes each time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tallymark.engine.base import identifier
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import EXPORTED, Warehouse, write_atomically

__all__ = ["current_exports", "place_exports", "prepare_exports"]

KINDS = ("csv", "parquet")
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
# Says of which state the exports are. A run killed after it published and before it exported
# leaves another one there, so that the next run knows that they are old.
_MARK = ".exported"


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
        picks = ", ".join(
            _safe(name)
            if kind == "csv" and sql_type == "VARCHAR" and name not in OURS
            else identifier(name)
            for name, sql_type in engine.columns(table)
        )
        order = "" if table in presorted else f" order by {ORDER[table]}"
        path = scratch / f"{table}.{kind}"
        options = _CSV if kind == "csv" else "format parquet"
        engine.write(f"select {picks} from {identifier(table)}{order}", path, options)
        prepared[path.name] = path
    return prepared


def place_exports(
    warehouse: Warehouse, prepared: Mapping[str, Path], kind: str, *, state: str
) -> list[Path]:
    """Put prepared exports in their places, each whole.

    Exports that an earlier run wrote in another format go away: they would lie beside the new
    ones and be old.
    """
    mark = warehouse.root / _MARK
    placed = []
    for name, path in prepared.items():
        target = warehouse.root / name
        path.replace(target)
        placed.append(target)
    if mark.is_file():
        for old in (warehouse.root / f"{table}.{one}" for table in EXPORTED for one in KINDS):
            if old not in placed:
                old.unlink(missing_ok=True)
    write_atomically(mark, _said(kind, state))
    return placed


def current_exports(warehouse: Warehouse, kind: str, *, state: str) -> list[Path] | None:
    """The exports, if every one of them is there and of this state; else None."""
    mark = warehouse.root / _MARK
    if not mark.is_file() or mark.read_text(encoding="utf-8") != _said(kind, state):
        return None
    paths = [warehouse.root / f"{table}.{kind}" for table in EXPORTED if kind in KINDS]
    return paths if all(path.is_file() for path in paths) else None


def _said(kind: str, state: str) -> str:
    return f"{kind} {state}\n"


def _safe(name: str) -> str:
    """A text column, quoted where a spreadsheet would run it.

    The first character decides. Two comparisons let nearly every value pass before it is cut out.
    """
    column = identifier(name)
    first = f"substr({column}, 1, 1)"
    suspect = f"({column} < '0' or ({column} >= '=' and {column} < 'A'))"
    risky = f"{first} in ('=', '+', '-', '@', chr(9), chr(13), chr(10))"
    quoted = f"concat(chr(39), {column})"
    return f"case when {suspect} and {risky} then {quoted} else {column} end as {column}"
