from __future__ import annotations

import csv
import datetime as dt
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tallymark.config import Config, Shop
from tallymark.engine.warehouse import Publication, Warehouse
from tallymark.errors import WarehouseError
from tallymark.monitor.prometheus.collect import Collected, collect
from tallymark.monitor.prometheus.exporter import Exporter, leave_textfile
from tallymark.monitor.prometheus.families import FAMILIES
from tallymark.monitor.prometheus.incidents import judged
from tallymark.monitor.prometheus.text import MOST, OTHER, samples
from tests.cli.calling import call

Values = dict[tuple[str, ...], float]
LAST = dt.date(2026, 1, 12)


def values(found: Collected) -> dict[str, Values]:
    """The numbers by name without its beginning, then by the labels' values."""
    told: dict[str, Values] = {}
    for one in samples(found.metrics.values()):
        name = one.name.removeprefix("tallymark_")
        told.setdefault(name, {})[tuple(one.labels.values())] = one.value
    return told


@pytest.fixture(scope="session")
def told(output: Path, config: Config) -> dict[str, Values]:
    """What is exported of the made shop."""
    return values(collect(Warehouse(output / "warehouse"), config.shop))


@pytest.fixture(scope="session")
def report(output: Path) -> dict[str, Any]:
    """The watch's report of its last day."""
    text = (output / "reports" / "monitoring_report.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_numbers_are_those_of_the_report(
    told: dict[str, Values], report: dict[str, Any]
) -> None:
    """Whoever compares the dashboard with the report finds the same."""
    pairs = {
        "sessions": "sessions", "orders": "orders", "events": "events",
        "conversion_rate": "conversion_ratio", "identity_coverage": "client_id_coverage_ratio",
        "referrer_coverage": "referrer_coverage_ratio",
    }  # fmt: skip
    for metric, name in pairs.items():
        assert told[name][()] == pytest.approx(report["metrics"][metric]["value"], rel=1e-5)
    assert told["revenue"][("EUR",)] == pytest.approx(report["metrics"]["revenue"]["value"])
    for metric, entry in report["metrics"].items():
        if entry.get("state") == "judged":
            assert told["metric_judged"][(metric,)] == 1
            low, high = told["metric_expected_low"][(metric,)], told["metric_expected_high"]
            assert (low, high[(metric,)]) == (entry["low"], entry["high"])


def test_status_and_incidents_are_those_of_the_report(
    told: dict[str, Values], report: dict[str, Any]
) -> None:
    """The renamed column is one open P0; every other count is there, as zero."""
    assert report["status"] == "RED"
    assert told["status"] == {(): 2.0}
    assert told["layer_status"][("quality",)] == 2.0
    assert told["incidents"][("P0", "open")] == 1
    assert sum(told["incidents"].values()) == len(report["incidents"])
    assert sum(told["findings"].values()) == len(report["findings"])
    first = next(one for one in report["incidents"] if one["severity"] == "P0")
    since = dt.datetime.fromisoformat(first["since"]).timestamp()
    assert told["incident_since_timestamp_seconds"][("column_renamed", "P0", "open")] == since


def test_days_and_hours_are_the_shops(told: dict[str, Values], warehouse: Warehouse) -> None:
    """A day starts at midnight in the shop's time; the last run is what the files say."""
    start = dt.datetime.combine(LAST, dt.time(), tzinfo=dt.UTC).timestamp()
    assert told["latest_day_timestamp_seconds"] == {(): start}
    assert told["judged_day_timestamp_seconds"] == {(): start}
    assert start < told["last_event_timestamp_seconds"][()] <= start + 24 * 3600
    assert told["last_run_timestamp_seconds"][()] >= warehouse.catalog.stat().st_mtime
    assert (told["dates_delivered"][()], told["dates_missing"][()]) == (8, 0)
    berlin = values(collect(warehouse, Shop(timezone="Europe/Berlin")))
    assert berlin["latest_day_timestamp_seconds"] == {(): start - 3600}


def test_funnel_and_mixes_are_parts_of_the_sessions(told: dict[str, Values]) -> None:
    """No step has more than the sessions; channels and devices sum to them."""
    steps = told["funnel_sessions"]
    assert steps[("session",)] == told["sessions"][()]
    assert steps[("session",)] >= steps[("cart",)] >= steps[("order",)] > 0
    assert sum(told["channel_sessions"].values()) == told["sessions"][()]
    assert sum(told["device_sessions"].values()) == told["sessions"][()]
    for model in ("first_click", "last_click"):
        credit = [value for key, value in told["channel_revenue"].items() if key[1] == model]
        assert sum(credit) == pytest.approx(told["revenue"][("EUR",)])


def test_deliveries_add_up(told: dict[str, Values], output: Path) -> None:
    """Rows read are rows accepted and rows in quarantine, as the gate's report has them."""
    text = (output / "reports" / "dq_report.json").read_text(encoding="utf-8")
    last = json.loads(text)["deliveries"][-1]
    read, accepted, quarantined = (
        told[f"delivery_rows_{name}"][()] for name in ("read", "accepted", "quarantined")
    )
    assert (read, accepted, quarantined) == (
        last["rows_read"], last["rows_accepted"], last["rows_quarantined"],
    )  # fmt: skip
    assert read == accepted + quarantined
    assert told["deliveries"][(last["verdict"],)] == 1
    assert sum(told["deliveries"].values()) == 1
    assert told["delivery_score"] == {(): last["score"]}
    assert told["refused_deliveries"] == {(): 0}


def test_every_family_has_a_series(told: dict[str, Values]) -> None:
    """Nothing is listed that a healthy warehouse does not have."""
    names = {one.name.removeprefix("tallymark_") for one in FAMILIES if not one.counter}
    assert set(told) == names


def test_no_client_order_page_or_file_is_in_it(output: Path, config: Config) -> None:
    """The text holds nothing of a row: no id, no e-mail, no address, no file's name."""
    exporter = Exporter(output / "warehouse", config)
    text = exporter.text(exporter.collect())
    assert not re.search(r"@|https?:|\.csv|\?", text)
    for name in ("fct_orders", "fct_sessions"):
        with (output / "warehouse" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                keys = [one for one in row if one.endswith("_id")]
                assert not [row[one] for one in keys if row[one] and row[one] in text]


def test_the_same_warehouse_gives_the_same_bytes(output: Path, config: Config) -> None:
    """Nothing depends on the clock or on an order that may change."""
    texts = set()
    for _ in range(2):
        exporter = Exporter(output / "warehouse", config)
        texts.add(exporter.text(exporter.collect()))
    assert len(texts) == 1


# ---------------------------------------------------------------- what is not there


def test_no_warehouse_is_said_and_the_old_file_stays(tmp_path: Path) -> None:
    """A wrong path writes nothing, for node_exporter shows the old file's age."""
    file = tmp_path / "tallymark.prom"
    file.write_text("old", encoding="utf-8")
    with pytest.raises(WarehouseError, match="no warehouse here"):
        Exporter(tmp_path / "nowhere", Config()).write(file)
    assert file.read_text(encoding="utf-8") == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["tallymark.prom"]


def test_an_empty_warehouse_says_that_it_is_there(tmp_path: Path) -> None:
    """Without a single day there is no number, not even a zero."""
    warehouse = Warehouse(tmp_path)
    with warehouse.hold("test"):
        warehouse.publish(Publication(files={}), generations=1)
    found = collect(warehouse, Shop())
    assert (found.date, found.judged) == (None, None)
    assert set(values(found)) == {"up", "build_info", "last_run_timestamp_seconds"}


def test_a_folder_of_exports_has_sales_and_no_ledger(output: Path, tmp_path: Path) -> None:
    """The three exported tables alone give sales, funnel and channels, and no status."""
    for name in ("fct_sessions", "fct_orders", "fct_attribution"):
        shutil.copyfile(output / "warehouse" / f"{name}.csv", tmp_path / f"{name}.csv")
    found = collect(Warehouse(tmp_path), Shop(currency="EUR"))
    told = values(found)
    assert found.date == LAST
    assert told["revenue"][("EUR",)] > 0
    assert told["funnel_sessions"][("session",)] == told["sessions"][()]
    assert told["channel_revenue"]
    assert not {"status", "incidents", "deliveries", "client_id_coverage_ratio"} & set(told)


def test_tables_of_another_version_are_refused_in_a_sentence(tmp_path: Path) -> None:
    """A table without a column that is needed is an error with a cure."""
    warehouse = Warehouse(tmp_path)
    tables = {
        "metrics_daily": {"date": ("varchar", ["2031-05-05"])},
        "ledger_deliveries": {"date": ("varchar", ["2031-05-05"])},
    }
    with warehouse.hold("test"):
        warehouse.publish(Publication(files={}, tables=tables), generations=1)
    with pytest.raises(WarehouseError, match="cannot be read") as error:
        collect(warehouse, Shop())
    assert error.value.fix


# ---------------------------------------------------------------- what the watch said


def said(folder: Path, **report: Any) -> dict[str, Values]:
    """What is exported of a judgement."""
    warehouse = Warehouse(folder)
    warehouse.record_judgement("2031-05-05", json.dumps({"date": "2031-05-05", **report}))
    told: dict[str, Values] = {}

    def put(name: str, value: float | None, *labels: str) -> None:
        if value is not None:
            told.setdefault(name, {})[labels] = value

    assert judged(warehouse, put, "EUR") == dt.date(2031, 5, 5)
    return told


def incident(rule: str, severity: str = "P1", **more: Any) -> dict[str, Any]:
    """An incident as the report has it."""
    since = "2031-05-04T07:00:00.000Z"
    return {"id": f"{rule}:x", "rule": rule, "severity": severity, "since": since, **more}


def test_learning_metrics_are_said_and_have_no_band(tmp_path: Path) -> None:
    """While the watch learns a metric is 0 in metric_judged, and nothing is expected of it."""
    metrics = {
        "orders": {"value": 3, "state": "learning", "baseline_days": 1},
        "sessions": {"value": 9, "state": "judged", "expected": 8.5, "low": 7, "high": 10},
        "events": {"value": 90},
    }
    told = said(tmp_path, status="GREEN", metrics=metrics)
    assert told["metric_judged"] == {("orders",): 0.0, ("sessions",): 1.0}
    assert told["metric_expected"] == {("sessions",): 8.5}
    assert told["status"] == {(): 0.0}


def test_states_are_counted_apart(tmp_path: Path) -> None:
    """What somebody acknowledged or muted is no longer open; an unknown state is."""
    found = [
        incident("a"), incident("b", state="acknowledged"), incident("c", state="muted"),
        incident("d", "P0", state="resolved"), incident("e", state="something new"),
    ]  # fmt: skip
    told = said(tmp_path, incidents=found)
    assert {key: n for key, n in told["incidents"].items() if n} == {
        ("P1", "open"): 2, ("P1", "acknowledged"): 1, ("P1", "muted"): 1, ("P0", "resolved"): 1,
    }  # fmt: skip


def test_ten_thousand_incidents_are_few_series(tmp_path: Path) -> None:
    """Rules beyond the limit are one; the gravest keep their names; no money is lost."""
    found = [incident(f"rule {n:05d}", "P2", money_at_risk=1.5) for n in range(10_000)]
    found.append(incident("grave", "P0", money_at_risk=100))
    told = said(tmp_path, incidents=found)
    assert told["incidents"][("P2", "open")] == 10_000
    money = told["incident_money_at_risk"]
    assert len(money) == MOST + 1
    assert money[("grave", "P0", "open", "EUR")] == 100
    assert (OTHER, "P2", "open", "EUR") in money
    assert sum(money.values()) == 15_100


def test_an_incident_is_named_by_its_rule_alone(tmp_path: Path) -> None:
    """A column's name comes from a file, and may be somebody's e-mail if its header is lost."""
    one = incident("column_unknown") | {"id": "column_unknown:jane@example.org", "message": "jane@"}
    told = said(tmp_path, incidents=[one, incident("column_unknown", since="nonsense")])
    assert "jane" not in repr(told)
    assert list(told["incident_since_timestamp_seconds"]) == [("column_unknown", "P1", "open")]


def test_a_shop_that_was_never_judged_has_no_status(tmp_path: Path) -> None:
    """Absent, which an alert can say, and not GREEN."""
    assert judged(Warehouse(tmp_path), lambda *_: pytest.fail("nothing was judged"), "EUR") is None


# ---------------------------------------------------------------- reading again


def test_the_warehouse_is_read_again_only_when_it_changed(output: Path, tmp_path: Path) -> None:
    """A scrape of an unchanged warehouse opens nothing; a new judgement shows at once."""
    place = tmp_path / "warehouse"
    shutil.copytree(output / "warehouse", place)
    exporter = Exporter(place, Config())
    reads = "tallymark_exporter_reads_total{shop="
    for _ in range(3):
        assert f'{reads}"Shop"}} 1' in exporter.scrape(openmetrics=True)
    Warehouse(place).record_judgement(LAST.isoformat(), json.dumps({"status": "YELLOW"}))
    text = exporter.scrape(openmetrics=True)
    assert f'{reads}"Shop"}} 2' in text
    assert 'tallymark_status{shop="Shop"} 1' in text


def test_a_warehouse_that_cannot_be_read_is_down_and_comes_back(
    output: Path, tmp_path: Path
) -> None:
    """Old numbers are not shown as if they were today's; the next scrape tries again."""
    place = tmp_path / "warehouse"
    exporter = Exporter(place, Config())
    assert 'tallymark_up{shop="Shop"} 0' in exporter.scrape(openmetrics=True)
    assert "no warehouse here" in exporter.trouble
    shutil.copytree(output / "warehouse", place)
    assert 'tallymark_up{shop="Shop"} 1' in exporter.scrape(openmetrics=True)
    assert not exporter.trouble
    catalog = place / "tallymark.duckdb"
    catalog.write_bytes(b"damaged" * 1000)
    text = exporter.scrape(openmetrics=True)
    assert 'tallymark_up{shop="Shop"} 0' in text
    assert "tallymark_revenue" not in text
    assert 'read_failures_total{shop="Shop"} 2' in text


def test_a_run_leaves_the_textfile_that_is_configured(output: Path, config: Config) -> None:
    """It is the text that the command prints, and readable by others than its writer."""
    file = output / "textfile" / "tallymark.prom"
    exporter = Exporter(output / "warehouse", config)
    assert file.read_text(encoding="utf-8") == exporter.text(exporter.collect())
    mask = os.umask(0)
    os.umask(mask)
    assert file.stat().st_mode & 0o777 == 0o666 & ~mask
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_without_a_warehouse_no_textfile_is_left(tmp_path: Path, config: Config) -> None:
    """A first day that was withheld has nothing to export, and that is no error."""
    leave_textfile(tmp_path / "warehouse", config, tmp_path)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- the commands


def test_the_command_prints_writes_and_gives_json(output: Path, tmp_path: Path) -> None:
    """The text, the file and the JSON have the same series."""
    place = output / "warehouse"
    printed = call("export", "prometheus", "--warehouse", place, "--project", tmp_path)
    file = tmp_path / "new folder" / "tallymark.prom"
    written = call("export", "prometheus", "--warehouse", place, "--project", tmp_path,
                   "--output", file)  # fmt: skip
    data = call("export", "prometheus", "--warehouse", place, "--project", tmp_path, "--json").data
    assert printed.out == file.read_text(encoding="utf-8")
    lines = [one for one in printed.out.splitlines() if not one.startswith("#")]
    assert len(lines) == data["series"] == len(data["samples"])
    assert written.out.startswith(f"{data['series']} series of {LAST}")
    assert data["date"] == data["judged"] == LAST.isoformat()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("prometheus", "--warehouse", "nowhere"), "no warehouse here"),
        (("prometheus", "--serve", "--output", "x.prom"), "give one of the two"),
        (("prometheus", "--serve", "here"), "no address"),
        (("prometheus", "--serve", "127.0.0.1:99999"), "no address"),
        (("grafana", "--output", "x", "--link", "javascript:alert(1)"), "no link"),
        (("grafana",), "--output"),
        (("rules", "--output", "x", "--rules", "nowhere.yml"), "no such rules file"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    tmp_path: Path, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    found = call("export", *words)
    assert found.code == 2
    assert said in found.err
    assert list(tmp_path.iterdir()) == []
