"""The last publication read back whole, so that a part of it can be published anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallymark.engine.base import identifier, literal
from tallymark.engine.warehouse import HERE, Publication, Warehouse

__all__ = ["read_publication"]


def read_publication(warehouse: Warehouse) -> Publication:
    """Everything that is published: files, views, ledger tables and facts.

    Raises:
        WarehouseError: The catalog cannot be read.
    """
    root = literal(f"{warehouse.root.resolve().as_posix()}/")[1:-1]
    views = warehouse.rows("select name, sql from cat._views order by ordinal")
    names = [row[0] for row in warehouse.rows("select name from cat._tables order by rowid")]
    return Publication(
        files=dict(warehouse.parts()),
        views={name: sql.replace(HERE, root) for name, sql in views},
        tables={name: _table(warehouse, name) for name in names},
        meta=warehouse.meta(),
    )


def _table(warehouse: Warehouse, name: str) -> dict[str, tuple[str, Sequence[Any]]]:
    """The columns of a small table: name to type and values, in their order."""
    described = warehouse.rows(f"describe cat.{identifier(name)}")
    rows = warehouse.rows(f"select * from cat.{identifier(name)} order by rowid")
    return {
        str(column[0]): (str(column[1]), [row[place] for row in rows])
        for place, column in enumerate(described)
    }
