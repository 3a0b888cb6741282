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


def blamed(error: duckdb.Error, where: str, fix: str = _MEND) -> ModelError:
    r"""What the engine said, as file:line, and the nearest name where it knows one.

    The text of a model must begin on the first line of what was run, so that lines are its own.

    Args:
        error: What the engine raised.
        where: The file.
        fix: What is to be done where no name is near.

    Example:
        >>> said = 'Binder Error: no column "x"\nCandidate bindings: "y", "z"\n\nLINE 2: x'
        >>> print(blamed(duckdb.BinderException(said), "a.sql"))
        a.sql:2: Binder Error: no column "x"
          fix: did you mean y?
    """
    text = str(error)
    line = _LINE.search(text)
    near = _CANDIDATES.search(text) or _MEANT.search(text)
    return ModelError(
        text.splitlines()[0],
        where=f"{where}:{line[1]}" if line and where.endswith(".sql") else where,
        fix=f"did you mean {near[1]}?" if near else fix,
    )


@contextmanager
def blaming(where: str, fix: str = _MEND) -> Iterator[None]:
    """Say which model DuckDB stumbled over."""
    try:
        yield
    except duckdb.Error as error:
        raise blamed(error, where, fix) from error
