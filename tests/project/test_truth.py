from __future__ import annotations

from decimal import Decimal

import pytest

from tallymark.demo.shop import make_shop
from tallymark.project import Project
from tests.project.shops import table

SESSION = ("client_id", "session_start", "session_end", "events", "page_views", "channel", "is_bot")
ORDER = ("transaction_id", "client_id", "ordered_at", "status", "is_counted")
CREDIT = ("model", "channel", "touch_at")
Row = tuple[object, ...]

pytestmark = pytest.mark.parametrize(
    ("seed", "days", "promotions"), [(1, 10, False), (2, 28, True)]
)


@pytest.fixture
def tables(
    seed: int, days: int, *, promotions: bool, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, str]]]:
    """What was built of a clean shop, and its truth, by name."""
    home = tmp_path_factory.mktemp("clean")
    make_shop(home, days=days, events_per_day=600, seed=seed, promotions=promotions)
    Project.open(home, source=str(home / "raw")).build()
    built = {path.stem: table(path) for path in (home / "warehouse").glob("fct_*.csv")}
    return built | {path.stem: table(path) for path in (home / "truth").glob("*.csv")}


def _rows(rows: list[dict[str, str]], columns: tuple[str, ...], money: str = "") -> list[Row]:
    more = [(Decimal(row[money]),) if money else () for row in rows]
    return sorted(
        (*(row[name] for name in columns), *amount) for row, amount in zip(rows, more, strict=True)
    )


def test_a_clean_shop_is_known_exactly(tables: dict[str, list[dict[str, str]]]) -> None:
    """Sessions with their channels, orders, revenue, first and last click: not one row off."""
    assert len(tables["sessions"]) > 2000
    assert _rows(tables["fct_sessions"], SESSION) == _rows(tables["sessions"], SESSION)
    assert len(tables["orders"]) > 10
    built = _rows(tables["fct_orders"], ORDER, "revenue")
    assert built == _rows(tables["orders"], ORDER, "revenue")
    orders = {row["order_id"]: row for row in tables["fct_orders"]}
    assert len(orders) == len(built)
    assert all(row["id_status"] == "unique" for row in orders.values())
    credit = [
        {**{name: orders[row["order_id"]][name] for name in ORDER}, **row}
        for row in tables["fct_attribution"]
        if row["model"] in {"first_click", "last_click"}
    ]
    columns = (*ORDER[:3], *CREDIT)
    assert _rows(credit, columns, "revenue") == _rows(tables["attribution"], columns, "revenue")
