"""Text from outside made harmless for where it is read, and the words of amounts and days."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

__all__ = [
    "cell", "code", "count", "day_words", "escaped", "moment_words", "money_words", "percent",
    "plain", "rich",
]  # fmt: skip

# Control characters, line and paragraph separators, changes of writing direction, half
# surrogate pairs, and what has no width.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
_MARKUP = re.compile(r"([\\*\[\]{}!|~$])")
# What no escape makes harmless everywhere: HTML, and a code span that somebody else opens.
_REPLACED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'"})
_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")  # inside a word it is no markup
_AFTER_LINK = re.compile(r"(?<=\\\])\(")
_AT_START = re.compile(r"^(?:[#+=-]|\d+[.)](?=\s|$))")
# A person or an issue that a forge would notify, kept apart by a character without width.
_MENTION = re.compile(r"([@#])(?=\w)")
_WORD_JOINER = "\u2060"
_BARE_LINK = re.compile(r"(?i)(?<=[a-z])(:)(?=//)|(?<=www)(\.)|(?<=mailto)(:)")
# What a spreadsheet takes for the beginning of a formula, in ASCII and in full width.
_RISKY = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")
_SMALLEST = 0.001
_MIDNIGHT_MINUTES = 5  # a day whose first event comes this late began at midnight all the same


def plain(text: str) -> str:
    """Text on one line, without what a terminal or a reader would act on."""
    return " ".join(_CONTROL.sub(" ", text).split())


def escaped(text: str) -> str:
    r"""Text from data, harmless in Markdown and in the HTML made of it: no markup, no links.

    >>> escaped("[click](javascript:x) @team client_id")
    '\\[click\\]\\(javascript:x) @\u2060team client_id'
    """
    told = _MARKUP.sub(r"\\\1", plain(text).translate(_REPLACED))
    told = _UNDERSCORE.sub(r"\\_", told)
    told = _AFTER_LINK.sub(r"\\(", told)
    told = _MENTION.sub(rf"\1{_WORD_JOINER}", told)
    told = _BARE_LINK.sub(r"\\\1\2\3", told)
    return _AT_START.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", told)


def code(text: str) -> str:
    """Text as a code span, in which nothing has a meaning; a backtick becomes an apostrophe."""
    told = plain(text).replace("`", "'")
    return f"`{told}`" if told else ""


def rich(text: str) -> str:
    """A sentence of ours in which backticks mark what to type; all else is escaped."""
    parts = plain(text).split("`")
    if len(parts) % 2 == 0:
        return escaped(text)
    shown = [code(part) if index % 2 else _keeping_ends(part) for index, part in enumerate(parts)]
    return "".join(shown)


def _keeping_ends(part: str) -> str:
    """An escaped piece of a sentence, with the blank before and after it."""
    before, after = part[:1] == " ", part[-1:] == " " and len(part) > 1
    return f"{' ' if before else ''}{escaped(part)}{' ' if after else ''}"


def cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return "" if value is None else value
    text = plain(value)
    return f"'{text}" if text.startswith(_RISKY) else text


def count(number: int, one: str, many: str = "") -> str:
    """``1 delivery``, ``3,000 deliveries``."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def day_words(day: str | None, *, year: bool = False) -> str:
    """``2026-01-31`` as ``31 January``; a day that is none as it stands."""
    try:
        moment = dt.date.fromisoformat(day or "")
    except ValueError:
        return escaped(day) if day else "an unknown day"
    return f"{moment.day} {moment:%B}" + (f" {moment.year}" if year else "")


def moment_words(since: str) -> str:
    """``2026-01-31T07:00:00.000Z`` as ``31 January 2026, 07:00 UTC``; midnight as the day alone."""
    try:
        moment = dt.datetime.fromisoformat(since)
    except ValueError:
        return escaped(since) if since else "unknown"
    day = f"{moment.day} {moment:%B %Y}"
    whole = moment.hour == 0 and moment.minute < _MIDNIGHT_MINUTES
    return day if whole else f"{day}, {moment:%H:%M} UTC"


def money_words(amount: Decimal) -> str:
    """An amount with its thousands and cents; the currency is said where the amounts stand."""
    return f"{amount:,.2f}"


def percent(share: float) -> str:
    """A share in per cent, with a decimal where it is not whole; never 0 % for something.

    >>> percent(1.0), percent(0.1353), percent(0.00002)
    ('100%', '13.5%', 'under 0.1%')
    """
    if 0 < share < _SMALLEST:
        return f"under {_SMALLEST:.1%}"
    return f"{share:.1%}".replace(".0%", "%")
