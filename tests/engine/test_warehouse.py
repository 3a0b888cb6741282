"""The warehouse: everything of a run at once, or nothing of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tallymark.engine.base import parquet_files
from tallymark.engine.digest import file_digest
from tallymark.engine.duckdb import DuckEngine, spare
from tallymark.engine.snapshot import snapshot
from tallymark.engine.warehouse import (
    CATALOG,
    Publication,
    Warehouse,
    write_atomically,
)
from tallymark.errors import InputError, ModelError, WarehouseBusyError, WarehouseError


def _data(warehouse: Warehouse, table: str, values: Sequence[int]) -> Path:
    """A Parquet file of one column, kept in the warehouse."""
    engine = DuckEngine(threads=1)
    aside = warehouse.scratch / "made.parquet"
    engine.values("made", {"a": ("bigint", list(values))})
    engine.write("select * from made", aside)
    engine.close()
    return warehouse.keep(table, aside)


def _publish(warehouse: Warehouse, *values: int, generations: int = 3) -> Path:
    with warehouse.hold("build"):
        path = _data(warehouse, "numbers", values)
        warehouse.publish(
            Publication(
                files={"numbers": [path]},
                views={
                    "large": "select a from numbers where a > 1",
                    "direct": f"select * from {parquet_files([path.resolve()])}",
                },
                tables={"ledger_x": {"k": ("varchar", ["é'"]), "n": ("decimal(18, 4)", ["1.5"])}},
                meta={"state": f"s{values}"},
            ),
            generations=generations,
        )
    return path


def _read(warehouse: Warehouse, sql: str = "select a from numbers order by a") -> list[Any]:
    engine = warehouse.open(threads=1)
    try:
        return [row[0] for row in engine.rows(sql)]
    finally:
        engine.close()


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """A warehouse that is not there yet."""
    return Warehouse(tmp_path / "it's a shop" / "warehouse")


def test_what_is_published_can_be_read(warehouse: Warehouse) -> None:
    """Files, views, tables and facts of a publication, through our reader."""
    _publish(warehouse, 1, 2, 3)
    assert _read(warehouse) == [1, 2, 3]
    assert _read(warehouse, "select a from large order by a") == [2, 3]
    assert _read(warehouse, "select k from ledger_x") == ["é'"]
    assert warehouse.meta() == {"format": "2", "state": "s(1, 2, 3)"}


def test_other_tools_read_the_catalog_itself(warehouse: Warehouse) -> None:
    """The catalog is a database of its own: its views name absolute paths."""
    _publish(warehouse, 1, 2)
    connection = duckdb.connect(str(warehouse.catalog), read_only=True)
    assert connection.execute("select count(*) from numbers").fetchall() == [(2,)]
    connection.close()


def test_a_warehouse_can_be_moved(warehouse: Warehouse, tmp_path: Path) -> None:
    """Our reader finds files, and views that name them, where the folder is now."""
    _publish(warehouse, 1, 2)
    moved = tmp_path / "elsewhere 'too'"
    shutil.move(warehouse.root, moved)
    assert _read(Warehouse(moved)) == [1, 2]
    assert _read(Warehouse(moved), "select a from direct order by a") == [1, 2]


def test_nothing_there(warehouse: Warehouse) -> None:
    """A folder without a warehouse is one sentence with the command that makes one."""
    with pytest.raises(WarehouseError, match="no warehouse here") as caught:
        warehouse.open()
    assert "tallymark build" in caught.value.fix
    assert warehouse.meta() == {}
    assert warehouse.deliveries() == []


def _foreign(path: Path) -> None:
    duckdb.connect(str(path)).close()


def _newer(path: Path) -> None:
    connection = duckdb.connect(str(path))
    connection.execute("create table _meta as select 'format' as key, '99' as value")
    connection.close()


@pytest.mark.parametrize("kind", ["garbage", "empty", "foreign", "newer", "cut"])
def test_a_catalog_that_is_none(warehouse: Warehouse, kind: str) -> None:
    """Garbage, another database, another version: a sentence naming the file, no traceback."""
    _publish(warehouse, 1)
    raw = warehouse.catalog.read_bytes()
    warehouse.catalog.unlink()
    if kind == "foreign":
        _foreign(warehouse.catalog)
    elif kind == "newer":
        _newer(warehouse.catalog)
    else:
        cut = {"garbage": b"garbage" * 1000, "empty": b"", "cut": raw[: len(raw) // 2]}
        warehouse.catalog.write_bytes(cut[kind])
    with pytest.raises(WarehouseError) as caught:
        warehouse.open()
    assert str(warehouse.catalog) in str(caught.value)
    assert caught.value.fix
    if kind != "newer":
        with pytest.raises(WarehouseError):
            warehouse.meta()


def test_data_files_that_are_gone(warehouse: Warehouse) -> None:
    """A catalog whose files were removed says how many and which."""
    _publish(warehouse, 1).unlink()
    with pytest.raises(WarehouseError, match="1 data files"):
        warehouse.open()


# ---------------------------------------------------------------- publishing


def test_a_reader_keeps_what_it_opened(warehouse: Warehouse) -> None:
    """While a new state is published, an open reader sees the old one wholly."""
    _publish(warehouse, 1)
    engine = warehouse.open(threads=1)
    _publish(warehouse, 2)
    assert engine.rows("select a from numbers") == [(1,)]
    engine.close()
    assert _read(warehouse) == [2]


def test_a_run_killed_before_the_rename_changed_nothing(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a run did before its last step, readers see the last good state."""
    _publish(warehouse, 1)
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if target == warehouse.catalog:
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            _publish(warehouse, 2)
    assert _read(warehouse) == [1]
    assert not warehouse.scratch.exists()
    _publish(warehouse, 3)
    assert _read(warehouse) == [3]


def test_leftovers_of_a_killed_run_are_worthless(warehouse: Warehouse) -> None:
    """Scratch files, and a copy of a catalog that was cut off, do not disturb the next run."""
    _publish(warehouse, 1)
    warehouse.scratch.mkdir()
    (warehouse.scratch / "half.parquet").write_bytes(b"PAR1")
    (warehouse.root / "catalogs" / "000002.duckdb").write_bytes(b"half a catalog")
    (warehouse.root / "catalogs" / "notes.duckdb").write_bytes(b"somebody's own")
    assert _read(warehouse) == [1]
    _publish(warehouse, 2)
    _publish(warehouse, 3)
    assert _read(warehouse) == [3]
    assert (warehouse.root / "catalogs" / "notes.duckdb").is_file()


def test_an_unreadable_generation_costs_no_data(warehouse: Warehouse) -> None:
    """While it is unknown what a generation needs nothing is removed; it ages out by itself."""
    first = _publish(warehouse, 1, generations=2)
    (warehouse.root / "catalogs" / "000001.duckdb").write_bytes(b"locked or damaged")
    _publish(warehouse, 2, generations=2)
    assert first.is_file()
    _publish(warehouse, 3, generations=2)
    assert not first.exists()


def test_generations_are_kept_and_orphans_go(warehouse: Warehouse) -> None:
    """The last catalogs stay with their files, as the rollback; older files are removed."""
    paths = [_publish(warehouse, number, generations=2) for number in (1, 2, 3)]
    assert [path.is_file() for path in paths] == [False, True, True]
    kept = sorted((warehouse.root / "catalogs").glob("*.duckdb"))
    assert [path.name for path in kept] == ["000002.duckdb", "000003.duckdb"]
    shutil.copyfile(kept[0], warehouse.catalog)
    assert _read(warehouse) == [2]


def test_files_of_the_ledger_are_no_orphans(warehouse: Warehouse) -> None:
    """What a delivery landed as stays, although no catalog names it yet."""
    with warehouse.hold("check"):
        landed = _data(warehouse, "landed", [7])
        orphan = _data(warehouse, "landed", [8])
        file = landed.relative_to(warehouse.root).as_posix()
        warehouse.record({"delivery": "a.csv", "date": None, "file": file})
        warehouse.record({"delivery": "b.csv", "date": None, "file": None})
    _publish(warehouse, 1)
    assert landed.is_file()
    assert not orphan.exists()


def test_equal_content_is_one_file(warehouse: Warehouse) -> None:
    """A file is named by its content: publishing the same again adds nothing."""
    assert _publish(warehouse, 1, 2) == _publish(warehouse, 1, 2)
    assert len(list(warehouse.data.rglob("*.parquet"))) == 1


# ---------------------------------------------------------------- holding

HOLDER = """
import sys, time
from pathlib import Path
from tallymark.engine.warehouse import Warehouse
with Warehouse(Path(sys.argv[1])).hold("run"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_second_process_is_told_who_holds_it(warehouse: Warehouse) -> None:
    """One writer at a time; the other learns command, process and since when, and may read on."""
    _publish(warehouse, 1)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(warehouse.root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(WarehouseBusyError) as caught, warehouse.hold("build"):
            pass
        assert f"`tallymark run`, process {other.pid}" in str(caught.value)
        assert _read(warehouse) == [1]
        other.stdin.write("\n")
        other.stdin.close()
    _publish(warehouse, 2)
    assert _read(warehouse) == [2]


def test_a_killed_holder_lets_go(warehouse: Warehouse) -> None:
    """The lock dies with its process; its leftover note does not keep anybody out."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(warehouse.root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()
        other.kill()
    with warehouse.hold("build"):
        assert warehouse.scratch.is_dir()
    assert not (warehouse.root / ".lock.holder").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Where the folder cannot be made, that is said."""
    (tmp_path / "warehouse").write_text("a file")
    held = Warehouse(tmp_path / "warehouse").hold("build")
    with pytest.raises(WarehouseError, match="cannot be written"), held:
        pass


# ---------------------------------------------------------------- ledger, exports, snapshots


def test_the_ledger(warehouse: Warehouse) -> None:
    """A new judgement replaces the old one; entries come by date and key; days apart."""
    for date, key in (("2031-05-06", "b"), ("2031-05-05", "z"), ("2031-05-05", "a"), (None, "n")):
        warehouse.record({"delivery": key, "date": date, "file": None, "n": 1})
    warehouse.record({"delivery": "a", "date": "2031-05-05", "file": None, "n": 2})
    found = [(one["delivery"], one["n"]) for one in warehouse.deliveries()]
    assert found == [("n", 1), ("a", 2), ("z", 1), ("b", 1)]
    warehouse.record_judgement("2031-05-05", '{"status": "RED"}')
    warehouse.record_judgement("state", "{}")
    assert warehouse.judged_days() == ["2031-05-05"]
    assert warehouse.judgement("2031-05-05") == {"status": "RED"}
    assert warehouse.judgement("2031-05-06") is None


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"a": 1}'])
def test_a_broken_ledger_entry(warehouse: Warehouse, text: str) -> None:
    """An entry that is no JSON, or of nothing, is named, with the remedy."""
    warehouse.record({"delivery": "a", "date": None, "file": None})
    (path,) = (warehouse.root / "ledger" / "deliveries").glob("*.json")
    path.write_text(text)
    with pytest.raises(WarehouseError, match="ledger entry"):
        warehouse.deliveries()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_folder_of_exports_alone(tmp_path: Path, ending: str) -> None:
    """Exported tables without a catalog can be read."""
    engine = DuckEngine(threads=1)
    engine.write("select 1 as orders", tmp_path / f"fct_sessions.{ending}", f"format {ending}")
    engine.close()
    assert _read(Warehouse(tmp_path), "select orders from fct_sessions") == [1]


def test_a_snapshot_is_reused(warehouse: Warehouse, tmp_path: Path) -> None:
    """The folder is named by the last event of the day; a rerun writes the same one again."""
    _publish(warehouse, 1)
    (warehouse.root / "fct_sessions.csv").write_text("a\n1\n")
    engine = DuckEngine(threads=1)
    engine.execute(
        "create table landed as select timestamp '2031-05-05 21:30:00' as event_time, "
        "date '2031-05-05' as event_date, 0 as rejected union all "
        "select timestamp '2031-05-05 23:00:00', date '2031-05-05', 2"
    )
    for _ in range(2):
        place = snapshot(engine, warehouse, tmp_path / "quarantine", "2031-05-05", "{}")
    engine.close()
    assert place.name == "warehouse_quarantine_20310505T213000"
    assert len(list((tmp_path / "quarantine").iterdir())) == 1
    names = sorted(path.name for path in place.iterdir())
    assert names == ["fct_sessions.csv", "monitoring_report.json", CATALOG]
    _publish(warehouse, 2)
    connection = duckdb.connect(str(place / CATALOG), read_only=True)
    assert connection.execute("select value from _meta where key = 'state'").fetchall() == [
        ("s(1,)",)
    ]
    connection.close()


def test_a_snapshot_of_a_day_without_events(warehouse: Warehouse, tmp_path: Path) -> None:
    """A missing day has no last event: the folder is named by its beginning."""
    engine = DuckEngine(threads=1)
    engine.execute("create table landed (event_time timestamp, event_date date, rejected int)")
    place = snapshot(engine, warehouse, tmp_path, "2031-05-05", "{}")
    engine.close()
    assert place.name == "warehouse_quarantine_20310505T000000"


def test_many_threads_write_one_file(tmp_path: Path) -> None:
    """None of them takes away what another one is writing."""
    path = tmp_path / "a.txt"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: write_atomically(path, "x" * 10_000), range(400)))
    assert path.read_text() == "x" * 10_000
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_writing_atomically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old content or new, never a part, and nothing left beside it."""
    path = tmp_path / "deep" / "a.txt"
    write_atomically(path, "é")
    assert path.read_bytes() == "é".encode()
    write_atomically(path, b"\xff")
    assert path.read_bytes() == b"\xff"

    def killed(_self: Path, _target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_atomically(path, "new")
    assert path.read_bytes() == b"\xff"
    assert [one.name for one in path.parent.iterdir()] == ["a.txt"]


def test_digests(tmp_path: Path) -> None:
    """The BLAKE3 hash of the bytes; this one is the test vector of its authors."""
    (tmp_path / "a").write_bytes(b"")
    assert file_digest(tmp_path / "a").startswith("af1349b9f5f9a1a6")


# ---------------------------------------------------------------- the embedded engine


def test_settings_hold_for_cursors_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zone is UTC in every connection, whatever the machine's is."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    engine = DuckEngine(threads=1)
    sql = "select cast(timestamptz '2031-05-05 10:00:00' as varchar)"
    assert engine.cursor().rows(sql) == engine.rows(sql) == [("2031-05-05 10:00:00+00",)]
    assert engine.cursor().rows("select * from (values (1), (null)) as t(a) order by a") == [
        (None,), (1,),
    ]  # fmt: skip
    engine.close()


def test_a_spare_connection_is_used_again(tmp_path: Path) -> None:
    """One at a time from many threads; after an error it is thrown away."""
    for number in range(3):
        with spare(tmp_path / f"{number}.duckdb", write="") as connection:
            connection.execute(f"create table cat.t as select {number} as a")

    def read(number: int) -> int:
        with spare(tmp_path / f"{number % 3}.duckdb") as connection:
            return int(connection.execute("select a from cat.t").fetchall()[0][0])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(60))) == [number % 3 for number in range(60)]
    with pytest.raises(duckdb.Error), spare(tmp_path / "0.duckdb") as broken:
        broken.execute("select nothing")
    with pytest.raises(duckdb.Error), spare(tmp_path / "none.duckdb"):
        pass
    assert read(1) == 1


@pytest.mark.parametrize(("threads", "most"), [(1, 1_000_000_000), (4, 2_000_000_000)])
def test_an_engine_is_modest(threads: int, most: int) -> None:
    """Half a gigabyte a thread, at least one; what is asked for is taken."""
    asked = "select parse_formatted_bytes(current_setting('memory_limit'))"
    engine = DuckEngine(threads=threads)
    found = engine.rows(asked)[0][0]
    assert 0.9 * min(most, _machine()) <= found <= most
    engine.close()
    engine = DuckEngine(threads=threads, memory_limit="300MB")
    assert engine.rows(asked)[0][0] <= 300_000_000
    engine.close()


def test_what_spills_is_private_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to the working folder, nobody else can read it, nothing is left."""
    monkeypatch.chdir(tmp_path)
    engine = DuckEngine(threads=1, memory_limit="60MB")
    folder = Path(engine.rows("select current_setting('temp_directory')")[0][0])
    assert folder.stat().st_mode & 0o077 == 0
    engine.execute("create table a as select md5(range::varchar) as b from range(2_000_000)")
    assert list(folder.iterdir())
    engine.close()
    assert not folder.exists()
    assert not list(tmp_path.iterdir())


def _machine() -> int:
    """What DuckDB would take by itself."""
    connection = duckdb.connect(":memory:")
    found = connection.execute(
        "select parse_formatted_bytes(current_setting('memory_limit'))"
    ).fetchone()
    connection.close()
    assert found is not None
    return int(found[0])


def test_too_little_memory_is_said(tmp_path: Path) -> None:
    """The limit is named with the key that raises it; the words in other errors mean nothing."""
    engine = DuckEngine(memory_limit="20MB", threads=1)
    engine.execute("set max_temp_directory_size = '1MB'")
    with pytest.raises(InputError, match="memory limit") as caught:
        engine.rows("select list(range) from range(20000000)")
    assert "engine.memory_limit" in caught.value.fix
    engine.close()
    other = DuckEngine(threads=1, spill=tmp_path)
    with pytest.raises(duckdb.Error, match="out of memory"):
        other.rows("select cast('out of memory' as integer)")
    other.close()


def test_values_are_bound() -> None:
    """Names and values from outside are quoted and bound, never spelled out."""
    engine = DuckEngine(threads=1)
    name = 'x"; drop table y; --'
    engine.values(
        name, {'a"b': ("varchar", ["'); drop table y; --", None, "é"]), "n": ("bigint", [1, 2, 3])}
    )
    assert engine.columns(name) == [('a"b', "VARCHAR"), ("n", "BIGINT")]
    assert len(engine.rows('select * from "x""; drop table y; --"')) == 3
    with pytest.raises(ModelError, match="needs a column"):
        engine.values("empty", {})
    engine.close()


def test_nothing_is_downloaded() -> None:
    """Extensions are neither installed nor loaded from anywhere by themselves."""
    engine = DuckEngine(threads=1)
    for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
        assert engine.rows(f"select cast(current_setting('{setting}') as varchar)") == [("false",)]
    engine.close()
    assert os.environ.get("TALLYMARK_MEMORY_LIMIT") is None
