"""Exports: the tables that leave the warehouse as CSV or Parquet, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

from tallymark.engine.base import identifier
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import EXPORTED, Warehouse, write_atomically

__all__ = ["export_tables"]

KINDS = ("csv", "parquet")
ORDER = {
    "fct_sessions": "session_start, session_id",
    "fct_orders": "ordered_at, order_id",
    "fct_attribution": "order_id, model, touch_number",
}
_CSV = "format csv, header true, delimiter ',', timestampformat '%Y-%m-%dT%H:%M:%S.%gZ'"
# Says of which state the exports are. A run killed after it published and before it exported
# leaves another one there, so that the next run knows that they are old.
_MARK = ".exported"


def export_tables(engine: DuckEngine, warehouse: Warehouse, kind: str, *, state: str) -> list[Path]:
    """Write the exports that are missing or of another state; each appears whole.

    Text that a spreadsheet would run as a formula (it begins with = + - @ or a control character)
    gets a single quote in front; Parquet exports are exact. Exports that an earlier run wrote in
    another format go away: they would lie beside the new ones and be old.

    Args:
        kind: ``csv``, ``parquet`` or ``none``.
        state: The fingerprint of what is published.
    """
    mark = warehouse.root / _MARK
    said = f"{kind} {state}\n"
    ours = mark.is_file()
    fresh = ours and mark.read_text(encoding="utf-8") == said
    paths = [warehouse.root / f"{table}.{kind}" for table in EXPORTED if kind in KINDS]
    for table, path in zip(EXPORTED, paths, strict=False):
        if not (fresh and path.is_file()):
            _export(engine, table, path, aside=warehouse.scratch / path.name)
    if ours and not fresh:
        for old in (warehouse.root / f"{table}.{one}" for table in EXPORTED for one in KINDS):
            if old not in paths:
                old.unlink(missing_ok=True)
    if not fresh:
        write_atomically(mark, said)
    return paths


def _export(engine: DuckEngine, table: str, path: Path, *, aside: Path) -> None:
    csv = path.suffix == ".csv"
    picks = ", ".join(
        _safe(name) if csv and sql_type == "VARCHAR" else identifier(name)
        for name, sql_type in engine.columns(table)
    )
    engine.write(
        f"select {picks} from {identifier(table)} order by {ORDER[table]}",
        aside,
        _CSV if csv else "format parquet",
    )
    aside.replace(path)


def _safe(name: str) -> str:
    column = identifier(name)
    first = f"substr({column}, 1, 1)"
    risky = f"{first} in ('=', '+', '-', '@', chr(9), chr(13), chr(10))"
    return f"case when {risky} then concat('''', {column}) else {column} end as {column}"
