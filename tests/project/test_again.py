from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from tallymark.demo.shop import make_shop
from tallymark.project import Project
from tests.build.shop import HOUR, Shop, view
from tests.cli.calling import call, contents
from tests.project.shops import exports, reports, run

DAYS = 8
INCIDENTS = (
    "order_id_collision@3",
    "outage@4",
    "column_renamed@5",
    "orders_redelivered@5",
    "payload_null@5:field=revenue",
    "column_gone@6",
    "anonymous_rows@6",
    "missing_day@7",
)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deliveries of eight days with nearly every fault there is."""
    folder = tmp_path_factory.mktemp("shop")
    make_shop(folder, days=DAYS, events_per_day=400, seed=1, incidents=INCIDENTS)
    return folder / "raw"


@pytest.fixture(scope="module")
def whole(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of one run on all of them; to be read, not written."""
    output = tmp_path_factory.mktemp("whole") / "out"
    run(raw, output)
    return output


@pytest.fixture
def output(whole: Path, tmp_path: Path) -> Path:
    """A copy of that output, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "out"))


def test_running_again_changes_nothing(raw: Path, output: Path) -> None:
    """A second run judges nothing anew and leaves every file as it is, to the byte."""
    run(raw, output)
    before = contents(output)
    again = run(raw, output)
    assert again.check.judged_now == 0
    assert not again.build.rebuilt
    assert contents(output) == before


@pytest.mark.parametrize("lost", ["reports", "warehouse/fct_*", "reports/days", "quarantine/*/*"])
def test_what_is_deleted_comes_back(lost: str, raw: Path, whole: Path, output: Path) -> None:
    """Reports, exports and snapshots are restored to the byte, without another catalog."""
    found = list(output.glob(lost))
    assert found
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    run(raw, output)
    moved = {"reports/quarantine_path.txt"}  # it holds the path of this copy
    before, after = contents(whole), contents(output)
    assert {name for name in before | after if before.get(name) != after.get(name)} <= moved


def test_a_deleted_warehouse_comes_back(raw: Path, whole: Path, output: Path) -> None:
    """From the deliveries alone the same exports and reports are made again."""
    shutil.rmtree(output / "warehouse")
    run(raw, output)
    assert exports(output) == exports(whole)
    assert reports(output) == reports(whole)


def test_a_day_at_a_time_is_all_at_once(raw: Path, whole: Path, tmp_path: Path) -> None:
    """Runs on a growing folder end with the bytes of one run; each day was told as it was known.

    And the watch, asked for a day of the whole warehouse, answers with the bytes of the report
    that was written when the warehouse had only the deliveries up to that day.
    """
    growing, output = tmp_path / "raw", tmp_path / "out"
    growing.mkdir()
    for path in sorted(raw.iterdir()):
        shutil.copy(path, growing)
        run(growing, output, "report")
        then = dt.date.fromisoformat(f"{path.stem[7:11]}-{path.stem[11:13]}-{path.stem[13:]}")
        asked = tmp_path / "asked"
        Project.open(growing, warehouse=whole / "warehouse", reports=asked).monitor(date=then)
        for name in ("monitoring_report.json", "monitoring_report.md"):
            assert (asked / name).read_bytes() == (output / "reports" / name).read_bytes(), then
        assert not (asked / "quarantine").exists()
    assert exports(output) == exports(whole)
    days = "days/"
    expected = {name: text for name, text in reports(whole).items() if name.startswith(days)}
    assert len(expected) == DAYS  # the missing day has its report too
    assert {
        name: text for name, text in reports(output).items() if name.startswith(days)
    } == expected
    run(growing, output)
    assert reports(output) == reports(whole)


def test_what_could_not_be_judged_again_is_said_once(tmp_path: Path) -> None:
    """Another time zone, and a file that was moved away: its rows stay, and the run says so."""
    shop = Shop(tmp_path)
    for day in range(3):
        shop.deliver(day, [view(day * 24 * HOUR + hour * HOUR) for hour in range(24)])
    settings = shop.home / "tallymark.yml"
    settings.write_text("input: raw\n", encoding="utf-8")
    assert call("build", "--project", shop.home).err == ""
    (shop.raw / shop.name(0)).rename(tmp_path / "archived.csv")
    assert call("build", "--project", shop.home).err == ""
    settings.write_text("input: raw\nshop: {timezone: America/New_York}\n", encoding="utf-8")
    assert call("build", "--project", shop.home, "--dry-run").code == 0
    said = call("build", "--project", shop.home).err
    assert said.startswith(
        "tallymark: 1 delivery that is not in the input any more stays as it was"
    )
    assert shop.name(0) in said
    shop.deliver(3, [view(3 * 24 * HOUR)])
    assert call("build", "--project", shop.home).err == ""
