"""What is kept out and not settled, by delivery and rule."""

from __future__ import annotations

import dataclasses
import difflib
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from tallymark.check.counting.samples import masked
from tallymark.check.quarantined.quarantine import Quarantine
from tallymark.errors import UsageError

__all__ = ["Held", "Note", "asked_for", "held", "held_in"]

Note = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one rule keeps out of one delivery.

    Attributes:
        delivery: The key of the delivery.
        date: Its day, ISO 8601, if its name states one.
        rule: The rule.
        rows: How many rows; None for the whole delivery.
        why: The reason, as a sentence.
        since: When that began, ISO 8601 UTC; empty if that cannot be told.
        release: What lets it in, as a command or a sentence.
    """

    delivery: str
    date: str | None
    rule: str
    rows: int | None
    why: str
    since: str
    release: str


def held(quarantine: Quarantine) -> list[Held]:
    """What is kept out and not settled: one item a delivery and rule, oldest day first."""
    found = [one for note in quarantine.notes() for one in held_in(note)]
    return sorted(found, key=lambda one: (one.date or "", one.delivery, one.rule))


def held_in(note: Note) -> list[Held]:
    """What one note of the quarantine says: one item a rule."""
    key, date = str(note["delivery"]), note.get("date")
    whole = "rules" not in note
    return [
        Held(
            delivery=key, date=date, rule=one["rule"], rows=None if whole else one["rows"],
            why=masked(one["why"]), since=one["since"] or (f"{date}T00:00:00.000Z" if date else ""),
            release=(
                f"mend it at the source and deliver it again: {one['hopeless']}"
                if one.get("hopeless")
                else _release(key, one["rule"])
            ),
        )
        for one in note["refusals" if whole else "rules"]
    ]  # fmt: skip


def _release(key: str, rule: str) -> str:
    """The command that lets it in, also where the name begins like an option."""
    if key.startswith("-"):
        return f"tallymark quarantine release --rule {rule} -- {shlex.quote(key)}"
    return f"tallymark quarantine release {shlex.quote(key)} --rule {rule}"


def asked_for(quarantine: Quarantine, key: str, rules: Iterable[str]) -> Note:
    """The note on a delivery in quarantine.

    Raises:
        UsageError: There is none, or a rule keeps nothing of it out.
    """
    note = quarantine.note(key)
    if note is None:
        there = sorted({str(one["delivery"]) for one in quarantine.notes()})
        close = difflib.get_close_matches(key, there, n=1, cutoff=0.5)
        fix = f"did you mean {close[0]!r}?" if close else "see `tallymark quarantine list`"
        raise UsageError(f"nothing of {key!r} is in quarantine", fix=fix)
    known = [one.rule for one in held_in(note)]
    for rule in rules:
        if rule not in known:
            raise UsageError(
                f"rule {rule!r} keeps nothing of {key!r} out", fix=f"it is {' and '.join(known)}"
            )
    return note
