"""Who a word or a host stands for: the names in ``sources.yml`` and ``click_ids.yml``."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

from tallymark.classify.hosts import HostIndex, host_of
from tallymark.classify.shipped import document, table
from tallymark.errors import ConfigError

__all__ = ["Source", "WordIndex", "known_sources"]

T = TypeVar("T")


class Source(NamedTuple):
    """A known sender of visits: the list it is on and the name it is reported under."""

    kind: str
    name: str


class WordIndex(Generic[T]):
    """Words with a dot are hosts and cover subdomains; words without are compared whole.

    Args:
        pairs: A word and what it stands for.
        where: The file to name if a word is claimed twice.

    Raises:
        ConfigError: One word stands for two things.
    """

    def __init__(self, pairs: Iterable[tuple[str, T]], where: str) -> None:
        words: dict[str, T] = {}
        for word, value in pairs:
            if words.setdefault(word.lower(), value) != value:
                raise ConfigError(
                    f"{word!r} is on two lists", where=where, fix="keep it on one of them"
                )
        self._words = {word: value for word, value in words.items() if "." not in word}
        self._hosts = HostIndex({word: value for word, value in words.items() if "." in word})

    def by_host(self, host: str | None) -> T | None:
        """What a host stands for; words without a dot are not asked."""
        return self._hosts.lookup(host)

    def by_tag(self, tag: str) -> T | None:
        """What a ``utm_source`` stands for, be it a word, a host or a whole URL."""
        found = self._words.get(tag)
        if found is None and "." in tag:
            found = self._hosts.lookup(host_of(tag) if "://" in tag else tag)
        return found


@functools.cache
def known_sources() -> WordIndex[Source]:
    """The shipped lists of search engines, social networks and so on."""
    pairs: list[tuple[str, Source]] = []
    for kind, text in document("sources").items():
        if kind == "version":
            continue
        for name, words in table(text).items():
            source = Source(kind, name)
            pairs += [(word, source) for word in dict.fromkeys([name, *words.split()])]
    return WordIndex(pairs, "tallymark/classify/data/sources.yml")
