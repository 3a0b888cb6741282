"""Columns that are renamed in the middle of a file of JSON lines: how many rows, and since when."""

from __future__ import annotations

import dataclasses

from tallymark.check.header.columns import Mapping_, map_columns
from tallymark.contract import Contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import Head
from tallymark.ingest.landing import Landed
from tallymark.ingest.later import rows_with, with_last_rows

__all__ = ["dated", "mapped"]


def mapped(delivery: Delivery, head: Head, contract: Contract) -> tuple[Head, Mapping_]:
    """Which delivered column plays which role, by the first rows and, of JSON lines, the last.

    What the last rows alone have counts if it is a column's new name, and is else no column.

    Raises:
        Broken: What is read on the way cannot be decompressed.
    """
    whole = with_last_rows(delivery, head)
    columns = map_columns(contract, whole)
    if whole is head or any(one.delivered not in head.columns for one in columns.renames):
        return whole, _counted(delivery, columns)
    return head, _counted(delivery, map_columns(contract, head))


def _counted(delivery: Delivery, columns: Mapping_) -> Mapping_:
    """The mapping with how many rows come under each new name, and the first line that does."""
    partly = [one.delivered for one in columns.renames if one.partly]
    if delivery.format != "jsonl" or not partly:
        return columns
    found = rows_with(delivery, partly)
    renames = [
        dataclasses.replace(one, rows=found[one.delivered][0], line=found[one.delivered][1])
        if one.partly else one
        for one in columns.renames
    ]  # fmt: skip
    return dataclasses.replace(columns, renames=renames)


def dated(engine: DuckEngine, columns: Mapping_, landed: Landed) -> Mapping_:
    """The mapping with the time of the first row under each new name."""
    if not any(one.line is not None for one in columns.renames):
        return columns
    renames = [
        one if one.line is None else dataclasses.replace(one, since=_time(engine, one.line, landed))
        for one in columns.renames
    ]
    return dataclasses.replace(columns, renames=renames)


def _time(engine: DuckEngine, line: int, landed: Landed) -> str | None:
    """The time of the row of a line, ISO 8601; None where it has none."""
    found = engine.rows(
        "select strftime(make_timestamp_ms(event_ms), '%Y-%m-%dT%H:%M:%S.%gZ') "
        f"from {landed.source} where line_number = $line",
        {"line": line},
    )
    return None if not found or found[0][0] is None else str(found[0][0])
