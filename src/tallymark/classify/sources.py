"""Who a word or a host stands for: the names in ``sources.yml`` and ``click_ids.yml``."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from tallymark.classify.hosts import HostIndex, host_of
from tallymark.classify.shipped import document, table
from tallymark.errors import ConfigError

__all__ = ["Source", "WordIndex", "known_sources", "sources_of"]

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
        after: Asked where none of these words is meant.

    Raises:
        ConfigError: One word stands for two things.
    """

    def __init__(
        self, pairs: Iterable[tuple[str, T]], where: str, *, after: WordIndex[T] | None = None
    ) -> None:
        self._after = after
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
        found = self._hosts.lookup(host)
        return self._after.by_host(host) if found is None and self._after else found

    def by_tag(self, tag: str) -> T | None:
        """What a ``utm_source`` stands for, be it a word, a host or a whole URL."""
        found = self._words.get(tag)
        if found is None and "." in tag:
            found = self._hosts.lookup(host_of(tag) if "://" in tag else tag)
        return self._after.by_tag(tag) if found is None and self._after else found


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


def sources_of(own: Mapping[str, Mapping[str, Iterable[str]]]) -> WordIndex[Source]:
    """The shop's own sources, by list and name, and the shipped ones after them.

    >>> sources_of({"social": {"pinboard": ["pinboard.example"]}}).by_host("m.pinboard.example")
    Source(kind='social', name='pinboard')
    """
    pairs = [
        (word.strip().lower(), Source(kind, name.strip().lower()))
        for kind, named in own.items()
        for name, words in named.items()
        for word in (name, *words)
    ]
    return WordIndex(pairs, "channels.sources", after=known_sources()) if pairs else known_sources()
