from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from bench.gate_incidents import cases
from tallymark.demo.shop import Truth, incident_names, make_shop
from tests.project.shops import findings, run, table

FIRST = dt.date(2026, 1, 5)
# One after the other, so that each is found beside the traces of those before it.
PLANTED = {
    "order_id_collision": 6,
    "orders_redelivered": 7,
    "outage": 8,
    "missing_day": 10,
    "anonymous_rows": 11,
    "payload_null": 12,
    "column_renamed": 13,
    "column_gone": 14,
}


def day(number: int) -> str:
    """The date of a day of the shop, counted from 1."""
    return (FIRST + dt.timedelta(days=number - 1)).isoformat()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Two weeks with eight incidents, and a run on them beside the deliveries."""
    folder = tmp_path_factory.mktemp("incidents")
    truth = make_shop(
        folder, days=15, events_per_day=1500, seed=1, promotions=False,
        incidents=[f"{name}@{number}" for name, number in PLANTED.items()],
    )  # fmt: skip
    run(folder / "raw", folder / "out", "report")
    return truth


def orders(made: Truth) -> list[dict[str, str]]:
    """The orders that were built."""
    return table(made.directory / "out" / "warehouse" / "fct_orders.csv")


def found(made: Truth, name: str) -> dict[str, dict[str, object]]:
    """What was found on the day that an incident was planted on."""
    return findings(made.directory / "out", day(PLANTED[name]))


def test_days_without_an_incident_are_good(made: Truth) -> None:
    """Before the first incident nothing but information is said."""
    for number in range(1, 6):
        assert {one["severity"] for one in findings(made.directory / "out", day(number)).values()
                } <= {"P3"}  # fmt: skip


def test_a_renamed_column_is_named_with_its_new_name(made: Truth) -> None:
    """A P0 with both names, the fix, and sessions that go on across the day."""
    one = found(made, "column_renamed")["column_renamed:client_id"]
    assert one["severity"] == "P0"
    assert "client_id" in str(one["message"])
    assert "clientId" in str(one["message"])
    assert "aliases: [clientId]" in str(one["fix"])
    assert str(one["since"]).startswith(day(PLANTED["column_renamed"]))
    sessions = table(made.directory / "out" / "warehouse" / "fct_sessions.csv")
    truth = table(made.directory / "truth" / "sessions.csv")
    on = day(PLANTED["column_renamed"])
    assert {row["session_id"] for row in sessions if row["session_start"] > on}
    assert {(row["client_id"], row["session_start"]) for row in sessions
            if row["session_date"] == on} == {(row["client_id"], row["session_start"])
            for row in truth if row["session_start"].startswith(on)}  # fmt: skip


def test_a_rename_stays_one_open_incident(made: Truth) -> None:
    """On the days after, it is open since the first of them."""
    path = made.directory / "out" / "reports" / "monitoring_report.json"
    incidents = json.loads(path.read_text(encoding="utf-8"))["incidents"]
    ours = [one for one in incidents if one["id"] == "column_renamed:client_id"]
    assert len(ours) == 1
    assert ours[0]["state"] == "open"
    assert ours[0]["since"].startswith(day(PLANTED["column_renamed"]))


def test_a_column_that_is_gone_leaves_nothing_direct(made: Truth) -> None:
    """A P1 on the day, and no session that starts after it is called Direct."""
    one = found(made, "column_gone")["column_missing:referrer"]
    assert one["severity"] == "P1"
    gone = day(PLANTED["column_gone"])
    sessions = table(made.directory / "out" / "warehouse" / "fct_sessions.csv")
    channels = {row["channel"] for row in sessions if row["session_start"] >= gone}
    assert "Unknown" in channels
    assert "Direct" not in channels
    assert "Direct" in {row["channel"] for row in sessions if row["session_start"] < gone}


def test_anonymous_rows_are_counted(made: Truth) -> None:
    """The share of rows without a client id is dated, and the gate counts them."""
    here = found(made, "anonymous_rows")
    assert here["identity_coverage"]["severity"] == "P1"
    touched = made.incidents[list(PLANTED).index("anonymous_rows")].rows_touched
    evidence = here["anonymous_rows"]["evidence"]
    assert isinstance(evidence, dict)
    assert evidence["rows_with_it"] >= touched


def test_redelivered_orders_count_once(made: Truth) -> None:
    """Each second arrival is a redelivery, and the orders that count are the true ones."""
    assert "order_redelivered" in found(made, "orders_redelivered")
    on = day(PLANTED["orders_redelivered"])
    rows = [row for row in orders(made) if row["order_date"] == on]
    touched = made.incidents[list(PLANTED).index("orders_redelivered")].rows_touched
    assert sum(row["status"] == "redelivery" for row in rows) == touched
    truth = table(made.directory / "truth" / "orders.csv")
    assert sorted(row["transaction_id"] for row in rows if row["is_counted"] == "true") == sorted(
        row["transaction_id"] for row in truth
        if row["ordered_at"].startswith(on) and row["is_counted"] == "true"
    )  # fmt: skip


def test_colliding_orders_both_count(made: Truth) -> None:
    """Two customers with one id are two orders, and the day of the second names them."""
    assert found(made, "order_id_collision")["order_id_collision"]["severity"] == "P2"
    planted = made.incidents[list(PLANTED).index("order_id_collision")]
    shared = {pair["now"] for pair in planted.days[0]["transaction_ids"]}
    ours = [row for row in orders(made) if row["transaction_id"] in shared]
    assert len(ours) == 2 * len(shared)
    assert {(row["id_status"], row["is_counted"]) for row in ours} == {("id_collision", "true")}
    assert len({row["client_id"] for row in ours}) == len(ours)


def test_a_payload_field_that_turns_null_is_named(made: Truth) -> None:
    """The field is in the id of the finding and in its sentence."""
    one = found(made, "payload_null")["payload_field_lost:items[].item_price"]
    assert "items[].item_price is empty" in str(one["message"])


def test_an_outage_is_dated_to_the_hour(made: Truth) -> None:
    """A P1 that begins with the first silent hour and names the last."""
    one = found(made, "outage")["hours_missing"]
    assert (one["severity"], one["since"]) == ("P1", f"{day(PLANTED['outage'])}T11:00:00.000Z")
    assert "from 11:00 to 13:00" in str(one["message"])


def test_a_missing_day_is_judged_too(made: Truth) -> None:
    """The day without a file has a report of its own, and it is RED with a P0."""
    one = found(made, "missing_day")["delivery_missing"]
    assert one["severity"] == "P0"
    after = findings(made.directory / "out", day(PLANTED["missing_day"] + 1))
    assert "days_missing" in after


def test_a_conversion_collapse_is_named(tmp_path: Path) -> None:
    """With enough orders to tell, a day on which checkouts end in nothing is found that day."""
    make_shop(tmp_path, days=12, events_per_day=5000, seed=1, promotions=False,
              incidents=["conversion_collapse@12"])  # fmt: skip
    run(tmp_path / "raw", tmp_path / "out", "report")
    one = findings(tmp_path / "out", day(12))["purchase_rate"]
    assert one["severity"] in {"P1", "P2"}
    assert "The share of checkouts that become an order" in str(one["message"])


def test_every_kind_of_incident_is_tried() -> None:
    """A new kind of incident needs a test here of how the run names it, or a case for the gate."""
    for_the_gate = {case.incident for case in cases().values()}
    assert set(incident_names()) == {*PLANTED, "conversion_collapse"} | for_the_gate
