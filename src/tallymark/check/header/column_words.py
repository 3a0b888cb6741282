"""What the gate says about columns: sentence, evidence and fix, ready to become a finding."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from tallymark.check.header.columns import Double, Rename, TypeChange
from tallymark.check.header.swaps import Swap
from tallymark.config import Severity
from tallymark.contract import Column
from tallymark.ingest.encodings import spelled

__all__ = ["changed", "doubled", "listed", "missing", "renamed", "shown", "swapped",
           "unexpected"]  # fmt: skip

_CONTRACT = "contracts/events.yml"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LISTED = 50  # delivered names in the evidence of a missing one
_SHOWN = 64  # characters of a delivered name in a sentence
_UNREADABLE = {
    "client_id": "so events cannot be given to visitors",
    "page_url": "so campaigns and landing pages cannot be read from it",
    "referrer": "so organic, referral and direct traffic cannot be told apart",
    "timestamp": "so nothing can be ordered or dated",
    "event_name": "so purchases cannot be told from page views",
    "event_data": "so order ids and revenue cannot be read from it",
    "user_agent": "so devices and bots cannot be told apart",
}


def listed(names: Sequence[str]) -> str:
    """Names as one reads them aloud.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def renamed(rename: Rename) -> dict[str, Any]:
    """A column that is missing, and another that looks like it."""
    old, new = rename.column.name, shown(rename.delivered)
    rivals = [shown(name) for name in rename.rivals]
    message = f"column {old} {_gone(rename)}; {new} matches it ({rename.evidence()})"
    if not rename.adopted:
        also = f", and so does {listed(rivals)}" if rivals else ""
        doubt = "not sure enough to read it so" if rename.readable else (
            "its values cannot be read as they are"
        )  # fmt: skip
        message += f"{also}; {doubt}"
    agree = (
        f"`tallymark contract alias {_words(old, spelled(rename.delivered))}`, "
        f"which adds `aliases: [{_yaml(rename.delivered)}]` to it in {_CONTRACT}"
    )
    return {
        "subject": old,
        "message": message,
        "severity": None if rename.adopted else Severity.P1,
        "evidence": {
            "old": old, "new": spelled(rename.delivered), "adopted": rename.adopted,
            "score": rename.score, "name_likeness": round(rename.name, 3),
            "same_position": rename.position, "shape_likeness": round(rename.shape, 3),
            **({"first_line": rename.line} if rename.line is not None else {}),
            **({"rivals": [*map(spelled, rename.rivals)]} if rename.rivals else {}),
        },
        "fix": (
            f"agree to the new name with {agree}, or restore the name {old}; until then {new} is "
            f"read as {old}{' where that is empty' if rename.partly else ''}"
            if rename.adopted
            else f"if {new} is {old}, agree to it with {agree}"
        ),
    }  # fmt: skip


def _gone(rename: Rename) -> str:
    """What became of the old column."""
    if rename.partly:
        if rename.rows is None or rename.line is None:
            return "is empty in some rows"
        return f"is missing from {rename.rows:,} rows, the first in line {rename.line:,}"
    return "is empty" if rename.empty else "is missing"


def swapped(swap: Swap) -> dict[str, Any]:
    """Columns that hold each other's values."""
    names = [column.name for column in swap.columns]
    holds = listed([
        f"{shown(swap.reads[name])} holds what belongs in {name}" for name in names
    ])  # fmt: skip
    moved = "their names changed places in the header" if swap.moved else (
        "the header is in order, their values changed places"
    )  # fmt: skip
    sure = "" if swap.adopted else "; not sure enough to read them so"
    return {
        "subject": names[0],
        "message": f"columns {listed(names)} are swapped: {holds} ({moved}){sure}",
        "severity": None if swap.adopted else Severity.P1,
        "evidence": {
            "column": names[1], "adopted": swap.adopted,
            "reads": {name: spelled(one) for name, one in swap.reads.items()},
            "gain": round(swap.gain, 2), "names_moved": swap.moved,
        },
        "fix": (
            "put them right at the source, or, if this is meant to stay, exchange their names in "
            f"{_CONTRACT}; until then each is read for what it holds"
            if swap.adopted
            else "look at a few rows; if they are swapped, put them right at the source and "
            "deliver the day again"
        ),
    }  # fmt: skip


def changed(change: TypeChange) -> dict[str, Any]:
    """A column whose values are not what the contract asks for."""
    column, shape = change.column, change.shape
    other = change.delivered != column.name
    called = f" (delivered as {shown(change.delivered)})" if other else ""
    share = 1 - shape.fits
    message = (
        f"column {column.name}{called} changed its type: {change.expected} was expected, and "
        f"{share:.0%} of the sampled values are {shape.seen}"
    )
    if change.usable:
        severity = max(Severity.P1, column.if_missing)  # the milder one
    elif shape.form is not None and shape.readable and column.role == "timestamp":
        severity = Severity.P1
    else:
        severity = column.if_missing
        harm = _UNREADABLE.get(column.role or "")
        message += f", {harm}" if harm else ""
    pattern = f", or change `pattern` of {column.name} in {_CONTRACT}" if change.usable else ""
    return {
        "subject": column.name,
        "message": message,
        "severity": severity,
        "evidence": {
            "delivered": spelled(change.delivered), "expected": change.expected, "seen": shape.seen,
            "fitting_share": round(shape.fits, 3), "sampled": shape.filled,
        },
        "fix": f"{_counted(change)}send {column.name} as {change.expected} again{pattern}",
    }  # fmt: skip


def _counted(change: TypeChange) -> str:
    """How numbers are agreed to that count the time since 1970; nothing where there are none."""
    column, unit = change.column, change.shape.counted
    if unit is None:
        return ""
    line = f"format: [{', '.join([*column.formats, unit])}]" if column.formats else (
        f"format: {unit}"
    )  # fmt: skip
    return (
        f"if these numbers are meant to stay, give {column.name} the line `{line}` in "
        f"{_CONTRACT}: this very delivery is read then; else "
    )


def doubled(double: Double) -> dict[str, Any]:
    """A column that came under two names, both of them filled."""
    name, read, also = double.column.name, shown(double.read), shown(double.also)
    equal = "" if double.same is None else f"; {double.same:.0%} of the sampled values are equal"
    where = f", and {also} where that is empty" if double.agreed else ""
    return {
        "subject": name,
        "message": f"{read} and {also} were both delivered for column {name}; {read} is "
        f"read{where}{equal}",
        "evidence": {
            "read": spelled(double.read), "also": spelled(double.also),
            **({} if double.same is None else {"equal_share": round(double.same, 3)}),
        },
        "fix": f"deliver one of the two, and name it in {_CONTRACT}",
    }  # fmt: skip


def missing(column: Column, others: Sequence[str], why: str) -> dict[str, Any]:
    """A column that was not delivered."""
    reason = column.why or why
    return {
        "subject": column.name,
        "message": f"column {column.name} was not delivered{': ' if reason else ''}{reason}",
        "severity": column.if_missing,
        "evidence": {"columns": [*map(shown, others[:_LISTED])]},
        "fix": f"restore {column.name} at the source and deliver the day again",
    }


def unexpected(name: str) -> dict[str, Any]:
    """A column that the contract does not know."""
    return {"subject": shown(name), "message": f"column {shown(name)} is not in the contract"}


def shown(name: str) -> str:
    """The name of a delivered column, short, and without what must not be printed."""
    name = spelled(name)
    return name if len(name) <= _SHOWN else f"{name[: _SHOWN - 1]}…"


def _yaml(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    # Of what nobody sees YAML knows the escapes of JSON.
    return json.dumps(name, ensure_ascii=spelled(name) != name)


def _words(*names: str) -> str:
    """Names as words of a command; ``--`` before them if one could be taken for an option."""
    words = " ".join(map(shlex.quote, names))
    return f"-- {words}" if any(name.startswith("-") for name in names) else words
