"""Other ways to write the same values: what a changed export might send in a column."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

__all__ = ["RETYPED", "digest", "usual"]

_NUMBER_DIGITS = 10  # hexadecimal, so that the number fits into 64 bits


def digest(value: str) -> str:
    """Hexadecimal text that depends on the value alone."""
    return hashlib.sha256(value.encode()).hexdigest()


def _moment(value: str) -> dt.datetime:
    return dt.datetime.fromisoformat(value)


def _escaped(value: str) -> str:
    backslashed = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{backslashed}"'


RETYPED: Mapping[str, Mapping[str, Callable[[str], str]]] = {
    "client_id": {
        "number": lambda value: str(int(digest(value)[:_NUMBER_DIGITS], 16)),
        "uuid": lambda value: str(uuid.UUID(digest(value)[:32])),
        "base64": lambda value: base64.b64encode(value.encode()).decode(),
    },
    "page_url": {
        "path": lambda value: urlsplit(value).path,
        "no_scheme": lambda value: value.partition("://")[2],
    },
    "referrer": {"host": lambda value: urlsplit(value).netloc},
    "timestamp": {
        "epoch_ms": lambda value: str(round(_moment(value).timestamp() * 1000)),
        "epoch_s": lambda value: str(int(_moment(value).timestamp())),
        "sql": lambda value: _moment(value).strftime("%Y-%m-%d %H:%M:%S"),
        "german": lambda value: _moment(value).strftime("%d.%m.%Y %H:%M:%S"),
        "american": lambda value: _moment(value).strftime("%m/%d/%Y %I:%M:%S %p"),
    },
    "event_name": {
        "title": lambda value: value.replace("_", " ").title(),
        "joined": lambda value: value.replace("_", ""),
    },
    "event_data": {
        "quoted": _escaped,
        "python": lambda value: value.replace('"', "'"),
    },
    "user_agent": {"escaped": quote, "lower": str.lower},
}
"""For each column the types it may change to, and what becomes of a filled value."""


def usual(column: str) -> str:
    """The type to which a column changes when none is asked for."""
    return next(iter(RETYPED[column]))
