"""Orders that another product published, with each difference of definition written down.

Three differences, all wanted: it ignores refunds, where ours are rows of their own; it adds up
euros and dollars, which is refused here without a rate; and it takes the client of an app's order
from elsewhere, where ours is an order without a client.
"""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tallymark.errors import ConfigError
from tests.build.shop import COLUMNS, Shop

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "oracles" / "orders_snowplow_ecommerce"
STEPS = {
    "transaction": "purchase",
    "refund": "refund",
    "add_to_cart": "add_to_cart",
    "checkout_step": "begin_checkout",
}

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no oracle at {FOLDER}"),
]


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one file."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Their events as a delivery of ours."""
    made = Shop(tmp_path)
    with (made.raw / "events.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows("input.csv"):
            keys = ("transaction_id", "currency", "revenue", "shipping", "tax")
            said = {key: row[key] for key in keys if row[key]}
            writer.writerow(
                {
                    "client_id": row["domain_userid"],
                    "page_url": row["page_url"],
                    "timestamp": row["derived_tstamp"],
                    "event_name": STEPS.get(row["action_type"], "page_view"),
                    "event_data": json.dumps(said) if said else "",
                    "user_agent": row["useragent"],
                }
            )
    return made


def test_currencies_are_not_added_up_by_their_names(shop: Shop) -> None:
    """Theirs sums euros and dollars as if they were one; here it takes a rate."""
    with pytest.raises(ConfigError, match="orders come in EUR and USD"):
        shop.build()


def test_the_orders_are_theirs(shop: Shop) -> None:
    """The same transactions with the same revenue; the refund is a row besides, of nothing."""
    shop.home.joinpath("tallymark.yml").write_text(
        "orders: {currency_rates: {EUR: 1}}\n", encoding="utf-8"
    )
    shop.build()
    found = shop.rows(
        "select transaction_id, revenue from fct_orders where status = 'kept' order by 1"
    )
    assert found == sorted(
        (row["transaction_id"], Decimal(row["transaction_revenue"]))
        for row in rows("expected_transactions.csv")
    )
    assert shop.rows(
        "select transaction_id, revenue, is_counted from fct_orders where status <> 'kept'"
    ) == [(None, 0, True)]
    clients = {row["domain_userid"] for row in rows("input.csv")} - {""}
    theirs: dict[str, Decimal] = {}
    for row in rows("expected_transactions.csv"):
        client = row["domain_userid"] if row["domain_userid"] in clients else ""
        theirs[client] = theirs.get(client, Decimal(0)) + Decimal(row["transaction_revenue"])
    assert dict(
        shop.rows("select coalesce(client_id, ''), sum(revenue) from fct_orders group by 1")
    ) == {"": Decimal(0), **theirs}
