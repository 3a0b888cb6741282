"""A shop of a few hand-made events: written as deliveries, built, and asked for its rows."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallymark.engine.warehouse import EXPORTED, Warehouse
from tallymark.project import Project
from tallymark.results import BuildResult

__all__ = [
    "AGENT",
    "BOT",
    "HOUR",
    "MINUTE",
    "SECOND",
    "Event",
    "Shop",
    "cart",
    "checkout",
    "order",
    "stamp",
    "view",
]

COLUMNS = (
    "client_id",
    "page_url",
    "referrer",
    "timestamp",
    "event_name",
    "event_data",
    "user_agent",
)
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
HOME = "https://www.lamps.example/"
SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
_START = dt.datetime(2031, 5, 5)  # noqa: DTZ001 -- the tables hold UTC without a zone


@dataclass(frozen=True, slots=True)
class Event:
    """One row of a delivery; ``at`` is milliseconds since the first day's midnight."""

    at: int
    client: str = "ann"
    name: str = "page_viewed"
    url: str = HOME
    referrer: str = ""
    data: str = ""
    agent: str = AGENT

    def cells(self) -> dict[str, str]:
        """The row as it is delivered."""
        values = (
            self.client, self.url, self.referrer, f"{stamp(self.at).isoformat()}Z", self.name,
            self.data, self.agent,
        )  # fmt: skip
        return dict(zip(COLUMNS, values, strict=True))


def stamp(at: int) -> dt.datetime:
    """The time that many milliseconds after the first day's midnight."""
    return _START + dt.timedelta(milliseconds=at)


def view(at: int, client: str = "ann", **more: str) -> Event:
    """A page view."""
    return Event(at, client, **more)


def cart(at: int, client: str = "ann", **more: str) -> Event:
    """Something put into the cart."""
    return Event(at, client, "product_added_to_cart", **more)


def checkout(at: int, client: str = "ann", **more: str) -> Event:
    """A checkout that was started."""
    return Event(at, client, "checkout_started", **more)


def order(
    at: int,
    client: str = "ann",
    *,
    number: str | None = "L-1",
    revenue: float | str | None = 20,
    email: str | None = None,
    item: str | None = "Lamp",
    agent: str = AGENT,
) -> Event:
    """A purchase of one item."""
    payload = {
        "transaction_id": number,
        "revenue": revenue,
        "currency": "EUR",
        "user_email": email,
        "items": [
            {"item_id": "1", "item_name": item, "quantity": 1, "item_price": revenue},
        ],
    }
    said = {key: value for key, value in payload.items() if value is not None}
    return Event(at, client, "checkout_completed", data=json.dumps(said), agent=agent)


class Shop:
    """A folder with deliveries in ``raw/`` and what is built of them beside it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.raw = home / "raw"
        self.raw.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def name(day: int) -> str:
        """The file of the delivery of a day, counted from 0."""
        return f"events_{_START + dt.timedelta(days=day):%Y%m%d}.csv"

    def deliver(
        self, day: int | str, events: Iterable[Event], *, without: Sequence[str] = ()
    ) -> Path:
        """Write one delivery, in the order given; ``without`` leaves columns out."""
        path = self.raw / (self.name(day) if isinstance(day, int) else day)
        header = [name for name in COLUMNS if name not in without]
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, header, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(event.cells() for event in events)
        return path

    def model(self, name: str, sql: str) -> Path:
        """Write a model of the shop's own."""
        path = self.home / "models" / f"{name}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(sql, encoding="utf-8")
        return path

    def build(self, **settings: Any) -> BuildResult:
        """Build what lies in ``raw/``."""
        full = settings.pop("full", False)
        return Project.open(self.home, source=str(self.raw), **settings).build(full=full)

    def project(self) -> Project:
        """The shop as a project."""
        return Project.open(self.home, source=str(self.raw))

    @property
    def warehouse(self) -> Warehouse:
        """What was built."""
        return Warehouse(self.home / "warehouse")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the published tables."""
        engine = self.warehouse.open()
        try:
            return engine.rows(sql)
        finally:
            engine.close()

    def values(self, sql: str) -> list[Any]:
        """The first column of a query over the published tables."""
        return [row[0] for row in self.rows(sql)]

    def exports(self) -> Mapping[str, bytes]:
        """The bytes of the exported tables."""
        root = self.home / "warehouse"
        return {table: (root / f"{table}.csv").read_bytes() for table in EXPORTED}
