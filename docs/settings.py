"""The page of settings, from the models that read the YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from docs.blocks import code, first_words, page, table
from tallymark.config import CheckRules, Config, MonitorRules
from tallymark.contract import Contract

__all__ = ["SETTINGS", "configuration_page"]

SETTINGS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("tallymark.yml", "tallymark", Config),
    ("contracts/events.yml", "events", Contract),
    ("rules/check.yml", "check", CheckRules),
    ("rules/monitor.yml", "monitor", MonitorRules),
)


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = definitions[str(schema["$ref"]).rsplit("/", 1)[1]]
    return schema


def _bounds(schema: Mapping[str, Any]) -> str:
    signs = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    parts = [f"{word} {schema[key]}" for key, word in signs.items() if key in schema]
    return f" ({', '.join(parts)})" if parts else ""


def _kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    schema = _resolve(schema, definitions)
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " or ".join(code(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one, definitions) for one in schema["anyOf"]))
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}), definitions)}"
    if kind == "null":
        return "nothing"
    words = {"object": "mapping", "string": "text", "boolean": "true or false"}
    pattern = f" like `{schema['pattern']}`" if "pattern" in schema else ""
    return f"{words.get(kind, kind)}{_bounds(schema)}{pattern}"


def _nested(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any] | None:
    schema = _resolve(schema, definitions)
    if schema.get("type") == "array":
        schema = _resolve(schema.get("items", {}), definitions)
    return schema if "properties" in schema else None


def _keys(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], path: str, *, sections: list[str]
) -> None:
    rows = []
    inner: list[tuple[str, Mapping[str, Any]]] = []
    for name, field in schema["properties"].items():
        below = _nested(field, definitions)
        is_list = _resolve(field, definitions).get("type") == "array"
        full = f"{path}{name}{'[]' if is_list and below else ''}"
        if below is not None:
            inner.append((full, below))
        default = field.get("default")
        shown = "required" if name in schema.get("required", ()) else code(default)
        if (below is not None and not is_list and shown != "required") or default is None:
            shown = "" if shown != "required" else shown
        kind = "see below" if below is not None else _kind(field, definitions)
        rows.append([code(name), kind, shown, str(field.get("description", "")).replace("``", "`")])
    head = f"### `{path.rstrip('.')}`\n\n" if path else ""
    about = first_words(schema.get("description"))
    sections.append(f"{head}{about}\n\n" + table(("key", "value", "default", "meaning"), rows))
    for full, below in inner:
        _keys(below, definitions, f"{full}.", sections=sections)


def configuration_page() -> str:
    """Every key of every YAML file, from the models that read them."""
    blocks = [
        (
            "Every file is optional and every key has a default unless it says `required`. An "
            "unknown key or a wrong value is refused with file, line and column, and the likely "
            "cure."
        ),
        (
            "An editor that speaks JSON Schema can complete and check these files: put "
            "`# yaml-language-server: $schema=PATH` with one of the [schemas](schemas/) on line "
            "one."
        ),
    ]
    for name, slug, model in SETTINGS:
        schema = model.model_json_schema()
        sections: list[str] = []
        _keys(schema, schema.get("$defs", {}), "", sections=sections)
        blocks += [f"## {name}", f"JSON Schema: [{slug}.schema.json](schemas/{slug}.schema.json)"]
        blocks += sections
    return page("Configuration", *blocks)
