"""A project: configuration, folders and the order of the stages. It only sequences."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallymark.config import CheckRules, Config, MonitorRules, load, replaced
from tallymark.contract import load_contract
from tallymark.errors import UsageError
from tallymark.paths import Paths
from tallymark.results import (
    BuildPlan,
    BuildResult,
    CheckResult,
    MonitorResult,
    ReportResult,
    RunResult,
    Status,
)
from tallymark.version import __version__

if TYPE_CHECKING:
    from threading import Event

    from tallymark.build.builder import Builder
    from tallymark.build.compiling import Compiled
    from tallymark.build.lineage import Explanation
    from tallymark.build.selecting import Selection
    from tallymark.check.follow import Listener
    from tallymark.check.quarantined.quarantine import Quarantine
    from tallymark.check.quarantined.release import Desk
    from tallymark.engine.duckdb import DuckEngine
    from tallymark.engine.generations import Generation
    from tallymark.engine.render import Dialect
    from tallymark.engine.table import Table
    from tallymark.engine.warehouse import Warehouse
    from tallymark.ingest.deliveries import Delivery
    from tallymark.monitor.stage import MonitorStage
    from tallymark.notify.courier import Told

__all__ = ["Paths", "Project"]

CONFIG = "tallymark.yml"
Progress = Callable[[str], None]
Entry = Mapping[str, Any]


class Project:
    """Opens configuration and engine, and calls the stages in order.

    Attributes:
        checked: What the gate said last, if it was asked.
        told: What became of the alerts of the last run, if there was one.
        written: Folders of the project that hold no deliveries, as it writes there.
        withheld: Whether the last run left its tables out of the readers' sight.

    Example:
        >>> project = Project.open("shop")          # doctest: +SKIP
        >>> project.run().check.status              # doctest: +SKIP
    """

    def __init__(self, config: Config, paths: Paths, *, progress: Progress | None = None) -> None:
        self.paths = paths
        self.progress: Progress = progress or (lambda _text: None)
        self.notice: Progress = lambda _text: None  # hears what was left out of the input
        self._noticed: set[str] = set()
        self.written: tuple[Path, ...] = paths.written
        self.checked: CheckResult | None = None
        self.now: dt.datetime | None = None  # set it where deliveries may be late
        self.told: Told | None = None
        self.withheld = False
        self.contract = load_contract(paths.contract)
        # Hosts may be named in tallymark.yml, in the contract, or in both.
        shop = self.contract.merged_into(config.shop)
        self.config = config.model_copy(update={"shop": shop})

    @classmethod
    def open(
        cls,
        home: str | Path | None = None,
        *,
        config: str | Path | None = None,
        source: str | None = None,
        output: str | Path | None = None,
        warehouse: str | Path | None = None,
        reports: str | Path | None = None,
        rules: str | Path | None = None,
        progress: Progress | None = None,
        **overrides: Any,
    ) -> Project:
        """Open a project folder, or none at all: whatever is not given has a default.

        Args:
            home: The project folder; the current folder if it holds a ``tallymark.yml``.
            config: Another configuration file.
            source: Folder, file or pattern of deliveries; ``input`` of the configuration else.
            output: Folder for warehouse, reports and quarantine; the project folder else.
            warehouse: The warehouse folder, if elsewhere.
            reports: The report folder, if elsewhere.
            rules: The rules of the stage that is about to run.
            progress: Called with a line of talk now and then.
            **overrides: Configuration keys to replace, such as ``export="parquet"``.

        Raises:
            ConfigError: A configuration file is broken or says something unknown.
            UsageError: A file or folder that was asked for by name is not there.
        """
        folder = Path(home) if home is not None else Path.cwd()
        file = Path(config) if config is not None else folder / CONFIG
        if config is not None and not file.is_file():
            raise UsageError("no such configuration file", where=str(file))
        if home is not None and not folder.is_dir():
            raise UsageError("no such project folder", where=str(folder))
        changed = {name: value for name, value in overrides.items() if value is not None}
        settings = load(Config, file)
        settings = replaced(settings, changed) if changed else settings
        paths = Paths.of(
            settings, file, output=folder if output is None else Path(output), source=source,
            warehouse=warehouse, reports=reports, rules=rules,
        )  # fmt: skip
        return cls(settings, paths, progress=progress)

    # ------------------------------------------------------------ stages

    def check(self, *, keep: bool = False) -> CheckResult:
        """Judge the deliveries and write ``dq_report``; with ``keep``, land them as well."""
        if keep:
            with self._warehouse().hold("check"):
                return self._check(self._warehouse())[0]
        return self._check(None)[0]

    def build(self, *, full: bool = False) -> BuildResult:
        """Pass new deliveries through the gate, then build the tables and their exports."""
        from tallymark.engine.front import drop_front  # noqa: PLC0415 -- loads DuckDB

        warehouse = self._warehouse()
        with warehouse.hold("build"):
            checked, entries = self._check(warehouse)
            result = self._build(warehouse, entries, checked, full=full)
            drop_front(warehouse.root)
            return result

    def plan(self, *, full: bool = False) -> BuildPlan:
        """What a build would do, and why; nothing is changed."""
        from tallymark.engine.rehearsal import rehearsed  # noqa: PLC0415 -- loads DuckDB

        with rehearsed(self._warehouse(), self.paths.quarantine) as (warehouse, aside):
            paths = dataclasses.replace(
                self.paths, warehouse=warehouse.root, quarantine=aside, reports=aside / "reports"
            )
            stand_in = Project(self.config, paths)
            stand_in.written = (*self.written, *paths.written)
            with stand_in._builder(warehouse) as builder:
                return builder.plan(stand_in._check(warehouse)[1], full=full)

    def monitor(
        self,
        *,
        date: dt.date | None = None,
        expected_run_date: dt.date | None = None,
        write: bool = True,
    ) -> MonitorResult:
        """Judge one day (default: the latest) by what was known then; write its report.

        With ``write`` false nothing is written: a look back must not replace today's report.
        """
        from tallymark.engine.reading import reading  # noqa: PLC0415 -- loads DuckDB

        stage = self._monitor_stage()
        with reading(stage.warehouse):
            result, self.told = stage.judge(date, expected=expected_run_date, write=write)
            return result

    @contextlib.contextmanager
    def watch(self) -> Iterator[MonitorStage]:
        """The watch over the warehouse: incidents and alerts, looking back, trying it out."""
        from tallymark.engine.reading import reading  # noqa: PLC0415 -- loads DuckDB

        stage = self._monitor_stage()
        with reading(stage.warehouse):
            yield stage

    def report(self, *, date: dt.date | None = None) -> ReportResult:
        """Write the executive summary of the days up to ``date`` (default: all)."""
        from tallymark.engine.reading import reading  # noqa: PLC0415 -- loads DuckDB
        from tallymark.report.summary import write_report  # noqa: PLC0415

        warehouse = self._warehouse()
        with reading(warehouse):
            return write_report(warehouse, self.paths.reports, config=self.config, date=date)

    def run(self, *, skip: frozenset[str] = frozenset(), full: bool = False) -> RunResult:
        """All four stages: every new delivery and day in order, past findings."""
        from tallymark.engine.front import Front  # noqa: PLC0415 -- loads DuckDB
        from tallymark.monitor.so_far import judged_so_far, latest_judgement  # noqa: PLC0415

        if "monitor" not in skip:
            self._monitor_rules()  # a mistake in them is told before anything is published
        keep = self.config.publish == "withhold" and "monitor" not in skip
        with Front(self._warehouse(), keep=keep).run() as front:
            warehouse = front.warehouse
            before = latest_judgement(warehouse)
            checked, entries = self._check(warehouse)
            built = self._build(warehouse, entries, checked, full=full)
            judged: Sequence[MonitorResult] = ()
            if "monitor" not in skip:
                judged, self.told = self._monitor_stage(warehouse).judge_all()
                front.bad = bool(judged) and judged[-1].status is Status.RED
            fresh = bool(checked.judged_now) or built.rebuilt
            unchanged = not fresh and latest_judgement(warehouse) == before
            past = judged_so_far(warehouse)
        self.withheld = front.withholds
        if self.config.exports.prometheus is not None:
            from tallymark.monitor.prometheus.exporter import leave_textfile  # noqa: PLC0415

            leave_textfile(self.paths.warehouse, self.config, self.paths.home)
        nothing = self.withheld and not self._warehouse().catalog.is_file()
        brief = None if "report" in skip or nothing else self.report()
        return RunResult(
            check=checked, build=built, monitor=judged, report=brief,
            paths={"warehouse": self.paths.warehouse, "reports": self.paths.reports,
                   "quarantine": self.paths.quarantine},
            days=past.days, over=past.over, unchanged=unchanged,
        )  # fmt: skip

    def follow(
        self, listener: Listener, *, stop: Event, keep: bool, interval: float, settle: int
    ) -> Status:
        """Judge each delivery of the input folder as it becomes complete, until told to stop."""
        from tallymark.check.follow import Folder, follow  # noqa: PLC0415 -- loads DuckDB

        before: list[dict[str, Any]] = []
        warehouse = self._warehouse()

        def judge(deliveries: Sequence[Delivery]) -> CheckResult:
            if keep:
                with warehouse.hold("check --follow"):
                    return self._check(warehouse, only=deliveries)[0]
            result, before[:] = self._check(None, only=deliveries, before=tuple(before))
            return result

        folder = Folder(
            Path(self._source()), settle=settle, own=self.written, say=self._notice_once
        )
        return follow(folder, judge, listener, stop=stop, interval=interval)

    @contextlib.contextmanager
    def desk(self) -> Iterator[Desk]:
        """Where somebody decides about the quarantine; holds the warehouse.

        What a run has withheld from readers stays so, until the next run judges it.
        """
        from tallymark.check.quarantined.release import Desk  # noqa: PLC0415 -- loads DuckDB
        from tallymark.engine.front import going_on  # noqa: PLC0415 -- so does this

        with going_on(self._warehouse(), "quarantine") as keep:

            def judge(more: Sequence[Delivery]) -> list[dict[str, Any]]:
                checked, entries = self._check(keep, more=more)
                if keep is not None and keep.catalog.is_file():
                    self._build(keep, entries, checked, full=False)
                return entries

            folder, self.withheld = self.paths.home / "decisions", bool(keep and keep.withheld)
            yield Desk(self.quarantine(), decisions=folder, warehouse=keep, judge=judge)

    def build_selected(self, selectors: Sequence[str], *, dry_run: bool = False) -> Selection:
        """Make some of the shop's own models again from what is published, and publish them.

        Args:
            selectors: ``model``, ``model+`` with all that rests on it, or ``+model`` with all it
                rests on.
            dry_run: Say what would be made, and change nothing.

        Raises:
            UsageError: A selector names no model, or nothing that can be made alone.
            ModelError: A model or one of its tests fails; nothing was published.
            WarehouseError: Nothing was built yet.
        """
        from tallymark.build.parameters import model_parameters  # noqa: PLC0415 -- loads DuckDB
        from tallymark.build.selecting import build_selection  # noqa: PLC0415

        warehouse = self._warehouse()
        with warehouse.hold("build --select"):
            return build_selection(
                warehouse, self.config, self.paths.models, model_parameters(self.config),
                selectors, dry_run=dry_run,
            )  # fmt: skip

    def compile(self, engine: Dialect, output: str | Path) -> Compiled:
        """Write the whole transformation as SQL files for another engine.

        Raises:
            UsageError: The folder holds something else, or there is no such engine.
            ModelError: A model cannot be said in the engine's SQL.
        """
        from tallymark.build.compiling import write_compiled  # noqa: PLC0415 -- loads DuckDB

        return write_compiled(
            engine, self.config, self.contract, own=self.paths.models, output=Path(output),
            warehouse=self.paths.warehouse,
        )  # fmt: skip

    def explain_model(self, name: str, *, engine: Dialect = "duckdb") -> Explanation:
        """What a table is made of: its SQL, and where its rows and columns come from.

        Raises:
            UsageError: There is no such model.
            ModelError: Its SQL cannot be read.
        """
        from tallymark.build.compiling import compiled_models  # noqa: PLC0415 -- loads DuckDB
        from tallymark.build.lineage import explain  # noqa: PLC0415
        from tallymark.build.parameters import model_parameters  # noqa: PLC0415

        other = compiled_models(self.config, self.contract) if engine != "duckdb" else None
        return explain(
            name, own=self.paths.models, parameters=model_parameters(self.config), engine=engine,
            compiled=other,
        )  # fmt: skip

    def rollback(self, *, to: int | None = None) -> Generation:
        """Show readers an earlier publication: the one before, or the one of a number.

        It stays until something a build depends on changes, or a full refresh.

        Raises:
            UsageError: There is no such generation.
        """
        from tallymark.build.going_back import go_back  # noqa: PLC0415 -- loads DuckDB

        warehouse = self._warehouse()
        with warehouse.hold("rollback"):
            return go_back(warehouse, self.config, to)

    def table(self, name: str) -> Table:
        """A published table, as rows, Arrow, Polars or pandas.

        Raises:
            UsageError: There is no such table.
            WarehouseError: Nothing was built yet.
        """
        from tallymark.engine.table import Table  # noqa: PLC0415 -- loads DuckDB

        limits = self.config.engine
        return Table(
            self._warehouse(), name, memory_limit=limits.memory_limit, threads=limits.threads
        )

    @property
    def tables(self) -> list[str]:
        """The names of the published tables."""
        from tallymark.engine.table import tables  # noqa: PLC0415 -- loads DuckDB

        return tables(self._warehouse())

    def generations(self) -> list[Generation]:
        """The publications that can be gone back to, newest first."""
        from tallymark.engine.generations import generations  # noqa: PLC0415 -- loads DuckDB

        return generations(self._warehouse())

    def quarantine(self) -> Quarantine:
        """What was kept out."""
        from tallymark.check.quarantined.quarantine import Quarantine  # noqa: PLC0415 -- loads DuckDB

        return Quarantine(self.paths.quarantine, keep_up_to=self.config.quarantine.keep_bytes)

    # ------------------------------------------------------------ inside

    def newest_day(self) -> str:
        """The latest day of the deliveries there are, ISO 8601; nothing if none tells its day."""
        days = [str(one.date) for one in self._delivered() if one.date is not None]
        return max(days, default="")

    def _delivered(self) -> list[Delivery]:
        """What lies in the input, but for what a run wrote there."""
        from tallymark.ingest.deliveries import find_deliveries  # noqa: PLC0415 -- loads DuckDB

        return find_deliveries(self._source(), own=self.written, say=self._notice_once)

    def _notice_once(self, text: str) -> None:
        if text not in self._noticed:
            self._noticed.add(text)
            self.notice(text)

    def _source(self) -> str:
        if self.paths.source is None:
            raise UsageError(
                "no input was given", fix="give --input FOLDER, or `input:` in tallymark.yml"
            )
        return self.paths.source

    def _warehouse(self) -> Warehouse:
        from tallymark.engine.warehouse import Warehouse  # noqa: PLC0415 -- loads DuckDB

        return Warehouse(self.paths.warehouse)

    def _monitor_rules(self) -> MonitorRules:
        return load(MonitorRules, self.paths.monitor_rules, "rules/monitor.yml")

    @contextlib.contextmanager
    def _engine(self, scratch: Path) -> Iterator[DuckEngine]:
        from tallymark.engine.duckdb import DuckEngine  # noqa: PLC0415 -- loads DuckDB

        limits = self.config.engine
        engine = DuckEngine(
            memory_limit=limits.memory_limit, threads=limits.threads, spill=scratch / "spill"
        )
        try:
            yield engine
        finally:
            engine.close()

    def _check(
        self,
        warehouse: Warehouse | None,
        *,
        only: Sequence[Delivery] | None = None,
        more: Sequence[Delivery] = (),
        before: Sequence[dict[str, Any]] = (),
    ) -> tuple[CheckResult, list[dict[str, Any]]]:
        """Judge what is delivered, or ``only`` some of it, and ``more``: copies of what is gone."""
        from tallymark.check.counting.queries import told_paths  # noqa: PLC0415
        from tallymark.check.gate import Gate  # noqa: PLC0415 -- loads DuckDB
        from tallymark.check.quarantined.settle import Settlements  # noqa: PLC0415
        from tallymark.check.reports.report import write_reports  # noqa: PLC0415
        from tallymark.check.rules import refuse_unknown  # noqa: PLC0415
        from tallymark.check.verdicts import summarise  # noqa: PLC0415

        rules = load(CheckRules, self.paths.check_rules, "rules/check.yml")
        refuse_unknown(rules, str(self.paths.check_rules), self.contract)
        deliveries = self._delivered() if only is None else list(only)
        there = {one.key for one in deliveries}
        deliveries += [one for one in more if one.key not in there]
        with contextlib.ExitStack() as stack:
            if warehouse is None:
                scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            else:
                scratch = warehouse.scratch
            engine = stack.enter_context(self._engine(scratch))
            gate = Gate(
                config=self.config, contract=self.contract, rules=rules, engine=engine,
                warehouse=warehouse, scratch=scratch, program=__version__,
                quarantine=self.quarantine(), say=self._notice_once if only is None else None,
                settlements=Settlements(self.paths.home / "decisions"), now=self.now,
            )  # fmt: skip
            entries, judged = gate.judge_all(
                deliveries,
                threads=self.config.engine.threads or os.cpu_count() or 1,
                progress=lambda entry: self.progress(f"checked {entry['delivery']}"),
            )
        judged_now = {one["delivery"] for one in entries}
        entries += [one for one in before if one["delivery"] not in judged_now]
        entries.sort(key=lambda one: (one["date"] or "", one["delivery"]))
        paths = told_paths(deliveries, self.paths.home)
        result = self.checked = summarise(entries, rules, self.contract, judged, gate.clock, paths)
        write_reports(result, self.paths.reports, formats=self.config.reports, rules=rules)
        return result, entries

    def _build(
        self,
        warehouse: Warehouse,
        entries: list[dict[str, Any]],
        checked: CheckResult,
        *,
        full: bool,
    ) -> BuildResult:
        self.progress("building tables")
        with self._builder(warehouse) as builder:
            return builder.build(entries, checked, full=full)

    @contextlib.contextmanager
    def _builder(self, warehouse: Warehouse) -> Iterator[Builder]:
        from tallymark.build.builder import Builder  # noqa: PLC0415 -- loads DuckDB

        with self._engine(warehouse.scratch) as engine:
            yield Builder(
                warehouse=warehouse, engine=engine, config=self.config, contract=self.contract,
                own_models=self.paths.models, program=__version__,
            )  # fmt: skip

    def _monitor_stage(self, warehouse: Warehouse | None = None) -> MonitorStage:
        from tallymark.engine.front import withheld  # noqa: PLC0415 -- loads DuckDB
        from tallymark.monitor.stage import MonitorStage  # noqa: PLC0415 -- loads DuckDB

        return MonitorStage(
            warehouse=warehouse or withheld(self.paths.warehouse, start=False), config=self.config,
            rules=self._monitor_rules(), rules_file=self.paths.monitor_rules,
            decisions=self.paths.home / "decisions", reports=self.paths.reports,
            quarantine=self.paths.quarantine, progress=self.progress,
            calendar=self.contract.calendar, now=self.now, columns=self.contract.columns,
        )  # fmt: skip
