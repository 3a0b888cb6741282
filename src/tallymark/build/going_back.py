"""Going back to an earlier publication, its exports included."""

from __future__ import annotations

from pathlib import Path

from tallymark.build.export import current_exports, in_order, place_exports, prepare_exports
from tallymark.config import Config
from tallymark.engine.generations import Generation, put_back
from tallymark.engine.warehouse import Warehouse

__all__ = ["go_back", "restore_exports"]


def go_back(warehouse: Warehouse, config: Config, to: int | None = None) -> Generation:
    """Show readers an earlier publication, tables and exports; the caller holds the warehouse.

    Killed after the tables were swapped and before the exports were, the next run writes these.

    Raises:
        UsageError: There is no such generation.
        WarehouseError: Its data files are gone.
    """
    found = put_back(warehouse, to)
    restore_exports(warehouse, config, state=found.state)
    return found


def restore_exports(warehouse: Warehouse, config: Config, *, state: str) -> list[Path]:
    """The exports of what is published; those that are gone or of another state are written."""
    placed = current_exports(warehouse, config.export, state=state)
    if placed is not None:
        return placed
    limits = config.engine
    engine = warehouse.open(memory_limit=limits.memory_limit, threads=limits.threads)
    try:
        ready = in_order(engine, warehouse.parts(), "main")
        prepared = prepare_exports(engine, warehouse.scratch, config.export, presorted=ready)
    finally:
        engine.close()
    return place_exports(warehouse, prepared, config.export, state=state)
