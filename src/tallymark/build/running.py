"""Running the models: every table in the order that the models' own SQL asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from tallymark.build.batches import batches
from tallymark.build.blame import blaming
from tallymark.build.coded import coded
from tallymark.build.graph import Model, bound, ordered, reads
from tallymark.build.steps import SOURCES, STEPS, Context, Step
from tallymark.engine.base import identifier
from tallymark.errors import ModelError

__all__ = ["KNOWN", "SORTED", "VIEWS", "Runner"]

KNOWN = "known"
# Selections out of another table; made again whenever they are read.
VIEWS = frozenset({"events", "fct_sessions", "fct_orders", "dim_clients", "session_pages"})
# Sorted as they are made: what is written of them comes in its order.
SORTED = {"int_session_facts": "session_start, landing_event_id"}
_BATCH = "batch"
_KEYS = {"metrics_daily": "date, metric, segment", "metrics_hourly": "date, hour, metric, segment"}
_FINAL = ("value", "numerator", "denominator")


def _waiting_last(
    order: Sequence[str], asked: Mapping[str, AbstractSet[str]], begun: AbstractSet[str]
) -> list[str]:
    """The same order, but first what needs nothing that another thread has begun to make."""
    waits = set(begun)
    for name in order:
        if waits & asked[name]:
            waits.add(name)
    rest = [name for name in order if name not in begun]
    return sorted(rest, key=lambda name: name in waits)


class Runner:
    """Makes the tables of a build in an engine that holds the landed rows.

    Args:
        models: All models.
        context: What the steps in Python may know.
        parameters: The named parameters of the models, as SQL.
        steps: The tables that Python makes.
        without: Models that are not to run.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        context: Context,
        parameters: Mapping[str, str],
        *,
        steps: Mapping[str, Step] = STEPS,
        without: frozenset[str] = frozenset(),
    ) -> None:
        self.models = models
        self.context = context
        self.engine = context.engine
        self.parameters = parameters
        self.steps = steps
        self.without = without

    def make(self, schema: str = "main") -> None:
        """Make every table.

        What Python makes of landed rows alone is made meanwhile: it keeps one thread busy, and
        the first models, which cut the events into sessions, wait for none of it.
        """
        needs: dict[str, Sequence[str]] = {name: step.reads for name, step in self.steps.items()}
        runnable = [model for model in self.models.values() if model.kind != "validation"]
        order = ordered(runnable, needs, SOURCES, self.parameters)
        asked = {
            name: set(needs[name] if name in needs else reads(self.models[name], self.parameters))
            for name in order
        }
        self.engine.execute("set global preserve_insertion_order = false")
        try:
            with ThreadPoolExecutor(1) as pool:
                begun = self._begun(pool) if schema == "main" else {}
                for name in _waiting_last(order, asked, begun.keys()):
                    if name in self.without:
                        continue
                    for one in sorted(begun.keys() & asked[name]):
                        begun.pop(one).result()
                    if name not in needs:
                        self.make_one(self.models[name])
                    elif schema == "main" or not self.steps[name].by_value:
                        self.steps[name].make(self.context)
                for task in begun.values():
                    task.result()
        finally:
            self.engine.execute("set global preserve_insertion_order = true")

    def make_one(self, model: Model) -> None:
        """Make the table of one model, in the schema that comes first."""
        made = "view" if model.name in VIEWS and not model.own else "table"
        sql = bound(model, self.parameters)
        with blaming(model.where):
            if model.name in SORTED and not model.own:
                self._make_sorted(model.name, sql)
            else:
                self.engine.execute(f"create or replace {made} {identifier(model.name)} as {sql}")
        if model.columns:
            self._keep_promise(model)

    def _make_sorted(self, name: str, sql: str) -> None:
        """Make the sessions in their order, those of some days at once.

        A batch finds no other landings than its own under their name.
        """
        # The shop's own models meet texts alone, whether all days are built or some.
        kept = sql if self._has_own else coded(self.engine, sql)
        query = f"select * from ({kept}\n) order by {SORTED[name]}"
        table = identifier(name)
        spans = batches(self.engine)
        if len(spans) == 1:
            self.engine.execute(f"create or replace table {table} as {query}")
            return
        path = str(self.engine.rows("select current_setting('search_path')")[0][0]) or "main"
        schema = path.partition(",")[0]
        self.engine.execute(f"create schema {_BATCH}")
        try:
            for number, span in enumerate(spans):
                self.engine.execute(
                    f"create or replace view {_BATCH}.int_landings as select * "
                    f"from {schema}.int_landings where {span.holds('session_start_ms')}"
                )
                made = f"insert into {schema}.{table}"
                if not number:
                    made = f"create or replace table {schema}.{table} as"
                self.engine.execute(f"set search_path = '{_BATCH},{path}'")
                self.engine.execute(f"{made} {query}")
                self.engine.execute(f"set search_path = '{path}'")
        finally:
            self.engine.execute(f"set search_path = '{path}'")
            self.engine.execute(f"drop schema {_BATCH} cascade")

    def _keep_promise(self, model: Model) -> None:
        """Refuse a shop's own version of a shipped table that lacks what others read there."""
        made = {column for column, _ in self.engine.columns(model.name)}
        if lost := [column for column in model.columns if column not in made]:
            raise ModelError(
                f"{model.name} has no column {', '.join(lost)}", where=model.where,
                fix="keep the columns of the shipped model; more are welcome",
            )  # fmt: skip

    @property
    def _has_own(self) -> bool:
        return any(one.own and one.kind != "validation" for one in self.models.values())

    def _begun(self, pool: ThreadPoolExecutor) -> dict[str, Future[None]]:
        """The steps that need nothing but landed rows, one after the other in another thread."""
        aside = replace(self.context, engine=self.engine.cursor())
        return {
            name: pool.submit(step.make, aside)
            for name, step in self.steps.items()
            if tuple(step.reads) == ("landed",)
        }

    def make_known(self) -> None:
        """Make the tables a second time from rows that came on their own day or before it.

        What was known at the end of a day must not depend on what arrived later, and a late row
        can join or split sessions. So the same models run over the rows that were on time, and
        the metrics take their ``known_*`` columns from there.
        """
        self.engine.execute(f"create schema if not exists {KNOWN}")
        self.engine.execute(f"set search_path = '{KNOWN},main'")
        try:
            self.engine.execute(
                "create or replace view landed as select * from main.landed "
                "where coalesce(delivery_date <= event_date, true)"
            )
            context = self.context
            self.context = replace(context, votes=context.known_votes)
            self.make(KNOWN)
            self.context = context
        finally:
            self.engine.execute("set search_path = 'main'")
        for table, keys in _KEYS.items():
            picks = ", ".join(
                [f"final.{one} as {one}" for one in _FINAL]
                + [f"known.known_{one} as known_{one}" for one in _FINAL]
            )
            with blaming(self.models[table].where):
                self.engine.execute(
                    f"create or replace table {table} as select {keys}, {picks} "
                    f"from main.{table} as final full outer join {KNOWN}.{table} as known "
                    f"using ({keys})"
                )

    def validate(self, names: Iterable[str]) -> None:
        """Run the validations among some models; none may find a row.

        Raises:
            ModelError: One found rows.
        """
        for name in sorted(names):
            if self.models[name].kind == "validation":
                self._validate_one(self.models[name])

    def _validate_one(self, model: Model) -> None:
        reads(model, self.parameters)
        with blaming(model.where):
            rows = self.engine.rows(f"select * from ({bound(model, self.parameters)}\n) limit 3")
        if rows:
            raise ModelError(
                f"validation {model.name!r} found rows, such as {rows[0]}; nothing was published",
                where=model.where,
                fix="the last good state stays; see what the query finds",
            )
