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


def test_withholding_the_first_run_has_no_brief(raw: Path, tmp_path: Path) -> None:
    """Without any good tables there is nothing to report, and nothing fails for that."""
    folder = home(tmp_path)
    shutil.copytree(raw, folder / "raw")
    assert call("run", "--project", folder).code == 1
    assert not (folder / "reports" / "executive-summary.pdf").exists()
