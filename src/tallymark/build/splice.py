"""Tables in parts: what some days are now takes the place of what they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tallymark.build.blame import blaming
from tallymark.build.graph import Model
from tallymark.build.history import CLIENT_DAYS, EMAILS, ORDER_EVENTS, VOTES
from tallymark.build.plan import dates
from tallymark.engine.base import identifier, parquet_files
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.parts import PART_DATE, Part, relation
from tallymark.engine.warehouse import Warehouse

__all__ = ["DATED", "ORDER", "VALUES", "Writer", "published_orders", "rows_in_order"]

# What is published as files, each in its total order; `events` and `landed` are views.
ORDER = {
    "fct_sessions": "session_start, session_id",
    "fct_orders": "ordered_at, order_id",
    "fct_order_items": "order_id, line",
    "fct_attribution": "order_id, model, touch_number",
    "dim_user_agents": "user_agent",
    "dim_hosts": "page_host",
    "event_repeats": "event_id",
    "metrics_daily": "date, metric, segment",
    "metrics_hourly": "date, hour, metric, segment",
    "reconciliation": "place, step, measure",
    CLIENT_DAYS: "date, client_key",
    ORDER_EVENTS: "date, event_id",
    EMAILS: "date, client_id, customer",
    VOTES: "date",
}
# The column that dates the rows of a table, or how a row finds its date.
DATED = {
    "fct_sessions": "session_date",
    "fct_orders": "order_date",
    "fct_order_items": "fct_orders.order_date via order_id",
    "fct_attribution": "fct_orders.order_date via order_id",
    "event_repeats": "landed.event_date via event_id",
    "metrics_daily": "date",
    "metrics_hourly": "date",
    CLIENT_DAYS: "date",
    ORDER_EVENTS: "date",
    EMAILS: "date",
    VOTES: "date",
}
# A row of these depends on its own value alone: new values are added, and none ever changes.
VALUES = {"dim_user_agents": "user_agent", "dim_hosts": "page_host"}
# A view whose rows come in the order of the model behind it, which is made in it: the order in
# which the deliveries hold the first event of each.
_SORTED = {"fct_sessions": ("int_session_facts", ("session_start", "landing_event_id"))}
# Tables whose rows name the person behind their client.
_PERSONS = ("fct_sessions", "fct_orders")
# So many parts of about one size become one: reading many small files costs more than a large one.
_MERGED = 12
_OPTIONS = "format parquet, parquet_version v2, compression snappy, write_bloom_filter false"


def published_orders(own: Sequence[str]) -> dict[str, str]:
    """Every table that becomes a file, with its order: the shipped ones and the shop's own."""
    return {**ORDER, **dict.fromkeys(own, "all")}


def rows_in_order(models: Mapping[str, Model]) -> frozenset[str]:
    """Tables that need no sorting when they are written, because their rows were made in order."""
    return frozenset(
        table
        for table, (maker, _) in _SORTED.items()
        if not models[table].own and not models[maker].own
    )


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Writes tables of an engine as parts of a warehouse.

    Attributes:
        engine: It holds the tables.
        warehouse: Where parts go.
        where: For messages: the file of the model of a table.
    """

    engine: DuckEngine
    warehouse: Warehouse
    where: Mapping[str, str]

    def whole(self, table: str, order: str) -> list[Part]:
        """A table as one part."""
        return [self._part(table, self._rows(table), order)]

    def _rows(self, table: str) -> str:
        """SQL of the rows of a table, with the date that readers do not see where it needs one."""
        how = DATED.get(table, "")
        name = identifier(table)
        if " via " not in how:
            return f"select * from {name}"
        dated, key = how.split(" via ")
        other = dated.split(".")[0]
        return (
            f"select {name}.*, {dated} as {PART_DATE} from {name} "
            f"inner join {other} on {name}.{key} = {other}.{key}"
        )

    def _column(self, table: str) -> str | None:
        how = DATED.get(table)
        return PART_DATE if how is not None and " via " in how else how

    def _part(self, table: str, sql: str, order: str) -> Part:
        aside = self.warehouse.scratch / f"{table}.parquet"
        by = f" order by {order}" if order else ""
        with blaming(self.where.get(table, table)):
            self.engine.write(f"select * from ({sql}){by}", aside, _OPTIONS)
        path = self.warehouse.keep(table, aside)
        column = self._column(table)
        days = self._dates(path, column) if column is not None else None
        return Part(path=path, date_column=column, dates=days)

    def _dates(self, path: Path, column: str) -> tuple[str, ...]:
        found = self.engine.rows(
            f"select distinct {column} from {parquet_files([path])} "
            f"where {column} is not null order by 1"
        )
        return tuple(str(row[0]) for row in found)

    # ------------------------------------------------------------ some days

    def spliced(self, table: str, old: Sequence[Part], days: Sequence[str]) -> list[Part]:
        """The parts of a table in which some days are what the engine's table says.

        Args:
            table: A table with dates; its rows stand in order, unless the shop replaced its model.
            old: Its parts so far.
            days: The days.
        """
        now = frozenset(days)
        kept = []
        for part in old:
            hidden = now & frozenset(part.dates or ())
            one = replace(part, hidden=tuple(sorted(hidden | set(part.hidden))))
            if part.role != "rows" or one.shown:
                kept.append(one if hidden else part)
        column = self._column(table)
        rows = f"select * from ({self._rows(table)}) where {column} in {dates(days)}"
        part = self._part(table, rows, "" if table in _SORTED else ORDER[table])
        # A table without any row still needs a file that says what its columns are.
        if part.dates or not any(one.role == "rows" for one in kept):
            kept.append(part)
        return self._merged(table, kept)

    def added(self, table: str, old: Sequence[Part]) -> list[Part]:
        """The parts of a table of values, with those that are new."""
        key = identifier(VALUES[table])
        name = identifier(table)
        fresh = (
            f"select * from {name} as fresh where not exists "
            f"(select 1 from old.{name} as known where known.{key} = fresh.{key})"
        )
        if not self.engine.rows(f"select 1 from ({fresh}) limit 1"):
            return list(old)
        return self._merged(table, [*old, self._part(table, fresh, ORDER[table])])

    def _merged(self, table: str, parts: list[Part]) -> list[Part]:
        """The same rows in fewer files, where many of about one size have come together."""
        sizes: dict[int, list[Part]] = {}
        for part in parts:
            if part.role == "rows":
                size = len(part.shown) if part.dates is not None else part.path.stat().st_size
                sizes.setdefault(_magnitude(size), []).append(part)
        for alike in sizes.values():
            if len(alike) >= _MERGED:
                if table in _SORTED:
                    sql, order = relation(alike, raw=True, order=_SORTED[table][1][0]), ""
                else:
                    sql, order = relation(alike, raw=True), ORDER[table]
                one = self._part(table, sql, order)
                return [*(part for part in parts if part not in alike), one]
        return parts

    def persons(
        self, table: str, parts: Sequence[Part], changed: Mapping[str, str | None]
    ) -> list[Part]:
        """The parts of a table whose rows name persons, with clients that have another one now."""
        if table not in _PERSONS or not changed:
            return list(parts)
        before = [part for part in parts if part.role == "persons"]
        rows = dict(changed)
        for part in before:
            known = self.engine.rows(
                f"select client_id, person_id from {parquet_files([part.path])}"
            )
            rows = {**dict(known), **rows}
        clients = sorted(rows)
        self.engine.values(
            "persons_now",
            {
                "client_id": ("varchar", clients),
                "person_id": ("varchar", [rows[client] for client in clients]),
            },
        )
        aside = self.warehouse.scratch / f"{table}-persons.parquet"
        self.engine.write("select * from persons_now order by client_id", aside, _OPTIONS)
        path = self.warehouse.keep(table, aside)
        return [
            *(part for part in parts if part.role != "persons"),
            Part(path=path, role="persons"),
        ]


def _magnitude(size: int) -> int:
    """Which power of the number that makes one part of many."""
    found = 0
    while size >= _MERGED:
        size //= _MERGED
        found += 1
    return found
