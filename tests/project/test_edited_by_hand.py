"""Faults edited into the last day of a simulated shop's files: what the day is called, and why."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallymark.demo.shop import make_shop
from tests.cli.calling import call

Row = dict[str, str]
Edit = Callable[[list[Row]], list[Row]]
LAST = "events_20260111.csv"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of seven sound days, gated and built but for the last."""
    home = tmp_path_factory.mktemp("shop")
    make_shop(home, days=7, events_per_day=5000, seed=5)
    (home / "tallymark.yml").write_text("input: raw\n", encoding="utf-8")
    (home / "raw" / LAST).rename(home / LAST)
    assert call("run", "--project", home, "--skip", "report").code == 0
    return home


def judged(sound: Path, folder: Path, edit: Edit) -> dict[str, Any]:
    """The watch's report of the last day, edited."""
    home = folder / "shop"
    shutil.copytree(sound, home)
    with (home / LAST).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (home / "raw" / LAST).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(edit(rows))
    call("run", "--project", home, "--skip", "report")
    report = home / "reports" / "monitoring_report.json"
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return found


def without(pattern: str) -> Edit:
    """Parameters of that name taken off every page's URL."""

    def edit(rows: list[Row]) -> list[Row]:
        for row in rows:
            row["page_url"] = re.sub(rf"(?<=[?&])({pattern})=[^&#]*&?", "", row["page_url"])
        return rows

    return edit


def renamed(old: str, new: str) -> Edit:
    """One event's name changed."""

    def edit(rows: list[Row]) -> list[Row]:
        return [{**row, "event_name": new} if row["event_name"] == old else row for row in rows]

    return edit


def times(factor: float) -> Edit:
    """Every order's revenue multiplied."""

    def edit(rows: list[Row]) -> list[Row]:
        for row in rows:
            if row["event_name"] == "checkout_completed":
                payload = json.loads(row["event_data"])
                payload["revenue"] = round(float(payload["revenue"]) * factor, 2)
                row["event_data"] = json.dumps(payload)
        return rows

    return edit


def again(rows: list[Row]) -> list[Row]:
    """Every order sent a second time, a minute later."""
    late = [
        {**row, "timestamp": row["timestamp"].replace(":0", ":1", 1)}
        for row in rows if row["event_name"] == "checkout_completed"
    ]  # fmt: skip
    return [*rows, *late]


@pytest.mark.parametrize(
    ("edit", "rule", "severity", "says"),
    [
        (without("utm_[a-z]+"), "utm_coverage", "P1", "campaign tag"),
        (without("gclid"), "click_id_kind:gclid", "P1", "began with gclid"),
        (renamed("page_viewed", "page_load"), "event_vanished:page_viewed", "P1", "page_load"),
        (
            lambda rows: [one for one in rows if not one["event_name"].startswith("email_")],
            "event_vanished:email_filled_on_popup",
            "P2",
            "is gone",
        ),
        (times(100), "aov", "P1", "prices in cents?"),
        (again, "uncounted_revenue", "P2", "revenue"),
    ],
    ids=["utm", "gclid", "renamed", "sign-ups", "cents", "gross"],
)
def test_an_edited_day_is_called_by_its_fault(
    sound: Path, tmp_path: Path, edit: Edit, rule: str, severity: str, says: str
) -> None:
    """One incident holds the finding, as grave as it is, in words that say what happened."""
    report = judged(sound, tmp_path, edit)
    found = {one["id"]: one for one in report["findings"]}
    assert rule in found, sorted(found)
    assert found[rule]["severity"] == severity, found[rule]
    assert says in found[rule]["message"]
    assert [one["id"] for one in report["incidents"] if rule in one["findings"]]
    assert report["status"] == ("RED" if severity < "P2" else "YELLOW"), report["headline"]
