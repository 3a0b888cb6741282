"""What is said of columns can be followed, whatever their names are."""

from __future__ import annotations

import shlex

import pytest
from ruamel.yaml import YAML

from tallymark.check.header.column_words import renamed
from tallymark.check.header.columns import Rename
from tallymark.ingest.encodings import unspelled
from tests.ingest.making import CONTRACT

NAMES = ["client\tid", "client\u200bid", "-clientid", "--client", "clientId", "client's"]


@pytest.mark.parametrize("name", NAMES)
def test_the_command_of_a_rename_can_be_followed(name: str) -> None:
    """Its words are the two names, and the YAML beside it is the alias."""
    column = next(one for one in CONTRACT.columns if one.role == "client_id")
    fix = renamed(
        Rename(
            column=column,
            delivered=name,
            score=1.0,
            name=1.0,
            position=True,
            shape=1.0,
            adopted=True,
        )
    )["fix"]
    command = shlex.split(fix.split("`")[1])
    assert command[:3] == ["tallymark", "contract", "alias"]
    assert ("--" in command) == name.startswith("-")
    words = [unspelled(one) for one in command[3:] if one != "--"]
    assert words == ["client_id", name]
    assert YAML(typ="safe").load(fix.split("`")[3]) == {"aliases": [name]}
    assert fix.isprintable()
