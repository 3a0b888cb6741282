"""SQL for other engines: the primitives, and every shipped text rendered strictly for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from tallymark.build.compiling import compiled_models
from tallymark.build.graph import Model, bound, load_models
from tallymark.build.parameters import model_parameters
from tallymark.config import Config
from tallymark.contract import load_contract
from tallymark.engine.render import ENGINES, PRIMITIVES, Dialect, render
from tallymark.errors import ModelError, UsageError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "portable-sql.md").read_text(encoding="utf-8")
PARAMETERS = model_parameters(Config())
SHIPPED = load_models(None)
COMPILED = compiled_models(Config(), load_contract(None))
GIVEN = "a", "b", "c", "d"
OTHERS: tuple[Dialect, ...] = ("snowflake", "bigquery", "spark")
# Functions of an engine that sqlglot only passes on: each is known to exist there.
KNOWN = {
    "snowflake": {"TALLYMARK_URL_DECODE", "HASH", "TRY_TO_TIMESTAMP_TZ"},
    "bigquery": {"TALLYMARK_URL_DECODE"},
    "spark": {
        "TIMESTAMP_MILLIS", "TRY_URL_DECODE", "XXHASH64", "JSON_ARRAY_LENGTH", "TRY_TO_TIMESTAMP",
    },
}  # fmt: skip
# What must never be left of DuckDB in another engine's SQL.
FOREIGN = re.compile(
    r"\b(epoch_ms|make_timestamp_ms|contains_substr|split_part|strptime|try|list_\w+|string_split"
    r"|to_timestamp_ntz)\s*\(",
    re.IGNORECASE,
)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_primitive_has_words_in_every_engine(name: str) -> None:
    """One rendering an engine, which that engine's grammar reads again, with all it is given."""
    words = PRIMITIVES[name]
    assert set(words) == set(ENGINES)
    number = 1 + max(int(found) for text in words.values() for found in re.findall(r"_(\d)", text))
    given = ", ".join(GIVEN[:number])
    for engine in ENGINES:
        sql = render(f"select {name}({given}) as found from t", engine)
        tree = sqlglot.parse_one(sql, dialect=engine)
        assert {one.name for one in tree.find_all(exp.Column)} == set(GIVEN[:number])
        assert "_0" not in sql


@pytest.mark.parametrize(
    ("sql", "engine", "words"),
    [
        ("epoch_ms(a)", "spark", "UNIX_MILLIS(CAST(a AS TIMESTAMP))"),
        ("make_timestamp_ms(a)", "bigquery", "DATETIME(TIMESTAMP_MILLIS(a))"),
        ("contains(a, 'x')", "bigquery", "INSTR(a, 'x') > 0"),
        ("not contains(a, 'x')", "bigquery", "NOT ("),
        ("md5(a)", "bigquery", "TO_HEX(MD5(a))"),
        ("cast(a + 1 as decimal(18, 4))", "bigquery", "ROUND(CAST(a + 1 AS NUMERIC), 4)"),
        ("cast(null as decimal(18, 4))", "bigquery", "CAST(NULL AS NUMERIC)"),
        ("part(part(a, '/', 1), '?', 2)", "bigquery", "SAFE_ORDINAL(2)"),
        ("json_field(p, 'revenue')", "bigquery", "JSON_VALUE(p, '$.revenue')"),
        ("json_field(p, 'revenue')", "snowflake", "GET_PATH(TRY_PARSE_JSON(p), 'revenue')"),
        ("matches(a, '^x')", "snowflake", "REGEXP_INSTR(a, '^x') > 0"),
        ("(a - a % b) // b", "spark", "DIV"),
    ],
)
def test_what_engines_mean_differently(sql: str, engine: Dialect, words: str) -> None:
    """The places where a word for word rendering would be wrong."""
    assert words in render(f"select {sql} as found from t", engine)


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize(
    "model", [*SHIPPED.values(), *COMPILED.values()], ids=lambda model: model.name
)
def test_every_shipped_text_renders_strictly(model: Model, engine: Dialect) -> None:
    """Models, metrics, validations and compiled staging: nothing unsupported, nothing foreign."""
    sql = render(bound(model, PARAMETERS), engine, where=model.where)
    again = sqlglot.parse_one(sql, dialect=engine)
    assert isinstance(again, exp.Query)
    passed_on = {str(one.this).upper() for one in again.find_all(exp.Anonymous)}
    assert passed_on <= KNOWN[engine]
    plain = re.sub(r"'(?:[^']|'')*'|/\*.*?\*/", " ", sql, flags=re.DOTALL)
    allowed = {"SPLIT_PART"} if engine != "bigquery" else set()
    assert {one.upper() for one in FOREIGN.findall(plain)} <= allowed


def test_the_page_lists_the_primitives() -> None:
    """Those of models in one table, those of the compiled staging in the other; no other."""
    listed = []
    for title in ("Primitives", "Primitives of the compiled staging"):
        section = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
        listed += re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert set(listed) == {*PRIMITIVES, "md5"}
    assert len(listed) == len(set(listed))


def test_compiled_staging_keeps_to_the_subset() -> None:
    """What it calls is a function or a primitive of the page, or a plain one listed there."""
    section = PAGE.split("## Primitives of the compiled staging\n", 1)[1].split("\n## ", 1)[0]
    plain = set(re.findall(r"`(\w+)`", section.split("Besides", 1)[1]))
    listed = PAGE.split("## Functions\n", 1)[1].split("\n## ", 1)[0]
    allowed = set(re.findall(r"`(\w+)`", listed)) | set(PRIMITIVES) | {"md5"} | plain
    words = {"and", "as", "in", "not", "on", "or", "over", "when", "then", "else", "decimal",
             "exists", "where", "by", "case", "union", "from", "select"}  # fmt: skip
    for model in COMPILED.values():
        text = re.sub(r"--[^\n]*|'(?:[^']|'')*'", " ", model.sql)
        ctes = set(re.findall(r"\b(\w+) as \(", text))
        called = set(re.findall(r"\b([a-z_][a-z0-9_]*)\s*\(", text)) - words - ctes
        assert called <= allowed, model.name


def test_what_cannot_be_said() -> None:
    """An engine that is none, and SQL that is none, are told in a sentence."""
    with pytest.raises(UsageError, match="no engine 'oracle'"):
        render("select 1", "oracle")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"models/x\.sql: cannot be said in the SQL of spark"):
        render("select (", "spark", where="models/x.sql")
