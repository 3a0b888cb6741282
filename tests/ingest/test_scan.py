"""What the bytes of a file prove, whichever pieces it is read in."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallymark.ingest import scan as scanning
from tallymark.ingest.header import Head
from tallymark.ingest.lines import pick_lines
from tallymark.ingest.scan import Text, scan

_BOM = b"\xef\xbb\xbf"
_PIECES = st.sampled_from(
    [b",", b",,", b"\n", b"\r\n", b"\r", b'"', b"\0", _BOM, b"\xef", b"a", b"bc"]
)


def expected(content: bytes, newline: str) -> tuple[int, int, bool, bool, bool, bool]:
    """The same counts, told from all bytes at once in the plainest way."""
    body = content.removeprefix(_BOM)
    ending = newline[-1].encode()
    lines = body.split(ending)
    rows, last = lines[:-1], lines[-1]
    if newline == "\r\n":  # the byte before a line's end is taken to belong to it
        rows = [row[:-1] for row in rows]
    ends = [len(row) - len(row.rstrip(b",")) for row in [*rows, last][1:]]
    return (
        len(rows) + bool(last), sum(ends), b"\0" in body, _BOM in body,
        newline != "\r" and re.search(rb"\r[^\n]", body) is not None, loose(body),
    )  # fmt: skip


def loose(body: bytes) -> bool:
    """Whether a quote neither opens a cell nor closes or doubles one, byte by byte."""
    inside = wrong = False
    beside = b',\r\n" '
    for at, byte in enumerate(body):
        if byte == ord('"'):
            next_to = body[at + 1 : at + 2] if inside else body[max(0, at - 1) : at]
            wrong |= next_to not in {b"", *(bytes([one]) for one in beside)}
            inside = not inside
    return wrong or inside


def told(text: Text) -> tuple[int, int, bool, bool, bool, bool]:
    """What a scan told, in the same order."""
    return (
        text.lines, text.open_ends, text.nul, text.mark, text.returns, text.loose_quotes,
    )  # fmt: skip


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@given(parts=st.lists(_PIECES, max_size=60), size=st.integers(1, 64), marked=st.booleans())
@example(parts=[b"a", b",,", b"\r", b"\n", b"bc", b",,", b"\r\n"], size=1, marked=True)
def test_pieces_do_not_matter(newline: str, parts: list[bytes], size: int, *, marked: bool) -> None:
    """Counts, digest and lines are the same in pieces of any size as of the whole."""
    ending = newline.encode()
    header = b"one,two" + ending
    body = b"".join(one for one in parts if newline == "\r\n" or one != b"\r\n")
    if newline == "\r\n":  # here every line ends in both, as it does where this form was told
        body = re.sub(rb"\r*\n", b"\r\n", body)
    content = (_BOM if marked else b"") + header + body
    seen: list[bytes] = []
    head = Head(columns=[str(number) for number in range(200)], newline=newline, quotes=True)
    with tempfile.TemporaryDirectory() as folder, patch.object(scanning, "_CHUNK", size):
        path = Path(folder) / "events.csv"
        path.write_bytes(content)
        text = scan(path, head, lambda piece: seen.append(bytes(piece)))
        assert b"".join(seen) == content
        assert told(text) == expected(content, newline)
        assert text.index is not None
        last = ending[-1:]
        lines = [line + last for line in content.split(last)[:-1]]
        assert pick_lines(path, text.index, range(1, len(lines) + 1)) == lines
