"""Exports: the three tables that leave the warehouse as CSV or Parquet, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

from tallymark.engine.base import identifier
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import EXPORTED, Warehouse

__all__ = ["export_tables"]

ORDER = {
    "fct_sessions": "session_start, session_id",
    "fct_orders": "ordered_at, order_id",
    "fct_attribution": "order_id, model, touch_number",
}
_CSV = "format csv, header true, delimiter ',', timestampformat '%Y-%m-%dT%H:%M:%S.%gZ'"


def export_tables(
    engine: DuckEngine, warehouse: Warehouse, kind: str, *, force: bool
) -> list[Path]:
    """Write the exports that are missing, or all of them; each appears whole.

    Text that a spreadsheet would run as a formula (it begins with = + - @ or a control character)
    gets a single quote in front; Parquet exports are exact.

    Args:
        kind: ``csv``, ``parquet`` or ``none``.
        force: Write them even if they are there.
    """
    if kind == "none":
        return []
    paths = []
    for table in EXPORTED:
        path = warehouse.root / f"{table}.{kind}"
        paths.append(path)
        if path.is_file() and not force:
            continue
        columns = engine.columns(table)
        picks = ", ".join(
            _safe(name) if kind == "csv" and sql_type == "VARCHAR" else identifier(name)
            for name, sql_type in columns
        )
        aside = warehouse.scratch / path.name
        engine.write(
            f"select {picks} from {identifier(table)} order by {ORDER[table]}",
            aside,
            _CSV if kind == "csv" else "format parquet",
        )
        aside.replace(path)
    return paths


def _safe(name: str) -> str:
    column = identifier(name)
    first = f"substr({column}, 1, 1)"
    risky = f"{first} in ('=', '+', '-', '@', chr(9), chr(13), chr(10))"
    return f"case when {risky} then concat('''', {column}) else {column} end as {column}"
