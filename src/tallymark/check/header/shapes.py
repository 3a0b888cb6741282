"""What shape the values of a column have, and whether it is the one the contract asks for.

A sample of values is held against a column's kind: how many values fit, and if few do, in which
other form they came (seconds since 1970, a URL without its scheme, JSON inside a string ...).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tallymark.classify.hosts import host_of, registrable_domain
from tallymark.contract import UNITS, Column, Contract, TimeFormat
from tallymark.ingest.epochs import FIRST_MS, LAST_MS

__all__ = [
    "EXPECTED",
    "READABLE_TIMES",
    "Shape",
    "epoch_of",
    "expected",
    "outline",
    "pageness",
    "shape_likeness",
    "shape_of",
    "value_like",
]

# Forms of a time that landing reads besides the one that is asked for.
READABLE_TIMES = frozenset({"a day without a time of day"})
EXPECTED = {
    "identifier": "an id without spaces",
    "url": "an absolute URL, such as https://shop.example/",
    "timestamp": "an ISO 8601 time, such as 2026-01-31T09:30:00.000Z",
    "name": "a short name, such as page_viewed",
    "json": "a JSON object",
    "user_agent": "a browser's user agent",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "date": "a day, such as 2026-01-31",
    "text": "text",
}
"""What a kind of column asks for, in words."""

_MAX_VALUE = 4096  # characters of a value that are looked at; a payload is longer
_MAX_JSON = 20_000
_SHOWN = 32
_ZONE = r"(Z|\s?[+-]\d{2}(:?\d{2})?|\s(UTC|GMT|[A-Z]{3,4}|[A-Za-z]+/[A-Za-z_]+))?"
_TIME = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}[T ]\d{1,2}:\d{1,2}(:\d{1,2}(\.\d*)?)?" + _ZONE, re.ASCII
)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d_][\w.: /-]{1,63}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:@=+/-]{4,128}")
_AGENT = re.compile(r"[A-Za-z][^\s/]*/[\d.]+.*", re.DOTALL)
_ENCODED_AGENT = re.compile(r"[A-Za-z]+(/|%2F)[\d.]+%20\S*|[A-Za-z]+%2F[\d.]+\S*")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_BOOLEAN = re.compile(r"true|false|yes|no|[tfyn01]", re.IGNORECASE)
_DAY = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}", re.ASCII)
_WORDY = re.compile(r"[^\W\d_]+([_.: /-]+[^\W\d_]+)*")
_NO_LETTER = re.compile(r"[\W_]+")
_COUNTED = re.compile(r"\d{9,19}(\.\d+)?", re.ASCII)
_MS = 1000  # in a second
_OTHER_FORMS: Mapping[str, Sequence[tuple[re.Pattern[str], str]]] = {
    "timestamp": (
        (_DAY, "a day without a time of day"),
        (re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}.*"), "a local date, whose month is unsure"),
        (re.compile(r"(19|20)\d{6}[T ]?\d{4,6}(\.\d+)?Z?"), "a time without separators"),
        (re.compile(r".*\b\d{4}\b.*\d{1,2}:\d{2}.*"), "a time in words"),
        (re.compile(r"\d{1,2}:\d{2}(:\d{2})?.*"), "a time of day without its day"),
    ),
    "url": (
        (re.compile(r"/\S*"), "a path without its host"),
        (re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}(:\d+)?([/?#]\S*)?", re.IGNORECASE),
         "a URL without https://"),
        (re.compile(r"[a-z]+%3A%2F%2F\S*", re.IGNORECASE), "a URL that is encoded twice"),
    ),
    "json": (
        (re.compile(r'"\{\\?".*', re.DOTALL), "JSON inside a string"),
        (re.compile(r"\{\s*'.*", re.DOTALL), "a Python dictionary, which is no JSON"),
        (re.compile(r"%7B.*", re.IGNORECASE), "JSON that is encoded as in a URL"),
        (re.compile(r"eyJ[A-Za-z0-9+/_-]*=*"), "JSON in Base64"),
        (re.compile(r"[\w.\[\]%-]+=[^&]*(&[\w.\[\]%-]+=[^&]*)*"), "a query string"),
        (re.compile(r"[{\[].*", re.DOTALL), "broken JSON"),
    ),
    "user_agent": (
        (_ENCODED_AGENT, "a user agent that is encoded as in a URL"),
        (re.compile(r"[{\[].*", re.DOTALL), "client hints instead of a user agent"),
        (re.compile(r"[A-Za-z][A-Za-z ]*[\d.]*"), "the name of a browser or device"),
    ),
    "identifier": ((_EMAIL, "an e-mail address"),),
}  # fmt: skip
# Forms that many other columns have too: they say what was seen, and hardly whose it is.
_LOOSE = frozenset({
    "client hints instead of a user agent", "the name of a browser or device", "an e-mail address",
})  # fmt: skip
_LOOSELY = -2.0  # what such a form says
# How likely values of the kind are in a column that is none, as natural logarithm: how much a
# fit says. Anything is text; hardly anything but a time looks like one.
SAYS = {
    "timestamp": 3.5, "json": 3.5, "user_agent": 3.5, "url": 2.5, "identifier": 2.0, "name": 1.5,
    "date": 2.0, "boolean": 1.0, "number": 1.0, "integer": 1.0, "text": 0.0,
}  # fmt: skip
MISFIT = -6.0  # what values say that do not fit at all
_WITHOUT_VALUES = -4.0  # the same of a column that must be filled and is empty throughout
_SPARSE = 0.3  # an empty column where values are rare is what one expects
_FITS = 0.5  # share of the values that must fit for a column to be what its name says
_ENOUGH, _FEW_FORMED = 10, 2  # filled values that a change of type is told from
_FEW, _USUAL_HOSTS = 20, 3
_REFERRERS, _ONE_SITE = 0.5, 0.95  # below and above which the names of the hosts add nothing
_GAPS = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sampled values of one column, held against one column of the contract.

    Attributes:
        sampled: How many values were looked at.
        filled: How many of them were filled.
        fits: Share of the filled values that are of the kind the contract asks for; 0 to 1.
        likeness: ``fits``, lowered where the values together speak against it (an id that is
            the same in every row, pages on the hosts of search engines); 0 to 1.
        form: The other form that most values have which do not fit, if a known one.
        formed: Share of the filled values of that form.
        seen: That form in a few words, or the outline of a value.
        counted: Where that form is a number: the unit in which it counts the time since 1970.
        readable: Whether landing can read the values.
        says: Natural logarithm of how much likelier they are if this is the column.
    """

    sampled: int
    filled: int
    fits: float
    likeness: float
    form: str | None
    formed: float
    seen: str
    counted: TimeFormat | None = None
    readable: bool
    says: float

    @property
    def changed(self) -> bool:
        """Whether the values are certainly not what the contract asks for.

        Few values are enough where all of them are of another known form.
        """
        if self.filled < _FEW_FORMED or self.fits >= _FITS:
            return False
        known = self.form is not None and self.form not in _LOOSE
        return self.filled >= _ENOUGH or (known and self.formed == 1)


def shape_of(
    column: Column, sample: Sequence[str | None], contract: Contract | None = None
) -> Shape:
    """Hold a sample of values against a column of the contract.

    Args:
        column: The column.
        sample: Values as text; None or empty where nothing was delivered.
        contract: Names events and the shop's own hosts, where they are known.
    """
    filled = [value.strip()[:_MAX_JSON] for value in sample if value and value.strip()]
    if not filled:
        says = _WITHOUT_VALUES if column.required else _SPARSE
        return Shape(
            sampled=len(sample), filled=0, fits=0.0, likeness=0.0, form=None, formed=0.0,
            seen="no value at all", readable=True, says=says,
        )  # fmt: skip
    throughout = _other_form_of_all(column, filled, contract)
    fit = _test(column, contract)
    good = [throughout is None and fit(value) for value in filled]
    fits = sum(good) / len(filled)
    forms = Counter(
        form for value, well in zip(filled, good, strict=True) if not well
        for form in [throughout or _other_form(column.kind, value)] if form
    )  # fmt: skip
    form, count = min(forms.items(), key=lambda one: (-one[1], one[0]), default=(None, 0))
    formed = count / len(filled)
    together = fits * _together(column, filled, len(sample), contract)
    strange = next((value for value, well in zip(filled, good, strict=True) if not well), filled[0])
    counted = {_words(name): name for name in UNITS}.get(form or "")
    says = MISFIT + (SAYS[column.kind] - MISFIT) * together
    if form is not None:
        most = _LOOSELY if form in _LOOSE else SAYS[column.kind] / 2
        says = max(says, MISFIT + (most - MISFIT) * (fits + formed))
    readable = column.role != "timestamp" or fits >= formed or form in READABLE_TIMES
    return Shape(
        sampled=len(sample), filled=len(filled), fits=fits, likeness=together, form=form,
        formed=formed, seen=form or f"values such as {outline(strange)}", counted=counted,
        readable=readable, says=says,
    )  # fmt: skip


def epoch_of(value: str) -> TimeFormat | None:
    """The unit in which a number counts the time since 1970; None for what is no such number.

    >>> epoch_of("1769851800123")
    'epoch_milliseconds'
    """
    if _COUNTED.fullmatch(value):
        for name, unit in UNITS.items():
            if FIRST_MS * unit <= float(value) * _MS < LAST_MS * unit:
                return name
    return None


def value_like(name: str) -> str | None:
    """What a text is that stands where the name of a column should; None if it may be one.

    >>> value_like("2026-01-31T09:30:00.000Z"), value_like("https://shop.example/")
    ('a time', 'a URL')
    """
    text = name.strip()
    if _TIME.fullmatch(text) or epoch_of(text):
        return "a time"
    if _URL.fullmatch(text):
        return "a URL"
    if text[:1] == "{" and _is_json(text):
        return "JSON"
    return "a user agent" if text.startswith("Mozilla/") else None


def expected(column: Column) -> str:
    """What a column's kind asks for, in words."""
    return " or ".join([EXPECTED[column.kind], *map(_words, column.formats)])


def _words(counted: TimeFormat) -> str:
    return f"{counted.removeprefix('epoch_')} since 1970"


def shape_likeness(column: Column, sample: Sequence[str | None]) -> float:
    """Which share of the sampled values has the shape that the contract asks for, 0 to 1.

    An empty sample proves nothing: 0 for a required column, and 0.5 where values may be empty.
    """
    shape = shape_of(column, sample)
    if not shape.filled:
        return 0.0 if column.required else 0.5
    return shape.likeness


def outline(value: str) -> str:
    """The form of a value without the value: 9 for a digit, x for a letter.

    >>> outline("GA1.2.77-ab")
    'xx9.9.99-xx'
    """
    shown = "".join(
        "9" if one.isdigit() else "x" if one.isalpha() else one if one.isprintable() else "?"
        for one in value[:_SHOWN]
    )
    return shown + ("…" if len(value) > _SHOWN else "")


# ---------------------------------------------------------------- one value


def _test(column: Column, contract: Contract | None) -> Callable[[str], bool]:
    """What a value of the column must pass."""
    if column.pattern:
        found = re.compile(column.pattern).search
        return lambda value: found(value[:_MAX_VALUE]) is not None
    if column.allowed is not None:
        allowed = frozenset(column.allowed)
        return allowed.__contains__
    if column.formats:
        return lambda value: _TESTS["timestamp"](value) or epoch_of(value) in column.formats
    if column.kind == "name" and contract is not None and column.role == "event_name":
        known = _event_names(contract)
        return lambda value: value in known or _is_name(value)
    return _TESTS.get(column.kind, lambda _: True)


def _is_identifier(value: str) -> bool:
    return (
        _IDENTIFIER.fullmatch(value) is not None
        and not _URL.fullmatch(value)
        and not _TIME.fullmatch(value)
        and not _DAY.fullmatch(value)
        and not _EMAIL.fullmatch(value)
        and not _AGENT.fullmatch(value)
    )


def _is_name(value: str) -> bool:
    return _NAME.fullmatch(value) is not None and not _URL.fullmatch(value)


def _is_json(value: str) -> bool:
    if value[:1] not in {"{", "["}:
        return False
    if len(value) >= _MAX_JSON:
        return True  # cut off by the sample; the whole of it is judged with the rows
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


_TESTS: Mapping[str, Callable[[str], bool]] = {
    "timestamp": lambda value: _TIME.fullmatch(value) is not None,
    "url": lambda value: _URL.fullmatch(value) is not None,
    "json": _is_json,
    "user_agent": lambda value: (
        _AGENT.fullmatch(value) is not None and not _ENCODED_AGENT.fullmatch(value)
    ),
    "name": _is_name,
    "identifier": _is_identifier,
    "number": lambda value: _NUMBER.fullmatch(value) is not None,
    "integer": lambda value: _INTEGER.fullmatch(value) is not None,
    "boolean": lambda value: _BOOLEAN.fullmatch(value) is not None,
    "date": lambda value: _DAY.fullmatch(value) is not None,
}


def _other_form(kind: str, value: str) -> str | None:
    """Another form in which values of a kind are known to come."""
    if kind == "timestamp" and (counted := epoch_of(value)) is not None:
        return _words(counted)
    short = value[:_MAX_VALUE]
    forms = _OTHER_FORMS.get(kind, ())
    return next((words for pattern, words in forms if pattern.fullmatch(short)), None)


# ---------------------------------------------------------------- all values together


def _other_form_of_all(
    column: Column, filled: Sequence[str], contract: Contract | None
) -> str | None:
    """A form that only all values together show; each by itself might be right."""
    if len(filled) < _FEW or column.pattern or column.allowed is not None:
        return None
    if column.role == "user_agent" and all(value == value.lower() for value in filled):
        browsers = sum(1 for value in filled if value.startswith("mozilla/"))
        return "user agents in lower case" if 2 * browsers > len(filled) else None
    if column.role == "event_name" and contract is not None:
        known = _event_names(contract)
        if any(value in known for value in filled):
            return None
        bare = {_bare(name) for name in known}
        same = sum(1 for value in filled if _bare(value) in bare)
        return "known event names in another style" if 2 * same > len(filled) else None
    return None


def _bare(name: str) -> str:
    return _NO_LETTER.sub("", name.lower())


def _together(
    column: Column, filled: Sequence[str], sampled: int, contract: Contract | None
) -> float:
    """How far the values together allow for the column, 0 to 1, where each by itself fits."""
    distinct = len(set(filled)) / len(filled)
    wordy = sum(1 for value in filled if _WORDY.fullmatch(value)) / len(filled)
    if column.kind == "identifier":
        # Ids are many and are no words; a constant column or a handful of labels is none.
        many = min(1.0, 10 * distinct) if len(filled) >= _FEW else min(1.0, 2 * distinct)
        return many * (1 - 0.8 * wordy)
    if column.kind == "name":
        known = 0.0
        if contract is not None and column.role == "event_name":
            names = _event_names(contract)
            known = sum(1 for value in filled if value in names) / len(filled)
        few = 1.0 if distinct < 0.5 else 0.5  # noqa: PLR2004 -- names come back, texts do not
        return max(known, few * (0.4 + 0.6 * wordy))
    if column.role in {"page_url", "referrer"}:
        page = pageness([*filled, *([None] * (sampled - len(filled)))], contract)
        return 1 - 0.4 * _above(1 - page, 0.1, 0.5) if column.role == "page_url" else (
            1 - 0.4 * _above(page, 0.7, 1.0)
        )  # fmt: skip
    return 1.0


def _above(value: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high`` on, and evenly between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _event_names(contract: Contract) -> frozenset[str]:
    return frozenset(name for _, names in contract.events.steps() for name in names)


def pageness(sample: Sequence[str | None], contract: Contract | None = None) -> float:
    """How far a column of URLs looks like a shop's own pages and not like referrers, 0 to 1.

    Pages are filled in every row, on a host or three, and never on a search engine or a social
    network; referrers are empty at times and come from many places.
    """
    hosts = Counter(host for value in sample if value for host in [host_of(value)] if host)
    if not hosts:
        return 0.5
    own = set(contract.hosts.own) if contract is not None else set()
    sites: Counter[str] = Counter()
    for host, count in hosts.items():
        sites["own" if host in own else registrable_domain(host)] += count
    every = hosts.total()
    found = sum(count for _, count in sites.most_common(_USUAL_HOSTS)) / len(sample)
    if max(sites.values()) >= _ONE_SITE * every:
        return max(found, _GAPS)  # of one site: pages, even if many are lost
    if found <= _REFERRERS:
        return found
    from tallymark.classify.sources import known_sources  # noqa: PLC0415 -- reads long lists

    sources = known_sources()
    foreign = sum(
        count for host, count in hosts.items()
        if host not in own and sources.by_host(host) is not None
    )  # fmt: skip
    return found * (1 - foreign / every)
