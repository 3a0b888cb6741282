"""Exports and publications: they follow each other, whatever happened in between."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pytest

from tallymark.build import builder
from tallymark.build.export import prepare_exports
from tallymark.engine.duckdb import DuckEngine
from tests.build.shop import HOUR, Event, Shop, order, view

NOON = 12 * HOUR


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """One client, one order."""
    made = Shop(tmp_path)
    made.deliver(0, [view(NOON), order(NOON + 1)])
    return made


def test_a_run_killed_before_its_exports_is_made_good(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published, and not exported: the next run sees that the exports are old."""
    shop.build()
    old = shop.exports()
    shop.deliver(1, [view(NOON + 24 * HOUR)])
    with monkeypatch.context() as patch:
        patch.setattr(builder, "place_exports", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            shop.build()
    assert shop.exports() == old
    assert not shop.build().rebuilt
    assert len(shop.exports()["fct_sessions"].splitlines()) == 3


def _interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_exports_of_another_format_do_not_grow_old(shop: Shop) -> None:
    """Where the format changes, the old files go: they would stay while the tables move on."""
    shop.build()
    root = shop.warehouse.root
    shop.build(export="parquet")
    assert sorted(path.suffix for path in root.glob("fct_*")) == [".parquet"] * 3
    shop.deliver(1, [view(NOON + 24 * HOUR)])
    shop.build(export="none")
    assert list(root.glob("fct_*")) == []
    shop.build()
    assert len(shop.exports()["fct_sessions"].splitlines()) == 3


def test_a_mark_that_was_written_into_is_written_anew(shop: Shop) -> None:
    """Then nobody knows of which state the exports are, and they are made again."""
    shop.build()
    mark = shop.warehouse.front / ".exported"
    before = mark.read_bytes()
    mark.write_bytes(b"\xff")
    shop.build()
    assert mark.read_bytes() == before


def test_a_missing_export_is_written_again(shop: Shop) -> None:
    """And the same bytes, by a run that builds nothing."""
    shop.build()
    before = shop.exports()
    (shop.warehouse.root / "fct_orders.csv").unlink()
    assert not shop.build().rebuilt
    assert shop.exports() == before


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_formulas_are_disarmed_in_csv(shop: Shop, sign: str) -> None:
    """A campaign that a spreadsheet would run is text, and the table keeps it as it was."""
    url = f"https://www.lamps.example/?utm_source=a&utm_campaign={quote(sign)}1%2B1"
    shop.deliver(0, [view(NOON, url=url)])
    shop.build()
    assert f",'{sign}1+1,".encode() in shop.exports()["fct_sessions"]
    assert shop.values("select campaign from fct_sessions") == [f"{sign}1+1"]


def test_every_table_has_the_same_bytes_each_time(shop: Shop, tmp_path: Path) -> None:
    """Files are named by their content: a second warehouse has the same names."""
    twin = Shop(tmp_path / "twin")
    twin.deliver(0, [view(NOON), order(NOON + 1)])
    names = []
    for one in (shop, twin):
        one.build()
        data = one.warehouse.data
        names.append(sorted(path.relative_to(data).as_posix() for path in data.rglob("*.parquet")))
    assert names[0] == names[1]


@pytest.mark.parametrize(
    ("events", "known"),
    [
        pytest.param([view(NOON), view(2 * NOON, "bob"), view(3 * NOON, "bob")], 0, id="one-day"),
        pytest.param([view(NOON), view(3 * NOON, "bob")], 1, id="many-days"),
    ],
)
def test_a_file_without_a_date_is_of_the_day_most_of_its_rows_have(
    tmp_path: Path, events: list[Event], known: int
) -> None:
    """So its few earlier rows were not known on their day; a file of many days has no such day."""
    shop = Shop(tmp_path)
    shop.deliver("export.csv", events)
    shop.build()
    assert shop.rows(
        "select numerator, coalesce(known_numerator, 0) from metrics_daily "
        "where metric = 'sessions' and segment = 'all' and date = date '2031-05-05'"
    ) == [(1, known)]
    assert shop.values("select distinct delivery_date from events") == [
        None if known else dt.date(2031, 5, 6)
    ]


def test_absurd_amounts_do_not_stop_the_build(shop: Shop) -> None:
    """A price that no table can hold is no price."""
    payload = order(NOON, revenue=9_000_000_000_000).data
    for old, new in (('"revenue": 9000000000000', '"revenue": 5'), ('": 1,', '": 9000000000000,')):
        assert payload.count(old) == 1
        payload = payload.replace(old, new)
    shop.deliver(0, [Event(NOON, "eve", "checkout_completed", data=payload)])
    shop.build()
    assert shop.values("select line_revenue from fct_order_items") == [None]
    assert shop.values("select revenue from fct_orders") == [Decimal(5)]


def test_a_delivery_without_rows_is_a_build_without_rows(tmp_path: Path) -> None:
    """Empty tables have their columns."""
    shop = Shop(tmp_path)
    shop.deliver(0, [])
    shop.build()
    assert shop.values("select count(*) from fct_sessions") == [0]
    assert shop.exports()["fct_orders"].startswith(b"order_id,transaction_id,client_id,")


def test_rows_keep_their_order_where_a_text_must_be_quoted(tmp_path: Path) -> None:
    """Several threads write several parts of a table; what quotes a text must not mix them."""
    engine = DuckEngine(threads=2)
    engine.execute("create table fct_orders as select 1 as ordered_at, 2 as order_id limit 0")
    engine.execute(
        "create table fct_attribution as select 1 as order_id, 2 as model, 3 as touch_number"
    )
    engine.execute(
        "create table fct_sessions as select range as session_start, range as session_id, "
        "if(range % 1000 = 0, '=1+1', 'google') as source from range(400000)"
    )
    presorted = frozenset({"fct_sessions"})
    prepared = prepare_exports(engine, tmp_path, "csv", presorted=presorted)
    found = [line.split(",") for line in prepared["fct_sessions.csv"].read_text().splitlines()[1:]]
    assert [int(one[0]) for one in found] == list(range(400_000))
    assert {one[2] for one in found} == {"'=1+1", "google"}
