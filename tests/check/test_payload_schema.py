"""Payloads against the schemas of the contract: what does not fit, and where, without a value."""

from __future__ import annotations

from typing import Any

import pytest

from tallymark.check.own import payload_schema
from tallymark.check.own.payload_schema import payload_tree
from tallymark.config import CheckRule, CheckRules, Severity
from tallymark.results import Finding
from tests.check.judging import Shop
from tests.ingest.making import CONTRACT, as_csv, event, purchase

SCHEMA = {
    "type": "object",
    "required": ["transaction_id", "revenue"],
    "properties": {
        "transaction_id": {"type": "string", "pattern": "^t-"},
        "revenue": {"type": "number", "minimum": 0},
        "items": {
            "type": "array",
            "items": {"type": "object", "required": ["item_name"],
                      "properties": {"item_name": {"type": "string", "maxLength": 20}}},
        },
    },
}  # fmt: skip
RULES = CheckRules(
    rules=(CheckRule(id="schema", check="payload_schema", severity=Severity.P1, fix="mend"),)
)
GOOD = {"transaction_id": "t-1", "revenue": 5, "items": [{"item_name": "Lamp"}]}


def _found(shop: Shop, rows: list[dict[str, str]], **payloads: Any) -> list[Finding]:
    contract = CONTRACT.model_copy(update={"payloads": payloads or {"purchase": SCHEMA}})
    return list(shop.one(as_csv(rows), rules=RULES, contract=contract).findings)


def test_what_does_not_fit_is_named_by_its_path(shop: Shop) -> None:
    """Each place counts the payloads that are wrong there; equal payloads count each time."""
    lines = [{"item_name": "Lamp"}, {"item_name": 3}, {"item_name": "x" * 30}, {}]
    rows = [
        purchase(GOOD), purchase({**GOOD, "revenue": "5"}), purchase({**GOOD, "revenue": "5"}),
        purchase({**GOOD, "revenue": -1}), purchase({"revenue": 5}),
        purchase({**GOOD, "items": lines}), purchase("{bad"), purchase("[1]"), purchase(""),
        event(event_data='{"revenue": "none of ours"}'),
    ]  # fmt: skip
    (found,) = _found(shop, rows)
    assert (found.id, found.rows, found.severity) == ("schema:checkout_completed", 8, Severity.P1)
    assert found.evidence["places"] == {
        "no JSON object within 256 kB and 32 levels": 2, "revenue is of another type": 2,
        "transaction_id is missing": 2, "items[].item_name is missing": 1,
        "items[].item_name is of another type": 1, "items[].item_name is too long": 1,
        "revenue is missing": 1, "revenue is too small": 1,
    }  # fmt: skip
    assert "8 of 9 payloads of 'checkout_completed' (88.9%)" in found.message


def test_no_personal_data_is_told(shop: Shop) -> None:
    """Neither values nor names that the sender made up appear; only names out of the schema."""
    schema = {"type": "object", "additionalProperties": {"type": "number"},
              "properties": {"revenue": {"const": 1}}}  # fmt: skip
    (found,) = _found(
        shop, [purchase({"anna@mail.example": "secret", "revenue": 77})], purchase=schema
    )
    assert found.evidence["places"] == {"* is of another type": 1, "revenue is not the value": 1}
    assert "anna" not in str(found)
    assert "secret" not in str(found)
    assert "77" not in found.message


def test_a_schema_of_one_event_by_its_name(shop: Shop) -> None:
    """A schema may stand under an event's own name; what fits is no finding."""
    rows = [event(event_name="wish", event_data='{"a": "x"}'), purchase({"a": "x"})]
    (found,) = _found(shop, rows, wish={"properties": {"a": {"type": "number"}}})
    assert found.id == "schema:wish"
    assert not _found(shop, [purchase(GOOD)])


def test_nothing_is_read_without_schemas(shop: Shop) -> None:
    """A contract without schemas, or a delivery without payloads, costs and finds nothing."""
    assert not _found(shop, [purchase("{bad")], other={"type": "object"})
    contract = CONTRACT.model_copy(update={"payloads": {"purchase": SCHEMA}})
    bare = as_csv([purchase("{bad")], ["client_id", "page_url", "timestamp", "event_name"])
    report = shop.one(bare, rules=RULES, contract=contract)
    assert not report.findings


def test_of_very_many_payloads_a_fixed_part_is_looked_at(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finding says how many were looked at; the same file gives the same finding."""
    monkeypatch.setattr(payload_schema, "MAX_ROWS", 50)
    rows = [purchase({**GOOD, "revenue": "5", "n": number}) for number in range(500)]
    (found,) = _found(shop, rows)
    looked = found.evidence["looked_at"]
    assert 20 <= looked <= 100
    assert found.rows == looked
    assert "looked at (of 500)" in found.message
    assert found.share == 1.0


def test_hostile_patterns_and_texts_are_bounded(shop: Shop) -> None:
    """A pattern that would try for ever gives up, and what is too long or deep is not read."""
    schema = {"properties": {"a": {"type": "string", "pattern": "^(a+)+$(?<!x)"}}}
    rows = [purchase({"a": "a" * 60 + "!"}), purchase('{"a":' * 3000 + "1" + "}" * 3000)]
    (found,) = _found(shop, rows, purchase=schema)
    assert found.rows == 2


@pytest.mark.parametrize(
    "text", ["", "[1]", "3", "{", '{"a": 1' + "}" * 2, '{"a":' * 40 + "1" + "}" * 40, "9" * 5000,
             '{"a": ' + "9" * 5000 + "}"]
)  # fmt: skip
def test_what_is_no_payload(text: str) -> None:
    """Only a JSON object of bounded size, depth and numbers is looked at."""
    assert payload_tree(text) is None
