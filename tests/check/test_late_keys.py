"""JSON lines whose writer leaves out what is empty: keys come late, and in no order."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from tests.check.judging import Shop
from tests.ingest.making import event, purchase


def _lines(rows: list[dict[str, str]]) -> bytes:
    return "".join(
        json.dumps({name: value for name, value in row.items() if value}) + "\n" for row in rows
    ).encode()


def _times(rows: list[dict[str, str]], day: str) -> list[dict[str, str]]:
    start = dt.datetime.fromisoformat(f"{day}T00:00:00")
    times = [(start + dt.timedelta(seconds=20 * place)).isoformat() for place in range(len(rows))]
    return [
        {**row, "client_id": f"c-{place}", "timestamp": f"{time}Z"}
        for place, (row, time) in enumerate(zip(rows, times, strict=True))
    ]


def test_orders_behind_the_first_rows_are_read(tmp_path: Path) -> None:
    """The first purchase, and with it the first payload, may come after hundreds of views."""
    bought = purchase(
        {"transaction_id": "T-1", "revenue": 10, "items": []}, referrer="https://a.example/"
    )
    found = Shop(tmp_path).one(
        _lines(_times([event()] * 400 + [bought], "2031-05-05")), "2031-05-05.jsonl"
    )
    missing = [one.id for one in found.findings if one.rule == "column_missing"]
    assert not missing
    assert not [one.id for one in found.findings if "payload" in one.id]


def test_keys_have_no_order(tmp_path: Path) -> None:
    """Which key a file of JSON lines has first says nothing."""
    shop = Shop(tmp_path)
    rows = _times([event(referrer="https://a.example/", event_data="{}")] * 30, "2031-05-05")
    assert not shop.one(_lines(rows), "2031-05-05.jsonl").findings
    turned = [dict(sorted(row.items())) for row in _times(rows, "2031-05-06")]
    found = shop.one(_lines(turned), "2031-05-06.jsonl").findings
    assert not [one.id for one in found if one.rule == "column_reordered"]
