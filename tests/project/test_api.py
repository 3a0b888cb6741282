"""The Python API: one import, tables in every form, results that a notebook shows."""

from __future__ import annotations

import datetime as dt
import importlib
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tallymark
from tallymark import Project
from tallymark.errors import ConfigError, UsageError, WarehouseError
from tallymark.notebook import as_html
from tests.build.shop import HOUR, Shop, order, stamp, view

NASTY = "<script>alert('x')</script>&\""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A built shop of two sessions, one of them by a client of a nasty name."""
    shop = Shop(tmp_path_factory.mktemp("api"))
    shop.deliver(0, [view(HOUR), order(2 * HOUR), view(3 * HOUR, NASTY)])
    (shop.home / "tallymark.yml").write_text("input: raw\n", encoding="utf-8")
    opened = Project.open(shop.home)
    assert opened.build().rebuilt
    return opened


def test_one_import_is_enough_and_loads_nothing() -> None:
    """``from tallymark import Project`` works; ``import tallymark`` alone loads no stage."""
    code = "import sys, tallymark; print({'duckdb', 'tallymark.project'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert tallymark.Project is Project
    with pytest.raises(AttributeError, match="no attribute 'Projekt'"):
        _ = tallymark.Projekt


def test_rows(project: Project) -> None:
    """Plain Python values, and the columns with their types."""
    table = project.table("fct_orders")
    assert len(table) == 1
    (row,) = table.rows()
    assert row["revenue"] == Decimal("20.0000")
    assert row["ordered_at"] == stamp(2 * HOUR)
    assert isinstance(row["order_date"], dt.date)
    assert [name for name, _ in table.columns] == list(row)
    assert dict(table.columns)["revenue"] == "DECIMAL(18,4)"
    assert len(project.table("events").rows(2)) == 2
    assert {"events", "fct_sessions", "metrics_daily", "ledger_findings"} <= set(project.tables)


def test_arrow(project: Project) -> None:
    """The same rows as Arrow."""
    pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    found = project.table("fct_orders").arrow()
    assert found.num_rows == 1
    assert found.column("revenue").to_pylist() == [Decimal("20.0000")]


def test_polars(project: Project) -> None:
    """The same rows as Polars."""
    pytest.importorskip("polars", reason="polars is an extra")
    assert project.table("fct_orders").polars()["revenue"].to_list() == [Decimal("20.0000")]


def test_pandas(project: Project) -> None:
    """The same rows as pandas."""
    pytest.importorskip("pandas", reason="pandas is an extra")
    assert list(project.table("fct_orders").pandas()["revenue"]) == [Decimal("20.0000")]


@pytest.mark.parametrize(("form", "module"), [
    ("arrow", "pyarrow"), ("polars", "polars"), ("pandas", "pandas"),
])  # fmt: skip
def test_a_library_that_is_absent_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, form: str, module: str
) -> None:
    """With the extra that brings it."""
    load = importlib.import_module

    def absent(name: str) -> ModuleType:
        if name == module:
            raise ImportError(name)
        return load(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(UsageError) as caught:
        getattr(project.table("fct_orders"), form)()
    assert f"{module} is not installed" in str(caught.value)
    assert f"tallymark[{form}]" in caught.value.fix


def test_what_is_not_there(project: Project, tmp_path: Path) -> None:
    """A mistyped table has its nearest name; without a build there is nothing to read."""
    with pytest.raises(UsageError, match="did you mean 'fct_orders'"):
        project.table("fct_order")
    with pytest.raises(UsageError, match="there are: "):
        project.table("zzz")
    with pytest.raises(UsageError, match="no -1 rows"):
        project.table("fct_orders").rows(limit=-1)
    with pytest.raises(WarehouseError, match="no warehouse here"):
        _ = Project.open(tmp_path).tables


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"exprot": "parquet"}, "did you mean 'export'"),
        ({"export": "xlsx"}, "export: should be 'none', 'csv' or 'parquet'"),
        ({"attribution": {"lookback_days": 0}}, "lookback_days"),
    ],
)
def test_settings_given_in_python_are_held_to_what_a_file_is(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    """A mistyped key or a wrong value is refused; a mapping does for a part of the settings."""
    with pytest.raises(ConfigError, match=words) as caught:
        Project.open(tmp_path, **settings)
    assert caught.value.where == "Project.open"
    opened = Project.open(tmp_path, attribution={"lookback_days": 30}, generations=None)
    assert opened.config.attribution.lookback_days == 30


def test_an_engine_that_is_none(project: Project, tmp_path: Path) -> None:
    """Compiling and explaining name those that there are; nothing is written."""
    for ask in (
        lambda engine: project.compile(engine, tmp_path / "sql"),
        lambda engine: project.explain_model("fct_sessions", engine=engine),
    ):
        with pytest.raises(UsageError, match="no engine 'oracle'"):
            ask("oracle")
    assert not (tmp_path / "sql").exists()


def test_a_notebook_shows_tables_and_results(project: Project) -> None:
    """As HTML in which everything from outside is text."""
    shown = project.table("fct_sessions")._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "3 rows" in shown
    assert repr(project.table("fct_sessions")).startswith("Table('fct_sessions', ")
    assert project.checked is not None
    assert "events_20310505.csv" in project.checked._repr_html_()
    judged = project.monitor(write=False)
    assert judged.status in judged._repr_html_()
    ran = project.run(skip=frozenset({"report"}))
    shown = ran._repr_html_()
    assert "1 orders, 20.00 " in shown
    assert "The gate" in shown
    assert judged.headline.split("'")[0][:20] in shown


def test_html_without_rows() -> None:
    """A title and a note are enough."""
    assert as_html("a", ["x"], [], status="RED", note="n") == (
        '<div><p><span style="color:#cf222e;font-weight:bold">RED</span> <strong>a</strong></p>'
        "<p>n</p></div>"
    )
