"""Parameters that platforms and affiliate networks add to the links that lead to the shop."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from tallymark.classify.shipped import document, table
from tallymark.classify.sources import WordIndex

__all__ = ["CLICK_IDS", "PARTNERS", "ClickId", "same_platform"]


class ClickId(NamedTuple):
    """What a click id says of the visit that carries it.

    Attributes:
        kind: ``paid_search``, ``paid_social``, ``paid_other``, ``display``, ``email``,
            ``organic_social`` or ``organic_search``.
        source: The platform that added it, as a name of ``sources.yml`` where it is there.
        medium: What the channel rules read when the page has no UTM tags.
    """

    kind: str
    source: str
    medium: str


def _click_ids() -> dict[str, ClickId]:
    rows = table(document("click_ids")["click_ids"])
    return {name: ClickId(*value.split()) for name, value in rows.items()}


CLICK_IDS: Final[Mapping[str, ClickId]] = MappingProxyType(_click_ids())
"""Parameter to what it says, the one that speaks first standing first."""

PARTNERS: Final[Mapping[str, str]] = MappingProxyType(table(document("partners")["partners"]))
"""Parameter to the affiliate network that passes it through; unambiguous names only."""


@functools.cache
def _platforms() -> Mapping[str, WordIndex[bool]]:
    where = "tallymark/classify/data/click_ids.yml"
    return {
        platform: WordIndex([(word, True) for word in words.split()], where)
        for platform, words in table(document("click_ids")["platforms"]).items()
    }


def same_platform(click: ClickId, utm_source: str) -> bool:
    """Whether a ``utm_source`` (lower case) names the platform that added the click id.

    With another source the click was bought by somebody else and led on to the shop. The click
    ids of mailing tools go with any source: the shop writes what it likes into its own mail.

    >>> same_platform(CLICK_IDS["gclid"], "google"), same_platform(CLICK_IDS["gclid"], "dealsite")
    (True, False)
    """
    platform = _platforms().get(click.source)
    return platform is None or bool(platform.by_tag(utm_source))
