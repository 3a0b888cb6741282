"""With `publish: withhold`, readers keep the last good tables while a day is RED."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from tallymark.demo.shop import make_shop
from tests.cli.calling import Said, call, contents

LAST = "2026-01-09"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five days of a shop; the client id is renamed on the last."""
    folder = tmp_path_factory.mktemp("shop")
    make_shop(folder, days=5, events_per_day=300, seed=2, incidents=["column_renamed@5"])
    return folder / "raw"


def home(tmp_path: Path, publish: str = "withhold") -> Path:
    """A project that withholds, with the sound days alone."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "tallymark.yml").write_text(f"input: raw\npublish: {publish}\n", encoding="utf-8")
    return folder


def run(folder: Path, *more: object) -> Said:
    """A run without the brief."""
    return call("run", "--project", folder, "--skip", "report", *more)


def days(folder: Path) -> list[str]:
    """The days of the exported sessions that readers see."""
    with (folder / "warehouse" / "fct_sessions.csv").open(encoding="utf-8", newline="") as stream:
        return sorted({row["session_date"][:10] for row in csv.DictReader(stream)})


def test_readers_keep_the_last_good_tables(raw: Path, tmp_path: Path) -> None:
    """RED: withheld, the code is 1 each time, and a rerun changes nothing; mended: all appears."""
    folder = home(tmp_path)
    inbox = folder / "raw"
    shutil.copytree(raw, inbox)
    bad = inbox / "events_20260109.csv"
    bad.rename(tmp_path / bad.name)
    assert run(folder).code == 0
    sound = {name: text for name, text in contents(folder / "warehouse").items()
             if name.startswith(("fct_", "tallymark"))}  # fmt: skip
    shutil.copy(tmp_path / bad.name, bad)
    said = run(folder)
    assert said.code == 1
    assert "withheld" in said.err
    shown = contents(folder / "warehouse")
    assert {name: shown[name] for name in sound} == sound
    assert LAST not in days(folder)
    place = Path((folder / "reports" / "quarantine_path.txt").read_text("utf-8").strip())
    assert {path.name for path in place.iterdir()} >= {"tallymark.duckdb", "fct_orders.csv",
                                                       "monitoring_report.json"}  # fmt: skip
    before = contents(folder)
    assert run(folder).code == 1
    assert contents(folder) == before
    assert call("monitor", "--project", folder).code == 1
    bad.write_text(bad.read_text("utf-8").replace("clientId", "client_id", 1), encoding="utf-8")
    assert run(folder).code == 0
    assert LAST in days(folder)
    assert not (folder / "warehouse" / ".withheld").exists()


def test_what_is_muted_is_not_withheld(raw: Path, tmp_path: Path) -> None:
    """Somebody decided that it does not count: the tables appear."""
    folder = home(tmp_path)
    shutil.copytree(raw, folder / "raw")
    assert run(folder).code == 1
    assert not (folder / "warehouse" / "tallymark.duckdb").exists()
    assert call("incidents", "mute", "column_renamed:client_id", "--until", LAST,
                "--project", folder).code == 0  # fmt: skip
    assert run(folder).code == 0
    assert LAST in days(folder)


def test_a_build_alone_publishes(raw: Path, tmp_path: Path) -> None:
    """Whoever builds alone wants the tables; nothing is withheld any more."""
    folder = home(tmp_path)
    shutil.copytree(raw, folder / "raw")
    assert run(folder).code == 1
    assert call("build", "--project", folder).code == 0
    assert LAST in days(folder)
    assert not (folder / "warehouse" / ".withheld").exists()


@pytest.fixture
def red(raw: Path, tmp_path: Path) -> Path:
    """A project whose readers see the sound days, while those with the last one are withheld."""
    folder = home(tmp_path)
    with (folder / "tallymark.yml").open("a", encoding="utf-8") as stream:
        stream.write("generations: 1\n")
    inbox = folder / "raw"
    shutil.copytree(raw, inbox)
    (inbox / f"events_{LAST.replace('-', '')}.csv").rename(tmp_path / "last.csv")
    first = min(inbox.iterdir())
    first.write_text(first.read_text("utf-8") + "no time,no page,,soon,,,\n", encoding="utf-8")
    assert run(folder).code == 0
    shutil.copy(tmp_path / "last.csv", inbox / f"events_{LAST.replace('-', '')}.csv")
    assert run(folder).code == 1
    return folder


def _mend(folder: Path) -> None:
    bad = folder / "raw" / f"events_{LAST.replace('-', '')}.csv"
    bad.write_text(bad.read_text("utf-8").replace("clientId", "client_id", 1), encoding="utf-8")


def test_a_decision_about_rows_shows_readers_nothing_withheld(red: Path) -> None:
    """Leaving a row of another day out publishes no RED day; the next run judges all of it."""
    kept_out = "events_20260105.csv"
    said = call("quarantine", "discard", kept_out, "--project", red)
    assert said.code == 0
    assert "withheld" in said.err
    assert LAST not in days(red)
    assert run(red).code == 1
    assert LAST not in days(red)
    _mend(red)
    assert run(red).code == 0
    assert LAST in days(red)


def test_what_readers_are_shown_meanwhile_leaves_the_withheld_whole(red: Path) -> None:
    """A table of the shop's own, made for readers: files of the withheld tables stay."""
    (red / "models").mkdir()
    (red / "models" / "mart_days.sql").write_text(
        "-- One row per date\nselect session_date, count(*) as n from fct_sessions "
        "group by session_date\n", encoding="utf-8",
    )  # fmt: skip
    assert call("build", "--select", "mart_days", "--project", red).code == 0
    assert call("monitor", "--project", red).code == 1
    _mend(red)
    said = run(red)
    assert (said.code, said.err) == (0, "")
    assert LAST in days(red)


def test_withholding_the_first_run_has_no_brief(raw: Path, tmp_path: Path) -> None:
    """Without any good tables there is nothing to report, and nothing fails for that."""
    folder = home(tmp_path)
    shutil.copytree(raw, folder / "raw")
    assert call("run", "--project", folder).code == 1
    assert not (folder / "reports" / "executive-summary.pdf").exists()
