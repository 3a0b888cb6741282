from __future__ import annotations

import functools
import importlib.resources
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from ruamel.yaml import YAML

from tallymark.check.contracts.adopting import resolve
from tallymark.check.contracts.odcs import exported, import_file, imported, odcs_yaml
from tallymark.config import load
from tallymark.contract import SHIPPED, Calendar, Contract
from tallymark.errors import ConfigError, TallymarkError, UsageError
from tests.check.contracts import contracts

CONTRACT = load(Contract, None, SHIPPED)
FOREIGN = """apiVersion: v3.0.2
kind: DataContract
id: 53581432
version: 1.1.0
status: active
schema:
  - name: hits
    physicalType: table
    properties:
      - name: Visitor
        physicalName: visitor_id
        logicalType: string
        required: true
      - name: url
        logicalType: string
        logicalTypeOptions: {format: uri, maxLength: 2048, pattern: "^https?://"}
      - name: event_time
        logicalType: date
        description: of the server
        logicalTypeOptions: {minimum: "2020-01-01"}
      - name: event
        logicalType: string
        quality:
          - {type: library, metric: invalidValues, arguments: {validValues: [page_view, purchase]},
             mustBe: 0}
          - {metric: nullValues, mustBe: 0}
          - {type: sql, name: few, query: "select 1", mustBeLessThan: 3}
      - name: amount
        logicalType: number
        unique: true
        logicalTypeOptions: {minimum: 0, exclusiveMaximum: 10}
      - name: hit
        logicalType: string
        primaryKey: true
        logicalTypeOptions: {format: uuid, pattern: "(?=a)"}
      - name: kind
        logicalType: string
        enum: [{value: a}, {value: b}]
        customProperties: [{property: owner, value: shop}]
slaProperties:
  - {property: timeOfAvailability, value: "07:30"}
  - {property: latency, value: 4, unit: d}
team: {name: web}
"""


@functools.cache
def standard() -> Validator:
    """The JSON Schema of the standard."""
    package = importlib.resources.files("open_data_contract_standard")
    schema: dict[str, Any] = json.loads(package.joinpath("schema.json").read_text("utf-8"))
    return validator_for(schema)(schema)


def write(folder: Path, text: str = FOREIGN) -> Path:
    """Write a contract of the standard."""
    path = folder / "contract.odcs.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@settings(max_examples=25, deadline=None)
@given(contract=contracts())
def test_what_is_exported_is_of_the_standard_and_comes_back(
    contract: Contract, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any contract is a valid document of the standard, and the same contract when it returns."""
    document = exported(contract)
    standard().validate(document)
    read, notes = imported(write(tmp_path_factory.mktemp("odcs"), odcs_yaml(contract)))
    assert read.model_dump() == contract.model_dump()
    assert notes == []


def test_what_the_standard_has_a_word_for_is_said_in_it() -> None:
    """Other tools see types, required columns, limits, values and the time of delivery."""
    column = CONTRACT.columns[0].model_copy(
        update={"max_length": 64, "pattern": "^[a-z]", "allowed": ("a", "b"), "unique": True}
    )
    contract = CONTRACT.model_copy(
        update={
            "columns": (column, *CONTRACT.columns[1:]),
            "calendar": Calendar(expected_by="07:30"),
        }
    )
    document = exported(contract)
    first, _, _, time, *_ = document["schema"][0]["properties"]
    assert first["logicalTypeOptions"] == {"maxLength": 64, "pattern": "^[a-z]"}
    assert first["quality"] == [
        {"metric": "invalidValues", "arguments": {"validValues": ["a", "b"]}, "mustBe": 0}
    ]
    assert (first["required"], first["unique"]) == (True, True)
    assert time["logicalType"] == "timestamp"
    assert document["slaProperties"][0]["value"] == "07:30"


def test_a_foreign_contract_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Roles by usual names, types and limits as they stand; what has no place is named."""
    contract, notes = imported(write(tmp_path))
    roles = {column.name: column.role for column in contract.columns}
    assert roles == {
        "visitor_id": "client_id", "url": "page_url", "event_time": "timestamp",
        "event": "event_name", "amount": None, "hit": None, "kind": None,
    }  # fmt: skip
    _, url, time, event, amount, hit, kind = contract.columns
    assert (url.kind, url.max_length, url.pattern) == ("url", 2048, "^https?://")
    assert (time.kind, time.why, time.required) == ("timestamp", "of the server", False)
    assert (event.allowed, event.required) == (("page_view", "purchase"), True)
    assert (amount.kind, amount.min, amount.max, amount.unique) == ("number", 0, None, True)
    assert (hit.kind, hit.unique, hit.pattern) == ("identifier", True, None)
    assert kind.allowed == ("a", "b")
    assert contract.version == "1.1.0"
    assert contract.calendar.expected_by == "07:30"
    assert [note.partition(":")[0] for note in notes] == [
        "minimum 2020-01-01 of event_time", "quality rule few of event",
        "exclusiveMaximum 10 of amount", "pattern (?=a) of hit", "service level latency",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said", "fix"),
    [
        (("name: event_time", "name: moment"),
         ":9:5: which column is the timestamp? None has a name that says so",
         "give --role timestamp=COLUMN, of the columns visitor_id, url, moment"),
        (("physicalName: visitor_id", "physicalName: zzz"), ": which column is the client_id?",
         "--role client_id=COLUMN"),
        (("name: amount", "name: ts"),
         ": which column is the timestamp? It may be event_time or ts",
         "say it with --role timestamp=event_time"),
        (("logicalType: date", "logicalType: boolean"),
         ": event_time is of type boolean, and a timestamp is date or integer or number",
         "name another column with --role timestamp=COLUMN"),
        (("kind: DataContract", "kind: Model"), ":2:1: kind: should be 'DataContract'", ""),
        (("apiVersion: v3.0.2", "apiVersion: v2.2.2"), ":1:1: apiVersion: ", ""),
        (("- name: url\n", "- nam: url\n"),
         ":14:9: schema 'hits', properties, entry 2, name: is required", ""),
        (("properties:\n", "properties: []\n    other:\n"),
         ": which column is the client_id and which the page_url",
         "--role client_id=COLUMN --role page_url=COLUMN"),
        (("schema:", "other:"), ": describes no table", "add the columns of the events"),
        (("name: amount", "name: kind"),
         ": cannot be a contract: columns: the name 'kind' is given twice", ""),
        (("kind: DataContract", "kind: [DataContract"), ": is not YAML", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_placed_is_named(
    change: tuple[str, str], said: str, fix: str, tmp_path: Path
) -> None:
    """The error says what is missing and where, and the option that mends it."""
    assert change[0] in FOREIGN
    path = write(tmp_path, FOREIGN.replace(*change, 1))
    with pytest.raises(TallymarkError) as error:
        imported(path)
    assert said in str(error.value), error.value
    assert fix in error.value.fix


def test_people_may_say_which_column_is_which(tmp_path: Path) -> None:
    """A role given by hand wins over names; unknown roles, columns and tables are refused."""
    path = write(tmp_path)
    contract, _ = imported(path, roles={"client_id": "hit"})
    column = contract.by_role("client_id")
    assert column is not None
    assert column.name == "hit"
    for roles, said in (({"time": "url"}, "no role 'time'"), ({"referrer": "ref"}, "no column")):
        with pytest.raises(UsageError, match=said):
            imported(path, roles=roles)
    with pytest.raises(UsageError, match="describes no table 'orders'"):
        imported(path, table="orders")
    write(tmp_path, FOREIGN.replace("schema:\n", "schema:\n  - name: orders\n"))
    with pytest.raises(UsageError, match="describes several tables") as error:
        imported(path)
    assert error.value.fix == "give --table with one of: orders, hits"
    assert len(imported(path, table="hits")[0].columns) == 7


def test_a_contract_that_is_there_is_kept(tmp_path: Path) -> None:
    """It is replaced only when asked for, and then it is among the versions."""
    file, path = write(tmp_path), tmp_path / "contracts" / "events.yml"
    first = import_file(write(tmp_path, odcs_yaml(CONTRACT)), path)
    assert (first.previous, first.version) == (None, "1")
    write(tmp_path)
    with pytest.raises(UsageError, match="is there already"):
        import_file(file, path)
    second = import_file(file, path, force=True)
    assert second.previous is not None
    assert resolve("1", path).model_dump() == CONTRACT.model_dump()
    assert resolve("current", path).model_dump() == imported(file)[0].model_dump()


def test_what_is_no_contract_at_all(tmp_path: Path) -> None:
    """A file that is not there, or too large to be one, is refused before it is read."""
    with pytest.raises(UsageError, match="no such file"):
        imported(tmp_path / "lost.yaml")
    path = write(tmp_path)
    with path.open("r+b") as stream:
        stream.truncate(9 * 1024 * 1024)
    with pytest.raises(UsageError, match="is larger than 8 MB"):
        imported(path)
    with pytest.raises(ConfigError):
        imported(write(tmp_path, "just a text\n"))


def test_a_file_of_many_columns_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its columns have places in it, for which it is not read again each time."""
    rows = "".join(f"      - {{name: c{number}, logicalType: string}}\n" for number in range(50))
    path = write(tmp_path, FOREIGN.replace("    properties:\n", f"    properties:\n{rows}", 1))
    reads: list[object] = []
    whole = YAML.load

    def counted(reader: YAML, text: str) -> Any:
        reads.append(reader)
        return whole(reader, text)

    monkeypatch.setattr(YAML, "load", counted)
    imported(path)
    assert len(reads) <= 3
