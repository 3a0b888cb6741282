"""Contracts of every kind, for tests that must hold for all of them."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from tallymark.contract import UNITS, Contract, Kind

__all__ = ["contracts"]

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10).map(str.strip)
_NAME = _TEXT.filter(bool)
_NEEDED = (("client_id", "identifier"), ("page_url", "url"), ("timestamp", "timestamp"),
           ("event_name", "name"), ("event_data", "json"))  # fmt: skip
_NUMBER = st.integers(-100, 100) | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def _columns(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(_NAME, unique=True, min_size=20, max_size=20))
    columns: list[dict[str, Any]] = [{"role": role, "kind": kind} for role, kind in _NEEDED]
    columns += [
        {"role": None, "kind": kind}
        for kind in draw(st.lists(st.sampled_from(get_args(Kind)), max_size=4))
    ]
    for number in range(len(columns)):
        column = columns[number]
        column["name"] = names.pop()
        if draw(st.booleans()) and names:
            since = draw(st.dates() | st.none())
            column["aliases"] = (
                [names.pop()] if since is None else [{"name": names.pop(), "since": since}]
            )
        column |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "required": st.booleans(),
                    "unique": st.booleans(),
                    "why": _TEXT,
                    "pattern": st.sampled_from(["^a", r"\d+", "[a-z]{2}"]),
                    "allowed": st.lists(_TEXT, min_size=1, max_size=3),
                    "if_missing": st.sampled_from(["P0", "P1", "P2", "P3"]),
                },
            )
        )
        lengths = draw(st.none() | st.tuples(st.integers(0, 9), st.integers(9, 99)))
        if lengths is not None:
            column["min_length"], column["max_length"] = lengths
        if column["kind"] == "timestamp":
            units = st.lists(st.sampled_from([*UNITS]), unique=True, max_size=4)
            column["format"] = draw(st.sampled_from([*UNITS]) | units)
        if column["kind"] in {"number", "integer"}:
            column["min"], column["max"] = sorted([draw(_NUMBER), draw(_NUMBER)])
    return draw(st.permutations(columns))


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Any contract that can be."""
    schema = st.sampled_from(
        [
            {"type": "object"},
            {"properties": {"a": {"minimum": 0.5, "enum": [1, None, "2031-05-04"]}}},
        ]
    )
    host = st.lists(_NAME, max_size=2)
    return Contract.model_validate(
        draw(
            st.fixed_dictionaries(
                {"version": _NAME, "columns": _columns()},
                optional={
                    "events": st.fixed_dictionaries({}, optional={"purchase": host}),
                    "payload": st.fixed_dictionaries({}, optional={"revenue": _NAME}),
                    "payloads": st.dictionaries(_NAME, schema, max_size=2),
                    "hosts": st.fixed_dictionaries({}, optional={"own": host, "internal": host}),
                    "internal": st.fixed_dictionaries({}, optional={"url_parameters": host}),
                    "calendar": st.fixed_dictionaries(
                        {},
                        optional={
                            "expected_by": st.sampled_from(["07:30", "23:59"]),
                            "days_after": st.integers(0, 31),
                            "weekdays": st.just(["mon", "sun"]),
                            "first_day": st.dates(),
                        },
                    ),
                },
            )
        )
    )
