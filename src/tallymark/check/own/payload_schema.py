"""Payloads against the JSON Schemas that the contract gives for their events.

A finding names paths of the schema and what is wrong there, and never a value. Time and memory
are bounded: of an event with very many payloads a fixed part is looked at, chosen by line numbers
so that every run chooses the same, and the finding says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tallymark.contract import Contract
from tallymark.engine.base import literal
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.payloads import MAX_BYTES, MAX_DEPTH, depth_within

__all__ = ["Misfit", "misfits", "payload_tree"]

MAX_ROWS = 100_000  # payloads of one event that are looked at
MAX_TEXT = 64 * 1024 * 1024  # characters of them, about
MAX_PATHS = 10  # places named in one finding
MAX_ERRORS = 20  # places looked at in one payload
_BACKTRACKS = 10_000  # a pattern that tries more ways than this on one text does not match
_SPREAD = 2_654_435_761  # multiplying by it spreads neighbouring numbers over 32 bits (Knuth)
_NOT_JSON = "no JSON object within 256 kB and 32 levels"
_WHAT = {
    "required": "is missing", "type": "is of another type", "enum": "is none of the values",
    "const": "is not the value", "pattern": "does not match its pattern",
    "format": "is not of its format", "minimum": "is too small", "maximum": "is too large",
    "exclusiveMinimum": "is too small", "exclusiveMaximum": "is too large",
    "minLength": "is too short", "maxLength": "is too long", "minItems": "has too few items",
    "maxItems": "has too many items", "additionalProperties": "has a field that is not foreseen",
    "unevaluatedProperties": "has a field that is not foreseen",
    "multipleOf": "is no multiple", "uniqueItems": "has an item twice",
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Misfit:
    """What is wrong with the payloads of one event.

    Attributes:
        rows: Payloads that do not fit, of those looked at.
        judged: Payloads that were looked at.
        of: Payloads that there are.
        places: How many payloads are wrong at each place, in what way.
    """

    event: str
    rows: int = 0
    judged: int = 0
    of: int = 0
    places: Counter[str] = field(default_factory=Counter)

    @property
    def shown(self) -> list[tuple[str, int]]:
        """The places where most payloads are wrong."""
        return sorted(self.places.items(), key=lambda one: (-one[1], one[0]))[:MAX_PATHS]


def misfits(
    engine: DuckEngine, source: str, contract: Contract, only: Iterable[str] | None = None
) -> list[Misfit]:
    """Look at the payloads of every event that has a schema, or of some events.

    Args:
        engine: The engine.
        source: The landed rows, as SQL.
        contract: With the schemas.
        only: Event names.
    """
    named = list(_named(contract)) if only is None else list(only)
    schemas = {
        name: schema
        for name in dict.fromkeys(named)
        if (schema := contract.schema_of(name)) is not None
    }
    if not schemas:
        return []
    listed = ", ".join(literal(name) for name in schemas)
    sizes = engine.rows(
        "select event_name, count(*), cast(coalesce(sum(length(payload)), 0) as bigint) "
        f"from {source} where event_name in ({listed}) group by event_name order by event_name"
    )
    return [
        _judged(engine, source, str(name), rows, text, schemas[str(name)])
        for name, rows, text in sizes
    ]


def _named(contract: Contract) -> Iterator[str]:
    """The event names that some schema is for."""
    steps = dict(contract.events.steps())
    for key in contract.payloads:
        yield from steps.get(key, (key,))


def _judged(
    engine: DuckEngine, source: str, event: str, rows: int, text: int, schema: Mapping[str, Any]
) -> Misfit:
    from jsonschema_rs import FancyRegexOptions, validator_for  # noqa: PLC0415 -- only schemas need it

    part = max(-(-rows // MAX_ROWS), -(-text // MAX_TEXT), 1)
    chosen = f"and (line_number * {_SPREAD}) % 4294967296 % {part} = 0" if part > 1 else ""
    # The longest text that is read bounds the memory, whatever is delivered.
    found = engine.rows(
        f"select case when length(payload) > {MAX_BYTES} then '' else coalesce(payload, '{{}}') "
        f"end as text, count(*) from {source} where event_name = {literal(event)} {chosen} "
        "group by text order by text"
    )
    validator = validator_for(
        dict(schema), pattern_options=FancyRegexOptions(backtrack_limit=_BACKTRACKS), offline=True,
        validate_formats=True,
    )  # fmt: skip
    known = _property_names(schema)
    misfit = Misfit(event=event, of=rows)
    for payload, times in found:
        misfit.judged += times
        places = set(_wrong(validator, payload, known))
        misfit.rows += times if places else 0
        for place in places:
            misfit.places[place] += times
    return misfit


def payload_tree(text: str) -> dict[str, Any] | None:
    """A payload as Python has it; None for what is no JSON object within bounds."""
    if len(text) > MAX_BYTES or not depth_within(text, MAX_DEPTH):
        return None
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None


def _wrong(validator: Any, text: str, known: frozenset[str]) -> Iterator[str]:
    """What is wrong with a payload, in words without a value of it."""
    tree = payload_tree(text)
    if tree is None:
        yield _NOT_JSON
        return
    if validator.is_valid(tree):
        return
    for number, error in enumerate(validator.iter_errors(tree)):
        if number == MAX_ERRORS:
            return
        rule = str(error.kind.name)
        path = _path(error.instance_path, known)
        if rule == "required":
            missing = str(error.kind.property)
            path = f"{path}.{missing}" if path else missing
        yield f"{path or 'the payload'} {_WHAT.get(rule, f'breaks {rule}')}"


def _path(steps: Iterable[str | int], known: frozenset[str]) -> str:
    """A path in words of the schema: what somebody else named a field may say who they are."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += "[]"
        else:
            name = step if step in known else "*"
            path = f"{path}.{name}" if path else name
    return path


def _property_names(node: object) -> frozenset[str]:
    """Every name that a schema gives to a property."""
    found: set[str] = set()
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "properties" and isinstance(value, Mapping):
                found |= {str(name) for name in value}
            found |= _property_names(value)
    elif isinstance(node, list):
        for value in node:
            found |= _property_names(value)
    return frozenset(found)
