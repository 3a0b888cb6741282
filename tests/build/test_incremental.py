"""A build of some days: the bytes of a full refresh, whatever arrived, and at the cost of a day."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tallymark.build import plan
from tallymark.build.persons import MAX_CLIENTS_PER_EMAIL
from tallymark.build.plan import Planner
from tallymark.errors import ConfigError, ModelError
from tallymark.results import BuildResult
from tests.build.histories import DAY, History
from tests.build.shop import HOME, HOUR, MINUTE, Event, Shop, cart, order, view

RUNS = 5  # of one history; each of them is one more way to split what arrived
FEW, MANY = 10, 100
# What a run is called and who was classified is no part of the law.
TABLES: Mapping[str, str] = {
    "fct_sessions": "*",
    "fct_orders": "*",
    "fct_order_items": "*",
    "fct_attribution": "*",
    "dim_clients": "*",
    "event_repeats": "*",
    "metrics_daily": "*",
    "metrics_hourly": "*",
    "reconciliation": "* exclude (run)",
    "int_client_days": "*",
    "int_order_events": "*",
    "int_person_emails": "*",
    "int_price_votes": "*",
}
NOON = 12 * HOUR


@pytest.fixture(autouse=True)
def _always_some_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many days are touched, only they are computed: these shops are tiny."""
    monkeypatch.setattr(plan, "LIMIT", 2.0)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten days of two clients, built; one of them buys on the third day."""
    made = Shop(tmp_path_factory.mktemp("built"))
    for day in range(10):
        made.deliver(day, [view(day * DAY + NOON), view(day * DAY + NOON, f"guest{day}")])
    made.deliver(2, [view(2 * DAY + NOON), order(2 * DAY + NOON + 1, email="a@x.example")])
    made.build(generations=1)
    return made.home


@pytest.fixture
def shop(built: Path, tmp_path: Path) -> Shop:
    """A copy of that shop."""
    return Shop(shutil.copytree(built, tmp_path / "shop"))


def _tables(shop: Shop) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: shop.rows(f"select {columns} from {table} order by all")
        for table, columns in TABLES.items()
    }


def _refreshed(shop: Shop, beside: Path) -> Shop:
    """The same deliveries and settings, built in another warehouse in full."""
    other = Shop(beside)
    if (shop.home / "tallymark.yml").is_file():
        shutil.copyfile(shop.home / "tallymark.yml", other.home / "tallymark.yml")
    for path in other.raw.iterdir():
        path.unlink()
    for path in shop.raw.iterdir():
        (other.raw / path.name).write_bytes(path.read_bytes())
    other.build(full=True, generations=1)
    return other


def _equal(
    shop: Shop, beside: Path, told: Sequence[str] = (), *, tables: bool = True
) -> None:  # fmt: skip
    """The exports are those of a full refresh, byte for byte, and so are all tables."""
    other = _refreshed(shop, beside)
    for name, found in shop.exports().items():
        assert found == other.exports()[name], (name, told)
    if not tables:
        return
    expected = _tables(other)
    for name, rows in _tables(shop).items():
        assert rows == expected[name], (name, told)


def _days(result: BuildResult) -> list[int]:
    """The days that were computed, counted from the shop's first one."""
    assert result.days is not None, result.reason
    names = [Shop.name(day) for day in range(60)]
    return [names.index(f"events_{day.replace('-', '')}.csv") for day in result.days]


# ---------------------------------------------------------------- the law


def _obey(seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        history = History(Shop(home / "shop"), random.Random(seed))  # noqa: S311 -- no secret
        history.begin()
        history.shop.build(generations=1)
        for run in range(1, RUNS + 1):
            history.told.append("-- run")
            history.go_on()
            result = history.shop.build(generations=1)
            if result.rebuilt:
                assert result.days is not None, (seed, result.reason)
                _equal(history.shop, home / "whole", history.told, tables=run == RUNS)


@pytest.mark.parametrize("seed", range(FEW))
def test_some_days_equal_a_full_refresh(seed: int) -> None:
    """Fifty histories of late rows, corrections, long sessions, collisions and shared e-mails.

    Each is built in runs, and compared with a full refresh after every one of them.
    """
    _obey(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(FEW, FEW + MANY))
def test_many_more_histories(seed: int) -> None:
    """Five hundred more."""
    _obey(seed)


# ---------------------------------------------------------------- which days


def test_the_next_day_is_all_that_is_computed(shop: Shop) -> None:
    """Nothing of the past is touched by a day on which nobody goes on from the day before."""
    shop.deliver(10, [view(10 * DAY + NOON), view(10 * DAY + NOON, "new")])
    assert _days(shop.build()) == [10]


def test_a_session_over_midnight_belongs_to_its_first_day(shop: Shop, tmp_path: Path) -> None:
    """So that day is computed too, and nothing before it."""
    shop.deliver(10, [view(10 * DAY + NOON), view(11 * DAY - MINUTE, "owl")])
    shop.build()
    shop.deliver(11, [view(11 * DAY + MINUTE, "owl")])
    assert _days(shop.build()) == [10, 11]
    _equal(shop, tmp_path / "whole")


def test_a_late_row_touches_its_day_and_where_its_client_came_again(
    shop: Shop, tmp_path: Path
) -> None:
    """`guest4` never came again; `ann` came on every day of the look-backs after."""
    shop.deliver("late_1.csv", [cart(4 * DAY + 13 * HOUR, "guest4")])
    assert _days(shop.build()) == [4]
    shop.deliver("late_2.csv", [cart(5 * DAY + 13 * HOUR)])
    assert _days(shop.build()) == [5, 6, 7, 8, 9]
    _equal(shop, tmp_path / "whole")


def test_a_client_that_was_there_before_is_not_new_later(shop: Shop, tmp_path: Path) -> None:
    """The day on which it seemed new is computed, far away as it is."""
    shop.deliver(50, [view(50 * DAY + NOON, "new")])
    shop.build()
    shop.deliver("late.csv", [view(DAY + NOON, "new")])
    assert _days(shop.build()) == [1, 50]
    _equal(shop, tmp_path / "whole")
    assert shop.rows(
        "select count(*) from fct_sessions where client_id = 'new' and is_new_client"
    ) == [(1,)]


def test_a_collision_found_later_restatuses_the_earlier_order(shop: Shop, tmp_path: Path) -> None:
    """Its day is computed, and its id stays."""
    before = shop.values("select order_id from fct_orders")
    shop.deliver(40, [order(40 * DAY + NOON, "eve", email="e@x.example", revenue=7)])
    assert _days(shop.build()) == [2, *range(10, 41)]
    assert shop.rows("select id_status, count(*) from fct_orders group by all") == [
        ("id_collision", 2)
    ]
    assert before[0] in shop.values("select order_id from fct_orders")
    _equal(shop, tmp_path / "whole")


def test_a_refund_takes_the_credit_of_an_old_order_back(shop: Shop, tmp_path: Path) -> None:
    """The sessions around that order are read, and its day stays as it is."""
    refund = order(40 * DAY + NOON, revenue=5)
    shop.deliver(40, [view(40 * DAY + NOON - 1, url=f"{HOME}?gclid=1")])
    shop.build()
    shop.deliver(41, [Event(41 * DAY + NOON, "ann", "refund", data=refund.data)])
    assert _days(shop.build()) == [41]
    assert shop.rows(
        "select distinct cast(touch_at as date) from fct_attribution where revenue < 0 "
        "and model = 'last_click'"
    ) == shop.rows("select order_date from fct_orders where revenue > 0")
    _equal(shop, tmp_path / "whole")


def test_an_address_that_joins_clients_changes_no_day(shop: Shop, tmp_path: Path) -> None:
    """Only who is behind the older rows; and an address of too many joins nobody any more."""
    shop.deliver(10, [order(10 * DAY + NOON, "abe", number="L-9", email="a@x.example")])
    assert _days(shop.build()) == [10]
    assert len(set(shop.values("select person_id from fct_orders"))) == 1
    _equal(shop, tmp_path / "whole")
    crowd = [
        order(11 * DAY + NOON + number, f"c{number}", number=f"M-{number}", email="a@x.example")
        for number in range(MAX_CLIENTS_PER_EMAIL)
    ]
    shop.deliver(11, crowd)
    assert _days(shop.build()) == [11]
    assert len(set(shop.values("select person_id from fct_orders"))) == len(crowd) + 2
    _equal(shop, tmp_path / "whole")


def test_days_without_events_still_have_their_hours(shop: Shop, tmp_path: Path) -> None:
    """A gap of days is filled when its other side arrives, and emptied when that goes."""
    shop.deliver(14, [view(14 * DAY + NOON, "new")])
    assert _days(shop.build()) == [10, 11, 12, 13, 14]
    _equal(shop, tmp_path / "whole")
    shop.deliver(14, [])
    shop.build()
    _equal(shop, tmp_path / "whole")


def test_a_client_that_never_rests_is_one_session(shop: Shop, tmp_path: Path) -> None:
    """Its session stands on the day it began, and grows by what each day adds."""
    for day in range(10, 14):
        shop.deliver(day, [view(day * DAY + at * 20 * MINUTE, "bot") for at in range(72)])
        result = shop.build()
    assert _days(result) == [10, 13]
    assert shop.values("select events from fct_sessions where client_id = 'bot'") == [4 * 72]
    _equal(shop, tmp_path / "whole")


def test_many_small_parts_become_few(shop: Shop, tmp_path: Path) -> None:
    """A table does not fall into as many files as there are days."""
    for day in range(10, 10 + 14):
        shop.deliver(day, [view(day * DAY + NOON), order(day * DAY + NOON, number=f"N-{day}")])
        assert _days(shop.build())[-1] == day
    assert max(len(parts) for parts in shop.warehouse.parts().values()) < 14
    _equal(shop, tmp_path / "whole")


# ---------------------------------------------------------------- all days after all


def test_what_touches_all_days_computes_all_and_says_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting, a model, most of the rows, or being asked to."""
    config = shop.home / "tallymark.yml"
    config.write_text("sessions: {gap_minutes: 20}\n", encoding="utf-8")
    result = shop.build()
    assert (result.days, result.reason) == (None, "all days: the sessions settings changed")
    shop.model("mart_x", "select count(*) as sessions from fct_sessions")
    assert shop.build().reason == "all days: the model mart_x changed"
    assert shop.build(full=True).reason == "all days: they were asked for"
    config.write_text("sessions: {gap_minutes: 20, cap_hours: 4}\n", encoding="utf-8")
    shop.build()
    shop.deliver(10, [view(10 * DAY + NOON)])
    assert "cut by campaign or length" in shop.build().reason
    config.unlink()
    shop.build()
    monkeypatch.setattr(plan, "LIMIT", 0.5)
    for day in range(9):
        shop.deliver(day, [view(day * DAY + NOON, "other")])
    assert "most of what there is" in shop.build().reason


def test_prices_read_otherwise_concern_all_lines(shop: Shop, tmp_path: Path) -> None:
    """When most orders now say that a price is of the line, every line is read so."""
    for day in (10, 11):
        sold = order(day * DAY + NOON, number=f"P-{day}", revenue=30)
        data = sold.data.replace('"quantity": 1', '"quantity": 3')
        shop.deliver(day, [Event(sold.at, "ann", sold.name, data=data)])
        result = shop.build()
    assert result.days is not None or "prices of order lines" in result.reason
    _equal(shop, tmp_path / "whole")


def test_own_tables_see_all_days(shop: Shop) -> None:
    """A table of the shop's own rests on published ones, and so on all days; its tests too."""
    shop.model("mart_days", "select session_date, count(*) as n from fct_sessions group by all")
    tests = "columns: [{name: session_date, tests: [unique]}]\n"
    (shop.home / "models" / "mart_days.yml").write_text(f"description: X.\n{tests}")
    shop.build()
    shop.deliver(10, [view(10 * DAY + NOON)])
    result = shop.build()
    assert _days(result) == [10]
    assert result.tables["mart_days"] == 11
    shop.model("mart_inside", "select count(*) as n from int_session_facts")
    shop.build()
    shop.deliver(11, [view(11 * DAY + NOON)])
    assert "own model mart_inside" in shop.build().reason


# ---------------------------------------------------------------- saying, and failing


def test_a_rehearsal_says_what_a_build_does_and_changes_nothing(shop: Shop) -> None:
    """Days, clients and reasons are those of the build that follows."""
    shop.deliver(10, [view(10 * DAY + NOON), view(10 * DAY + NOON, "new")])
    shop.deliver("late.csv", [cart(4 * DAY + 13 * HOUR, "guest4")])
    before = {path: path.stat().st_mtime_ns for path in sorted(shop.home.rglob("*"))}
    plan_ = shop.project().plan()
    assert {path: path.stat().st_mtime_ns for path in sorted(shop.home.rglob("*"))} == before
    assert plan_.needed
    assert plan_.clients == 3
    assert set(plan_.why) == set(plan_.days or ())
    result = shop.build()
    assert (result.days, result.reason) == (plan_.days, plan_.reason)
    assert not shop.project().plan().needed
    assert shop.project().plan(full=True).days is None


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select 1 as x\nfrom nothing", "mart_x.sql:2: reads a table that nothing makes"),
        ("select x from mart_x", "circle"),
        ("drop table fct_orders", "exactly one select"),
        ("select :day as x", "unknown parameter :day"),
    ],
)
def test_a_rehearsal_refuses_models_that_a_build_refuses(
    shop: Shop, sql: str, words: str
) -> None:  # fmt: skip
    """As far as their text tells: nothing is run."""
    shop.model("mart_x", sql)
    with pytest.raises(ModelError, match=words):
        shop.project().plan()


def _sold(day: int, number: str, *, currency: str = "EUR", pieces: int = 1) -> Event:
    sold = order(day * DAY + NOON, number=number, revenue=30)
    data = sold.data.replace("EUR", currency).replace('"quantity": 1', f'"quantity": {pieces}')
    return Event(sold.at, "ann", sold.name, data=data)


def test_a_rehearsal_refuses_orders_in_several_currencies(shop: Shop) -> None:
    """As the build does, be it of some days or of all; with the rates, both go on."""
    shop.deliver(10, [_sold(10, "C-1", currency="GBP")])
    for full in (False, True):
        with pytest.raises(ConfigError, match="no rate for EUR and GBP"):
            shop.project().plan(full=full)
        with pytest.raises(ConfigError, match="no rate for EUR and GBP"):
            shop.build(full=full)
    rates = "orders: {currency_rates: {EUR: 1.1, GBP: 1.3}}\n"
    (shop.home / "tallymark.yml").write_text(rates, encoding="utf-8")
    assert shop.project().plan().reason == shop.build().reason


def test_a_rehearsal_foresees_what_turns_all_orders(shop: Shop) -> None:
    """A first currency, and a turn in how prices are read: the build then makes all days."""
    rates = "orders: {currency_rates: {EUR: 1.1, GBP: 1.3}}\n"
    (shop.home / "tallymark.yml").write_text(rates, encoding="utf-8")
    shop.build()
    for day, sold, words in (
        (10, _sold(10, "C-1", currency="GBP"), "in a currency that no order had before"),
        (11, _sold(11, "C-2", pieces=3), "prices of order lines are read otherwise"),
    ):
        shop.deliver(day, [sold])
        planned = shop.project().plan()
        assert words in planned.reason
        result = shop.build()
        assert (result.days, result.reason) == (planned.days, planned.reason)


def test_a_rehearsal_after_going_back_builds_nothing(shop: Shop) -> None:
    """As the build, which leaves the generation that somebody went back to."""
    shop.deliver(10, [view(10 * DAY + NOON)])
    (shop.home / "tallymark.yml").write_text("generations: 3\n", encoding="utf-8")
    shop.build()
    shop.project().rollback()
    planned = shop.project().plan()
    result = shop.build(generations=3)
    assert (planned.needed, planned.reason) == (result.rebuilt, result.reason)
    assert "by `tallymark rollback`" in planned.reason


def test_days_that_do_not_add_up_with_the_rest_are_not_published(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were a day forgotten, the sums over all days would show it, and all days are computed."""
    shop.deliver(10, [view(11 * DAY - MINUTE, "owl")])
    shop.build()
    shop.deliver(11, [view(11 * DAY + MINUTE, "owl")])
    with monkeypatch.context() as patch:
        patch.setattr(Planner, "_sessions", lambda *_: None)
        assert "did not add up" in shop.build().reason
    _equal(shop, tmp_path / "whole")


def test_a_build_of_some_days_that_is_killed_leaves_the_last_good_state(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each rename by which something of it would appear; and the next run makes it good."""
    before = shop.rows("from fct_sessions order by all")
    shop.deliver(10, [view(10 * DAY + NOON)])
    rename = Path.replace
    for last in ("metrics_daily", "catalogs", "tallymark.duckdb", "fct_orders.csv"):

        def killed(self: Path, target: Path, last: str = last) -> Path:
            if last in Path(target).parts:
                raise KeyboardInterrupt
            return rename(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", killed)
            with pytest.raises(KeyboardInterrupt):
                shop.build()
        if last != "fct_orders.csv":
            assert shop.rows("from fct_sessions order by all") == before
    shop.build()
    _equal(shop, tmp_path / "whole")
