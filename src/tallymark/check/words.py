"""The words of amounts and days, and values made harmless for spreadsheets."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from tallymark.escaping import escaped, plain

__all__ = [
    "agreed",
    "cell",
    "count",
    "day_words",
    "filled_before",
    "moment_words",
    "money_words",
    "part",
    "percent",
]

# What a spreadsheet takes for the beginning of a formula, in ASCII and in full width.
_RISKY = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")
_SMALLEST = 0.001
_ONE = {
    "are": "is", "come": "comes", "have": "has", "repeat": "repeats", "share": "shares",
    "state": "states",
}  # fmt: skip
_MIDNIGHT_MINUTES = 5  # a day whose first event comes this late began at midnight all the same


def cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return "" if value is None else value
    text = plain(value)
    return f"'{text}" if text.startswith(_RISKY) else text


def count(number: int, one: str, many: str = "") -> str:
    """``1 delivery``, ``3,000 deliveries``."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def filled_before(filled: int, places: int) -> str:
    """What earlier deliveries had of a field that is gone: of some places, so many were filled."""
    return f"earlier deliveries filled {filled / places:.0%} of them"


def agreed(number: int, said: str) -> str:
    """What is said of some things, its verb agreeing with their number.

    >>> agreed(1, "have no client id"), agreed(2, "have no client id")
    ('has no client id', 'have no client id')
    """
    verb, _, rest = said.partition(" ")
    return f"{_ONE.get(verb, verb)} {rest}" if number == 1 else said


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


def part(share: float) -> str:
    """A share beside its count: with one decimal, and never 0 % for something.

    >>> part(1.0), part(0.1353), part(0.00002)
    ('100.0%', '13.5%', 'under 0.1%')
    """
    return percent(share) if 0 < share < _SMALLEST else f"{share:.1%}"
