"""What one client with 30,000 sessions and 3,000 orders costs, beside as many of ordinary clients.

Prints the time of ``tallymark build`` for both, and how many rows of credit each leaves. With a
look-back of 90 days and a gap of one minute, all earlier sessions of the client lie inside the
look-back of each of its orders, which is as bad as it can get: without ``max_touches``, linear
credit alone would be 45 million rows.

    .venv/bin/python bench/adversary.py
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

from tallymark.project import Project

START = dt.datetime(2031, 5, 5, tzinfo=dt.UTC)
HEADER = (
    "client_id",
    "page_url",
    "referrer",
    "timestamp",
    "event_name",
    "event_data",
    "user_agent",
)
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/141.0.0.0 Safari/537.36"
SETTINGS = "sessions: {gap_minutes: 1}\nattribution: {lookback_days: 90}\ngenerations: 1\n"
MEDIUMS = ("email", "cpc", "social", "")
SPACING = dt.timedelta(minutes=2)


def write(path: Path, sessions: int, orders: int, clients: int) -> None:
    """One delivery of sessions of one view each, every so many with an order at its end."""
    chance = random.Random(1)  # noqa: S311 -- the same shop each time
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(HEADER)
        for number in range(sessions):
            client = f"client-{chance.randrange(clients)}"
            at = START + number * SPACING
            medium = chance.choice(MEDIUMS)
            url = f"https://www.lamps.example/?utm_source=a&utm_medium={medium}"
            rows.writerow((client, url, "", at.isoformat(), "page_viewed", "", AGENT))
            if number % (sessions // orders) == 0:
                data = {
                    "transaction_id": f"L-{number}",
                    "revenue": chance.randrange(1, 20_000) / 100,
                }
                bought = (at + dt.timedelta(seconds=5)).isoformat()
                rows.writerow(
                    (client, url, "", bought, "checkout_completed", json.dumps(data), AGENT)
                )


def build(home: Path) -> tuple[float, int]:
    """Seconds of one full build, and the rows of credit that it leaves."""
    project = Project.open(home, source=str(home / "raw"))
    project.build()
    started = time.perf_counter()
    result = project.build(full=True)
    return time.perf_counter() - started, result.tables["fct_attribution"]


def main() -> None:
    """Make both shops, build them in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=30_000)
    parser.add_argument("--orders", type=int, default=3_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    shops = {"ordinary clients": max(given.sessions // 3, 1), "one client": 1}
    seconds: dict[str, list[float]] = {name: [] for name in shops}
    rows = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, clients in shops.items():
            raw = Path(scratch, name, "raw")
            raw.mkdir(parents=True)
            (raw.parent / "tallymark.yml").write_text(SETTINGS, encoding="utf-8")
            write(raw / "events.csv", given.sessions, given.orders, clients)
        for _ in range(given.runs):
            for name in shops:
                spent, rows[name] = build(Path(scratch, name))
                seconds[name].append(spent)
    print(f"{given.sessions:,} sessions, {given.orders:,} orders; median of {given.runs} builds")
    print(f"{'':20}{'seconds':>9}{'rows of credit':>16}")
    medians = [statistics.median(seconds[name]) for name in shops]
    for name, median in zip(shops, medians, strict=True):
        print(f"{name:20}{median:9.2f}{rows[name]:16,}")
    print(f"{'ratio':20}{medians[1] / medians[0]:9.2f}{'':16}  (at most 2 wanted)")


if __name__ == "__main__":
    main()
