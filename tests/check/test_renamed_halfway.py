"""A key of JSON lines that is renamed in the middle of a file, as by a new version of a tracker."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tallymark.contract import Contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.results import DeliveryReport, Finding
from tests.check.judging import Shop
from tests.ingest.making import CONTRACT, event

DAY = "2031-05-05"
ROWS, FROM = 1440, 600  # a row a minute; from 10:00 on
Row = dict[str, Any]


def _rows(change: Callable[[int, Row], Row]) -> bytes:
    start = dt.datetime.fromisoformat(f"{DAY}T00:00:00")
    lines = []
    for place in range(ROWS):
        at = (start + dt.timedelta(minutes=place)).isoformat()
        row: Row = {
            **event(event_data="{}", referrer="" if place % 5 else "https://a.example/"),
            "client_id": f"c-{place % 400}", "timestamp": f"{at}.000Z",
        }  # fmt: skip
        row = {name: value for name, value in row.items() if value}
        lines.append(json.dumps(change(place, row)))
    return "".join(f"{line}\n" for line in lines).encode()


def _called(row: Row, names: Mapping[str, str]) -> Row:
    return {names.get(name, name): value for name, value in row.items()}


def _later(names: Mapping[str, str]) -> bytes:
    return _rows(lambda place, row: _called(row, names) if place >= FROM else row)


def _without_ids(shop: Shop, report: DeliveryReport) -> int:
    """Landed rows of a delivery that have no client."""
    entry = next(one for one in shop.entries if one["delivery"] == report.delivery)
    engine = DuckEngine()
    try:
        sql = (
            f"select count(*) from '{shop.warehouse.root / entry['file']}' where client_id is null"
        )
        return int(engine.rows(sql)[0][0])
    finally:
        engine.close()


def _renames(report: DeliveryReport) -> list[Finding]:
    return [one for one in report.findings if one.rule == "column_renamed"]


@pytest.mark.parametrize("pack", [False, True])
def test_a_key_renamed_at_ten_is_read_on(tmp_path: Path, *, pack: bool) -> None:
    """Told as a rename, with its first line, its rows and its hour, and no client is lost."""
    shop = Shop(tmp_path)
    content = _later({"client_id": "clientId"})
    report = shop.one(content, f"{DAY}.jsonl{'.gz' if pack else ''}")
    (found,) = _renames(report)
    assert found.message.startswith(
        f"column client_id is missing from {ROWS - FROM} rows, the first in line {FROM + 1}; "
        "clientId matches it (names 100% alike, never both in one row"
    )
    assert (found.severity, found.rows, found.since) == ("P0", ROWS - FROM, f"{DAY}T10:00:00.000Z")
    assert "read as client_id where that is empty" in str(found.fix)
    assert _without_ids(shop, report) == 0
    assert [one.rule for one in report.findings] == ["column_renamed"]


def test_both_versions_of_a_tracker_at_once(tmp_path: Path) -> None:
    """While a new version rolls out, rows of both come in turn, from the first line on."""
    shop = Shop(tmp_path)
    content = _rows(
        lambda place, row: _called(row, {"client_id": "visitor_id"}) if place % 3 else row
    )
    report = shop.one(content, f"{DAY}.jsonl")
    (found,) = _renames(report)
    assert (found.rows, _without_ids(shop, report)) == (ROWS - ROWS // 3, 0)
    assert found.since == f"{DAY}T00:01:00.000Z"


def test_two_keys_at_once(tmp_path: Path) -> None:
    """The page's key and the client's, both renamed, are told apart and both read."""
    shop = Shop(tmp_path)
    report = shop.one(_later({"client_id": "clientId", "page_url": "url"}), f"{DAY}.jsonl")
    assert {one.evidence["old"]: one.evidence["new"] for one in _renames(report)} == {
        "client_id": "clientId", "page_url": "url",
    }  # fmt: skip
    assert [one.rule for one in report.findings] == ["column_renamed"] * 2


def test_a_new_word_for_what_every_row_has(tmp_path: Path) -> None:
    """The name says nothing, but each row has an agent under one of the two, never under both."""
    shop = Shop(tmp_path)
    (found,) = _renames(shop.one(_later({"user_agent": "dim12"}), f"{DAY}.jsonl"))
    assert (found.evidence["new"], found.rows) == ("dim12", ROWS - FROM)


def test_payloads_of_few_rows(tmp_path: Path) -> None:
    """What orders are read from, renamed in style: the few that come late are enough to tell."""
    shop = Shop(tmp_path)

    def some(place: int, row: Row) -> Row:
        row = {
            name: value for name, value in row.items() if name != "event_data" or place % 60 == 0
        }
        return _called(row, {"event_data": "eventData"}) if place >= FROM else row

    (found,) = _renames(shop.one(_rows(some), f"{DAY}.jsonl"))
    assert (found.evidence["new"], found.rows) == ("eventData", (ROWS - FROM) // 60)
    assert found.evidence["adopted"]


def test_keys_of_the_last_rows_alone_are_no_columns(tmp_path: Path) -> None:
    """Whatever else a few late rows hold is nothing of the header."""
    content = _rows(lambda place, row: {**row, "coupon": "x"} if place > ROWS - 20 else row)
    assert not Shop(tmp_path).one(content, f"{DAY}.jsonl").findings


def test_an_agreed_name_is_read_wherever_it_comes(tmp_path: Path) -> None:
    """Once the alias is in the contract, nothing is said and nothing is lost of that very file."""
    columns = tuple(
        one.model_copy(update={"aliases": ("clientId",)}) if one.name == "client_id" else one
        for one in CONTRACT.columns
    )
    agreed: Contract = CONTRACT.model_copy(update={"columns": columns})
    shop = Shop(tmp_path)
    back = _rows(  # and back again before the last lines
        lambda place, row: _called(row, {"client_id": "clientId"}) if 600 <= place < 700 else row
    )
    report = shop.one(back, f"{DAY}.jsonl", contract=agreed)
    assert _without_ids(shop, report) == 0
    assert not _renames(report)


def test_another_key_of_other_rows_is_no_rename(tmp_path: Path) -> None:
    """Rows without a referrer that have a coupon, or an id of something else, stay as they are."""
    shop = Shop(tmp_path)

    def some(place: int, row: Row) -> Row:
        if place % 2:
            return {**row, "coupon": f"https://coupons.example/{place}"}
        return {**row, "referrer": "https://search.example/"}

    assert not _renames(shop.one(_rows(some), f"{DAY}.jsonl"))
    report = shop.one(_later({"client_id": "session_id"}), "2031-05-06.jsonl")
    assert not [one for one in _renames(report) if one.evidence["adopted"]]


def test_columns_of_csv_that_are_filled_in_turn(tmp_path: Path) -> None:
    """An export of two trackers may hold both columns: each row is read by the one it fills."""
    shop = Shop(tmp_path)
    names = ["client_id", "clientId", *(one for one in event() if one != "client_id")]
    lines = [",".join(names)]
    start = dt.datetime.fromisoformat(f"{DAY}T00:00:00")
    for place in range(200):
        at = f"{(start + dt.timedelta(minutes=place)).isoformat()}.000Z"
        row = {**event(), "timestamp": at, "client_id" if place % 2 else "clientId": f"c-{place}"}
        if place % 2 == 0:
            row["client_id"] = ""
        lines.append(",".join(str(row.get(name) or "") for name in names))
    report = shop.one("".join(f"{line}\n" for line in lines).encode())
    (found,) = _renames(report)
    assert found.message.startswith("column client_id is empty in some rows; clientId matches it")
    assert _without_ids(shop, report) == 0
