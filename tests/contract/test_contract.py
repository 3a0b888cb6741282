from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tallymark.config import Shop, load
from tallymark.contract import (
    SHIPPED,
    Alias,
    Calendar,
    Column,
    Contract,
    EventNames,
    Payload,
    bumped,
    load_contract,
)
from tallymark.errors import ConfigError

CONTRACT = load(Contract, None, SHIPPED)
NEEDED = """columns:
  - {name: client_id, role: client_id, kind: identifier}
  - {name: page_url, role: page_url, kind: url}
  - {name: timestamp, role: timestamp, kind: timestamp}
  - {name: event_name, role: event_name, kind: name}
"""


def write(folder: Path, more: str = "", **files: str) -> Path:
    """Write a contract with further lines, and JSON files beside it."""
    for name, text in files.items():
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    path = folder / "events.yml"
    path.write_text(NEEDED + more, encoding="utf-8")
    return path


def refused(path: Path) -> ConfigError:
    """What is said of a contract that is refused."""
    with pytest.raises(ConfigError) as said:
        load_contract(path)
    return said.value


def test_what_was_a_contract_is_one(tmp_path: Path) -> None:
    """Every key but the columns has a default, and the shipped contract says no more than that."""
    contract = load_contract(write(tmp_path))
    assert contract.version == "1"
    assert contract.events == CONTRACT.events
    assert contract.payloads == {}
    assert contract.calendar.expected_by is None
    assert CONTRACT.hosts.own == CONTRACT.internal.user_agents == ()


def test_an_alias_may_have_a_day(tmp_path: Path) -> None:
    """Names come out alike, whether an alias is a text, a name, or a name with its first day."""
    path = write(tmp_path)
    text = path.read_text(encoding="utf-8").replace(
        "kind: url",
        "kind: url, aliases: [url, {name: href}, {name: link, since: 2031-05-04}]",
    )
    path.write_text(text, encoding="utf-8")
    column = load_contract(path).by_name("link")
    assert column is not None
    assert column.names == ("page_url", "url", "href", "link")
    assert column.aliases == ("url", "href", Alias(name="link", since=dt.date(2031, 5, 4)))


def test_columns_without_a_role(tmp_path: Path) -> None:
    """A shop may describe further columns; several of them have no role, and that is no clash."""
    path = write(tmp_path, "  - {name: locale, kind: text, allowed: [en, de]}\n"
                 "  - {name: price, kind: number, min: 0, required: false}\n")  # fmt: skip
    contract = load_contract(path)
    locale, price = contract.by_name("locale"), contract.by_name("price")
    assert locale is not None
    assert price is not None
    assert (locale.role, locale.allowed, price.min) == (None, ("en", "de"), 0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pattern": "("}, "is no regular expression"),
        ({"pattern": r"(?=a)"}, "RE2"),
        ({"pattern": r"(a)\1"}, "RE2"),
        ({"pattern": "a++"}, "RE2"),
        ({"allowed": ()}, "an empty list allows nothing"),
        ({"min_length": 3, "max_length": 2}, "min_length 3 is above max_length 2"),
        ({"kind": "number", "min": 3, "max": 2}, "min 3.0 is above max 2.0"),
        ({"min": 3}, "for numbers; this column is of kind text"),
        ({"kind": "number", "min": float("nan")}, "finite"),
        ({"name": ""}, "at least 1 character"),
    ],
)
def test_limits_that_cannot_be(given: dict[str, Any], said: str) -> None:
    """A limit that nothing or everything meets is a mistake, and is said to be one."""
    with pytest.raises(ValidationError, match=said):
        Column.model_validate({"name": "a", "kind": "text"} | given)


@pytest.mark.parametrize("pattern", [r"^\d+$", "[*+]+", r"\++", r"\\1", "[(?=]", "(?P<n>a|b)?"])
def test_patterns_that_only_look_strange(pattern: str) -> None:
    """What RE2 can read is taken, even where its signs stand in a set or are escaped."""
    assert Column(name="a", kind="text", pattern=pattern).pattern == pattern


def test_a_mistake_inside_an_alias_is_refused_where_it_stands(tmp_path: Path) -> None:
    """A wrong key of an alias is named by line and column, with the likely one."""
    path = write(
        tmp_path, "  - name: a\n    kind: text\n    aliases:\n      - {name: b, sinc: 1}\n"
    )
    error = refused(path)
    assert error.where == f"{path}:9:19"
    assert (error.what, error.fix) == ("unknown key 'sinc'", "did you mean 'since'?")


# ---------------------------------------------------------------- payload schemas


def test_a_schema_may_stand_here_or_in_a_file(tmp_path: Path) -> None:
    """Inline or by path, a schema is found by the event's name, else by its step."""
    schema = {"type": "object", "required": ["revenue"]}
    path = write(
        tmp_path,
        "payloads:\n  purchase: order.json\n  begin_checkout: {type: object}\n",
        order=json.dumps(schema),
    )
    contract = load_contract(path)
    assert contract.schema_of("checkout_completed") == schema
    assert contract.schema_of("begin_checkout") == {"type": "object"}
    assert contract.schema_of("checkout_started") is None
    assert contract.schema_of("unheard_of") is None


@pytest.mark.parametrize(
    ("more", "where", "what"),
    [
        ("payloads:\n  purchase:\n    type: object\n    properties:\n      a: {type: txt}\n",
         "events.yml:10:11", "payloads.purchase.properties.a.type"),
        ("payloads:\n  purchase:\n    $ref: https://example.com/a.json\n",
         "events.yml:8:5", "nothing is fetched"),
        ("payloads:\n  purchase: {$ref: '#/$defs/none'}\n", "events.yml:7:3", "is no JSON Schema"),
        ("payloads:\n  purchase: lost.json\n", "events.yml:7:3", "lost.json cannot be read"),
        ("payloads:\n  purchase: broken.json\n", "broken.json:2:1", "is not JSON"),
        ("payloads:\n  purchase: list.json\n", "list.json:1:1", "as an object"),
        ("payloads:\n  purchase: wrong.json\n", "wrong.json:2:2", "is no JSON Schema"),
        ("payloads:\n  purchase: 3\n", "events.yml:7:3", "payloads.purchase"),
    ],
)  # fmt: skip
def test_what_is_no_schema_is_refused_where_it_stands(
    more: str, where: str, what: str, tmp_path: Path
) -> None:
    """A broken schema is refused when the contract is read, by file, line and column."""
    path = write(tmp_path, more, broken='{"type":\n', list="[]", wrong='{\n "minimum": "x"}')
    error = refused(path)
    assert error.where == str(tmp_path / where), error
    assert what in error.what


# ---------------------------------------------------------------- hosts, calendar, version


def test_hosts_of_contract_and_settings_are_one_list() -> None:
    """The merged view has the settings' hosts first, then those of the contract, each once."""
    contract = CONTRACT.model_copy(
        update={"hosts": CONTRACT.hosts.model_copy(update={"own": ("b.example", "c.example"),
                                                           "payment": ("pay.example",)})}
    )  # fmt: skip
    shop = contract.merged_into(Shop(own_hosts=("a.example", "b.example"), name="Lamps"))
    assert shop.own_hosts == ("a.example", "b.example", "c.example")
    assert (shop.payment_hosts, shop.internal_hosts) == (("pay.example",), ())
    assert shop.name == "Lamps"


def test_the_calendar_knows_which_days_are_delivered() -> None:
    """Days before the first one, and days of the week without a delivery, are not expected."""
    calendar = Calendar(weekdays=("mon", "tue"), first_day=dt.date(2031, 5, 6))
    days = [dt.date(2031, 5, day) for day in (5, 6, 7, 12)]
    assert [calendar.expects(day) for day in days] == [False, True, False, True]
    with pytest.raises(ValidationError):
        Calendar(expected_by="7 o'clock")


@pytest.mark.parametrize(
    ("version", "after"),
    [("1", "2"), ("9", "10"), ("1.4", "1.5"), ("1.4.2", "1.5.0"), ("spring", "spring-2"),
     ("spring-9", "spring-10"), ("v1", "v1-2")],
)  # fmt: skip
def test_a_version_rises(version: str, after: str) -> None:
    """Numbers rise as documented; any other text gets a number, and that one rises."""
    assert bumped(version) == after


@pytest.mark.parametrize("told", ["25:00", "7:00", "07:60", "noon"])
def test_a_time_of_day_is_written_in_full(told: str) -> None:
    """What is no time of day is refused with one that is."""
    with pytest.raises(ValidationError, match='write it as "07:30"'):
        Calendar(expected_by=told)
    assert Calendar(expected_by="23:59").expected_by == "23:59"


def test_an_event_is_one_step() -> None:
    """A name that two steps claim is refused; a default gives way to what the shop says."""
    with pytest.raises(ValidationError, match="'b' cannot be both page_view and add_to_cart"):
        EventNames(page_view=("a", "b"), add_to_cart=("b",))
    assert EventNames(add_to_cart=("begin_checkout",)).step_of("begin_checkout") == "add_to_cart"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"revenue": "total", "tax": "total"}, "'total' cannot be both revenue and tax"),
        ({"item_id": "sku", "item_name": "sku"}, "'sku' cannot be both item_id and item_name"),
        ({"transaction_id": "id", "item_id": "id"}, None),
        ({"revenue": "subtotal", "subtotal": "subtotal"}, None),
    ],
)
def test_no_key_of_the_payload_is_two_things(given: dict[str, str], wrong: str | None) -> None:
    """Of the order, and of each of its items; but what is paid may be all that was bought."""
    if wrong is None:
        assert Payload(**given).model_dump().items() >= given.items()
        return
    with pytest.raises(ValidationError, match=wrong):
        Payload(**given)
