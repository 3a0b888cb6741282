"""Numbers, dates and outside text as a reader sees them: short, exact, and always showable.

Text from outside (campaigns, channels, messages) may hold anything. It reaches the page as data,
never as markup, and only with characters the shipped font can draw.
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib.resources
import math
import re
import struct
import unicodedata
from decimal import ROUND_HALF_UP, Decimal

from tallymark.engine.currency import digits_of
from tallymark.errors import TallymarkError

__all__ = [
    "UNSHOWABLE",
    "alternatives",
    "clock",
    "count",
    "covered",
    "day",
    "moment",
    "money",
    "money_range",
    "percent",
    "percent_range",
    "period",
    "readable",
    "shorten",
    "shown",
    "symbol",
]

UNSHOWABLE = "□"
_BREAK = "\u200b"  # a place where a line may break; draws nothing
_LONGEST_WORD = 18
_FIRST_MINUTES = 5  # a day whose first event comes this late began at midnight all the same
# What a sentence may be cut between: words, a command with all its words, a number with its sign.
_WHOLE = re.compile(r"[^\s`]*`[^`]*`\S*|\S+(?: %)?")
_DANGLING = " ,;:=(+−–×÷"
_EXPLAINS = ". It explains "
_MORE = re.compile(r" and [\d,]+ more$")
_EVIDENCE = re.compile(r" \([^()]*\)(?=[.;]|$)")
_COMMAND = re.compile(r".*?`tallymark [^`]*`")
_RESULT = re.compile(r" = \S+$")
_SYMBOLS = {
    "USD": "$",
    "EUR": "€",
    "GBP": "£",
    "JPY": "¥",
    "INR": "₹",
    "AUD": "A$",
    "CAD": "CA$",
    "NZD": "NZ$",
    "BRL": "R$",
    "KRW": "₩",
}
_STEPS = ((Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))
_MINUS = "−"
_MOST_PLACES = 4
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"  # strftime would follow the locale


# ---------------------------------------------------------------- outside text


@functools.cache
def covered() -> frozenset[int]:
    """The code points that every shipped font draws, read from the font's own character map."""
    font = importlib.resources.files("tallymark").joinpath("templates/fonts/Inter-Regular.ttf")
    try:
        return frozenset(_character_map(font.read_bytes()))
    except (OSError, struct.error) as error:
        raise TallymarkError(
            "the report's font cannot be read", where=str(font), fix="install Tallymark again"
        ) from error


def _character_map(data: bytes) -> list[int]:
    """The code points of a TrueType font: its ``cmap`` subtable of format 4, as the OFF has it."""
    (tables,) = struct.unpack_from(">H", data, 4)
    places = {
        data[12 + 16 * i : 16 + 16 * i]: struct.unpack_from(">I", data, 20 + 16 * i)[0]
        for i in range(tables)
    }
    start = places[b"cmap"]
    (subtables,) = struct.unpack_from(">H", data, start + 2)
    for i in range(subtables):
        at = start + struct.unpack_from(">HHI", data, start + 4 + 8 * i)[2]
        kind, _, _, doubled = struct.unpack_from(">HHHH", data, at)
        if kind == 4:  # noqa: PLR2004 -- "segment mapping to delta values": all of plane 0
            ends = struct.unpack_from(f">{doubled // 2}H", data, at + 14)
            starts = struct.unpack_from(f">{doubled // 2}H", data, at + 16 + doubled)
            return [
                code
                for first, last in zip(starts, ends, strict=True)
                for code in range(first, last + 1)
                if code != 0xFFFF  # noqa: PLR2004 -- the format's end mark
            ]
    return []


def shown(text: object, limit: int = 240) -> str:
    r"""Outside text as the page can draw it: one line, known glyphs, breakable, at most ``limit``.

    Control and direction characters vanish, a run of characters without a glyph becomes one
    :data:`UNSHOWABLE`, stacked accents are cut to one, and words too long for a line may break.

    >>> shown("a\x00b\n c\u202e")
    'a b c'
    """
    known = covered()
    kept: list[str] = []
    marked = False
    for character in unicodedata.normalize("NFC", str(text)[: 4 * limit]):
        kind = unicodedata.category(character)
        if kind in {"Cc", "Zl", "Zp", "Zs"}:
            kept.append(" ")
        elif kind in {"Cf", "Cs"}:
            continue
        elif kind in {"Mn", "Me"}:
            if not marked and kept and ord(character) in known:
                kept.append(character)
            marked = True
            continue
        elif ord(character) in known:
            kept.append(character)
        elif kept[-1:] != [UNSHOWABLE]:
            kept.append(UNSHOWABLE)
        marked = False
    words = _cut(" ".join("".join(kept).split()), limit).split(" ")
    return " ".join(_breakable(word) for word in words)


def _cut(text: str, limit: int) -> str:
    """The sentence, or its first whole words and an ellipsis; one endless word is cut."""
    if len(text) <= limit:
        return text
    ends = [found.end() for found in _WHOLE.finditer(text) if found.end() < limit]
    return (text[: ends[-1]].rstrip(_DANGLING) if ends else text[: limit - 1].rstrip()) + "…"


def readable(message: str) -> str:
    """A message whose last sentence names other findings by their ids, with them in words.

    >>> readable("it broke. It explains cart_rate, channel_share:Direct and 2 more")
    'it broke. It explains cart rate, channel share and 2 more'
    """
    said, explains, ids = message.partition(_EXPLAINS)
    more = _MORE.search(ids)
    named = ids[: more.start()] if more else ids
    words = [one.partition(":")[0].replace("_", " ") for one in named.split(", ")]
    return said + explains + ", ".join(dict.fromkeys(words)) + (more[0] if more else "")


def alternatives(text: str) -> tuple[str, ...]:
    """The text, then shorter ones that say the same: for where there is too little room for all.

    Left out are, one after the other: what else a fault explains, the evidence in brackets, the
    result of a formula (it stands before it), and what follows the command of a fix.

    >>> alternatives("column a is missing; b matches it (names alike). It explains cart_rate")[-1]
    'column a is missing; b matches it'
    >>> alternatives("orders × value = $5")
    ('orders × value = $5', 'orders × value')
    """
    said = [text, text.partition(_EXPLAINS)[0]]
    said.append(_EVIDENCE.sub("", said[-1]))
    said.append(_RESULT.sub("", said[-1]))
    command = _COMMAND.match(said[-1])
    if command:
        said.append(command[0])
    return tuple(dict.fromkeys(said))


def shorten(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis; at most ``limit`` characters.

    >>> shorten("a long campaign name", 8)
    'a long…'
    """
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _breakable(word: str) -> str:
    if len(word) <= _LONGEST_WORD:
        return word
    size = _LONGEST_WORD // 3
    return _BREAK.join(word[i : i + size] for i in range(0, len(word), size))


# ---------------------------------------------------------------- numbers


def symbol(currency: str) -> str:
    """What stands before an amount of the currency: ``$``, ``€``, ``CHF`` and a thin space."""
    return _SYMBOLS.get(currency, f"{currency}\u2009")


def money(value: Decimal | float, currency: str, style: str = "whole") -> str:
    """An amount: ``short`` ($287.7k), ``whole`` ($287,712) or ``exact`` ($287,712.34).

    >>> money(Decimal("287712.344"), "USD"), money(1234.5, "USD", "short")
    ('$287,712', '$1.2k')
    """
    amount = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    sign = _MINUS if amount < 0 else ""
    amount = abs(amount)
    if style == "short":
        text = _short(amount)
    else:
        places = Decimal(1).scaleb(-digits_of(currency)) if style == "exact" else Decimal(1)
        text = f"{amount.quantize(places, ROUND_HALF_UP):,}"
    if not any(digit in "123456789" for digit in text):
        sign = ""
    return f"{sign}{symbol(currency)}{text}"


def _short(amount: Decimal) -> str:
    for size, letter in _STEPS:
        if amount >= size * Decimal("0.9995"):
            scaled = amount / size
            places = "0.1" if scaled < Decimal("999.95") else "1"
            return f"{scaled.quantize(Decimal(places), ROUND_HALF_UP):,}{letter}"
    return f"{amount.quantize(Decimal(1), ROUND_HALF_UP):,}"


def money_range(low: Decimal | float, high: Decimal | float, currency: str) -> str:
    """``$12.3k to $15.0k``, or one amount where both ends look alike."""
    first, last = money(low, currency, "short"), money(high, currency, "short")
    return first if first == last else f"{first} to {last}"


def _places(share: float) -> int:
    points = abs(share) * 100
    if points == 0 or points >= 9.95:  # noqa: PLR2004 -- two digits are enough from here
        return 0
    return 1 if points >= 0.995 else 2  # noqa: PLR2004 -- below one point, two digits


def percent(share: float) -> str:
    """A share in percent with about two digits.

    >>> percent(0.0076), percent(0.034), percent(0.52), percent(0.9996)
    ('0.76%', '3.4%', '52%', '99.9%')
    """
    if 0.995 <= share < 1:  # noqa: PLR2004 -- nearly all is not all
        return f"{min(math.floor(share * 1000) / 10, 99.9):.1f}%"
    return f"{share * 100:.{_places(share)}f}%"


def percent_range(low: float, high: float) -> str:
    """Both ends with as many digits as tell them apart, two at least.

    >>> percent_range(0.0068, 0.0085), percent_range(0.0228, 0.0231)
    ('0.68 to 0.85%', '2.28 to 2.31%')
    """
    places = max(_places(high), 1 if _places(low) else 0)
    while low < high and places < _MOST_PLACES and (high - low) * 100 < 2 * 10.0**-places:
        places += 1
    return f"{low * 100:.{places}f} to {high * 100:.{places}f}%"


def count(value: int, one: str = "", many: str = "") -> str:
    """A whole number with separators, and its noun.

    >>> count(1, "order"), count(1200, "order"), count(2, "day is", "days are")
    ('1 order', '1,200 orders', '2 days are')
    """
    noun = one if value == 1 else (many or (one and f"{one}s"))
    return f"{value:,} {noun}".strip()


# ---------------------------------------------------------------- dates


def day(date: dt.date, *, year: bool = False) -> str:
    """``27 Feb`` or ``27 Feb 2025``, the same in every locale."""
    name = _MONTHS[3 * date.month - 3 : 3 * date.month]
    return f"{date.day} {name} {date.year}" if year else f"{date.day} {name}"


def period(first: dt.date, last: dt.date) -> str:
    """``23 Feb to 8 Mar 2025``; one day alone is said once."""
    if first == last:
        return day(last, year=True)
    return f"{day(first, year=first.year != last.year)} to {day(last, year=True)}"


def clock(when: dt.datetime) -> str:
    """``27 Feb`` or ``27 Feb 14:00``: what begins with the day is dated by the day alone.

    >>> clock(dt.datetime(2025, 3, 2, 0, 2)), clock(dt.datetime(2025, 3, 2, 0, 5))
    ('2 Mar', '2 Mar 00:05')
    """
    return f"{day(when.date())}{_hour(when)}"


def _hour(when: dt.datetime) -> str:
    return "" if when.hour == 0 and when.minute < _FIRST_MINUTES else f" {when:%H:%M}"


def moment(text: object, near: dt.date | None = None) -> str:
    """An ISO 8601 time as ``27 Feb`` or ``27 Feb 14:00``; what is no time is shown as it is.

    The year is added when it is not that of ``near``.

    >>> moment("2025-03-02T11:00:00.000Z", dt.date(2025, 3, 8)), moment("2024-12-31")
    ('2 Mar 11:00', '31 Dec 2024')
    """
    given = str(text or "")
    try:
        when = dt.datetime.fromisoformat(given)
    except ValueError:
        return shown(given, 20) or "not known"
    if when.tzinfo is not None:
        when = when.astimezone(dt.UTC)
    return day(when.date(), year=near is None or when.year != near.year) + _hour(when)
