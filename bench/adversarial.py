"""What a day costs in which one client holds every event, beside the ordinary day of that size.

Prints wall time, CPU time and peak memory of ``tallymark run --skip report`` for one simulated day
of a million events, for the same day with one client id in every row, and for that day with the
events of each minute in one millisecond too, as a tracker with a broken clock would send them.
Fresh processes and empty warehouses, taken in turns. What one client with many orders costs is
measured by ``bench/adversary.py``.

    .venv/bin/python -m bench.adversarial --events 1000000 --runs 3
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.river import THREADS, Cost, measure, median

LIMIT = 2.0
CLIENT = "client-0"
Row = dict[str, str]
MINUTE = len("2031-05-05T12:00")


def _one_client(row: Row) -> Row:
    return {**row, "client_id": CLIENT}


def _one_moment(row: Row) -> Row:
    return {**row, "client_id": CLIENT, "timestamp": f"{row['timestamp'][:MINUTE]}:00.000Z"}


DAYS: dict[str, Callable[[Row], Row]] = {
    "one client": _one_client,
    "one client, one moment a minute": _one_moment,
}


def rewrite(raw: Path, folder: Path, change: Callable[[Row], Row]) -> None:
    """Copy deliveries with every row changed."""
    folder.mkdir(parents=True)
    for path in sorted(raw.glob("*.csv")):
        with (
            path.open(encoding="utf-8", newline="") as source,
            (folder / path.name).open("w", encoding="utf-8", newline="") as target,
        ):
            rows = csv.DictReader(source)
            writer = csv.DictWriter(target, rows.fieldnames or (), lineterminator="\n")
            writer.writeheader()
            writer.writerows(map(change, rows))


def main() -> None:
    """Make the days, run them in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    tallymark = [sys.executable, "-m", "tallymark"]
    with tempfile.TemporaryDirectory() as scratch:
        shop = Path(scratch, "shop")
        make = ["demo", "make", str(shop), "--days", "1", "--seed", "1", "--quiet"]
        measure([*tallymark, *make, "--events-per-day", str(given.events)])
        folders = {"ordinary day": shop / "raw"}
        for number, (name, change) in enumerate(DAYS.items()):
            folders[name] = Path(scratch, str(number))
            rewrite(shop / "raw", folders[name], change)
        costs: dict[str, list[Cost]] = {name: [] for name in folders}
        out = Path(scratch, "out")
        for _ in range(given.runs):
            for name, raw in folders.items():
                run = ["run", "--input", str(raw), "--output", str(out), "--skip", "report"]
                whole = [*tallymark, *run, "--quiet", "--threads", str(THREADS)]
                costs[name].append(measure(whole, (0, 1)))
                shutil.rmtree(out, ignore_errors=True)
    medians = {name: median(found) for name, found in costs.items()}
    ordinary = medians["ordinary day"]
    print(f"about {given.events:,} events in one day; median of {given.runs}")
    print(f"{'':34}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'ratio':>9}")
    for name, cost in medians.items():
        ratio = cost.wall / ordinary.wall
        print(f"{name:34}{cost.wall:9.2f}{cost.cpu:9.2f}{cost.memory:9.0f}{ratio:9.2f}")
    print(f"{'':61}  (at most {LIMIT:.0f} wanted)")


if __name__ == "__main__":
    main()
