"""Rows that are kept out, as people may see them: what is personal hidden, odd bytes harmless."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

from tallymark.check.counting.samples import masked, masked_id
from tallymark.check.quarantined.held import Held, Note, asked_for, held_in
from tallymark.check.quarantined.quarantine import Quarantine, Row
from tallymark.ingest.encodings import spelled
from tallymark.ingest.header import sampled

__all__ = ["Shown", "ShownRow", "escaped", "shown"]

_SHOWN_BYTES = 4096  # of a row, when it is shown; the file of rows has it whole
# A time says when, not who; any other word with a digit in it may be somebody's number.
_WORD = re.compile(
    r"(?P<time>\d{4}-\d{2}-\d{2}(?:[T ][\d:.]{2,18}Z?)?(?!\w))"
    r"|(?<![\w-])(?=[\w-]*\d)[\w-]{4,}(?!\w)"
)
# A quote behind a backslash ends no text.
_JSON_TEXT = re.compile(r'("+[\w.-]+"+\s*:\s*"+)(?:[^"\\]|\\"+|\\.)+')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row as it may be shown: hidden in parts, or whole with odd bytes escaped.

    Attributes:
        line: Its line in the delivery.
        rule: The rule that keeps it out.
        reason: Why.
        text: The row.
        base64: Its exact bytes, if nothing is to be hidden.
    """

    line: int
    rule: str
    reason: str
    text: str
    base64: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is kept out of a delivery, for reading.

    Attributes:
        delivery: The key of the delivery.
        held: By which rules.
        rows: The first rows; of a delivery that was refused whole, the first lines of its copy.
        more: How many further rows there are.
        kept: What is kept of a delivery that was refused whole, as a sentence.
        file: Where its bytes are.
    """

    delivery: str
    held: Sequence[Held]
    rows: Sequence[ShownRow]
    more: int = 0
    kept: str | None = None
    file: Path | None = None


def shown(quarantine: Quarantine, key: str, *, rule: str | None, limit: int, raw: bool) -> Shown:
    """What is kept out of a delivery, with the first rows.

    Args:
        quarantine: The quarantine.
        key: The delivery.
        rule: Only what this rule keeps out.
        limit: How many rows at most.
        raw: Show everything in them; else what is personal is hidden.

    Raises:
        UsageError: Nothing of such a delivery, or by such a rule, is in quarantine.
    """
    note = asked_for(quarantine, key, [rule] if rule else [])
    items = [one for one in held_in(note) if rule is None or one.rule == rule]
    whole = "rules" not in note
    copy = quarantine.kept_copy(note) if whole else None
    rows: list[Row] = []
    if whole:
        rows = _first_lines(copy, items, limit) if copy is not None else []
    else:
        for row in quarantine.read_rows(key, rule):
            rows.append(row)
            if len(rows) >= limit:
                break
    total = sum(one.rows or 0 for one in items)
    return Shown(
        delivery=key, held=items, rows=[_shown(row, note, raw=raw) for row in rows[:limit]],
        more=max(0, total - len(rows[:limit])), kept=note.get("kept"), file=copy,
    )  # fmt: skip


def _first_lines(copy: Path, items: Sequence[Held], limit: int) -> list[Row]:
    if not copy.name.endswith((".csv", ".jsonl", ".ndjson")):
        return []
    found: list[Row] = []
    with copy.open("rb") as stream:
        while len(found) < limit and (line := stream.readline(_SHOWN_BYTES)):
            row = Row(line=len(found) + 1, rule=items[0].rule, reason=items[0].why,
                      original=line.rstrip(b"\r\n"))  # fmt: skip
            found.append(row)
            while line and not line.endswith(b"\n"):
                line = stream.readline(_SHOWN_BYTES)
    return found


def _shown(row: Row, note: Note, *, raw: bool) -> ShownRow:
    part = row.original[:_SHOWN_BYTES]
    cut = "" if len(part) == len(row.original) else "…"
    if raw:
        exact = base64.b64encode(row.original).decode()
        return ShownRow(line=row.line, rule=row.rule, reason=row.reason, text=escaped(part) + cut,
                        base64=exact)  # fmt: skip
    text = _hidden(part.decode("utf-8", errors="replace"), note.get("columns") or ())
    return ShownRow(line=row.line, rule=row.rule, reason=masked(row.reason), text=text + cut)


def escaped(original: bytes) -> str:
    r"""Bytes as text that no terminal acts on, and from which the bytes can be told.

    >>> escaped(b"a\x1b[31m\xff\\")
    'a\\x1b[31m\\xff\\\\'
    """
    text = original.replace(b"\\", b"\\\\").decode("utf-8", errors="backslashreplace")
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def _hidden(text: str, columns: Sequence[str]) -> str:
    """A row without what may be personal: its ids, the texts of its payload, its addresses."""
    values = _values(text)
    if values is not None:
        told = ", ".join(f"{masked(one)}: {masked(_bare(cell))}" for one, cell in values if cell)
        return spelled(told)  # what JSON escapes would else reach a terminal
    text = _bare(text)
    cells = _cells(text)
    if columns and len(cells) == len(columns):
        return ", ".join(
            f"{name}: {masked(cell)}" for name, cell in zip(columns, cells, strict=True) if cell
        )
    return masked(text)


def _bare(text: str) -> str:
    text = _JSON_TEXT.sub(r"\1…", text)
    return _WORD.sub(lambda word: word["time"] or masked_id(word[0]), text)


def _values(text: str) -> list[tuple[str, str]] | None:
    """The names and values of a row that is a JSON object; None if it is none."""
    try:
        row = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    return [(name, sampled(value) or "") for name, value in row.items()]


def _cells(text: str) -> list[str]:
    try:
        return next(iter(csv.reader(io.StringIO(text, newline=""), strict=True)), [])
    except csv.Error:
        return []
