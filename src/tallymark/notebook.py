"""What a notebook shows of a result: a title, a status and a table, with all text escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

__all__ = ["as_html"]

_COLOURS = {"GREEN": "#1a7f37", "YELLOW": "#9a6700", "RED": "#cf222e"}


def as_html(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    status: str = "",
    note: str = "",
) -> str:
    """A small page of HTML; whatever the cells hold is shown as text.

    Args:
        title: One line above the table.
        head: The names of the columns.
        rows: Cells; None is shown as nothing.
        status: GREEN, YELLOW or RED, if there is one.
        note: One line below the table.

    Example:
        >>> as_html("a < b", ["x"], [["<b>"]])
        '<div><p><strong>a &lt; b</strong></p><table><thead><tr><th>x</th></tr></thead><tbody>\
<tr><td>&lt;b&gt;</td></tr></tbody></table></div>'
    """
    mark = ""
    if status:
        colour = _COLOURS.get(status, "inherit")
        mark = f'<span style="color:{colour};font-weight:bold">{_text(status)}</span> '
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    table = ""
    if body:
        names = "".join(f"<th>{_text(name)}</th>" for name in head)
        table = f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
    below = f"<p>{_text(note)}</p>" if note else ""
    return f"<div><p>{mark}<strong>{_text(title)}</strong></p>{table}{below}</div>"


def _text(cell: object) -> str:
    return "" if cell is None else html.escape(str(cell), quote=True)
