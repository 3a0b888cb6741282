from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tallymark import decisions
from tallymark.check.contracts.adopting import adopt, as_yaml, keep_version, resolve
from tallymark.config import load
from tallymark.contract import SHIPPED, Alias, Contract, load_contract
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import UsageError
from tallymark.package import shipped
from tests.check.contracts import contracts

OWN = """# Ours, since the relaunch.
version: "1.3"  # raised by hand

columns:
- name: visitor      # a cookie
  role: client_id
  kind: identifier
  aliases:
  - vis_id           # the old shop

- {name: page, role: page_url, kind: url}
# the time of the browser
- name: 'time'
  role: timestamp
  kind: timestamp
  why: >-
    nothing can be
    ordered without it
- name: event
  role: event_name
  kind: name
  aliases: []        # none so far
# the end
"""


def own(folder: Path, text: str = OWN) -> Path:
    """Write a contract with comments in a style of its own."""
    path = folder / "contracts" / "events.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_an_alias_changes_nothing_else(tmp_path: Path) -> None:
    """Comments, order, quotes and style stay; two lines differ, of the name and of the version."""
    path = own(tmp_path)
    adopt(path, [("event", "action")], decided_in=tmp_path / "decisions")
    before, after = OWN.splitlines(), path.read_text(encoding="utf-8").splitlines()
    assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [
        ('version: "1.3"  # raised by hand', 'version: "1.4"  # raised by hand'),
        ("  aliases: []        # none so far", "  aliases: [action]  # none so far"),
    ]


def test_aliases_come_into_every_form_of_a_column(tmp_path: Path) -> None:
    """A block list, a line in braces and a column without aliases all take one, with its day."""
    path = own(tmp_path)
    since = dt.date(2031, 5, 4)
    adopted = adopt(
        path, [("vis_id", "vid"), ("page_url", "url"), ("time", "ts")],
        decided_in=tmp_path / "decisions", since=since,
    )  # fmt: skip
    contract = load_contract(path)
    assert [column.names for column in contract.columns] == [
        ("visitor", "vis_id", "vid"), ("page", "url"), ("time", "ts"), ("event",),
    ]  # fmt: skip
    assert contract.columns[0].aliases == ("vis_id", Alias(name="vid", since=since))
    text = path.read_text(encoding="utf-8")
    assert "&id" not in text
    for comment in ("# Ours", "# a cookie", "# the old shop", "# the time of", "# the end"):
        assert comment in text
    assert adopted.version == "1.4"
    assert [one["column"] for one in adopted.aliases] == ["visitor", "page", "time"]


def test_the_decision_and_the_contract_before_are_kept(tmp_path: Path) -> None:
    """What was agreed is a record of its own, and the earlier version can be compared with."""
    path = own(tmp_path)
    adopted = adopt(
        path, [("page", "url")], decided_in=tmp_path / "decisions", note="asked the agency"
    )
    (decision,) = decisions.read(tmp_path / "decisions", "column_alias")
    assert decision.path == adopted.decision
    assert decision.facts == {
        "aliases": [{"column": "page", "alias": "url"}],
        "contract_version": "1.4", "previous_version": "1.3", "note": "asked the agency",
    }  # fmt: skip
    assert adopted.previous is not None
    assert adopted.previous.read_text(encoding="utf-8") == OWN
    assert resolve("1.3", path).by_name("url") is None
    assert resolve("1.4", path) == resolve("current", path) == load_contract(path)


def test_a_project_without_a_contract_gets_the_shipped_one(tmp_path: Path) -> None:
    """The shipped contract is written, comments and all, with the alias in it."""
    path = tmp_path / "contracts" / "events.yml"
    adopted = adopt(path, [("client_id", "clientId")], decided_in=tmp_path / "decisions")
    assert adopted.previous is None
    before = shipped(SHIPPED).splitlines()
    after = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in after if line not in before] == [
        'version: "2"', "    aliases: [clientId]",
    ]  # fmt: skip
    assert [line for line in before if line not in after] == ['version: "1"']


def test_the_ledger_says_since_when(tmp_path: Path) -> None:
    """The first day of a delivery with the name, whatever the order in which they came."""
    warehouse = Warehouse(tmp_path / "warehouse")
    for day, columns in (("2031-05-07", ["url"]), ("2031-05-06", ["url"]), ("2031-05-05", ["page"]),
                         (None, ["url"])):  # fmt: skip
        warehouse.record({"delivery": f"{day}.csv", "date": day, "columns": columns})
    adopted = adopt(
        own(tmp_path), [("page", "url"), ("time", "ts")],
        decided_in=tmp_path / "decisions", warehouse=warehouse.root,
    )  # fmt: skip
    assert [one["since"] for one in adopted.aliases] == ["2031-05-06", None]


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([("pagee", "url")], "no column 'pagee'\n  fix: did you mean 'page'?"),
        ([("zzz", "url")], "fix: its columns: visitor, page, time, event"),
        ([("page", "page")], "is a name of column page already"),
        ([("visitor", "vis_id")], "is a name of column visitor already"),
        ([("page", "event")], "is the name of another column"),
        ([("page", "url"), ("time", "url")], "is the name of another column"),
        ([("page", " ")], "is no name of a column"),
    ],
)
def test_what_cannot_be_agreed_to(pairs: list[tuple[str, str]], said: str, tmp_path: Path) -> None:
    """Unknown columns and names that are taken are refused, and nothing is written."""
    path = own(tmp_path)
    with pytest.raises(UsageError) as error:
        adopt(path, pairs, decided_in=tmp_path / "decisions")
    assert said in str(error.value)
    assert path.read_text(encoding="utf-8") == OWN
    assert [one.name for one in tmp_path.iterdir()] == ["contracts"]
    assert [one.name for one in path.parent.iterdir()] == ["events.yml"]


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=30, deadline=None)
@example(name="0\x850")
@given(name=names.filter(lambda name: name == name.strip()))
def test_any_name_can_be_agreed_to(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A name that means something in YAML is only a name in the contract."""
    folder = tmp_path_factory.mktemp("names")
    path = own(folder)
    adopt(path, [("page", name)], decided_in=folder / "decisions", since=dt.date(2031, 5, 4))
    assert load_contract(path).columns[1].names == ("page", name)


def test_two_contracts_of_one_version_are_both_kept(tmp_path: Path) -> None:
    """A contract that was changed under its old version replaces none; which is meant is asked."""
    path = own(tmp_path)
    first = keep_version(path)
    assert keep_version(path) == first
    path.write_text(OWN.replace("a cookie", "a device"), encoding="utf-8")
    second = keep_version(path)
    assert None not in {first, second}
    assert first != second
    assert resolve("1.3", path).version == "1.3"
    path.write_text(OWN.replace("vis_id", "device"), encoding="utf-8")
    with pytest.raises(UsageError, match="several contracts say version"):
        resolve("1.3", path)
    with pytest.raises(UsageError, match=r"neither a file nor a version"):
        resolve("7", path)


def test_a_kept_version_still_finds_its_schemas(tmp_path: Path) -> None:
    """The path of a payload's schema stays relative to the contract, not to where it is kept."""
    path = own(tmp_path, OWN + "payloads: {purchase: order.json}\n")
    (path.parent / "order.json").write_text('{"type": "object"}', encoding="utf-8")
    adopt(path, [("page", "url")], decided_in=tmp_path / "decisions")
    assert resolve("1.3", path).payloads == {"purchase": {"type": "object"}}


@settings(max_examples=30, deadline=None)
@given(contract=contracts())
def test_a_written_contract_is_read_as_it_was(
    contract: Contract, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any contract, as YAML and back, is the same contract."""
    path = tmp_path_factory.mktemp("written") / "events.yml"
    path.write_text(as_yaml(contract), encoding="utf-8")
    assert load(Contract, path).model_dump() == contract.model_dump()
