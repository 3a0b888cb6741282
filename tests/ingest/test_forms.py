"""Whatever the name of a file and the form of its values, its own rows are read and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import Warehouse
from tallymark.ingest.deliveries import find_deliveries
from tallymark.ingest.header import Broken, read_head
from tallymark.ingest.later import with_later_keys
from tests.cli.calling import call
from tests.ingest.making import CONTRACT, as_csv, as_parquet, deliver, event, land_rows, purchase


def _json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _content(folder: Path, ending: str, client: str) -> bytes:
    row = event(client_id=client)
    if ending == "csv":
        return as_csv([row])
    if ending == "jsonl":
        return _json_lines([row])
    return as_parquet(folder, "select " + ", ".join(f"'{row[name]}' as {name}" for name in row))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", ["a[1]", "a?", "a*", "a[!x]"])
def test_a_name_is_no_pattern(tmp_path: Path, name: str, ending: str) -> None:
    """A file whose name is a pattern that another file matches is read itself."""
    deliver(tmp_path, _content(tmp_path, ending, "other"), f"a1.{ending}")
    one = deliver(tmp_path, _content(tmp_path, ending, "own"), f"{name}.{ending}")
    rows, landed = land_rows(one)
    assert [row["client_id"] for row in rows] == ["own"]
    assert landed.careful is None


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_folders_are_no_columns(tmp_path: Path, ending: str) -> None:
    """A folder called like a column replaces none, and adds none."""
    name = f"event_name=other/c0=x/dt=2031-05-05/part.{ending}"
    one = deliver(tmp_path, _content(tmp_path, ending, "own"), name)
    assert list(read_head(one).columns) == list(event())
    (row,), _ = land_rows(one)
    assert (row["event_name"], row["client_id"]) == ("page_viewed", "own")


def test_folders_of_a_project_are_no_columns(tmp_path: Path) -> None:
    """Tables below a folder called like one of their columns keep their own values."""
    path = tmp_path / "channel=web" / "table.parquet"
    path.parent.mkdir()
    engine = DuckEngine(threads=1)
    try:
        engine.write("select 'mail' as channel", path)
        engine.view("told", [path])
        assert engine.rows("select * from told") == [("mail",)]
    finally:
        engine.close()


@pytest.mark.parametrize("name", ["a[1]", "a*"])
def test_the_folder_of_a_project_is_no_pattern(tmp_path: Path, name: str) -> None:
    """Tables and exports below it are its own, though another folder fits."""
    for folder, value in (("a1", "other"), (name, "own")):
        engine = DuckEngine(threads=1)
        warehouse = Warehouse(tmp_path / folder)
        warehouse.root.mkdir()
        try:
            engine.write(f"select '{value}' as a", warehouse.root / "fct_orders.csv", "format csv")
            opened = warehouse.open()
            assert opened.rows("select a from fct_orders") == [(value,)]
            opened.close()
            engine.write(f"select '{value}' as a", warehouse.root / "b.parquet")
            engine.view("told", [warehouse.root / "b.parquet"])
            assert engine.rows("select a from told") == [(value,)]
        finally:
            engine.close()


def test_a_folder_in_which_no_database_can_be(tmp_path: Path) -> None:
    """DuckDB puts its log beside what stands before a question mark: that is said, with the fix."""
    home = tmp_path / "why?" / "shop"
    deliver(home, as_csv([event()]), "raw/2031-05-05.csv")
    said = call("run", "--input", home / "raw", "--output", home / "out")
    assert said.code == 2
    assert "a question mark" in said.err
    assert "rename the folder" in said.err


def test_bytes_that_nobody_called_text(tmp_path: Path) -> None:
    """A Parquet file of an older writer holds texts as bytes: they are read as what they are."""
    payload = '{"transaction_id":"T-1","item":"Lämp"}'
    columns = {**purchase(payload), "blob": "x"}
    kinds = ", ".join(f"encode('{value}') as {name}" for name, value in columns.items())
    one = deliver(tmp_path, as_parquet(tmp_path, f"select {kinds}"), "a.parquet")
    assert read_head(one).sample["event_data"] == [payload]
    (row,), _ = land_rows(one)
    assert row["payload"] == payload
    broken = as_parquet(tmp_path, f"select * replace ('\\xFF'::blob as user_agent) from "
                        f"(select {kinds})")  # fmt: skip
    (row,), _ = land_rows(deliver(tmp_path, broken, "b.parquet"))
    assert (row["user_agent"], row["payload"]) == ("\\xFF", payload)


@pytest.mark.parametrize("kept", [4, 9, 40, -1])
def test_a_parquet_file_that_was_cut_off(tmp_path: Path, kept: int) -> None:
    """Its end is looked for, and what is said names no magic."""
    content = _content(tmp_path, "parquet", "own")
    with pytest.raises(Broken, match="ends early: it was cut off") as told:
        read_head(deliver(tmp_path, content[:kept], "a.parquet"))
    assert told.value.check == "file_kind"


def test_zstandard_of_several_threads(tmp_path: Path) -> None:
    """Such a file begins with a frame to skip, which says how long the next one is."""
    one = deliver(tmp_path, as_csv([event()]), "a.csv.zst")
    packed = one.path.read_bytes()
    one.path.write_bytes(b"\x50\x2a\x4d\x18\x04\0\0\0" + len(packed).to_bytes(4, "little") + packed)
    rows, _ = land_rows(one)
    assert [row["client_id"] for row in rows] == ["c-1001"]


@pytest.mark.parametrize("damage", [b"", b"broken\n"])
def test_numbers_that_are_none(tmp_path: Path, damage: bytes) -> None:
    """NaN is read alike, whether or not another line is damaged; the row stays."""
    text = _json_lines([event(), {**event(), "referrer": float("nan"), "event_data": {"n": 1e999}}])
    rows, _ = land_rows(deliver(tmp_path, text + damage, "a.jsonl"))
    assert [(row["line_number"], row["referrer"], row["payload"]) for row in rows[:2]] == [
        (1, None, None), (2, "NaN", '{"n":Infinity}'),
    ]  # fmt: skip
    assert len(rows) == 2


# ---------------------------------------------------------------- keys that come late


def _sparse(late: int, **changed: Any) -> list[dict[str, Any]]:
    """Rows without a referrer and a payload, but for those from one on."""
    bare = {key: value for key, value in event().items() if value}
    filled = changed or {"referrer": "https://a.example/", "event_data": "{}"}
    whole = {**event(), **filled}
    return [bare] * late + [whole] * 3


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst"])
@pytest.mark.parametrize("late", [301, 9000])
def test_keys_that_come_late(tmp_path: Path, ending: str, late: int) -> None:
    """A key first written far behind the head is a column, in its place and with its values."""
    one = deliver(tmp_path, _json_lines(_sparse(late)), f"a.{ending}")
    assert "referrer" not in read_head(one).columns
    head = with_later_keys(one, read_head(one), CONTRACT)
    assert list(head.columns) == list(event())
    assert head.sample["referrer"] == ["https://a.example/"] * 3
    assert len(head.sample["client_id"]) > 3


def test_late_keys_of_other_objects(tmp_path: Path) -> None:
    """A key inside a payload, in a text or in a broken line is no column."""
    rows = _sparse(301, event_data='{"referrer": 1}')
    rows = [{key: value for key, value in row.items() if key != "referrer"} for row in rows]
    rows[302]["event_data"] = {"referrer": "x"}
    one = deliver(tmp_path, _json_lines(rows) + b'"referrer"\n{"referrer": 1\n', "a.jsonl")
    head = with_later_keys(one, read_head(one), CONTRACT)
    assert [name for name in event() if name not in head.columns] == ["referrer"]


def test_nothing_is_looked_for_where_all_is_there(tmp_path: Path) -> None:
    """Of a file that has all columns in its head only the end is read; of no JSON not even that."""
    (one,) = find_deliveries(deliver(tmp_path, _json_lines([event()]), "a.jsonl").path)
    head = read_head(one)
    assert with_later_keys(one, head, CONTRACT) is head
    (two,) = find_deliveries(deliver(tmp_path, b"a,b\n1,2\n", "b.csv").path)
    head = read_head(two)
    two.path.unlink()
    assert with_later_keys(two, head, CONTRACT) is head


def test_a_late_key_in_a_cut_file(tmp_path: Path) -> None:
    """What cannot be decompressed on the way is told as it is elsewhere."""
    one = deliver(tmp_path, _json_lines(_sparse(9000)), "a.jsonl.gz")
    head = read_head(one)
    one.path.write_bytes(one.path.read_bytes()[:-200])
    with pytest.raises(Broken, match="ends early"):
        with_later_keys(one, head, CONTRACT)
