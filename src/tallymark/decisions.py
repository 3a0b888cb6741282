"""What people decided, as plain numbered files: ``decisions/0001-column_alias.yml`` and so on.

A decision is added and never changed: the files are the record of who agreed to what, they can
be read without Tallymark, and they are made to be kept in version control beside the contract.
Nothing here asks for the time of day; who wants a date in a decision puts it among the facts.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

from pydantic import ConfigDict, Field

from tallymark.config import Strict, load
from tallymark.errors import UsageError
from tallymark.yamltext import yaml_text

__all__ = ["Decision", "append", "read"]

KIND = r"^[a-z][a-z0-9_]*$"
_NUMBERED = re.compile(r"^(\d{4,})-[a-z0-9_]+\.yml$")
_HEAD = "# A decision, kept for good: Tallymark reads this file and never changes it.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision as its file tells it.

    Attributes:
        number: Its place in the order of decisions, from 1; 0 for a file without a number.
        kind: What sort of decision it is, such as ``column_alias``.
        facts: What was decided: texts, numbers, lists and mappings; days as ISO 8601 text.
        path: The file.
    """

    number: int
    kind: str
    facts: Mapping[str, Any]
    path: Path


class _Record(Strict):
    """The content of a decision's file."""

    model_config = ConfigDict(str_strip_whitespace=False)  # facts are kept to the blank

    version: Literal[1] = 1
    kind: str = Field(pattern=KIND)
    facts: dict[str, Any] = Field({})


def append(folder: Path, kind: str, facts: Mapping[str, Any]) -> Path:
    """Add a decision; a reader, or a kill, sees the whole file or none.

    Args:
        folder: The project's ``decisions``; made if it is not there.
        kind: Lower-case word for the sort of decision, such as ``column_alias``.
        facts: What was decided, in the order in which it is to be read. Days and times are
            written as ISO 8601 text, paths with forward slashes.

    Returns:
        The new file.

    Raises:
        UsageError: ``kind`` is no lower-case word.
    """
    if not re.match(KIND, kind):
        raise UsageError(f"{kind!r} is no kind of decision", fix="use a word such as column_alias")
    text = _HEAD + yaml_text({"version": 1, "kind": kind, "facts": _plain(facts)})
    folder.mkdir(parents=True, exist_ok=True)
    number = max((_number(path) for path in folder.glob("*.yml")), default=0)
    aside = folder / f".{kind}.{os.getpid()}.tmp"
    try:
        aside.write_text(text, encoding="utf-8")
        while True:
            number += 1
            path = folder / f"{number:04d}-{kind}.yml"
            if not any(_number(other) == number for other in folder.glob("*.yml")) and _put(
                aside, path
            ):
                return path
    finally:
        aside.unlink(missing_ok=True)


def read(folder: Path, kind: str | None = None) -> list[Decision]:
    """All decisions of a kind (default: of every kind) in the order they were made.

    Args:
        folder: The project's ``decisions``; nothing was decided if it is not there.
        kind: The kind asked for.

    Raises:
        ConfigError: A file is no decision; with file:line:column.
    """
    paths = sorted(folder.glob("*.yml"), key=lambda path: (_number(path), path.name))
    found = []
    for path in paths:
        record = load(_Record, path)
        if kind is None or record.kind == kind:
            found.append(
                Decision(number=_number(path), kind=record.kind, facts=record.facts, path=path)
            )
    return found


def _number(path: Path) -> int:
    numbered = _NUMBERED.match(path.name)
    return int(numbered[1]) if numbered else 0


def _put(aside: Path, path: Path) -> bool:
    """Give a finished file its name, unless somebody else took the name meanwhile."""
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        return False
    except OSError:
        # A file system without links: no other writer is kept out, but nothing is seen in part.
        if path.exists():
            return False
        aside.replace(path)
    return True


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(one) for one in value)
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return value.as_posix() if isinstance(value, PurePath) else str(value)
