"""What the watch says of deliveries and of runs, end to end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tallymark.demo.shop import make_shop
from tests.cli.calling import call

GONE, TWICE, LAST = "2026-01-08", "2026-01-10", "2026-01-12"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight days of a shop: one never came, one came twice under two names."""
    folder = tmp_path_factory.mktemp("health")
    make_shop(folder, days=8, events_per_day=300, seed=4)
    raw = folder / "raw"
    (raw / f"events_{GONE.replace('-', '')}.csv").unlink()
    twice = raw / f"events_{TWICE.replace('-', '')}.csv"
    shutil.copyfile(twice, raw / f"again_{TWICE.replace('-', '')}.csv")
    (folder / "tallymark.yml").write_text(f"input: {raw}\n", encoding="utf-8")
    call("run", "--project", folder, "--skip", "report", "--quiet")
    return folder


def judged(home: Path, day: str) -> dict[str, Any]:
    """The report of a day, as the run wrote it."""
    path = home / "reports" / "days" / day / "monitoring_report.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def ids(report: dict[str, Any]) -> set[str]:
    """The ids of a report's findings."""
    return {one["id"] for one in report["findings"]}


def test_a_day_in_the_middle_that_never_came(home: Path) -> None:
    """P0 on the day itself, an error of the next delivery, and named for the week."""
    missing = next(one for one in judged(home, GONE)["incidents"])
    assert (missing["id"], missing["severity"]) == ("delivery_missing", "P0")
    after = judged(home, "2026-01-09")
    assert {"missing_days", "days_missing"} <= ids(after)
    assert after["status"] == "RED"
    assert "days_missing" in ids(judged(home, LAST))


def test_a_day_that_came_twice_under_two_names(home: Path) -> None:
    """It is said on that day alone, and neither its rows nor its orders count twice."""
    there = next(one for one in judged(home, TWICE)["incidents"] if one["id"] == "same_bytes")
    assert there["severity"] == "P1"
    assert "same bytes" in there["message"]
    assert "same_bytes" not in ids(judged(home, "2026-01-11"))
    told = judged(home, TWICE)["metrics"]
    assert (
        told["sessions"]["value"] < 2 * judged(home, "2026-01-09")["metrics"]["sessions"]["value"]
    )


def test_a_run_that_failed_is_said(home: Path) -> None:
    """The watch judges what an earlier run made, and says so, until a run ends well."""
    day = ["--project", home, "--json", "--fail-on", "error"]
    before = call("monitor", *day)
    assert "last_run" not in ids(before.data)
    model = home / "models" / "broken.sql"
    model.parent.mkdir()
    model.write_text("-- One row per day.\nselect no_such_column from fct_orders\n", "utf-8")
    assert call("run", "--project", home, "--skip", "report").code == 2
    told = call("monitor", *day)
    found = next(one for one in told.data["incidents"] if one["id"] == "last_run")
    assert (told.code, found["severity"]) == (1, "P1")
    assert "`tallymark run` failed" in found["message"]
    listed = call("incidents", "list", "--project", home, "--json").data["incidents"]
    assert "last_run" in {one["id"] for one in listed}
    refused = call("incidents", "resolve", "last_run", "--new-normal", "--project", home)
    assert refused.code == 2
    assert "is a fact" in refused.err
    past = call("monitor", *day, "--date", LAST)
    assert "last_run" not in ids(past.data)  # a look back knows nothing of today's run
    model.unlink()
    call("run", "--project", home, "--skip", "report", "--quiet")
    assert call("monitor", *day).data == before.data


def test_a_day_that_should_be_there(home: Path) -> None:
    """An orchestrator says which day it expects; one that is not there fails the run."""
    day = ["monitor", "--project", home, "--json", "--fail-on", "error"]
    late = call(*day, "--expected-run-date", "2026-01-14")
    assert late.code == 1
    found = next(one for one in late.data["incidents"] if one["id"] == "delivery_missing")
    assert found["evidence"]["expected"] == "2026-01-14"
    assert found["evidence"]["days_without"] == 2
    assert "delivery_missing" not in ids(call(*day, "--expected-run-date", LAST).data)


def test_an_incident_shows_where_it_lies(tmp_path: Path) -> None:
    """What the rows said of an incident stands in its report and in `incidents show`."""
    make_shop(tmp_path, days=10, events_per_day=600, seed=2, incidents=["ids_lost@7..8"])
    (tmp_path / "tallymark.yml").write_text(f"input: {tmp_path / 'raw'}\n", encoding="utf-8")
    call("run", "--project", tmp_path, "--skip", "report", "--quiet")
    day = tmp_path / "day"
    call("monitor", "--project", tmp_path, "--date", "2026-01-12", "--output", day)
    told = (day / "monitoring_report.md").read_text(encoding="utf-8")
    assert "more rows without a client id than usual" in told
    # It is over since: what was said on its last day is said still.
    shown = call("incidents", "show", "identity_coverage", "--project", tmp_path)
    assert "resolved" in shown.out
    assert "lost it" in shown.out
    there = call("incidents", "show", "identity_coverage", "--project", tmp_path, "--json").data
    assert there["evidence"]["compared_with"]
    report = tmp_path / "warehouse" / "ledger" / "days" / "2026-01-12.json"
    report.write_text("{", encoding="utf-8")
    assert call("incidents", "show", "identity_coverage", "--project", tmp_path).code == 0


def test_a_change_that_is_here_to_stay(tmp_path: Path) -> None:
    """The decision is a file, and the incident is over with it."""
    make_shop(tmp_path, days=8, events_per_day=600, seed=2, incidents=["ids_lost@8:share=0.6"])
    (tmp_path / "tallymark.yml").write_text(f"input: {tmp_path / 'raw'}\n", encoding="utf-8")
    call("run", "--project", tmp_path, "--skip", "report", "--quiet")
    words = ("incidents", "resolve", "identity_coverage", "--new-normal", "--reason", "a banner")
    told = call(*words, "--project", tmp_path, "--json").data
    assert told["incident"]["state"] == "resolved"
    text = Path(told["decision"]).read_text(encoding="utf-8")
    assert "new_normal_since: " in text
    assert "identity_coverage" in text
    assert call("incidents", "list", "--project", tmp_path).code == 0
