"""Channels: ordered rules as data, the first match wins, and the winning rule is recorded.

A rule of the shop's own that holds decides. Else what a landing says is asked in this order, and
the first that says anything decides:

1. UTM tags, by the rules of ``channels.yml``. Where the medium says nothing, a click id of the
   platform named by the source says it; with somebody else's source the click was not ours.
2. An affiliate network's parameter, then a click id alone.
3. The referrer: the shop's own host or a payment host is no source; a listed host has a
   channel; any other is a referral.
4. Nothing at all is Direct only if the landing was seen and the referrer was collected.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tallymark.channel_rules import CHANNELS, ChannelRule, ChannelSettings
from tallymark.classify.clicks import CLICK_IDS, ClickId, same_platform
from tallymark.classify.own import OwnRule
from tallymark.classify.shipped import document
from tallymark.classify.sources import Source, WordIndex, known_sources, sources_of
from tallymark.errors import ConfigError

__all__ = ["CHANNELS", "Channels", "Landing", "Traffic"]

NOT_SET = "(not set)"
DIRECT_SOURCE, DIRECT_MEDIUM = "(direct)", "(none)"
AFFILIATE_MEDIUM = "affiliate"
CACHE_SIZE = 1 << 16
"""Distinct sources, mediums and campaigns remembered, each."""

_FIELDS = {
    "source_in": "source",
    "source_is": "source",
    "medium_is": "medium",
    "medium_like": "medium",
    "campaign_like": "campaign",
}


@dataclass(frozen=True, slots=True)
class Landing:
    """How one session began; equal landings get equal answers.

    Attributes:
        utm_source: The tag as decoded from the URL; so are the next two.
        utm_medium: The tag, or ``None``.
        utm_campaign: The tag, or ``None``.
        click_id: The name of the first parameter of ``CLICK_IDS`` on the page, as ``gclid``.
        partner: The network of the first parameter of ``PARTNERS`` on the page.
        referrer_host: The host of the referrer, from ``host_of``.
        own: The referrer's host is the shop's own or a payment host.
        landing_seen: The session's first event is a page view.
        referrer_collected: The delivery had the referrer column.
    """

    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    click_id: str | None
    partner: str | None
    referrer_host: str | None
    own: bool
    landing_seen: bool
    referrer_collected: bool


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where a session came from.

    Attributes:
        source: Tag, name or host in lower case; ``(direct)``, or ``(not set)`` if unknown.
        medium: In lower case; ``(none)`` for Direct, ``(not set)`` if unknown.
        campaign: The tag as delivered, trimmed.
        channel: One of ``CHANNELS``.
        rule: The rule that decided.
        inherits: There is no source here: the client's previous channel inside the look-back
            holds, and ``Unknown`` only where there is none.
    """

    source: str
    medium: str
    campaign: str | None
    channel: str
    rule: str
    inherits: bool = False


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    channel: str
    alternatives: tuple[frozenset[str], ...]
    """Conditions as text, ``medium_like:paid``; a rule holds if all of one set are facts."""
    asks: str
    """The same for people."""


def _clean(value: str | None) -> str:
    return " ".join(value.lower().split()) if value else ""


class Channels:
    """The rules, compiled.

    Args:
        tree: The content of ``channels.yml``.
        sources: The lists that ``source_in`` and the referrer are looked up in.
        own: Rules of the shop, asked first.

    Raises:
        ConfigError: A rule names a channel, condition or pattern that does not exist.
    """

    def __init__(
        self,
        tree: Mapping[str, Any],
        sources: WordIndex[Source],
        own: Sequence[ChannelRule] = (),
    ) -> None:
        self._sources = sources
        self._own = tuple(OwnRule(rule) for rule in own)
        self._absent = frozenset(tree["placeholders"]) | {""}
        self._patterns = {name: re.compile(like) for name, like in tree["patterns"].items()}
        self._rules = tuple(self._compile(rule) for rule in tree["rules"])
        self._referrers: Mapping[str, Mapping[str, str]] = tree["referrers"]
        for name, row in self._referrers.items():
            _known("channel", row["channel"], CHANNELS, f"referrers.{name}")
        used = {fact for rule in self._rules for facts in rule.alternatives for fact in facts}
        self._used = frozenset(used)
        remember = functools.lru_cache(maxsize=CACHE_SIZE)
        self._source_facts = remember(self._read_source)
        self._medium_facts = remember(self._read_medium)
        self._campaign_facts = remember(self._read_campaign)
        self._first = remember(self._first_rule)

    @classmethod
    def shipped(cls) -> Channels:
        """The rules and lists that ship with Tallymark."""
        return cls(document("channels"), known_sources())

    @classmethod
    def of_shop(cls, settings: ChannelSettings) -> Channels:
        """The shipped rules and lists, behind what a shop says of its own channels."""
        return cls(document("channels"), sources_of(settings.sources), settings.rules)

    def classify(self, landing: Landing) -> Traffic:
        """The source, medium and channel of one landing."""
        found = self._shipped(landing)
        for rule in self._own:
            if rule.misses(landing, found) is None:
                return rule.decide(landing, found)
        return found

    def shipped_answer(self, landing: Landing) -> Traffic:
        """The same without the rules of the shop."""
        return self._shipped(landing)

    @property
    def own_rules(self) -> Sequence[OwnRule]:
        """The rules of the shop, in order."""
        return self._own

    def rules_for(self, landing: Landing) -> list[tuple[str, str, bool]]:
        """The rules of tags in order: id, what it asks, and whether it holds for the tags alone.

        Empty for a landing without tags, which none of these rules is asked about.
        """
        source, medium, campaign = self._tags(landing)
        if not (source or medium or campaign):
            return []
        facts = self._medium_facts(medium)
        facts |= self._source_facts(source) | self._campaign_facts(campaign)
        return [
            (rule.id, rule.asks, any(conditions <= facts for conditions in rule.alternatives))
            for rule in self._rules
        ]

    def _tags(self, landing: Landing) -> tuple[str, str, str]:
        source, medium, campaign = (
            "" if value in self._absent else value
            for value in map(_clean, (landing.utm_source, landing.utm_medium, landing.utm_campaign))
        )
        return source, medium, campaign

    def _shipped(self, landing: Landing) -> Traffic:
        source, medium, campaign = self._tags(landing)
        click_name, click = _click(landing.click_id)
        if source or medium or campaign:
            return self._tagged(landing, (source, medium, campaign), click_name, click)
        if landing.partner:
            network = _clean(landing.partner)
            return Traffic(network, AFFILIATE_MEDIUM, None, "Affiliates", "partner_parameter")
        if click is not None:
            return self._clicked(landing, click_name, click)
        return self._untagged(landing)

    def classify_all(self, landings: Sequence[Landing]) -> list[Traffic]:
        """The same for many, in their order; equal landings are classified once."""
        known = {landing: self.classify(landing) for landing in dict.fromkeys(landings)}
        return [known[landing] for landing in landings]

    # ------------------------------------------------------------ the four questions

    def _tagged(
        self, landing: Landing, tags: tuple[str, str, str], name: str, click: ClickId | None
    ) -> Traffic:
        source, medium, campaign = tags
        said = landing.utm_campaign.strip() if campaign and landing.utm_campaign else None
        rule = self._match(source, medium, campaign)
        ours = click is not None and (not source or same_platform(click, source))
        # The source list alone must not turn an advertisement into an unpaid visit: if the
        # medium is silent, the platform's own click id knows whether the click was paid.
        if click is not None and ours and self._match("", medium, "") is None:
            # A platform has more names (gdn, microsoft) than the lists of sources.
            name_known = source and self._sources.by_tag(source) is not None
            who = source if name_known else click.source
            stand_in = self._match(who, click.medium, campaign)
            if stand_in is not None and (rule is None or rule.channel != stand_in.channel):
                return Traffic(
                    source or click.source,
                    medium or click.medium,
                    said,
                    stand_in.channel,
                    f"click_id:{name}",
                )
        if rule is not None:
            channel, reason = rule.channel, rule.id
        elif landing.partner:
            channel, reason = "Affiliates", "partner_parameter"
        else:
            channel, reason = "Unassigned", "unassigned"
        return Traffic(source or NOT_SET, medium or NOT_SET, said, channel, reason)

    def _clicked(self, landing: Landing, name: str, click: ClickId) -> Traffic:
        rule = self._match(click.source, click.medium, "")
        channel = rule.channel if rule else "Unassigned"
        source = click.source
        # Facebook marks links on Instagram too: where the referrer tells the same channel, it
        # tells the better name.
        referrer = None if landing.own else self._sources.by_host(_host(landing.referrer_host))
        if referrer and self._referrers[referrer.kind]["channel"] == channel:
            source = referrer.name
        return Traffic(source, click.medium, None, channel, f"click_id:{name}")

    def _untagged(self, landing: Landing) -> Traffic:
        host = _host(landing.referrer_host)
        if landing.own:
            return Traffic(NOT_SET, NOT_SET, None, "Unknown", "own_or_payment_host", inherits=True)
        if host:
            found = self._sources.by_host(host)
            row = self._referrers[found.kind if found else "other"]
            if found is None or found.kind == "other":
                name, rule = host.removeprefix("www."), "referrer"
            else:
                name, rule = found.name, f"referrer_{found.kind}"
            return Traffic(name, row["medium"], None, row["channel"], rule)
        if not landing.referrer_collected:
            return Traffic(NOT_SET, NOT_SET, None, "Unknown", "referrer_not_collected")
        if not landing.landing_seen:
            return Traffic(NOT_SET, NOT_SET, None, "Unknown", "landing_not_seen")
        return Traffic(DIRECT_SOURCE, DIRECT_MEDIUM, None, "Direct", "direct")

    # ------------------------------------------------------------ the rules

    def _match(self, source: str, medium: str, campaign: str) -> _Rule | None:
        facts = self._medium_facts(medium)
        facts |= self._source_facts(source) | self._campaign_facts(campaign)
        return self._first(facts)

    def _first_rule(self, facts: frozenset[str]) -> _Rule | None:
        for rule in self._rules:
            if any(conditions <= facts for conditions in rule.alternatives):
                return rule
        return None

    def _read_source(self, source: str) -> frozenset[str]:
        found = self._sources.by_tag(source)
        facts = {f"source_is:{source}", f"source_in:{found.kind if found else ''}"}
        return self._used & facts

    def _read_medium(self, medium: str) -> frozenset[str]:
        facts = {f"medium_like:{name}" for name in self._like(medium)}
        return self._used & {f"medium_is:{medium}", *facts}

    def _read_campaign(self, campaign: str) -> frozenset[str]:
        return self._used & {f"campaign_like:{name}" for name in self._like(campaign)}

    def _like(self, value: str) -> list[str]:
        return [name for name, like in self._patterns.items() if value and like.search(value)]

    def _compile(self, raw: Mapping[str, Any]) -> _Rule:
        """One rule; a condition with several values becomes as many alternatives."""
        _known("channel", raw["channel"], CHANNELS, raw["id"])
        alternatives: list[frozenset[str]] = []
        for when in raw["when"]:
            sets: list[frozenset[str]] = [frozenset()]
            for condition, wanted in when.items():
                _known("condition", condition, tuple(_FIELDS), raw["id"])
                values = wanted if isinstance(wanted, list) else [wanted]
                if condition.endswith("_like"):
                    for value in values:
                        _known("pattern", value, tuple(self._patterns), raw["id"])
                sets = [facts | {f"{condition}:{value}"} for facts in sets for value in values]
            alternatives += sets
        return _Rule(raw["id"], raw["channel"], tuple(alternatives), _asks(raw["when"]))


_ASKS = {
    "source_in": "the source is on the list {}",
    "source_is": "the source is {}",
    "medium_is": "the medium is {}",
    "medium_like": "the medium reads like {}",
    "campaign_like": "the campaign reads like {}",
}


def _asks(when: Sequence[Mapping[str, Any]]) -> str:
    """What a rule asks, in words: any of the alternatives, each of them wholly."""
    return "; or ".join(
        " and ".join(
            _ASKS[condition].format(" or ".join(wanted if isinstance(wanted, list) else [wanted]))
            for condition, wanted in one.items()
        )
        for one in when
    )


def _known(what: str, word: str, words: Sequence[str], rule: str) -> None:
    if word not in words:
        raise ConfigError(
            f"rule {rule!r} names the {what} {word!r}, which does not exist",
            where="channels.yml",
            fix=f"one of: {', '.join(words)}",
        )


@functools.cache
def _click_spellings() -> Mapping[str, str]:
    return {name.lower(): name for name in reversed(list(CLICK_IDS))}


def _click(name: str | None) -> tuple[str, ClickId | None]:
    spelling = _click_spellings().get(_clean(name), "")
    return spelling, CLICK_IDS.get(spelling)


def _host(host: str | None) -> str:
    return host.strip().lower().removesuffix(".") if host else ""
