"""Checks of other packages: found, called, kept within bounds, and named when they fail."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallymark.check.plugins import load_plugin, plugin_names, versions
from tallymark.check.rules import refuse_unknown
from tallymark.config import CheckRule, CheckRules, Severity, load
from tallymark.errors import ConfigError
from tallymark.results import Finding, Verdict
from tests.check.judging import Shop
from tests.ingest.making import as_csv, event

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"
HOSTILE = """
from tallymark.check.rules import Hit

def raises(rows, rule):
    raise ValueError("anna@mail.example owes 5")

def late(rows, rule):
    yield Hit(message="one")
    raise KeyError("anna@mail.example")

def leaves(rows, rule):
    raise SystemExit(3)

def odd(rows, rule):
    return ["no hit"]

def nothing(rows, rule):
    return None

def reads(rows, rule):
    rows.query("select * from read_csv('/etc/passwd')")

def writes(rows, rule):
    rows.query("copy rows to 'x.csv'")

def two(rows, rule):
    rows.query("select 1; select 2")

def unlocks(rows, rule):
    rows.query("set enable_external_access = true")

def counts(rows, rule):
    ((number,),) = rows.query("select count(*) from rows where event_name = ?", [rule.event])
    yield Hit(message=f"{number} events", subject="it's", rows=number)

text = "no function"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages: the example, and a hostile one."""
    folder = tmp_path / "site"
    for name, version, module, text in (
        ("tallymark-example-checks", "1.0.0", "example_checks",
         (EXAMPLE / "example_checks.py").read_text("utf-8")),
        ("hostile", "0.1", "hostile_checks", HOSTILE),
    ):  # fmt: skip
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(_entry_points(module), encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for module in ("example_checks", "hostile_checks"):
        sys.modules.pop(module, None)


def _entry_points(module: str) -> str:
    if module == "example_checks":
        given = (EXAMPLE / "pyproject.toml").read_text("utf-8")
        lines = given.split('[project.entry-points."tallymark.checks"]\n')[1].split("\n\n")[0]
        return "[tallymark.checks]\n" + lines.replace('"', "")
    names = ["raises", "leaves", "late", "odd", "nothing", "reads", "writes", "two", "unlocks",
             "counts", "text"]  # fmt: skip
    lines = "\n".join(f"{name} = hostile_checks:{name}" for name in names)
    return f"[tallymark.checks]\n{lines}\ngone = hostile_gone:x\nmissing = hostile_checks:nobody\n"


DAY = [
    event(client_id=f"c-{number}", timestamp=f"2031-05-05T{number:02}:00:00.000Z")
    for number in range(10)
]


def _rules(**rule: Any) -> CheckRules:
    return CheckRules(rules=(CheckRule(**{"id": "own", "severity": Severity.P2, **rule}),))


def _found(shop: Shop, rows: list[dict[str, str]], **rule: Any) -> list[Finding]:
    rules = _rules(**rule)
    refuse_unknown(rules, "rules.yml")
    return list(shop.one(as_csv(rows), rules=rules).findings)


@pytest.mark.usefixtures("package")
def test_the_example_package_is_found_and_called(shop: Shop) -> None:
    """Its checks are offered under the names of its pyproject.toml, and find what they should."""
    assert {"paths_too_deep", "one_client_many_agents"} <= set(plugin_names())
    assert versions(["paths_too_deep", "file_empty"]) == [
        "paths_too_deep tallymark-example-checks 1.0.0"
    ]
    deep = [*DAY, event(page_url="https://shop.example/" + "a/" * 9)]
    (found,) = _found(shop, deep, check="paths_too_deep", max=6)
    assert (found.rule, found.rows) == ("own", 1)
    assert found.message == "1 of 11 pages have more than 6 levels in their path"
    assert not _found(shop, deep, check="paths_too_deep", max=6, threshold=0.2)
    shared = [event(user_agent=f"Agent/{number}") for number in range(7)]
    (found,) = _found(shop, shared, check="one_client_many_agents")
    assert found.evidence == {"clients": 1, "user_agents": 5}


@pytest.mark.usefixtures("package")
def test_a_plugin_asks_the_sound_rows_alone(shop: Shop) -> None:
    """Rows that are kept out are not among its rows; what it may ask with is bound."""
    rows = [*DAY, event(event_name="o'dd"), event(event_name="o'dd", timestamp="never")]
    (found,) = _found(shop, rows, check="counts", event="o'dd")
    assert (found.id, found.message) == ("own:it's", "1 events")


@pytest.mark.parametrize(
    ("check", "why"),
    [
        ("raises", "ValueError at hostile_checks.py:5"),
        ("late", "KeyError at hostile_checks.py:9"),
        ("leaves", "SystemExit at hostile_checks.py:12"),
        ("odd", "it yielded str instead of Hit"),
        ("nothing", "TypeError at plugins.py:"),
        ("reads", "PermissionException at plugins.py:"),
        ("writes", "a plug-in may ask one SELECT at a time"),
        ("two", "a plug-in may ask one SELECT at a time"),
        ("unlocks", "a plug-in may ask one SELECT at a time"),
    ],
)
@pytest.mark.usefixtures("package")
def test_a_plugin_that_fails_is_a_finding(shop: Shop, check: str, why: str) -> None:
    """It is named with its package, tells nothing of the data, and refuses no delivery."""
    (found,) = _found(shop, DAY, check=check, action="stop")
    assert found.message.startswith(
        f"the plug-in {check} of hostile 0.1 failed and checked nothing: {why}"
    )
    assert found.severity is Severity.P1
    assert "anna" not in str(found)
    assert shop.entries[0]["verdict"] == Verdict.WARN
    assert shop.entries[0]["rows_accepted"] == 10


@pytest.mark.parametrize(
    ("check", "what"),
    [
        ("gone", "cannot be loaded: ModuleNotFoundError"),
        ("missing", "cannot be loaded: AttributeError"),
        ("text", "is no function"),
    ],
)
@pytest.mark.usefixtures("package")
def test_a_plugin_that_cannot_be_loaded(tmp_path: Path, check: str, what: str) -> None:
    """It is refused with the place of the rule and the name of the package."""
    path = tmp_path / "check.yml"
    path.write_text(f"rules:\n  - id: a\n    severity: P1\n    check: {check}\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        refuse_unknown(load(CheckRules, path), str(path))
    assert what in caught.value.what
    assert "hostile 0.1" in caught.value.what
    assert caught.value.where == f"{path}:4:5"


@pytest.mark.usefixtures("package")
def test_a_slip_of_the_pen_names_the_plugin() -> None:
    """An unknown check is compared with the plug-ins too; rows are kept out by none of them."""
    with pytest.raises(ConfigError) as caught:
        refuse_unknown(_rules(check="paths_to_deep"), "rules.yml")
    assert caught.value.fix == "did you mean 'paths_too_deep'?"
    with pytest.raises(ConfigError, match="cannot quarantine rows"):
        refuse_unknown(_rules(check="counts", action="quarantine_rows"), "rules.yml")
    with pytest.raises(ConfigError, match="unknown column 'clientid'"):
        refuse_unknown(_rules(check="counts", column="clientid"), "rules.yml")


@pytest.mark.usefixtures("package")
def test_a_new_version_of_a_plugin_judges_again(shop: Shop, package: Path) -> None:
    """A verdict rests on the version of the plug-ins that its rules name."""
    _found(shop, DAY, check="counts", event="page_viewed")
    assert shop.judged == 1
    shop.check(rules=_rules(check="counts", event="page_viewed"))
    assert shop.judged == 0
    meta = package / "hostile-0.1.dist-info" / "METADATA"
    meta.write_text(meta.read_text("utf-8").replace("0.1", "0.2"), "utf-8")
    shop.check(rules=_rules(check="counts", event="page_viewed"))
    assert shop.judged == 1


def test_without_packages_there_are_no_plugins() -> None:
    """Nothing is offered where nothing is installed, and a name that is not there is not loaded."""
    assert "paths_too_deep" not in plugin_names()
    with pytest.raises(KeyError):
        load_plugin("paths_too_deep")
