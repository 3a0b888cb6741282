"""Landing a delivery: one pass from its bytes to a Parquet file of typed, flagged rows.

A landed row keeps every delivered value and adds what can be told from the row alone: its time in
milliseconds, the parts of its URL, the step of the funnel, and its faults as bit flags. It is a
function of the bytes, the contract and the configuration; nothing of other deliveries enters.
"""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from tallymark.contract import Contract
from tallymark.engine.base import NO_FOLDERS, exact, identifier, literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.careful import MAX_LINE_BYTES, BadLine, rewrite
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.extra import NOTHING, Asked
from tallymark.ingest.header import Head
from tallymark.ingest.landing_sql import landing_sql, rows_of, usual_hosts
from tallymark.ingest.lines import LineIndex, pick_lines
from tallymark.ingest.scan import Text, scan
from tallymark.ingest.unpack import Broken, refuse_bomb, unpack

Reread = Callable[[Sequence[int], Sequence[str]], list[tuple[Any, ...]]]

__all__ = ["Landed", "RowsWanted", "delivery_base", "land", "may_be_fast"]

# A dictionary for hosts, agents and names; giving up early on texts that are all different.
_OPTIONS = (
    "format parquet, parquet_version v2, compression snappy, write_bloom_filter false, "
    "dictionary_size_limit 4000"
)
_QUOTING = (
    "quote = '\"', escape = '\"', strict_mode = true, auto_detect = false, "
    # A buffer holds one longest line: filling larger ones, fresh memory, costs more than reading.
    f"max_line_size = {MAX_LINE_BYTES}, buffer_size = {MAX_LINE_BYTES}"
)
_SHOWN = 120


class RowsWanted(Exception):  # noqa: N818 -- it has a delivery landed whole, it is no error
    """More than counts is to be told of a delivery's rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What came of reading a delivery.

    Attributes:
        path: The Parquet file of landed rows, rejected ones included (they carry a fault).
        rows: How many rows it holds.
        bad_lines: (line number, reason, original bytes as text) of rows that are no rows.
        careful: Whether the careful reader was needed, and why.
        undecoded: How many of the bad lines are not UTF-8.
        encoding: What those probably are, as the end of a sentence.
        asked: What the rules asked of landing.
        light: Whether it holds what counting needs and no more: hashes instead of client ids and
            pages, payloads of purchases alone. A query for what is not there does not bind.
        reread: If light, and where it can be done, gives columns of a whole landing for a few
            rows: from their line numbers and the names of the columns.
    """

    path: Path
    rows: int
    bad_lines: Sequence[BadLine] = ()
    careful: str | None = None
    undecoded: int = 0
    encoding: str = ""
    asked: Asked = NOTHING
    light: bool = False
    reread: Reread | None = None

    def condition(self, test: str) -> str:
        """How a test of whole rows is asked of what landed: its bit of the flags, if it has one."""
        bare = test[1:-1] if test.startswith("(") and test.endswith(")") else test
        for one in (test, bare):
            if self.light and one in self.asked.flags:
                return f"flags & {1 << self.asked.flags.index(one)} > 0"
        return test

    @property
    def source(self) -> str:
        """The rows, as SQL."""
        return rows_of([self.path])

    @property
    def purchases(self) -> str:
        """The purchases with their values, as SQL; but for the referrer, which may not be there."""
        told = "line_number, event_ms, event_date, event_hour, event_name, step, page_host, "
        told += "user_agent, faults, "
        told += (
            "buyer as client_id, purchase as payload, purchase_page as page_url"
            if self.light
            else "client_id, payload, page_url"
        )
        told += ", flags" if self.light and self.asked.flags else ""
        return f"(select {told} from {self.source} where step = 'purchase')"


def delivery_base(key: str) -> int:
    """The number from which a delivery's event ids count; from its key alone, below 2^62."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) >> 2


def may_be_fast(delivery: Delivery, head: Head) -> bool:
    """Whether a delivery's own bytes are what the fast path reads, as far as its head tells."""
    return delivery.format != "parquet" and delivery.compression is None and head.doubt is None


def land(
    engine: DuckEngine,
    delivery: Delivery,
    head: Head,
    *,
    mapping: Mapping[str, str | None],
    contract: Contract,
    timezone: str,
    scratch: Path,
    asked: Asked = NOTHING,
    text: Text | None = None,
) -> Landed:
    """Read a delivery into one Parquet file in ``scratch``.

    The fast path is DuckDB's strict reader. Its result stands only if the bytes prove it: as many
    rows as lines, no NUL, no cell too many. In doubt the careful reader splits sound rows from
    damaged ones, and the sound ones are read again.

    Args:
        mapping: For each role of the contract, the delivered column that plays it, or None.
        asked: Further columns to land and tests for rows to keep out.
        text: What the bytes prove, if they were read before.

    Raises:
        Broken: The file cannot be decompressed or read as what it says it is.
    """
    base = scratch / f"{delivery_base(delivery.key):016x}"
    raw, clean = base.with_suffix(".raw"), base.with_suffix(".clean")
    wanted = {**mapping, **asked.extras}
    reading = _Reading(engine, delivery, head, wanted, contract, timezone, base, asked)
    try:
        if delivery.format == "parquet":
            return reading.parquet()
        path = delivery.path
        if delivery.compression is not None:
            unpack(delivery, raw)
            path = raw
        found = reading.fast(path, text)
        return found if isinstance(found, Landed) else reading.careful(path, clean, found)
    finally:
        raw.unlink(missing_ok=True)
        clean.unlink(missing_ok=True)


class _Reading:
    """One delivery being read, in one way or another."""

    def __init__(
        self,
        engine: DuckEngine,
        delivery: Delivery,
        head: Head,
        mapping: Mapping[str, str | None],
        contract: Contract,
        timezone: str,
        base: Path,
        asked: Asked,
    ) -> None:
        self.asked = asked
        self.light = asked.light
        self.engine = engine
        self.delivery = delivery
        self.head = head
        self.mapping = mapping
        self.contract = contract
        self.timezone = timezone
        self.target = base.with_suffix(".parquet")

    def parquet(self) -> Landed:
        """A Parquet file: typed, checked by its reader, without lines."""
        values = self._values(self.head.text_of)
        source = f"read_parquet($path, {NO_FOLDERS})"
        try:
            refuse_bomb(self.delivery, self.delivery.path.stat().st_size, self._unpacked())
            rows = self.write(source, self.delivery.path, "1", values)
        except duckdb.Error as error:
            raise _unreadable(error) from error
        return Landed(path=self.target, rows=rows, asked=self.asked, light=self.light)

    def _unpacked(self) -> int:
        """How many bytes the columns that are read become: at least one a value, nested or not.

        A dictionary, or the length of a run, lets a few bytes of Parquet stand for very many.
        """
        path = literal(exact(self.delivery.path))
        source = f"read_parquet({path}, {NO_FOLDERS})"
        read = self._read()
        found = self.engine.rows(
            f"select coalesce(sum(num_values), 0) from parquet_metadata({path}) "
            f"where split_part(path_in_schema, ', ', 1) in ({', '.join(map(literal, read))})"
        )
        lengths = [
            f"sum({'octet_length' if kind == 'BLOB' else 'strlen'}({identifier(name)}))"
            for name, kind, *_ in self.engine.rows(f"describe select * from {source}")
            if kind in {"VARCHAR", "BLOB"} and name in read
        ]
        if lengths:
            found += self.engine.rows(f"select {', '.join(lengths)} from {source}")
        return sum(int(size) for row in found for size in row if size is not None)

    def fast(self, path: Path, text: Text | None = None) -> Landed | str:
        """Rows that are proved, or why there is doubt."""
        if self.head.doubt is not None:
            return self.head.doubt
        text = text or scan(path, self.head)
        doubt = text.doubt(self.delivery.format)
        if doubt is not None:
            return doubt
        csv = self.delivery.format == "csv"
        source, values = self._csv() if csv else self._json()
        header = 1 if csv else 0
        try:
            rows = self.write(source, path, f"{1 + header}", values)
            if rows + header != text.lines:
                return f"{rows} rows were read from {text.lines - header} lines"
            # Reading everything again only where a line ends in a delimiter at all.
            if csv and text.open_ends and text.open_ends > self._empty_ends(source, path):
                return "a row has a cell too many"
        except duckdb.Error as error:
            return str(error).splitlines()[0][:_SHOWN]
        few = None
        if self.light and text.index is not None and self._stays(path):
            few = functools.partial(self._few, text.index)
        return Landed(path=self.target, rows=rows, asked=self.asked, light=self.light, reread=few)

    def _stays(self, path: Path) -> bool:
        """Whether single lines of it can be read again: an unpacked copy is gone soon."""
        return path == self.delivery.path and self.delivery.format != "parquet"

    def _few(
        self, index: LineIndex, lines: Sequence[int], columns: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        """Columns of a whole landing of a few lines; each of them is a row, as has been proved."""
        csv = self.delivery.format == "csv"
        picked = sorted(lines)
        found = pick_lines(self.delivery.path, index, [1, *picked] if csv else picked)
        whole = copy.copy(self)
        whole.light = False
        whole.target = self.target.with_suffix(".few.parquet")
        text = self.target.with_suffix(".few")
        try:
            text.write_bytes(b"".join(found))
            source, values = self._csv() if csv else self._json()
            place = "cast(row_number() over () as integer)"
            gap = f"[{', '.join(map(str, picked))}][{place}] - {place} + 1"
            rows = whole.write(source, text, gap, values)
            if rows != len(picked):
                msg = f"{rows} of {len(picked)} of its lines can still be read"
                raise Broken("file_changing", msg)
            return self.engine.rows(
                f"select {', '.join(columns)} from {rows_of([whole.target])} order by line_number"
            )
        finally:
            text.unlink(missing_ok=True)
            whole.target.unlink(missing_ok=True)

    def careful(self, path: Path, clean: Path, doubt: str) -> Landed:
        """Sound rows apart from damaged lines."""
        self.light = False
        bad = rewrite(path, self.delivery.format, self.head, clean)
        # DuckDB would take a carriage return in the first value for the end of all lines.
        kinds = ["BIGINT", *("VARCHAR" for _ in self.head.columns)]
        columns = ", ".join(f"'c{index}': '{kind}'" for index, kind in enumerate(kinds))
        source = (
            f"read_csv($path, header = false, columns = {{{columns}}}, "
            f"delim = ',', new_line = '\\n', {_QUOTING}, {NO_FOLDERS})"
        )
        try:
            rows = self.write(source, clean, "c0 - row_number() over () + 1", self._places(1))
        except duckdb.Error as error:
            raise _unreadable(error) from error
        return Landed(
            path=self.target, rows=rows, bad_lines=bad, careful=doubt, asked=self.asked,
            undecoded=bad.undecoded.lines, encoding=bad.undecoded.told(),
        )  # fmt: skip

    def write(self, source: str, path: Path, gap: str, values: Mapping[str, str]) -> int:
        sql = landing_sql(
            self.delivery, values, self.contract, self.timezone, source=source, gap=gap,
            asked=replace(self.asked, light=self.light), rereads=self._stays(path),
            hosts=usual_hosts(self.head.sample.get(self.mapping.get("page_url") or "", ())),
        )  # fmt: skip
        given: dict[str, object] = {
            "path": exact(path),
        }
        if not self.light:
            given["delivery"] = self.delivery.key
            given["base"] = delivery_base(self.delivery.key)
            # Of an enum no row's text is looked at when it is written.
            self.engine.execute(
                "create or replace temp type delivery_key as enum (select cast($key as varchar))",
                {"key": self.delivery.key},
            )
        if self.delivery.date is not None:
            given["date"] = str(self.delivery.date)
        return self.engine.write(sql, self.target, _OPTIONS, given)

    def _places(self, first: int) -> dict[str, str]:
        """Columns by their place: names from outside never enter the SQL of a text file."""
        columns = list(self.head.columns)
        return self._values(lambda name: f"c{columns.index(name) + first}")

    def _values(self, sql_of: Callable[[str], str]) -> dict[str, str]:
        """By role the SQL of its column, or of the first of several that is filled."""
        values = {}
        for role, name in self.mapping.items():
            if name is None:
                continue
            others = self.asked.beside.get(name, ())
            texts = [f"nullif(trim(cast({sql_of(one)} as varchar)), '')" for one in (name, *others)]
            values[role] = f"coalesce({', '.join(texts)})" if others else sql_of(name)
        return values

    def _read(self) -> list[str]:
        """The delivered columns that are read; a rule may land one a second time."""
        read = [name for name in self.mapping.values() if name is not None]
        return [
            *dict.fromkeys([*read, *(n for one in read for n in self.asked.beside.get(one, ()))])
        ]

    def _csv(self) -> tuple[str, dict[str, str]]:
        columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(len(self.head.columns)))
        source = (
            f"read_csv($path, header = true, columns = {{{columns}}}, "
            # With quoted nulls it would read over an empty quoted cell too many.
            f"delim = {literal(self.head.delimiter)}, {_QUOTING}, allow_quoted_nulls = false, "
            f"{NO_FOLDERS})"
        )
        return source, self._places(0)

    def _json(self) -> tuple[str, dict[str, str]]:
        # Without any column the rows are still counted.
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self._read() or ["none"])
        source = (
            f"read_json($path, format = 'newline_delimited', "
            f"maximum_object_size = {MAX_LINE_BYTES}, columns = {{{columns}}}, {NO_FOLDERS})"
        )
        return source, self._values(identifier)

    def _empty_ends(self, source: str, path: Path) -> int:
        """How many empty unquoted cells the rows end in, together, their first cell aside."""
        width = len(self.head.columns)
        arms = " ".join(
            f"when c{at} is not null then {width - 1 - at}" for at in range(width - 1, 0, -1)
        )
        trailing = f"case {arms} else {width - 1} end"
        return int(
            self.engine.rows(
                f"select cast(coalesce(sum({trailing}), 0) as bigint) from {source}",
                {"path": exact(path)},
            )[0][0]
        )


def _unreadable(error: duckdb.Error) -> Broken:
    return Broken("file_kind", f"it cannot be read: {str(error).splitlines()[0][:_SHOWN]}")
