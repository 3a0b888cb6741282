from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tallymark.config import load
from tallymark.contract import SHIPPED, Contract, load_contract
from tallymark.demo.shop import make_shop
from tallymark.package import shipped
from tests.cli.calling import HEADER, call, contents, delivery, project


def test_the_contract_in_force_is_shown(tmp_path: Path) -> None:
    """Column by column for people, and as a whole for programs; shipped if there is none."""
    said = call("contract", "show", "--project", tmp_path)
    assert said.code == 0
    assert said.out.startswith("Contract version 1 (shipped with Tallymark)\n\nColumns\n")
    assert "  referrer    url, optional\n" in said.out
    assert "  purchase: checkout_completed, purchase\n" in said.out
    columns = (
        "  - {name: locale, kind: text, allowed: [en, de], max_length: 2, unique: true}\n"
        "  - {name: price, kind: number, min: 0.5, aliases: [{name: p, since: 2031-05-04}]}\n"
    )
    text = shipped(SHIPPED).replace("\n# The steps", f"{columns}\n# The steps")
    more = 'hosts: {own: [a.example]}\ncalendar: {expected_by: "07:30"}\n'
    project(tmp_path, contracts__events=text + more)
    said = call("contract", "show", "--project", tmp_path)
    assert "locale      text, required, one of en, de, at most 2 characters, unique\n" in said.out
    assert "price       number, required, also called p, at least 0.5\n" in said.out
    assert "Own hosts\n  a.example\n" in said.out
    assert "due at 07:30, 1 day(s) after the day it holds; 60 minutes of grace" in said.out
    data = call("contract", "show", "--project", tmp_path, "--json").data
    assert data["file"] == str(tmp_path / "contracts" / "events.yml")
    assert data["columns"][-1]["aliases"] == [{"name": "p", "since": "2031-05-04"}]


def test_a_breaking_change_is_told_and_can_fail(tmp_path: Path) -> None:
    """Each change with its weight; the exit code is 1 only if that was asked for."""
    new = tmp_path / "new.yml"
    new.write_text(
        shipped(SHIPPED).replace("name: client_id", "name: visitor").replace('"1"', '"2"'), "utf-8"
    )
    said = call("contract", "diff", "shipped", new)
    assert said.code == 0
    assert said.out == (
        "BREAKING  column client_id is called visitor\n\n"
        "version 1 to 2: 1 change, 1 of them breaking\n"
    )
    assert call("contract", "diff", "shipped", new, "--fail-on-breaking", "-q").code == 1
    assert call("contract", "diff", new, new, "--fail-on-breaking").out == "no difference\n"
    data = call("contract", "diff", "shipped", new, "--json").data
    assert (data["breaking"], data["changes"][0]["change"]) == (True, "renamed")
    refused = call("contract", "diff", "7", "--project", tmp_path)
    assert refused.code == 2
    assert "'7' is neither a file nor a version of the contract" in refused.err


def test_a_contract_goes_out_and_comes_in(tmp_path: Path) -> None:
    """Exported to the standard and imported elsewhere, it is the same contract."""
    home, other = tmp_path / "home", tmp_path / "other"
    project(home, contracts__events=shipped(SHIPPED).replace('"1"', '"2.5"'))
    other.mkdir()
    printed = call("contract", "export", "--project", home)
    said = call("contract", "export", "--project", home, "--output", tmp_path)
    path = tmp_path / "contract.odcs.yaml"
    assert said.out == f"{path}\n"
    assert path.read_text(encoding="utf-8") == printed.out
    document = call("contract", "export", "--project", home, "--json").data
    assert YAML(typ="safe", pure=True).load(printed.out) == document
    brought = call("contract", "import", path, "--project", other)
    assert brought.code == 0
    assert brought.out.endswith("version 2.5, 7 columns\nNext: tallymark check\n")
    assert load_contract(other / SHIPPED) == load_contract(home / SHIPPED)
    assert call("contract", "import", path, "--project", other).code == 2
    own = call("contract", "export", "--project", home, "--format", "yaml")
    (tmp_path / "own.yml").write_text(own.out, encoding="utf-8")
    assert load(Contract, tmp_path / "own.yml") == load_contract(home / SHIPPED)


def test_a_foreign_contract_asks_for_what_it_does_not_say(tmp_path: Path) -> None:
    """The error has the option that helps, and with it the contract is written."""
    columns = [
        {"name": name, "logicalType": "string", "quality": [{"type": "text"}]}
        for name in ("cid", "url", "moment", "event")
    ]
    path = tmp_path / "contract.json"
    path.write_text(
        json.dumps({"apiVersion": "v3.1.0", "kind": "DataContract", "id": "a", "version": "3",
                    "schema": [{"name": "hits", "properties": columns}]}),
        encoding="utf-8",
    )  # fmt: skip
    given = ["contract", "import", path, "--project", tmp_path]
    refused = call(*given)
    assert refused.code == 2
    assert "which column is the timestamp?" in refused.err
    assert "--role timestamp=COLUMN" in refused.err
    assert call(*given, "--role", "moment").code == 2
    said = call(*given, "--role", "timestamp=moment")
    assert said.code == 0
    assert said.out.splitlines()[0] == (
        "left out: quality rule text of cid: write it as a rule in rules/check.yml"
    )
    assert load_contract(tmp_path / SHIPPED).by_role("timestamp") is not None


def test_an_alias_is_written_and_told(tmp_path: Path) -> None:
    """Two names at once, with the day; what cannot be is refused and leaves no trace."""
    given = ["contract", "alias", "--project", tmp_path]
    refused = call(*given, "client", "clientId")
    assert refused.code == 2
    assert refused.err.endswith("fix: did you mean 'client_id'?\n")
    assert contents(tmp_path) == {}
    said = call(*given, "client_id", "clientId", "--column", "page_url=url", "--since",
                "2031-05-04", "--note", "new collector")  # fmt: skip
    assert said.code == 0
    assert said.out.startswith(
        "clientId is now a name of column client_id, since 2031-05-04\n"
        "url is now a name of column page_url, since 2031-05-04\n"
    )
    assert set(contents(tmp_path)) == {"contracts/events.yml", "decisions/0001-column_alias.yml"}
    again = call(*given, "client_id", "cid", "--json").data
    assert again["aliases"] == [{"column": "client_id", "alias": "cid", "since": None}]
    assert (again["previous_version"], again["version"]) == ("2", "3")
    assert call("contract", "diff", "2", "3", "--project", tmp_path).out.startswith(
        "fine      cid is fine as a name of client_id\n"
    )


def test_an_alias_says_what_holds(shop: Path, ran: Path, tmp_path: Path) -> None:
    """Since when is not known without the ledger; the next run is one that finds the deliveries."""
    given = ["contract", "alias", "client_id", "clientId", "--project"]
    (tmp_path / "bare").mkdir()
    said = call(*given, tmp_path / "bare").out
    assert f"no run was kept in {tmp_path / 'bare' / 'warehouse'}" in said
    assert "--warehouse" in said
    assert "no delivery with it" not in said
    assert said.endswith(
        f"Next: tallymark run --project {tmp_path / 'bare'} with the --input and --output of your "
        "last run\n"
    )
    project(tmp_path / "whole", tallymark=f"input: {shop / 'raw'}\n")
    said = call(*given, tmp_path / "whole", "--warehouse", ran / "warehouse").out
    assert said.startswith("clientId is now a name of column client_id, since 2026-01-09\n")
    assert said.endswith(f"Next: tallymark run --project {tmp_path / 'whole'}\n")
    said = call("contract", "alias", "client_id", "cid", "--project", tmp_path / "whole",
                "--warehouse", ran / "warehouse").out  # fmt: skip
    assert "; no delivery with it is known yet\n" in said


def test_after_the_alias_the_rename_is_no_error(tmp_path: Path) -> None:
    """From a P0 to green: the alias is dated by the ledger, and its days are judged again."""
    make_shop(tmp_path, days=4, events_per_day=200, seed=3, incidents=("column_renamed@4",))
    project(tmp_path, tallymark="input: raw\n")
    given = ["--project", tmp_path, "--skip", "report", "--json"]
    before = call("run", *given)
    assert before.code == 1
    open_ones = {one["id"] for one in before.data["monitor"][-1]["incidents"]}
    assert "column_renamed:client_id" in open_ones
    said = call("contract", "alias", "client_id", "clientId", "--project", tmp_path, "--json")
    assert said.data["aliases"] == [
        {"column": "client_id", "alias": "clientId", "since": "2026-01-08"}
    ]
    after = call("run", *given)
    assert after.code == 0, after.out
    assert after.data["check"]["judged_now"] == 4
    assert {one["contract_version"] for one in after.data["check"]["deliveries"]} == {"2"}
    assert "column_renamed" not in after.out
    assert after.data["build"]["tables"] == before.data["build"]["tables"]


def test_hosts_of_the_contract_count(tmp_path: Path) -> None:
    """A host that the contract calls internal is internal, as one that tallymark.yml names."""
    raw = tmp_path / "raw"
    delivery(raw / "events_20310505.csv", rows=40)
    project(
        tmp_path, tallymark="input: raw\n",
        contracts__events=shipped(SHIPPED) + "hosts: {internal: [www.lamps.example]}\n",
    )  # fmt: skip
    assert call("build", "--project", tmp_path, "--quiet").code == 0
    sessions = (tmp_path / "warehouse" / "fct_sessions.csv").read_text(encoding="utf-8")
    header, *rows = (line.split(",") for line in sessions.splitlines())
    assert {row[header.index("is_internal")] for row in rows} == {"true"}


@pytest.mark.parametrize("renamed", [False, True])
def test_what_init_wrote_judges_as_the_shipped_contract(*, renamed: bool, tmp_path: Path) -> None:
    """On files with the standard columns, the learned contract changes no finding."""
    incidents = ("column_renamed@2", "column_gone@3") if renamed else ()
    make_shop(tmp_path / "shop", days=3, events_per_day=150, seed=2, incidents=incidents)
    raw = tmp_path / "shop" / "raw"
    assert call("init", tmp_path / "home", "--from", raw).code == 0
    first = contents(tmp_path / "home")
    assert call("init", tmp_path / "home", "--from", raw, "--force").code == 0
    assert contents(tmp_path / "home") == first
    (tmp_path / "none").mkdir()
    said = [
        call("check", "--project", home, "--input", raw, "--output", tmp_path / "out", "--json")
        for home in (tmp_path / "home", tmp_path / "none")
    ]
    assert said[0].code == said[1].code
    for one, two in zip(*(run.data["deliveries"] for run in said), strict=True):
        assert (one["verdict"], one["score"]) == (two["verdict"], two["score"])
        assert [f["id"] for f in one["findings"]] == [f["id"] for f in two["findings"]]


def test_init_tells_what_it_saw(tmp_path: Path) -> None:
    """Evidence for columns, events, payload and hosts; synonyms where the usual name is missing."""
    raw = tmp_path / "raw"
    path = delivery(raw / "events_20310505.csv", rows=30, header=f"{HEADER},locale")
    payload = {"order_id": "A1", "value": 10, "products": [{"sku": "x", "price": 10}], "coupon": 1}
    lines = [f"{line},en" for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    told = json.dumps(payload).replace('"', '""')
    bought = [
        line.replace("page_viewed,", f'order_completed,"{told}"').replace(
            "www.google.com", "pay.example.net"
        )
        for line in lines[:4]
    ]
    other = [line.replace("page_viewed", "search") for line in lines[4:7]]
    path.write_text("\n".join([f"{HEADER},locale", *bought, *other, *lines[7:], ""]), "utf-8")
    home = tmp_path / "home"
    assert call("init", home, "--from", raw).code == 0
    text = (home / SHIPPED).read_text(encoding="utf-8")
    assert "# Read: 1 of 1 deliveries, the first of them" in text
    assert "  # 1 of 1 files, 100.0 % filled, 5 distinct values, 100.0 % of them look like" in text
    assert '  # other, of no step: "search" 3\n' in text
    assert '  # other keys of a purchase: "coupon" 4\n' in text
    assert '#     required: ["order_id", "products", "value"]' in text
    settings = (home / "tallymark.yml").read_text(encoding="utf-8")
    assert 'sounds like payment; name those that are: "pay.example.net" 4\n' in settings
    contract = load_contract(home / SHIPPED)
    assert contract.events.purchase == ("order_completed", "checkout_completed", "purchase")
    assert contract.payload.model_dump() == {
        "transaction_id": "order_id", "revenue": "value", "currency": "currency",
        "email": "user_email", "items": "products", "item_id": "sku", "item_name": "item_name",
        "quantity": "quantity", "item_price": "price", "tax": "tax", "shipping": "shipping",
        "subtotal": "subtotal",
    }  # fmt: skip
    locale = contract.by_name("locale")
    assert locale is not None
    assert (locale.role, locale.required) == (None, False)
    checked = call("check", "--project", home, "--json")
    assert not [
        one["id"] for one in checked.data["deliveries"][0]["findings"] if "column" in one["id"]
    ]
