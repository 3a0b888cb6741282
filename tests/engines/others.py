"""Engines that run compiled SQL: each takes statements and gives rows as plain Python."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pytest

__all__ = ["Other", "on_duckdb", "on_fakesnow", "on_spark", "plain", "statements"]

COLUMNS = (
    "client_id", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent",
)  # fmt: skip
_BATCH = 200
_END = re.compile(r";\n(?=\s*(?:--|CREATE|DROP|SELECT|WITH|\Z))")


class Other(Protocol):
    """An engine under test."""

    def run(self, sql: str) -> None:
        """Run one statement."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    def columns(self, table: str) -> list[str]:
        """The columns of a table or view."""

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Append rows to a table."""


def statements(text: str) -> list[str]:
    """The statements of a compiled file."""
    return [part.strip() for part in _END.split(text) if part.strip()]


def plain(value: object) -> object:
    """A value in one form, whichever engine it comes from."""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return round(float(value), 6)
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    return value


def load(other: Other, raw: Path, agents: Path) -> None:
    """Load the deliveries of a folder, and the seed of user agents."""
    rows: list[tuple[Any, ...]] = []
    for path in sorted(raw.iterdir()):
        with path.open(encoding="utf-8", newline="") as stream:
            for line, row in enumerate(csv.DictReader(stream), start=2):
                rows.append((path.name, line, *(row.get(name) for name in COLUMNS)))
    other.insert("raw_events", rows)
    with agents.open(encoding="utf-8", newline="") as stream:
        _, *listed = csv.reader(stream)
    flags = [[cell or None for cell in row] for row in listed]
    agent_rows = [(*row[:4], row[4] == "true", *row[5:]) for row in flags]
    other.insert("seed_user_agents", agent_rows)


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("'", "\x00")
    return "'" + text.replace("\x00", "''") + "'"


# ---------------------------------------------------------------- the engines


class _Connection:
    """Anything with ``execute`` and ``fetchall``."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def run(self, sql: str) -> None:
        """Run one statement."""
        self.connection.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        found = self.connection.execute(sql)
        return [tuple(row) for row in (found or self.connection).fetchall()]

    def columns(self, table: str) -> list[str]:
        """The columns of a table or view."""
        found = self.connection.execute(f"SELECT * FROM {table} LIMIT 0")
        return [str(one[0]).lower() for one in (found or self.connection).description]

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Append rows to a table, some at a time."""
        for start in range(0, len(rows), _BATCH):
            values = ", ".join(
                "(" + ", ".join(_literal(one) for one in row) + ")"
                for row in rows[start : start + _BATCH]
            )
            self.run(f"INSERT INTO {table} VALUES {values}")


@contextmanager
def on_duckdb(_folder: Path) -> Iterator[Other]:
    """The engine that Tallymark itself uses."""
    connection = duckdb.connect(":memory:")
    connection.execute("set timezone = 'UTC'")
    connection.execute("set default_null_order = 'nulls_first'")
    yield _Connection(connection)
    connection.close()


# What the emulator lacks: stand-ins on the DuckDB inside it.
_STAND_INS = (
    "set timezone = 'UTC'",
    "create macro if not exists try_to_timestamp_tz(x) as try_cast(x as timestamptz)",
    "create macro if not exists convert_timezone(a, b, x) as (x at time zone a) at time zone b",
    (
        "create macro if not exists tallymark_url_decode(x) as "
        "coalesce(try(url_decode(replace(x, '+', ' '))), x)"
    ),
    # The emulator's own forgets which letters are to be taken off.
    "create macro if not exists stand_in_rtrim(x, y) as rtrim(x, y)",
)


class _Snow(_Connection):
    """The emulator has no JavaScript: values of a query are decoded by DuckDB."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        for one in _STAND_INS:
            connection._duck_conn.execute(one)

    def run(self, sql: str) -> None:
        """Run one statement; a function in JavaScript is left out."""
        if "LANGUAGE JAVASCRIPT" not in sql:
            super().run(sql.replace("RTRIM(", "STAND_IN_RTRIM("))

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Append rows to a table; in Snowflake's texts a backslash escapes what follows."""
        escaped = [
            [one.replace("\\", "\\\\") if isinstance(one, str) else one for one in row]
            for row in rows
        ]
        super().insert(table, escaped)


@contextmanager
def on_fakesnow(_folder: Path) -> Iterator[Other]:
    """Snowflake's emulator, where it is installed."""
    fakesnow = pytest.importorskip("fakesnow", reason="the emulator fakesnow is not installed")
    connector = pytest.importorskip("snowflake.connector", reason="fakesnow needs it")
    with fakesnow.patch(), connector.connect(database="shop", schema="next") as connection:
        yield _Snow(connection.cursor())


class _Spark:
    """A local Spark."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def run(self, sql: str) -> None:
        """Run one statement."""
        self.session.sql(sql)

    def columns(self, table: str) -> list[str]:
        """The columns of a table or view."""
        return list(self.session.table(table).columns)

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Append rows to a table."""
        if rows:
            schema = self.session.table(table).schema
            self.session.createDataFrame([tuple(row) for row in rows], schema).write.insertInto(
                table
            )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(row) for row in self.session.sql(sql).collect()]


@contextmanager
def on_spark(folder: Path) -> Iterator[Other]:
    """A local Spark with one thread, where pyspark and Java are installed."""
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    session = (
        sql.SparkSession.builder.master("local[2]")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.warehouse.dir", str(folder / "spark"))
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield _Spark(session)
    session.stop()
