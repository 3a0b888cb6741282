"""Shops with known faults, runs on them, and plain readers of what was written."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from tallymark.project import Project
from tallymark.results import RunResult
from tests.cli.calling import contents

__all__ = ["exports", "findings", "reports", "run", "table"]

EXPORTS = ("fct_sessions.csv", "fct_orders.csv", "fct_attribution.csv")


def run(raw: Path, output: Path, *skip: str) -> RunResult:
    """All stages but those to skip, with shipped defaults, on a folder of deliveries."""
    # A folder without a tallymark.yml, so that nothing around the tests has a say.
    return Project.open(raw, source=str(raw), output=output).run(skip=frozenset(skip))


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file; a row with too few or too many cells fails."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def exports(output: Path) -> dict[str, bytes]:
    """The exported tables of a run."""
    return {name: (output / "warehouse" / name).read_bytes() for name in EXPORTS}


def reports(output: Path) -> dict[str, bytes]:
    """The reports of a run, but for the note that holds a path."""
    found = contents(output / "reports")
    found.pop("quarantine_path.txt", None)
    return found


def findings(output: Path, day: str) -> dict[str, dict[str, Any]]:
    """What the watch found on a day, by id."""
    path = output / "reports" / "days" / day / "monitoring_report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    return {one["id"]: one for one in report["findings"]}
