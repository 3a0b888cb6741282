from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.calling import HEADER, Said, call, contents, delivery

GOOD = "events_20310505.csv"
BAD = "events_20310506"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A folder with one sound delivery of twelve rows."""
    delivery(tmp_path / "raw" / GOOD)
    return tmp_path / "raw"


def verdicts(output: Path) -> dict[str, tuple[str, int, int, list[str]]]:
    """Verdict, accepted and quarantined rows, and findings of each delivery, from the report."""
    report = json.loads((output / "reports" / "dq_report.json").read_text(encoding="utf-8"))
    return {
        one["delivery"]: (
            one["verdict"], one["rows_accepted"], one["rows_quarantined"],
            [finding["id"] for finding in one["findings"]],
        )
        for one in report["deliveries"]
    }  # fmt: skip


# ---------------------------------------------------------------- nothing to read


@pytest.mark.parametrize("command", ["check", "build", "run", "init"])
def test_a_folder_that_is_not_there(command: str, tmp_path: Path) -> None:
    """It is named, with what to give instead; nothing is written."""
    nowhere, output = tmp_path / "nowhere", tmp_path / "out"
    given = [output, "--from", nowhere] if command == "init" else ["--input", nowhere]
    said = call(command, *given, *([] if command == "init" else ["--output", output]))
    assert said.code == 2
    assert said.err == (
        f"tallymark: {nowhere}: no such file or folder\n"
        "  fix: give --input a folder, file or pattern\n"
    )
    assert not [path for path in output.rglob("*") if path.name.startswith(("dq_", "fct_"))]


def test_no_input_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --input and configuration the two places to name it are named."""
    monkeypatch.chdir(tmp_path)
    said = call("run")
    assert said.code == 2
    assert "--input" in said.err
    assert "tallymark.yml" in said.err


@pytest.mark.parametrize("pattern", ["raw", "raw/*", "raw/*.csv", "raw/**/*.parquet"])
def test_no_file_that_could_be_a_delivery(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there instead is named, and which endings deliveries have."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "readme.txt").write_text("hello", encoding="utf-8")
    said = call("check", "--input", pattern)
    assert said.code == 2
    assert f"{pattern}: no delivery found" in said.err
    assert ".csv, .csv.gz" in said.err
    assert not (tmp_path / "reports").exists()


# ---------------------------------------------------------------- files that are broken


def empty(folder: Path) -> Path:
    """A file of no bytes."""
    path = folder / f"{BAD}.csv"
    path.write_bytes(b"")
    return path


def header_only(folder: Path) -> Path:
    """A header and no row."""
    path = folder / f"{BAD}.csv"
    path.write_text(f"{HEADER}\n", encoding="utf-8")
    return path


def a_pdf(folder: Path) -> Path:
    """A PDF that calls itself CSV."""
    path = folder / f"{BAD}.csv"
    path.write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n")
    return path


def a_page(folder: Path) -> Path:
    """The page of an error that calls itself CSV."""
    path = folder / f"{BAD}.csv"
    path.write_text("<!DOCTYPE html><title>404</title>", encoding="utf-8")
    return path


def csv_as_parquet(folder: Path) -> Path:
    """A CSV file that calls itself Parquet."""
    return delivery(folder / f"{BAD}.parquet")


def csv_as_gzip(folder: Path) -> Path:
    """A CSV file that calls itself compressed."""
    return delivery(folder / f"{BAD}.csv.gz")


def csv_as_jsonl(folder: Path) -> Path:
    """A CSV file that calls itself JSON lines."""
    return delivery(folder / f"{BAD}.jsonl")


def _packed(folder: Path) -> bytes:
    plain = delivery(folder.parent / "plain.csv", rows=4000)
    return gzip.compress(plain.read_bytes(), mtime=0)


def gzip_cut_off(folder: Path) -> Path:
    """A compressed file of which the end is missing."""
    path = folder / f"{BAD}.csv.gz"
    packed = _packed(folder)
    path.write_bytes(packed[: len(packed) // 2])
    return path


def gzip_broken_at_the_start(folder: Path) -> Path:
    """A compressed file whose first block is damaged."""
    path = folder / f"{BAD}.csv.gz"
    packed = _packed(folder)
    path.write_bytes(packed[:12] + bytes(40) + packed[52:])
    return path


def utf16(folder: Path) -> Path:
    """A file in another encoding altogether."""
    path = delivery(folder / f"{BAD}.csv")
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    return path


BROKEN: list[tuple[Callable[[Path], Path], str, str]] = [
    (empty, "file_empty", "the file is empty (0 bytes)"),
    (header_only, "file_header_only", "a header and not a single row"),
    (a_pdf, "file_kind", "the name says CSV, but the content is a PDF"),
    (a_page, "file_kind", "the name says CSV, but it is HTML or XML"),
    (csv_as_parquet, "file_kind", "the name says PARQUET, but the content is plain text"),
    (csv_as_gzip, "file_kind", "the name says CSV in gzip, but the content is plain text"),
    (gzip_cut_off, "file_compression", "the gzip data ends early: the file was cut off"),
    (gzip_broken_at_the_start, "file_compression", "the gzip data is damaged"),
    (utf16, "file_encoding", "the text is UTF-16, not UTF-8"),
    (csv_as_jsonl, "file_kind", ""),
]
every_broken_file = pytest.mark.parametrize(
    ("make", "rule", "sentence"), BROKEN, ids=[make.__name__ for make, _, _ in BROKEN]
)


@every_broken_file
def test_check_says_what_is_wrong_with_a_file(
    make: Callable[[Path], Path], rule: str, sentence: str, raw: Path
) -> None:
    """A file that cannot be read is a finding with its name, and the others are judged."""
    bad = make(raw)
    said = call("check", "--input", raw, "--output", raw.parent / "reports")
    assert (said.code, said.err) == (1, "")
    words = " ".join(said.out.split())
    assert f"{bad.name}: " in words
    assert sentence in words
    found = verdicts(raw.parent)
    assert found[bad.name][:2] == ("STOP", 0)
    assert found[bad.name][3] == [rule]
    assert found[GOOD][:3] == ("PASS", 12, 0)


@pytest.mark.parametrize(
    ("make", "rule"), [(header_only, "file_header_only"), (gzip_cut_off, "file_compression")]
)
def test_a_run_goes_on_past_a_broken_file(
    make: Callable[[Path], Path], rule: str, raw: Path
) -> None:
    """The sound days before and after are built, the note is kept, and the run exits with 1.

    It is said, and fails, although the day after is as it should be, until the file comes again.
    """
    bad = make(raw)
    delivery(raw / "events_20310507.csv", "2031-05-07")
    before = contents(raw)
    output = raw.parent / "out"
    said = call("run", "--input", raw, "--output", output, "--skip", "report")
    assert (said.code, said.err) == (1, "")
    assert f" P0  {bad.name}: " in said.out
    assert contents(raw) == before
    with (output / "warehouse" / "fct_sessions.csv").open(encoding="utf-8", newline="") as stream:
        days = {row["session_date"] for row in csv.DictReader(stream)}
    assert days == {"2031-05-05", "2031-05-07"}
    notes = list((output / "quarantine" / "deliveries").glob("*.json"))
    note = json.loads(notes[0].read_text(encoding="utf-8"))
    assert (note["delivery"], note["findings"][0]["id"]) == (bad.name, rule)
    assert call("run", "--input", raw, "--output", output, "--skip", "report").code == 1
    bad.unlink()
    delivery(raw / f"{BAD}.csv", "2031-05-06")
    mended = call("run", "--input", raw, "--output", output, "--skip", "report")
    assert mended.code == 0, mended.out


def test_a_run_on_nothing_but_a_broken_file(tmp_path: Path) -> None:
    """Even then every report is written, and the reason is the first thing that is said."""
    (tmp_path / "raw").mkdir()
    empty(tmp_path / "raw")
    said = call("run", "--input", tmp_path / "raw", "--output", tmp_path / "out")
    assert said.code == 1
    assert "events_20310506.csv: the file is empty (0 bytes)" in said.out
    assert "0 rows in 1 delivery, 0 quarantined" in said.out
    assert (tmp_path / "out" / "reports" / "executive-summary.pdf").is_file()


def test_build_says_what_it_could_not_read(raw: Path) -> None:
    """A build ends well, and names the deliveries that are not in it."""
    empty(raw)
    said = call("build", "--input", raw, "--output", raw.parent / "warehouse")
    assert said.code == 0
    assert "Data quality: RED, see dq_report.md" in said.out
    assert f"Nothing could be read of {BAD}.csv." in said.out


def test_every_broken_file_of_many_is_counted(raw: Path) -> None:
    """Files that are broken in the same way share a line that says how many they are."""
    for day in range(6, 9):
        (raw / f"events_203105{day:02d}.csv").touch()
    said = call("check", "--input", raw, "--output", raw.parent / "reports")
    assert "events_20310506.csv: the file is empty (0 bytes)" in said.out
    assert "on 3 deliveries from 6 May on" in said.out


def test_the_terminal_says_what_each_wrong_file_is(tmp_path: Path) -> None:
    """One finding of several files is told once, and what else they are beside it."""
    for name, content in (
        ("events_20310505.csv", b"<html></html>"), ("events_20310506.csv", b'{"a": 1}'),
        ("events_20310507.csv", b"<html>"), ("events_20310508.parquet", b"a,b"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
    said = call("check", "--input", tmp_path, "--output", tmp_path / "reports")
    assert said.out.count("also: ") == 2
    assert "also: events_20310506.csv: the name says CSV, but it is JSON" in said.out
    assert "also: events_20310508.parquet" in said.out


def test_rows_in_another_encoding_are_kept_aside(raw: Path) -> None:
    """Rows that are not UTF-8 go to the quarantine with their bytes; the others stay."""
    path = raw / GOOD
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"page_viewed", "ausgewählt".encode("latin-1"))
    path.write_bytes(b"".join(lines))
    output = raw.parent / "out"
    said = call("run", "--input", raw, "--output", output, "--fail-on", "warn")
    assert said.code == 1
    assert verdicts(output)[GOOD] == ("QUARANTINE", 11, 1, ["broken_row:encoding"])
    kept = (output / "quarantine" / "rows" / f"{GOOD}.csv").read_bytes()
    assert b"not UTF-8" in kept
    assert "ausgewählt".encode("latin-1") in kept


# ---------------------------------------------------------------- names


def test_names_that_are_hard_to_say(tmp_path: Path) -> None:
    """Spaces, quotes, dashes, signs of patterns and markup in a name are parts of a name."""
    names = [
        "a b 'c' \"d\" 2031-05-05.csv",
        "-dash_20310506.csv",
        "{ü} [x] *?_20310507.csv",
        "sub [1]/;drop table_20310508.csv",
        "[red]_20310509.csv",
    ]
    raw, output = tmp_path / "in put", tmp_path / "out 'put'"
    for number, name in enumerate(names, start=5):
        delivery(raw / name, f"2031-05-{number:02d}")
    said = call("run", "--input", raw, "--output", output)
    assert (said.code, said.err) == (0, "")
    assert {name: found[:2] for name, found in verdicts(output).items()} == dict.fromkeys(
        names, ("PASS", 12)
    )
    listed = call("check", "--input", raw, "--output", output / "reports")
    assert "5 deliveries, 5 to 9 May" in listed.out
    again = call("run", "--input", raw, "--output", output)
    assert again.code == 0


@pytest.mark.parametrize("form", ["events_203105*.csv", "events_2031050[5-6].csv", "**/*.csv"])
def test_a_pattern_finds_what_it_matches(
    form: str, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patterns are matched by the program too, so that quoting them makes no difference."""
    delivery(raw / f"{BAD}.csv", "2031-05-06")
    (raw / "readme.txt").write_text("hello", encoding="utf-8")
    monkeypatch.chdir(raw)
    said = call("check", "--input", form, "--output", "../reports")
    assert said.code == 0
    assert sorted(verdicts(raw.parent)) == [GOOD, f"{BAD}.csv"]


def test_one_file_is_an_input(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may be given by itself, also when its name begins with a dash."""
    monkeypatch.chdir(raw)
    (raw / GOOD).rename(raw / "-x_20310505.csv")
    for given in (["--input=-x_20310505.csv"], ["--input", "-x_20310505.csv"]):
        assert call("check", *given, "--output", "../reports").code == 0
    assert sorted(verdicts(raw.parent)) == ["-x_20310505.csv"]


def test_a_terminal_is_not_commanded_by_a_file_name(raw: Path) -> None:
    """Control characters of a name never reach the terminal."""
    try:
        (raw / GOOD).rename(raw / "x\x1b[31m\x07_20310505.csv")
    except OSError:
        pytest.skip("the file system takes no such name")
    output = raw.parent / "out"
    for said in (
        call("run", "--input", raw, "--output", output),
        call("check", "--input", raw, "--output", output / "reports"),
        call("check", "--input", raw / "y\x1b[31m", "--output", output),
    ):
        assert "\x1b" not in said.out + said.err
        assert "\x07" not in said.out + said.err


# ---------------------------------------------------------------- places to write to


def _blocked(command: str, raw: Path, ran: Path, target: Path) -> Said:
    given = {
        "check": ["--input", raw, "--output"],
        "build": ["--input", raw, "--output"],
        "run": ["--input", raw, "--output"],
        "monitor": ["--warehouse", ran / "warehouse", "--output"],
        "report": ["--warehouse", ran / "warehouse", "--output"],
        "init": ["--from", raw],
        "demo make": ["--days", 1],
    }[command]
    return call(*command.split(), *given, target)


@pytest.mark.parametrize(
    "command", ["check", "build", "run", "monitor", "report", "init", "demo make"]
)
@pytest.mark.parametrize("inside", [False, True], ids=["a-file", "inside-a-file"])
def test_an_output_that_cannot_be_a_folder(
    command: str, raw: Path, ran: Path, *, inside: bool
) -> None:
    """A file in the place of the output folder is named, and stays what it was."""
    file = raw.parent / "occupied"
    file.write_text("mine", encoding="utf-8")
    said = _blocked(command, raw, ran, file / "inside" if inside else file)
    assert said.code == 2
    assert str(file) in said.err
    assert file.read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
@pytest.mark.parametrize("command", ["check", "build", "run", "monitor", "report", "init"])
def test_an_output_without_permission(command: str, raw: Path, ran: Path) -> None:
    """A folder that may not be written is named."""
    locked = raw.parent / "locked"
    locked.mkdir(mode=0o500)
    said = _blocked(command, raw, ran, locked / "out")
    assert said.code == 2
    assert str(locked) in said.err
    assert "ermission" in said.err


def test_a_mistake_in_the_monitor_rules_is_told_before_anything_is_published(
    raw: Path, tmp_path: Path
) -> None:
    """A run that cannot judge its days does not build them first."""
    home = tmp_path / "home"
    assert call("init", home, "--from", raw / "*.csv").code == 0
    rules = home / "rules" / "monitor.yml"
    text = rules.read_text(encoding="utf-8")
    assert "layer: health" in text
    rules.write_text(text.replace("layer: health", "layer: helth", 1), encoding="utf-8")
    said = call("run", "--project", home)
    assert said.code == 2
    assert "monitor.yml" in said.err
    assert not (home / "warehouse" / "tallymark.duckdb").exists()
