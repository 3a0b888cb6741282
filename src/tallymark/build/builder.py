"""The build: run the models in order, reconcile, validate, publish at once, export."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from tallymark.build.export import current_exports, place_exports, prepare_exports
from tallymark.build.graph import Model, bound, load_models, ordered, reads
from tallymark.build.ledger import ledger_tables
from tallymark.build.steps import SOURCES, STEPS, Context, calendar
from tallymark.config import Config, fingerprint
from tallymark.contract import Contract
from tallymark.engine.base import identifier, literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import EXPORTED, Publication, Warehouse
from tallymark.errors import ModelError, ReconciliationError
from tallymark.ingest.deliveries import date_in_name
from tallymark.ingest.landing_sql import landed_urls, landed_view
from tallymark.results import BuildResult, CheckResult

__all__ = ["Builder"]

HOURS = 24
MS_PER_MINUTE = 60_000
MS_PER_DAY = 86_400_000
# What is published as files, each in its total order; `events` and `landed` are views.
TABLES = {
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
}
# Selections out of another table; made again whenever they are read.
VIEWS = frozenset({"events", "fct_sessions", "fct_orders", "dim_clients"})
PUBLISHED_VIEWS = ("events", "dim_clients")
# A view whose rows come in the order of the model behind it, and that order: the one in which
# the deliveries hold the first event of each. Rows of a file mostly stand in it already.
SORTED = {"fct_sessions": ("int_session_facts", ("session_start", "landing_event_id"))}
# Large, read by models alone, and never by a view: gone once all models have run.
SPENT = ("int_session_events", "int_sessions", "int_landings")
_KNOWN = "known"


class Builder:
    """Builds every table of the warehouse from the landed rows of all current deliveries."""

    def __init__(
        self,
        *,
        warehouse: Warehouse,
        engine: DuckEngine,
        config: Config,
        contract: Contract,
        own_models: Path | None,
        program: str,
    ) -> None:
        self.warehouse = warehouse
        self.engine = engine
        self.config = config
        self.contract = contract
        self.program = program
        self.models = load_models(own_models)
        self.days: dict[str, str] = {}
        self.run = ""  # the state a build is of, once it is known
        self.context = Context(engine=engine, config=config, contract=contract)

    def state(self, entries: Sequence[Mapping[str, Any]]) -> str:
        """The fingerprint of everything the tables depend on."""
        inputs = [[one["delivery"], one["version"], one["fingerprint"]] for one in entries]
        shop = self.config
        return fingerprint(
            json.dumps(inputs), shop.shop, shop.sessions, shop.attribution, self.contract,
            *(f"{model.name}\n{model.sql}" for _, model in sorted(self.models.items())),
            self.program, duckdb.__version__,
        )  # fmt: skip

    def build(
        self, entries: Sequence[Mapping[str, Any]], checked: CheckResult, *, full: bool = False
    ) -> BuildResult:
        """Build, unless the published tables already are what a build would make.

        Raises:
            ModelError: A model does not run, or a validation found rows.
            ReconciliationError: The amounts do not add up; nothing was published.
        """
        state = self.state(entries)
        if not full and self.warehouse.meta().get("state") == state:
            return self._restored(state)
        self.run = state
        self._load(entries)
        self._run_models("main")
        if self._has_late_rows():
            self._run_known()
        self._keep_promises()
        facts = self._reconciled()
        self._validate()
        self._let_go()
        exports, files = self._written(self._in_order())
        landed = [self.warehouse.root / one["file"] for one in entries if one["file"]]
        views = {
            "landed": landed_view([path.resolve() for path in landed], self.days),
            "landed_urls": landed_urls(),
        }
        for name in PUBLISHED_VIEWS:
            views[name] = bound(self.models[name], self._parameters())
        self.warehouse.publish(
            Publication(
                files=files,
                views=views,
                tables=ledger_tables(checked),
                meta={"state": state, "program": self.program, "facts": json.dumps(facts)},
            ),
            generations=self.config.generations,
        )
        placed = place_exports(self.warehouse, exports, self.config.export, state=state)
        return _result(facts, placed, "the deliveries, rules or settings changed", rebuilt=True)

    def _restored(self, state: str) -> BuildResult:
        """Nothing to build; exports that are gone or of another build are written again."""
        kind = self.config.export
        placed = current_exports(self.warehouse, kind, state=state)
        if placed is None:
            limits = self.config.engine
            engine = self.warehouse.open(memory_limit=limits.memory_limit, threads=limits.threads)
            try:
                # The published files hold their rows in order.
                prepared = prepare_exports(
                    engine, self.warehouse.scratch, kind, presorted=frozenset(EXPORTED)
                )
            finally:
                engine.close()
            placed = place_exports(self.warehouse, prepared, kind, state=state)
        facts = json.loads(self.warehouse.meta()["facts"])
        return _result(facts, placed, "nothing changed since the last build", rebuilt=False)

    # ------------------------------------------------------------ inputs

    def _parameters(self) -> dict[str, str]:
        return {
            "gap_ms": str(self.config.sessions.gap_minutes * MS_PER_MINUTE),
            "lookback_ms": str(self.config.attribution.lookback_days * MS_PER_DAY),
            "currency": literal(self.config.shop.currency),
            "run": literal(self.run),
        }

    def _date_the_undated(
        self, entries: Sequence[Mapping[str, Any]], paths: Sequence[Path]
    ) -> None:
        """Date a delivery whose name states no day by the day that most of its rows have.

        A file of many days has no such day: its rows were known on their own days.
        """
        self.days = {}
        undated = [one for one in entries if one["file"] and date_in_name(one["delivery"]) is None]
        if not undated:
            return
        found = self.engine.rows(
            "select delivery, max(rows_of_day), sum(rows_of_day) from ("
            "select delivery, event_date, count(*) as rows_of_day "
            f"from ({landed_view(paths, {})}) where rejected = 0 and delivery_date is null "
            "group by delivery, event_date) group by delivery"
        )
        of_one_day = {delivery for delivery, most, rows in found if 2 * most > rows}
        self.days = {
            one["delivery"]: one["date"] for one in undated if one["delivery"] in of_one_day
        }

    def _load(self, entries: Sequence[Mapping[str, Any]]) -> None:
        paths = [self.warehouse.root / one["file"] for one in entries if one["file"]]
        self._date_the_undated(entries, paths)
        self.engine.execute(f"create or replace view landed as {landed_view(paths, self.days)}")
        self.engine.execute(f"create or replace view landed_urls as {landed_urls()}")
        days = [dt.date.fromisoformat(one["date"]) if one["date"] else None for one in entries]
        self.engine.values(
            "int_delivery_days",
            {
                "delivery": ("varchar", [one["delivery"] for one in entries]),
                "place": ("integer", _places([one["delivery"] for one in entries])),
                "may_repeat": ("boolean", _may_repeat(entries)),
                "date": ("date", days),
                "rows_read": ("bigint", [one["rows_read"] for one in entries]),
                "rows_accepted": ("bigint", [one["rows_accepted"] for one in entries]),
                "rows_quarantined": ("bigint", [one["rows_quarantined"] for one in entries]),
            },
        )
        filled: dict[tuple[str, str], list[int]] = {}
        for one in entries:
            for field, (have, want) in one["fields"].items():
                sums = filled.setdefault((one["date"], field), [0, 0])
                sums[0] += have
                sums[1] += want
        keys = sorted(filled)
        self.engine.values(
            "int_payload_days",
            {
                "date": ("date", [dt.date.fromisoformat(day) for day, _ in keys]),
                "field": ("varchar", [field for _, field in keys]),
                "filled": ("bigint", [filled[key][0] for key in keys]),
                "expected": ("bigint", [filled[key][1] for key in keys]),
            },
        )
        dated = [day for day in days if day is not None]
        self.engine.values(
            "int_calendar",
            {"date": ("date", calendar(min(dated), max(dated)) if dated else [])},
        )
        self.engine.values("int_day_hours", {"hour": ("integer", list(range(HOURS)))})

    # ------------------------------------------------------------ running

    def _run_models(self, schema: str) -> None:
        """Make every table, in the order that the models' own SQL asks for.

        What Python makes of landed rows alone is made meanwhile: it keeps one thread busy, and
        the first models, which cut the events into sessions, wait for none of it.
        """
        runnable = [model for model in self.models.values() if model.kind != "validation"]
        needs = {name: step.reads for name, step in STEPS.items()}
        parameters = self._parameters()
        order = ordered(runnable, needs, SOURCES, parameters)
        with ThreadPoolExecutor(1) as pool:
            begun = self._begun(pool) if schema == "main" else {}
            for name in order:
                if name in begun:
                    continue
                wanted = needs[name] if name in STEPS else reads(self.models[name], parameters)
                for one in sorted(begun.keys() & set(wanted)):
                    begun.pop(one).result()
                if name in STEPS:
                    if schema == "main" or not STEPS[name].by_value:
                        STEPS[name].make(self.context)
                    continue
                model = self.models[name]
                made = "view" if name in VIEWS and not model.own else "table"
                sql = bound(model, parameters)
                self._execute(f"create or replace {made} {identifier(name)} as {sql}", model)
            for task in begun.values():
                task.result()

    def _begun(self, pool: ThreadPoolExecutor) -> dict[str, Future[None]]:
        """The steps that need nothing but landed rows, one after the other in another thread."""
        aside = replace(self.context, engine=self.engine.cursor())
        return {
            name: pool.submit(step.make, aside)
            for name, step in STEPS.items()
            if tuple(step.reads) == ("landed",)
        }

    def _execute(self, sql: str, model: Model) -> None:
        with _blaming(model.where):
            self.engine.execute(sql)

    def _keep_promises(self) -> None:
        """Refuse a shop's own version of a shipped table that lacks what others read there."""
        for name, model in sorted(self.models.items()):
            if model.kind == "validation" or not model.columns:
                continue
            made = {column for column, _ in self.engine.columns(name)}
            if lost := [column for column in model.columns if column not in made]:
                raise ModelError(
                    f"{name} has no column {', '.join(lost)}", where=model.where,
                    fix="keep the columns of the shipped model; more are welcome",
                )  # fmt: skip

    def _published(self) -> dict[str, str]:
        """Every table that becomes a file, with its order: the shipped ones and the shop's own."""
        own = {
            name: "all"
            for name, model in sorted(self.models.items())
            if model.own and not model.columns and model.kind == "marts"
        }
        return {**TABLES, **own}

    def _blame(self, table: str) -> str:
        return self.models[table].where if table in self.models else table

    def _has_late_rows(self) -> bool:
        found = self.engine.rows(
            "select 1 from landed where rejected = 0 and delivery_date > event_date limit 1"
        )
        return bool(found)

    def _run_known(self) -> None:
        """Make the tables a second time from rows that came on their own day or before it.

        What was known at the end of a day must not depend on what arrived later, and a late row
        can join or split sessions. So the same models run over the rows that were on time, and
        the metrics take their ``known_*`` columns from there.
        """
        self.engine.execute(f"create schema if not exists {_KNOWN}")
        self.engine.execute(f"set search_path = '{_KNOWN},main'")
        try:
            self.engine.execute(
                "create or replace view landed as select * from main.landed "
                "where coalesce(delivery_date <= event_date, true)"
            )
            self._run_models(_KNOWN)
        finally:
            self.engine.execute("set search_path = 'main'")
        for table, keys in (("metrics_daily", "date, metric, segment"),
                            ("metrics_hourly", "date, hour, metric, segment")):  # fmt: skip
            final = ("value", "numerator", "denominator")
            picks = ", ".join(
                [f"final.{one} as {one}" for one in final]
                + [f"known.known_{one} as known_{one}" for one in final]
            )
            with _blaming(self._blame(table)):
                self.engine.execute(
                    f"create or replace table {table} as select {keys}, {picks} "
                    f"from main.{table} as final full outer join {_KNOWN}.{table} as known "
                    f"using ({keys})"
                )

    def _reconciled(self) -> dict[str, Any]:
        """What the run comes to, as plain JSON; refuses amounts that do not add up."""
        keys = ("step", "measure", "amount_in", "amount_out", "difference", "explained",
                "explanation")  # fmt: skip
        rows = self.engine.rows(f"select {', '.join(keys)} from reconciliation order by place")
        amounts = [dict(zip(keys, row, strict=True)) for row in rows]
        for one in amounts:
            if one["difference"] != one["explained"]:
                raise ReconciliationError(
                    f"{one['measure']} do not add up in step {one['step']!r}: "
                    f"{one['difference']} are missing, {one['explained']} are explained by "
                    f"{one['explanation']}; nothing was published",
                    where=str(self.warehouse.root),
                    fix="the last good state stays; report this with the deliveries concerned",
                )
        orders, revenue = self.engine.rows(
            "select count(*), coalesce(sum(revenue), 0) from fct_orders where is_counted"
        )[0]
        known, credited = self.engine.rows(
            "select sum(case when channel in ('Unknown', 'Unattributed') then 0 else revenue "
            "end), sum(revenue) from fct_attribution where model = 'last_click'"
        )[0]
        events = self.engine.rows("select count(*) from landed where rejected = 0")[0][0]
        tables = [one for one in self._published() if not one.startswith("event_")]
        counts = {one: self.engine.rows(f"select count(*) from {identifier(one)}")[0][0]
                  for one in tables}  # fmt: skip
        return {
            "tables": {"events": events, **counts},
            "counted_orders": orders,
            "counted_revenue": str(revenue),
            "channel_share": float(known / credited) if credited else None,
            "currency": self.config.shop.currency,
            "reconciliation": [{key: str(value) for key, value in one.items()} for one in amounts],
        }

    def _validate(self) -> None:
        parameters = self._parameters()
        for name, model in sorted(self.models.items()):
            if model.kind != "validation":
                continue
            reads(model, parameters)
            with _blaming(model.where):
                rows = self.engine.rows(f"select * from ({bound(model, parameters)}\n) limit 3")
            if rows:
                raise ModelError(
                    f"validation {name!r} found rows, such as {rows[0]}; nothing was published",
                    where=model.where,
                    fix="the last good state stays; see what the query finds",
                )

    # ------------------------------------------------------------ results

    def _in_order(self) -> frozenset[str]:
        """Tables that need no sorting when they are written, because their rows stand in order.

        Looking costs a tenth of sorting, and what is out of order is sorted once for all writers.
        """
        found = set()
        for table, (maker, (first, second)) in SORTED.items():
            if self.models[table].own or self.models[maker].own:
                continue
            name = identifier(maker)
            disorder = self.engine.rows(
                f"select 1 from (select {first} as a, {second} as b, lag({first}) over () as c, "
                f"lag({second}) over () as d from {name}) where c > a or (c = a and d > b) limit 1"
            )
            if disorder:
                self.engine.execute(
                    f"create or replace table {name} as select * from {name} "
                    f"order by {first}, {second}"
                )
            found.add(table)
        return frozenset(found)

    def _let_go(self) -> None:
        """Drop what nothing reads any more: writing needs the memory."""
        self.engine.execute(f"drop schema if exists {_KNOWN} cascade")
        for name in SPENT:
            self.engine.execute(f"drop table if exists {identifier(name)}")

    def _written(self, presorted: frozenset[str]) -> tuple[dict[str, Path], dict[str, list[Path]]]:
        """The exports and the tables as files, side by side: neither keeps all threads busy."""
        with ThreadPoolExecutor(1) as pool:
            aside = self.engine.cursor()
            exporting = pool.submit(
                prepare_exports, aside, self.warehouse.scratch, self.config.export,
                presorted=presorted,
            )  # fmt: skip
            files = {
                name: [self._write(name, "" if name in presorted else order)]
                for name, order in self._published().items()
            }
            exports = exporting.result()
        aside.close()
        return exports, files

    def _write(self, table: str, order: str) -> Path:
        aside = self.warehouse.scratch / f"{table}.parquet"
        by = f" order by {order}" if order else ""
        with _blaming(self._blame(table)):
            self.engine.write(
                f"select * from {identifier(table)}{by}", aside,
                "format parquet, parquet_version v2, compression snappy, write_bloom_filter false",
            )  # fmt: skip
        return self.warehouse.keep(table, aside)


@contextmanager
def _blaming(where: str) -> Iterator[None]:
    """Say which model DuckDB stumbled over."""
    try:
        yield
    except duckdb.Error as error:
        raise ModelError(
            str(error).splitlines()[0], where=where, fix="mend the SQL of this model"
        ) from error


def _result(
    facts: Mapping[str, Any], exports: Sequence[Path], reason: str, *, rebuilt: bool
) -> BuildResult:
    money = ("amount_in", "amount_out", "difference", "explained")
    return BuildResult(
        rebuilt=rebuilt,
        reason=reason,
        tables=facts["tables"],
        counted_orders=facts["counted_orders"],
        counted_revenue=Decimal(facts["counted_revenue"]),
        reconciliation=[
            {key: Decimal(value) if key in money else value for key, value in one.items()}
            for one in facts["reconciliation"]
        ],
        exports=exports,
        channel_share=facts["channel_share"],
        currency=facts["currency"],
    )


def _places(keys: Sequence[str]) -> list[int]:
    """The rank of each delivery key: what ties between deliveries are broken by."""
    ranks = {key: place for place, key in enumerate(sorted(keys))}
    return [ranks[key] for key in keys]


def _may_repeat(entries: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Whether a delivery can hold an exact repeat at all.

    It can if the gate saw one in it, or if its time overlaps that of another delivery: events
    of one millisecond can only repeat each other.
    """
    ends = sorted(
        (one["first_event_at"], one["last_event_at"], index)
        for index, one in enumerate(entries)
        if one["first_event_at"]
    )
    found = [bool(one["rows_repeated"]) for one in entries]
    latest: tuple[str, int] | None = None
    for first, last, index in ends:
        if latest is not None and first <= latest[0]:
            found[index] = found[latest[1]] = True
        if latest is None or last > latest[0]:
            latest = (last, index)
    return found
