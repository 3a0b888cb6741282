"""The SQL models: how they are written, what they use, and the descriptions beside them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from ruamel.yaml import YAML
from sqlglot import ErrorLevel, exp

from tallymark.build.credit import credit_parameters
from tallymark.build.graph import GRAPH, Model, bound, load_models, ordered, reads
from tallymark.build.steps import SOURCES, STEPS
from tallymark.config import Config
from tallymark.engine.portable import FUNCTIONS, beyond
from tallymark.engine.render import PRIMITIVES

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "src" / "tallymark" / "models"
PAGE = (ROOT / "docs" / "reference" / "portable-sql.md").read_text(encoding="utf-8")
MODELS = load_models(None)
PARAMETERS = {
    "gap_ms": "1800000",
    "apart_ms": "1800000",
    "runaway_events": "1000",
    "runaway_seconds": "43200",
    "lookback_ms": "604800000",
    "currency": "'EUR'",
    "run": "'current'",
    **credit_parameters(Config()),
}
LONGEST = 100
WORDS = {"and", "as", "decimal", "else", "in", "not", "on", "or", "over", "then", "when", "where"}
SHUNNED = {"interval", "asof", "qualify", "filter", "lateral", "unnest", "pivot", "using", "limit"}

VALIDATIONS = [model for model in MODELS.values() if model.kind == "validation"]

every_model = pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)


def _plain(model: Model) -> str:
    """The text without comments and quoted texts."""
    return re.sub(r"--[^\n]*|'(?:[^']|'')*'", " ", model.sql)


def _section(title: str) -> str:
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def _first_cells(title: str) -> set[str]:
    cells = re.findall(r"^\| (`.+?) \|", _section(title), re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`:?(\w+)`", cell)}


def _described(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return found


def _tree(model: Model) -> exp.Query:
    tree = sqlglot.parse_one(bound(model, PARAMETERS), dialect="duckdb")
    assert isinstance(tree, exp.Query)
    return tree


@every_model
def test_the_text_is_tidy(model: Model) -> None:
    """Short lines, no white space at their ends, one newline at the end, all lower case."""
    lines = model.sql.split("\n")
    assert lines[-1] == ""
    assert lines[-2].strip()
    assert [line for line in lines if line != line.rstrip() or len(line) > LONGEST] == []
    assert _plain(model) == _plain(model).lower()
    assert "\t" not in model.sql


@every_model
def test_the_first_line_says_what_a_row_is(model: Model) -> None:
    """The grain is the first thing one reads, as a sentence or a sentence and a half."""
    assert re.fullmatch(r"-- One row per [^\n]+\.", model.sql.split("\n", 1)[0])


@every_model
def test_a_model_is_one_select_with_named_columns(model: Model) -> None:
    """No star but in count(*), no second statement, every column with a name of its own."""
    assert ";" not in _plain(model)
    assert reads(model, PARAMETERS)
    tree = _tree(model)
    assert all(isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star))
    for select in tree.find_all(exp.Select):
        names = [column.alias_or_name for column in select.selects]
        assert all(names)
        assert len(set(names)) == len(names)


@every_model
def test_orders_place_nulls_explicitly(model: Model) -> None:
    """Engines disagree on where nulls go, so every ordering says it."""
    orderings = list(_tree(model).find_all(exp.Ordered))
    assert len(re.findall(r"\bnulls first\b", _plain(model))) == len(orderings)


@every_model
def test_only_listed_functions_types_and_parameters(model: Model) -> None:
    """What a model calls, casts to and is given is on the page of the portable subset."""
    text = _plain(model)
    called = set(re.findall(r"\b([a-z_][a-z0-9_]*)\s*\(", text)) - WORDS
    allowed = _first_cells("Functions") | _first_cells("Primitives")
    ctes = {cte.alias_or_name for cte in _tree(model).find_all(exp.CTE)}
    assert called - ctes <= allowed
    assert not SHUNNED & set(re.findall(r"\w+", text))
    assert "::" not in text
    types = {one.strip() for one in re.findall(r"\bas ([a-z]+(?:\(\d+, \d+\))?)\)", text)}
    assert types <= set(re.findall(r"`([a-z]+(?:\(\d+, \d+\))?)`", _section("Types")))
    assert set(re.findall(r"(?<!:):([a-z_]+)", text)) <= _first_cells("How a model is written")


def test_nothing_is_listed_that_no_model_uses() -> None:
    """The allow-list is as short as the models allow."""
    used = " ".join(_plain(model) for model in MODELS.values())
    listed = _first_cells("Functions") | _first_cells("Primitives")
    assert {name for name in listed if not re.search(rf"\b{name}\s*\(", used)} == set()
    parameters = _first_cells("How a model is written")
    assert {name for name in parameters if f":{name}" not in used} == set()


def test_the_page_and_the_list_that_own_models_are_held_to_agree() -> None:
    """Functions on the page are those of the code; no shipped model is beyond them."""
    assert _first_cells("Functions") | {"md5"} == FUNCTIONS
    assert _first_cells("Primitives") <= FUNCTIONS | set(PRIMITIVES)
    assert not {name for name, one in MODELS.items() if beyond(bound(one, PARAMETERS))}


def test_the_page_says_where_the_primitives_stand() -> None:
    """The two that sqlglot gets wrong stand where the page says, and nowhere else."""
    places = {
        name: {model.name for model in MODELS.values() if f"{name}(" in _plain(model)}
        for name in ("epoch_ms", "make_timestamp_ms")
    }
    assert places == {
        "epoch_ms": {"int_touches", "session_boundaries", "windows"},
        "make_timestamp_ms": {"int_session_facts"},
    }


@pytest.mark.parametrize("dialect", ["spark", "snowflake", "bigquery"])
@every_model
def test_every_model_renders_for_other_engines(model: Model, dialect: str) -> None:
    """The renderer finds nothing that it cannot render, and reads its own rendering again."""
    sql = _tree(model).sql(dialect=dialect, unsupported_level=ErrorLevel.RAISE)
    assert isinstance(sqlglot.parse_one(sql, dialect=dialect), exp.Query)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yml")), ids=lambda path: path.stem)
def test_descriptions_belong_to_a_table(path: Path) -> None:
    """Beside each description lies its model, or Python makes the table; its keys are known."""
    assert path.with_suffix(".sql").is_file() or path.stem in STEPS
    described = _described(path)
    assert set(described) <= {"description", "grain", "columns", "tests"}
    assert described["description"].endswith(".")
    columns = [column["name"] for column in described["columns"]]
    assert len(set(columns)) == len(columns)
    assert set(described["grain"]) <= set(columns)
    for column in described["columns"]:
        assert set(column) <= {"name", "description", "tests"}
        assert column["description"].endswith("."), column
        assert set(column.get("tests", ())) <= {"unique", "not_null"}


def test_every_table_is_described() -> None:
    """Each model and each table that Python makes has its description."""
    described = {path.stem for path in FOLDER.rglob("*.yml")}
    assert described == set(MODELS) | set(STEPS)


@pytest.mark.parametrize("model", VALIDATIONS, ids=lambda model: model.name)
def test_validations_describe_their_columns(model: Model) -> None:
    """The described columns are those of the select, in the same order; tables are built for it."""
    described = _described(FOLDER / model.kind / f"{model.name}.yml")
    names = [column.alias_or_name for column in _tree(model).selects]
    assert [column["name"] for column in described["columns"]] == names


def test_the_kept_graph_is_the_one_in_the_sql() -> None:
    """What a build reads from graph.json instead of parsing is what the SQL says."""
    kept = json.loads((FOLDER / GRAPH).read_text(encoding="utf-8"))
    told = {
        name: sorted(reads(dataclasses.replace(model, reads=None), PARAMETERS))
        for name, model in MODELS.items()
    }
    assert kept == told


def test_the_models_can_be_ordered() -> None:
    """The graph read from the SQL has no circle and no unknown table, and sessions come late."""
    runnable = [model for model in MODELS.values() if model.kind != "validation"]
    needs = {name: step.reads for name, step in STEPS.items()}
    order = ordered(runnable, needs, SOURCES, PARAMETERS)
    assert sorted(order) == sorted([*STEPS, *(model.name for model in runnable)])
    assert order.index("int_session_events") < order.index("dim_traffic")
    assert order.index("dim_traffic") < order.index("fct_sessions") < order.index("metrics_daily")
