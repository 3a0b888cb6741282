"""Lines picked by their number."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.ingest import scan as scanning
from tallymark.ingest.header import Head
from tallymark.ingest.lines import LineIndex, pick_lines
from tallymark.ingest.scan import scan


def split(data: bytes, newline: bytes) -> list[bytes]:
    """All lines, each with its end."""
    parts = data.split(newline)
    found = [part + newline for part in parts[:-1]]
    return found + ([parts[-1]] if parts[-1] else [])


@given(
    data=st.lists(
        st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b'"', b"\r", b","]), min_size=1, max_size=60
    ),
    numbers=st.sets(st.integers(1, 40), max_size=6),
    chunk=st.integers(1, 9),
    newline=st.sampled_from(["\n", "\r", "\r\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_lines_are_those_of_a_split(
    tmp_path_factory: pytest.TempPathFactory,
    data: list[bytes],
    numbers: set[int],
    chunk: int,
    newline: str,
    mark: bytes,
) -> None:
    """Whatever ends where in a piece, and whether or not the last line ends."""
    path = tmp_path_factory.mktemp("lines") / "a"
    text = mark + b"".join(data)
    path.write_bytes(text)
    expected = split(text, newline[-1].encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "_CHUNK", chunk)
        index = scan(path, Head(columns=["a", "b"], sample={}, newline=newline)).index
    assert index is not None
    found = pick_lines(path, index, sorted(numbers))
    assert found == [expected[number - 1] for number in sorted(numbers) if number <= len(expected)]


def test_no_line_is_wanted(tmp_path: Path) -> None:
    """Nothing is asked for, nothing is given."""
    path = tmp_path / "a"
    path.write_bytes(b"1\n2\n")
    assert pick_lines(path, LineIndex(10, 0, 4, [0]), []) == []
