"""``make_shop``: one call that makes a shop's files and the truth about them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tallymark.demo.chance import stream
from tallymark.demo.journeys import Events, plan_events
from tallymark.demo.orders import Order, plan_orders, plan_popups
from tallymark.demo.people import Visits, plan_visits
from tallymark.demo.planting import Planted, Planter, incident_names
from tallymark.demo.render import DayTable, tables
from tallymark.demo.scene import Parcel
from tallymark.demo.season import Season, season
from tallymark.demo.truth import Setting, write_truth
from tallymark.demo.write import FORMATS, DayWriter, Format
from tallymark.errors import UsageError

__all__ = ["Planted", "Truth", "incident_names", "make_shop", "simulate"]

World = tuple[Visits, Events, Mapping[int, Order]]

_EVENT_FILE = re.compile(r"events_[0-9]{8}(_2)?\.(csv|csv\.gz|csv\.zst|jsonl|parquet)")
_TRUTH_FILES = ("truth.json", "sessions.csv", "orders.csv", "attribution.csv")
_MOST_DAYS = 3660
_EPOCH = dt.date(1970, 1, 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Truth:
    """What was made, and what is true of it.

    Attributes:
        directory: The shop's folder; deliveries in ``raw/``, truth in ``truth/``.
        files: The files of events, oldest first.
        totals: Counts and revenue of the clean shop, as under ``totals`` in ``truth.json``.
        incidents: What was done to the files, in the order asked for.
    """

    directory: Path
    files: tuple[Path, ...]
    totals: Mapping[str, Any]
    incidents: tuple[Planted, ...]

    @property
    def path(self) -> Path:
        """The machine-readable truth."""
        return self.directory / "truth" / "truth.json"


def make_shop(
    directory: Path,
    *,
    days: int,
    events_per_day: int,
    seed: int,
    incidents: Sequence[str] = (),
    fmt: Format = "csv",
    start: dt.date = dt.date(2026, 1, 5),
    promotions: bool = True,
) -> Truth:
    """Simulate a shop and write its deliveries and the truth about them.

    The same arguments give the same bytes. Incidents change files only: with and without them
    the shop underneath is the same. A shop made here before is replaced; other files are not.

    Args:
        directory: Receives ``raw/events_YYYYMMDD.csv`` (or of another format) and ``truth/``.
        days: How many days, 1 to 3660.
        events_per_day: Mean number of rows a day, about.
        seed: Any whole number from 0; another seed is another shop.
        incidents: Specifications ``NAME@DAY[..DAY][:key=value,...]``.
        fmt: Format of the deliveries.
        start: The first day (UTC).
        promotions: Whether shops of four weeks and more have planned promotions.

    Raises:
        UsageError: If an argument cannot be, an incident is unknown or finds nothing to touch,
            or ``raw/`` holds files that no earlier call made.
    """
    _refuse_impossible(days, events_per_day, seed, fmt, start)
    planter = Planter(incidents, start, days, seed)
    former = _former_files(directory)
    plan = season(start, days, stream(seed, "season"), promotions=promotions)
    (visits, events, orders), rendered = simulate(plan, events_per_day, seed)
    making = directory / ".making"
    shutil.rmtree(making, ignore_errors=True)
    for folder in ("raw", "truth"):
        (making / folder).mkdir(parents=True)
    try:
        files = _write_days(rendered, planter, making / "raw", fmt)
        planted = planter.planted()
        setting = Setting(plan, seed, events_per_day, fmt)
        world = (visits, events, list(orders.values()))
        totals = write_truth(making / "truth", setting, world, files, planted)
        _move(making, directory, former)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    paths = tuple(directory / str(entry["path"]) for entry in files)
    return Truth(directory, paths, totals, planted)


def simulate(plan: Season, events_per_day: int, seed: int) -> tuple[World, Iterator[DayTable]]:
    """Simulate a shop without incidents and without writing anything.

    Args:
        plan: The days.
        events_per_day: Mean number of rows a day, about.
        seed: Any whole number from 0.

    Returns:
        The planned visits, events and orders by row, and the days' rows, oldest first.
    """
    visits, events = plan_events(plan_visits(plan, events_per_day, seed), plan, seed)
    orders = plan_orders(visits, events, plan, seed)
    payloads = {row: order.payload for row, order in orders.items()}
    payloads |= plan_popups(visits, events, seed)
    return (visits, events, orders), tables(plan, visits, events, payloads, seed)


def _write_days(
    days: Iterable[DayTable], planter: Planter, folder: Path, fmt: Format
) -> list[dict[str, Any]]:
    """Plant the incidents and write the files; path, date, rows and columns of each."""
    files: list[dict[str, Any]] = []
    with DayWriter(folder, fmt) as writer:
        for table in days:
            planter.plant(table)
            name = writer.write(table)
            if name is not None:
                entry = {
                    "path": f"raw/{name}",
                    "date": table.date.isoformat(),
                    "rows": len(table),
                    "columns": list(table.columns),
                }
                parcel = Parcel(folder, entry, files)
                planter.befall(table, parcel)
                files += [entry, *parcel.more]
    return files


def _refuse_impossible(days: int, events_per_day: int, seed: int, fmt: str, start: dt.date) -> None:
    if not 1 <= days <= _MOST_DAYS:
        raise UsageError(f"a shop of {days} days cannot be made", fix=f"use 1 to {_MOST_DAYS}")
    if events_per_day < 1:
        raise UsageError(f"{events_per_day} events a day are too few", fix="use 1 or more")
    if seed < 0:
        raise UsageError(f"the seed {seed} is negative", fix="use a whole number from 0")
    if fmt not in FORMATS:
        raise UsageError(
            f"{fmt!r} is no format of deliveries", fix=f"use one of {', '.join(FORMATS)}"
        )
    if (dt.date.max - start).days <= days or start < _EPOCH:
        raise UsageError(f"a shop cannot start on {start.isoformat()}", fix="use 1970 or later")


def _former_files(directory: Path) -> list[Path]:
    """Files of a shop made here before, all of which may go.

    Raises:
        UsageError: If ``raw/`` holds files that the truth beside it does not list.
    """
    raw, truth = directory / "raw", directory / "truth"
    there = sorted(raw.iterdir()) if raw.is_dir() else []
    listed: set[str] = set()
    try:
        document = json.loads((truth / "truth.json").read_text(encoding="utf-8"))
        listed = {Path(str(entry["path"])).name for entry in document["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        listed = set()
    foreign = [path for path in there if path.name not in listed]
    foreign += [path for path in there if not _EVENT_FILE.fullmatch(path.name)]
    if foreign:
        raise UsageError(
            f"there are files here that no simulation made, such as {foreign[0].name}",
            where=str(raw),
            fix="give an empty or a new folder",
        )
    return [*there, *(truth / name for name in _TRUTH_FILES)]


def _move(making: Path, directory: Path, former: Sequence[Path]) -> None:
    """Put the finished shop in the place of the former one; the truth comes last."""
    for path in former:
        path.unlink(missing_ok=True)
    for folder in ("raw", "truth"):
        target = directory / folder
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted((making / folder).iterdir(), key=lambda p: p.name == "truth.json"):
            path.replace(target / path.name)
