from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.check.contracts.differences import compare
from tallymark.config import load
from tallymark.contract import SHIPPED, Contract

CONTRACT = load(Contract, None, SHIPPED)


def changed(column: str = "user_agent", **how: Any) -> Contract:
    """The shipped contract, with one column changed."""
    columns = tuple(
        type(one).model_validate({**one.model_dump(), **how}) if one.name == column else one
        for one in CONTRACT.columns
    )
    return Contract.model_validate({**CONTRACT.model_dump(), "columns": columns, "version": "2"})


def told(old: Contract, new: Contract) -> dict[str, tuple[str, bool]]:
    """By path, what happened and whether it breaks."""
    return {one.path: (one.change, one.breaking) for one in compare(old, new).changes}


def test_a_contract_does_not_differ_from_itself() -> None:
    """Equal contracts have no difference, not even in their version."""
    result = compare(CONTRACT, CONTRACT)
    assert (list(result.changes), result.breaking) == ([], False)


@pytest.mark.parametrize(
    ("how", "path", "change", "breaking"),
    [
        ({"required": True}, "required", "changed", True),
        ({"unique": True}, "unique", "changed", True),
        ({"kind": "text"}, "kind", "changed", False),
        ({"kind": "json"}, "kind", "changed", True),
        ({"pattern": "^M"}, "pattern", "added", True),
        ({"allowed": ["a", "b"]}, "allowed", "added", True),
        ({"max_length": 99}, "max_length", "added", True),
        ({"min_length": 1}, "min_length", "added", True),
        ({"aliases": ["ua"]}, "aliases", "added", False),
        ({"if_missing": "P0"}, "if_missing", "changed", False),
        ({"why": "devices"}, "why", "changed", False),
    ],
)
def test_a_change_of_a_column(
    *, how: Mapping[str, Any], path: str, change: str, breaking: bool
) -> None:  # fmt: skip
    """Whatever asks for more breaks, whatever asks for less does not; and the reverse, reversed."""
    new = changed(**how)
    assert told(CONTRACT, new) == {f"columns.user_agent.{path}": (change, breaking)}
    if path not in {"why", "if_missing"}:
        back = compare(new, CONTRACT)
        # Back to user_agent from text is narrower, and so is an alias less.
        assert back.breaking is (path in {"kind", "aliases"})


@pytest.mark.parametrize(
    ("old", "new", "breaking"),
    [
        ({"allowed": ["a", "b"]}, {"allowed": ["a"]}, True),
        ({"allowed": ["a"]}, {"allowed": ["a", "b"]}, False),
        ({"max_length": 9}, {"max_length": 8}, True),
        ({"max_length": 8}, {"max_length": 9}, False),
        ({"kind": "number", "min": 1}, {"kind": "number", "min": 2}, True),
        ({"kind": "number", "max": 1}, {"kind": "number", "max": 2}, False),
        ({"kind": "integer"}, {"kind": "number"}, False),
        ({"kind": "number"}, {"kind": "integer"}, True),
    ],
)
def test_narrower_breaks_and_wider_does_not(
    *, old: Mapping[str, Any], new: Mapping[str, Any], breaking: bool
) -> None:  # fmt: skip
    """Sets and ranges are compared by what they let through."""
    result = compare(changed(**old), changed(**new))
    assert len(result.changes) == 2
    assert result.changes[-1].path == "version"
    assert result.breaking is breaking


def test_a_list_in_another_order_is_the_same_set() -> None:
    """Allowed values are a set: their order says nothing."""
    result = compare(changed(allowed=["a", "b"]), changed(allowed=["b", "a"]))
    assert not any(one.path.endswith("allowed") for one in result.changes)


def test_columns_come_go_and_are_renamed() -> None:
    """A new name is a rename and not one removed, one added; it breaks unless the old one stays."""
    renamed = changed("client_id", name="clientId")
    assert told(CONTRACT, renamed) == {"columns.client_id": ("renamed", True)}
    kept = changed("client_id", name="clientId", aliases=["client_id"])
    assert told(CONTRACT, kept) == {"columns.client_id": ("renamed", False)}
    fewer = CONTRACT.model_copy(update={"columns": CONTRACT.columns[:-1], "version": "2"})
    assert told(CONTRACT, fewer) == {"columns.user_agent": ("removed", True)}
    assert told(fewer, CONTRACT) == {"columns.user_agent": ("added", False)}
    other = CONTRACT.model_copy(update={"columns": CONTRACT.columns[::-1], "version": "2"})
    assert told(CONTRACT, other) == {"columns": ("reordered", False)}


def test_events_and_payloads() -> None:
    """An event or a key that is no longer read breaks; a further name for a step does not."""
    tree = CONTRACT.model_dump() | {"version": "2"}
    moved = Contract.model_validate(
        tree | {"events": tree["events"] | {"purchase": ["checkout_completed", "order"],
                                            "checkout_start": ["purchase"]}}
    )  # fmt: skip
    result = compare(CONTRACT, moved)
    assert [(one.message, one.breaking) for one in result.changes] == [
        ("event checkout_started is no longer checkout_start", True),
        ("event begin_checkout is no longer checkout_start", True),
        ("event purchase is no longer purchase but checkout_start", True),
        ("event order counts as purchase", False),
    ]
    keyed = Contract.model_validate(tree | {"payload": {"revenue": "value"}})
    assert told(CONTRACT, keyed) == {"payload.revenue": ("changed", True)}
    shaped = Contract.model_validate(tree | {"payloads": {"purchase": {"type": "object"}}})
    assert told(CONTRACT, shaped) == {"payloads.purchase": ("added", True)}
    assert told(shaped, CONTRACT) == {"payloads.purchase": ("removed", False)}


def test_hosts_and_calendar_never_break() -> None:
    """They change what is counted and expected, not what is fine."""
    tree = CONTRACT.model_dump() | {
        "version": "2", "hosts": {"own": ["a.example"]}, "calendar": {"expected_by": "07:00"},
        "internal": {"user_agents": ["probe"]},
    }  # fmt: skip
    assert told(CONTRACT, Contract.model_validate(tree)) == {
        "hosts.own": ("added", False),
        "internal.user_agents": ("added", False),
        "calendar.expected_by": ("added", False),
    }


def test_a_version_that_was_not_raised_is_told() -> None:
    """Two contracts that differ under one version number get a word about that."""
    same = changed(why="devices").model_copy(update={"version": "1"})
    assert told(CONTRACT, same)["version"] == ("kept", False)


@given(
    first=st.lists(st.sampled_from("abcdef"), unique=True, min_size=1),
    second=st.lists(st.sampled_from("abcdef"), unique=True, min_size=1),
)
def test_a_set_breaks_exactly_if_it_loses_a_value(first: list[str], second: list[str]) -> None:
    """A change of the allowed values breaks if and only if a value is no longer allowed."""
    result = compare(changed(allowed=first), changed(allowed=second))
    assert result.breaking == bool({*first} - {*second})
