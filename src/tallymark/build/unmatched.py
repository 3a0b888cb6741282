"""Sources that no list or rule knows: how much comes from them, and what may be done."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tallymark.channel_rules import SOURCE_LISTS
from tallymark.classify.shipped import document, table
from tallymark.config import Config
from tallymark.engine.currency import currency_until
from tallymark.engine.duckdb import DuckEngine

__all__ = ["Unmatched", "Unmatches", "find_unmatched"]

_CLOSE = 80  # of 100: as many letters alike as a word with one letter wrong has
_SHORTEST = 4  # letters of a word below which one wrong letter makes another word
_LONGEST = 60
# What may be somebody's: an address, a telephone number, a hash.
_ADDRESS = re.compile(r"\S+(?:@|%40)\S+")
_NUMBER = re.compile(r"\+?\d[\d ()-]{6,}\d")
_HASH = re.compile(r"\b(?=\w*\d)[0-9a-f]{16,}\b")
_MEDIUMS = (
    "cpc", "ppc", "paid", "retargeting", "display", "banner", "interstitial", "expandable", "cpm",
    "social", "social-media", "video", "organic", "referral", "app", "link", "email", "affiliate",
    "audio", "sms", "push", "notification", "ai-assistant",
)  # fmt: skip
# Parts of the names of hosts, and what hosts of such names mostly are.
_TELLS: tuple[tuple[str, str], ...] = (
    (r"(^|[.-])(pay|payments?|checkout|3ds|acs|secure|securesuite|bank\w*|wallet)[.-]", "pay"),
    (r"(^|[.-])(web|e|post)?mail\d*[.-]", "email"),
    (r"(^|[.-])(search|suche|recherche|buscador)[.-]", "search"),
)
_ADVICE = {
    "pay": "looks like a payment page: name it under shop.payment_hosts, and returns keep the "
    "channel before",
    "email": "looks like a mailbox: name it under channels.sources.email",
    "search": "looks like a search engine: name it under channels.sources.search",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """Sessions of one unknown source.

    Attributes:
        kind: ``tags`` that no rule knows (Unassigned), a ``paid`` source on no list (Paid Other),
            or a ``referrer`` on no list (Referral).
        source: The utm_source or the host; what may be personal is hidden.
        medium: The utm_medium.
        sessions: Sessions, without bots and internal traffic.
        orders: Their counted orders.
        revenue: The revenue of those.
        suggestion: What may be done.
    """

    kind: str
    source: str
    medium: str
    sessions: int
    orders: int
    revenue: Decimal
    suggestion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatches:
    """All of them, the most revenue first, then the most sessions.

    Attributes:
        sessions: Sessions in the warehouse, without bots and internal traffic.
        revenue: Revenue of their counted orders.
        currency: Of that revenue.
        unmatched: Unknown sources.
        more: How many further ones are not named.
    """

    sessions: int
    revenue: Decimal
    currency: str
    unmatched: Sequence[Unmatched]
    more: int


def find_unmatched(engine: DuckEngine, config: Config, limit: int) -> Unmatches:
    """Look for unknown sources in the sessions of a warehouse.

    Args:
        engine: The warehouse, opened.
        config: Its currency and own hosts.
        limit: How many to name.
    """
    people = (
        "fct_sessions where not coalesce(cast(is_bot as boolean), false) "
        "and not coalesce(cast(is_internal as boolean), false)"
    )
    sums = (
        "count(*), cast(coalesce(sum(cast(orders as bigint)), 0) as bigint), "
        "cast(coalesce(sum(cast(revenue as decimal(18,4))), 0) as decimal(18,4))"
    )
    everything = engine.rows(f"select {sums} from {people}")[0]
    rows = engine.rows(
        "select case when channel_rule = 'unassigned' then 'tags' when channel_rule = 'paid_other' "
        "then 'paid' else 'referrer' end as kind, cast(source as varchar), "
        f"cast(medium as varchar), {sums} from {people} "
        "and channel_rule in ('unassigned', 'paid_other', 'referrer') group by all order by 1, 2, 3"
    )
    pages = engine.rows(f"select distinct landing_page from {people} and landing_page is not null "
                        "order by 1 limit 1000")  # fmt: skip
    own = sorted({match[1] for (page,) in pages if (match := _SHOP_HOST.match(str(page)))})
    found: dict[tuple[str, str, str], list[tuple[int, int, Decimal]]] = {}
    for kind, source, medium, *counts in rows:
        key = (kind, _hidden(source or ""), _hidden(medium or ""))
        found.setdefault(key, []).append((counts[0], counts[1], counts[2]))
    listed = [
        Unmatched(
            kind=kind, source=source, medium=medium, sessions=sum(one[0] for one in counts),
            orders=sum(one[1] for one in counts),
            revenue=sum((one[2] for one in counts), Decimal(0)),
            suggestion=_suggestion(kind, source, medium, own),
        )
        for (kind, source, medium), counts in found.items()
        if kind != "paid" or source not in _words()
    ]  # fmt: skip
    listed.sort(key=lambda one: (-one.revenue, -one.sessions, one.kind, one.source, one.medium))
    return Unmatches(
        sessions=everything[0], revenue=everything[2],
        currency=currency_until(engine, config.shop.currency),
        unmatched=listed[:limit], more=max(0, len(listed) - limit),
    )  # fmt: skip


_SHOP_HOST = re.compile(r"https?://(?:www\.)?([^/:.]+)\.")


def _hidden(value: str) -> str:
    """A tag or host without what may be somebody's."""
    value = _ADDRESS.sub("(an address)", value)
    value = _HASH.sub(lambda match: f"{match[0][:6]}…", value)
    value = _NUMBER.sub("(a number)", value)
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"


@functools.cache
def _words() -> dict[str, str]:
    """Every word and host that the shipped lists of sources know, and its name."""
    tree = document("sources")
    return {
        word: name
        for kind in SOURCE_LISTS
        for name, words in table(tree[kind]).items()
        for word in (name, *words.split())
    }


def _nearest(word: str, words: Iterable[str]) -> str | None:
    from rapidfuzz import fuzz, process  # noqa: PLC0415 -- only this report needs it

    if len(word) < _SHORTEST:
        return None
    found = process.extractOne(word, sorted(words), scorer=fuzz.ratio, score_cutoff=_CLOSE)
    return str(found[0]) if found is not None else None


def _suggestion(kind: str, source: str, medium: str, own: Sequence[str]) -> str:
    """What may be done about one unknown source, in a sentence."""
    if kind == "referrer":
        return _about_host(source, own)
    if kind == "tags" and medium not in _MEDIUMS:
        near = _nearest(medium, _MEDIUMS) or _part_of(medium)
        if near is not None:
            return f"the medium {medium!r} looks like {near!r}: tag the links so, or add a rule"
    near = _nearest(source, _words()) if source not in _words() else None
    if near is not None:
        return f"the source {source!r} looks like {near!r}: tag the links so, or add a source"
    if kind == "paid":
        return "name it under channels.sources, or give it a rule, if it is no advertising network"
    return "give it a channel under channels.rules in tallymark.yml"


def _part_of(medium: str) -> str | None:
    """A medium that is a word of another: newsletter-email, instagram_social."""
    parts = set(re.split(r"[^a-z0-9]+", medium))
    return next((one for one in _MEDIUMS if one in parts), None)


def _about_host(host: str, own: Sequence[str]) -> str:
    labels = host.split(".")
    for name in own:
        if name in labels and len(name) >= _SHORTEST:
            return "carries the shop's own name: if it is the shop's, name it under shop.own_hosts"
    for pattern, kind in _TELLS:
        if re.search(pattern, host):
            return _ADVICE[kind]
    return "a plain referral; give it a channel under channels.rules if it is a partner"
