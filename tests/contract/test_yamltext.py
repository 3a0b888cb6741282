from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tallymark.yamltext import yaml_text

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
tricky = st.sampled_from(
    ["yes", "NO", "null", "~", "", " a", "a ", "a: b", "a #b", "- a", "1e3", "0x1f", "1_000",
     "12:30", "2031-05-04", "=", "<<", "&a", "*a", "!a", "|", "%a", "@a", "`a", "'", '"', "\\",
     "\x85", "\u2028", "a\nb", "\t", ".5", "a-b", "a b", "é", "\U0001f355", "\x00", "\ufeff",
     "\x9f", "None", "nan", ".inf"]
)  # fmt: skip
scalar = (
    st.none() | st.booleans() | st.integers() | text | tricky
    | st.floats(allow_nan=False)
)  # fmt: skip
values = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text | tricky, inner, max_size=3),
    max_leaves=10,
)


@given(value=st.dictionaries(text | tricky, values, max_size=4))
def test_what_is_written_is_read(value: dict[str, Any]) -> None:
    """Any plain data comes back as it was, types and all."""
    assert YAML(typ="safe", pure=True).load(yaml_text(value)) == value


@pytest.mark.parametrize("word", ["client_id", "page viewed", "events/2031", "a.b", "v1"])
def test_words_stand_bare(word: str) -> None:
    """What is plainly a word is not put in quotes, so that people like to read it."""
    assert yaml_text({"a": word}) == f"a: {word}\n"
