"""Exchange with the Open Data Contract Standard, version 3 (https://bitol.io).

The standard describes tables for any use; what Tallymark needs beyond it (roles, aliases, event
names, hosts ...) travels in one custom property named ``tallymark`` on the contract and on each
column. A contract that was written by :func:`exported` and is read again is equal to itself; a
contract from elsewhere is read as far as it goes, and what it cannot say is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from tallymark.check.contracts.adopting import as_yaml, keep_version
from tallymark.check.contracts.odcs_document import Custom, Document, Property, Quality, Table
from tallymark.check.header.names import USUAL, likeness
from tallymark.config import load, place
from tallymark.contract import SHIPPED, UNITS, Calendar, Column, Contract, Role
from tallymark.engine.warehouse import write_atomically
from tallymark.errors import ConfigError, UsageError
from tallymark.yamltext import yaml_text

__all__ = ["Imported", "exported", "import_file", "imported", "odcs_yaml"]

API_VERSION = "v3.1.0"  # the oldest that knows timestamps and the metrics used here
LARGEST = 8 * 1024 * 1024  # bytes of a contract; real ones have some thousand
OURS = "tallymark"  # the custom property
TABLE = "events"
_AVAILABLE = "timeOfAvailability"
_LOGICAL = {
    "timestamp": "timestamp", "date": "date", "number": "number", "integer": "integer",
    "boolean": "boolean",
}  # fmt: skip
_KINDS = {
    "timestamp": "timestamp", "date": "date", "number": "number", "integer": "integer",
    "boolean": "boolean", "object": "json", "array": "json", "map": "json",
}  # fmt: skip
_FORMATS = {"uri": "url", "uuid": "identifier"}
# Types of the standard that a column of each role may have.
_FITTING: Mapping[str, frozenset[str]] = {
    "client_id": frozenset({"string", "integer", "number"}),
    "timestamp": frozenset({"string", "timestamp", "date", "integer", "number"}),
    "event_data": frozenset({"string", "object", "map", "array"}),
}
_TEXT = frozenset({"string"})
_NUMERIC = frozenset({"integer", "number"})
_NEEDED = ("client_id", "page_url", "timestamp", "event_name")
_LIMITS = {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern",
           "minimum": "min", "maximum": "max"}  # fmt: skip


# ---------------------------------------------------------------- export


def exported(contract: Contract) -> dict[str, Any]:
    """A contract as a document of the standard, ready for YAML or JSON."""
    whole = contract.model_dump(mode="json")
    ours: dict[str, Any] = {"events": whole["events"], "payload": whole["payload"]}
    if contract.payloads:
        ours["payloads"] = contract.payloads
    for section in ("hosts", "internal", "calendar"):
        told = getattr(contract, section).model_dump(mode="json", exclude_defaults=True)
        told.pop("expected_by", None)
        if told:
            ours[section] = told
    for name in ("pages", "client_made_at"):
        if getattr(contract, name) != Contract.model_fields[name].default:
            ours[name] = whole[name]
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": "tallymark-events",
        "name": "Web shop events",
        "version": contract.version,
        "status": "active",
        "description": {"purpose": "What a delivery of raw web shop events promises to be."},
        "schema": [
            {
                "name": TABLE,
                "logicalType": "object",
                "physicalType": "file",
                "dataGranularityDescription": "One row per event",
                "properties": [_property(one) for one in contract.columns],
            }
        ],
    }
    if contract.calendar.expected_by is not None:
        document["slaProperties"] = [
            {"property": _AVAILABLE, "value": contract.calendar.expected_by, "driver": "analytics"}
        ]
    document["customProperties"] = [{"property": OURS, "value": ours}]
    return document


def odcs_yaml(contract: Contract) -> str:
    """A contract as YAML text of the standard; same contract, same bytes."""
    return yaml_text(exported(contract))


def _property(column: Column) -> dict[str, Any]:
    kind = _LOGICAL.get(column.kind, "string")
    made: dict[str, Any] = {"name": column.name, "logicalType": kind}
    if column.why:
        made["description"] = column.why
    made |= {"required": column.required, "unique": column.unique}
    ours = column.model_dump(
        mode="json", exclude_none=True,
        include={"role", "kind", "aliases", "format", "if_missing"},
    )  # fmt: skip
    for name in ("aliases", "format"):
        if not ours.get(name):
            ours.pop(name, None)
    native = {"string": {"min_length", "max_length", "pattern"}, "number": {"min", "max"},
              "integer": {"min", "max"}}.get(kind, set())  # fmt: skip
    options: dict[str, Any] = {"format": "uri"} if column.kind == "url" else {}
    for theirs, name in _LIMITS.items():
        value = getattr(column, name)
        if value is None:
            continue
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if name in native:
            options[theirs] = value
        else:
            ours[name] = value
    if options:
        made["logicalTypeOptions"] = options
    if column.allowed is not None:
        made["quality"] = [
            {"metric": "invalidValues", "arguments": {"validValues": list(column.allowed)},
             "mustBe": 0}
        ]  # fmt: skip
    made["customProperties"] = [{"property": OURS, "value": ours}]
    return made


# ---------------------------------------------------------------- import


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import wrote, and what it could not take over.

    Attributes:
        contract: The file that was written.
        version: The version of the contract.
        columns: How many columns it describes.
        notes: What the contract of the standard says that has no place here.
        previous: The contract as it was, kept for `tallymark contract diff`.
    """

    contract: Path
    version: str
    columns: int
    notes: Sequence[str] = ()
    previous: Path | None = None


def import_file(
    file: Path, path: Path, *, table: str | None = None, roles: Mapping[str, str] | None = None,
    force: bool = False,
) -> Imported:  # fmt: skip
    """Write a contract of the standard as the project's own.

    Args:
        file: YAML or JSON of the standard.
        path: The project's contract.
        table: The table of it that holds the events, if there are several.
        roles: For a role of Tallymark, the column that plays it.
        force: Replace a contract that is there; it is kept among the versions.

    Raises:
        UsageError: No such file, table, role or column; or a contract is there already.
        ConfigError: The file is not of the standard, or it does not say what is needed.
    """
    contract, notes = imported(file, table=table, roles=roles)
    if path.is_file() and not force:
        raise UsageError(
            "is there already", where=str(path), fix="use --force to replace it; it is kept"
        )
    previous = keep_version(path)
    head = (
        "# What a delivery promises to be, taken over from a contract of the Open Data Contract\n"
        "# Standard. Keys that are not here have their default.\n"
    )
    write_atomically(path, as_yaml(contract, head))
    return Imported(
        contract=path, version=contract.version, columns=len(contract.columns), notes=notes,
        previous=previous,
    )  # fmt: skip


def imported(
    file: Path, *, table: str | None = None, roles: Mapping[str, str] | None = None
) -> tuple[Contract, list[str]]:
    """Read a contract of the standard; returns what it says, and what has no place here.

    Raises:
        UsageError: No such file, table, role or column.
        ConfigError: The file is not of the standard, or it does not say what is needed.
    """
    if not file.is_file():
        raise UsageError("no such file", where=str(file))
    if file.stat().st_size > LARGEST:
        raise UsageError(
            f"is larger than {LARGEST // 1024**2} MB, which no contract is", where=str(file)
        )
    document = load(Document, file)
    number = _table(document, file, table)
    chosen = document.tables[number]
    placed = _placed(chosen, file, number, dict(roles or {}))
    notes: list[str] = []
    columns = [
        _column(one, placed.get(one.column), notes, place(file, "schema", number, "properties", at))
        for at, one in enumerate(chosen.properties)
    ]
    notes += [_left_out(chosen.name, rule) for rule in chosen.quality]
    ours = _ours(document.customProperties)
    ours["calendar"] = _calendar(document, ours.get("calendar"), notes, str(file))
    try:
        contract = Contract.model_validate(
            {**ours, "version": document.version, "columns": tuple(columns)}
        )
    except ValidationError as error:
        raise _refused(error, str(place(file, "schema", number, "properties"))) from None
    return contract, notes


def _ours(custom: Iterable[Custom]) -> dict[str, Any]:
    found = next((one.value for one in custom if one.property == OURS), None)
    return dict(found) if isinstance(found, Mapping) else {}


def _refused(error: ValidationError, where: str) -> ConfigError:
    first = error.errors()[0]
    steps = ".".join(str(step) for step in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    return ConfigError(f"cannot be a contract: {steps}: {said}", where=where)


def _table(document: Document, file: Path, asked: str | None) -> int:
    names = [one.name for one in document.tables]
    if asked is not None and asked in names:
        return names.index(asked)
    if asked is None and len(names) == 1:
        return 0
    if not names:
        raise ConfigError(
            "describes no table", where=place(file, "schema"),
            fix="add the columns of the events under schema[0].properties",
        )  # fmt: skip
    said = "describes several tables" if asked is None else f"describes no table {asked!r}"
    raise UsageError(said, where=str(file), fix=f"give --table with one of: {', '.join(names)}")


# ---------------------------------------------------------------- which column is what


def _placed(table: Table, file: Path, number: int, asked: dict[str, str]) -> dict[str, Role]:
    """For each column that plays a role, the role."""
    known: tuple[Role, ...] = get_args(Role)
    columns = {one.column: one for one in table.properties} | {
        one.name: one for one in table.properties
    }
    for role, name in asked.items():
        if role not in known:
            raise UsageError(f"there is no role {role!r}", fix=f"roles: {', '.join(known)}")
        if name not in columns:
            raise UsageError(f"the file describes no column {name!r}", where=str(file),
                             fix=f"its columns: {', '.join(columns)}")  # fmt: skip
    where = place(file, "schema", number, "properties")
    placed: dict[str, Role] = {}
    missing: list[str] = []
    for role in known:
        found = _candidates(role, table, columns, asked)
        if len(found) > 1:
            raise ConfigError(
                f"which column is the {role}? It may be {' or '.join(found)}",
                where=where, fix=f"say it with --role {role}={found[0]}",
            )  # fmt: skip
        if found:
            _refuse_unfit(role, columns[found[0]], where)
            placed[found[0]] = role
        elif role in _NEEDED:
            missing.append(role)
    if missing:
        raise ConfigError(
            f"which column is the {' and which the '.join(missing)}? None has a name that says so",
            where=where, fix=" ".join(["give", *(f"--role {role}=COLUMN" for role in missing)])
            + f", of the columns {', '.join(one.column for one in table.properties)}",
        )  # fmt: skip
    return placed


def _candidates(
    role: str, table: Table, columns: Mapping[str, Property], asked: Mapping[str, str]
) -> list[str]:
    """The columns that may play a role: as asked for, as Tallymark wrote it, or by their name."""
    if role in asked:
        return [columns[asked[role]].column]
    said = [
        one.column for one in table.properties if _ours(one.customProperties).get("role") == role
    ]
    if said:
        return said
    taken = {columns[name].column for name in asked.values()}
    free = [
        one.column
        for one in table.properties
        if one.column not in taken and OURS not in {two.property for two in one.customProperties}
    ]
    usual = load(Contract, None, SHIPPED).by_role(role)
    names = [usual.name] if usual is not None else [role]
    alike = {name: likeness(names, role, name).score for name in free}
    best = max(alike.values(), default=0.0)
    return [name for name, score in alike.items() if score == best >= USUAL]


def _refuse_unfit(role: str, one: Property, where: str) -> None:
    fitting = _FITTING.get(role, _TEXT)
    if one.logicalType is not None and one.logicalType not in fitting:
        raise ConfigError(
            f"{one.column} is of type {one.logicalType}, and a {role} is "
            f"{' or '.join(sorted(fitting))}",
            where=where, fix=f"name another column with --role {role}=COLUMN",
        )  # fmt: skip


# ---------------------------------------------------------------- one column


def _column(one: Property, role: Role | None, notes: list[str], where: str) -> Column:
    shipped = load(Contract, None, SHIPPED)
    usual = shipped.by_role(role) if role is not None else None
    made: dict[str, Any] = {
        "name": one.column,
        "role": role,
        "kind": usual.kind if usual is not None else _kind(one),
        "required": one.required,
        "unique": one.unique or one.primaryKey,
        "why": one.description or "",
    }
    if usual is not None:
        made["if_missing"] = usual.if_missing
        made["why"] = made["why"] or usual.why
    ours = _ours(one.customProperties)
    if ours:
        made["why"] = one.description or ""
    made |= ours
    made["role"] = role
    if made["kind"] == "timestamp" and one.logicalType in _NUMERIC and not made.get("format"):
        # No number of a shop's years is two of them, so reading all of them mistakes none.
        made["format"] = tuple(UNITS)
        notes.append(f"the unit of {one.column}, which is a number: seconds since 1970 and smaller "
                     "units are all read; leave the right one under `format`")  # fmt: skip
    _options(one, made, notes)
    _qualities(one, made, notes)
    if one.properties:
        notes.append(f"the parts of {one.column}: a column is described as a whole here")
    try:
        return Column.model_validate(made)
    except ValidationError as error:
        raise _refused(error, where) from None


def _kind(one: Property) -> str:
    kind = _KINDS.get(one.logicalType or "string")
    return kind or _FORMATS.get(one.logicalTypeOptions.format or "", "text")


def _options(one: Property, made: dict[str, Any], notes: list[str]) -> None:
    numeric = made["kind"] in {"number", "integer"}
    for theirs, name in _LIMITS.items():
        value = getattr(one.logicalTypeOptions, theirs)
        if value is None:
            continue
        if name in {"min", "max"} and not numeric:
            notes.append(f"{theirs} {value} of {one.column}: only numbers have limits here")
        elif name == "pattern":
            _pattern(one.column, str(value), made, notes)
        else:
            made[name] = value
    for theirs in ("exclusiveMinimum", "exclusiveMaximum"):
        value = getattr(one.logicalTypeOptions, theirs)
        if value is not None:
            notes.append(f"{theirs} {value} of {one.column}: limits include their value here")


def _pattern(column: str, pattern: str, made: dict[str, Any], notes: list[str]) -> None:
    try:
        Column(name="trial", kind="text", pattern=pattern)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        notes.append(f"pattern {pattern} of {column}: it {said}")
    else:
        made["pattern"] = pattern


def _qualities(one: Property, made: dict[str, Any], notes: list[str]) -> None:
    """Quality rules that say the same as a key of the contract; a note for each of the others."""
    if one.enum:
        made["allowed"] = tuple(str(entry.get("value")) for entry in one.enum)
    for rule in one.quality:
        metric = rule.metric or rule.rule or ""
        none = rule.mustBe in {0, "0"} if isinstance(rule.mustBe, (int, str)) else False
        valid = rule.arguments.get("validValues", rule.validValues)
        values_rule = metric in {"invalidValues", "validValues"}
        if values_rule and (none or metric == "validValues") and isinstance(valid, (list, tuple)):
            made["allowed"] = tuple(str(value) for value in valid)
        elif metric == "invalidValues" and none and set(rule.arguments) == {"pattern"}:
            _pattern(one.column, str(rule.arguments["pattern"]), made, notes)
        elif metric in {"nullValues", "missingValues"} and none and not rule.arguments:
            made["required"] = True
        elif metric in {"duplicateValues", "unique"} and none and not rule.arguments:
            made["unique"] = True
        else:
            notes.append(_left_out(one.column, rule))


def _left_out(of: str, rule: Quality) -> str:
    name = rule.name or rule.metric or rule.rule or rule.type or "without a name"
    return f"quality rule {name} of {of}: write it as a rule in rules/check.yml"


def _calendar(document: Document, ours: object, notes: list[str], where: str) -> Calendar:
    told = dict(ours) if isinstance(ours, Mapping) else {}
    for one in document.slaProperties:
        if one.property == _AVAILABLE and re.fullmatch(r"\d\d:\d\d", str(one.value)):
            told["expected_by"] = str(one.value)
        else:
            notes.append(f"service level {one.property}")
    try:
        return Calendar.model_validate(told)
    except ValidationError as error:
        raise _refused(error, where) from None
