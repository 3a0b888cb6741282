"""Lines picked by their number."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.ingest import lines
from tallymark.ingest.lines import pick_lines


def split(data: bytes, newline: bytes) -> list[bytes]:
    """All lines, each with its end."""
    parts = data.split(newline)
    found = [part + newline for part in parts[:-1]]
    return found + ([parts[-1]] if parts[-1] else [])


@given(
    data=st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b'"', b"\r"]), max_size=60),
    numbers=st.sets(st.integers(1, 40), max_size=6),
    chunk=st.integers(1, 9),
    newline=st.sampled_from([b"\n", b"\r"]),
)
def test_lines_are_those_of_a_split(
    tmp_path_factory: pytest.TempPathFactory,
    data: list[bytes],
    numbers: set[int],
    chunk: int,
    newline: bytes,
) -> None:
    """Whatever ends where in a chunk, and whether or not the last line ends."""
    path = tmp_path_factory.mktemp("lines") / "a"
    path.write_bytes(b"".join(data))
    expected = split(b"".join(data), newline)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_CHUNK", chunk)
        found = pick_lines(path, newline, sorted(numbers))
    there = [expected[number - 1] for number in sorted(numbers) if number <= len(expected)]
    assert [one for one in found if one] == there


def test_no_line_is_wanted(tmp_path: Path) -> None:
    """Nothing is asked for, nothing is given."""
    path = tmp_path / "a"
    path.write_bytes(b"1\n2\n")
    assert pick_lines(path, b"\n", []) == []
