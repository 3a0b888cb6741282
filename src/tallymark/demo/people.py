"""Who comes and when: people, their clients (cookies), devices and visits; and the crawlers.

Visits are planned here, with the channel each came by. Later parts fill them with events but
never move them, so that the truth about sessions and touches is known before any file exists.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tallymark.demo.agents import BOTS, BROWSERS
from tallymark.demo.chance import Flags, Floats, Ints, cells, pick, stream, tokens
from tallymark.demo.season import DAY_MS, HOUR_MS, Season, day_weights, hour_weights
from tallymark.demo.traffic import CHANNELS, FIRST_VISITS, LATER_VISITS

__all__ = ["AGENTS", "ANONYMOUS_SHARE", "BOT_SHARE", "EVENTS_PER_VISIT", "Visits", "plan_visits"]

AGENTS: tuple[str, ...] = tuple(agent for agent, _ in (*BROWSERS, *BOTS))
"""Every user agent; browsers first, then crawlers. Visits hold indices into this."""

BOT_SHARE = 0.08
"""Share of all rows that are crawlers' page views with a client id of their own."""
ANONYMOUS_SHARE = 0.007
"""Share of all rows that are crawlers' page views without a client id."""
EVENTS_PER_VISIT = 2.44
"""Mean events of a person's visit, as :mod:`tallymark.demo.journeys` makes them (measured)."""

_SECOND_CLIENT = 0.08  # share of people who also come with a second device
_LATER_VISITS = 0.45  # mean number of further visits of a client
_MOST_LATER_VISITS = 12
_SAME_DAY = 0.35  # share of further visits that follow within hours
_LAG_FADE = 0.78
_LONGEST_LAG = 21  # days
_SOONEST_MS = 45 * 60_000
_SAME_DAY_MEAN_MS = 3 * HOUR_MS
_OLD_COOKIE = 0.12
_OLDEST_COOKIE_S = 390 * 86_400


@dataclasses.dataclass(frozen=True, slots=True)
class Visits:
    """Planned visits, ordered by client and start; crawlers' visits stand at the end.

    Attributes:
        client: Index of the client; a visit without a client id has an index of its own.
        person: Index of the person behind the client; -1 for crawlers.
        start: Milliseconds since 1970.
        channel: Index into ``CHANNELS``.
        agent: Index into ``AGENTS``; the same for all visits of a client.
        later: Whether the client had been here before.
        is_bot: Whether a crawler made it.
        anonymous: Whether its rows carry no client id.
        client_ids: The id of each client, by its index; empty for anonymous ones.
    """

    client: Ints
    person: Ints
    start: Ints
    channel: Ints
    agent: Ints
    later: Flags
    is_bot: Flags
    anonymous: Flags
    client_ids: list[str]

    def only(self, keep: Flags) -> Visits:
        """The visits for which ``keep`` is true, in the same order."""
        chosen = {
            field.name: getattr(self, field.name)[keep]
            for field in dataclasses.fields(self)
            if field.name != "client_ids"
        }
        return dataclasses.replace(self, **chosen)


def plan_visits(plan: Season, events_per_day: int, seed: int) -> Visits:
    """Plan the visits of people and crawlers for about ``events_per_day`` rows a day."""
    rows = plan.days * events_per_day
    wanted = rows * (1 - BOT_SHARE - ANONYMOUS_SHARE) / EVENTS_PER_VISIT
    client, start, owner = _people(plan, wanted, stream(seed, "people"))
    order = np.lexsort((start, client))
    client, start = client[order], start[order]
    first = np.ones(len(client), dtype=np.bool_)
    first[1:] = client[1:] != client[:-1]
    first_seen = start[first]
    inside = (start >= plan.start_ms) & (start < plan.end_ms)
    client, start, later = client[inside], start[inside], ~first[inside]
    seen, client = np.unique(client, return_inverse=True)
    chance = stream(seed, "devices")
    agents = pick(chance, [weight for _, weight in BROWSERS], len(seen))
    ids = _client_ids(first_seen[seen], chance)
    _, people = np.unique(owner[seen], return_inverse=True)
    bots, anonymous = _crawlers(plan, rows, stream(seed, "crawlers"))
    bot_agents = pick(chance, [weight for _, weight in BOTS], len(bots)) + len(BROWSERS)
    ids += [
        "" if unnamed else name
        for unnamed, name in zip(anonymous.tolist(), _client_ids(bots, chance, 0.0), strict=True)
    ]
    made_by_bot = np.zeros(len(client) + len(bots), dtype=np.bool_)
    made_by_bot[len(client) :] = True
    no_bots = np.zeros(len(client), dtype=np.bool_)
    return Visits(
        client=np.concatenate((client, len(seen) + np.arange(len(bots)))),
        person=np.concatenate((people[client], np.full(len(bots), -1))),
        start=np.concatenate((start, bots)),
        channel=np.concatenate(
            (_channels(later, stream(seed, "channels")), np.full(len(bots), _DIRECT))
        ),
        agent=np.concatenate((agents[client], bot_agents)),
        later=np.concatenate((later, np.zeros(len(bots), dtype=np.bool_))),
        is_bot=made_by_bot,
        anonymous=np.concatenate((no_bots, anonymous)),
        client_ids=ids,
    )


_DIRECT = CHANNELS.index("Direct")  # a crawler sends neither referrer nor tag


def _lags() -> Floats:
    """Probability that a further visit falls so many days (0, 1, ...) after the first."""
    later = _LAG_FADE ** np.arange(1, _LONGEST_LAG + 1)
    return np.concatenate(([_SAME_DAY], (1 - _SAME_DAY) * later / later.sum()))


def _people(plan: Season, wanted: float, chance: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Clients and starts of all visits (unordered), and each client's person.

    People begin to come some days before the first, so that the first day already has
    visitors who return.
    """
    before = min(_LONGEST_LAG, plan.days)
    weights = day_weights(plan, before, chance)
    lags = _lags()
    clients = weights + _SECOND_CLIENT * np.convolve(weights, lags)[: len(weights)]
    visits = clients + _LATER_VISITS * np.convolve(clients, lags)[: len(weights)]
    grid = np.outer(weights * wanted / visits[before:].sum(), hour_weights())
    grid /= hour_weights().sum()
    cell, part = cells(chance, grid.ravel(), int(chance.poisson(grid.sum())))
    start = plan.start_ms - before * DAY_MS
    people = start + cell * HOUR_MS + (part * HOUR_MS).astype(np.int64)
    doubled = np.flatnonzero(chance.random(len(people)) < _SECOND_CLIENT)
    first = np.concatenate((people, _again(people[doubled], chance)))
    owner = np.concatenate((np.arange(len(people)), doubled))
    further = np.minimum(
        chance.geometric(1 / (1 + _LATER_VISITS), len(first)) - 1, _MOST_LATER_VISITS
    )
    returning = np.repeat(np.arange(len(first)), further)
    again = _again(first[returning], chance)
    return np.concatenate((np.arange(len(first)), returning)), np.concatenate((first, again)), owner


def _again(first: Ints, chance: np.random.Generator) -> Ints:
    """A later moment for each of some first visits: hours later, or on another day."""
    lag, _ = cells(chance, _lags(), len(first))
    hour, part = cells(chance, hour_weights(), len(first))
    another_day = (first // DAY_MS + lag) * DAY_MS + ((hour + part) * HOUR_MS).astype(np.int64)
    hours = chance.exponential(_SAME_DAY_MEAN_MS, len(first)).astype(np.int64)
    return np.where(lag > 0, another_day, first + _SOONEST_MS + hours)


def _crawlers(plan: Season, rows: int, chance: np.random.Generator) -> tuple[Ints, Flags]:
    """Moments of crawlers' requests, at all hours alike, and which carry no client id."""
    named = int(chance.poisson(rows * BOT_SHARE))
    unnamed = int(chance.poisson(rows * ANONYMOUS_SHARE))
    times = chance.integers(plan.start_ms, plan.end_ms, named + unnamed)
    return times, np.arange(named + unnamed) >= named


def _channels(later: Flags, chance: np.random.Generator) -> Ints:
    return np.where(
        later,
        pick(chance, LATER_VISITS, len(later)),
        pick(chance, FIRST_VISITS, len(later)),
    )


def _client_ids(seen: Ints, chance: np.random.Generator, old: float = _OLD_COOKIE) -> list[str]:
    """``<epoch second of the cookie's creation>-<12 url-safe characters>``."""
    age = np.where(
        chance.random(len(seen)) < old,
        chance.integers(86_400, _OLDEST_COOKIE_S, len(seen)),
        chance.integers(0, 3, len(seen)),
    )
    seconds = (seen // 1000 - age).tolist()
    words = tokens(chance, len(seen), 12)
    return [f"{second}-{word}" for second, word in zip(seconds, words, strict=True)]
