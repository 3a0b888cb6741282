from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from jsonschema import Draft202012Validator

from tallymark import package
from tallymark.demo.shop import make_shop
from tests.cli.calling import call, contents
from tests.project.shops import exports, reports

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "schemas"
LAST = "2026-01-10"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six days of a shop; the last has a renamed column. Both in ``raw/``."""
    folder = tmp_path_factory.mktemp("shop")
    make_shop(folder, days=6, events_per_day=400, seed=2, incidents=["column_renamed@6"])
    return folder


@pytest.fixture(scope="module")
def apart(shop: Path) -> Path:
    """What the four stages wrote, each called alone on paths alone."""
    home = shop / "apart"
    rules = home / "rules.yml"
    home.mkdir()
    rules.write_text(package.shipped("rules/check.yml"), encoding="utf-8")
    watch = home / "watch.yml"
    watch.write_text(package.shipped("rules/monitor.yml"), encoding="utf-8")
    raw, warehouse, folder = shop / "raw", home / "warehouse", home / "reports"
    codes = [
        call("check", "--input", raw, "--rules", rules, "--output", folder, "--fail-on", "error"),
        call("build", "--input", raw, "--output", warehouse),
        call("monitor", "--warehouse", warehouse, "--rules", watch, "--output", folder,
             "--expected-run-date", LAST, "--fail-on", "error"),
        call("report", "--warehouse", warehouse, "--output", folder),
    ]  # fmt: skip
    assert [said.code for said in codes] == [1, 0, 1, 0]
    return home


@pytest.fixture(scope="module")
def together(shop: Path) -> Path:
    """What one run wrote."""
    assert call("run", "--input", shop / "raw", "--output", shop / "together").code == 1
    return shop / "together"


def test_a_run_writes_what_is_promised(together: Path) -> None:
    """Tables, exports, every report, the note of the snapshot and the snapshot itself."""
    names = set(contents(together))
    days = {f"reports/days/2026-01-{number:02d}/monitoring_report.json" for number in range(5, 11)}
    assert names >= days | {
        "warehouse/tallymark.duckdb",
        "warehouse/fct_sessions.csv",
        "warehouse/fct_orders.csv",
        "warehouse/fct_attribution.csv",
        "reports/dq_report.md",
        "reports/dq_report.json",
        "reports/dq_report.csv",
        "reports/monitoring_report.md",
        "reports/monitoring_report.json",
        "reports/executive-summary.pdf",
        "reports/quarantine_path.txt",
    }
    assert {path.name for path in together.iterdir()} == {"warehouse", "reports", "quarantine"}
    folder = Path((together / "reports" / "quarantine_path.txt").read_text("utf-8").strip())
    assert folder.parent == together / "quarantine"
    assert folder.name.startswith(f"warehouse_quarantine_{LAST.replace('-', '')}T")
    assert {path.name for path in folder.iterdir()} >= {"tallymark.duckdb", "fct_orders.csv"}


def test_reports_keep_to_their_schemas(together: Path) -> None:
    """The JSON of the gate and of every judged day validates against what is published."""
    found = [together / "reports" / "dq_report.json",
             *(together / "reports").rglob("monitoring_report.json")]  # fmt: skip
    assert len(found) == 8
    for path in found:
        schema = json.loads((SCHEMAS / f"{path.stem}.schema.json").read_text(encoding="utf-8"))
        Draft202012Validator(schema).validate(json.loads(path.read_text(encoding="utf-8")))


def test_stages_alone_make_what_a_run_makes(apart: Path, together: Path) -> None:
    """The same exports, the same reports, to the byte; what is said of every day is a run's own."""
    assert exports(apart) == exports(together)
    names = {name for name in reports(together) if not name.startswith("days/")}
    assert set(reports(apart)) == names
    for name in names - {"executive-summary.pdf"}:
        assert reports(apart)[name] == reports(together)[name], name


def test_the_brief_knows_what_the_watch_said(apart: Path, tmp_path: Path) -> None:
    """Called alone, the brief has the status that the watch, called alone before, gave the day."""
    said = call("report", "--warehouse", apart / "warehouse", "--output", tmp_path, "--json")
    assert (said.data["numbers"]["status"], said.data["numbers"]["judged_day"]) == ("RED", LAST)


def test_a_warehouse_that_cannot_be_written_is_watched_all_the_same(
    together: Path, tmp_path: Path
) -> None:
    """The watch and the brief need nothing but to read the warehouse."""
    home = Path(shutil.copytree(together, tmp_path / "out")) / "warehouse"
    (home / ".lock").unlink(missing_ok=True)
    (home / ".lock").mkdir()
    given = ["--warehouse", home, "--output", tmp_path / "reports"]
    assert call("monitor", *given).code == 1
    assert call("report", *given).code == 0


def test_other_tools_open_the_catalog(together: Path) -> None:
    """The catalog is a DuckDB file in which every table of the documentation can be read."""
    with duckdb.connect(str(together / "warehouse" / "tallymark.duckdb"), read_only=True) as base:
        for name in ("events", "fct_sessions", "fct_orders", "fct_order_items", "fct_attribution",
                     "dim_clients", "metrics_daily", "metrics_hourly", "reconciliation",
                     "ledger_deliveries", "ledger_findings"):  # fmt: skip
            found = base.execute(f"select count(*) from {name}").fetchone()
            assert found is not None
            assert found[0] > 0, name


def test_the_note_of_a_snapshot_goes_with_the_error(shop: Path, tmp_path: Path) -> None:
    """The note is there while a day is RED, and gone when the column has its name again."""
    raw, note = tmp_path / "raw", tmp_path / "out" / "reports" / "quarantine_path.txt"
    shutil.copytree(shop / "raw", raw)
    given = ["run", "--input", raw, "--output", tmp_path / "out", "--skip", "report"]
    assert call(*given).code == 1
    assert note.is_file()
    last = raw / "events_20260110.csv"
    last.write_text(last.read_text("utf-8").replace("clientId", "client_id", 1), encoding="utf-8")
    assert call(*given).code == 0
    assert not note.exists()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_exports_alone_are_watched_and_reported(
    ending: str, together: Path, shop: Path, tmp_path: Path
) -> None:
    """A folder with the three exported tables is enough, and what it cannot tell is said."""
    folder = tmp_path / "exports"
    folder.mkdir()
    source = together / "warehouse"
    if ending == "parquet":
        source = tmp_path / "warehouse"
        raw = shop / "raw"
        assert call("build", "--input", raw, "--output", source, "--export", "parquet").code == 0
    for path in source.glob(f"fct_*.{ending}"):
        shutil.copy(path, folder)
    given = ["--warehouse", folder, "--output", tmp_path / "reports"]
    watched = call("monitor", *given, "--json")
    assert watched.code == 0
    assert watched.data["date"] == LAST
    assert watched.data["metrics"]["sessions"]["value"] > 100
    assert "only exported tables are here" in watched.data["notes"][0]
    assert call("monitor", *given, "--date", "2026-01-06").code == 0
    assert call("report", *given).code == 0
    assert (tmp_path / "reports" / "executive-summary.pdf").read_bytes().startswith(b"%PDF")
    assert len(list(folder.iterdir())) == 3


def test_no_export(shop: Path, tmp_path: Path) -> None:
    """``--export none`` leaves the tables in the catalog alone."""
    said = call("build", "--input", shop / "raw", "--output", tmp_path, "--export", "none")
    assert said.code == 0
    assert not list(tmp_path.glob("fct_*"))


@pytest.mark.parametrize("skip", ["report", "monitor"])
def test_a_stage_can_be_left_out(skip: str, shop: Path, tmp_path: Path) -> None:
    """What is skipped is not written; the rest is."""
    output = tmp_path / "out"
    said = call("run", "--input", shop / "raw", "--output", output, "--skip", skip)
    assert said.code == 1
    there = {path.name for path in (output / "reports").iterdir()}
    assert ("executive-summary.pdf" in there) == (skip != "report")
    assert ("monitoring_report.json" in there) == (skip != "monitor")
    assert "dq_report.json" in there


def test_the_brief_of_an_earlier_day(together: Path, tmp_path: Path) -> None:
    """``--date`` leaves later days out of the page."""
    given = ["report", "--warehouse", together / "warehouse", "--json"]
    whole = call(*given, "--output", tmp_path / "a")
    early = call(*given, "--output", tmp_path / "b", "--date", "2026-01-06")
    assert whole.data["numbers"]["last"] == LAST
    assert early.data["numbers"]["last"] == "2026-01-06"


def test_a_full_refresh_changes_nothing(shop: Path, together: Path, tmp_path: Path) -> None:
    """Building everything again gives the same exports."""
    output = Path(shutil.copytree(together, tmp_path / "out"))
    said = call("run", "--input", shop / "raw", "--output", output, "--full-refresh", "--json")
    assert said.data["build"]["rebuilt"] is True
    assert exports(output) == exports(together)


def test_parquet_deliveries_are_csv_deliveries(together: Path, tmp_path: Path) -> None:
    """The same shop delivered as Parquet gives the same sessions, orders and credit."""
    make_shop(tmp_path, days=6, events_per_day=400, seed=2, fmt="parquet",
              incidents=["column_renamed@6"])  # fmt: skip
    assert call("build", "--input", tmp_path / "raw", "--output", tmp_path / "warehouse").code == 0
    assert exports(tmp_path) == exports(together)
