"""Times that come as numbers: seconds, or smaller units, since 1970."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tallymark.check.contracts.differences import compare
from tallymark.check.contracts.evidence import with_formats
from tallymark.check.contracts.infer import write_project
from tallymark.check.contracts.odcs import imported
from tallymark.check.header import column_words
from tallymark.check.header.columns import map_columns
from tallymark.config import Severity
from tallymark.contract import UNITS, Column, Contract, TimeFormat, load_contract
from tallymark.engine.duckdb import DuckEngine
from tallymark.ingest.epochs import FIRST_MS, LAST_MS, counted_time
from tallymark.ingest.header import read_head
from tallymark.ingest.landing_sql import Fault
from tests.check.judging import RULES, Shop
from tests.ingest.making import CONTRACT, as_csv, as_parquet, deliver, event, land_rows

MILLIS = with_formats(CONTRACT, ["epoch_milliseconds"])
START = 1_935_741_600_000  # 2031-05-05 10:00 UTC
DAY = [event(client_id=f"c-{1000 + number}") for number in range(60)]


def _numbers(unit: TimeFormat) -> list[dict[str, str]]:
    return [
        {**row, "timestamp": str((START + 1000 * number) * UNITS[unit] // 1000)}
        for number, row in enumerate(DAY)
    ]


def _jsonl(rows: list[dict[str, str]]) -> bytes:
    lines = [{**row, "timestamp": int(row["timestamp"])} for row in rows]
    return "".join(json.dumps(one) + "\n" for one in lines).encode()


@pytest.fixture(scope="module")
def engine() -> DuckEngine:
    """One engine for all of them."""
    return DuckEngine(threads=1)


@given(st.integers(FIRST_MS * 10**6, LAST_MS * 10**6 - 1), st.sampled_from(list(UNITS)))
@settings(max_examples=60, deadline=None)
def test_a_number_is_read_to_the_unit(engine: DuckEngine, nanos: int, unit: TimeFormat) -> None:
    """Whatever moment a number stands for is the one that is read, whichever units are allowed."""
    number = nanos * UNITS[unit] // 10**9
    micros = number * 10**6 // UNITS[unit]
    moment = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=micros)  # noqa: DTZ001
    for formats in ([unit], [*UNITS], [*UNITS][::-1]):
        sql = f"select {counted_time('cast($n as varchar)', formats)}"
        assert engine.rows(sql, {"n": str(number)}) == [(moment,)]


@given(st.integers(FIRST_MS, LAST_MS - 1), st.sampled_from(list(UNITS)))
@settings(max_examples=30, deadline=None)
def test_no_number_is_two_times(engine: DuckEngine, millis: int, unit: TimeFormat) -> None:
    """Under another unit than its own a number is no time at all."""
    number = millis * UNITS[unit] // 1000
    others = [one for one in UNITS if one != unit]
    sql = f"select {counted_time('cast($n as varchar)', others)}"
    assert engine.rows(sql, {"n": str(number)}) == [(None,)]


TIMES = {
    "1935741600000": START,
    " 1935741600000 ": START,
    "1935741600000.0": START,
    "1935741600000.25": START,
    "1935741600123": START + 123,
    "2031-05-05T10:00:00.000Z": START,
    "2031-05-05T12:00:00+02:00": START,
    "1935741600": None,
    "1935741600000000": None,
    "1.935742E+12": None,
    "-1935741600000": None,
    "1_935_741_600_000": None,
    "1935741600000;drop": None,
    "99999999999999999999999999999999999999": None,
    "0": None,
    "nan": None,
    "": None,
}


@pytest.mark.parametrize("quoted", [False, True])
def test_numbers_and_texts_in_one_column(tmp_path: Path, *, quoted: bool) -> None:
    """Texts of ISO 8601 are read beside numbers; other numbers, and rounded ones, are faults."""
    rows = [event(timestamp=one) for one in TIMES]
    content = as_csv(rows)
    if quoted:  # the careful reader reads the same
        content += b'"a stray quote\n'
    found, landed = land_rows(deliver(tmp_path, content), contract=MILLIS)
    assert (landed.careful is not None) == quoted
    assert [row["event_ms"] for row in found] == [*TIMES.values()]
    for row in found:
        assert bool(row["faults"] & Fault.TIME) == (row["event_ms"] is None)
        assert not row["faults"] & Fault.LOCAL


@pytest.mark.parametrize("unit", list(UNITS))
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_agreed_numbers_pass(shop: Shop, tmp_path: Path, unit: TimeFormat, form: str) -> None:
    """Undeclared they are a P0 that names the line to write; with it the same bytes pass."""
    rows = _numbers(unit)
    if form == "csv":
        content = as_csv(rows)
    else:
        content = _jsonl(rows)
        (tmp_path / "rows.jsonl").write_bytes(content)
    if form == "parquet":
        content = as_parquet(tmp_path, f"from read_json('{tmp_path}/rows.jsonl')")
    name = f"2031-05-05.{form}"
    before = shop.one(content, name)
    said = {one.id: one for one in before.findings}
    type_changed = said["column_type_changed:timestamp"]
    assert (str(type_changed.severity), before.rows_quarantined) == ("P0", len(rows))
    assert f"the line `format: {unit}`" in str(type_changed.fix)
    assert type_changed.evidence["explains"] == ["time_unparseable"]
    assert "time_unparseable" not in said
    agreed = with_formats(CONTRACT, [unit])
    after = next(iter(shop.check(contract=agreed).deliveries))
    assert (after.rows_quarantined, after.rows_accepted) == (0, len(rows))
    assert "column_type_changed:timestamp" not in {one.id for one in after.findings}
    assert shop.kept_out() == []


def test_a_column_that_becomes_numbers(shop: Shop) -> None:
    """Days of texts and days of numbers pass side by side, and it is no change of form."""
    shop.put(as_csv(DAY), "2031-05-04.csv")
    shop.put(as_csv(_numbers("epoch_milliseconds")))
    found = {one.delivery: one for one in shop.check(contract=MILLIS).deliveries}
    assert [one.rows_quarantined for one in found.values()] == [0, 0]
    told = [one.id for one in found["2031-05-05.csv"].findings]
    assert not [one for one in told if one.startswith("column_")]


def test_a_second_unit_is_listed(tmp_path: Path) -> None:
    """Where one unit is agreed and another comes, the line names both."""
    delivery = deliver(tmp_path, as_csv(_numbers("epoch_seconds")))
    (change,) = map_columns(MILLIS, read_head(delivery)).changes
    words = column_words.changed(change)
    assert "`format: [epoch_milliseconds, epoch_seconds]`" in words["fix"]
    assert "2026-01-31T09:30:00.000Z or milliseconds since 1970 was expected" in words["message"]


def test_a_renamed_column_of_agreed_numbers_is_adopted(tmp_path: Path) -> None:
    """Its values can be read, so that it is as good as any other."""
    rows = [{("ts" if key == "timestamp" else key): value for key, value in row.items()}
            for row in _numbers("epoch_milliseconds")]  # fmt: skip
    head = read_head(deliver(tmp_path, as_csv(rows, columns=list(rows[0]))))
    assert [one.adopted for one in map_columns(CONTRACT, head).renames] == [False]
    (rename,) = map_columns(MILLIS, head).renames
    assert (rename.delivered, rename.adopted) == ("ts", True)


@pytest.mark.parametrize("column", ["timestamp", "ts"])
def test_init_learns_what_the_numbers_count(tmp_path: Path, column: str) -> None:
    """The format is written with its evidence, and the files then pass."""
    rows = [{(column if key == "timestamp" else key): value for key, value in row.items()}
            for row in _numbers("epoch_microseconds")]  # fmt: skip
    deliver(tmp_path / "raw", as_csv(rows, columns=list(rows[0])))
    write_project(tmp_path, str(tmp_path / "raw"))
    text = (tmp_path / "contracts/events.yml").read_text(encoding="utf-8")
    assert "# numbers in 1 of 1 files, which count microseconds since 1970\n" in text
    time = load_contract(tmp_path / "contracts/events.yml").by_role("timestamp")
    assert time is not None
    assert (time.name, time.format) == (column, "epoch_microseconds")


def test_init_says_nothing_of_texts(tmp_path: Path) -> None:
    """A shop whose times are texts has no format."""
    deliver(tmp_path / "raw", as_csv(DAY))
    write_project(tmp_path, str(tmp_path / "raw"))
    assert "format:" not in (tmp_path / "contracts/events.yml").read_text(encoding="utf-8")


def test_only_times_have_a_format() -> None:
    """A format of anything else is a mistake, and so is an unknown one."""
    with pytest.raises(ValidationError, match="format is for times; this column is of kind text"):
        Column(name="a", kind="text", format="epoch_seconds")
    with pytest.raises(ValidationError):
        Column.model_validate({"name": "a", "kind": "timestamp", "format": "epoch_hours"})


def test_giving_up_a_unit_breaks() -> None:
    """One more unit breaks no file; one less does."""
    more = compare(CONTRACT, MILLIS)
    assert next((one.path, one.breaking) for one in more.changes) == (
        "columns.timestamp.format", False,
    )  # fmt: skip
    assert compare(MILLIS, CONTRACT).breaking


def _foreign(tmp_path: Path, kind: str) -> tuple[Contract, list[str]]:
    columns: list[dict[str, Any]] = [
        {"name": one.name, "logicalType": kind if one.role == "timestamp" else "string"}
        for one in CONTRACT.columns
    ]
    document = {"apiVersion": "v3.0.2", "kind": "DataContract", "id": "x", "version": "1",
                "status": "active",
                "schema": [{"name": "events", "properties": columns}]}  # fmt: skip
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return imported(path)


def test_a_foreign_contract_with_a_number_for_the_time(tmp_path: Path) -> None:
    """The standard does not say the unit: all are read, and that is told."""
    contract, notes = _foreign(tmp_path, "integer")
    time = contract.by_role("timestamp")
    assert time is not None
    assert time.formats == tuple(UNITS)
    assert any("leave the right one under `format`" in note for note in notes)
    assert _foreign(tmp_path, "timestamp")[1] == []


def test_a_further_column_of_numbers(shop: Shop) -> None:
    """An expression reads a described column as the time that it is."""
    received = Column(name="received", kind="timestamp", required=False, format="epoch_seconds")
    contract = CONTRACT.model_copy(update={"columns": (*CONTRACT.columns, received)})
    rows = [{**row, "received": str(START // 1000 + (86_400 if at < 2 else 60))}
            for at, row in enumerate(DAY)]  # fmt: skip
    rule = RULES.rules[0].model_copy(
        update={"id": "slow", "check": "expression", "severity": Severity.P2, "action": "warn",
                "expression": "received < '2031-05-06T00:00:00Z'", "threshold": 0.0}
    )  # fmt: skip
    rules = RULES.model_copy(update={"rules": (*RULES.rules, rule)})
    report = shop.one(as_csv(rows, columns=list(rows[0])), contract=contract, rules=rules)
    (found,) = [one for one in report.findings if one.rule == "slow"]
    assert found.rows == 2
