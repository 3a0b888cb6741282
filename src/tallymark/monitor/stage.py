"""The watch as a stage: judges days, writes what it found, keeps it, and has people told."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tallymark.config import Config, MonitorRules, fingerprint
from tallymark.contract import Calendar, Column
from tallymark.decisions import read as read_decisions
from tallymark.engine.amend import amend
from tallymark.engine.currency import currency_until
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.outcome import last_run
from tallymark.engine.snapshot import snapshot
from tallymark.engine.warehouse import Warehouse, write_atomically
from tallymark.errors import ConfigError, WarehouseError
from tallymark.monitor.backtest import SIZES, Backtest, backtest
from tallymark.monitor.book import Book
from tallymark.monitor.cells import LandedRows
from tallymark.monitor.due import Due
from tallymark.monitor.junit import junit
from tallymark.monitor.kept import TABLE, kept_incidents, ledger_table
from tallymark.monitor.lives import Choice, choices_of
from tallymark.monitor.refusals import put_in_place
from tallymark.monitor.replay import Replay, replayed, spans_of
from tallymark.monitor.report import as_json, markdown
from tallymark.monitor.tables import read
from tallymark.monitor.watch import Watch
from tallymark.notify.courier import Told
from tallymark.notify.desk import AlertDesk, Tried
from tallymark.notify.follower import Follower
from tallymark.results import Incident, MonitorResult

__all__ = ["MonitorStage"]

NOTE = "quarantine_path.txt"
EVERY_DAY = Calendar()
Progress = Callable[[str], None]
# Views of single events: no watch reads them, and making them takes longer than most queries.
_NOT_WATCHED = frozenset({"landed_urls", "events", "session_pages"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MonitorStage:
    """The watch over a warehouse.

    Attributes:
        warehouse: What is judged.
        config: The shop, and who is told.
        rules: What is watched.
        rules_file: Where the rules are from, for errors.
        decisions: The folder of what people decided.
        reports: The folder of reports.
        quarantine: The folder of snapshots.
        progress: Called with a line of talk now and then.
        calendar: When deliveries are due.
        now: What time it is, if deliveries may be late.
        columns: Of the contract, which rules may rest on; not looked at if not given.
    """

    warehouse: Warehouse
    config: Config
    rules: MonitorRules
    rules_file: Path
    decisions: Path
    reports: Path
    quarantine: Path
    progress: Progress = lambda _text: None
    calendar: Calendar = EVERY_DAY
    now: dt.datetime | None = None
    columns: Sequence[Column] | None = None

    def judge(
        self, date: dt.date | None, *, expected: dt.date | None = None, write: bool = True
    ) -> tuple[MonitorResult, Told]:
        """Judge one day (default: the latest); only the latest is kept, and told to anybody.

        Raises:
            WarehouseError: There is no day to judge.
        """
        if expected is None and date is None:
            expected = self._due().missing_from()
        with self._watching() as (engine, watch, _choices):
            days = watch.days()
            day = date or _latest(days, expected, self.warehouse)
            last = last_run(self.warehouse.root) if date is None else None
            result = watch.judge(day, expected_run_date=expected, last_run=last)
            if write:
                self._write(result, self.reports)
            told = Told()
            if date is None:
                # Unless somebody writes just now, or nobody may.
                with contextlib.suppress(WarehouseError):
                    self._keep(watch, result, within=day in days)
                self._snapshot(engine, result)
                told = self._tell(watch.incidents(), result.date, engine)
            return result, told

    def judge_all(self) -> tuple[list[MonitorResult], Told]:
        """Judge every day whose inputs changed, within a run that holds the warehouse."""
        known = self.warehouse.sound_judgement("state")
        with self._watching() as (engine, watch, choices):
            state = fingerprint(
                self.warehouse.meta()["state"], self.rules, self.config.shop, self.calendar,
                *(repr(one) for one in choices),
            )  # fmt: skip
            days = watch.days()
            if not days:
                return [], Told()
            fresh = known.get("state") == state
            results = []
            for day in days:
                folder = self.reports / "days" / day.isoformat()
                done = fresh and (folder / "monitoring_report.json").is_file()
                done = done and self.warehouse.is_judged(day.isoformat())  # or cut, and made anew
                if done and day != days[-1]:
                    continue
                self.progress(f"judging {day}")
                result = watch.judge(day)
                results.append(result)
                self.warehouse.record_judgement(day.isoformat(), as_json(result))
                self._write(result, folder, only_json=True)
            self.warehouse.record_judgement("state", f'{{"state": "{state}"}}\n')
            self._write(results[-1], self.reports)
            incidents = watch.incidents()
            self._keep_incidents(incidents, results[-1].date)
            self._snapshot(engine, results[-1])
            return results, self._tell(incidents, results[-1].date, engine)

    def replay(self, first: dt.date | None, last: dt.date | None, truth: Path | None) -> Replay:
        """Judge the days of a span, each by what was known then; nothing is written or told."""
        spans = None if truth is None else spans_of(truth)
        with self._watching(located=False) as (_, watch, _choices):
            results = []
            for day in watch.days():
                if (first is None or day >= first) and (last is None or day <= last):
                    self.progress(f"judging {day}")
                    results.append(watch.judge(day))
            return replayed(results, watch.incidents(), spans)

    def backtest(
        self, *, starts: int, sizes: Sequence[float], budgets: Sequence[float], seed: int
    ) -> Backtest:
        """Plant faults into the history, and count what is seen of them."""
        shop, limits = self.config.shop, self.config.engine
        engine = self.warehouse.open(memory_limit=limits.memory_limit, threads=limits.threads)
        try:
            tables = read(engine)
        finally:
            engine.close()
        return backtest(
            tables, self.rules, timezone=shop.timezone, currency=shop.currency, starts=starts,
            sizes=sizes or SIZES, budgets=budgets, seed=seed, progress=self.progress,
        )  # fmt: skip

    def book(self) -> Book:
        """The incidents, and what people decide about them."""
        return Book(self.warehouse, self.decisions)

    def alert_desk(self, engine: DuckEngine | None = None) -> AlertDesk:
        """Who tells people of incidents; ``engine`` is the warehouse's, if it is open."""
        shop = self.config.shop
        return AlertDesk(
            self.warehouse.root / "outbox", self.config.alerts, shop=shop.name,
            currency=self._currency(engine), timezone=shop.timezone,
        )  # fmt: skip

    def _currency(self, engine: DuckEngine | None) -> str:
        """The currency of amounts: the orders', if there are any yet, else the shop's own."""
        own, limits = self.config.shop.currency, self.config.engine
        if engine is not None:
            return currency_until(engine, own)
        try:
            engine = self.warehouse.open(
                memory_limit=limits.memory_limit, threads=limits.threads, without=_NOT_WATCHED
            )
        except WarehouseError:
            return own
        try:
            return currency_until(engine, own)
        finally:
            engine.close()

    @contextlib.contextmanager
    def alerting(
        self, trouble: Callable[[str], None], newest: Callable[[], str]
    ) -> Iterator[Follower]:
        """Who tells a P0 of the gate at once, while files are followed."""
        follower = Follower(self.alert_desk(), trouble, newest=newest)
        try:
            yield follower
        finally:
            follower.close()

    def planned_alerts(self) -> list[Tried]:
        """The messages that :meth:`send_alerts` would send; nothing is kept."""
        listed, desk = self.book().read(), self.alert_desk()
        waiting = [one.message for one in desk.outbox.entries() if one.state == "pending"]
        return desk.previews([*waiting, *desk.planned(listed.incidents, listed.day)])

    def send_alerts(self, *, unconfirmed: bool = False, refused: bool = False) -> Told:
        """Send what waits in the outbox, and what is missing in it."""
        listed = self.book().read()
        return self.alert_desk().tell(
            listed.incidents, listed.day, unconfirmed=unconfirmed, refused=refused
        )

    # ------------------------------------------------------------ inside

    @contextlib.contextmanager
    def _watching(
        self, *, located: bool = True
    ) -> Iterator[tuple[DuckEngine, Watch, list[Choice]]]:
        shop, limits = self.config.shop, self.config.engine
        choices = choices_of(read_decisions(self.decisions))
        engine = self.warehouse.open(
            memory_limit=limits.memory_limit, threads=limits.threads, without=_NOT_WATCHED
        )
        try:
            try:
                watch = Watch(
                    engine, self.rules, timezone=shop.timezone, currency=shop.currency,
                    choices=choices, due=self._due(),
                    rows=LandedRows(engine) if located else None, columns=self.columns,
                )  # fmt: skip
            except ConfigError as error:
                put_in_place(error, self.rules_file)
                raise
            yield engine, watch, choices
        finally:
            engine.close()

    def _due(self) -> Due:
        return Due(self.calendar, self.config.shop.timezone, self.now)

    def _write(self, result: MonitorResult, folder: Path, *, only_json: bool = False) -> None:
        write_atomically(folder / "monitoring_report.json", as_json(result))
        if only_json:
            return
        write_atomically(folder / "monitoring_report.md", markdown(result))
        if "junit" in self.config.reports:
            write_atomically(folder / "monitoring_report.junit.xml", junit(result, self.rules))

    def _snapshot(self, engine: DuckEngine, result: MonitorResult) -> None:
        """On errors, keep the day's tables aside and say where; else take the note away."""
        note = self.reports / NOTE
        if result.status != "RED":
            note.unlink(missing_ok=True)
            return
        place = snapshot(engine, self.warehouse, self.quarantine, result.date, as_json(result))
        write_atomically(note, f"{place.as_posix()}\n")

    def _keep(self, watch: Watch, result: MonitorResult, *, within: bool) -> None:
        if self.warehouse.catalog.is_file():
            with self.warehouse.hold("monitor"):
                if within:
                    self.warehouse.record_judgement(result.date, as_json(result))
                self._keep_incidents(watch.incidents(), result.date)

    def _keep_incidents(self, incidents: Sequence[Incident], day: str) -> None:
        """Keep the incidents beside the ledger, and as a table that every tool can read."""
        text = kept_incidents(incidents, day)
        self.warehouse.record_judgement("incidents", text)
        amend(self.warehouse, TABLE, ledger_table(json.loads(text)["incidents"]))

    def _tell(self, incidents: Sequence[Incident], day: str, engine: DuckEngine) -> Told:
        if not self.config.alerts.channels:
            return Told()
        try:
            return self.alert_desk(engine).tell(incidents, day)
        except OSError as error:
            return Told(troubles=[f"alerts could not be kept: {error.strerror or error}"])


def _latest(days: Sequence[dt.date], expected: dt.date | None, warehouse: Warehouse) -> dt.date:
    if days:
        return max(days[-1], expected) if expected is not None else days[-1]
    if expected is not None:
        return expected
    raise WarehouseError(
        "no day to judge", where=str(warehouse.root), fix="run `tallymark build` first"
    )
