"""Names of pages, agents and sources as reports may say them: they come from outside.

A URL, a user agent or a referrer is whatever a stranger sent. Only what looks like a word of the
shop's own is said; anything that could be an id, a name, an address or an attack is not, and no
character goes through that a page, a chat or a terminal would act on.
"""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "OTHERS", "agent_name", "page_name", "source_name", "source_of"]

HIDDEN = "…"
OTHERS = "(others)"  # the tail that is not told one by one
_TAG = "utm:"  # before the value of a campaign tag: else a source is the host of a referrer
_LONGEST_WORD = 20  # letters; longer ones are tokens more often than words
_FEW_DIGITS = 4  # a word has fewer; ids, dates and telephone numbers have more
_MIXED = 8  # letters from which on capitals inside a word make it a token
_SEGMENT = re.compile(r"[^\W_](?:[\w.-]{0,46}[^\W_])?")
_HOST = re.compile(r"(?=.{4,64}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\.)+[a-z]{2,24}")
_AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .+/_-]{0,47}")
_BREAKS = re.compile(r"[\W_]+")
_DIGIT = re.compile(r"\d")


def page_name(path: str) -> str:
    """A path of at most two segments, each as it is or hidden.

    >>> page_name("/products/arc-lamp"), page_name("/u/8fa31c77"), page_name("/<b>")
    ('/products/arc-lamp', '/u/…', '/…')
    """
    parts = path.strip("/").split("/")[:2]
    return "/" + "/".join(_word(one) if one else "" for one in parts)


def agent_name(name: str) -> str:
    """A device and browser, or the name of a program.

    >>> agent_name("mobile Safari"), agent_name("a*b")
    ('mobile Safari', '…')
    """
    if not name:
        return "none"
    clean = _AGENT.fullmatch(name) and len(_DIGIT.findall(name)) < _FEW_DIGITS
    return name if clean else HIDDEN


def source_of(name: str) -> str:
    """What kind of source a name is: ``referrer`` or ``campaign tag``."""
    return "campaign tag" if name.startswith(_TAG) else "referrer"


def source_name(name: str) -> str:
    """A referrer's host, or the value of a campaign tag.

    >>> source_name("www.google.com"), source_name("utm:news"), source_name("10.0.0.7")
    ('google.com', 'news', '…')
    """
    if not name:
        return "none"
    if name.startswith(_TAG):
        return _word(name.removeprefix(_TAG))
    host = name.lower().removeprefix("www.")
    return host if _HOST.fullmatch(host) and all(map(_plain, host.split("."))) else HIDDEN


def _word(text: str) -> str:
    sound = _SEGMENT.fullmatch(text) and len(_DIGIT.findall(text)) < _FEW_DIGITS
    return text if sound and all(map(_plain, _BREAKS.split(text))) else HIDDEN


def _plain(word: str) -> bool:
    """Whether it can be a word: not long, and no capitals in the middle of a long one."""
    capitals = word != word.lower() and word[1:] != word[1:].lower() and word != word.upper()
    return len(word) <= _LONGEST_WORD and not (capitals and len(word) >= _MIXED)
