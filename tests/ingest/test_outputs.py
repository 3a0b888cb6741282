"""What Tallymark wrote is no delivery, wherever it lies; what only looks like it is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tallymark.errors import UsageError
from tallymark.ingest.deliveries import find_deliveries

PART = "0123456789abcdef0123.parquet"
NOTE = json.dumps({"delivery": "2031-05-05.csv", "version": "ab"})


def _write(root: Path, *names: str, text: str = "a\n1\n") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(NOTE if name.endswith(".json") else text, encoding="utf-8")


def _warehouse(root: Path) -> None:
    _write(root, "tallymark.duckdb", "fct_orders.csv", f"data/landed/{PART}", "ledger/days/x.json")


def _quarantine(root: Path) -> None:
    _write(root, "rows/2031-05-05.csv.csv", "rows/2031-05-05.csv.json", "files/ab12.csv")


def _reports(root: Path) -> None:
    _write(root, "dq_report.csv", "dq_report.json", "dq_report.md", "monitoring_report.json")


def _found(source: object, own: tuple[Path, ...] = ()) -> tuple[list[str], list[str]]:
    """The keys of the deliveries, and what was said."""
    said: list[str] = []
    return [one.key for one in find_deliveries(str(source), own=own, say=said.append)], said


def test_where_a_run_writes_nothing_is_delivered(tmp_path: Path) -> None:
    """Its own folders are left out without a word, whatever they are called."""
    _write(tmp_path, "2031-05-05.csv", "deep/2031-05-06.csv")
    _warehouse(tmp_path / "w")
    _reports(tmp_path / "r")
    _quarantine(tmp_path / "q")
    own = tmp_path / "w", tmp_path / "r", tmp_path / "q", tmp_path / "not there yet"
    assert _found(tmp_path, own) == (["2031-05-05.csv", "deep/2031-05-06.csv"], [])
    assert _found(f"{tmp_path}/**/*.csv", own) == (["2031-05-05.csv", "deep/2031-05-06.csv"], [])


def test_a_link_to_where_a_run_writes(tmp_path: Path) -> None:
    """A folder is known by itself, not by the path that leads to it."""
    _write(tmp_path, "real/2031-05-05.csv", "real/out/2031-05-06.csv")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    keys, _ = _found(tmp_path / "link", (tmp_path / "real" / "out",))
    assert keys == ["2031-05-05.csv"]


def test_what_another_run_wrote_is_left_out_and_said(tmp_path: Path) -> None:
    """A warehouse and a quarantine are told by what they hold; each is said once."""
    _write(tmp_path, "2031-05-05.csv")
    _warehouse(tmp_path / "old/warehouse")
    _reports(tmp_path / "old/reports")
    _quarantine(tmp_path / "old/quarantine")
    keys, said = _found(tmp_path)
    assert keys == ["2031-05-05.csv"]
    assert len(said) == 2
    assert "warehouse of Tallymark" in " ".join(said)
    assert "quarantine of Tallymark" in " ".join(said)


def test_a_warehouse_that_was_never_built(tmp_path: Path) -> None:
    """The gate alone lands rows and keeps verdicts, and writes no catalog."""
    _write(tmp_path, "2031-05-05.csv", f"w/data/landed/{PART}", "w/ledger/deliveries/ab.json")
    keys, said = _found(tmp_path)
    assert keys == ["2031-05-05.csv"]
    assert len(said) == 1


def test_a_folder_that_is_only_called_so_is_read(tmp_path: Path) -> None:
    """Deliveries may lie in folders called reports, warehouse or quarantine."""
    names = [
        "ledger/2031-05-05.csv", "quarantine/files/2031-05-06.csv", "reports/dq_report.csv",
        "reports/2031-05-07.csv", "rows/2031-05-08.csv", "warehouse/data/2031-05-09.csv",
        "warehouse/fct_orders.csv",
    ]  # fmt: skip
    _write(tmp_path, *names)
    keys, said = _found(tmp_path)
    assert sorted(keys) == sorted(names)
    assert said == []


def test_deliveries_beside_what_a_run_wrote(tmp_path: Path) -> None:
    """The input may lie where a run writes: only what it wrote is left out then."""
    _write(tmp_path, "raw/2031-05-05.csv", "data/2031-05-06.csv", "2031-05-07.csv")
    _warehouse(tmp_path)
    _reports(tmp_path)
    keys, said = _found(tmp_path, (tmp_path,))
    assert sorted(keys) == ["2031-05-07.csv", "data/2031-05-06.csv", "raw/2031-05-05.csv"]
    assert said == []
    assert _found(tmp_path / "data", (tmp_path,))[0] == ["2031-05-06.csv"]


def test_more_than_was_written_is_never_left_out_silently(tmp_path: Path) -> None:
    """Files of somebody else in a folder that a run writes to are named."""
    _write(tmp_path, "2031-05-05.csv", "out/2031-05-06.csv")
    _reports(tmp_path / "out")
    keys, said = _found(tmp_path, (tmp_path / "out",))
    assert keys == ["2031-05-05.csv"]
    assert len(said) == 1
    assert "2031-05-06.csv" in said[0]
    assert "dq_report" not in said[0]


@pytest.mark.parametrize("source", ["w", "w/data", "w/data/landed", "r", "r/*.csv", "*/*.csv"])
def test_nothing_but_what_was_written(source: str, tmp_path: Path) -> None:
    """An input of outputs alone is a mistake that is said, not an empty shop."""
    _warehouse(tmp_path / "w")
    _reports(tmp_path / "r")
    with pytest.raises(UsageError, match="written by Tallymark itself") as caught:
        _found(tmp_path / source, (tmp_path / "w", tmp_path / "r"))
    assert "--input" in caught.value.fix


@pytest.mark.parametrize("source", ["q", "q/files", "q/files/*.csv"])
def test_the_quarantine_of_the_run_is_no_input(source: str, tmp_path: Path) -> None:
    """What was kept out comes back by a release, not as a delivery."""
    _quarantine(tmp_path / "q")
    with pytest.raises(UsageError, match="quarantine"):
        _found(tmp_path / source, (tmp_path / "q",))


def test_a_file_that_is_named_is_read(tmp_path: Path) -> None:
    """Whoever names one file means it, wherever it lies."""
    _quarantine(tmp_path / "q")
    assert _found(tmp_path / "q/files/ab12.csv", (tmp_path / "q",)) == (["ab12.csv"], [])
