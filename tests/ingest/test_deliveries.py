"""Which files are deliveries, what they are called, and of which day they are."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from tallymark.errors import InputError
from tallymark.ingest.deliveries import date_in_name, find_deliveries


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def _keys(source: str | Path) -> list[str]:
    return [one.key for one in find_deliveries(source)]


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("events_20310505.csv", dt.date(2031, 5, 5)),
        ("2031-05-05.csv", dt.date(2031, 5, 5)),
        ("2031_05_05.csv.gz", dt.date(2031, 5, 5)),
        ("date=2031-05-05/part-0.parquet", dt.date(2031, 5, 5)),
        ("2031/05/05/part.csv", dt.date(2031, 5, 5)),
        ("export-2031-01-01/2031-05-05.csv", dt.date(2031, 5, 5)),
        ("20310505T093000Z.csv", dt.date(2031, 5, 5)),
        ("20310505093000.csv", dt.date(2031, 5, 5)),
        ("20310231.csv", None),
        ("00000101.csv", None),
        ("order-1203105055.csv", None),
        ("events.csv", None),
    ],
)
def test_dates_in_names(name: str, day: dt.date | None) -> None:
    """The last valid date of a path is its day; numbers that are no date are none."""
    assert date_in_name(name) == day


def test_a_folder_is_searched_wholly(tmp_path: Path) -> None:
    """All endings count at any depth, oldest first, undated last; keys are relative paths."""
    _touch(
        tmp_path, "b/2031-05-06.csv", "2031-05-05.CSV.GZ", "notes.txt", "late.jsonl",
        "a/2031-05-04.parquet", "2031-05-07.ndjson", "x.csv.zst",
    )  # fmt: skip
    assert _keys(tmp_path) == [
        "a/2031-05-04.parquet", "2031-05-05.CSV.GZ", "b/2031-05-06.csv", "2031-05-07.ndjson",
        "late.jsonl", "x.csv.zst",
    ]  # fmt: skip
    formats = {one.key: (one.format, one.compression) for one in find_deliveries(tmp_path)}
    assert formats["2031-05-05.CSV.GZ"] == ("csv", "gzip")
    assert formats["x.csv.zst"] == ("csv", "zstd")
    assert formats["2031-05-07.ndjson"] == ("jsonl", None)


def test_hidden_files_are_no_deliveries(tmp_path: Path) -> None:
    """What starts with a dot or an underscore is unfinished or private, folders too."""
    _touch(tmp_path, "2031-05-05.csv", ".2031-05-06.csv", "_tmp/2031-05-07.csv", ".git/x.csv")
    assert _keys(tmp_path) == ["2031-05-05.csv"]


def test_a_hidden_folder_above_the_root_does_not_matter(tmp_path: Path) -> None:
    """Only the part of the path below the input root is looked at."""
    _touch(tmp_path, ".cache/raw/2031-05-05.csv")
    assert _keys(tmp_path / ".cache" / "raw") == ["2031-05-05.csv"]


def test_a_single_file(tmp_path: Path) -> None:
    """A file given by name has the key that it has in its folder."""
    _touch(tmp_path, "2031-05-05.csv", "2031-05-06.csv")
    assert _keys(tmp_path / "2031-05-05.csv") == ["2031-05-05.csv"]


def test_a_pattern(tmp_path: Path) -> None:
    """A pattern picks files; keys start where the pattern does, as with the folder."""
    _touch(tmp_path, "raw/2031-05-05.csv", "raw/2031-06-05.csv", "raw/old/2031-05-01.csv")
    assert _keys(f"{tmp_path}/raw/2031-05*.csv") == ["2031-05-05.csv"]
    assert _keys(f"{tmp_path}/raw/**/*.csv")[0] == "old/2031-05-01.csv"


def test_a_pattern_of_folders(tmp_path: Path) -> None:
    """A pattern that picks folders takes the files in them."""
    _touch(tmp_path, "raw/2031-05-05/a.csv", "raw/2031-06-05/b.csv")
    assert _keys(f"{tmp_path}/raw/2031-05-*") == ["2031-05-05/a.csv"]


def test_a_folder_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    """What exists is taken by its name, brackets and all."""
    _touch(tmp_path, "raw [copy]/2031-05-05.csv")
    assert _keys(tmp_path / "raw [copy]") == ["2031-05-05.csv"]


def test_a_missing_folder(tmp_path: Path) -> None:
    """The sentence names the folder and what to give."""
    with pytest.raises(InputError, match="no such file or folder") as caught:
        find_deliveries(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(caught.value)


@pytest.mark.parametrize("source", ["", "/*.csv"])
def test_nothing_that_can_be_a_delivery(tmp_path: Path, source: str) -> None:
    """The sentence tells what was seen and which endings would do."""
    _touch(tmp_path, "readme.txt")
    with pytest.raises(InputError, match="no delivery found") as caught:
        find_deliveries(f"{tmp_path}{source}")
    assert ".csv.gz" in caught.value.fix


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    """A file name that is not UTF-8 is refused with a sentence, not a traceback."""
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")).write_text("x")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    with pytest.raises(InputError, match="UTF-8"):
        find_deliveries(tmp_path)
