"""Example rows of a finding, and what must be hidden before anybody reads them.

A sample shows where to look, not who was there: client ids, e-mails and their hashes, addresses of
computers, long tokens and the values of URL parameters are replaced by what kind of value they are
and how long.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import duckdb

from tallymark.check.counting.hourly import moment
from tallymark.check.counting.money import Worth
from tallymark.contract import Payload
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.encodings import NOT_UTF8
from tallymark.ingest.landing import Landed
from tallymark.ingest.payloads import parse_order
from tallymark.results import Finding

__all__ = [
    "BROKEN", "LINES", "NOT_TEXT", "ORDER", "SHOWN", "Look", "looker", "masked", "masked_id",
    "masked_url", "private",
]  # fmt: skip

# Instead of a condition: lines that did not land, as they are no rows, or are not UTF-8.
BROKEN, NOT_TEXT = "broken", "not text"
LINES = frozenset({BROKEN, NOT_TEXT})
SHOWN = 3  # rows of a sample
Row = Mapping[str, Any]

_LONGEST = 96  # characters of one value
ORDER = ("line", "time", "event", "client", "page", "agent", "order", "revenue", "items", "reason")
_READ = 2000  # characters of a value that are looked at; patterns take long on hostile texts
_BETWEEN = " &/?#;,\"'<>("
_LEAST_SECRET = 4  # a shorter id stands in half of all texts by chance
# The tags of a campaign are the shop's own words; any other value may say who clicked.
_PLAIN_PARAMETERS = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_content"})
_ID_PREFIX = re.compile(r"[A-Za-z]{1,8}[-_.:](?=.)")
_URL = re.compile(
    r"([a-z][a-z0-9+.-]*://)([^/?#\s]*)([^?#\s]*)(?:\?([^#\s]*))?(#\S*)?", re.IGNORECASE
)
_URL_INSIDE = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'`<>]+", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_HASH = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{32,}(?![0-9A-Za-z])", re.IGNORECASE)
_IP = re.compile(
    # After a name and a slash it is the version of a browser.
    r"(?<![\w.])(?<![a-z]/)(?:(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9a-f]{1,4}:){3,7}[0-9a-f:]*[0-9a-f]{1,4})(?![\w.])",
    re.IGNORECASE,
)
# A word of a language has few digits; what is long and has four of them or more is a token.
_TOKEN = re.compile(r"(?<![\w-])(?=(?:[\w.~-]*\d){4})[\w.~-]*\w{16,}[\w.~-]*(?<![.-])")
_COUNTERS = re.compile(r"(?<![\w.])(?:[A-Z]{2}\d\.\d\.)?\d{6,}\.\d{6,}(?![\w.])")  # cookie ids
_HIDDEN = ((_EMAIL, "e-mail"), (_UUID, "id"), (_HASH, "hash"), (_COUNTERS, "id"), (_IP, "address"),
           (_TOKEN, ""))  # fmt: skip


# ---------------------------------------------------------------- hiding


def _gone(kind: str, length: int) -> str:
    return f"{kind}…({length} chars)"


def masked_id(value: str) -> str:
    """An identifier as its prefix and its length.

    >>> masked_id("cid_4f9a21c07be84d6e9a10")
    'cid_…(24 chars)'
    >>> masked_id("81723")
    '…(5 chars)'
    """
    prefix = _ID_PREFIX.match(value)
    return _gone(prefix[0] if prefix else "", len(value))


def masked_url(url: str) -> str:
    """A URL without user, fragment and the values of parameters that are no campaign tag.

    >>> masked_url("https://shop.example/p/1?utm_source=news&uid=77#top")
    'https://shop.example/p/1?utm_source=news&uid=…#…'
    """
    match = _URL.fullmatch(url)
    if match is None:
        return _hidden(url)
    scheme, host, path, query, fragment = match.groups()
    shown = f"{scheme}{host.rpartition('@')[2]}{'/'.join(map(_hidden, path.split('/')))}"
    if query is not None:
        shown += "?" + "&".join(_parameter(one) for one in query.split("&"))
    return shown + ("#…" if fragment else "")


def _parameter(text: str) -> str:
    name, equals, value = text.partition("=")
    if not equals:
        return "…" if text else ""
    told = _hidden(unquote(value)) if name.lower() in _PLAIN_PARAMETERS else "…"
    return f"{_hidden(name)}={told}"


def _hidden(text: str) -> str:
    for pattern, kind in _HIDDEN:
        text = pattern.sub(lambda match, kind=kind: _gone(kind, len(match[0])), text)  # type: ignore[misc]
    return text


def masked(text: str, secrets: Sequence[str | None] = ()) -> str:
    """A text without e-mails, hashes, addresses, long tokens and the values in its URLs.

    Args:
        text: Any text from a delivery.
        secrets: Values that must not stand in it either, such as the client id of its row.

    >>> masked("from jo@mail.example at 10.0.0.7")
    'from e-mail…(15 chars) at address…(8 chars)'
    """
    if len(text) > _READ:
        cut = text[:_READ]
        # Half an e-mail is not known for one: what the cut went through goes.
        text = f"{cut[: max(cut.rfind(mark) for mark in _BETWEEN) + 1]}…"
    for secret in sorted({one for one in secrets if one}, key=len, reverse=True):
        if len(secret) >= _LEAST_SECRET or text == secret:
            text = text.replace(secret, masked_id(secret))
    return _hidden(_URL_INSIDE.sub(lambda match: masked_url(match[0]), text))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def private(one: Finding) -> Finding:
    """A finding whose words hold nothing personal, even where a column's name was a value.

    Its query is seen to by :func:`~tallymark.check.counting.queries.answerable`: half hidden it
    would count something else.
    """
    return dataclasses.replace(
        one,
        id=masked(one.id),
        message=masked(one.message),
        evidence={masked(str(name)): _walked(value) for name, value in one.evidence.items()},
        fix=masked(one.fix),
    )


def _walked(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {masked(str(name)): _walked(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_walked(inner) for inner in value]
    return value


# ---------------------------------------------------------------- looking

_COLUMNS = ("line_number", "event_ms", "event_name", "client_id", "page_url", "user_agent",
            "payload", "step")  # fmt: skip
_PURCHASES = "step = 'purchase'"  # what a condition on purchases begins with


class Look:
    """Looks at the landed rows that a finding is about: the first of them, and their worth.

    Args:
        engine: Where to ask.
        landed: The landed delivery.
        names: The keys of a purchase's payload.
        columns: For each role of the contract, the delivered column that plays it, or None.

    Attributes:
        worth: What the touched purchases state.
    """

    def __init__(
        self,
        engine: DuckEngine,
        landed: Landed,
        names: Payload,
        columns: Mapping[str, str | None],
    ) -> None:
        self._engine = engine
        self._landed = landed
        self._names = names
        self._columns = columns
        self.worth = Worth(engine, landed, names)

    def __call__(self, condition: str) -> Sequence[Row]:
        """The first rows that meet a condition on landed rows, masked.

        Two queries, unless it asks for purchases, which are few: the first finds line numbers and
        reads no more columns than the condition names; the second reads those lines, from the
        delivery itself where only what counting needs has landed. A condition that only a built
        table can answer gives no rows; what only a whole landed file can answer does not bind.
        Of :data:`LINES` it gives the first of their kind; their bytes stay in quarantine.
        """
        if condition in LINES:
            wanted = condition == NOT_TEXT
            of_kind = (
                {"line": number, "reason": masked(reason)}
                for number, reason, _ in self._landed.bad_lines
                if reason.startswith(NOT_UTF8) is wanted
            )
            return list(itertools.islice(of_kind, SHOWN))
        try:
            rows = self._first(condition)
        except duckdb.BinderException:
            if self._landed.light:
                raise
            return ()
        cells = (dict(zip(_COLUMNS, row, strict=True)) for row in rows)
        return [dict(_shown(row, self._names, self._columns)) for row in cells]

    def _first(self, condition: str) -> Sequence[tuple[Any, ...]]:
        listed = ", ".join(_COLUMNS)
        if condition.startswith(_PURCHASES):
            return self._engine.rows(
                f"select {listed} from {self._landed.purchases} where {condition} "
                f"order by line_number limit {SHOWN}"
            )
        source = self._landed.source
        test = self._landed.condition(condition)
        asked = f"select line_number from {source} where {test} limit {SHOWN}"
        found = self._engine.rows(asked)
        lines = sorted({int(row[0]) for row in found})
        if not lines:
            return ()
        if self._landed.reread is not None:
            return self._landed.reread(lines, _COLUMNS)
        return self._engine.rows(
            f"select {listed} from {source} where line_number in ({', '.join(map(str, lines))}) "
            "order by line_number"
        )


def looker(
    engine: DuckEngine, landed: Landed, names: Payload, columns: Mapping[str, str | None]
) -> Look:
    """What looks at the rows of a landed delivery; the arguments of :class:`Look`."""
    return Look(engine, landed, names, columns)


def _shown(
    row: Mapping[str, Any], names: Payload, columns: Mapping[str, str | None]
) -> Iterator[tuple[str, Any]]:
    """The cells of a row that people need to find it, masked; an empty one is said to be."""
    order = parse_order(row["payload"], names) if row["step"] == "purchase" else None
    client = row["client_id"]
    secrets = (client,)
    milliseconds = row["event_ms"]
    yield "line", int(row["line_number"])
    yield "time", None if milliseconds is None else moment(int(milliseconds))
    yield "event", row["event_name"] and _short(masked(row["event_name"], secrets))
    if columns.get("client_id"):
        yield "client", client and masked_id(client)
    page = row["page_url"]
    yield "page", page and _short(masked(page, secrets))
    if order is None:
        if columns.get("user_agent"):
            agent = row["user_agent"]
            yield "agent", agent and _short(masked(agent, secrets))
        return
    number = order.transaction_id
    yield "order", number and _short(masked(number, secrets))
    yield "revenue", None if order.revenue is None else f"{order.revenue:.2f}"
    yield "items", len(order.items) if order.valid else None
