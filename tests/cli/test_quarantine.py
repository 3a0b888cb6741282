"""`tallymark quarantine`: what people read, what programs read, and what is refused."""

from __future__ import annotations

import base64
import shlex
from pathlib import Path

import pytest

from tests.cli.calling import HEADER, call, delivery

ROWS, WHOLE = "events_20310505.csv", "events_20310506.csv"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project with rows and a delivery in quarantine."""
    path = delivery(tmp_path / "raw" / ROWS)
    with path.open("ab") as stream:
        stream.write(b"caf\xe9\x1b[2J,\x00\n")
    delivery(tmp_path / "raw" / WHOLE, "2031-05-06", header=HEADER.replace("client_id", "x"))
    text = (tmp_path / "raw" / WHOLE).read_text(encoding="utf-8")
    (tmp_path / "raw" / WHOLE).write_text(text.replace("client-", ""), encoding="utf-8")
    (tmp_path / "tallymark.yml").write_text("input: raw\n", encoding="utf-8")
    assert call("check", "--project", tmp_path).code == 1
    return tmp_path


def test_the_list_fits_a_terminal(home: Path) -> None:
    """Delivery, day, rule, rows, why, since and how to release, in 80 columns; and as JSON."""
    said = call("quarantine", "list", "--project", home)
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= 80
    for word in (ROWS, WHOLE, "2031-05-05", "broken_row", "column_unusable", "whole", "since"):
        assert word in said.out
    assert f"tallymark quarantine release {WHOLE} --rule column_unusable" in said.out
    first, second = call("quarantine", "list", "--project", home, "--json").data
    assert (first["delivery"], first["rows"]) == (ROWS, 1)
    assert (second["rule"], "rows" in second) == ("column_unusable", False)


def test_a_name_like_an_option_can_be_released(home: Path) -> None:
    """The command that the list gives is one that runs."""
    (home / "raw" / WHOLE).rename(home / "raw" / f"-{WHOLE}")
    call("check", "--project", home)
    listed = call("quarantine", "list", "--project", home, "--json").data
    (given,) = (one["release"] for one in listed if one["delivery"] == f"-{WHOLE}")
    words = shlex.split(given)[1:]
    assert call(*words[:2], "--project", home, *words[2:]).code == 0


def test_an_empty_quarantine_says_so(tmp_path: Path) -> None:
    """Nothing kept out: a sentence, and an empty list."""
    assert "Nothing is in quarantine" in call("quarantine", "list", "--project", tmp_path).out
    assert call("quarantine", "list", "--project", tmp_path, "--json").data == []


def test_rows_are_shown_safely(home: Path) -> None:
    """No control character reaches the terminal, and the exact bytes can be had as JSON."""
    for more in ((), ("--raw",)):
        said = call("quarantine", "show", ROWS, "--project", home, *more)
        assert said.code == 0
        assert "\x1b" not in said.out
        assert "\x00" not in said.out
    assert r"caf\xe9\x1b[2J,\x00" in said.out
    found = call("quarantine", "show", ROWS, "--project", home, "--raw", "--json").data
    assert base64.b64decode(found["rows"][0]["base64"]) == b"caf\xe9\x1b[2J,\x00"
    whole = call("quarantine", "show", WHOLE, "--limit", "1", "--project", home)
    assert "kept: a copy of the delivered bytes" in whole.out


def test_release_and_discard(home: Path) -> None:
    """What was decided is said, what is left too, and both can be done again."""
    tried = call("quarantine", "release", WHOLE, "--project", home)
    assert "still kept out by column_unusable: the whole delivery" in tried.out
    for _ in range(2):
        done = call("quarantine", "release", WHOLE, "--rule", "column_unusable", "--project", home)
        assert done.code == 0, done
        assert "12 accepted, 0 kept out" in done.out
    left = call("quarantine", "discard", ROWS, "--reason", "seen", "--project", home, "--json")
    assert left.data["left"] == []
    assert "reason: seen" in (home / "decisions" / "0002-quarantine_discard.yml").read_text()
    assert call("quarantine", "list", "--project", home, "--json").data == []
    assert len(list((home / "decisions").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "events_20310507.csv"), "did you mean"),
        (("release", ROWS, "--rule", "broken_row"), "cannot be released"),
        (("release", ROWS, "--rule", "column_unusable"), "keeps nothing of"),
        (("release", ROWS, "--lines", "9-2"), "is no range of lines"),
        (("discard", "nothing.csv"), "nothing of 'nothing.csv' is in quarantine"),
    ],
)
def test_what_cannot_be_is_a_sentence(words: tuple[str, ...], told: str, home: Path) -> None:
    """Wrong deliveries, rules and lines: exit code 2, what is wrong and what to do."""
    said = call("quarantine", *words, "--project", home)
    assert said.code == 2
    assert told in said.err
    assert not (home / "decisions").exists()
