"""Names that other tools give to the same things: proposals for a contract, never the gate's."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from tallymark.config import Strict, load

__all__ = ["Synonyms", "bare", "called", "synonyms"]


class Synonyms(Strict):
    """``contracts/synonyms.yml``: by step or payload key, the names it may have."""

    events: dict[str, tuple[str, ...]]
    payload: dict[str, tuple[str, ...]]
    payment_words: tuple[str, ...]


@functools.cache
def synonyms() -> Synonyms:
    """The shipped synonyms."""
    return load(Synonyms, None, "contracts/synonyms.yml")


def bare(name: str) -> str:
    """A name without what is only style.

    Example:
        >>> bare("eventName") == bare("Event Name") == bare("event_name")
        True
    """
    return re.sub(r"[\W_]+", "", name).lower()


def called(known: Iterable[str], names: Iterable[str]) -> list[str]:
    """Those of some names that stand for one thing, the most usual first.

    Args:
        known: What the thing may be called, the most usual name first.
        names: The names there are.
    """
    rank = {bare(one): number for number, one in reversed(list(enumerate(known)))}
    found = [name for name in dict.fromkeys(names) if bare(name) in rank]
    return sorted(found, key=lambda name: rank[bare(name)])
