"""Money on findings: what the touched purchases state, in their currency, and never more."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallymark.check.reports.markdown import markdown
from tallymark.results import Finding
from tests.check.judging import Shop
from tests.ingest.making import as_csv, event, purchase

VIEWS = [
    event(client_id=f"c-{at:03}", timestamp=f"2031-05-05T{at % 24:02}:00:00.000Z")
    for at in range(40)
]


def _order(number: str | None, revenue: Any, at: int = 0, client: str = "", **more: Any) -> Any:
    payload = {"transaction_id": number, "revenue": revenue, "user_email": f"{at}@mail.example",
               "items": [{"item_id": "a", "item_name": "a"}]}  # fmt: skip
    columns = {key: more.pop(key) for key in ("timestamp", "page_url") if key in more}
    return purchase(
        payload | more, client_id=client or f"b-{at}",
        **{"timestamp": f"2031-05-05T11:{at:02}:00.000Z", **columns},
    )  # fmt: skip


def _found(shop: Path, *orders: dict[str, str]) -> dict[str, Finding]:
    report = Shop(shop).one(as_csv([*VIEWS, *orders]))
    return {str(one.rule): one for one in report.findings}


def test_rows_kept_out_say_what_they_are_worth(tmp_path: Path) -> None:
    """Purchases in quarantine, and those without an id or with a minus, are priced."""
    found = _found(
        tmp_path,
        _order("T1", 12.5, 1, timestamp="never", currency="EUR"),
        _order("T2", 7, 2, timestamp="never", currency="eur"),
        _order(None, 30, 3), _order("T4", -4, 4, currency="EUR"), _order("T5", 100, 5),
    )  # fmt: skip
    out = found["time_unparseable"]
    assert (out.money, out.evidence["currency"]) == (Decimal("19.5"), "EUR")
    assert found["order_without_id"].money == Decimal(30)
    assert "currency" not in found["order_without_id"].evidence
    assert found["order_negative_revenue"].money == Decimal(4)


def test_orders_date_their_finding(tmp_path: Path) -> None:
    """A fault of some purchases began with the first of them, not with the file."""
    found = _found(tmp_path, _order("T1", 9, 1), _order("T2", -4, 4), _order("T3", -5, 5))
    assert found["order_negative_revenue"].since == "2031-05-05T11:04:00.000Z"


def test_the_first_copy_dates_a_redelivery(tmp_path: Path) -> None:
    """Orders that came again did so when the first of their copies came; a conflict, with both."""
    same = {"user_email": "x@mail.example", "client": "b-1"}
    found = _found(
        tmp_path,
        _order("T0", 8, 0), _order("T1", 9, 1, **same), _order("T2", 3, 2, **same),
        _order("T1", 9, 7, **same), _order("T2", 4, 9, **same),
    )  # fmt: skip
    assert found["order_redelivered"].since == "2031-05-05T11:07:00.000Z"
    assert found["order_conflict"].since == "2031-05-05T11:02:00.000Z"


def test_copies_are_priced_and_not_the_first(tmp_path: Path) -> None:
    """Of a redelivery what its copies state; of a conflict what all its versions state."""
    copy = {"user_email": "x@mail.example", "client": "b-1"}
    found = _found(
        tmp_path,
        _order("T1", 10, 1, **copy), _order("T1", 10, 2, **copy), _order("T1", 10, 3, **copy),
        _order("T2", 5, 4, **copy), _order("T2", 6, 5, **copy),
        _order("T3", 50, 6), _order("T3", 50, 7),
    )  # fmt: skip
    assert found["order_redelivered"].money == Decimal(20)
    assert found["order_conflict"].money == Decimal(11)
    assert found["order_id_collision"].money == Decimal(100)


def test_currencies_are_not_added_up(tmp_path: Path) -> None:
    """Two currencies are said side by side, without a sum of them."""
    found = _found(
        tmp_path, _order(None, 10, 1, currency="EUR"), _order(None, 20, 2, currency="CHF"),
        _order(None, 1, 3),
    )  # fmt: skip
    one = found["order_without_id"]
    assert one.money is None
    assert one.evidence["money_by_currency"] == {
        "CHF": "20.0000", "EUR": "10.0000", "not stated": "1.0000",
    }  # fmt: skip


@pytest.mark.parametrize("revenue", [None, "free", 0])
def test_nothing_stated_is_no_money(tmp_path: Path, revenue: object) -> None:
    """Without a revenue there is no amount, not one of nought."""
    found = _found(tmp_path, _order(None, revenue, 1))
    assert found["order_without_id"].money is None


def test_the_report_names_the_currency(tmp_path: Path) -> None:
    """Money is told with its currency, once."""
    shop = Shop(tmp_path)
    shop.put(as_csv([*VIEWS, _order(None, 1234.5, 1, currency="EUR")]))
    text = markdown(shop.check())
    assert "- Money touched: 1,234.50 EUR\n" in text
    assert text.count("EUR") == 1
