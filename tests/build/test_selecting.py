"""Some models alone: which ones are meant, what is published, and what the next build does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tallymark.errors import ModelError, UsageError, WarehouseError
from tallymark.project import Project
from tests.build.shop import HOUR, Shop, order, view
from tests.cli.calling import call

DAYS = "select session_date as day, count(*) as sessions from fct_sessions group by session_date"
TOP = "select day, sessions from mart_days where sessions > 0"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built shop with two models of its own, one resting on the other."""
    shop = Shop(tmp_path_factory.mktemp("built"))
    shop.deliver(0, [view(HOUR), order(2 * HOUR), view(HOUR, "bob")])
    shop.model("mart_days", DAYS)
    shop.model("mart_top", TOP)
    shop.build()
    return shop.home


@pytest.fixture
def shop(built: Path, tmp_path: Path) -> Shop:
    """A copy of it."""
    return Shop(shutil.copytree(built, tmp_path, dirs_exist_ok=True))


def _made(shop: Shop, *selectors: str, dry_run: bool = True) -> tuple[list[str], list[str]]:
    found = Project.open(shop.home).build_selected(selectors, dry_run=dry_run)
    return list(found.made), list(found.kept)


def test_a_model_and_what_rests_on_it(shop: Shop) -> None:
    """They are made anew from what is published; nothing else changes."""
    exports = shop.exports()
    shop.model("mart_days", DAYS.replace("count(*)", "10 * count(*)"))
    found = Project.open(shop.home).build_selected(["mart_days+"])
    assert (list(found.made), found.published) == (["mart_days", "mart_top"], True)
    assert found.tables == {"mart_days": 1, "mart_top": 1}
    assert shop.values("select sessions from mart_top") == [30]
    assert shop.exports() == exports
    assert shop.values("select count(*) from ledger_deliveries") == [1]
    assert shop.values("select count(*) from events") == [3]


def test_selectors(shop: Shop) -> None:
    """One model, with what is above it, with what is below; several at once."""
    assert _made(shop, "mart_days") == (["mart_days"], [])
    assert _made(shop, "mart_top") == (["mart_top"], [])
    made, kept = _made(shop, "+mart_top")
    assert made == ["mart_days", "mart_top"]
    assert {"fct_sessions", "int_sessions", "dim_traffic"} <= set(kept)
    assert "metrics_daily" not in kept
    made, kept = _made(shop, "fct_sessions+")
    assert made == ["mart_days", "mart_top"]
    assert {"fct_sessions", "metrics_daily"} & set(kept)
    assert _made(shop, "mart_top,mart_days") == (["mart_days", "mart_top"], [])


def test_a_model_that_is_new(shop: Shop) -> None:
    """It need not have been published before."""
    shop.model("mart_new", "select count(*) as orders from fct_orders")
    assert _made(shop, "mart_new", dry_run=False) == (["mart_new"], [])
    assert shop.values("select orders from mart_new") == [1]


def test_a_dry_run_changes_nothing(shop: Shop) -> None:
    """It only says."""
    before = shop.warehouse.catalog.read_bytes()
    shop.model("mart_days", "select 1 as day, 2 as sessions")
    assert _made(shop, "mart_days+")[0] == ["mart_days", "mart_top"]
    assert shop.warehouse.catalog.read_bytes() == before


def test_the_next_build_looks_again(shop: Shop) -> None:
    """A text that was changed, selected and changed back is not taken for what is published."""
    shop.model("mart_days", DAYS.replace("count(*)", "7"))
    _made(shop, "mart_days", dry_run=False)
    assert shop.values("select sessions from mart_days") == [7]
    shop.model("mart_days", DAYS)
    shop.build()
    assert shop.values("select sessions from mart_days") == [3]


def test_going_back_after_a_selection(shop: Shop) -> None:
    """It is a publication like any other."""
    shop.model("mart_days", DAYS.replace("count(*)", "7"))
    _made(shop, "mart_days", dry_run=False)
    Project.open(shop.home).rollback()
    assert shop.values("select sessions from mart_days") == [3]
    assert "held at generation" in shop.build().reason
    assert shop.values("select sessions from mart_days") == [3]
    shop.model("mart_days", DAYS.replace("count(*)", "8"))
    assert shop.build().rebuilt
    assert shop.values("select sessions from mart_days") == [8]


def test_a_failing_test_publishes_nothing(shop: Shop) -> None:
    """Tests of the selected models are asked before."""
    before = shop.warehouse.catalog.read_bytes()
    path = shop.home / "models" / "mart_top.yml"
    path.write_text("columns:\n  - {name: sessions, tests: [{accepted_values: [9]}]}\n")
    assert _made(shop, "mart_days", dry_run=False)[0] == ["mart_days"]
    before = shop.warehouse.catalog.read_bytes()
    with pytest.raises(ModelError, match="accepted_values of sessions"):
        _made(shop, "mart_days+", dry_run=False)
    assert shop.warehouse.catalog.read_bytes() == before


def test_what_cannot_be_selected(shop: Shop, tmp_path: Path) -> None:
    """Shipped tables alone, names that are none, models over tables that are not kept."""
    with pytest.raises(UsageError, match="made together"):
        _made(shop, "metrics_daily")
    with pytest.raises(UsageError, match="did you mean 'mart_days'"):
        _made(shop, "mart_day")
    with pytest.raises(UsageError, match="selects nothing"):
        _made(shop, "mart-days")
    shop.model("mart_inner", "select count(*) as n from int_sessions")
    with pytest.raises(ModelError, match="int_sessions, which is not published"):
        _made(shop, "mart_inner")
    shop.model("mart_inner", "select lost from fct_orders\n")
    with pytest.raises(ModelError, match=r"mart_inner\.sql:1: .*lost"):
        _made(shop, "mart_inner", dry_run=False)
    with pytest.raises(WarehouseError, match="no warehouse"):
        Project.open(shop.home, warehouse=tmp_path / "none").build_selected(["mart_days"])


def test_the_command(shop: Shop) -> None:
    """It says what it made, for people and as JSON."""
    said = call("build", "--project", shop.home, "--select", "+mart_days")
    assert said.out.splitlines()[0] == "mart_days: 1 rows"
    assert said.out.splitlines()[1].startswith("kept as they are published: ")
    told = call("build", "--project", shop.home, "--select", "mart_days+", "--json").data
    assert (told["made"], told["published"]) == (["mart_days", "mart_top"], True)


def test_some_models_and_all_are_not_asked_for_at_once() -> None:
    """Neither is silently left out."""
    said = call("build", "--select", "one", "--full-refresh")
    assert said.code == 2
    assert "give one of the two" in said.err
