"""How long the watch takes over a year: one day judged, and a replay of every day.

A simulated shop's metrics (the shipped 21 metrics and their kinds, hours too) are put into tables
of the embedded engine. Measured after start, as `tallymark monitor` does it: reading the tables
and judging the last day, which judges all days before it; then every day with its full report.
Wanted on two cores: under 2 and under 60 seconds.

    .venv/bin/python -m bench.monitor_speed
"""

from __future__ import annotations

import argparse
import statistics
import time

from bench.detectors.shops import Shop
from tallymark.config import MonitorRules, load
from tallymark.engine.duckdb import DuckEngine
from tallymark.monitor.report import as_json
from tallymark.monitor.tables import Tables
from tallymark.monitor.watch import Watch

DAY_LIMIT, REPLAY_LIMIT = 2.0, 60.0
YEAR = 366  # a year of history, and the day
EVENTS = 20_000.0


def warehouse(tables: Tables, days: int) -> DuckEngine:
    """The tables that the watch reads, for so many days."""
    engine = DuckEngine(threads=2)
    rows = [
        (tables.date(day), metric, segment, *map(_plain, (one.value[day], one.numerator[day],
                                                          one.denominator[day])))
        for (metric, segment), one in tables.series.items()
        if metric not in {"rows_accepted", "quarantined_share", "repeated_share"}
        for day in range(days)
    ]  # fmt: skip
    rows += [
        (tables.date(day), "repeated_events", "all", *([_plain(float(n))] * 2), None)
        for day, n in enumerate(tables.series[("repeated_share", "all")].numerator[:days])
    ]
    columns = list(zip(*rows, strict=True))
    engine.values(
        "metrics_daily",
        {
            "date": ("date", list(columns[0])),
            "metric": ("varchar", list(columns[1])),
            "segment": ("varchar", list(columns[2])),
            "known_value": ("double", list(columns[3])),
            "known_numerator": ("decimal(18, 4)", list(columns[4])),
            "known_denominator": ("decimal(18, 4)", list(columns[5])),
        },
    )
    hours = [
        (tables.date(day), hour, metric, float(counts[day, hour]))
        for metric, counts in tables.hourly.items()
        for day in range(days)
        for hour in range(24)
    ]
    slots = list(zip(*hours, strict=True))
    engine.values(
        "metrics_hourly",
        {
            "date": ("date", list(slots[0])),
            "hour": ("integer", list(slots[1])),
            "metric": ("varchar", list(slots[2])),
            "segment": ("varchar", ["all"] * len(hours)),
            "known_value": ("double", list(slots[3])),
        },
    )
    return engine


def _plain(value: float) -> float | None:
    return None if value != value else float(value)  # noqa: PLR0124 -- NaN is not itself


def main() -> None:
    """Time both, several times; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    shop = Shop(1, EVENTS)
    engine = warehouse(shop.tables(), YEAR)
    rules = load(MonitorRules, None, "rules/monitor.yml")
    rules = rules.model_copy(update={"promotions": shop.calendar()})
    one_day, replay = [], []
    for _ in range(options.runs):
        started = time.perf_counter()
        watch = Watch(engine, rules)
        as_json(watch.judge(watch.days()[-1]))
        one_day.append(time.perf_counter() - started)
        started = time.perf_counter()
        watch = Watch(engine, rules)
        for day in watch.days():
            as_json(watch.judge(day))
        replay.append(time.perf_counter() - started)
    engine.close()
    print("| what | seconds, median | wanted below |")
    print("| --- | ---: | ---: |")
    print(f"| one day after a year | {statistics.median(one_day):.2f} | {DAY_LIMIT:.0f} |")
    print(f"| replay of a year | {statistics.median(replay):.2f} | {REPLAY_LIMIT:.0f} |")


if __name__ == "__main__":
    main()
