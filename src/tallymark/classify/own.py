"""Rules of channels that a shop wrote itself, ready to be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tallymark.channel_rules import CONDITIONS, ChannelRule
from tallymark.classify.hosts import HostIndex

if TYPE_CHECKING:
    from tallymark.classify.channels import Landing, Traffic

__all__ = ["OWN", "OwnRule", "like"]

OWN = "own:"
"""Stands before the id of a rule of the shop in the rule that decided."""
_SAID_NOTHING = frozenset({"", "(direct)", "(none)", "(not set)"})
_ANYTHING = "*"
_SHOWN = 60


def like(value: str, pattern: str) -> bool:
    """Whether a value reads like a pattern in which ``*`` stands for any text, in linear time.

    >>> like("spring-sale-2031", "spring*2031"), like("offspring", "spring*")
    (True, False)
    """
    first, *rest = pattern.split(_ANYTHING)
    if not rest:
        return value == pattern
    *middle, last = rest
    if not value.startswith(first) or len(value) < len(first) + len(last):
        return False
    place, end = len(first), len(value) - len(last)
    for part in middle:
        found = value.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return value.endswith(last)


class OwnRule:
    """One rule of the shop.

    Args:
        rule: As it stands in the configuration.
    """

    def __init__(self, rule: ChannelRule) -> None:
        self.id = f"{OWN}{rule.id}"
        self.channel = rule.channel
        self._hosts = HostIndex(dict.fromkeys(rule.referrer, True))
        self._wanted = {
            name: tuple(" ".join(one.lower().split()) for one in getattr(rule, name))
            for name in CONDITIONS
            if getattr(rule, name)
        }

    @property
    def asks(self) -> str:
        """What it asks, in words."""
        said = [f"{_PLAIN[name]} is {' or '.join(words)}" for name, words in self._wanted.items()]
        return " and ".join(said)

    def misses(self, landing: Landing, found: Traffic) -> str | None:
        """Why it does not hold, in words; ``None`` if it does.

        Args:
            landing: How the session began.
            found: What the shipped rules say: the source, medium and campaign that count.
        """
        has = {
            "source": found.source,
            "medium": found.medium,
            "campaign": " ".join((found.campaign or "").lower().split()),
            "click_id": (landing.click_id or "").lower(),
            "partner": (landing.partner or "").lower(),
        }
        for name, wanted in self._wanted.items():
            if name == "referrer":
                value = landing.referrer_host or ""
                holds = bool(self._hosts.lookup(value))
            else:
                value = "" if has[name] in _SAID_NOTHING else has[name]
                holds = bool(value) and any(like(value, one) for one in wanted)
            if not holds:
                told = f"is {value[:_SHOWN]}" if value else "is empty"
                return f"{_PLAIN[name]} {told}, not {' or '.join(wanted)}"
        return None

    def decide(self, landing: Landing, found: Traffic) -> Traffic:
        """The answer where it holds: its channel, and the source as the shipped rules told it.

        An own or payment host is no source until a rule says that it is one.
        """
        source, medium = found.source, found.medium
        if found.inherits and landing.referrer_host:
            source, medium = landing.referrer_host.lower().removeprefix("www."), "referral"
        return replace(
            found, source=source, medium=medium, channel=self.channel, rule=self.id, inherits=False
        )


_PLAIN = {
    "source": "the source",
    "medium": "the medium",
    "campaign": "the campaign",
    "referrer": "the referrer",
    "click_id": "the click id",
    "partner": "the affiliate network",
}
