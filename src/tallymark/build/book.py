"""What a publication was made of: its deliveries, the dates of their rows, and its settings.

The next build compares its own with the one that the catalog keeps, and so learns which dates
changed and whether anything changed that touches all of them.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from tallymark.build.graph import Model
from tallymark.config import Config, fingerprint
from tallymark.contract import Contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import FORMAT, Warehouse
from tallymark.ingest.deliveries import date_in_name
from tallymark.ingest.landing_sql import landed_view

__all__ = ["Book", "Held", "kept_book", "open_book", "settings_of", "state_of"]

# Keys of tallymark.yml that no table depends on.
_OUTSIDE = frozenset(
    {"version", "input", "contract", "check_rules", "monitor_rules", "on_rename", "export",
     "exports", "reports", "generations", "engine", "quarantine", "alerts", "publish"}
)  # fmt: skip
_TABLES = ("built_deliveries", "built_days")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One delivery as it was built.

    Attributes:
        delivery: Its key.
        file: Its landed file, relative to the warehouse; None if it has no rows.
        date: The date that the gate gave it.
        day: The same, where its name states none and most of its rows are of that date: such a
            delivery is dated by its rows.
        counted: Fingerprint of what else of it is counted by date.
        dates: Rows by event date.
    """

    delivery: str
    file: str | None
    date: str | None
    day: str | None
    counted: str
    dates: Mapping[str, int] = field(default_factory=dict)

    @property
    def stated(self) -> str | None:
        """The date that its rows were delivered for, if any is known."""
        named = date_in_name(self.delivery)
        return str(named) if named is not None else self.day


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All deliveries of a build by key, and the fingerprints of its settings by their name."""

    held: Mapping[str, Held]
    settings: Mapping[str, str]

    @property
    def days(self) -> dict[str, str]:
        """The dates of deliveries that are dated by their rows."""
        return {key: one.day for key, one in self.held.items() if one.day is not None}

    @property
    def rows(self) -> dict[str, int]:
        """Rows by event date."""
        found: dict[str, int] = {}
        for one in self.held.values():
            for day, rows in one.dates.items():
                found[day] = found.get(day, 0) + rows
        return found

    def has_late(self) -> bool:
        """Whether any row came after its own day."""
        return any(
            one.stated is not None and day < one.stated
            for one in self.held.values()
            for day in one.dates
        )

    def bounds(self, *, on_time: bool) -> tuple[str, str] | None:
        """The first and the last date with events; with those that came on time, if asked so."""
        days = [
            day
            for one in self.held.values()
            for day in one.dates
            if not on_time or one.stated is None or one.stated <= day
        ]
        return (min(days), max(days)) if days else None

    def hour_days(self, *, on_time: bool) -> frozenset[str]:
        """The dates that the hourly metrics have rows of, be there events or not."""
        named = [one.date for one in self.held.values() if one.date]
        bounds = self.bounds(on_time=on_time)
        if bounds is None or not named:
            return frozenset()
        first = dt.date.fromisoformat(max(min(named), bounds[0]))
        last = dt.date.fromisoformat(min(max(named), bounds[1]))
        return frozenset(
            (first + dt.timedelta(days=number)).isoformat()
            for number in range((last - first).days + 1)
        )

    def files(self, root: Path, dates: Iterable[str] | None = None) -> list[Path]:
        """The landed files that hold rows of any of these dates; all of them if None."""
        wanted = None if dates is None else frozenset(dates)
        return [
            root / one.file
            for one in self.held.values()
            if one.file and (wanted is None or not wanted.isdisjoint(one.dates))
        ]

    def tables(self) -> dict[str, dict[str, tuple[str, Sequence[Any]]]]:
        """The deliveries as tables of the catalog; :func:`kept_book` reads them again."""
        held = sorted(self.held.values(), key=lambda one: one.delivery)
        pairs = [(one.delivery, day, one.dates[day]) for one in held for day in sorted(one.dates)]
        return {
            "built_deliveries": {
                "delivery": ("varchar", [one.delivery for one in held]),
                "file": ("varchar", [one.file for one in held]),
                "date": ("varchar", [one.date for one in held]),
                "day": ("varchar", [one.day for one in held]),
                "counted": ("varchar", [one.counted for one in held]),
            },
            "built_days": {
                "delivery": ("varchar", [delivery for delivery, _, _ in pairs]),
                "date": ("varchar", [day for _, day, _ in pairs]),
                "rows": ("bigint", [rows for _, _, rows in pairs]),
            },
        }


def settings_of(
    config: Config, contract: Contract, models: Mapping[str, Model], texts: Sequence[str],
    program: str,
) -> dict[str, str]:  # fmt: skip
    """The fingerprint of everything but deliveries that tables depend on, by what people call it.

    Args:
        config: The configuration; a key that nobody declared to be outside counts.
        contract: The contract.
        models: All models.
        texts: The files beside the shop's own models.
        program: The version of Tallymark.
    """
    keys = sorted(type(config).model_fields.keys() - _OUTSIDE)
    return {
        **{
            f"the {key} settings": fingerprint(
                json.dumps(config.model_dump(mode="json", include={key}), sort_keys=True)
            )
            for key in keys
        },
        "the contract": fingerprint(contract),
        **{f"the model {name}": fingerprint(one.sql) for name, one in sorted(models.items())},
        "the tests beside the models": fingerprint(*texts),
        "the version of Tallymark": program,
        "the version of DuckDB": duckdb.__version__,
    }


def state_of(inputs: str, settings: Mapping[str, str]) -> str:
    """The fingerprint of everything the tables depend on.

    Args:
        inputs: The fingerprint of the deliveries.
        settings: What :func:`settings_of` says.
    """
    return fingerprint(inputs, json.dumps(sorted(settings.items())))


def open_book(
    engine: DuckEngine,
    root: Path,
    entries: Sequence[Mapping[str, Any]],
    settings: Mapping[str, str],
    before: Book | None,
) -> Book:
    """The book of a build that is about to be made; reads only landed files that are new.

    Args:
        engine: To read them with.
        root: The warehouse.
        entries: The gate's judgement of every delivery.
        settings: What :func:`settings_of` says.
        before: The book of the last publication.
    """
    old = before.held if before is not None else {}
    known: dict[str, Mapping[str, int]] = {
        one["delivery"]: old[one["delivery"]].dates
        for one in entries
        if one["delivery"] in old and old[one["delivery"]].file == one["file"]
    }
    new = [one for one in entries if one["file"] and one["delivery"] not in known]
    known |= _dates(engine, [root / one["file"] for one in new])
    held = {}
    for one in entries:
        key = one["delivery"]
        dates = known.get(key, {})
        undated = bool(one["file"]) and date_in_name(key) is None
        # A file of many days has no day: its rows were known on their own days.
        of_one_day = undated and dates and 2 * max(dates.values()) > sum(dates.values())
        counts = ("rows_read", "rows_accepted", "rows_quarantined", "fields")
        held[key] = Held(
            delivery=key, file=one["file"], date=one["date"],
            day=one["date"] if of_one_day else None,
            counted=fingerprint(json.dumps([one[name] for name in counts], sort_keys=True)),
            dates=dates,
        )  # fmt: skip
    return Book(held=held, settings=settings)


def _dates(engine: DuckEngine, paths: Sequence[Path]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    if paths:
        for delivery, day, rows in engine.rows(
            "select delivery, cast(event_date as varchar), count(*) "
            f"from ({landed_view(paths, {})}) where rejected = 0 group by delivery, event_date"
        ):
            found.setdefault(delivery, {})[day] = rows
    return found


def kept_book(warehouse: Warehouse) -> Book | None:
    """The book of the last publication; None if there is none, or one of an older format."""
    meta = warehouse.meta()
    if meta.get("format") != FORMAT or "settings" not in meta:
        return None
    dates: dict[str, dict[str, int]] = {}
    for delivery, day, rows in warehouse.rows(f"select * from cat.{_TABLES[1]}"):
        dates.setdefault(delivery, {})[day] = rows
    held = {
        delivery: Held(
            delivery=delivery, file=file, date=date, day=day, counted=counted,
            dates=dates.get(delivery, {}),
        )
        for delivery, file, date, day, counted in warehouse.rows(f"select * from cat.{_TABLES[0]}")
    }  # fmt: skip
    return Book(held=held, settings=json.loads(meta["settings"]))
