"""Explaining a model: its SQL, what it reads and who reads it, and where columns come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallymark.errors import UsageError
from tallymark.project import Project
from tests.cli.calling import call


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with two models of its own and no data: nothing is run."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "mart_days.sql").write_text(
        "with days as (select session_date as day, revenue from fct_sessions)\n"
        "select day, sum(revenue) as revenue, count(*) as sessions from days group by day\n"
    )
    (models / "mart_days.yml").write_text(
        "description: A day.\ngrain: [day]\ncolumns:\n"
        "  - {name: day, description: The day., tests: [not_null, {accepted_values: [a]}]}\n"
    )
    (models / "mart_all.sql").write_text("select * from mart_days")
    return Project.open(tmp_path)


def test_a_shipped_model(project: Project) -> None:
    """What it reads, who reads it, everything below it, and each column's source."""
    found = project.explain_model("fct_sessions")
    assert (found.kind, found.own, found.upstream) == ("marts", False, ["int_session_facts"])
    assert {"dim_clients", "mart_days", "references"} <= set(found.downstream)
    assert {"landed", "int_sessions", "dim_traffic"} <= set(found.sources)
    assert found.grain == ("session_id",)
    assert found.sql.startswith("-- One row per session")
    columns = {one.name: one for one in found.columns}
    assert columns["channel"].sources == ["int_session_facts.channel"]
    assert columns["session_id"].tests == ["unique", "not_null"]
    assert columns["channel"].description


def test_columns_are_followed_through_ctes(project: Project) -> None:
    """Down to the columns of tables, also where several make one."""
    found = project.explain_model("mart_days")
    assert found.own
    assert found.description == "A day."
    columns = {one.name: one for one in found.columns}
    assert columns["day"].sources == ["fct_sessions.session_date"]
    assert columns["revenue"].sources == ["fct_sessions.revenue"]
    assert columns["sessions"].sources == []
    assert columns["day"].tests == ["not_null", "accepted_values ('a',)"]
    facts = {one.name: one for one in project.explain_model("int_session_facts").columns}
    assert facts["session_id"].sources == [
        "int_landings.client_id", "int_landings.session_start_ms",
    ]  # fmt: skip
    every = project.explain_model("mart_all")
    assert [one.name for one in every.columns] == ["day", "revenue", "sessions"]
    assert every.columns[0].sources == ["mart_days.day"]


def test_the_sql_of_another_engine(project: Project) -> None:
    """Rendered for it; what Python makes has the select that stands for it there."""
    assert "UNIX_MILLIS" in project.explain_model("int_touches", engine="spark").sql
    made = project.explain_model("int_landings")
    assert (made.kind, made.sql) == ("python", "")
    assert made.upstream == ["dim_user_agents", "int_sessions", "landed"]
    shown = project.explain_model("int_landings", engine="bigquery")
    assert "FARM_FINGERPRINT" in shown.sql
    assert project.explain_model("landed").kind == "input"
    assert project.explain_model("credit").kind == "validation"


def test_a_name_that_is_none(project: Project) -> None:
    """The nearest one is named."""
    with pytest.raises(UsageError) as caught:
        project.explain_model("fct_session")
    assert caught.value.fix == "did you mean 'fct_sessions'?"


def test_the_command(project: Project) -> None:
    """For people and as JSON."""
    home = project.paths.home
    said = call("explain", "model", "mart_days", "--project", home, "--engine", "spark")
    assert said.out.startswith("mart_days (marts, ")
    assert "one row per day\n" in said.out
    assert "reads:    fct_sessions\nread by:  mart_all\n" in said.out
    assert "  day  <- fct_sessions.session_date\n" in said.out
    told = call("explain", "model", "fct_orders", "--project", home, "--json").data
    assert told["upstream"] == ["int_orders"]
    assert call("explain", "model", "nothing_like_it", "--project", home).code == 2
