"""Exports: the three tables that leave the warehouse as CSV or Parquet, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

from tallymark.engine.base import identifier
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import EXPORTED, Warehouse, write_atomically

__all__ = ["exports_are_current", "place_exports", "prepare_exports"]

ORDER = {
    "fct_sessions": "session_start, session_id",
    "fct_orders": "ordered_at, order_id",
    "fct_attribution": "order_id, model, touch_number",
}
# Columns whose text is never from outside.
OURS = frozenset(
    {"session_id", "order_id", "person_id", "channel", "channel_rule", "model", "device",
     "status", "id_status"}
)  # fmt: skip
_CSV = "format csv, header true, delimiter ',', timestampformat '%Y-%m-%dT%H:%M:%S.%gZ'"


def prepare_exports(
    engine: DuckEngine, scratch: Path, kind: str, *, presorted: frozenset[str] = frozenset()
) -> dict[str, Path]:
    """Write the exports into ``scratch``; :func:`place_exports` makes them appear.

    Text that a spreadsheet would run as a formula (it begins with = + - @ or a control character)
    gets a single quote in front; Parquet exports are exact.

    Args:
        kind: ``csv``, ``parquet`` or ``none``.
        presorted: Tables whose rows already come in their total order.
    """
    if kind == "none":
        return {}
    prepared = {}
    for table in EXPORTED:
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


def place_exports(warehouse: Warehouse, prepared: dict[str, Path], state: str) -> list[Path]:
    """Put prepared exports in their places, each whole, and note which build they are of."""
    placed = []
    for name, path in prepared.items():
        target = warehouse.root / name
        path.replace(target)
        placed.append(target)
    write_atomically(_note(warehouse), f"{state}\n")
    return placed


def exports_are_current(warehouse: Warehouse, kind: str, state: str) -> bool:
    """Whether every export is there and is of this build."""
    if kind == "none":
        return True
    note = _note(warehouse)
    if not note.is_file() or note.read_text(encoding="utf-8").strip() != state:
        return False
    return all((warehouse.root / f"{table}.{kind}").is_file() for table in EXPORTED)


def _note(warehouse: Warehouse) -> Path:
    return warehouse.root / "ledger" / "exports"


def _safe(name: str) -> str:
    """A text column, quoted where a spreadsheet would run it.

    The first character decides. Two comparisons let nearly every value pass before it is cut out.
    """
    column = identifier(name)
    first = f"substr({column}, 1, 1)"
    suspect = f"({column} < '0' or ({column} >= '=' and {column} < 'A'))"
    risky = f"{first} in ('=', '+', '-', '@', chr(9), chr(13), chr(10))"
    quoted = f"concat('''', {column})"
    return f"case when {suspect} and {risky} then {quoted} else {column} end as {column}"
