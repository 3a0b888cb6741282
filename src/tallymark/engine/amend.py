"""Another table in the published catalog, swapped in by one rename like all of it."""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tallymark.engine.base import identifier
from tallymark.engine.duckdb import spare
from tallymark.engine.warehouse import CATALOG, Warehouse

__all__ = ["amend"]


def amend(
    warehouse: Warehouse, table: str, columns: Mapping[str, tuple[str, Sequence[Any]]]
) -> bool:
    """Put a table of the ledger into the catalog; the caller holds the warehouse.

    A table that is there with this very content is left alone, so that running again changes
    nothing. The kept copy of the publication gets the table too, and stays the same file.

    Args:
        warehouse: The warehouse, with a catalog.
        table: The name.
        columns: By name: the type and the values.

    Returns:
        Whether anything was written.
    """
    mark = hashlib.sha256(repr(sorted(columns.items())).encode(errors="replace")).hexdigest()
    if warehouse.meta().get(table) == mark:
        return False
    catalog = warehouse.catalog
    twin = _twin(warehouse)
    warehouse.scratch.mkdir(parents=True, exist_ok=True)
    aside = warehouse.scratch / f"amended-{CATALOG}"
    shutil.copyfile(catalog, aside)
    _write(aside, table, columns, mark)
    if twin is not None:
        written = twin.stat()
        copy = warehouse.scratch / "amended-generation.duckdb"
        shutil.copyfile(aside, copy)
        # When it was published is read from the file.
        os.utime(copy, ns=(written.st_atime_ns, written.st_mtime_ns))
        copy.replace(twin)
    aside.replace(catalog)
    return True


def _twin(warehouse: Warehouse) -> Path | None:
    """The kept copy of what is published now."""
    found = sorted((warehouse.root / "catalogs").glob("*.duckdb"), reverse=True)
    same = (path for path in found if filecmp.cmp(path, warehouse.catalog, shallow=False))
    return next(same, None)


def _write(
    catalog: Path, table: str, columns: Mapping[str, tuple[str, Sequence[Any]]], mark: str
) -> None:
    name = identifier(table)
    spec = ", ".join(f"{identifier(one)} {kind}" for one, (kind, _) in columns.items())
    picks = ", ".join(f"unnest(cast(? as {kind}[]))" for kind, _ in columns.values())
    with spare(catalog, write="") as connection:
        connection.execute("use cat")
        connection.execute("begin")
        connection.execute(f"drop table if exists {name}")
        connection.execute(f"create table {name} ({spec})")
        connection.execute(
            f"insert into {name} select {picks}", [list(given) for _, given in columns.values()]
        )
        connection.execute("delete from _tables where name = ?", [table])
        connection.execute("insert into _tables values (?)", [table])
        connection.execute("delete from _meta where key = ?", [table])
        connection.execute("insert into _meta values (?, ?)", [table, mark])
        connection.execute("commit")
