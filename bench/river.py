"""How much more than reading costs judging, building and watching: one million simulated events.

Prints wall time, CPU time and peak memory of ``tallymark run --skip report`` (check, build and
monitor; a fresh process, an empty warehouse) as ratios to a floor measured in the same session:
one DuckDB scan of the same files, ``sum(strlen(column))`` over all columns with an explicit
schema, a fresh process too. Both run on two threads; medians of several runs, taken in turns.

The events come as ten days of a large shop. Each delivery costs some 25 ms by itself, so the same
number of events in more and smaller files (``--days 28``) comes out dearer.

    make bench
    .venv/bin/python bench/river.py --events 1000000 --days 10 --runs 5
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

THREADS = 2
# As after any installation, Python may keep modules compiled.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}
LIMIT = 10.0
KB_PER_MB = 1024
FLOOR = """
import sys
import duckdb
folder, threads = sys.argv[1:]
connection = duckdb.connect()
connection.execute(f"set threads = {int(threads)}")
names = ("client_id", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent")
columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
sums = ", ".join(f"sum(strlen({name}))" for name in names)
reader = f"read_csv('{folder}/*.csv', columns = {{{columns}}}, header = true)"
print(connection.execute(f"select count(*), {sums} from {reader}").fetchall())
"""


@dataclass(frozen=True)
class Cost:
    """What one process cost: seconds of wall and CPU time, megabytes at the peak."""

    wall: float
    cpu: float
    memory: float


def measure(command: list[str], allowed: tuple[int, ...] = (0,)) -> Cost:
    """Run a command to its end and say what it cost."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    error = process.stderr.read().decode() if process.stderr else ""
    if os.waitstatus_to_exitcode(status) not in allowed:
        sys.exit(f"{' '.join(command)} failed:\n{error}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / KB_PER_MB)


def median(costs: list[Cost]) -> Cost:
    """The median of each figure by itself."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.memory for cost in costs),
    )


def main() -> None:
    """Make the shop, run both in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    tallymark = [sys.executable, "-m", "tallymark"]
    with tempfile.TemporaryDirectory() as scratch:
        shop, out = Path(scratch, "shop"), Path(scratch, "out")
        make = ["demo", "make", str(shop), "--days", str(given.days), "--seed", "1", "--quiet"]
        measure([*tallymark, *make, "--events-per-day", str(given.events // given.days)])
        raw = shop / "raw"
        rows = sum(path.read_bytes().count(b"\n") - 1 for path in raw.iterdir())
        size = sum(path.stat().st_size for path in raw.iterdir()) / 1e6
        floors, rivers = [], []
        run = ["run", "--input", str(raw), "--output", str(out), "--skip", "report", "--quiet"]
        for _ in range(given.runs):
            floors.append(measure([sys.executable, "-c", FLOOR, str(raw), str(THREADS)]))
            shutil.rmtree(out, ignore_errors=True)
            rivers.append(measure([*tallymark, *run, "--threads", str(THREADS)], (0, 1)))
    floor, river = median(floors), median(rivers)
    print(f"{rows:,} events, {size:,.0f} MB of CSV in {given.days} files; median of {given.runs}")
    print(f"{'':28}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}")
    print(f"{'DuckDB scan of the CSV':28}{floor.wall:9.2f}{floor.cpu:9.2f}{floor.memory:9.0f}")
    print(f"{'check + build + monitor':28}{river.wall:9.2f}{river.cpu:9.2f}{river.memory:9.0f}")
    wall, cpu = river.wall / floor.wall, river.cpu / floor.cpu
    print(f"{'ratio':28}{wall:9.1f}{cpu:9.1f}{'':9}  (at most {LIMIT:.0f} wanted)")


if __name__ == "__main__":
    main()
