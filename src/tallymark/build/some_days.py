"""A build of some days: the models run over their window, and their rows replace the older ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tallymark.build.book import Book
from tallymark.build.graph import Model
from tallymark.build.history import NEW_CURRENCY, ORDER_EVENTS, PRICES_TURNED, VOTES, keep
from tallymark.build.plan import Plan, Planner, dates
from tallymark.build.running import Runner
from tallymark.build.splice import DATED, ORDER, VALUES, Writer
from tallymark.build.steps import STEPS
from tallymark.build.sums import reconcile_days
from tallymark.build.window import Window, changed_persons
from tallymark.engine.base import identifier
from tallymark.engine.parts import Part, relation
from tallymark.engine.warehouse import Warehouse

__all__ = ["NeedsAllDays", "SomeDays"]


class NeedsAllDays(Exception):  # noqa: N818 -- no error: a build of all days follows
    """What was found in the days concerns all others; the text says what."""


class SomeDays:
    """Runs a plan.

    In schema ``whole`` are afterwards the tables of all days, as they will be published.

    Args:
        warehouse: The last publication.
        planner: What worked out the plan.
        plan: The plan.
        book: The book of this build.
        models: All models.
        parameters: The named parameters of models, as SQL.
    """

    def __init__(
        self,
        *,
        warehouse: Warehouse,
        planner: Planner,
        plan: Plan,
        book: Book,
        models: Mapping[str, Model],
        parameters: Mapping[str, str],
    ) -> None:
        self.warehouse = warehouse
        self.planner = planner
        self.plan = plan
        self.book = book
        self.models = models
        self.parameters = parameters
        self.engine = planner.engine
        self.own = sorted(
            name for name, one in models.items() if one.own and one.kind != "validation"
        )
        self.writer = Writer(
            engine=self.engine, warehouse=warehouse,
            where={name: one.where for name, one in models.items()},
        )  # fmt: skip

    def run(
        self, entries: Sequence[Mapping[str, Any]], views: Mapping[str, str]
    ) -> dict[str, list[Part]]:
        """Build the days.

        Args:
            entries: All deliveries.
            views: The views of a publication by name, in the order in which they need each other.

        Returns:
            The parts of every table.

        Raises:
            NeedsAllDays: It must be done otherwise.
        """
        window = Window(self.planner, self.plan, self.book)
        late = window.load(entries)
        votes, known_votes = self.planner.votes(self.plan.days)
        runner = Runner(
            self.models,
            replace(self.planner.context, votes=votes, known_votes=known_votes),
            self.parameters,
            steps=window.steps(),
            without=frozenset({"reconciliation", *self.own}),
        )
        runner.make()
        if late:
            runner.make_known()
        keep(self.engine, known=late)
        self._refuse()
        files = self._spliced()
        self.engine.execute("create schema whole")
        for name, parts in files.items():
            self.engine.execute(f"create view whole.{identifier(name)} as {relation(parts)}")
        reconcile_days(
            self.engine, self.models["reconciliation"], self.parameters, warehouse=self.warehouse,
            contract=self.planner.context.contract, old=self.planner.old, days=self.plan.days,
            entries=entries,
        )  # fmt: skip
        files["reconciliation"] = self.writer.whole("reconciliation", ORDER["reconciliation"])
        self.engine.execute("create view whole.reconciliation as select * from main.reconciliation")
        self._make_own(views, files)
        return files

    def _refuse(self) -> None:
        """Leave it, if what is in these days changes how all orders are read."""
        some = dates(self.plan.why)
        for column in ("votes", "known_votes"):
            before, after = self.engine.rows(
                f"select (select coalesce(sum({column}), 0) from old.{VOTES}), "
                f"(select coalesce(sum({column}), 0) from old.{VOTES} where date not in {some}) + "
                f"(select coalesce(sum({column}), 0) from {VOTES} where date in {some})"
            )[0]
            if (before >= 0) != (after >= 0):
                raise NeedsAllDays(PRICES_TURNED)
        strange = self.engine.rows(
            f"select distinct stated_currency from {ORDER_EVENTS} where date in {some} "
            f"and stated_currency is not null except select stated_currency from old.{ORDER_EVENTS}"
        )
        some_before = f"select 1 from old.{ORDER_EVENTS} where stated_currency is not null limit 1"
        if strange and self.engine.rows(some_before):
            raise NeedsAllDays(NEW_CURRENCY)

    def _spliced(self) -> dict[str, list[Part]]:
        old = self.warehouse.parts()
        changed = changed_persons(self.engine, dates(self.plan.why))
        files = {}
        for name in ORDER:
            if name in VALUES:
                files[name] = self.writer.added(name, old[name])
            elif name in DATED:
                parts = self.writer.spliced(name, old[name], self.plan.days)
                files[name] = self.writer.persons(name, parts, changed)
        return files

    def _make_own(self, views: Mapping[str, str], files: dict[str, list[Part]]) -> None:
        """The shop's own tables: they may look at all days, and so they do."""
        if not any(one.own for one in self.models.values()):
            return
        self.engine.execute("set search_path = 'whole,main'")
        try:
            for name, sql in views.items():
                self.engine.execute(f"create view {identifier(name)} as {sql}")
            others = frozenset(self.models.keys() | STEPS.keys()) - frozenset(self.own)
            runner = Runner(self.models, self.planner.context, self.parameters, without=others)
            runner.make("whole")
            for name in self.own:
                files[name] = self.writer.whole(name, "all")
        finally:
            self.engine.execute("set search_path = 'main'")
