"""From planned events to the rows of one day's file."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping

import numpy as np

from tallymark.demo.catalogue import CHECKOUT_HOST, PAGES, SHOP_HOST
from tallymark.demo.chance import Ints, stream, tokens
from tallymark.demo.journeys import CHECKOUT, EVENT_NAMES, PURCHASE, Events
from tallymark.demo.people import AGENTS, Visits
from tallymark.demo.season import DAY_MS, Season
from tallymark.demo.traffic import landings

__all__ = ["COLUMNS", "DayTable", "iso", "isos", "tables"]

COLUMNS: tuple[str, ...] = (
    "client_id",
    "page_url",
    "referrer",
    "timestamp",
    "event_name",
    "event_data",
    "user_agent",
)
"""The columns of a delivery, in order."""

_SHOP = f"https://{SHOP_HOST}"
_CHECKOUT = f"https://{CHECKOUT_HOST}"
_PAYMENT = ("https://www.paypal.com/", "https://pay.klarna.com/", "https://checkout.stripe.com/")
_PAID_ELSEWHERE = 0.3  # share of returns from a checkout that come by a payment provider
_NO_OWN_REFERRER = 0.06  # share of later page views whose browser sends no referrer


@dataclasses.dataclass(slots=True)
class DayTable:
    """The rows of one day's file; incidents change it in place.

    Attributes:
        date: The day.
        ms: Time of each row, milliseconds since 1970, ascending.
        columns: Values by column name, in the order of the header; empty text for none.
        written: Whether the file is written at all.
    """

    date: dt.date
    ms: Ints
    columns: dict[str, list[str]]
    written: bool = True

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.ms)

    def keep(self, rows: Ints) -> None:
        """Reduce the table to some rows, in the order given."""
        wanted = rows.tolist()
        self.ms = self.ms[rows]
        for name, values in self.columns.items():
            self.columns[name] = [values[row] for row in wanted]

    def add(self, ms: Ints, columns: Mapping[str, list[str]]) -> None:
        """Add rows, and order all by time again; of equal times the older rows come first."""
        self.ms = np.concatenate((self.ms, ms))
        for name, values in self.columns.items():
            values.extend(columns[name])
        self.keep(np.argsort(self.ms, kind="stable"))


def iso(ms: int) -> str:
    """A time as the shop writes it, such as ``2026-01-05T00:00:01.750Z``."""
    return isos(np.array([ms], dtype=np.int64))[0]


def isos(ms: Ints) -> list[str]:
    """Times as the shop writes them."""
    days, first = np.unique(ms // DAY_MS, return_inverse=True)
    dates = [f"{text}T" for text in days.astype("M8[D]").astype(str).tolist()]
    rest = ms % DAY_MS
    seconds, thousandths = (rest // 1000).tolist(), (rest % 1000).tolist()
    return [
        f"{dates[day]}{_CLOCK[second]}{_MILLISECONDS[thousandth]}"
        for day, second, thousandth in zip(first.tolist(), seconds, thousandths, strict=True)
    ]


_CLOCK = [
    f"{hour:02d}:{minute:02d}:{second:02d}."
    for hour in range(24)
    for minute in range(60)
    for second in range(60)
]
_MILLISECONDS = [f"{thousandth:03d}Z" for thousandth in range(1000)]


def tables(
    plan: Season, visits: Visits, events: Events, payloads: Mapping[int, str], seed: int
) -> Iterator[DayTable]:
    """Render the days one after the other, oldest first.

    Args:
        plan: The days.
        visits: The planned visits.
        events: Their events, by time.
        payloads: JSON text of the events that have one, by row.
        seed: The shop's seed.
    """
    paint = _Painter(visits, events, seed)
    bounds = np.searchsorted(
        events.ms, plan.start_ms + DAY_MS * np.arange(plan.days + 1, dtype=np.int64)
    ).tolist()
    for index in range(plan.days):
        first, end = bounds[index], bounds[index + 1]
        yield paint.day(plan.day(index), first, end, payloads)


class _Painter:
    """Holds the text that rows share: client ids, landing URLs, agents, checkout tokens."""

    def __init__(self, visits: Visits, events: Events, seed: int) -> None:
        self._visits, self._events = visits, events
        first = np.zeros(len(visits.start), dtype=np.int64)
        on_landing = np.flatnonzero(events.landing)[::-1]
        first[events.visit[on_landing]] = events.page[on_landing]
        self._urls = [f"{_SHOP}{page.path}" for page in PAGES]
        pages = [self._urls[page] for page in first.tolist()]
        self._landing, self._source = landings(visits.channel, pages, stream(seed, "landings"))
        paying = np.unique(events.visit[events.kind >= CHECKOUT])
        words = tokens(stream(seed, "checkouts"), len(paying), 32)
        self._checkout = {
            visit: f"{_CHECKOUT}/checkouts/cn/{word}"
            for visit, word in zip(paying.tolist(), words, strict=True)
        }
        chance = stream(seed, "referrers")
        count = len(events.ms)
        self._silent = chance.random(count) < _NO_OWN_REFERRER
        paid = chance.random(count) < _PAID_ELSEWHERE
        self._provider = np.where(paid, chance.integers(0, len(_PAYMENT), count), -1)

    def day(self, date: dt.date, first: int, end: int, payloads: Mapping[int, str]) -> DayTable:
        part = slice(first, end)
        visit = self._events.visit[part]
        who = visit.tolist()
        names, agents = self._visits.client_ids, self._visits.agent[visit].tolist()
        client = self._visits.client[visit].tolist()
        page_urls, referrers = self._places(part, who)
        ms = self._events.ms[part]
        columns = {
            "client_id": [names[number] for number in client],
            "page_url": page_urls,
            "referrer": referrers,
            "timestamp": isos(ms),
            "event_name": [EVENT_NAMES[kind] for kind in self._events.kind[part].tolist()],
            "event_data": [payloads.get(row, "") for row in range(first, end)],
            "user_agent": [AGENTS[number] for number in agents],
        }
        return DayTable(date, ms, columns)

    def _places(self, part: slice, who: list[int]) -> tuple[list[str], list[str]]:
        """Page URL and referrer of each row."""
        events, urls = self._events, self._urls
        pages = [urls[page] for page in events.page[part].tolist()]
        silent = self._silent[part].tolist()
        before = events.before[part].tolist()
        referrers = [
            "" if quiet or page < 0 else urls[page]
            for quiet, page in zip(silent, before, strict=True)
        ]
        for at in np.flatnonzero(events.landing[part]).tolist():
            pages[at] = self._landing[who[at]]
            referrers[at] = self._source[who[at]]
        special = (events.kind[part] >= CHECKOUT) | events.returning[part]
        kinds = events.kind[part]
        for at in np.flatnonzero(special).tolist():
            checkout = self._checkout[who[at]]
            provider = int(self._provider[part.start + at])
            home = _PAYMENT[provider] if provider >= 0 else checkout
            kind = int(kinds[at])
            if kind == CHECKOUT:
                pages[at], referrers[at] = checkout, urls[before[at]]
            elif kind == PURCHASE:
                pages[at], referrers[at] = f"{checkout}/thank-you", home
            else:
                referrers[at] = home
        return pages, referrers
