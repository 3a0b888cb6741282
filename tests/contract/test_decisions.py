from __future__ import annotations

import datetime as dt
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark import decisions
from tallymark.errors import ConfigError, UsageError

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
facts = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), plain, max_size=4)


def test_decisions_are_numbered_in_order(tmp_path: Path) -> None:
    """Each is a new file with the next number; reading gives them back in that order."""
    first = decisions.append(tmp_path / "decisions", "column_alias", {"alias": "clientId"})
    decisions.append(tmp_path / "decisions", "release", {"rows": 3})
    third = decisions.append(tmp_path / "decisions", "column_alias", {"alias": "url"})
    assert [first.name, third.name] == ["0001-column_alias.yml", "0003-column_alias.yml"]
    read = decisions.read(tmp_path / "decisions", "column_alias")
    assert [(one.number, one.facts["alias"]) for one in read] == [(1, "clientId"), (3, "url")]
    assert [one.kind for one in decisions.read(tmp_path / "decisions")] == [
        "column_alias", "release", "column_alias",
    ]  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(facts=facts)
def test_facts_come_back_as_they_were(
    facts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the facts say, the file says the same, and the same facts are the same bytes."""
    folder = tmp_path_factory.mktemp("decisions")
    one, two = (decisions.append(folder, "note", facts) for _ in range(2))
    assert one.read_bytes() == two.read_bytes()
    assert [one.facts for one in decisions.read(folder)] == [facts, facts]


def test_what_yaml_does_not_know_is_text(tmp_path: Path) -> None:
    """Days, paths and sets are written so that anybody can read them."""
    given_facts = {
        "since": dt.date(2031, 5, 4), "file": PurePosixPath("a/b"), "rules": {"b", "a"},
        "half": "\ud800", "path": tmp_path,
    }  # fmt: skip
    decisions.append(tmp_path, "note", given_facts)
    (read,) = decisions.read(tmp_path)
    assert read.facts == {
        "since": "2031-05-04", "file": "a/b", "rules": ["a", "b"], "half": "?",
        "path": tmp_path.as_posix(),
    }  # fmt: skip


def test_nothing_was_decided(tmp_path: Path) -> None:
    """A folder that is not there is no mistake and is not made by looking."""
    assert decisions.read(tmp_path / "decisions") == []
    assert not (tmp_path / "decisions").exists()


def test_two_at_once_take_different_numbers(tmp_path: Path) -> None:
    """Decisions made at the same time are all kept, and nothing else is left behind."""
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda n: decisions.append(tmp_path, f"kind_{n}", {"n": n}), range(24))
        )
    assert len(set(made)) == 24
    assert sorted(one.facts["n"] for one in decisions.read(tmp_path)) == list(range(24))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(one.name for one in made)


def test_without_links_nothing_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that knows no links, a file of the same number still stays as it is."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    decisions.append(tmp_path, "note", {"n": 1})
    decisions.append(tmp_path, "note", {"n": 2})
    assert [one.facts["n"] for one in decisions.read(tmp_path)] == [1, 2]


def test_mistakes_are_refused(tmp_path: Path) -> None:
    """A kind that is no word is refused, and so is a broken file, by line and column."""
    with pytest.raises(UsageError):
        decisions.append(tmp_path, "../up", {})
    (tmp_path / "0001-note.yml").write_text("kind: note\nfact: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as said:
        decisions.read(tmp_path)
    assert said.value.where == f"{tmp_path / '0001-note.yml'}:2:1"
    assert said.value.fix == "did you mean 'facts'?"
