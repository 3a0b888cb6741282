"""Own checks as expressions: what they mean for a row, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.check.own.expressions import FUNCTIONS, compile_expression
from tallymark.check.own.fields import Fields
from tallymark.check.rules import refuse_unknown
from tallymark.config import CheckRules, load
from tallymark.contract import Contract
from tallymark.errors import ConfigError
from tests.ingest.making import CONTRACT

ROOT = Path(__file__).parents[2]
ROW = {
    "client_id": "c-1", "page_url": "https://shop.example/a", "referrer": None,
    "event_name": "checkout_completed", "user_agent": "Agent/1.0",
    "page_host": "shop.example", "event_ms": 1_935_741_600_000,  # 2031-05-05T10:00:00Z
}  # fmt: skip
PAYLOAD = {
    "revenue": "19.90", "quantity": 2, "coupon": "", "vip": True, "a": "9", "b": "10",
    "items": [{"item_name": "Lamp", "item_price": 5}],
}  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> duckdb.DuckDBPyConnection:
    """A database with one landed row, and one of each kind of bad payload."""
    connection = duckdb.connect(":memory:")
    columns = ", ".join(f"cast(? as {'bigint' if name == 'event_ms' else 'varchar'}) as {name}"
                        for name in ROW)  # fmt: skip
    payloads = [json.dumps(PAYLOAD), None, "{broken", "[1]", "[" * 5000, '{"revenue": "many"}']
    connection.execute(
        f"create table rows as select {columns}, unnest(?) as payload, unnest(?) as number",
        [*ROW.values(), payloads, list(range(len(payloads)))],
    )
    return connection


def _of(rows: duckdb.DuckDBPyConnection, text: str, contract: Contract = CONTRACT) -> list[Any]:
    sql = compile_expression(text, Fields(contract))
    found = rows.execute(f"select {sql} from rows order by number").fetchall()
    return [one[0] for one in found]


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("revenue < 10000", True),
        ("revenue > 19.89 and revenue < 19.91", True),
        ("json('a') < json('b')", True),
        ("json('a') = '9'", True),
        ("json('coupon') = ''", True),
        ("json('nothing') is null", True),
        ("json('nothing') = 'x'", None),
        ("event_data.vip", True),
        ("json('items[0].item_name') = 'Lamp'", True),
        ("json('items[0].item_price') * 2 = 10", True),
        ("revenue / json('zero') > 1", None),
        ("revenue / 0 > 1", None),
        ("json('quantity') % 2 = 0", True),
        ("-revenue < 0", True),
        ("abs(-revenue) = round(19.904, 2)", True),
        ("ceil(revenue) = 20 and floor(revenue) = 19", True),
        ("client_id in ('c-1', 'c-2')", True),
        ("client_id not in ('c-1')", False),
        ("client_id like 'c-%' and not client_id ilike 'D%'", True),
        ("client_id ~ '^c-[0-9]+$'", True),
        ("matches(client_id, '^x')", False),
        ("length(client_id) between 3 and 3", True),
        ("starts_with(page_url, 'https://') and ends_with(page_url, '/a')", True),
        ("contains(upper(page_host), 'SHOP')", True),
        ("trim(lower(event_name)) = 'checkout_completed'", True),
        ("referrer is null or referrer <> ''", True),
        ("not (referrer is not null)", True),
        ("timestamp >= '2031-05-05' and timestamp < timestamp '2031-05-06 00:00:00'", True),
        ("date(timestamp) = '2031-05-05' and hour(timestamp) = 10", True),
        ("coalesce(json('x'), json('a')) = '9'", True),
        ("greatest(revenue, 30) = 30 and least(revenue, 30) < 20", True),
        ("nullif(client_id, 'c-1') is null", True),
        ("case when revenue > 10 then client_id = 'c-1' else false end", True),
        ("cast(json('a') as double) = 9 and json('b')::int = 10", True),
        ("number(client_id) is null", True),
        ("(revenue > 5) is true -- a remark", True),
    ],
)
def test_what_an_expression_says_of_a_row(
    rows: duckdb.DuckDBPyConnection,
    text: str,
    truth: bool | None,  # noqa: FBT001 -- what is expected
) -> None:
    """True, false or, where something is absent, neither; damaged payloads stop nothing."""
    assert _of(rows, text)[0] is truth


@pytest.mark.parametrize("number", ["inf", "-inf", "nan", "1e308", "-1e308", "1e-320", "9" * 400])
def test_extreme_numbers_stop_nothing(rows: duckdb.DuckDBPyConnection, number: str) -> None:
    """Arithmetic goes over every number that a payload can state, and over none."""
    sql = compile_expression(
        "abs(ceil(revenue) * 1e300 / revenue % 7 - floor(revenue)) + round(revenue, 2) "
        "+ round(-revenue * revenue, 10) > greatest(revenue, json('x'), length(client_id))",
        Fields(CONTRACT),
    )
    payload = json.dumps({"revenue": number, "x": number})
    rows.execute(f"select {sql} from (select 'a' as client_id, ? as payload)", [payload]).fetchall()


def test_what_cannot_be_read_is_neither_true_nor_false(rows: duckdb.DuckDBPyConnection) -> None:
    """An absent, broken, nested or wordy payload makes a comparison null, as in SQL."""
    assert _of(rows, "revenue < 10000") == [True, None, None, None, None, None]


REFUSED = [
    ("revenu < 3", "unknown column 'revenu' at character 1", "did you mean 'revenue'?"),
    ("revenue < 3 and cuopon = 'x'", "unknown column 'cuopon' at character 17", "json('cuopon')"),
    ("events.revenue < 3", "unknown column 'events.revenue'", "did you mean 'revenue'?"),
    ("a.b.c < 3", "is not allowed", ""),
    ("read_csv('/etc/passwd') = 'x'", "the function read_csv() is not allowed", "known functions"),
    ("read_text('/etc/passwd') = client_id", "the function read_text() is not allowed", ""),
    ("getenv('HOME') = client_id", "the function getenv() is not allowed", ""),
    ("lenght(client_id) > 3", "the function lenght() is not allowed", "did you mean 'length'?"),
    ("count(*) > 1", "the function count() is not allowed", ""),
    ("sum(revenue) > 1", "the function sum() is not allowed", ""),
    ("now() > timestamp", "the function now() is not allowed", ""),
    ("random() > 0.5 and revenue > 0", "the function rand() is not allowed", ""),
    ("revenue > (select 1)", "a query is not allowed", ""),
    ("(select count(*) from read_csv('x')) > 1", "a query is not allowed", ""),
    ("revenue in (select 1)", "is not allowed", ""),
    ("exists (select 1)", "is not allowed", ""),
    ("*", "* is not allowed", ""),
    ("revenue > 1; drop table events", "cannot be read", ""),
    ("revenue > 1; revenue < 3", "one expression is needed", ""),
    ("drop table events", "cannot be read", ""),
    ("copy events to 'x'", "cannot be read", ""),
    ("attach 'x'", "cannot be read", ""),
    ("$1 = revenue", "a placeholder is not allowed", ""),
    ("? = revenue", "a placeholder is not allowed", ""),
    ("abs(revenue) over () > 1", "window is not allowed", ""),
    ("list_transform([1], lambda x: x) = client_id", "is not allowed", ""),
    ("client_id || 'x' = 'y'", "|| is not allowed", ""),
    ("json('a')[1] = 'x'", "[...] is not allowed", ""),
    ("json(client_id) = 'x'", "json() takes one path in quotes", ""),
    ("""json('a"b') = 'x'""", "is no path into a payload", ""),
    ("json('a') like client_id", "stands a text in quotes", ""),
    ("client_id like 1", "stands a text in quotes", "such as"),
    ("revenue = null", "nothing is ever = null", "write is null"),
    ("revenue in (1, null)", "nothing is ever in a list with null", "write is null"),
    ("revenue > 'much'", "a number is needed where the expression has 'much'", "like with like"),
    ("client_id and true", "true or false is needed where the expression has a text", ""),
    ("client_id", "true or false is needed", ""),
    ("timestamp > 'soon'", "'soon' is no day or time", "2026-01-31"),
    ("matches(client_id, '(')", "is no RE2 pattern: missing )", "look-around"),
    ("client_id ~ '(?=a)'", "is no RE2 pattern", "look-around"),
    ("matches(client_id, client_id)", "the pattern of matches() is a text in quotes", ""),
    ("length(client_id, 3) > 3", "length() takes 1 value, not 2", ""),
    ("abs(revenue, 3) > 3", "cannot be read: The number of provided arguments", ""),
    ("round(revenue, 99) > 3", "round() takes a number of digits", ""),
    ("1e400 < revenue", "the number 1e400 is too large", ""),
    ("timestamp > '0001-01-01T00:00:00+05:00'", "is before the first year", ""),
    ("json('*') = 'x'", "is no path into a payload", ""),
    ("json('items.**[0]') = 'x'", "is no path into a payload", ""),
    ("cast(client_id as json) = 'x'", "no value can be cast to json", "known types"),
    ("1 = 1", "names no column", ""),
    ("", "one expression is needed", ""),
    ("revenue <", "cannot be read: something is missing, at character 9", ""),
    ("revenue > > 3", "bitwiserightshift is not allowed", ""),
    ("revenue > 3 client_id", "near 'client_id'", ""),
    ("'unfinished", "cannot be read", ""),
    ("(" * 900 + "revenue" + ")" * 900 + " > 1", "nested too deeply", ""),
    ("revenue > 1 and " * 200 + "true", "longer than 2000 characters", ""),
    ("revenue > 1 collate nocase", "the function collate() is not allowed", ""),
]


@pytest.mark.parametrize(("text", "what", "fix"), REFUSED)
def test_what_is_refused(text: str, what: str, fix: str) -> None:
    """Whatever is no plain boolean over the row is refused in a sentence, and nothing runs."""
    with pytest.raises(ConfigError) as caught:
        compile_expression(text, Fields(CONTRACT))
    assert what in caught.value.what
    assert fix in caught.value.fix


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["revenue", "client_id", "json('a')", "json", "(", ")", ",", "'", '"', "select", "from",
             "*", "<", "=", "and", "not", "null", "is", "in", "like", "1", "0.5", "'x'", ";", "--",
             "case", "when", "then", "end", "read_csv", "abs", "length", "::", "int", "[", "]", ".",
             "between", "x'", "/*", "{", "}", "lambda", ":", "exists", "all", "interval", "over"]
        ),
        max_size=12,
    )
)  # fmt: skip
def test_any_text_is_compiled_or_refused(words: list[str]) -> None:
    """No text makes the compiler fail, and what it compiles names our columns and functions."""
    text = " ".join(words)
    try:
        sql = compile_expression(text, Fields(CONTRACT))
    except ConfigError:
        return
    duckdb.connect(":memory:").execute(
        f"select {sql} from (select '' as client_id, '' as payload, 1::bigint as event_ms)"
    )
    assert "select" not in sql
    assert "read_csv" not in sql


def test_only_our_own_sql_is_written() -> None:
    """Texts are quoted, column names come from a table of ours, remarks are left out."""
    sql = compile_expression("client_id <> 'a'' or 1=1 --' /* x */", Fields(CONTRACT))
    assert sql == "(client_id <> 'a'' or 1=1 --')"


def test_every_function_is_documented() -> None:
    """The how-to page names each function that an expression may call."""
    page = (ROOT / "docs/how-to/write-your-own-checks.md").read_text(encoding="utf-8")
    for name in [*FUNCTIONS, "json", "coalesce", "nullif", "least", "greatest"]:
        assert f"`{name}(" in page, name


def test_the_rules_of_the_page_are_sound(tmp_path: Path) -> None:
    """Every rule that the how-to page shows is accepted as it stands there."""
    page = (ROOT / "docs/how-to/write-your-own-checks.md").read_text(encoding="utf-8")
    blocks = [block.split("```")[0] for block in page.split("```yaml\n")[1:]]
    for block in blocks:
        path = tmp_path / "check.yml"
        path.write_text(block, encoding="utf-8")
        refuse_unknown(load(CheckRules, path), str(path))
    assert len(blocks) == 2


def test_columns_without_a_role() -> None:
    """A column that only the contract knows is read as what the contract says it is."""
    columns = [
        *CONTRACT.columns,
        CONTRACT.columns[0].model_copy(update={"name": "price\"'x", "role": None,
                                               "kind": "number", "aliases": ()}),
    ]  # fmt: skip
    contract = CONTRACT.model_copy(update={"columns": tuple(columns)})
    fields = Fields(contract)
    sql = compile_expression('"price""\'x" > 3', fields)
    assert sql == f"(try_cast(extra_{len(columns) - 1} as double) > cast(3.0 as double))"
    named: Mapping[str, Any] = fields.extras
    assert list(named) == [f"extra_{len(columns) - 1}"]
