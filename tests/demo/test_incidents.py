from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tallymark.demo.shop import Planted, Truth, make_shop
from tallymark.errors import UsageError

Rows = dict[str, list[dict[str, str]]]
Reader = Callable[[Truth], Rows]
Maker = Callable[..., Truth]
Row = tuple[tuple[str, str], ...]


def difference(before: Rows, after: Rows) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows that are only before and only after, each in the order of time."""

    def counted(rows: Rows) -> Counter[Row]:
        return Counter(tuple(row.items()) for file in rows.values() for row in file)

    old, new = counted(before), counted(after)
    lost = [dict(row) for row in (old - new).elements()]
    gained = [dict(row) for row in (new - old).elements()]
    return lost, gained


# Specification, whether rows are lost, whether rows are gained.
DIFFERENCES = [
    ("conversion_collapse@4", True, False),
    ("conversion_collapse@4..6:share=0.5", True, False),
    ("payload_null@5", True, True),
    ("payload_null@5:field=user_email,hours=10-22", True, True),
    ("payload_null@3:field=revenue,share=0.4", True, True),
    ("order_id_collision@6", True, True),
    ("order_id_collision@1", True, True),
    ("order_id_collision@7:count=3", True, True),
    ("orders_redelivered@5", False, True),
    ("orders_redelivered@5:share=0.5,within=600", False, True),
    ("anonymous_rows@4", False, True),
    ("anonymous_rows@2026-01-08:share=0.4,hours=6-9", False, True),
    ("outage@4", True, False),
    ("outage@4..5:hours=0-24", True, False),
    ("missing_day@3", True, False),
    ("column_renamed@7", True, True),
    ("column_renamed@2..3:column=user_agent,to=agent", True, True),
    ("column_gone@8", True, True),
]


def plant(make: Maker, *specs: str) -> tuple[Truth, Planted]:
    """The shop with incidents, and the first of them."""
    truth = make(*specs)
    return truth, truth.incidents[0]


@pytest.mark.parametrize(("spec", "loses", "gains"), DIFFERENCES)
def test_rows_touched_are_what_a_diff_shows(
    clean: Truth, broken: Maker, rows_of: Reader, spec: str, *, loses: bool, gains: bool
) -> None:
    """The account equals the difference between the clean and the incident's files."""
    truth, planted = plant(broken, spec)
    lost, gained = difference(rows_of(clean), rows_of(truth))
    assert planted.rows_touched > 0
    assert (len(lost), len(gained)) == (
        planted.rows_touched * loses,
        planted.rows_touched * gains,
    )
    assert planted.rows_touched == sum(day["rows"] for day in planted.days)
    assert truth.totals == clean.totals


@pytest.mark.parametrize("spec", [spec for spec, _, _ in DIFFERENCES])
def test_start_and_end_are_exact(clean: Truth, broken: Maker, rows_of: Reader, spec: str) -> None:
    """An incident is dated by its first and last touched row, or by the hours it covers."""
    truth, planted = plant(broken, spec)
    lost, gained = difference(rows_of(clean), rows_of(truth))
    times = sorted(row["timestamp"] for row in gained or lost)
    if planted.kind in {"outage", "missing_day"}:
        assert planted.start <= times[0]
        assert times[-1] < planted.end
        assert planted.start[14:] == planted.end[14:] == "00:00.000Z"
    else:
        assert (planted.start, planted.end) == (times[0], times[-1])


def test_outage_leaves_a_hole(broken: Maker, rows_of: Reader) -> None:
    """No row remains in the hours of an outage, and those around stay."""
    truth, planted = plant(broken, "outage@4:hours=11-13")
    assert (planted.start, planted.end) == ("2026-01-08T11:00:00.000Z", "2026-01-08T13:00:00.000Z")
    hours = {row["timestamp"][11:13] for row in rows_of(truth)["events_20260108.csv"]}
    assert hours == {f"{hour:02d}" for hour in range(24)} - {"11", "12"}


def test_missing_day_has_no_file(clean: Truth, broken: Maker) -> None:
    """The file of a missing day does not exist, and the truth says what was lost with it."""
    truth, planted = plant(broken, "missing_day@3")
    gone = {path.name for path in clean.files} - {path.name for path in truth.files}
    assert gone == {"events_20260107.csv"}
    day = clean.totals["by_day"][2]
    assert planted.rows_touched == day["events"]
    assert planted.days[0]["orders"] == day["orders"]
    assert planted.days[0]["revenue"] == day["counted_revenue"]


def test_columns_change_in_place_and_to_the_end(broken: Maker, rows_of: Reader) -> None:
    """A rename keeps its place; it and a lost column last unless a range is given."""
    files = rows_of(broken("column_renamed@3", "column_gone@5..6"))
    headers = [list(rows[0]) for rows in files.values()]
    assert [header[0] for header in headers] == ["client_id"] * 2 + ["clientId"] * 7
    assert ["referrer" in header for header in headers] == [True] * 4 + [False] * 2 + [True] * 3


def test_collision_is_between_strangers(broken: Maker, rows_of: Reader) -> None:
    """Colliding orders have one id, and neither client, e-mail nor time in common."""
    truth, planted = plant(broken, "order_id_collision@7:count=2")
    orders: dict[str, list[tuple[str, str]]] = {}
    for rows in rows_of(truth).values():
        for row in rows:
            if row["event_name"] == "checkout_completed":
                payload = json.loads(row["event_data"])
                who = (row["client_id"], payload["user_email"])
                orders.setdefault(payload["transaction_id"], []).append(who)
    twice = {key: people for key, people in orders.items() if len(people) > 1}
    pairs = planted.days[0]["transaction_ids"]
    assert set(twice) == {pair["now"] for pair in pairs}
    assert len(twice) == planted.rows_touched == 2
    for one, other in twice.values():
        assert one[0] != other[0]
        assert one[1] != other[1]


def test_redelivery_repeats_the_content(clean: Truth, broken: Maker, rows_of: Reader) -> None:
    """A copy has the order's client and payload, and comes some seconds after it."""
    truth = broken("orders_redelivered@5")
    before = rows_of(clean)
    _, copies = difference(before, rows_of(truth))
    originals = {
        (row["client_id"], row["event_data"]): row["timestamp"]
        for row in before["events_20260109.csv"]
    }
    for row in copies:
        assert row["timestamp"] > originals[row["client_id"], row["event_data"]]
    assert truth.incidents[0].days[0]["orders"] == len(copies)


def test_null_fields_are_null(broken: Maker, rows_of: Reader) -> None:
    """Every purchase of the day lost the field and nothing else."""
    truth = broken("payload_null@5:field=item_price")
    payloads = [
        json.loads(row["event_data"])
        for row in rows_of(truth)["events_20260109.csv"]
        if row["event_name"] == "checkout_completed"
    ]
    prices = [item["item_price"] for payload in payloads for item in payload["items"]]
    assert prices
    assert set(prices) == {None}
    assert all(payload["transaction_id"] for payload in payloads)


def test_collapse_takes_the_share_asked_for(clean: Truth, broken: Maker) -> None:
    """Four of five purchases vanish, and the truth says what they were worth."""
    _, planted = plant(broken, "conversion_collapse@4:share=0.8")
    assert planted.rows_touched == round(0.8 * clean.totals["by_day"][3]["orders"])
    assert float(planted.days[0]["revenue"]) > 0


def test_incidents_do_not_disturb_each_other(broken: Maker, rows_of: Reader) -> None:
    """An incident changes its rows alike whether or not others are planted elsewhere."""
    alone = rows_of(broken("anonymous_rows@4"))
    among = rows_of(broken("outage@2", "anonymous_rows@4", "missing_day@6"))
    assert among["events_20260108.csv"] == alone["events_20260108.csv"]


def test_incidents_of_one_day_have_an_order(broken: Maker, rows_of: Reader) -> None:
    """Rows change before columns do, in whatever order the incidents are given."""
    asked = ("column_renamed@4:column=event_data", "payload_null@4", "outage@4", "anonymous_rows@4")
    one, other = broken(*asked), broken(*reversed(asked))
    assert rows_of(one) == rows_of(other)
    assert one.incidents == tuple(reversed(other.incidents))
    assert "eventData" in rows_of(one)["events_20260108.csv"][0]


def test_truth_file_holds_the_incidents(broken: Maker) -> None:
    """The machine-readable truth says kind, times, rows and details of each incident."""
    truth = broken("payload_null@5", "column_gone@8")
    told = json.loads(truth.path.read_text(encoding="utf-8"))["incidents"]
    assert [incident["kind"] for incident in told] == ["payload_null", "column_gone"]
    assert told[0]["field"] == "item_price"
    assert told[1]["column"] == "referrer"
    assert told[1]["last_day"] == "2026-01-13"
    assert [incident["rows_touched"] for incident in told] == [
        planted.rows_touched for planted in truth.incidents
    ]


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["column_gone@2", "column_gone@3"], "already been renamed or removed"),
        (["column_renamed@2:to=page_url"], "there already"),
        (["conversion_collapse@1"], "nothing to touch"),
    ],
)
def test_what_cannot_happen_is_refused(tmp_path: Path, specs: list[str], message: str) -> None:
    """An incident that cannot happen is an error, and leaves nothing behind."""
    with pytest.raises(UsageError, match=message) as caught:
        make_shop(tmp_path, days=4, events_per_day=20, seed=1, incidents=specs)
    assert caught.value.where.startswith("--incident ")
    assert list(tmp_path.iterdir()) == []
