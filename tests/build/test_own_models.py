"""The shop's own models, and builds that must publish nothing."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tallymark.errors import ModelError, ReconciliationError, TallymarkError
from tests.build.shop import HOUR, Shop, order, view

NOON = 12 * HOUR


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One client, one order, built."""
    made = Shop(tmp_path_factory.mktemp("built"))
    made.deliver(0, [view(NOON), order(NOON + 1)])
    made.build()
    return made.home


@pytest.fixture
def shop(built: Path, tmp_path: Path) -> Shop:
    """A copy of that shop, warehouse included."""
    return Shop(shutil.copytree(built, tmp_path, dirs_exist_ok=True))


def _refused(shop: Shop, error: type[TallymarkError], *words: str) -> None:
    """The build fails in these words, and the last good state stays readable."""
    before = shop.exports()
    catalog = shop.warehouse.catalog.read_bytes()
    with pytest.raises(error) as caught:
        shop.build(full=True)
    for word in words:
        assert word in str(caught.value)
    assert shop.warehouse.catalog.read_bytes() == catalog
    assert shop.exports() == before
    assert shop.values("select revenue from fct_orders") == [Decimal(20)]


def test_a_table_of_the_shop_s_own_is_published(shop: Shop) -> None:
    """A new model becomes a table of the warehouse, and goes when its file goes."""
    path = shop.model(
        "mart_days",
        "-- One row per day; 'as' and : in a comment or a text are no parameters :day\n"
        "select session_date, 'a:b' as label, count(*) as sessions, :gap_ms as gap\n"
        "from FCT_SESSIONS group by session_date -- the end",
    )
    result = shop.build()
    assert result.rebuilt
    assert result.tables["mart_days"] == 1
    assert shop.rows("select label, sessions, gap from mart_days") == [("a:b", 1, 1_800_000)]
    path.unlink()
    assert "mart_days" not in shop.build().tables


def test_an_own_table_can_rest_on_another(shop: Shop) -> None:
    """The order of own models is read from their SQL as well; no rows are fine."""
    shop.model("a_last", "select day from z_first where day is null")
    shop.model("z_first", "select session_date as day from fct_sessions")
    assert shop.build().tables["a_last"] == 0


def test_a_model_may_begin_with_a_byte_order_mark(shop: Shop) -> None:
    """Some editors write one before UTF-8."""
    shop.model("mart_x", "\ufeffselect count(*) as orders from fct_orders")
    assert shop.build().tables["mart_x"] == 1


def test_own_tables_survive_late_rows(shop: Shop) -> None:
    """What was known on the day is worked out beside them, not into them."""
    shop.model("mart_events", "select count(*) as events from events")
    shop.deliver(1, [view(NOON + 2)])
    shop.build()
    assert shop.values("select events from mart_events") == [3]


def test_a_shipped_model_can_be_replaced(shop: Shop) -> None:
    """A file of a shipped model's name takes its place; more columns are welcome."""
    shipped = Path(__file__).parents[2] / "src/tallymark/models/marts/fct_order_items.sql"
    text = shipped.read_text(encoding="utf-8")
    shop.model("fct_order_items", text.replace("\nfrom ", ",\n    1 as ours\nfrom "))
    shop.build()
    assert shop.rows("select item_name, ours from fct_order_items") == [("Lamp", 1)]


def test_a_replacement_keeps_the_columns(shop: Shop) -> None:
    """Readers of a shipped table rely on its columns; a missing one is named."""
    shop.model("fct_order_items", "select order_id, line from int_order_lines")
    _refused(shop, ModelError, "fct_order_items.sql", "item_id", "keep the columns")


@pytest.mark.parametrize(
    ("name", "sql", "words"),
    [
        ("one", "select 1 as x\nfrom two", ("one.sql:2: ", "nothing makes", "two")),
        ("one", "select x from fct_session", ("did you mean fct_sessions?",)),
        ("one", "select\n1 as x,\nfrom one", ("circle", "one", "one.sql:3")),
        ("one", "select 1 as x from fct_orders; select 2 as y", ("one.sql", "exactly one select")),
        (
            "one",
            "select order_id from fct_orders;\n\nselect client_id from fct_sessions",
            ("one.sql:3: ", "exactly one select"),
        ),
        ("one", "drop table fct_orders", ("one.sql", "exactly one select")),
        ("one", "create table x as select 1 as y", ("one.sql", "exactly one select")),
        ("one", "insert into fct_orders select 1", ("one.sql", "exactly one select")),
        ("one", "copy fct_orders to 'x.csv'", ("one.sql",)),
        (
            "one",
            "with x as (\n  delete from int_order_lines returning order_id\n)\nselect * from x",
            ("one.sql:2: ", "exactly one select"),
        ),
        ("fct_orders", "select order_id from int_orders", ("fct_orders.sql: ", "revenue", "keep")),
        ("one", "attach 'x.duckdb'", ("one.sql",)),
        ("one", "", ("one.sql", "exactly one select")),
        ("one", "-- nothing", ("one.sql", "exactly one select")),
        ("one", "select * from read_csv('x.csv')", ("one.sql", "no table here")),
        ("one", "select * from 'x.csv'", ("one.sql", "nothing makes")),
        ("one", "select * from information_schema.tables", ("one.sql", "no table here")),
        ("one", "select\n  1 +\nfrom (", ("one.sql", "is not SQL")),
        ("one", f"select {'(' * 2000}1{')' * 2000} as x from fct_orders", ("nested too deeply",)),
        ("one", "select\n'open from fct_orders", ("one.sql:2: ", "' begins has no end")),
        ("one", "/* select 1 as x from fct_orders", ("one.sql", "a comment has no end")),
        (
            "one",
            "select\n  revnue\nfrom fct_orders",
            ("one.sql:2: ", "revnue", "did you mean revenue?"),
        ),
        ("one", "select\n  getenv('HOME') as x from fct_orders", ("one.sql:2: ", "no table here")),
        ("one", "select * from fct_orders, lateral read_csv('x.csv')", ("no table here",)),
        ("one", "select * from query('select 1')", ("no table here",)),
        ("one", "select\n:day as x from fct_orders", ("one.sql:2: ", "unknown parameter :day")),
        ("landed", "select 1 as x from fct_orders", ("landed.sql", "another name")),
        ("dim_traffic", "select 1 as x from fct_orders", ("dim_traffic.sql", "another name")),
        ("ledger_runs", "select 1 as x from fct_orders", ("ledger_runs.sql", "another name")),
        ("built_days", "select 1 as x from fct_orders", ("built_days.sql", "another name")),
        ("int_client_days", "select 1 as x from fct_orders", ("days.sql", "another name")),
        ("price_votes", "select 1 as x from fct_orders", ("price_votes.sql", "another name")),
        ("Fct_Orders", "select 1 as x from fct_orders", ("Fct_Orders.sql", "lower case")),
    ],
)
def test_what_is_no_model_is_refused(
    shop: Shop, name: str, sql: str, words: tuple[str, ...]
) -> None:
    """With the file named, and before anything is published."""
    shop.model(name, sql)
    _refused(shop, ModelError, *words)


@pytest.mark.parametrize(
    "value",
    [
        "cast(client_id as integer)",
        "cast(client_id as timestamp)",
        "cast(concat('it''s ', chr(10), client_id, ' \"') as date)",
        "strptime(client_id, '%Y')",
        "cast(concat('{', client_id) as json)",
    ],
)
def test_no_client_stands_in_what_went_wrong(shop: Shop, value: str) -> None:
    """A value that the SQL of a model stumbles over may be personal; errors are kept in logs."""
    (client,) = set(shop.values("select client_id from fct_sessions"))
    shop.model("one", f"select {value} as x from fct_sessions")
    with pytest.raises(ModelError) as caught:
        shop.build()
    assert "chars)" in caught.value.what
    assert str(client) not in str(caught.value)


def test_a_circle_of_models_is_refused(shop: Shop) -> None:
    """Both are named."""
    shop.model("one", "select x from two")
    shop.model("two", "select x from one")
    _refused(shop, ModelError, "circle", "one", "two", ".sql:1: ")


def test_a_cte_may_have_the_name_of_the_table_it_reads(shop: Shop) -> None:
    """It still counts as reading that table, so that it runs after it."""
    shop.model("a_first", "with z_last as (select day from z_last) select day from z_last")
    shop.model("z_last", "select session_date as day from fct_sessions")
    assert shop.build().tables["a_first"] == 1


def test_a_validation_that_finds_rows_stops_the_build(shop: Shop) -> None:
    """The shop's own version of a validation, too; a comment at its end does no harm."""
    shop.model("session_order", "select session_id from fct_sessions -- every one")
    _refused(shop, ModelError, "session_order", "found rows", "nothing was published")


def test_lost_credit_does_not_reconcile(shop: Shop) -> None:
    """Credit that is less than the counted revenue publishes nothing."""
    _change(shop, "marts/fct_attribution", "    revenue\n", "    revenue / 2 as revenue\n")
    _refused(shop, ReconciliationError, "revenue", "attribution", "nothing was published")


def test_no_credit_at_all_does_not_reconcile(shop: Shop) -> None:
    """An empty table of credit is not an agreement."""
    _change(shop, "marts/fct_attribution", "where is_counted", "where is_counted and 1 = 0")
    _refused(shop, ReconciliationError, "attribution")


def test_credit_between_orders_is_found(shop: Shop) -> None:
    """Sums that agree do not hide that an order of no revenue has no row."""
    shop.deliver(0, [view(NOON), order(NOON + 1), order(NOON + 2, number="L-2", revenue=0)])
    shop.build()
    _change(shop, "marts/fct_attribution", "where is_counted", "where is_counted and revenue > 0")
    with pytest.raises(ModelError, match="'credit' found rows"):
        shop.build()


def test_lost_events_do_not_reconcile(shop: Shop) -> None:
    """A step that drops rows is stopped by name."""
    _change(
        shop,
        "staging/int_session_events",
        "where landed.rejected = 0",
        "where landed.step <> 'purchase' and landed.rejected = 0",
    )
    _refused(shop, ReconciliationError, "sessions")


def test_a_build_after_a_refused_one_is_good(shop: Shop) -> None:
    """Taking the file away is all it needs."""
    path = shop.model("one", "select x from one")
    _refused(shop, ModelError)
    path.unlink()
    assert shop.build(full=True).counted_orders == 1


def _change(shop: Shop, shipped: str, old: str, new: str) -> None:
    """A version of a shipped model with one text replaced."""
    path = Path(__file__).parents[2] / f"src/tallymark/models/{shipped}.sql"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    shop.model(path.stem, text.replace(old, new))
