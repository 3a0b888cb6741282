"""What happens in a visit: pages, carts, pop-ups, checkouts and purchases, with their times."""

from __future__ import annotations

import dataclasses

import numpy as np

from tallymark.demo.catalogue import PAGES, PRODUCT_PAGES, PRODUCTS
from tallymark.demo.chance import Flags, Floats, Ints, pick, stream
from tallymark.demo.people import Visits
from tallymark.demo.season import Season
from tallymark.demo.traffic import BUYING

__all__ = [
    "CART",
    "CHECKOUT",
    "EVENT_NAMES",
    "PAGE",
    "POPUP",
    "PURCHASE",
    "SESSION_GAP_MS",
    "Events",
    "plan_events",
]

SESSION_GAP_MS = 30 * 60_000
"""A gap of more than this between two events of a client begins another session."""

PAGE, POPUP, CART, CHECKOUT, PURCHASE = range(5)
EVENT_NAMES: tuple[str, ...] = (
    "page_viewed",
    "email_filled_on_popup",
    "product_added_to_cart",
    "checkout_started",
    "checkout_completed",
)
"""The name of each kind of event, by its number."""

_ORDER_RATE = 0.0093  # of people's visits; test orders, 3 %, among them
_CHECKOUT_RATE = 0.42  # of visits with a cart
_PURCHASE_RATE = 0.36  # of visits with a checkout
_LATER_BUYS = 1.7
_PROMOTION_BUYS = 1.25
_BOUNCE = 0.47
_FURTHER_PAGES = 2.2  # mean of a visit that does not bounce
_CART_PAGES = 1.6  # further pages still of a visit with a cart
_MOST_PAGES = 40
_SECOND_CART = 0.25
_POPUP_RATE = 0.025
_AFTER_PURCHASE = 0.35
_AFTER_CHECKOUT = 0.30
_LONG_PAUSE = 0.012

_SLOT = 8  # moments within one page: the view, pop-up, carts, checkout, purchase
_STEPS = _SLOT * (_MOST_PAGES + 64)

# Seconds before each kind of event: (median, sigma of the logarithm).
_PAUSES = {PAGE: (34, 1.1), POPUP: (11, 0.6), CART: (24, 0.9), CHECKOUT: (40, 0.9)}
_PAUSES[PURCHASE] = (150, 0.7)
_SHORTEST_MS = 350
_LONGEST_MS = SESSION_GAP_MS - 1_000


@dataclasses.dataclass(frozen=True, slots=True)
class Events:
    """All rows in the order of the files: by time, then by visit and step.

    Attributes:
        visit: Index of the visit.
        ms: Milliseconds since 1970.
        kind: ``PAGE`` to ``PURCHASE``.
        page: Index into ``PAGES``; for checkout events the page they came from.
        before: The page its browser came from within the visit, or -1.
        landing: Whether it happened on the landing page.
        returning: Whether it is the page view after a checkout.
    """

    visit: Ints
    ms: Ints
    kind: Ints
    page: Ints
    before: Ints
    landing: Flags
    returning: Flags

    def only(self, keep: Flags | Ints) -> Events:
        """The chosen rows."""
        return Events(*(getattr(self, f.name)[keep] for f in dataclasses.fields(self)))


def plan_events(visits: Visits, plan: Season, seed: int) -> tuple[Visits, Events]:
    """Fill visits with events.

    A visit that would begin within half an hour of the client's visit before it is dropped,
    and events after the last day are cut, so that each visit that remains is one session.

    Returns:
        The visits that remain, and all their events in the order of the files.
    """
    events = _steps(visits, plan, stream(seed, "steps"))
    events = _timed(visits, events, stream(seed, "pauses"))
    keep = _separate(visits, events, plan.start_ms)
    number = np.cumsum(keep) - 1
    events = events.only(keep[events.visit] & (events.ms < plan.end_ms))
    events = dataclasses.replace(events, visit=number[events.visit])
    return visits.only(keep), events.only(np.argsort(events.ms, kind="stable"))


def _carts(visits: Visits, plan: Season, chance: np.random.Generator) -> Flags:
    """Which visits put something into the cart."""
    wish: Floats = np.array(BUYING)[visits.channel] * np.where(visits.later, _LATER_BUYS, 1.0)
    for promotion in plan.promotions:
        wish = wish * np.where(plan.within(promotion, visits.start), _PROMOTION_BUYS, 1.0)
    wish[visits.is_bot] = 0.0
    people = max(1, int((~visits.is_bot).sum()))
    mean = _ORDER_RATE / _CHECKOUT_RATE / _PURCHASE_RATE
    total = float(wish.sum()) or 1.0
    flags: Flags = chance.random(len(wish)) < wish * (mean * people / total)
    return flags


def _steps(visits: Visits, plan: Season, chance: np.random.Generator) -> Events:
    """Every event but its time: which kind, at which page, in which order within its visit."""
    count = len(visits.start)
    everyone = np.arange(count)
    cart = _carts(visits, plan, chance)
    pages = 1 + np.where(
        chance.random(count) < _BOUNCE, 0, chance.geometric(1 / _FURTHER_PAGES, count)
    )
    pages = np.where(cart, np.maximum(pages, 2) + chance.poisson(_CART_PAGES, count), pages)
    pages = np.where(visits.is_bot, 1, np.minimum(pages, _MOST_PAGES))
    popup = ~visits.is_bot & (chance.random(count) < _POPUP_RATE)
    carted = everyone[cart]
    twice = carted[chance.random(len(carted)) < _SECOND_CART]
    started = carted[chance.random(len(carted)) < _CHECKOUT_RATE]
    bought = chance.random(len(started)) < _PURCHASE_RATE
    purchased = started[bought]
    back = started[chance.random(len(started)) < np.where(bought, _AFTER_PURCHASE, _AFTER_CHECKOUT)]
    view = np.repeat(everyone, pages)
    starts = np.cumsum(pages) - pages
    place = np.arange(len(view)) - starts[view]
    shown = _pages(place, chance)
    at_popup = (chance.random(int(popup.sum())) * pages[popup]).astype(np.int64)
    at_cart = _later_place(pages[carted], chance)
    at_second = _later_place(pages[twice], chance)
    products = np.array([product.weight for product in PRODUCTS])
    for who, where in ((carted, at_cart), (twice, at_second)):
        chosen = pick(chance, products.tolist(), len(who))
        shown[starts[who] + where] = np.array(PRODUCT_PAGES)[chosen]
    last = pages - 1
    parts = (
        (view, place * _SLOT, PAGE),
        (everyone[popup], at_popup * _SLOT + 1, POPUP),
        (carted, at_cart * _SLOT + 2, CART),
        (twice, at_second * _SLOT + 3, CART),
        (started, last[started] * _SLOT + 4, CHECKOUT),
        (purchased, last[purchased] * _SLOT + 5, PURCHASE),
        (back, pages[back] * _SLOT, PAGE),
    )
    visit = np.concatenate([part[0] for part in parts])
    step = np.concatenate([part[1] for part in parts])
    kind = np.concatenate([np.full(len(part[0]), part[2], dtype=np.int64) for part in parts])
    order = np.argsort(visit * _STEPS + step, kind="stable")
    visit, kind, place = visit[order], kind[order], step[order] // _SLOT
    returning = place == pages[visit]
    page = np.where(returning, 0, shown[np.minimum(starts[visit] + place, len(shown) - 1)])
    on_page = place - (kind < CHECKOUT)
    before = np.where(on_page < 0, -1, shown[starts[visit] + np.minimum(on_page, last[visit])])
    return Events(
        visit=visit,
        ms=np.zeros(len(visit), dtype=np.int64),
        kind=kind,
        page=page,
        before=before,
        landing=(place == 0) & (kind < CHECKOUT),
        returning=returning,
    )


def _later_place(pages: Ints, chance: np.random.Generator) -> Ints:
    """One of a visit's pages after the landing."""
    return 1 + (chance.random(len(pages)) * (pages - 1)).astype(np.int64)


def _pages(place: Ints, chance: np.random.Generator) -> Ints:
    """Which page each view shows: landings and later pages have their own favourites."""
    landing = pick(chance, [page.landing for page in PAGES], len(place))
    inner = pick(chance, [page.inner for page in PAGES], len(place))
    return np.where(place == 0, landing, inner)


def _timed(visits: Visits, events: Events, chance: np.random.Generator) -> Events:
    """The same events with their times; no pause within a visit reaches half an hour."""
    count = len(events.visit)
    median = np.array([_PAUSES[kind][0] for kind in range(len(EVENT_NAMES))], dtype=np.float64)
    sigma = np.array([_PAUSES[kind][1] for kind in range(len(EVENT_NAMES))])
    normal = chance.standard_normal(count)
    pause = 1000.0 * median[events.kind] * np.exp(sigma[events.kind] * normal)
    long = chance.random(count) < _LONG_PAUSE
    pause = np.where(long, chance.uniform(SESSION_GAP_MS / 6, _LONGEST_MS, count), pause)
    whole = np.clip(pause, _SHORTEST_MS, _LONGEST_MS).astype(np.int64)
    first = np.ones(count, dtype=np.bool_)
    first[1:] = events.visit[1:] != events.visit[:-1]
    whole[first] = 0
    passed = np.cumsum(whole)
    since = passed - passed[np.flatnonzero(first)][events.visit]
    return dataclasses.replace(events, ms=visits.start[events.visit] + since)


def _separate(visits: Visits, events: Events, origin: int) -> Flags:
    """Which visits begin more than half an hour after everything their client did before."""
    last = np.ones(len(events.visit), dtype=np.bool_)
    last[:-1] = events.visit[1:] != events.visit[:-1]
    ends = events.ms[last]
    span = int(ends.max(initial=origin)) - origin + 2 * SESSION_GAP_MS
    so_far = np.maximum.accumulate(visits.client * span + ends - origin)
    begins = visits.client * span + visits.start - origin
    keep = np.ones(len(ends), dtype=np.bool_)
    same = visits.client[1:] == visits.client[:-1]
    keep[1:] = ~(same & (begins[1:] - so_far[:-1] <= SESSION_GAP_MS))
    return keep
