"""What only the deliveries of other days can show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tallymark.check.counting.facts import chance_collisions
from tallymark.config import CheckRules
from tallymark.results import CheckResult, Verdict
from tests.check.judging import RULES, Shop
from tests.ingest.making import as_csv, event, purchase

ITEM = {"item_id": "a", "item_name": "Tea", "item_price": 5, "quantity": 2}


def _day(number: int, orders: int = 8, **changed: Any) -> bytes:
    day = f"2031-05-{number:02}"
    rows = [event(timestamp=f"{day}T08:00:00Z")]
    for order in range(orders):
        payload = {"transaction_id": f"T{number}-{order}x", "revenue": 10, "coupon": "MAY",
                   "user_email": f"{order}@mail.example", "items": [ITEM], **changed}  # fmt: skip
        kept = {key: value for key, value in payload.items() if value != "gone"}
        rows.append(purchase(kept, client_id=f"c-{order}", timestamp=f"{day}T1{order % 10}:00:00Z"))
    return as_csv(rows)


def _found(result: CheckResult, rule: str) -> dict[str, list[str]]:
    return {
        one.delivery: [f.id for f in one.findings if f.rule == rule]
        for one in result.deliveries
        if any(f.rule == rule for f in one.findings)
    }


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"coupon": None}, "coupon"),
        ({"coupon": ""}, "coupon"),
        ({"coupon": "gone"}, "coupon"),
        ({"items": [{**ITEM, "item_price": None}]}, "items[].item_price"),
        ({"items": [{"item_name": "Tea", "item_id": "a", "quantity": 1}]}, "items[].item_price"),
    ],
)
def test_a_field_that_is_lost(shop: Shop, changed: dict[str, Any], field: str) -> None:
    """Filled on earlier days and empty, or gone, on this one: lost, since its first event."""
    for number in range(1, 6):
        shop.put(_day(number, **(changed if number == 5 else {})), f"2031-05-{number:02}.csv")
    result = shop.check()
    assert _found(result, "payload_field_lost") == {
        "2031-05-05.csv": [f"payload_field_lost:{field}"]
    }
    last = result.deliveries[-1]
    found = next(one for one in last.findings if one.rule == "payload_field_lost")
    assert (found.severity, found.since) == ("P2", "2031-05-05T08:00:00.000Z")
    assert last.verdict == Verdict.WARN


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"revenue": None}, "order_without_revenue"),
        ({"transaction_id": "gone"}, "order_without_id"),
    ],
)
def test_a_lost_field_that_orders_need_is_told_with_them(
    shop: Shop, changed: dict[str, Any], rule: str
) -> None:
    """One sentence: how many orders lack it, and that earlier deliveries had it."""
    for number in range(1, 6):
        shop.put(_day(number, **(changed if number == 5 else {})), f"2031-05-{number:02}.csv")
    named = [
        one.model_copy(update={"id": "gone_for_good"}) if one.check == "payload_field_lost" else one
        for one in RULES.rules
    ]
    for rules, lost in ((RULES, "payload_field_lost"), (CheckRules(rules=named), "gone_for_good")):
        result = shop.check(rules=rules)
        assert not _found(result, lost)
        (found,) = [one for one in result.deliveries[-1].findings if one.rule == rule]
        assert found.severity == "P1"
        assert found.message.endswith("; earlier deliveries filled 100% of them")
        assert found.evidence["explains"] == [f"{lost}:{next(iter(changed))}"]


def test_a_field_that_was_never_filled_is_not_lost(shop: Shop) -> None:
    """A field that is empty from the first day on is how this shop is."""
    for number in range(1, 6):
        shop.put(_day(number, coupon=None), f"2031-05-{number:02}.csv")
    assert not _found(shop.check(), "payload_field_lost")


def test_a_field_of_one_day_is_not_missed_on_the_next(shop: Shop) -> None:
    """What came once, on a day on which something was wrong, is no habit."""
    for number in range(1, 7):
        changed = {"total": 10} if number == 5 else {}
        shop.put(_day(number, **changed), f"2031-05-{number:02}.csv")
    assert not _found(shop.check(), "payload_field_lost")


def test_a_rare_field_may_be_absent_for_a_day(shop: Shop) -> None:
    """A key that only some orders have is no loss on a day with few of them."""
    for number in range(1, 6):
        rows = _day(number, coupon="gone").decode().splitlines()
        if number < 5:
            rows[1] = rows[1].replace('""revenue""', '""coupon"": ""MAY"", ""revenue""')
        shop.put("\n".join(rows).encode(), f"2031-05-{number:02}.csv")
    assert not _found(shop.check(), "payload_field_lost")


def test_one_order_proves_no_loss(shop: Shop) -> None:
    """A day with a single order that lacks a field is chance."""
    for number in range(1, 4):
        shop.put(_day(number), f"2031-05-{number:02}.csv")
    shop.put(_day(4, orders=1, coupon=None), "2031-05-04.csv")
    assert not _found(shop.check(), "payload_field_lost")


def test_since_is_kept_while_a_field_stays_lost(shop: Shop) -> None:
    """Days on which it is lost teach nothing; the finding keeps its beginning, until it is back."""
    for number in range(1, 9):
        coupon = None if number in {5, 6, 8} else "MAY"
        shop.put(_day(number, coupon=coupon), f"2031-05-{number:02}.csv")
    result = shop.check()
    since = {
        one.delivery: f.since
        for one in result.deliveries for f in one.findings if f.rule == "payload_field_lost"
    }  # fmt: skip
    assert since == {
        "2031-05-05.csv": "2031-05-05T08:00:00.000Z",
        "2031-05-06.csv": "2031-05-05T08:00:00.000Z",
        "2031-05-08.csv": "2031-05-08T08:00:00.000Z",
    }


def test_a_day_without_the_payload_column_loses_no_fields(shop: Shop) -> None:
    """When the whole column is gone, that is said once, not once a field."""
    for number in range(1, 5):
        shop.put(_day(number), f"2031-05-{number:02}.csv")
    shop.put(as_csv([event(timestamp="2031-05-05T08:00:00Z")] * 3, ("client_id", "page_url",
             "referrer", "timestamp", "event_name", "user_agent")), "2031-05-05.csv")  # fmt: skip
    assert not _found(shop.check(), "payload_field_lost")


def test_the_same_bytes_under_two_names(shop: Shop) -> None:
    """The later day repeats the earlier one, whichever arrived first."""
    shop.put(_day(5), "2031-05-06.csv")
    shop.check()
    shop.put(_day(5), "2031-05-05.csv")
    result = shop.check()
    assert _found(result, "same_bytes") == {"2031-05-06.csv": ["same_bytes"]}
    found = next(one for one in result.deliveries[1].findings if one.rule == "same_bytes")
    assert found.evidence == {"other": "2031-05-05.csv", "explains": ["file_day"]}
    assert found.fix.startswith("deliver the file of 2031-05-06: ")


def test_two_empty_files_are_not_the_same_rows(shop: Shop) -> None:
    """Refused deliveries have no rows that could repeat."""
    shop.put(b"", "2031-05-05.csv")
    shop.put(b"", "2031-05-06.csv")
    assert not _found(shop.check(), "same_bytes")


def test_findings_do_not_depend_on_the_order_of_arrival(tmp_path: Path) -> None:
    """Judged day by day forwards, backwards or at once: the same result."""
    days = {
        f"2031-05-{n:02}.csv": _day(n, coupon=None if n > 4 else "MAY") for n in (1, 2, 3, 4, 5, 6)
    }
    days["2031-05-07.csv"] = days["2031-05-02.csv"]
    results = []
    for turn, order in enumerate(([], list(days), list(reversed(days)))):
        shop = Shop(tmp_path / str(turn))
        for name, content in days.items():
            shop.put(content, name)
        for name in order:
            shop.check(only=[name])
        results.append(shop.check().deliveries)
    assert results[0] == results[1] == results[2]
    assert any(one.findings for one in results[0])


def test_hostile_keys_do_not_flood_the_ledger(shop: Shop) -> None:
    """A payload that invents keys without end is followed in part only."""
    keys = {f"key{number}": 1 for number in range(3000)} | {"x" * 5000: 1, "\ud800": 1}
    shop.put(_day(5, **keys))
    shop.check()
    text = json.dumps(shop.entries[0]["fields"])
    assert len(text) < 20_000
    assert shop.entries[0]["fields"]["revenue"] == [8, 8]


def test_chance_of_a_collision() -> None:
    """The birthday problem over the digits at the end; no digits, no answer."""
    assert chance_collisions([]) is None
    assert chance_collisions(["abc", "xyz"]) is None
    two = chance_collisions(["T10", "T11"])
    assert two == pytest.approx(1 / 100)
    many = chance_collisions([f"#{number:04}" for number in range(100)])
    assert many == pytest.approx(100 * 99 / 2 / 10_000)
