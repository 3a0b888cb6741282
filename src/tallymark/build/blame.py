"""Whose SQL the engine stumbled over, in which line, and the likely cure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from tallymark.errors import ModelError

__all__ = ["blamed", "blaming"]

_LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)
_CANDIDATES = re.compile(r'^Candidate bindings: "([^"]+)"', re.MULTILINE)
_MEANT = re.compile(r'^Did you mean "([^"]+)"', re.MULTILINE)
_MEND = "mend the SQL of this model"
# Said of a value that the SQL met, which may be personal; parser and binder speak of SQL alone.
_OF_VALUES = (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException)
_VALUE = re.compile(r"""(?<!\w)["'](?:.*["'](?!\w)|.*$)""")


def blamed(error: duckdb.Error, where: str, fix: str = _MEND, asked: str = "") -> ModelError:
    r"""What the engine said, as file:line, and the nearest name where it knows one.

    Values that stand in what it said are hidden, as they may say who somebody is. The text of a
    model must begin on the first line of what was run, so that lines are its own.

    Args:
        error: What the engine raised.
        where: The file.
        fix: What is to be done where no name is near.
        asked: What somebody wrote: values that stand in it are shown.

    Example:
        >>> said = 'Binder Error: no column "x"\nCandidate bindings: "y", "z"\n\nLINE 2: x'
        >>> print(blamed(duckdb.BinderException(said), "a.sql"))
        a.sql:2: Binder Error: no column "x"
          fix: did you mean y?
    """
    text = str(error)
    said = text.splitlines()[0]
    if isinstance(error, _OF_VALUES):
        said = _VALUE.sub(lambda value: _hidden(value[0], asked), said)
    line = _LINE.search(text)
    near = _CANDIDATES.search(text) or _MEANT.search(text)
    return ModelError(
        said,
        where=f"{where}:{line[1]}" if line and where.endswith(".sql") else where,
        fix=f"did you mean {near[1]}?" if near else fix,
    )


def _hidden(value: str, asked: str) -> str:
    bare = value[1:-1]
    return value if bare and bare in asked else f"…({max(len(bare), 1)} chars)"


@contextmanager
def blaming(where: str, fix: str = _MEND, asked: str = "") -> Iterator[None]:
    """Say which model DuckDB stumbled over."""
    try:
        yield
    except duckdb.Error as error:
        raise blamed(error, where, fix, asked) from error
