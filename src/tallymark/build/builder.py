"""The build: run the models over all days or some, reconcile, validate, publish at once, export."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tallymark.build.book import Book, kept_book, open_book, settings_of, state_of
from tallymark.build.export import in_order, place_exports, prepare_exports
from tallymark.build.foresight import foresee_models, foresee_orders, turned
from tallymark.build.going_back import restore_exports
from tallymark.build.graph import bound, load_models, reads
from tallymark.build.history import keep
from tallymark.build.inputs import days_of, load_inputs, may_repeat
from tallymark.build.ledger import ledger_tables
from tallymark.build.model_tests import Demand, demands, own_texts, run_tests
from tallymark.build.parameters import model_parameters
from tallymark.build.plan import Plan, Planner, whole_reason
from tallymark.build.running import KNOWN, Runner
from tallymark.build.some_days import NeedsAllDays, SomeDays
from tallymark.build.splice import ORDER, Writer, published_orders, rows_in_order
from tallymark.build.steps import Context
from tallymark.config import Config, fingerprint
from tallymark.contract import Contract
from tallymark.engine.base import identifier
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.generations import held
from tallymark.engine.parts import Part
from tallymark.engine.warehouse import Publication, Warehouse
from tallymark.errors import ReconciliationError
from tallymark.ingest.landing_sql import landed_view
from tallymark.ingest.url_sql import landed_urls
from tallymark.results import NOTHING_CHANGED, BuildPlan, BuildResult, CheckResult

__all__ = ["Builder"]

PUBLISHED_VIEWS = ("events", "dim_clients", "session_pages")
# Large, read by models alone, and never by a view: gone once all models have run.
SPENT = ("int_session_events", "int_sessions", "int_landings")
# What own models may read and still be made of published tables alone.
_PUBLIC = frozenset({*ORDER, *PUBLISHED_VIEWS, "landed", "landed_urls"})


class Builder:
    """Builds the tables of the warehouse from the landed rows of all current deliveries.

    Days that nothing touched since the last publication keep their files.
    """

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
        self.own = own_models
        self.book = Book(held={}, settings={})
        self.run = ""  # the state a build is of, once it is known
        self.inputs = ""  # and of which deliveries
        self.context = Context(engine=engine, config=config, contract=contract)

    def state(self, entries: Sequence[Mapping[str, Any]]) -> str:
        """The fingerprint of everything the tables depend on."""
        inputs = [[one["delivery"], one["version"], one["fingerprint"]] for one in entries]
        self.inputs = fingerprint(json.dumps(inputs))
        return state_of(self.inputs, self._settings())

    def _settings(self) -> dict[str, str]:
        return settings_of(
            self.config, self.contract, self.models, own_texts(self.own), self.program
        )

    def plan(self, entries: Sequence[Mapping[str, Any]], *, full: bool = False) -> BuildPlan:
        """What a build would do, and why; nothing is changed.

        Raises:
            ModelError: A model would not run, as far as its text tells.
            ConfigError: Orders come in several currencies, and a rate is missing.
        """
        state = self.state(entries)
        if not full and self.warehouse.meta().get("state") == state:
            return BuildPlan(needed=False, reason=NOTHING_CHANGED, days=())
        if not full and (kept := held(self.warehouse, state)) is not None:
            return BuildPlan(needed=False, reason=_HELD.format(kept), days=())
        foresee_models(self.models, self._parameters(), self.own)
        plan, planner = self._planned(entries, full=full)
        if planner is not None and not plan.whole:
            plan.whole = turned(planner, plan)
        if plan.whole:
            foresee_orders(self.context, self.book.files(self.warehouse.root))
            return BuildPlan(needed=True, reason=f"all days: {plan.whole}")
        return BuildPlan(
            needed=True, reason=_said(plan), days=tuple(plan.days), clients=plan.clients,
            why={day: plan.why[day] for day in plan.days},
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
        if not full and (kept := held(self.warehouse, state)) is not None:
            return self._restored(self.warehouse.meta()["state"], _HELD.format(kept))
        self.run = state
        plan, planner = self._planned(entries, full=full)
        days: list[str] | None = None
        if planner is not None and not plan.whole:
            try:
                facts, exports, files = self._some(planner, plan, entries)
                days = plan.days
            except NeedsAllDays as error:
                plan.whole = str(error)
                self._clear()
        if days is None:
            facts, exports, files = self._all(entries)
        reason = _said(plan) if days is not None else f"all days: {plan.whole}"
        self.warehouse.publish(
            Publication(
                files=files,
                views=self._views,
                tables={**ledger_tables(checked), **self.book.tables()},
                meta={
                    "state": state, "program": self.program, "facts": json.dumps(facts),
                    "settings": json.dumps(self.book.settings), "inputs": self.inputs,
                },
            ),
            generations=self.config.generations,
        )  # fmt: skip
        placed = place_exports(self.warehouse, exports, self.config.export, state=state)
        result = _result(facts, placed, reason, rebuilt=True)
        return result if days is None else replace(result, days=tuple(days))

    def _restored(self, state: str, reason: str | None = None) -> BuildResult:
        """Nothing to build; exports that are gone or of another build are written again."""
        placed = restore_exports(self.warehouse, self.config, state=state)
        facts = json.loads(self.warehouse.meta()["facts"])
        return _result(facts, placed, reason or NOTHING_CHANGED, rebuilt=False)

    # ------------------------------------------------------------ all days or some

    def _planned(
        self, entries: Sequence[Mapping[str, Any]], *, full: bool
    ) -> tuple[Plan, Planner | None]:
        before = None if full else kept_book(self.warehouse)
        self.book = open_book(self.engine, self.warehouse.root, entries, self._settings(), before)
        if full:
            return Plan(whole="they were asked for"), None
        if before is None and self.warehouse.meta():
            return Plan(whole="the tables were made by an older version"), None
        whole = whole_reason(before, self.book, self.config, self._unbounded())
        if whole or before is None:
            return Plan(whole=whole), None
        planner = Planner(self.warehouse, self.context, before, self.book)
        return planner.plan(), planner

    def _unbounded(self) -> Iterable[str]:
        """Own models that may need other rows than those of some days."""
        own = {name: model for name, model in self.models.items() if model.own}
        public = _PUBLIC | own.keys()
        for name, model in own.items():
            replaced = model.kind != "validation" and (model.columns or model.kind != "marts")
            if replaced or not reads(model, self._parameters()) <= public:
                yield f"model {name}"

    def _some(
        self, planner: Planner, plan: Plan, entries: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, Any], dict[str, Path], dict[str, list[Part]]]:
        """Build the days of a plan; other days keep their files."""
        days = SomeDays(
            warehouse=self.warehouse, planner=planner, plan=plan, book=self.book,
            models=self.models, parameters=self._parameters(),
        )  # fmt: skip
        files = days.run(entries, self._views)
        self.engine.execute("set search_path = 'whole,main'")
        try:
            facts = self._reconciled()
        except ReconciliationError as error:
            raise NeedsAllDays("what was computed anew did not add up with the rest") from error
        self.engine.execute("set search_path = 'main'")
        self._validate(some=True)
        ready = in_order(self.engine, files, "whole", "main")
        exports = prepare_exports(
            self.engine, self.warehouse.scratch, self.config.export, presorted=ready
        )
        return facts, exports, files

    def _all(
        self, entries: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, Any], dict[str, Path], dict[str, list[Part]]]:
        """Build every table from all landed rows."""
        landed = self._view("landed", absolute=False)
        self.engine.execute(f"create or replace view landed as {landed}")
        load_inputs(self.engine, entries, repeats=may_repeat(entries), days=days_of(entries))
        unread = self._unread()
        if "landed_urls" not in unread:
            urls = landed_urls(pages=self.contract.pages)
            self.engine.execute(f"create or replace view landed_urls as {urls}")
        runner = Runner(self.models, self.context, self._parameters(), without=unread)
        runner.make()
        late = self.book.has_late()
        if late:
            runner.make_known()
        keep(self.engine, known=late, whole=True)
        facts = self._reconciled()
        self._validate()
        self._let_go()
        exports, files = self._written(rows_in_order(self.models))
        return facts, exports, files

    def _unread(self) -> frozenset[str]:
        """Shipped views that nothing in this build reads; a publication has them all the same."""
        asked = self._demands
        read = {one.table for one in asked} | {one.reads for one in asked}
        left: set[str] = set()
        # Each may be read by those before it.
        for name in ("session_pages", "dim_clients", "events", "landed_urls"):
            readers = {
                other for other, model in self.models.items()
                if name in reads(model, self._parameters())
            }  # fmt: skip
            if name not in read and readers <= left and not self._is_own(name):
                left.add(name)
        return frozenset(left)

    @functools.cached_property
    def _demands(self) -> list[Demand]:
        return demands(self.models, self.own)

    def _is_own(self, name: str) -> bool:
        return name in self.models and self.models[name].own

    def _clear(self) -> None:
        """Forget whatever a build of some days made."""
        self.engine.execute("set search_path = 'main'")
        for schema in ("before", "after", "whole", KNOWN, "plan", "old"):
            self.engine.execute(f"drop schema if exists {schema} cascade")
        for kind, name in self.engine.rows(
            "select case when table_type = 'VIEW' then 'view' else 'table' end, table_name "
            "from information_schema.tables where table_schema = 'main'"
        ):
            self.engine.execute(f"drop {kind} if exists {identifier(name)} cascade")

    # ------------------------------------------------------------ inputs

    def _parameters(self) -> dict[str, str]:
        return model_parameters(self.config, self.run)

    def _view(self, name: str, *, absolute: bool = True) -> str:
        """The SQL of a published view."""
        if name == "landed":
            root = self.warehouse.root.resolve() if absolute else self.warehouse.root
            return landed_view(self.book.files(root), self.book.days, self.contract.internal)
        return bound(self.models[name], self._parameters())

    @functools.cached_property
    def _views(self) -> dict[str, str]:
        """The SQL of every published view, in the order in which they need each other."""
        return {
            "landed": self._view("landed"),
            "landed_urls": landed_urls(pages=self.contract.pages),
            **{name: self._view(name) for name in PUBLISHED_VIEWS},
        }

    # ------------------------------------------------------------ judging

    def _published(self) -> dict[str, str]:
        """Every table that becomes a file, with its order: the shipped ones and the shop's own."""
        return published_orders(
            [
                name
                for name, model in sorted(self.models.items())
                if model.own and not model.columns and model.kind == "marts"
            ]
        )

    def _reconciled(self) -> dict[str, Any]:
        """What the run comes to, as plain JSON; refuses amounts that do not add up."""
        keys = ("step", "measure", "amount_in", "amount_out", "difference", "explained",
                "explanation")  # fmt: skip
        rows = self.engine.rows(
            f"select {', '.join(keys)} from reconciliation order by place, step"
        )
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
        orders, revenue, least, most = self.engine.rows(
            "select count(case when status = 'kept' then 1 end), coalesce(sum(revenue), 0), "
            "min(stated), max(stated) from (select *, case when delivered_currency is not null "
            "then currency end as stated from fct_orders where is_counted)"
        )[0]
        known, credited = self.engine.rows(
            "select sum(case when channel in ('Unknown', 'Unattributed') then 0 else revenue "
            "end), sum(revenue) from fct_attribution where model = 'last_click' and revenue > 0"
        )[0]
        tables = [one for one in self._published() if not one.startswith(("event_", "int_"))]
        counts = {one: self.engine.rows(f"select count(*) from {identifier(one)}")[0][0]
                  for one in tables}  # fmt: skip
        return {
            "tables": {"events": sum(self.book.rows.values()), **counts},
            "counted_orders": orders,
            "counted_revenue": str(revenue),
            "channel_share": float(known / credited) if credited else None,
            # Orders all in one other currency than the shop's are taken as they are, and with
            # them the amounts of those that name none.
            "currency": most if most and least == most else self.config.shop.currency,
            "reconciliation": [{key: str(value) for key, value in one.items()} for one in amounts],
        }

    def _validate(self, *, some: bool = False) -> None:
        """Ask the tests and validations: ours of what was made, the shop's own of all days."""
        asked = self._demands
        runner = Runner(self.models, self.context, self._parameters())
        if not some:
            run_tests(self.engine, asked)
            runner.validate(sorted(self.models))
            return
        own = [name for name, model in self.models.items() if model.own]
        run_tests(self.engine, [one for one in asked if not isinstance(one.path, Path)])
        runner.validate(sorted(self.models.keys() - set(own)))
        self.engine.execute("set search_path = 'whole,main'")
        run_tests(self.engine, [one for one in asked if isinstance(one.path, Path)])
        runner.validate(own)
        self.engine.execute("set search_path = 'main'")

    # ------------------------------------------------------------ results

    def _let_go(self) -> None:
        """Drop what nothing reads any more: writing needs the memory."""
        self.engine.execute(f"drop schema if exists {KNOWN} cascade")
        for name in SPENT:
            self.engine.execute(f"drop table if exists {identifier(name)}")

    def _written(self, presorted: frozenset[str]) -> tuple[dict[str, Path], dict[str, list[Part]]]:
        """The exports and the tables as files, side by side: neither keeps all threads busy."""
        writer = Writer(
            engine=self.engine, warehouse=self.warehouse,
            where={name: one.where for name, one in self.models.items()},
        )  # fmt: skip
        with ThreadPoolExecutor(1) as pool:
            aside = self.engine.cursor()
            exporting = pool.submit(
                prepare_exports, aside, self.warehouse.scratch, self.config.export,
                presorted=presorted,
            )  # fmt: skip
            files = {
                name: writer.whole(name, "" if name in presorted else order)
                for name, order in self._published().items()
            }
            exports = exporting.result()
        aside.close()
        return exports, files


_HELD = "held at generation {} by `tallymark rollback`; nothing changed since"


def _said(plan: Plan) -> str:
    """Which days a build is of, for people."""
    days = plan.days
    if not days:
        return "no day is touched by what changed"
    first = plan.why[days[0]]
    span = days[0] if len(days) == 1 else f"{len(days)} days, {days[0]} to {days[-1]}"
    return f"{span}: {first}"


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
