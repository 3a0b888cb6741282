"""A snapshot of what was published, kept aside when a day's numbers cannot be trusted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import Warehouse, write_atomically

__all__ = ["snapshot"]


def snapshot(
    engine: DuckEngine, warehouse: Warehouse, quarantine: Path, day: str, report: str
) -> Path:
    """Keep exports, catalog and the day's report in ``warehouse_quarantine_<timestamp>/``.

    The timestamp is the last event time of the judged day, so that a rerun reuses the folder.

    Returns:
        The folder.
    """
    tables = {row[0] for row in engine.rows("select table_name from information_schema.tables")}
    source, column, by = (
        ("landed where rejected = 0 and", "event_time", "event_date")
        if "landed" in tables
        else ("fct_sessions where", "session_end", "session_date")
    )
    found = engine.rows(
        f"select strftime(max({column}), '%Y%m%dT%H%M%S') from {source} {by} = cast(? as date)",
        [day],
    )
    stamp = found[0][0] or f"{day.replace('-', '')}T000000"
    place = quarantine / f"warehouse_quarantine_{stamp}"
    place.mkdir(parents=True, exist_ok=True)
    for path in [*warehouse.exports().values(), warehouse.catalog]:
        if path.is_file():
            _keep(path, place / path.name)
    write_atomically(place / "monitoring_report.json", report)
    return place


def _keep(source: Path, target: Path) -> None:
    """Link a file that is only ever replaced whole; copy it where links do not work."""
    aside = target.with_name(f".{target.name}.tmp")
    aside.unlink(missing_ok=True)
    try:
        os.link(source, aside)
    except OSError:
        shutil.copyfile(source, aside)
    aside.replace(target)
    # Renaming one link of a file onto another link of it leaves both where they are.
    aside.unlink(missing_ok=True)
