"""Deliveries made by hand: rows with sound defaults, files of every format, what they land as."""

from __future__ import annotations

import csv
import functools
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zstandard

from tallymark.config import load
from tallymark.contract import Contract
from tallymark.engine.base import literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.deliveries import Delivery, find_deliveries
from tallymark.ingest.header import Head, read_head
from tallymark.ingest.landing import Landed, land
from tallymark.ingest.landing_sql import landed_view, rows_of
from tallymark.ingest.url_sql import landed_urls

__all__ = [
    "COLUMNS",
    "CONTRACT",
    "as_csv",
    "as_parquet",
    "deliver",
    "event",
    "land_rows",
    "landed_of",
    "purchase",
    "queried",
    "roles_of",
]

COLUMNS = (
    "client_id", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent",
)  # fmt: skip
CONTRACT = load(Contract, None, "contracts/events.yml")
_EVENT = {
    "client_id": "c-1001",
    "page_url": "https://shop.example/p/1",
    "referrer": "",
    "timestamp": "2031-05-05T10:00:00.000Z",
    "event_name": "page_viewed",
    "event_data": "",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0",
}


def event(**changed: str) -> dict[str, str]:
    """One sound page view, with some values changed."""
    return {**_EVENT, **changed}


def purchase(payload: Mapping[str, Any] | str, **changed: str) -> dict[str, str]:
    """One purchase with a payload."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return event(event_name="checkout_completed", event_data=text, **changed)


def as_csv(
    rows: Iterable[Mapping[str, str]],
    columns: Sequence[str] = COLUMNS,
    *,
    delimiter: str = ",",
    end: str = "\n",
) -> bytes:
    """Rows as the bytes of a CSV file; keys of a row are looked up by the columns."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return text.getvalue().encode()


def as_parquet(folder: Path, sql: str) -> bytes:
    """The rows of a query as the bytes of a Parquet file."""
    path = folder / "made.parquet"
    queried(f"copy ({sql}) to {literal(path.as_posix())} (format parquet)")
    content = path.read_bytes()
    path.unlink()
    return content


def queried(sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    return _engine().cursor().rows(sql)


def deliver(folder: Path, content: bytes, name: str = "2031-05-05.csv") -> Delivery:
    """Write a file, compressed if its ending says so, and find it as a delivery."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    elif name.endswith(".zst"):
        content = zstandard.ZstdCompressor().compress(content)
    path.write_bytes(content)
    return next(one for one in find_deliveries(folder) if one.path == path)


def roles_of(head: Head) -> dict[str, str | None]:
    """Roles played by the columns of their own names."""
    return {
        one.role: one.name if one.name in head.columns else None
        for one in CONTRACT.columns
        if one.role is not None
    }


def land_rows(
    delivery: Delivery,
    *,
    timezone: str = "UTC",
    roles: Mapping[str, str | None] | None = None,
    contract: Contract = CONTRACT,
    fresh: bool = False,
) -> tuple[list[dict[str, Any]], Landed]:
    """Land a delivery; its rows by line number, and what the reader said.

    ``fresh`` starts an engine for this reading alone.
    """
    engine = DuckEngine(threads=2) if fresh else _engine()
    head = read_head(delivery)
    scratch = delivery.path.parent / "_scratch"
    scratch.mkdir(exist_ok=True)
    try:
        landed = land(
            engine.cursor(), delivery, head, mapping=roles or roles_of(head), contract=contract,
            timezone=timezone, scratch=scratch,
        )  # fmt: skip
    finally:
        if fresh:
            engine.close()
    return landed_of(landed.path), landed


def landed_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a landed file as the build sees them, with their faults, by line number."""
    connection = _engine().connection.cursor()
    wide = f"({landed_view([path], {})})"
    found = connection.execute(
        f"select told.*, kept.faults from ({landed_urls(wide)}) as told "
        f"join {rows_of([path])} as kept using (line_number) order by line_number"
    )
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@functools.cache
def _engine() -> DuckEngine:
    return DuckEngine(threads=2)
