"""Why a visit has its channel: every rule that was asked, up to the one that decided."""

from __future__ import annotations

from dataclasses import dataclass

from tallymark.classify.channels import Channels, Landing

__all__ = ["Tried", "explain"]

NO_TAGS = "utm_tags"
CLICK = "click_id"


@dataclass(frozen=True, slots=True)
class Tried:
    """One rule that was asked.

    Attributes:
        rule: Its id, as channel_rule has it.
        holds: Whether it decided.
        why: What it asks if it decided, else why it did not.
    """

    rule: str
    holds: bool
    why: str


def explain(channels: Channels, landing: Landing) -> list[Tried]:
    """The rules that were asked of a landing, in order; the last one decided."""
    decided = channels.classify(landing).rule
    found = channels.shipped_answer(landing)
    tried: list[Tried] = []
    for rule in channels.own_rules:
        missing = rule.misses(landing, found)
        tried.append(Tried(rule.id, missing is None, missing or rule.asks))
        if missing is None:
            return tried
    tags = channels.rules_for(landing)
    tried += _of_tags(tags, landing, decided) if tags else _of_the_rest(landing, decided)
    return tried


def _of_tags(tags: list[tuple[str, str, bool]], landing: Landing, decided: str) -> list[Tried]:
    tried: list[Tried] = []
    for rule, asks, holds in tags:
        if rule == decided:
            return [*tried, Tried(rule, holds=True, why=asks)]
        # A rule that holds can still be overruled: by the platform's own click id.
        why = f"holds, but the medium is silent and {landing.click_id} knows better"
        tried.append(Tried(rule, holds=False, why=why if holds else f"asks: {asks}"))
        if holds:
            break
    return [*tried, Tried(decided, holds=True, why=_WHY.get(decided, _WHY[CLICK]))]


def _of_the_rest(landing: Landing, decided: str) -> list[Tried]:
    """The questions asked of a visit without tags, in their order."""
    tried: list[Tried] = []
    host = landing.referrer_host or ""
    asked = [
        (NO_TAGS, "the page has no UTM source, medium or campaign"),
        ("partner_parameter", "the page has no parameter of an affiliate network"),
        (f"{CLICK}:{landing.click_id or ''}".rstrip(":"), "the page has no known click id"),
        ("own_or_payment_host", f"{host} is neither the shop's own nor a payment host" if host
         else "there is no referrer"),
        ("referrer", f"{host} is not told apart" if host else "there is no referrer"),
        ("referrer_not_collected", "the delivery had the referrer column"),
        ("landing_not_seen", "the session began with a page view"),
    ]  # fmt: skip
    for rule, why_not in asked:
        name = rule.partition(":")[0]
        if decided.partition(":")[0] == name or (name == "referrer" and host and
                                                 decided.startswith("referrer_") and
                                                 decided not in _WHY):  # fmt: skip
            break
        tried.append(Tried(rule, holds=False, why=why_not))
    name = decided.partition(":")[0]
    why = _WHY.get(name) or f"{host} is on the list {decided.removeprefix('referrer_')}"
    return [*tried, Tried(decided, holds=True, why=why)]


_WHY = {
    "unassigned": "there are tags, and no rule knows them",
    "partner_parameter": "an affiliate network left its parameter on the page",
    CLICK: "the click id tells how its platform brought the visit",
    "own_or_payment_host": "the shop's own and payment hosts are no source: the client's previous "
    "channel inside the look-back holds, else Unknown",
    "referrer": "the referrer is on no list: a plain referral",
    "referrer_not_collected": "the delivery had no referrer column, so nothing is known",
    "landing_not_seen": "the session did not begin with a page view, so nothing is known",
    "direct": "a page view was seen, its referrer was collected and empty, and nothing is tagged",
}
