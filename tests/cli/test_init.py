from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tallymark.config import CheckRules, Config, MonitorRules, load
from tallymark.contract import Contract
from tests.cli.calling import HEADER, call, contents, delivery
from tests.ingest.making import as_csv, event, purchase


def _loaded(home: Path) -> tuple[Config, Contract]:
    """Settings and contract of a project, read as strictly as a run reads them."""
    load(CheckRules, home / "rules" / "check.yml")
    load(MonitorRules, home / "rules" / "monitor.yml")
    return load(Config, home / "tallymark.yml"), load(Contract, home / "contracts" / "events.yml")


def test_a_project_of_ones_own_files_runs(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a pattern to a project to a run, with nothing said in between."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shop / "raw", "raw")
    made = call("init", "project", "--from", "raw/*.csv")
    assert made.code == 0
    assert made.out.splitlines()[-1] == "Next: tallymark run --project project"
    settings, contract = _loaded(tmp_path / "project")
    assert settings.input == "../raw/*.csv"
    assert settings.shop.own_hosts == ("www.lumenloft.example", "checkout.lumenloft.example")
    assert contract.by_role("client_id").name == "client_id"  # type: ignore[union-attr]
    said = call("run", "--project", "project")
    assert said.code == 1
    assert (tmp_path / "project" / "reports" / "executive-summary.pdf").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project", "raw"]
    monkeypatch.chdir(tmp_path / "project")
    for command in ("run", "check", "monitor"):
        assert call(command, "--quiet").code == 1
    for command in ("build", "report"):
        assert call(command, "--quiet").code == 0


def test_a_name_that_came_later_is_told_and_can_be_agreed(shop: Path, tmp_path: Path) -> None:
    """The contract says which file brought the new name; agreeing to it takes the P0 away."""
    raw = tmp_path / "raw"
    shutil.copytree(shop / "raw", raw, ignore=shutil.ignore_patterns("*1[012].csv"))
    home = tmp_path / "project"
    assert call("init", home, "--from", raw).code == 0
    path = home / "contracts" / "events.yml"
    text = path.read_text(encoding="utf-8")
    assert (
        '# called "clientId" from "events_20260109.csv" on: agree with aliases: ["clientId"]'
        in text
    )
    given = ["run", "--project", home, "--skip", "report", "--json"]
    before = call(*given)
    assert before.code == 1
    assert "column_renamed:client_id" in {
        one["id"] for one in before.data["monitor"][-1]["incidents"]
    }
    contract = YAML()
    tree = contract.load(text)
    tree["columns"][0]["aliases"] = ["clientId"]
    with path.open("w", encoding="utf-8") as stream:
        contract.dump(tree, stream)
    after = call(*given)
    assert (after.code, after.data["check"]["judged_now"]) == (0, 5)
    assert "column_renamed" not in after.out
    assert after.data["build"]["tables"] == before.data["build"]["tables"]


def test_a_column_that_goes_is_told(shop: Path, tmp_path: Path) -> None:
    """A column that later files lack has a note with the first of them."""
    assert call("init", tmp_path / "project", "--from", shop / "raw").code == 0
    text = (tmp_path / "project" / "contracts" / "events.yml").read_text(encoding="utf-8")
    assert '# not in "events_20260110.csv"\n  - name: "referrer"' in text


def test_names_of_ones_own_are_learned(tmp_path: Path) -> None:
    """Where the first file has other names, the contract has them as its own: no rename."""
    own = HEADER.replace("client_id", "clientId").replace("timestamp", "time_stamp")
    delivery(tmp_path / "raw" / "events_20310505.csv", header=own)
    home = tmp_path / "project"
    assert call("init", home, "--from", tmp_path / "raw").code == 0
    _, contract = _loaded(home)
    assert contract.by_role("client_id").name == "clientId"  # type: ignore[union-attr]
    assert contract.by_role("timestamp").name == "time_stamp"  # type: ignore[union-attr]
    assert call("check", "--project", home, "--fail-on", "warn").code == 0


def test_names_that_are_not_understood_are_left_to_people(tmp_path: Path) -> None:
    """A column without a likeness keeps its shipped name, beside all names of the file."""
    header = "zzz," + HEADER.partition(",")[2]
    delivery(tmp_path / "raw" / "events_20310505.csv", header=header.replace("user_agent", "b"))
    home = tmp_path / "project"
    assert call("init", home, "--from", tmp_path / "raw").code == 0
    text = (home / "contracts" / "events.yml").read_text(encoding="utf-8")
    assert '# Columns of "events_20310505.csv": "zzz", "page_url"' in text
    _, contract = _loaded(home)
    assert {column.role for column in contract.columns} >= {"client_id", "user_agent"}


def test_what_is_there_is_not_replaced(shop: Path, tmp_path: Path) -> None:
    """A second time needs ``--force``, and without it no file of the project is touched."""
    given = ["init", tmp_path, "--from", shop / "raw"]
    assert call(*given).code == 0
    mine = tmp_path / "rules" / "monitor.yml"
    first = contents(tmp_path)
    mine.write_text("mine: true\n", encoding="utf-8")
    changed = contents(tmp_path)
    refused = call(*given)
    assert refused.code == 2
    assert "is there already\n  fix: use --force to replace it" in refused.err
    assert contents(tmp_path) == changed
    (tmp_path / "tallymark.yml").unlink()
    assert call(*given).code == 2
    assert not (tmp_path / "tallymark.yml").exists()
    assert call(*given, "--force").code == 0
    assert contents(tmp_path) == first


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    """If no file can be read, no project is written, and how to see why is said."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "events_20310505.csv").touch()
    said = call("init", tmp_path / "project", "--from", tmp_path / "raw")
    assert said.code == 2
    assert "none of the deliveries can be read" in said.err
    assert not (tmp_path / "project").exists()


def test_files_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    """A broken file among sound ones does not keep the project from being written."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "events_20310504.csv").touch()
    delivery(tmp_path / "raw" / "events_20310505.csv")
    assert call("init", tmp_path / "project", "--from", tmp_path / "raw").code == 0
    _loaded(tmp_path / "project")


@pytest.mark.parametrize("name", ['a"b', "a: b # c", "a\\u0041", "émoji \U0001f355", "tab\there"])
def test_hostile_names_stay_names(name: str, tmp_path: Path) -> None:
    """Names of columns and files that mean something in YAML are only names in what is written."""
    header = HEADER.replace("client_id", f'"client_id {name.replace(chr(34), chr(34) * 2)}"')
    raw = tmp_path / "raw"
    delivery(raw / "events_20310505.csv")
    try:
        delivery(raw / f"x\n{name}: y_20310506.csv", "2031-05-06", header=header)
    except OSError:
        pytest.skip("the file system takes no such name")
    delivery(raw / "events_20310507.csv", "2031-05-07", header=header)
    for given in (raw, raw / "events_20310507.csv"):
        home = tmp_path / given.stem
        assert call("init", home, "--from", given).code == 0
        _loaded(home)


def test_hosts_that_only_show_a_page_are_not_the_shops(tmp_path: Path) -> None:
    """A page seen on a translator's host now and then does not make that host the shop's own."""
    path = delivery(tmp_path / "raw" / "events_20310505.csv", rows=300)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("www.lamps.example", "www-lamps.translate.example", 1), "utf-8")
    assert call("init", tmp_path / "project", "--from", tmp_path / "raw").code == 0
    settings, _ = _loaded(tmp_path / "project")
    assert settings.shop.own_hosts == ("www.lamps.example",)


def test_columns_under_other_names_are_quiet_at_once(shop: Path, tmp_path: Path) -> None:
    """What the gate would read a column as, init writes: nothing is said of those very files."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for path in sorted((shop / "raw").glob("*.csv"))[:3]:
        first, _, rest = path.read_text(encoding="utf-8").partition("\n")
        assert first == "client_id,page_url,referrer,timestamp,event_name,event_data,user_agent"
        head = "visitor,url,ref,ts,evt,props,ua"
        (raw / path.name).write_text(f"{head}\n{rest}", encoding="utf-8")
    home = tmp_path / "project"
    assert call("init", home, "--from", raw).code == 0
    contract = _loaded(home)[1]
    names = [one.name for one in contract.columns]
    assert names == ["visitor", "url", "ref", "ts", "evt", "props", "ua"]
    assert call("check", "--project", home, "--fail-on", "error").code == 0


def test_files_that_cannot_be_read_are_told_with_their_reason(tmp_path: Path) -> None:
    """Not only that none can be read, and the command beside it can be followed."""
    (tmp_path / "raw").mkdir()
    text = (HEADER + "1,2\n").encode("utf-16")
    (tmp_path / "raw" / "events_20310505.csv").write_bytes(text)
    said = call("init", tmp_path / "project", "--from", tmp_path / "raw")
    assert said.code == 2
    assert "events_20310505.csv: the text is UTF-16, not UTF-8" in said.err
    assert f"`tallymark check --input {tmp_path / 'raw'}`" in said.err


@pytest.mark.parametrize(
    ("stated", "ours", "rates"),
    [
        (["EUR", "eur", "EUR"], "EUR", None),
        (["GBP", "EUR", "EUR", "?"], "EUR", "GBP: 1.0"),
        (["", "none"], "USD", None),
    ],
)
def test_the_currency_of_the_sample_is_the_shops(
    stated: list[str], ours: str, rates: str | None, tmp_path: Path
) -> None:
    """What most orders state; where there are several, what a build will ask for stands ready."""
    rows = [
        purchase({"transaction_id": f"T{at}", "revenue": 9, "currency": code}, client_id=f"c{at}")
        for at, code in enumerate(stated)
    ]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "2031-05-05.csv").write_bytes(as_csv([*rows, event()]))
    assert call("init", tmp_path / "p", "--from", tmp_path / "raw").code == 0
    settings, _ = _loaded(tmp_path / "p")
    text = (tmp_path / "p" / "tallymark.yml").read_text(encoding="utf-8")
    assert settings.shop.currency == ours
    assert ("currency_rates" in text) == (rates is not None)
    if rates is not None:
        asked = call("build", "--project", tmp_path / "p")
        assert (asked.code, "no rate for GBP" in asked.err) == (2, True)
        held = text.replace("# orders:", "orders:").replace("#   currency", "  currency")
        assert f"{{{rates}}}" in held
        (tmp_path / "p" / "tallymark.yml").write_text(held, encoding="utf-8")
        assert call("build", "--project", tmp_path / "p").code == 0
