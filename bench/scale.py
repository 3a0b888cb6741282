"""What ten million simulated events cost from CSV to tables, beside one scan of the same CSV.

``tallymark run`` without watch and brief, in a fresh process and an empty warehouse: reading with
quality flags and all default checks, sessions, orders, six attribution models, metrics,
reconciliation and validations, written as Parquet and exported as CSV. Once with the memory that
it takes by itself, once with ``memory_limit: 1GB``, once with as much as the machine has. The floor
is one DuckDB scan, ``sum(strlen(column))`` over all columns with an explicit schema, a fresh
process too. All on two threads, taken in turns; medians.

    make bench-scale
    .venv/bin/python -m bench.scale --events 10000000 --days 10 --runs 3
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bench.river import FLOOR, THREADS, Cost, measure, median

WALL_LIMIT, MEMORY_LIMIT, SLOWER_LIMIT = 7.0, 1500, 1.15
SETTINGS: dict[str, list[str]] = {
    "by itself": [],
    "memory_limit: 1GB": ["--memory-limit", "1GB"],
    "memory_limit: 64GB": ["--memory-limit", "64GB"],
}


def measured(raw: Path, out: Path, runs: int) -> tuple[Cost, dict[str, Cost]]:
    """Medians of the floor and of each setting, taken in turns."""
    floors: list[Cost] = []
    built: dict[str, list[Cost]] = {name: [] for name in SETTINGS}
    for _ in range(runs):
        floors.append(measure([sys.executable, "-c", FLOOR, str(raw), str(THREADS)]))
        for name, options in SETTINGS.items():
            shutil.rmtree(out, ignore_errors=True)
            command = [
                sys.executable, "-m", "tallymark", "run", "--input", str(raw),
                "--output", str(out), "--skip", "monitor", "--skip", "report", "--quiet",
                "--fail-on", "never", "--threads", str(THREADS), *options,
            ]  # fmt: skip
            built[name].append(measure(command))
    return median(floors), {name: median(costs) for name, costs in built.items()}


def show(floor: Cost, built: dict[str, Cost]) -> None:
    """Print the table and what is wanted."""
    print(f"{'':28}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'wall, x scan':>14}")
    print(f"{'DuckDB scan of the CSV':28}{floor.wall:9.2f}{floor.cpu:9.2f}{floor.memory:9.0f}")
    for name, cost in built.items():
        ratio = cost.wall / floor.wall
        print(f"{name:28}{cost.wall:9.2f}{cost.cpu:9.2f}{cost.memory:9.0f}{ratio:14.1f}")
    mine = built["by itself"]
    slower = built["memory_limit: 1GB"].wall / mine.wall
    print(
        f"wanted: at most {WALL_LIMIT:.0f} times the scan ({mine.wall / floor.wall:.1f}), "
        f"below {MEMORY_LIMIT:,} MB ({mine.memory:,.0f}), with 1 GB at most "
        f"{SLOWER_LIMIT} times slower ({slower:.2f})"
    )


def main() -> None:
    """Make the shop, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        shop = Path(scratch, "shop")
        make = ["demo", "make", str(shop), "--days", str(given.days), "--seed", "1", "--quiet"]
        each = str(given.events // given.days)
        measure([sys.executable, "-m", "tallymark", *make, "--events-per-day", each])
        raw = shop / "raw"
        size = sum(path.stat().st_size for path in raw.iterdir()) / 1e6
        print(f"about {given.events:,} events, {size:,.0f} MB of CSV in {given.days} files")
        show(*measured(raw, Path(scratch, "out"), given.runs))


if __name__ == "__main__":
    main()
