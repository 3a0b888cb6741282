"""Earlier publications of a warehouse, and going back to one of them.

Each publication leaves its catalog under ``catalogs/``, and the files of the last few stay. Going
back puts one of them in the place of ``tallymark.duckdb`` by one rename. A note says from which
state, so that the next run does not publish that very state again before anything was mended.
"""

from __future__ import annotations

import datetime as dt
import filecmp
import json
import re
import shutil
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from tallymark.engine.duckdb import spare
from tallymark.engine.warehouse import CATALOG, Warehouse, write_atomically
from tallymark.errors import UsageError, WarehouseError

__all__ = ["NOTE", "Generation", "generations", "held", "named_files", "put_back"]

NOTE = "rolled_back.json"
_FOLDER = "catalogs"
# A file that a kept view reads, relative to the folder (see Warehouse.publish).
_NAMED = re.compile("'\ufdd0([^']+)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One publication that can be gone back to.

    Attributes:
        number: Counts publications; the newest has the highest.
        current: Whether readers see this one.
        published_at: When its catalog was written, UTC, to the second.
        state: Of which input and settings it was made; a fingerprint.
        program: The version of Tallymark that made it.
        counted_orders: Its orders that count.
        counted_revenue: Their revenue.
        currency: Of the revenue.
        tables: Rows by table.
    """

    number: int
    current: bool
    published_at: str
    state: str
    program: str
    counted_orders: int
    counted_revenue: Decimal
    currency: str
    tables: dict[str, int] = field(default_factory=dict)


def generations(warehouse: Warehouse) -> list[Generation]:
    """What can be gone back to, newest first; a catalog that cannot be read is left out."""
    found = []
    shown = False
    for path in reversed(_catalogs(warehouse)):
        try:
            meta = _meta(path)
        except WarehouseError:
            continue
        current = not shown and _same(path, warehouse.catalog)
        shown = shown or current
        facts: dict[str, Any] = json.loads(meta.get("facts", "{}"))
        written = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
        found.append(
            Generation(
                number=int(path.stem),
                current=current,
                published_at=f"{written:%Y-%m-%dT%H:%M:%SZ}",
                state=meta.get("state", ""),
                program=meta.get("program", ""),
                counted_orders=int(facts.get("counted_orders", 0)),
                counted_revenue=Decimal(str(facts.get("counted_revenue", 0))),
                currency=str(facts.get("currency", "")),
                tables=dict(facts.get("tables", {})),
            )
        )
    return found


def put_back(warehouse: Warehouse, to: int | None = None) -> Generation:
    """Make an earlier publication the one that readers see; the caller holds the warehouse.

    Args:
        warehouse: The warehouse.
        to: The number of the generation; the one before the current one if None.

    Raises:
        UsageError: There is no such generation, or none before the current one.
        WarehouseError: Its data files are gone.
    """
    known = generations(warehouse)
    target = _chosen(known, to, warehouse)
    path = warehouse.root / _FOLDER / f"{target.number:06d}.duckdb"
    lost = [file for file in named_files(path) if not (warehouse.root / file).is_file()]
    if lost:
        raise WarehouseError(
            f"{len(lost)} data files of generation {target.number} are gone",
            where=str(warehouse.root / min(lost)),
            fix="go back to another one: `tallymark rollback --list`",
        )
    meta = warehouse.meta()
    state = meta.get("state", "")
    before = _note(warehouse)
    # Gone back twice: what must not come back by itself is still the newest state.
    newest = {"from": state, "built_as": meta.get("built_as", state)}
    if before.get("to") == state:
        newest = {"from": before["from"], "built_as": before.get("built_as", before["from"])}
    note = {**newest, "generation": target.number, "to": target.state}
    write_atomically(warehouse.root / NOTE, json.dumps(note, indent=1, sort_keys=True) + "\n")
    aside = warehouse.scratch / CATALOG
    shutil.copyfile(path, aside)
    aside.replace(warehouse.catalog)
    return next(one for one in generations(warehouse) if one.number == target.number)


def held(warehouse: Warehouse, state: str) -> int | None:
    """The generation somebody went back to, if a build of ``state`` would only undo that.

    Args:
        warehouse: The warehouse.
        state: What a build would publish now.
    """
    note = _note(warehouse)
    if state not in {note.get("from"), note.get("built_as")} or note.get("to") == state:
        return None
    kept = warehouse.meta().get("state") == note.get("to")
    return int(note["generation"]) if kept else None


def named_files(catalog: Path) -> set[str]:
    """The data files that a catalog needs, relative to the warehouse.

    Raises:
        WarehouseError: It cannot be read.
    """
    files = _rows(catalog, "select path from cat._files")
    views = _rows(catalog, "select sql from cat._views")
    return {row[0] for row in files} | {file for row in views for file in _NAMED.findall(row[0])}


# ---------------------------------------------------------------- inside


def _catalogs(warehouse: Warehouse) -> list[Path]:
    found = (warehouse.root / _FOLDER).glob("*.duckdb")
    return sorted(path for path in found if path.stem.isdecimal())


def _same(path: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(path, other, shallow=False)


def _chosen(known: list[Generation], to: int | None, warehouse: Warehouse) -> Generation:
    if to is not None:
        target = next((one for one in known if one.number == to), None)
        if target is None:
            numbers = ", ".join(str(one.number) for one in known) or "none"
            raise UsageError(
                f"there is no generation {to}", where=str(warehouse.root),
                fix=f"there are: {numbers}",
            )  # fmt: skip
        return target
    current = next((one.number for one in known if one.current), None)
    shown = warehouse.meta().get("state")  # the same published twice is nothing to go back to
    earlier = [
        one for one in known
        if (current is None or one.number < current) and one.state != shown
    ]  # fmt: skip
    if not earlier:
        raise UsageError(
            "there is no earlier generation to go back to", where=str(warehouse.root),
            fix="`tallymark rollback --list` shows what is kept; `generations` sets how many",
        )  # fmt: skip
    return earlier[0]


def _note(warehouse: Warehouse) -> dict[str, Any]:
    path = warehouse.root / NOTE
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or no longer readable: then nothing is held
        return {}
    return kept if {"from", "to", "generation"} <= set(kept) else {}


def _meta(catalog: Path) -> dict[str, str]:
    return dict(_rows(catalog, "select key, value from cat._meta"))


def _rows(catalog: Path, sql: str) -> list[tuple[Any, ...]]:
    try:
        with spare(catalog) as connection:
            return connection.execute(sql).fetchall()
    except duckdb.Error as error:
        raise WarehouseError(
            f"the catalog cannot be read: {str(error).splitlines()[0]}", where=str(catalog),
            fix="go back to another one: `tallymark rollback --list`",
        ) from error  # fmt: skip
