"""Random histories of a very small shop, with all that makes a build of some days hard."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.build.shop import BOT, HOME, HOUR, MINUTE, Event, Shop, cart, checkout, order, view

__all__ = ["History"]

DAY = 24 * HOUR
DAYS = 26
ZONES = ("UTC", "UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia")
CLIENTS = ("ann", "bob", "cat", "dan", "eve", "flo", "gus", "")
LANDINGS: tuple[dict[str, str], ...] = (
    {},
    {"url": f"{HOME}?utm_source=newsletter&utm_medium=email"},
    {"url": f"{HOME}?gclid=1"},
    {"referrer": "https://www.google.com/"},
    {"referrer": "https://www.paypal.com/"},
    {"referrer": "https://www.paypal.com/"},
    {"referrer": HOME},
    {"agent": BOT},
    {"url": "https://staging.lamps.example/"},
)
NUMBERS = ("L-1", "L-2", "L-3", "L-4", "L-5", "L-6", "undefined", None)
EMAILS = (None, None, "a@x.example", "b@x.example", "c@x.example", "d@x.example")


@dataclass
class History:
    """A shop to which something happens again and again.

    Attributes:
        shop: Its folder.
        chance: What decides.
        told: What happened, for the message of a test that fails.
    """

    shop: Shop
    chance: random.Random
    told: list[str] = field(default_factory=list)
    delivered: dict[int | str, list[Event]] = field(default_factory=dict)

    def begin(self) -> None:
        """Settings, and a few days, perhaps not the first ones."""
        settings = (
            f"shop: {{timezone: {self.chance.choice(ZONES)}}}\n"
            f"sessions: {{gap_minutes: {self.chance.choice((30, 30, 30, 600, 1440))}, "
            f"break_at_midnight: {self.chance.choice(('false', 'false', 'true'))}}}\n"
            f"attribution: {{lookback_days: {self.chance.choice((1, 2, 7))}}}\n"
        )
        (self.shop.home / "tallymark.yml").write_text(settings, encoding="utf-8")
        self.told.append(settings)
        first = self.chance.randrange(6)
        for day in range(first, first + self.chance.randint(2, 12)):
            if self.chance.random() < 0.9:
                self._send(day, self._events(day))

    def go_on(self) -> None:
        """One to three things that happen between two runs."""
        for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
            what = self.chance.choice(self._kinds())
            what()

    def _kinds(self) -> list[Callable[[], None]]:
        return [
            self._next_day, self._next_day, self._next_day, self._any_day, self._corrected,
            self._shortened, self._again, self._undated, self._late_only, self._empty,
            self._at_work,
        ]  # fmt: skip

    # ------------------------------------------------------------ what happens

    def _next_day(self) -> None:
        last = max((day for day in self.delivered if isinstance(day, int)), default=0)
        day = last + self.chance.choice((1, 1, 1, 1, 3))
        self._send(day, self._events(day))

    def _any_day(self) -> None:
        day = self.chance.randrange(DAYS)
        self._send(day, self._events(day))

    def _one(self) -> int | str:
        return self.chance.choice(sorted(self.delivered, key=str))

    def _corrected(self) -> None:
        day = self._one()
        events = list(self.delivered[day])
        if events:
            place = self.chance.randrange(len(events))
            events[place] = self._event(events[place].at // DAY)
        self._send(day, events)

    def _shortened(self) -> None:
        day = self._one()
        events = list(self.delivered[day])
        self.chance.shuffle(events)
        self._send(day, sorted(events[: len(events) // 2], key=lambda one: one.at))

    def _again(self) -> None:
        day = self._one()
        name = f"again_{self.chance.randrange(3)}_{self.shop.name(self._number(day))}"
        self._send(name, list(self.delivered[day]))

    def _undated(self) -> None:
        day = self.chance.randrange(DAYS)
        self._send(f"export_{self.chance.choice('abc')}.csv", self._events(day))

    def _late_only(self) -> None:
        day = self.chance.randrange(DAYS)
        events = [self._event(max(0, day - self.chance.randint(1, 20))) for _ in range(2)]
        self._send(f"late_{self.shop.name(day)}", events)

    def _empty(self) -> None:
        self._send(self._one(), [])

    def _at_work(self) -> None:
        """A client without a pause for days: one session, over many deliveries."""
        day = self.chance.randrange(DAYS)
        client = self.chance.choice(("bot", "ann"))
        begin = day * DAY + self.chance.randrange(24) * HOUR
        count = self.chance.choice((30, 100, 400))
        events = [view(begin + number * 25 * MINUTE, client, agent=BOT) for number in range(count)]
        by_day: dict[int, list[Event]] = {}
        for event in events:
            by_day.setdefault(event.at // DAY, []).append(event)
        for of, some in by_day.items():
            self._send(f"ping_{client}_{self.shop.name(of)}", some)

    # ------------------------------------------------------------ events

    def _number(self, day: int | str) -> int:
        return day if isinstance(day, int) else self.chance.randrange(DAYS)

    def _send(self, day: int | str, events: list[Event]) -> None:
        without = ("referrer",) if self.chance.random() < 0.05 else ()
        self.delivered[day] = events
        self.told.append(f"{day}: {len(events)} rows{' without referrer' if without else ''}")
        self.shop.deliver(day, events, without=without)

    def _events(self, day: int) -> list[Event]:
        events = [self._event(day) for _ in range(self.chance.randint(0, 8))]
        late = self.chance.choice((0, 0, 1, 2))
        events += [self._event(max(0, day - self.chance.choice((1, 1, 2, 9)))) for _ in range(late)]
        if self.chance.random() < 0.1:
            events += events[:1]
        return events

    def _event(self, day: int) -> Event:
        chance = self.chance
        minute = chance.choice((chance.randrange(48) * 30, chance.choice((0, 10, 1430, 1439))))
        at = day * DAY + minute * MINUTE + chance.choice((0, 0, 1, 500))
        client = chance.choice(CLIENTS)
        kind = chance.random()
        if kind < 0.1:
            return cart(at, client)
        if kind < 0.2:
            return checkout(at, client)
        if kind < 0.5:
            return self._order(at, client)
        if kind < 0.55:
            refund = order(at, client, number=chance.choice(NUMBERS), revenue=5)
            return Event(at, client, "refund", data=refund.data)
        return view(at, client, **chance.choice(LANDINGS))

    def _order(self, at: int, client: str) -> Event:
        return order(
            at,
            client,
            number=self.chance.choice(NUMBERS),
            revenue=self.chance.choice((0, 10, 10, 20, "12.3456")),
            email=self.chance.choice(EMAILS),
            item=self.chance.choice(("Lamp", "Lamp", None)),
        )
