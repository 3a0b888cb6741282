"""Reading ``NAME@DAY[..DAY][:key=value,...]``: which incident to plant, when, and how."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

from tallymark.errors import UsageError

__all__ = [
    "Detail",
    "IncidentSpec",
    "Kind",
    "a_choice",
    "a_count",
    "a_delay",
    "a_host",
    "a_list",
    "a_name",
    "a_share",
    "hours",
    "parse_spec",
]

_DAY = re.compile(r"[0-9]{1,6}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOURS = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ .-]{0,62}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?(:[0-9]{1,5})?")
_LAST_HOUR = 24
_MOST_DELAY = 60_000
_MOST = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Detail:
    """One key that an incident understands.

    Attributes:
        default: Its value when none is given, in the form a user would write.
        parse: Turns the text into a value; raises ``ValueError`` with the reason if it cannot.
        meaning: What it sets, in a few words.
    """

    default: str
    parse: Callable[[str], object]
    meaning: str


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A kind of incident, as far as reading a specification needs it.

    Attributes:
        name: How users call it.
        summary: One sentence on what it does to the files.
        lasting: Whether it lasts to the end when only its first day is given.
        details: What can be set, by key.
    """

    name: str
    summary: str
    lasting: bool
    details: Mapping[str, Detail]


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentSpec:
    """One incident to plant.

    Attributes:
        name: The kind of incident.
        first: The first day it touches.
        last: The last day it touches, included.
        details: Every detail of its kind, given or by default.
    """

    name: str
    first: dt.date
    last: dt.date
    details: Mapping[str, str]

    def __str__(self) -> str:
        """The specification in full, which reads back as the same."""
        when = f"{self.first.isoformat()}..{self.last.isoformat()}"
        given = sorted((key, value) for key, value in self.details.items() if value)
        details = ",".join(f"{key}={value}" for key, value in given)
        return f"{self.name}@{when}{':' if details else ''}{details}"


def parse_spec(text: str, start: dt.date, days: int, kinds: Mapping[str, Kind]) -> IncidentSpec:
    """Read a specification such as ``column_gone@17:column=referrer``.

    Args:
        text: The specification; a day is its number (1 is the first) or an ISO date.
        start: The first simulated day.
        days: How many days there are.
        kinds: The kinds of incident by name.

    Raises:
        UsageError: If the name, a day or a detail is unknown or makes no sense.
    """
    name, at, rest = text.partition("@")
    name = name.strip()
    kind = kinds.get(name)
    if kind is None:
        _refuse(text, f"there is no incident {name!r}", _meant(name, kinds, "incidents"))
    when, _, given = rest.partition(":")
    if not at or not when.strip():
        _refuse(text, "the day is missing", f"write {name}@3 or {name}@{start.isoformat()}")
    begins, dots, ends = when.partition("..")
    first = _day(text, begins, start, days)
    until = _day(text, ends, start, days) if dots else first
    if until < first:
        _refuse(text, "the last day is before the first", "write the earlier day first")
    if kind.lasting and not dots:
        until = start + dt.timedelta(days=days - 1)
    return IncidentSpec(name, first, until, _details(text, given, kind))


def _day(spec: str, text: str, start: dt.date, days: int) -> dt.date:
    text = text.strip()
    last = start + dt.timedelta(days=days - 1)
    span = f"use 1 to {days}, or a date from {start.isoformat()} to {last.isoformat()}"
    if _DAY.fullmatch(text):
        if not 1 <= int(text) <= days:
            _refuse(spec, f"the shop has no day {int(text)}", span)
        return start + dt.timedelta(days=int(text) - 1)
    day = None
    if _DATE.fullmatch(text):
        try:
            day = dt.date.fromisoformat(text)
        except ValueError:
            day = None
    if day is None:
        _refuse(spec, f"{text!r} is no day", span)
    if not start <= day <= last:
        _refuse(spec, f"{text} is not among the simulated days", span)
    return day


def _details(spec: str, text: str, kind: Kind) -> dict[str, str]:
    values = {key: detail.default for key, detail in kind.details.items()}
    seen: set[str] = set()
    for part in text.split(",") if text.strip() else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in kind.details:
            _refuse(spec, f"{kind.name} knows no {key!r}", _meant(key, kind.details, "keys"))
        if not equals or not value:
            _refuse(spec, f"{key!r} has no value", f"write {key}={kind.details[key].default}")
        if key in seen:
            _refuse(spec, f"{key!r} is given twice", "keep one of them")
        try:
            kind.details[key].parse(value)
        except ValueError as error:
            _refuse(spec, f"{key}={value}: {error}", f"for example {_example(kind, key)}")
        seen.add(key)
        values[key] = value
    return values


def _example(kind: Kind, key: str) -> str:
    return f"{key}={kind.details[key].default or 'visitorKey'}"


def _refuse(spec: str, what: str, fix: str) -> NoReturn:
    raise UsageError(what, where=f"--incident {spec}", fix=fix)


def _meant(word: str, known: Iterable[str], noun: str) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    listed = f"known {noun}: {', '.join(names)}" if names else f"it has no {noun}"
    return f"did you mean {close[0]!r}? {listed}" if close else listed


# ---------------------------------------------------------------- values of details


def a_share(text: str) -> float:
    """A share above 0, up to 1.

    >>> a_share("0.15")
    0.15
    """
    value = float(text) if _NUMBER.fullmatch(text) else 0.0
    if not 0 < value <= 1:
        msg = "a share is above 0 and at most 1"
        raise ValueError(msg)
    return value


def a_count(text: str) -> int:
    """A whole number, at least 1.

    >>> a_count("3")
    3
    """
    value = int(text) if _DAY.fullmatch(text) else 0
    if not 1 <= value <= _MOST:
        msg = "a count is a whole number from 1"
        raise ValueError(msg)
    return value


def a_delay(text: str) -> int:
    """Milliseconds, 0 to a minute.

    >>> a_delay("100")
    100
    """
    value = int(text) if _DAY.fullmatch(text) else -1
    if not 0 <= value <= _MOST_DELAY:
        msg = "a delay is a whole number of milliseconds, 0 to 60000"
        raise ValueError(msg)
    return value


def a_host(text: str) -> str:
    """A host name in lower case, perhaps with a port.

    >>> a_host("localhost:3000")
    'localhost:3000'
    """
    if not _HOST.fullmatch(text):
        msg = "a host is written like staging.shop.example"
        raise ValueError(msg)
    return text


def hours(text: str) -> tuple[int, int]:
    """Hours of a day, UTC: from the first, up to the second.

    >>> hours("11-13")
    (11, 13)
    """
    match = _HOURS.fullmatch(text)
    first, end = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 0 <= first < end <= _LAST_HOUR:
        msg = "hours are written from-to, between 0 and 24"
        raise ValueError(msg)
    return first, end


def a_name(text: str) -> str:
    """A column name: letters, digits, underscore, space, point and hyphen."""
    if not _NAME.fullmatch(text):
        msg = "a column name begins with a letter and has no special characters"
        raise ValueError(msg)
    return text


def a_choice(known: Iterable[str]) -> Callable[[str], str]:
    """A parser that accepts one of some words."""
    words = tuple(known)

    def parse(text: str) -> str:
        if text not in words:
            msg = f"it is one of {', '.join(words)}"
            raise ValueError(msg)
        return text

    return parse


def a_list(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """A parser that accepts several of some words, joined by ``+``; each once."""
    words = tuple(known)

    def parse(text: str) -> tuple[str, ...]:
        given = tuple(text.split("+"))
        if len(set(given)) != len(given) or not set(given) <= set(words):
            msg = f"it is some of {', '.join(words)}, each once, joined by +"
            raise ValueError(msg)
        return given

    return parse
