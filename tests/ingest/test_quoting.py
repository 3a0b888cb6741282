"""Quotes where no writer puts them, in files that a lenient parser reads without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallymark.ingest.quoting import writer_quotes
from tests.ingest.making import as_csv, deliver, event, land_rows

_PAYLOAD = '"{""note"": ""a, b"", ""n"": 3}"'


def test_the_only_row_with_quotes_may_be_the_damaged_one() -> None:
    """A doubled quote in it says that whoever wrote it quotes, so that the bare one is damage."""
    assert writer_quotes(["a\tb", f'https://x/"\t{_PAYLOAD}'], "\t")
    assert not writer_quotes(["a\tb", 'a 27" screen\tb'], "\t")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f",{_PAYLOAD},", ',|"Mozilla/5.0, like Gecko",'),  # two that are bare, a cell too few
        ("https://other.example/", 'https://other.example/"x"'),
        ("https://other.example/", 'https://o"ther".example/'),
    ],
)
def test_bare_quotes_of_an_even_number_are_seen(tmp_path: Path, before: str, after: str) -> None:
    """Two of them leave their number even, and the row is kept out all the same."""
    rows = [
        event(client_id=f"c-{number}", event_data='{"note": "a, b", "n": 3}',
              referrer="https://other.example/", user_agent="Mozilla/5.0, like Gecko")
        for number in range(5)
    ]  # fmt: skip
    lines = as_csv(rows).decode().splitlines(keepends=True)
    assert before in lines[3]
    lines[3] = lines[3].replace(before, after, 1)
    _, landed = land_rows(deliver(tmp_path, "".join(lines).encode()))
    assert landed.careful == "a quote stands where none belongs"
    assert [line for line, *_ in landed.bad_lines] == [4]
    assert landed.rows == 4
