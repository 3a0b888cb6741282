"""Quotes of a CSV line: which are structure, and which stand where no writer puts them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

__all__ = ["beside_cells", "has_bare_quote", "writer_quotes"]


@functools.cache
def _quoted_cell(delimiter: str) -> re.Pattern[str]:
    """A whole quoted cell between delimiters; blanks around the quotes are let pass."""
    mark = re.escape(delimiter)
    return re.compile(rf'(?:^|(?<={mark})) *"((?:[^"]|"")*)" *(?={mark}|$)')


def beside_cells(text: str, delimiter: str) -> str:
    """What a record holds beside its quoted cells."""
    return _quoted_cell(delimiter).sub("", text) if '"' in text else text


def has_bare_quote(text: str, delimiter: str) -> bool:
    """Whether a record has a quote outside its quoted cells, as in ``1,2"x,3``."""
    return '"' in beside_cells(text, delimiter)


def writer_quotes(texts: Iterable[str], delimiter: str) -> bool:
    """Whether whoever wrote these records puts what needs it into quotes, as RFC 4180 asks.

    Such a writer never leaves a quote bare in an unquoted value, so one that stands there is
    damage. Of others (tab-separated JSON, inches) it is a character like any other. Nobody
    doubles quotes by chance, so that weighs more than quotes around a value.
    """
    pattern = _quoted_cell(delimiter)
    quoted = doubled = bare = 0
    for text in texts:
        if '"' not in text:
            continue
        cells = pattern.findall(text)
        # Quotes that are not of these cells stand outside them.
        if text.count('"') > sum(cell.count('"') + 2 for cell in cells):
            bare += 1
        elif cells:
            quoted += 1
        # Also beside a bare quote: the damaged row may be the only one with quotes.
        doubled += any('""' in cell for cell in cells)
    return quoted > bare or (doubled > 0 and doubled >= bare)
