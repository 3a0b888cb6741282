"""Days of a small, regular shop, to be broken in one place by a test."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tallymark.results import CheckResult, Finding
from tests.check.judging import Shop
from tests.ingest.making import as_csv, event, purchase

__all__ = ["Row", "findings", "made_day", "made_days"]

Row = dict[str, str]
VIEWS = 12  # in each hour
HOST = "https://shop.example"


def made_day(number: int) -> list[Row]:
    """A day in May 2031: twelve page views an hour by as many clients, a purchase every hour."""
    chance = random.Random(number)  # noqa: S311 -- a made-up shop
    rows = []
    for hour in range(24):
        for view in range(VIEWS):
            at = f"2031-05-{number:02}T{hour:02}:{view * 5:02}:{chance.randrange(60):02}Z"
            rows.append(event(
                client_id=f"c{number}-{hour}-{view}", timestamp=at,
                page_url=f"{HOST}/p/{chance.randrange(50)}",
                referrer="https://www.google.com/" if view % 2 else "",
            ))  # fmt: skip
        payload = {
            "transaction_id": f"T-{number:02}{hour:02}777", "revenue": 12.5,
            "user_email": f"{number}.{hour}@mail.example", "coupon": "MAY",
            "items": [{"item_id": "a", "item_name": "Tea", "item_price": 5, "quantity": 2},
                      {"item_id": "b", "item_name": "Cup", "item_price": 2.5, "quantity": 1}],
        }  # fmt: skip
        rows.append(purchase(payload, client_id=f"c{number}-{hour}-0",
                             timestamp=f"2031-05-{number:02}T{hour:02}:58:00Z"))  # fmt: skip
    return rows


def made_days(
    shop: Shop, days: Sequence[int], change: Callable[[list[Row]], list[Row]] | None = None
) -> CheckResult:
    """Deliver days, the last of them changed, and judge them."""
    for number in days:
        rows = made_day(number)
        if change is not None and number == days[-1]:
            rows = change(rows)
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    return shop.check()


def findings(result: CheckResult, *rules: str) -> list[Finding]:
    """The findings of some rules, or of all, in the order of the report."""
    return [
        found
        for delivery in result.deliveries
        for found in delivery.findings
        if not rules or found.rule in rules
    ]
