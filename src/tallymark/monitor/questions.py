"""What the landed rows of a day are asked about an incident: a value they lack, or how many.

A question is two conditions on landed rows: which rows count, and which of those have the value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tallymark.engine.base import literal
from tallymark.results import Incident

__all__ = ["DIMENSIONS", "Question", "question_of"]

DIMENSIONS = ("section", "device", "system", "browser", "page", "agent", "source")

_PEOPLE = "client_id is not null and not coalesce(agents.is_bot, false)"
_VIEWS = f"step = 'page_view' and {_PEOPLE}"
_TAGGED = "regexp_matches(page_url, '[?&]utm_[a-z]+=[^&#]')"
_FIELD = re.compile(r"[^\W\d][\w .-]{0,62}")  # a key that can stand in a JSON path as it is
_LINES = "[]."
# Known for certain: the column is not there, or is read under another name. All rows lack it.
_WHOLE = ("column_emptied", "column_missing", "column_renamed", "column_swapped", "file_",
          "hours_", "delivery_", "client_missing")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked.

    Attributes:
        rows: The rows, in words.
        among: A condition: which rows count.
        filled: A condition: which of those have the value; None where only their number counts.
        dimensions: In which to look, the wider first.
        source: ``tag`` (a campaign tag, else the referrer's host) or ``host`` (the host alone).
        named: Whether the source is the value itself, so that those that are lost have a name.
        leading: A dimension that is worth a word also where no value of it stands out.
        few: Whether only a few of all rows count, so that each is needed.
    """

    rows: str
    among: str = "true"
    filled: str | None = None
    dimensions: Sequence[str] = DIMENSIONS
    source: str = "tag"
    named: bool = False
    leading: str | None = None
    few: bool = False


def _without(*names: str) -> tuple[str, ...]:
    return tuple(one for one in DIMENSIONS if one not in names)


_CLIENT = Question(rows="rows without a client id", filled="client_id is not null")
_REFERRER = Question(
    rows="page views without a referrer", among=_VIEWS, filled="contains(referrer, '://')",
    dimensions=_without("source"), source="host", named=True,
)  # fmt: skip
_COVERAGE = {
    "anonymous_rows": _CLIENT,
    "client_id": _CLIENT,
    "client_ids_lost": _CLIENT,
    "column_partly_empty:client_id": _CLIENT,
    "identity_coverage": _CLIENT,
    "referrer_coverage": _REFERRER,
    "column_partly_empty:referrer": _REFERRER,
    "column_partly_empty:user_agent": Question(
        rows="rows without a user agent", filled="landed.user_agent is not null",
        dimensions=_without("agent", "browser", "device", "system"),
    ),
    "column_partly_empty:page_url": Question(
        rows="rows without a page", filled="page_host is not null",
        dimensions=_without("section", "page"),
    ),
    "utm_coverage": Question(
        rows="page views without a campaign tag", among=_VIEWS, filled=_TAGGED, source="host"
    ),
    "click_id_coverage": Question(
        rows="page views without a click id", among=_VIEWS,
        filled="regexp_matches(page_url, '[?&]{clicks}=[^&#]')",
    ),
}  # fmt: skip
_CARTS = Question(rows="carts", among="step = 'add_to_cart'", few=True)
_CHECKOUTS = Question(rows="checkouts started", among="step = 'checkout_start'", few=True)
_PURCHASES = Question(rows="purchases", among="step = 'purchase'", few=True)
_BOTS = Question(rows="rows of bots", among="agents.is_bot", leading="agent")
_VISITS = Question(rows="page views of people", among=_VIEWS)
_VOLUMES = {
    "bot_share": _BOTS,
    "bot_wave": _BOTS,
    "cart_rate": _CARTS,
    "checkout_rate": _CHECKOUTS,
    "conversion_rate": _PURCHASES,
    "delivery_shrunken": Question(rows="rows"),
    "events": Question(rows="rows"),
    "orders": _PURCHASES,
    "page_views": _VISITS,
    "purchase_rate": _PURCHASES,
    "revenue": _PURCHASES,
    "rows_accepted": Question(rows="rows"),
    "sessions": _VISITS,
}


def question_of(incident: Incident) -> Question | None:
    """What to ask about an incident: what its first cause is about; None if rows cannot tell."""
    key = incident.id
    kind, _, name = key.partition(":")
    if kind in {"payload_coverage", "payload_field_partly_lost", "payload_field_lost"} and name:
        return _field(name.removeprefix("purchase."))
    if kind == "column_partly_empty" and name.startswith("event_data:"):
        return _payload(name.partition(":")[2])
    for one in (key, kind, incident.metric or ""):
        found = _COVERAGE.get(one) or _VOLUMES.get(one)
        if found is not None:
            return found if one == "delivery_shrunken" or not kind.startswith(_WHOLE) else None
    return None


def _payload(step: str) -> Question:
    return Question(
        rows="events without a payload", among=f"step = {literal(step)}",
        filled="payload is not null", few=True,
    )  # fmt: skip


def _field(name: str) -> Question | None:
    items, line, inner = name.partition(_LINES)
    if not all(_FIELD.fullmatch(one) for one in ((items, inner) if line else (items,))):
        return None
    if line:
        values = f'json_extract_string(payload, \'$."{items}"[*]."{inner}"\')'
        filled = f"list_count({values}) >= json_array_length(payload, '$.\"{items}\"')"
    else:
        value = f"json_extract_string(payload, '$.\"{items}\"')"
        filled = f"coalesce({value}, '') not in ('', '[]')"
    return Question(
        rows=f"purchases without {name}", among="step = 'purchase'",
        filled=f"case when json_valid(payload) then {filled} else false end",
        few=True,
    )  # fmt: skip
