"""Compiled SQL, run: the same golden rows on every engine that is there, held against a build."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path

import pytest

from tallymark.build.compiling import Compiled
from tallymark.engine.render import Dialect
from tallymark.package import shipped
from tallymark.project import Project
from tests.build.shop import COLUMNS, HOUR, MINUTE, Event, Shop, order, view
from tests.engines.others import Other, load, on_duckdb, on_fakesnow, on_spark, plain, statements

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
# What is compared. Ids of orders and persons are other hashes there: an order is known by its
# transaction id and time, a person by the clients it has.
QUERIES = {
    "fct_sessions": (
        "select session_id, client_id, session_start, session_end, session_date, events, "
        "page_views, add_to_carts, checkouts_started, orders, revenue, landing_page, "
        "referrer_host, source, medium, campaign, channel, channel_rule, device, browser, os, "
        "is_bot, is_internal, is_new_client from fct_sessions"
    ),
    "fct_orders": (
        "select transaction_id, client_id, session_id, ordered_at, order_date, revenue, currency, "
        "items, status, id_status, is_counted from fct_orders"
    ),
    "fct_attribution": (
        "select fct_orders.transaction_id, fct_orders.ordered_at, fct_attribution.model, "
        "touch_number, fct_attribution.session_id, touch_at, channel, source, medium, campaign, "
        "weight, fct_attribution.revenue from fct_attribution "
        "inner join fct_orders on fct_attribution.order_id = fct_orders.order_id"
    ),
    "fct_order_items": (
        "select fct_orders.transaction_id, ordered_at, line, item_id, item_name, quantity, "
        "line_revenue from fct_order_items "
        "inner join fct_orders on fct_order_items.order_id = fct_orders.order_id"
    ),
    "events": (
        "select delivery, line_number, event_ms, event_time, event_date, event_hour, client_id, "
        "event_name, step, page_url, page_host, page_path, page_type, referrer, referrer_host, "
        "utm_source, utm_medium, utm_campaign, utm_term, utm_content, click_id_kind, partner, "
        "user_agent, payload, device, is_bot, is_internal, is_repeat from events"
    ),
    "dim_clients": (
        "select client_id, first_seen, last_seen, sessions, orders, revenue, first_channel "
        "from dim_clients"
    ),
    "session_pages": (
        "select session_id, session_date, landing_page, landing_page_type, exit_page, "
        "exit_page_type from session_pages"
    ),
    "metrics_daily": (
        "select date, metric, segment, value, numerator, denominator from metrics_daily "
        "where metric not like 'payload%' and metric <> 'quarantined_rows'"
    ),
    "metrics_hourly": (
        "select date, hour, metric, segment, value, numerator, denominator from metrics_hourly"
    ),
    "reconciliation": "select step, measure, amount_in, amount_out, explained from reconciliation",
}
Run = Callable[[Path], AbstractContextManager[Other]]


def _compiled(folder: Path, case: Path, engine: Dialect) -> tuple[Shop, Compiled]:
    """A golden shop, built, and its SQL."""
    shop = Shop(folder)
    shutil.copytree(case / "raw", shop.raw, dirs_exist_ok=True)
    project = Project.open(shop.home, source=str(shop.raw))
    project.build()
    return shop, project.compile(engine, shop.home / "sql")


# The emulator sums decimals as floats, so that it cannot tell whether money is exact.
INEXACT = {"credit", "revenue", "row_conservation", "all"}


def _agree(other: Other, shop: Shop, compiled: Compiled, *, exact: bool = True) -> None:
    """Run every file in order; no validation finds a row, and the tables are those of the build."""
    first, *rest = [path for path in compiled.files if path.endswith(".sql")]
    texts = {path: (compiled.output / path).read_text(encoding="utf-8") for path in (first, *rest)}
    for one in statements(texts[first]):
        other.run(one)
    load(other, shop.raw, compiled.output / "seeds" / "seed_user_agents.csv")
    for path in rest:
        for one in statements(texts[path]):
            if "_validate_" in path:
                found = other.rows(one.rstrip(";"))
                inexact = path.rsplit("_validate_", 1)[1].removesuffix(".sql") in INEXACT
                assert found == [] or (inexact and not exact), path
            else:
                other.run(one.rstrip(";"))
    for table, sql in QUERIES.items():
        made = sorted(repr([plain(one) for one in row]) for row in other.rows(sql))
        wanted = sorted(repr([plain(one) for one in row]) for row in shop.rows(sql))
        assert made == wanted, table
        assert wanted or table in {"fct_orders", "fct_attribution", "fct_order_items"}, table


# Addresses and times at which engines part ways unless the SQL keeps them together.
QUERIES_OF_URLS = (
    "utm_source=%FF", "utm_source=Caf%E9+bar", "utm_source=caf%C3%A9+bar", "utm_source=%ZZ",
    "utm_source=x%2", "utm_source= tik tok &utm_medium=%20cpc%20", "utm_campaign=+", "gclid=",
    "gclid=1&utm_source=&utm_medium=cpc", "q=a%26utm_source%3Db", "utm_source=a#utm_source=b",
)  # fmt: skip
PATHS = ("", "/", "//", "/cart//", "//double", "/CART", "/products/x/", "/a b", "/products/\u00e9")
PAGES_REFERRERS = (
    "", "bing", "https://www.google.co.uk/", "HTTPS://T.CO/x", "https:///", " https://bing.com ",
    "https://user:pw@duckduckgo.com:443/", "https://www.paypal.com", "//cdn.example/x",
    "/a?https://bing.com",
)  # fmt: skip
STAMPS = (
    "2031-05-05T08:00Z", "2031-05-05 09:00", "2031-05-05T10:00+02:00", "2031-05-05T11:00:01+0200",
    "2031-05-05 12:00:01+02", "2031-05-05T13:00:00.1234567Z", "2031-05-05T23:59:59.999Z",
    "2031-05-05", " 2031-05-05T14:00:00Z ", "15:00:00", "T16:00:00", "2031", "2031-05", "now",
    "2031-02-30T00:00:00Z", "2031-05-05T17", "soon", "", "2031-05-05T18:00:01+99:99",
    "2031-05-05T19:00:01-1500", "2031-05-05T20:00:01+14:00",
)  # fmt: skip


def _odd(folder: Path, client: str = " ", stamps: Sequence[str] = STAMPS) -> Path:
    """Deliveries of odd addresses, names and times."""
    shop = Shop(folder)
    pages = [f"https://www.lamps.example{path}" for path in PATHS]
    pages += [f"https://www.lamps.example/products/x?{query}" for query in QUERIES_OF_URLS]
    pages += [
        "http://Lamps.example:8080/cart",
        "//lamps.example/cart",
        "/cart",
        "www.lamps.example",
    ]
    events = [
        view(number * MINUTE, f"c{number}", url=url, referrer=PAGES_REFERRERS[number % 10])
        for number, url in enumerate(pages)
    ]
    names = (client, " x y ", "Zo\u00eb")
    events += [view(number * MINUTE, name, url=pages[0]) for number, name in enumerate(names)]
    events += [order(HOUR, "c1", item='Bulb "x" \\ y'), order(HOUR, "c2", number="O'Hara")]
    shop.deliver(0, events)
    rows = [f"s{number},https://www.lamps.example/,,{one},page_viewed,,"
            for number, one in enumerate(stamps)]  # fmt: skip
    (shop.raw / "more.csv").write_text("\n".join([",".join(COLUMNS), *rows, ""]), encoding="utf-8")
    return shop.home


# The one with most kinds of rows; the others take as long again.
QUICK = "fct_orders"
CASES = [
    pytest.param(path, id=path.name, marks=[] if path.name == QUICK else [pytest.mark.slow])
    for path in sorted(GOLDEN.iterdir())
    if (path / "raw").is_dir()
]


@pytest.mark.parametrize("case", CASES)
def test_compiled_for_duckdb(case: Path, tmp_path: Path) -> None:
    """The compiled transformation makes what a build makes, to the row."""
    shop, compiled = _compiled(tmp_path, case, "duckdb")
    with on_duckdb(tmp_path) as other:
        _agree(other, shop, compiled)


def test_odd_rows_compiled_for_duckdb(tmp_path: Path) -> None:
    """Addresses, tags and times that engines read in different ways are read as a build does."""
    # What the emulator reads otherwise than Snowflake: such a space, and microseconds.
    case = _odd(tmp_path / "case", "\u00a0", (*STAMPS, "2031-05-05T23:59:59.999999Z"))
    shop, compiled = _compiled(tmp_path / "shop", case, "duckdb")
    with on_duckdb(tmp_path) as other:
        _agree(other, shop, compiled)
    assert len(shop.rows("select 1 from events where delivery = 'more.csv'")) == 11


def test_refunds_compiled_for_duckdb(tmp_path: Path) -> None:
    """Of equal orders of two customers under one id, before the order, and of a converted one."""
    case = Shop(tmp_path / "case")
    case.deliver(
        0,
        [
            view(0), order(MINUTE), order(MINUTE + 1, "bob"),
            Event(HOUR, "bob", "refund", data='{"transaction_id": "L-1", "revenue": 22}'),
            Event(HOUR + 1, "ann", "refund", data='{"transaction_id": "L-1", "revenue": 22}'),
            Event(HOUR, "cat", "refund", data='{"transaction_id": "L-2"}'),
            view(2 * HOUR, "cat"), order(2 * HOUR + 1, "cat", number="L-2", revenue="11.15"),
        ],
    )  # fmt: skip
    rates = "orders: {currency_rates: {EUR: 1.1}}\n"
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "tallymark.yml").write_text(rates, encoding="utf-8")
    shop, compiled = _compiled(tmp_path / "shop", case.home, "duckdb")
    with on_duckdb(tmp_path) as other:
        _agree(other, shop, compiled)
    assert shop.rows(
        "select client_id, sum(revenue), min(revenue) from fct_orders group by 1 order by 1"
    ) == [
        ("ann", 0, -22), ("bob", 0, -22), ("cat", 0, Decimal("-12.27")),
    ]  # fmt: skip


FORMATS = "format: [epoch_seconds, epoch_milliseconds, epoch_microseconds, epoch_nanoseconds]"


def test_times_that_are_numbers_compiled_for_duckdb(tmp_path: Path) -> None:
    """In every unit that the contract names, cut to milliseconds; and texts beside them."""
    times = [
        "1935748800", "1935748801.5", "1935748802.9999", "1935748803001", "1935748804001.9",
        "1935748805001999", "1935748806001999999", "2031-05-05T00:00:07.001Z",
        "2031-05-05T03:00:08+02:00", "17", "20310505", "1.9357E+9", "soon", "",
    ]  # fmt: skip
    shop = Shop(tmp_path / "shop")
    rows = [f"c{number},https://www.lamps.example/,,{one},page_viewed,,"
            for number, one in enumerate(times)]  # fmt: skip
    (shop.raw / shop.name(0)).write_text("\n".join([",".join(COLUMNS), *rows, ""]))
    (shop.home / "contracts").mkdir()
    contract = shipped("contracts/events.yml").replace("kind: timestamp\n", "kind: timestamp\n    "
                                                       f"{FORMATS}\n")  # fmt: skip
    (shop.home / "contracts" / "events.yml").write_text(contract)
    compiled = shop.project().compile("duckdb", shop.home / "sql")
    shop.build()
    with on_duckdb(tmp_path) as other:
        for path in compiled.files[1:]:
            if path.endswith(("_setup.sql", "_landed.sql")):
                text = (compiled.output / path).read_text(encoding="utf-8")
                for one in statements(text):
                    other.run(one.rstrip(";"))
                if path.endswith("_setup.sql"):
                    load(other, shop.raw, compiled.output / "seeds" / "seed_user_agents.csv")
        sql = "select client_id, event_ms from landed where rejected = 0 order by client_id"
        assert other.rows(sql) == shop.rows(sql)
    assert len(shop.rows(sql)) == 9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("engine", "run"), [("snowflake", on_fakesnow), ("spark", on_spark)])
def test_compiled_for_other_engines(engine: Dialect, run: Run, tmp_path: Path) -> None:
    """On an emulator of Snowflake, which proves little, and on a local Spark, where installed."""
    with run(tmp_path) as other:
        golden = sorted(path for path in GOLDEN.iterdir() if (path / "raw").is_dir())
        for case in (_odd(tmp_path / "cases" / "odd_rows"), *golden):
            for table in ("raw_events", "seed_user_agents"):
                other.run(f"DROP TABLE IF EXISTS {table}")
            shop, compiled = _compiled(tmp_path / case.name, case, engine)
            _agree(other, shop, compiled, exact=engine != "snowflake")
