"""What the real reading of a damaged file came to, against the ideal one."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tallymark.ingest.careful import original_texts
from tallymark.ingest.header import Broken, read_head
from tallymark.ingest.landing_sql import REJECTED
from tallymark.ingest.unpack import open_text
from tests.ingest.damage import Case
from tests.ingest.making import deliver, land_rows

__all__ = ["Outcome", "outcome", "read"]

_LANDED = ("client_id", "page_url", "referrer", "event_ms", "event_name", "payload", "user_agent")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Outcome(enum.Enum):
    """How well a damaged file was read."""

    IDEAL = "ideal"
    SAFE = "safe, not ideal"
    SILENT = "silent corruption"


def read(case: Case, folder: Path) -> tuple[dict[int, tuple[Any, ...]], dict[int, bytes]]:
    """Accepted rows by line and value, and what was kept out by line and bytes.

    A file that is refused is kept out whole.
    """
    delivery = deliver(folder, case.content)
    try:
        rows, landed = land_rows(delivery)
    except Broken:
        return {}, {1: case.content}
    kept = {row["line_number"]: row for row in rows if not row["faults"] & REJECTED}
    accepted = {number: tuple(row[name] for name in _LANDED) for number, row in kept.items()}
    out = {
        number: text.encode("utf-8", errors="surrogateescape")
        for number, _, text in landed.bad_lines
    }
    rejected = {row["line_number"] for row in rows} - set(kept)
    with open_text(delivery) as stream:
        texts = original_texts(stream, delivery.format, read_head(delivery), rejected)
    for number, text in texts.items():
        out[number] = text.encode("utf-8", errors="surrogateescape")
    return accepted, out


def outcome(
    case: Case, accepted: Mapping[int, tuple[Any, ...]], out: Mapping[int, bytes]
) -> Outcome:
    """Judge a reading; a row that is lost, altered or made up and accepted is corruption."""
    kept_out = b"\n".join(out[number] for number in sorted(out))
    for number, values in accepted.items():
        if number in case.good:
            if values != _landed(case.good[number]):
                return Outcome.SILENT
        elif number not in case.still_a_row or not _alike(values, case.still_a_row[number]):
            return Outcome.SILENT
    lost = [case.lines[number] for number in case.good.keys() - accepted.keys()]
    lost += case.bad.values()
    if any(line not in kept_out for text in lost for line in text.splitlines()):
        return Outcome.SILENT
    if case.still_a_row.keys() - accepted.keys() - out.keys():
        return Outcome.SILENT
    rest = {number: text for number, text in out.items() if number not in case.still_a_row}
    exact = not case.good.keys() - accepted.keys() and rest == case.bad
    return Outcome.IDEAL if exact else Outcome.SAFE


def _landed(values: Sequence[str]) -> tuple[Any, ...]:
    """The values of a row as they land: without spaces around them, empty ones null."""
    found: list[Any] = [value.strip(" ") or None for value in values]
    stamp = dt.datetime.fromisoformat(str(found[3]))
    found[3] = int((stamp - _EPOCH) / dt.timedelta(milliseconds=1))
    return tuple(found)


def _alike(landed: Sequence[Any], values: Sequence[str]) -> bool:
    """Whether a row landed with its values, its time aside."""
    wanted = [value.strip(" ") or None for value in values]
    return all(landed[at] == one for at, one in enumerate(wanted) if at != 3)
