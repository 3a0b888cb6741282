"""What adding one day costs after a year of history, beside what it costs after two weeks.

Prints the wall time of ``tallymark build`` (its build part: no gate, no exports) that adds one day
to a history, for histories of several lengths of the same simulated shop, and their ratios to the
shortest. Medians of several days that are added one after the other. The aim: a ratio of 1.3 at
365 days beside 14. The last line is a full refresh of the longest history, for comparison.

    make bench-incremental
    .venv/bin/python bench/incremental.py --days 14 365 --events 5000 --runs 5
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tallymark.build.builder import Builder
from tallymark.demo.shop import make_shop
from tallymark.project import Project
from tallymark.results import BuildResult
from tallymark.version import __version__

LIMIT = 1.3
SEED = 7


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    """Note how long the block takes, in seconds."""
    started = time.perf_counter()
    yield
    into.append(time.perf_counter() - started)


class Growing:
    """A shop whose deliveries arrive one by one."""

    def __init__(self, home: Path, source: Path) -> None:
        self.raw = home / "raw"
        self.raw.mkdir(parents=True)
        self.waiting = sorted(source.glob("*.csv"))
        self.project = Project.open(output=home, source=str(self.raw), export="none", generations=2)
        self.builds: list[float] = []

    def deliver(self, days: int) -> None:
        """The next days arrive."""
        for path in self.waiting[:days]:
            (self.raw / path.name).hardlink_to(path)
        del self.waiting[:days]

    def build(self, *, full: bool = False) -> BuildResult:
        """Judge what arrived, and build; only the build is timed."""
        warehouse = self.project._warehouse()  # noqa: SLF001 -- the gate is not to be timed
        with warehouse.hold("build"):
            checked, entries = self.project._check(warehouse)  # noqa: SLF001
            with self.project._engine(warehouse.scratch) as engine:  # noqa: SLF001
                builder = Builder(
                    warehouse=warehouse, engine=engine, config=self.project.config,
                    contract=self.project.contract, own_models=None, program=__version__,
                )  # fmt: skip
                with timed(self.builds):
                    return builder.build(entries, checked, full=full)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 if the ratio is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--days", type=int, nargs="+", default=[14, 90, 365])
    parser.add_argument("--events", type=int, default=5000, help="events a day")
    parser.add_argument("--runs", type=int, default=5, help="days added, one by one")
    asked = parser.parse_args(arguments)
    place = Path(tempfile.mkdtemp(prefix="tallymark-bench-"))
    try:
        return compare(place, sorted(asked.days), asked.events, asked.runs)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def compare(place: Path, histories: Sequence[int], events: int, runs: int) -> int:
    """Build each history, add days, and print what they cost."""
    make_shop(place / "shop", days=max(histories) + runs, events_per_day=events, seed=SEED)
    shops = {}
    for days in histories:
        shop = shops[days] = Growing(place / f"after-{days}", place / "shop" / "raw")
        # Every shop gets the same last days, so that they cost the same but for history.
        del shop.waiting[: max(histories) - days]
        shop.deliver(days)
        shop.build()
        print(f"{days:>5} days of history built in {shop.builds.pop():.2f} s", file=sys.stderr)
    reasons = {}
    for _ in range(runs):
        for days, shop in shops.items():
            shop.deliver(1)
            reasons[days] = shop.build().reason
    shortest = statistics.median(shops[histories[0]].builds)
    print(f"{'history':>9} {'one more day':>14} {'ratio':>7}   what was computed")
    worst = 0.0
    for days, shop in shops.items():
        cost = statistics.median(shop.builds)
        worst = cost / shortest
        print(f"{days:>4} days {cost:>12.2f} s {worst:>7.2f}   {reasons[days]}")
    longest = shops[histories[-1]]
    longest.build(full=True)
    print(f"a full refresh of {histories[-1] + runs} days: {longest.builds[-1]:.2f} s")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
