"""A project: configuration, folders and the order of the stages. It only sequences."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallymark import __version__
from tallymark.config import CheckRules, Config, MonitorRules, fingerprint, load, place
from tallymark.contract import load_contract
from tallymark.errors import ConfigError, UsageError, WarehouseError
from tallymark.results import (
    BuildResult,
    CheckResult,
    MonitorResult,
    ReportResult,
    RunResult,
    Status,
)

if TYPE_CHECKING:
    from threading import Event

    from tallymark.check.follow import Listener
    from tallymark.check.quarantine import Quarantine
    from tallymark.check.release import Desk
    from tallymark.engine.duckdb import DuckEngine
    from tallymark.engine.warehouse import Warehouse
    from tallymark.ingest.deliveries import Delivery
    from tallymark.monitor.watch import Watch

__all__ = ["Paths", "Project"]

CONFIG = "tallymark.yml"
Progress = Callable[[str], None]
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where a project reads and writes. Every stage runs on the ones it needs alone."""

    home: Path
    source: str | None
    warehouse: Path
    reports: Path
    quarantine: Path
    contract: Path
    check_rules: Path
    monitor_rules: Path
    models: Path


class Project:
    """Opens configuration and engine, and calls the stages in order.

    Attributes:
        checked: What the gate said last, if it was asked.

    Example:
        >>> project = Project.open("shop")          # doctest: +SKIP
        >>> project.run().check.status              # doctest: +SKIP
    """

    def __init__(self, config: Config, paths: Paths, *, progress: Progress | None = None) -> None:
        self.paths = paths
        self.progress: Progress = progress or (lambda _text: None)
        self.checked: CheckResult | None = None
        self.now: dt.datetime | None = None  # set it where deliveries may be late
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
        settings = load(Config, file).model_copy(update=changed)
        base = file.parent
        _refuse_lost(settings, file)
        out = Path(output) if output is not None else folder
        report_folder = Path(reports) if reports is not None else out / "reports"
        return cls(
            settings,
            Paths(
                home=base,
                source=source or (str(base / settings.input) if settings.input else None),
                warehouse=Path(warehouse) if warehouse is not None else out / "warehouse",
                reports=report_folder,
                quarantine=_quarantine_beside(report_folder),
                contract=base / settings.contract,
                check_rules=_asked_for(rules) or base / settings.check_rules,
                monitor_rules=_asked_for(rules) or base / settings.monitor_rules,
                models=base / "models",
            ),
            progress=progress,
        )

    # ------------------------------------------------------------ stages

    def check(self, *, keep: bool = False) -> CheckResult:
        """Judge the deliveries and write ``dq_report``; with ``keep``, land them as well."""
        if keep:
            with self._warehouse().hold("check"):
                return self._check(self._warehouse())[0]
        return self._check(None)[0]

    def build(self, *, full: bool = False) -> BuildResult:
        """Pass new deliveries through the gate, then build the tables and their exports."""
        warehouse = self._warehouse()
        with warehouse.hold("build"):
            checked, entries = self._check(warehouse)
            return self._build(warehouse, entries, checked, full=full)

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
        warehouse = self._warehouse()
        with _reading(warehouse):
            engine = self._open(warehouse)
            try:
                watch = self._watching(engine, self._monitor_rules())
                days = watch.days()
                day = date or _latest(days, expected_run_date, warehouse)
                result = watch.judge(day, expected_run_date=expected_run_date)
                if write:
                    self._write_day(result, self.paths.reports)
                if date is None:
                    self._snapshot(engine, warehouse, result)
                    if day in days:
                        self._remember(warehouse, result)
                return result
            finally:
                engine.close()

    def report(self, *, date: dt.date | None = None) -> ReportResult:
        """Write the executive summary of the days up to ``date`` (default: all)."""
        from tallymark.report.summary import write_report  # noqa: PLC0415

        warehouse = self._warehouse()
        with _reading(warehouse):
            return write_report(warehouse, self.paths.reports, config=self.config, date=date)

    def run(self, *, skip: frozenset[str] = frozenset(), full: bool = False) -> RunResult:
        """All four stages: every new delivery and day in order, past findings."""
        warehouse = self._warehouse()
        with warehouse.hold("run"):
            checked, entries = self._check(warehouse)
            built = self._build(warehouse, entries, checked, full=full)
            judged = [] if "monitor" in skip else self._watch(warehouse)
        brief = None if "report" in skip else self.report()
        return RunResult(
            check=checked, build=built, monitor=judged, report=brief,
            paths={"warehouse": self.paths.warehouse, "reports": self.paths.reports,
                   "quarantine": self.paths.quarantine},
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

        folder = Folder(Path(self._source()), settle=settle)
        return follow(folder, judge, listener, stop=stop, interval=interval)

    @contextlib.contextmanager
    def desk(self) -> Iterator[Desk]:
        """Where somebody lets in, or leaves out, what is in quarantine; holds the warehouse."""
        from tallymark.check.release import Desk  # noqa: PLC0415 -- loads DuckDB

        warehouse = self._warehouse()
        keep = warehouse if (warehouse.root / "ledger").is_dir() else None

        def judge(more: Sequence[Delivery]) -> list[dict[str, Any]]:
            checked, entries = self._check(keep, more=more)
            if keep is not None and keep.catalog.is_file():
                self._build(keep, entries, checked, full=False)
            return entries

        with keep.hold("quarantine") if keep is not None else contextlib.nullcontext():
            yield Desk(
                self.quarantine(), decisions=self.paths.home / "decisions", warehouse=keep,
                judge=judge,
            )  # fmt: skip

    def quarantine(self) -> Quarantine:
        """What was kept out."""
        from tallymark.check.quarantine import Quarantine  # noqa: PLC0415 -- loads DuckDB

        return Quarantine(self.paths.quarantine, keep_up_to=self.config.quarantine.keep_bytes)

    # ------------------------------------------------------------ inside

    def _source(self) -> str:
        if self.paths.source is None:
            raise UsageError(
                "no input was given", fix="give --input FOLDER, or `input:` in tallymark.yml"
            )
        return self.paths.source

    def _warehouse(self) -> Warehouse:
        from tallymark.engine.warehouse import Warehouse  # noqa: PLC0415 -- loads DuckDB

        return Warehouse(self.paths.warehouse)

    def _open(self, warehouse: Warehouse) -> DuckEngine:
        limits = self.config.engine
        return warehouse.open(memory_limit=limits.memory_limit, threads=limits.threads)

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
        from tallymark.check.gate import Gate  # noqa: PLC0415 -- loads DuckDB
        from tallymark.check.report import write_reports  # noqa: PLC0415
        from tallymark.check.rules import refuse_unknown  # noqa: PLC0415
        from tallymark.check.settle import Settlements  # noqa: PLC0415
        from tallymark.check.verdicts import summarise  # noqa: PLC0415
        from tallymark.ingest.deliveries import find_deliveries  # noqa: PLC0415

        rules = load(CheckRules, self.paths.check_rules, "rules/check.yml")
        refuse_unknown(rules, str(self.paths.check_rules), self.contract)
        deliveries = find_deliveries(self._source()) if only is None else list(only)
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
                quarantine=self.quarantine(),
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
        result = self.checked = summarise(entries, rules, self.contract, judged, gate.clock)
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
        from tallymark.build.builder import Builder  # noqa: PLC0415 -- loads DuckDB

        self.progress("building tables")
        with self._engine(warehouse.scratch) as engine:
            builder = Builder(
                warehouse=warehouse, engine=engine, config=self.config, contract=self.contract,
                own_models=self.paths.models, program=__version__,
            )  # fmt: skip
            return builder.build(entries, checked, full=full)

    def _watch(self, warehouse: Warehouse) -> list[MonitorResult]:
        """Judge every day whose inputs changed; write each, and the latest as the day's report."""
        from tallymark.monitor.report import as_json  # noqa: PLC0415 -- only this stage needs it

        rules = self._monitor_rules()
        state = fingerprint(warehouse.meta()["state"], rules, self.config.shop)
        known = warehouse.judgement("state")
        engine = self._open(warehouse)
        try:
            watch = self._watching(engine, rules)
            days = watch.days()
            if not days:
                return []
            fresh = known is not None and known["state"] == state
            results = []
            for day in days:
                folder = self.paths.reports / "days" / day.isoformat()
                done = fresh and (folder / "monitoring_report.json").is_file()
                if done and day != days[-1]:
                    continue
                self.progress(f"judging {day}")
                result = watch.judge(day)
                results.append(result)
                warehouse.record_judgement(day.isoformat(), as_json(result))
                self._write_day(result, folder, only_json=True)
            warehouse.record_judgement("state", f'{{"state": "{state}"}}\n')
            self._write_day(results[-1], self.paths.reports)
            self._snapshot(engine, warehouse, results[-1])
            return results
        finally:
            engine.close()

    def _watching(self, engine: DuckEngine, rules: MonitorRules) -> Watch:
        from tallymark.monitor.watch import Watch  # noqa: PLC0415 -- only this stage needs it

        shop = self.config.shop
        try:
            return Watch(engine, rules, timezone=shop.timezone, currency=shop.currency)
        except ConfigError as error:
            error.where = error.where or str(self.paths.monitor_rules)
            raise

    def _write_day(self, result: MonitorResult, folder: Path, *, only_json: bool = False) -> None:
        from tallymark.engine.warehouse import write_atomically  # noqa: PLC0415 -- loads DuckDB
        from tallymark.monitor.report import as_json, markdown  # noqa: PLC0415

        write_atomically(folder / "monitoring_report.json", as_json(result))
        if not only_json:
            write_atomically(folder / "monitoring_report.md", markdown(result))

    def _remember(self, warehouse: Warehouse, result: MonitorResult) -> None:
        """Leave the judgement for the brief, unless somebody writes just now or nobody may."""
        from tallymark.monitor.report import as_json  # noqa: PLC0415 -- only this stage needs it

        if warehouse.catalog.is_file():
            with contextlib.suppress(WarehouseError), warehouse.hold("monitor"):
                warehouse.record_judgement(result.date, as_json(result))

    def _snapshot(self, engine: DuckEngine, warehouse: Warehouse, result: MonitorResult) -> None:
        """On errors, keep the day's tables aside and say where; else take the note away."""
        from tallymark.engine.snapshot import snapshot  # noqa: PLC0415 -- loads DuckDB
        from tallymark.engine.warehouse import write_atomically  # noqa: PLC0415

        note = self.paths.reports / "quarantine_path.txt"
        errors = [one for one in result.incidents if one.severity.is_error]
        if not errors:
            note.unlink(missing_ok=True)
            return
        from tallymark.monitor.report import as_json  # noqa: PLC0415

        place = snapshot(engine, warehouse, self.paths.quarantine, result.date, as_json(result))
        write_atomically(note, f"{place.as_posix()}\n")


def _refuse_lost(settings: Config, file: Path) -> None:
    """A file that the configuration names must be there; a default that is not is shipped."""
    for key in ("contract", "check_rules", "monitor_rules"):
        named = getattr(settings, key)
        if key in settings.model_fields_set and not (file.parent / named).is_file():
            raise ConfigError(
                f"{key}: no such file: {named}",
                where=place(file, key),
                fix="mend the path, which is relative to this file, or leave the key out",
            )


@contextlib.contextmanager
def _reading(warehouse: Warehouse) -> Iterator[None]:
    """Say of a folder that holds other tables than a build exports that it cannot be read."""
    import duckdb  # noqa: PLC0415 -- `--help` must not pay for it

    try:
        yield
    except duckdb.Error as error:
        if warehouse.catalog.is_file():
            raise
        raise WarehouseError(
            f"these exports cannot be read: {str(error).splitlines()[0]}",
            where=str(warehouse.root),
            fix="take fct_sessions, fct_orders and fct_attribution as `tallymark build` wrote them",
        ) from error
    except WarehouseError as error:
        error.where = error.where or str(warehouse.root)
        raise


def _asked_for(rules: str | Path | None) -> Path | None:
    if rules is None:
        return None
    path = Path(rules)
    if not path.is_file():
        raise UsageError("no such rules file", where=str(path))
    return path


def _quarantine_beside(reports: Path) -> Path:
    """`quarantine/` beside a folder named `reports`, inside a folder of any other name."""
    return reports.parent / "quarantine" if reports.name == "reports" else reports / "quarantine"


def _latest(days: list[dt.date], expected: dt.date | None, warehouse: Warehouse) -> dt.date:
    if days:
        return max(days[-1], expected) if expected is not None else days[-1]
    if expected is not None:
        return expected
    raise WarehouseError(
        "no day to judge", where=str(warehouse.root), fix="run `tallymark build` first"
    )
