"""What all default checks cost beside one scan: ten million simulated rows of sound CSV.

The gate (``tallymark check``, a fresh process) judges the rows as one file and as 28; the floor is
one DuckDB scan of the same files, ``sum(strlen(column))`` over all columns with an explicit schema,
a fresh process too. Both run on two threads, in turns; medians of several runs. Wanted: at most
3 times the CPU time of the scan, a peak below 1.5 GB by default and below 700 MB with
``memory_limit: 500MB``.

    make bench-gate-speed
    .venv/bin/python -m bench.gate_speed --rows 1000000 --runs 1
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.river import FLOOR, THREADS, Cost, measure, median

DAYS = 28
CPU_LIMIT = 3.0
MEMORY_LIMIT, SMALL_MEMORY_LIMIT = 1500, 700  # megabytes
SETTINGS: dict[str, list[str]] = {
    "as it comes": [],
    "memory_limit: 500MB": ["--memory-limit", "500MB"],
}


@dataclass(frozen=True)
class Input:
    """Deliveries to judge, and how they are called in the table."""

    name: str
    folder: Path


def simulated(folder: Path, rows: int) -> tuple[Input, Input]:
    """The same number of rows as one file and as one for each day."""
    inputs = []
    for name, days in (("one file", 1), (f"{DAYS} files", DAYS)):
        target = folder / f"days{days}"
        make = ["demo", "make", str(target), "--days", str(days), "--seed", "1", "--quiet"]
        measure([sys.executable, "-m", "tallymark", *make, "--events-per-day", str(rows // days)])
        inputs.append(Input(name, target / "raw"))
    return inputs[0], inputs[1]


def gate(source: Input, options: Sequence[str], output: Path) -> list[str]:
    """The command that judges."""
    return [
        sys.executable, "-m", "tallymark", "check", "--input", str(source.folder),
        "--output", str(output), "--threads", str(THREADS), "--quiet", "--fail-on", "never",
        *options,
    ]  # fmt: skip


def timed(source: Input, scratch: Path, runs: int) -> dict[str, Cost]:
    """Medians of the floor, and of the gate under each of the settings."""
    costs: dict[str, list[Cost]] = {}
    output = scratch / "out"
    for _ in range(runs):
        floor = [sys.executable, "-c", FLOOR, str(source.folder), str(THREADS)]
        costs.setdefault("DuckDB scan", []).append(measure(floor))
        for name, options in SETTINGS.items():
            shutil.rmtree(output, ignore_errors=True)
            costs.setdefault(name, []).append(measure(gate(source, options, output)))
    return {name: median(each) for name, each in costs.items()}


def show(source: Input, costs: dict[str, Cost]) -> bool:
    """Print the lines of one input; whether everything is within its limit."""
    floor = costs["DuckDB scan"]
    good = True
    for name, cost in costs.items():
        label = f"{source.name}: {name}"
        line = f"{label:34}{cost.wall:9.2f}{cost.cpu:9.2f}{cost.memory:9.0f}"
        if name in SETTINGS:
            ratio = cost.cpu / floor.cpu
            most = SMALL_MEMORY_LIMIT if SETTINGS[name] else MEMORY_LIMIT
            # What a limited memory costs in time is told, and not limited.
            within = cost.memory < most and (bool(SETTINGS[name]) or ratio <= CPU_LIMIT)
            good = good and within
            line += f"{ratio:13.2f}  {'ok' if within else 'TOO MUCH'}"
        print(line)
    return good


def main(given: Sequence[str] | None = None) -> None:
    """Make the shops, run everything in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args(given)
    good = True
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        inputs = simulated(scratch, asked.rows)
        print(f"about {asked.rows:,} rows, {THREADS} threads; medians of {asked.runs}")
        print(f"{'':34}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'CPU, x scan':>13}")
        for source in inputs:
            good = show(source, timed(source, scratch, asked.runs)) and good
    print(
        f"wanted: at most {CPU_LIMIT:g} x the CPU of the scan and {MEMORY_LIMIT:,} MB; "
        f"{SMALL_MEMORY_LIMIT} MB with memory_limit: 500MB"
    )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
