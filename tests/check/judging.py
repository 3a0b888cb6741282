"""A gate over a folder of deliveries, opened as the project opens it."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tallymark.check.gate import Gate
from tallymark.check.quarantined.quarantine import Quarantine
from tallymark.check.verdicts import summarise
from tallymark.config import CheckRules, Config, load
from tallymark.contract import Contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import Warehouse
from tallymark.ingest.deliveries import Delivery, find_deliveries
from tallymark.results import CheckResult, DeliveryReport
from tests.ingest.making import CONTRACT, deliver

__all__ = ["RULES", "Shop"]

RULES = load(CheckRules, None, "rules/check.yml")


class Shop:
    """A folder with raw/, warehouse/ and quarantine/, judged as often as a test likes."""

    def __init__(self, root: Path) -> None:
        self.raw = root / "raw"
        self.warehouse = Warehouse(root / "warehouse")
        self.quarantine = root / "quarantine"
        self.judged = 0
        self.entries: list[dict[str, Any]] = []

    def put(self, content: bytes, name: str = "2031-05-05.csv") -> Delivery:
        """Deliver a file."""
        return deliver(self.raw, content, name)

    def check(
        self,
        *,
        rules: CheckRules = RULES,
        contract: Contract = CONTRACT,
        config: Config | None = None,
        program: str = "0",
        only: Sequence[str] | None = None,
        now: dt.datetime | None = None,
    ) -> CheckResult:
        """Judge what was delivered, or only some of it, and keep it in the warehouse."""
        found = find_deliveries(self.raw)
        chosen = [one for one in found if only is None or one.key in only]
        with self.warehouse.hold("check"):
            engine = DuckEngine(threads=2)
            try:
                gate = Gate(
                    config=config or Config(), contract=contract, rules=rules, engine=engine,
                    warehouse=self.warehouse, quarantine=Quarantine(self.quarantine),
                    scratch=self.warehouse.scratch, program=program, now=now,
                )  # fmt: skip
                self.entries, self.judged = gate.judge_all(chosen, threads=2)
            finally:
                engine.close()
        return summarise(self.entries, rules, contract, self.judged, gate.clock)

    def one(self, content: bytes, name: str = "2031-05-05.csv", **how: Any) -> DeliveryReport:
        """Deliver a file, judge everything, and return the judgement of this file."""
        self.put(content, name)
        return next(one for one in self.check(**how).deliveries if one.delivery == name)

    def kept_out(self) -> list[list[str]]:
        """All rows in quarantine, without the header: delivery, line, rule, reason, original."""
        found = []
        for path in sorted((self.quarantine / "rows").glob("*.csv")):
            with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
                found += list(csv.reader(stream))[1:]
        return found
