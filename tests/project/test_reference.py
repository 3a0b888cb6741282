"""A real shop with real faults: the numbers that were worked out by hand."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.calling import Said, call
from tests.project.shops import findings, table


@pytest.fixture(scope="module")
def said(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, Path]:
    """What a run on the data said, and where it wrote."""
    output = tmp_path_factory.mktemp("reference")
    raw = shared / "data" / "reference_shop"
    if not raw.is_dir():
        pytest.skip("the folder 'shared' beside the checkout has no data/reference_shop")
    return call("run", "--input", raw, "--output", output), output


def test_the_run_ends_with_findings(said: tuple[Said, Path]) -> None:
    """It exits with 1 and writes everything."""
    assert said[0].code == 1
    names = {path.name for path in (said[1] / "reports").iterdir()}
    assert names == {
        "days", "dq_report.csv", "dq_report.json", "dq_report.md", "executive-summary.pdf",
        "monitoring_report.json", "monitoring_report.md", "quarantine_path.txt",
    }  # fmt: skip
    assert len(list((said[1] / "reports" / "days").iterdir())) == 14


def test_every_row_is_accounted_for(said: tuple[Said, Path]) -> None:
    """Accepted and quarantined rows add up, and one accepted row is an exact repeat."""
    path = said[1] / "reports" / "dq_report.json"
    deliveries = json.loads(path.read_text(encoding="utf-8"))["deliveries"]
    sums = {
        name: sum(one[name] for one in deliveries)
        for name in ("rows_read", "rows_accepted", "rows_quarantined", "rows_repeated")
    }
    assert sums["rows_read"] == 49_963
    assert sums["rows_accepted"] + sums["rows_quarantined"] == 49_963
    assert sums["rows_repeated"] == 1


def test_sessions(said: tuple[Said, Path]) -> None:
    """Sessions, bots counted and rows without a client outside; none Direct without evidence."""
    sessions = table(said[1] / "warehouse" / "fct_sessions.csv")
    assert len(sessions) == 38_267
    late = Counter(row["channel"] for row in sessions if row["session_start"] >= "2025-03-04")
    assert late["Unknown"] > 1000
    assert "Direct" not in late


def test_orders(said: tuple[Said, Path]) -> None:
    """Every order is shown; revenue is exact; colliding ids are different orders and count."""
    orders = table(said[1] / "warehouse" / "fct_orders.csv")
    assert len(orders) == 294
    counted = [row for row in orders if row["is_counted"] == "true"]
    assert sum(Decimal(row["revenue"]) for row in counted) == Decimal("294461.40")
    assert {row["status"] for row in orders if row not in counted} == {"test"}
    colliding = [row for row in orders if row["id_status"] == "id_collision"]
    assert len(colliding) == 8
    assert all(row["is_counted"] == "true" for row in colliding)
    credit = table(said[1] / "warehouse" / "fct_attribution.csv")
    for model in ("first_click", "last_click"):
        assert sum(Decimal(row["revenue"]) for row in credit if row["model"] == model) == Decimal(
            "294461.40"
        )


def test_the_rename_is_found_on_its_day(said: tuple[Said, Path], tmp_path: Path) -> None:
    """Knowing only that day, the watch is RED with a P0 of both names and the fix."""
    given = ["monitor", "--warehouse", said[1] / "warehouse", "--output", tmp_path, "--json"]
    asked = call(*given, "--date", "2025-02-27")
    assert (asked.code, asked.data["status"]) == (1, "RED")
    worst = asked.data["incidents"][0]
    assert (worst["severity"], worst["id"]) == ("P0", "column_renamed:client_id")
    assert {"client_id", "clientId"} <= set(worst["message"].replace(";", "").split())
    assert "aliases: [clientId]" in worst["fix"]
    for quiet in ("2025-02-25", "2025-02-26"):
        earlier = call(*given, "--date", quiet)
        assert (earlier.code, earlier.data["status"] != "RED") == (0, True)


def test_the_lost_referrer_is_found_on_its_day(said: tuple[Said, Path]) -> None:
    """The day it goes, not a day later."""
    assert "column_missing:referrer" not in findings(said[1], "2025-03-03")
    one = findings(said[1], "2025-03-04")["column_missing:referrer"]
    assert one["severity"] == "P1"
    assert one["since"].startswith("2025-03-04")


def test_no_report_names_a_customer(said: tuple[Said, Path]) -> None:
    """Client ids of orders and hashes of e-mails are in no report."""
    orders = table(said[1] / "warehouse" / "fct_orders.csv")
    clients = {row["client_id"].encode() for row in orders if row["client_id"]}
    for path in (said[1] / "reports").rglob("*"):
        if path.is_file() and path.suffix != ".pdf":
            text = path.read_bytes()
            assert not any(client in text for client in clients), path.name
