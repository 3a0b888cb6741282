"""A full disk is said as such, with the folder, wherever it shows; nothing is taken for damage."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tallymark.build.blame import blaming
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.room import disk_full, no_room
from tallymark.engine.warehouse import write_atomically
from tallymark.errors import DiskFullError
from tests.cli.calling import call, delivery

FULL = OSError(errno.ENOSPC, "No space left on device")
SAID = (
    'IO Error: Async write failed: {"exception_type":"IO","exception_message":"Could not write '
    'file \\"%s\\": No space left on device","errno":"28"}'
)


class _Full:
    """A connection to a database on a full disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def execute(self, *_given: Any) -> None:
        raise duckdb.IOException(SAID % self.path)


def test_a_full_disk_is_told_from_other_errors() -> None:
    """By its number, or by what DuckDB says; a file that cannot be read is something else."""
    assert no_room(FULL)
    assert no_room(OSError(errno.EDQUOT, "quota"))
    assert no_room(duckdb.IOException(SAID % "x"))
    assert not no_room(PermissionError(errno.EACCES, "no"))
    assert not no_room(duckdb.IOException('IO Error: No files found that match "x"'))
    assert not no_room(duckdb.BinderException("No space left on device"))


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (duckdb.IOException(SAID % "out/warehouse/.scratch/x.parquet"), "out/warehouse"),
        (duckdb.IOException('Could not write file "out/w/x.parquet": No space left'), "out/w"),
        (OSError(errno.ENOSPC, "full", "out/reports/dq_report.md"), "out/reports"),
        (OSError(errno.ENOSPC, "full", "in/a.csv", None, "out/quarantine/a.csv"),
         "out/quarantine"),
    ],
)  # fmt: skip
def test_the_folder_is_named(error: Exception, named: str) -> None:
    """The one that was written to, not the one for unfinished work inside it."""
    told = disk_full(error)
    assert told.where == named
    assert "--output" in told.fix


def test_where_nothing_is_named_it_is_a_folder_that_is_there(tmp_path: Path) -> None:
    """Of a write to an open file the system names nothing."""
    assert disk_full(FULL, tmp_path / "not there", tmp_path).where == str(tmp_path)


def test_a_model_is_not_blamed(tmp_path: Path) -> None:
    """SQL that ran out of room is not wrong."""
    engine = DuckEngine(connection=_Full(tmp_path / "x.parquet"))  # type: ignore[arg-type]
    with pytest.raises(DiskFullError) as caught, blaming("metrics_hourly.sql"):
        engine.write("select 1", tmp_path / "x.parquet")
    assert caught.value.where == str(tmp_path)


def test_a_file_that_could_not_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old content stays, and no piece of the new."""
    path = tmp_path / "report.md"
    path.write_text("old", encoding="utf-8")

    def full(_path: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space") as caught:
        write_atomically(path, "new")
    assert disk_full(caught.value).where == str(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["report.md"]
    assert path.read_text(encoding="utf-8") == "old"


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_given: Any, **_more: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("tallymark.check.gate.land", FULL),
        ("tallymark.ingest.landing.rewrite", FULL),
        ("tallymark.check.quarantined.quarantine.Quarantine.keep_rows", FULL),
        ("tallymark.check.reports.report.write_reports", FULL),
        ("tallymark.build.builder.Builder.build", duckdb.IOException(SAID % "w/.scratch/x")),
        ("tallymark.engine.warehouse.Warehouse.publish", FULL),
    ],
)
def test_a_run_on_a_full_disk(
    place: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, a sentence about the disk, no verdict about the delivery; then all is made."""
    path = delivery(tmp_path / "raw" / "2031-05-05.csv")
    path.write_bytes(path.read_bytes() + b"no row\n")
    words = ("run", "--input", tmp_path / "raw", "--output", tmp_path / "out", "--skip", "report",
             "--fail-on", "never")  # fmt: skip
    with monkeypatch.context() as patch:
        if isinstance(error, duckdb.Error):
            error = disk_full(error)
        patch.setattr(place, _raising(error))
        said = call(*words)
    assert said.code == 2
    assert "no room left on this disk" in said.err
    assert "permissions" not in said.err
    again = call(*words, "--json")
    assert again.code == 0
    (report,) = again.data["check"]["deliveries"]
    assert (report["rows_accepted"], report["rows_quarantined"]) == (12, 1)
