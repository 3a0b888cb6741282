"""The tests beside models: what they find, what they say, and that nothing is published then."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tallymark.build.descriptions import DESCRIPTIONS, Description, shipped_description
from tallymark.build.graph import load_models
from tallymark.build.model_tests import demands, run_tests
from tallymark.engine.duckdb import DuckEngine
from tallymark.errors import ConfigError, ModelError, TallymarkError
from tests.build.shop import HOUR, Shop, order, view

FOLDER = Path(__file__).resolve().parents[2] / "src" / "tallymark" / "models"
NAMED = "anna@lamps.example"
MODEL = (
    "select client_id, session_date as day, channel, sessions.orders as orders\n"
    "from fct_sessions as sessions\n"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clients with a session each, built."""
    made = Shop(tmp_path_factory.mktemp("built"))
    made.deliver(0, [view(HOUR, NAMED), order(2 * HOUR), view(2 * HOUR + 1)])
    made.build()
    return made.home


@pytest.fixture
def shop(built: Path, tmp_path: Path) -> Shop:
    """A copy of it, with a model of its own."""
    copied = Shop(shutil.copytree(built, tmp_path, dirs_exist_ok=True))
    copied.model("mart_visits", MODEL)
    return copied


@pytest.fixture(scope="module")
def engine(built: Path) -> Iterator[DuckEngine]:
    """The published tables, and that of the model, in memory."""
    opened = Shop(built).warehouse.open(threads=1)
    opened.execute(f"create table mart_visits as {MODEL}")
    yield opened
    opened.close()


def _failure(engine: DuckEngine, folder: Path, text: str) -> str:
    """What the tests of a file beside the model say, without a build around them."""
    (folder / "mart_visits.sql").write_text(MODEL, encoding="utf-8")
    (folder / "mart_visits.yml").write_text(f"{text}\n", encoding="utf-8")
    with pytest.raises((ModelError, ConfigError)) as caught:
        run_tests(engine, demands(load_models(folder), folder), tables=["mart_visits"])
    assert NAMED not in str(caught.value)
    return str(caught.value)


def _beside(shop: Shop, text: str, name: str = "mart_visits") -> Path:
    path = shop.home / "models" / f"{name}.yml"
    path.write_text(text, encoding="utf-8")
    return path


def _refused(shop: Shop, error: type[TallymarkError], *words: str) -> str:
    catalog = shop.warehouse.catalog.read_bytes()
    with pytest.raises(error) as caught:
        shop.build()
    said = str(caught.value)
    for word in words:
        assert word in said
    assert shop.warehouse.catalog.read_bytes() == catalog
    assert NAMED not in said
    return said


def test_tests_that_hold_publish(shop: Shop) -> None:
    """All kinds at once; a test that is changed is asked again, without a change of the model."""
    text = """\
description: Visits.
grain: [client_id, day]
columns:
  - name: client_id
    tests: [not_null, {references: fct_sessions.client_id}]
  - name: channel
    tests: [{accepted_values: [Direct, Unknown]}]
  - name: orders
    tests: [{accepted_values: [0, 1]}]
tests:
  - name: no_future
    sql: select day from mart_visits where day > date '2100-01-01'
"""
    _beside(shop, text)
    assert shop.build().rebuilt
    assert not shop.build().rebuilt
    _beside(shop, text.replace("2100", "2000"))
    _refused(shop, ModelError, "test no_future: 2 found", "day 2031-05-05", "mart_visits.yml:12:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("grain: [day]", ("grain of day: 1 found", "such as day 2031-05-05", ".yml:1:1: ")),
        ("columns:\n  - name: day\n    tests: [unique]", ("unique of day", ".yml:3:13: ")),
        (
            "columns:\n  - name: channel\n    tests:\n      - accepted_values: [Email]",
            ("accepted_values of channel: 2 found", "such as channel Direct", ".yml:4:9: "),
        ),
        (
            "columns:\n  - name: client_id\n    tests: [{references: fct_orders.client_id}]",
            ("references of client_id: 1 found", "such as client_id (18 characters)"),
        ),
        (
            "tests:\n  - name: none\n    sql: select client_id, orders from mart_visits",
            ("test none: 2 found", "characters), orders 0", ".yml:3:5: "),
        ),
    ],
)  # fmt: skip
def test_what_fails_is_told(
    engine: DuckEngine, tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    """The model, the test, the file and line, how many, and a sample that tells no person."""
    said = _failure(engine, tmp_path, text)
    for word in ("model 'mart_visits' fails its test", "nothing was published", *words):
        assert word in said


def test_nulls_are_found(shop: Shop) -> None:
    """A column that must be filled; several failing tests are counted."""
    shop.model("mart_visits", MODEL.replace("channel,", "nullif(channel, 'Direct') as channel,"))
    _beside(shop, "grain: [day]\ncolumns:\n  - {name: channel, tests: [not_null]}\n")
    said = _refused(shop, ModelError, "grain of day", "(1 more tests fail)")
    _beside(shop, "columns:\n  - {name: channel, tests: [not_null]}\n")
    said = _refused(shop, ModelError, "not_null of channel: 1 found")
    assert "channel null" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("grain: [dya]", ("has no column dya", "did you mean day?")),
        ("columns:\n  - {name: x, tests: [unique]}", ("no column x", ":2:")),
        (
            "columns:\n  - {name: day, tests: [{references: fct_sessions.dey}]}",
            ("fct_sessions has no column dey",),
        ),
        ("columns:\n  - {name: day, tests: [{references: lost.day}]}", ("lost",)),
        ("columns:\n  - {name: day, tests: [uniqe]}", (".yml:2:",)),
        ("colums: []", ("unknown key 'colums'", "did you mean 'columns'?")),
        ("tests:\n  - {name: a, sql: drop table x}", ("exactly one select",)),
        ("tests:\n  - {name: a, sql: 'select * from read_text(1)'}", ("no table",)),
        ("tests:\n  - {name: a, sql: select z from mart_visits}", ("z", ".yml:2:")),
        (
            "columns:\n  - {name: orders, tests: [not_null, {accepted_values: [many]}]}",
            (".yml:2:38:", "'many'", "values that the column can have"),
        ),
        (
            "tests:\n  - {name: a, sql: select * from mart_visits where}",
            ("is not SQL: something is missing at where",),
        ),
        (
            "tests:\n  - {name: a, sql: select * from mart_visits join}",
            ("is not SQL: something is missing at join",),
        ),
        ("grain: [", ("is not YAML",)),
    ],
)  # fmt: skip
def test_a_test_that_is_none(
    engine: DuckEngine, tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    """A mistake in the file is told with its place."""
    said = _failure(engine, tmp_path, text)
    for word in ("mart_visits.yml", *words):
        assert word in said


def test_a_file_beside_nothing(shop: Shop) -> None:
    """A description whose model is not there is told, with the nearest."""
    _beside(shop, "grain: [day]\n", "mart_visit")
    _refused(shop, ModelError, "mart_visit.yml", "did you mean mart_visits.yml?")


def test_a_shop_can_ask_more_of_a_shipped_table(shop: Shop) -> None:
    """A file of a shipped table's name needs no model beside it."""
    _beside(shop, "columns:\n  - {name: orders, tests: [{accepted_values: [5]}]}\n", "fct_sessions")
    _refused(shop, ModelError, "model 'fct_sessions'", "accepted_values of orders: 2 found")


def test_a_replacement_is_held_to_what_the_shipped_one_promises(shop: Shop) -> None:
    """Its tests are asked of the shop's version, although of ours validations prove them."""
    text = (FOLDER / "marts" / "fct_order_items.sql").read_text(encoding="utf-8")
    doubled = f"{text}union all\n{text.split(chr(10), 1)[1]}"
    shop.model("fct_order_items", doubled)
    _refused(shop, ModelError, "model 'fct_order_items' fails its test grain", "order_items.sql")


def test_shipped_tests_hold_of_every_table(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of the staging tables, which a run does not ask; at that moment all are there."""
    from tallymark.build import builder  # noqa: PLC0415 -- loads DuckDB

    asked: list[int] = []

    def everything(engine: DuckEngine, _: object) -> int:
        wanted = demands(load_models(None), None, everything=True)
        asked.append(run_tests(engine, wanted))
        return 0

    monkeypatch.setattr(builder, "run_tests", everything)
    monkeypatch.setattr(
        builder, "demands", lambda models, own: demands(models, own, everything=True)
    )
    shop = Shop(shutil.copytree(built, tmp_path, dirs_exist_ok=True))
    shop.build(full=True)
    assert asked[0] > 50
    assert shop.values("select revenue from fct_orders") == [Decimal(20)]


def test_a_run_asks_little_of_shipped_tables() -> None:
    """Nothing of staging, and no key twice that the validation of the grain proves."""
    asked = demands(load_models(None), None)
    assert {load_models(None)[one.table].kind for one in asked} == {"marts", "metrics"}
    assert not [one for one in asked if one.table == "fct_sessions" and one.test == "grain"]
    assert {one.table for one in asked} >= {"fct_sessions", "metrics_daily"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/*.yml")), ids=lambda path: path.stem)
def test_shipped_files_are_what_a_shop_may_write(path: Path) -> None:
    """The same form, and the kept JSON says what the file says."""
    tree = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    assert shipped_description(path.stem) == Description.model_validate(tree)
    assert json.loads((FOLDER / DESCRIPTIONS).read_text(encoding="utf-8"))[path.stem] == tree
