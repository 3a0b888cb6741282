from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import numpy as np
import pytest

from tallymark.demo.agents import BOTS, BROWSERS
from tallymark.demo.orders import Order
from tallymark.demo.people import Visits
from tallymark.demo.shop import Truth, make_shop
from tallymark.demo.truth import LOOKBACK_MS, credits_of
from tallymark.errors import UsageError

Rows = dict[str, list[dict[str, str]]]
Reader = Callable[[Truth], Rows]
TableReader = Callable[[Truth, str], list[dict[str, str]]]

COLUMNS = [
    "client_id",
    "page_url",
    "referrer",
    "timestamp",
    "event_name",
    "event_data",
    "user_agent",
]
SESSIONS = """
with events as (
  select client_id, epoch_ms(timestamp::timestamp) as ms, event_name
  from read_csv(?, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"',
    columns = {client_id: 'VARCHAR', page_url: 'VARCHAR', referrer: 'VARCHAR',
      timestamp: 'VARCHAR', event_name: 'VARCHAR', event_data: 'VARCHAR', user_agent: 'VARCHAR'})
  where client_id is not null
), marked as (
  select *, case when ms - lag(ms) over (partition by client_id order by ms) > 1800000
    then 1 else 0 end as fresh
  from events
), numbered as (
  select *, sum(fresh) over (partition by client_id order by ms rows unbounded preceding) as nth
  from marked
)
select client_id, strftime(make_timestamp_ms(min(ms)), '%Y-%m-%dT%H:%M:%S.%gZ'),
  strftime(make_timestamp_ms(max(ms)), '%Y-%m-%dT%H:%M:%S.%gZ'),
  count(*), count(*) filter (event_name = 'page_viewed')
from numbered group by client_id, nth order by all
"""


def moment(text: str) -> int:
    """Milliseconds since 1970 of a time in a file."""
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    """The same arguments give the same files, and another seed gives others."""
    made = {}
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        make_shop(
            tmp_path / name,
            days=4,
            events_per_day=400,
            seed=seed,
            incidents=["anonymous_rows@2", "outage@3", "orders_redelivered@1..4"],
        )
        made[name] = contents(tmp_path / name)
    assert made["one"] == made["two"]
    assert made["one"].keys() == made["other"].keys()
    assert not any(made["one"][name] == made["other"][name] for name in made["one"])


def test_files_have_the_schema_and_are_in_order(clean: Truth, rows_of: Reader) -> None:
    """Each day has one file with the seven columns, its own day's rows, ascending."""
    names = [f"events_202601{day:02d}.csv" for day in range(5, 14)]
    files = rows_of(clean)
    assert list(files) == names
    assert [path.name for path in sorted((clean.directory / "raw").iterdir())] == names
    stamp = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    for name, rows in files.items():
        assert list(rows[0]) == COLUMNS
        times = [row["timestamp"] for row in rows]
        assert times == sorted(times)
        assert all(stamp.fullmatch(text) for text in times)
        assert {text[:10].replace("-", "") for text in times} == {name[7:15]}


def test_values_look_like_a_shop(clean: Truth, rows_of: Reader) -> None:
    """Client ids, hosts, agents and payloads have the promised forms."""
    rows = [row for rows in rows_of(clean).values() for row in rows]
    client = re.compile(r"\d{10}-[A-Za-z0-9_-]{12}")
    assert all(client.fullmatch(row["client_id"]) for row in rows if row["client_id"])
    assert all(row["user_agent"] for row in rows)
    hosts = {urlsplit(row["page_url"]).hostname for row in rows}
    assert hosts == {"www.lumenloft.example", "checkout.lumenloft.example"}
    known = {"checkout_completed", "email_filled_on_popup"}
    assert all(bool(row["event_data"]) == (row["event_name"] in known) for row in rows)
    devices = Counter((row["client_id"], row["user_agent"]) for row in rows if row["client_id"])
    assert len(devices) == len({client for client, _ in devices})


def test_payloads_add_up(clean: Truth, rows_of: Reader) -> None:
    """Revenue is quantity times unit price to the cent; test orders are zero without names."""
    rows = [row for rows in rows_of(clean).values() for row in rows]
    digest = re.compile(r"[0-9a-f]{64}")
    ids = []
    for row in rows:
        if not row["event_data"]:
            continue
        payload = json.loads(row["event_data"], parse_float=Decimal)
        assert digest.fullmatch(payload["user_email"])
        if row["event_name"] == "email_filled_on_popup":
            assert list(payload) == ["user_email"]
            continue
        assert list(payload) == ["transaction_id", "revenue", "items", "user_email"]
        assert re.fullmatch(r"LL-\d{8}", payload["transaction_id"])
        ids.append(payload["transaction_id"])
        total = sum(item["quantity"] * item["item_price"] for item in payload["items"])
        assert total == payload["revenue"]
        if not payload["revenue"]:
            assert all(item["item_name"] is None for item in payload["items"])
        fields = ["item_id", "item_name", "item_variant", "quantity", "item_price"]
        assert all(list(item) == fields for item in payload["items"])
    assert len(ids) == len(set(ids)) == clean.totals["orders"]


def test_sessions_are_found_again(clean: Truth, table_of: TableReader) -> None:
    """Cutting the files at gaps of more than half an hour gives exactly the planned sessions."""
    pattern = (clean.directory / "raw" / "*.csv").as_posix()
    with duckdb.connect() as connection:
        found = connection.execute(SESSIONS, [pattern]).fetchall()
    planned = sorted(
        (
            row["client_id"],
            row["session_start"],
            row["session_end"],
            int(row["events"]),
            int(row["page_views"]),
        )
        for row in table_of(clean, "sessions")
    )
    assert found == planned
    assert len(planned) == clean.totals["sessions"]
    assert any(start[:10] < end[:10] for _, start, end, _, _ in planned)  # some cross midnight


def test_totals_agree_with_the_files(clean: Truth, rows_of: Reader) -> None:
    """Events, anonymous rows, orders and counted revenue of each day equal a recount."""
    for day, rows in zip(clean.totals["by_day"], rows_of(clean).values(), strict=True):
        names = Counter(row["event_name"] for row in rows)
        assert day["events"] == len(rows)
        assert day["anonymous_rows"] == sum(not row["client_id"] for row in rows)
        assert all(day[name] == count for name, count in names.items())
        bought = [
            json.loads(row["event_data"], parse_float=Decimal)["revenue"]
            for row in rows
            if row["event_name"] == "checkout_completed"
        ]
        assert day["orders"] == len(bought)
        assert day["counted_orders"] == sum(revenue > 0 for revenue in bought)
        assert Decimal(day["counted_revenue"]) == sum(bought)
    for name in ("events", "sessions", "bot_sessions", "anonymous_rows", "counted_orders"):
        assert clean.totals[name] == sum(day[name] for day in clean.totals["by_day"])


def test_orders_table_agrees_with_the_files(
    clean: Truth, rows_of: Reader, table_of: TableReader
) -> None:
    """Every order's id, client, time and revenue stand in the files as in the truth."""
    found = {}
    for rows in rows_of(clean).values():
        for row in rows:
            if row["event_name"] == "checkout_completed":
                payload = json.loads(row["event_data"], parse_float=Decimal)
                key = payload["transaction_id"]
                found[key] = (row["client_id"], row["timestamp"], payload["revenue"])
    told = {
        row["transaction_id"]: (row["client_id"], row["ordered_at"], Decimal(row["revenue"]))
        for row in table_of(clean, "orders")
    }
    assert told == found
    assert {row["status"] for row in table_of(clean, "orders")} <= {"kept", "test"}


def test_attribution_agrees_with_a_plain_search(clean: Truth, table_of: TableReader) -> None:
    """First and last click equal a search through the client's sessions, and keep all revenue."""
    touches: dict[str, list[tuple[int, str]]] = {}
    for row in table_of(clean, "sessions"):
        touch = (moment(row["session_start"]), row["channel"])
        touches.setdefault(row["client_id"], []).append(touch)
    expected = []
    for row in table_of(clean, "orders"):
        if row["is_counted"] == "true":
            at = moment(row["ordered_at"])
            near = sorted(t for t in touches[row["client_id"]] if 0 <= at - t[0] <= LOOKBACK_MS)
            for model, touch in (("first_click", near[0]), ("last_click", near[-1])):
                expected.append((row["transaction_id"], model, touch, row["revenue"]))
    told = [
        (
            row["transaction_id"],
            row["model"],
            (moment(row["touch_at"]), row["channel"]),
            row["revenue"],
        )
        for row in table_of(clean, "attribution")
    ]
    assert told == expected
    for credit in clean.totals["revenue_by_model_and_channel"].values():
        credited = sum(Decimal(amount) for amount in credit.values())
        assert credited == Decimal(clean.totals["counted_revenue"])


def test_lookback_has_both_ends_in() -> None:
    """A touch exactly 7 x 24 hours before the order counts; one millisecond more does not."""
    at = 20 * LOOKBACK_MS
    start = np.array([at - LOOKBACK_MS - 1, at - LOOKBACK_MS, at - 5, at, at + 1, at - 9])
    client = np.array([0, 0, 0, 0, 0, 1])
    nothing, no = np.zeros(6, dtype=np.int64), np.zeros(6, dtype=np.bool_)
    visits = Visits(client, client, start, nothing, nothing, no, no, no, ["a", "b"])
    order = Order("LL-10000000", 2, at, 100, "kept", "{}")
    found = {credit.model: credit.visit for credit in credits_of(visits, [order], 0)}
    assert found == {"first_click": 1, "last_click": 3}


MEDIUMS = {"display": "Display", "banner": "Display", "social": "Organic Social"}
MEDIUMS |= {"email": "Email", "affiliate": "Affiliates", "sms": "SMS", "paid_social": "Paid Social"}
CLICKS = {"irclickid": "Affiliates", "awc": "Affiliates", "cjevent": "Affiliates"}
CLICKS |= {"gclid": "Paid Search", "msclkid": "Paid Search", "fbclid": "Organic Social"}
HOSTS = {"google": "Organic Search", "bing": "Organic Search", "duckduckgo": "Organic Search"}
HOSTS |= {"facebook": "Organic Social", "instagram": "Organic Social", "chatgpt": "AI Assistant"}
HOSTS |= {"pinterest": "Organic Social", "reddit": "Organic Social", "perplexity": "AI Assistant"}


def channel_of(url: str, referrer: str) -> str:
    """A small classifier of the test's own, by the documented rules."""
    tags = {key: values[0].lower() for key, values in parse_qs(urlsplit(url).query).items()}
    if "cross-network" in tags.get("utm_campaign", ""):
        return "Cross-network"
    if "utm_medium" in tags:
        social = tags["utm_source"] in {"facebook", "instagram", "tiktok"}
        paid = "Paid Social" if social else "Paid Search"
        return paid if tags["utm_medium"] == "cpc" else MEDIUMS[tags["utm_medium"]]
    for click, channel in CLICKS.items():
        if click in tags:
            return channel
    words = set(urlsplit(referrer).netloc.split("."))
    for word, channel in HOSTS.items():
        if word in words:
            return channel
    return "Referral" if referrer else "Direct"


def test_channels_can_be_recovered(clean: Truth, rows_of: Reader, table_of: TableReader) -> None:
    """Landing page and referrer of every session's first event tell its planned channel."""
    landings: dict[tuple[str, str], dict[str, str]] = {}
    for rows in rows_of(clean).values():
        for row in rows:
            landings.setdefault((row["client_id"], row["timestamp"]), row)
    seen = Counter[str]()
    for session in table_of(clean, "sessions"):
        row = landings[session["client_id"], session["session_start"]]
        assert row["event_name"] == "page_viewed"
        assert channel_of(row["page_url"], row["referrer"]) == session["channel"]
        seen[session["channel"]] += session["is_bot"] == "false"
    assert seen == clean.totals["human_sessions_by_channel"]
    assert len(seen) == 12


def test_inside_a_visit_nothing_is_tagged(
    clean: Truth, rows_of: Reader, table_of: TableReader
) -> None:
    """Later page views carry no tag, and come from the shop, its checkout or a payment host."""
    starts = {(row["client_id"], row["session_start"]) for row in table_of(clean, "sessions")}
    later = [
        row
        for rows in rows_of(clean).values()
        for row in rows
        if row["client_id"]
        and row["event_name"] == "page_viewed"
        and (row["client_id"], row["timestamp"]) not in starts
    ]
    assert not any(re.search(r"utm_|clid|awc|cjevent", row["page_url"]) for row in later)
    hosts = Counter(urlsplit(row["referrer"]).netloc for row in later)
    shop = {"www.lumenloft.example", "checkout.lumenloft.example"}
    payment = {"www.paypal.com", "pay.klarna.com", "checkout.stripe.com"}
    assert hosts.keys() <= shop | payment | {""}
    assert hosts["www.lumenloft.example"] > 0.85 * len(later)
    assert sum(hosts[name] for name in payment) > 0


def test_crawlers_are_marked(clean: Truth, rows_of: Reader, table_of: TableReader) -> None:
    """Crawlers' rows are their agents' rows: one page view a session, some without an id."""
    agents = {agent for agent, _ in BOTS}
    assert not agents & {agent for agent, _ in BROWSERS}
    rows = [row for rows in rows_of(clean).values() for row in rows]
    crawled = [row for row in rows if row["user_agent"] in agents]
    named = {row["client_id"] for row in crawled if row["client_id"]}
    sessions = [row for row in table_of(clean, "sessions") if row["is_bot"] == "true"]
    assert {row["client_id"] for row in sessions} == named
    assert {row["events"] for row in sessions} == {"1"}
    assert all(row["user_agent"] in agents for row in rows if not row["client_id"])
    assert 0.06 < len(sessions) / len(rows) < 0.10
    assert 0.004 < clean.totals["anonymous_rows"] / len(rows) < 0.011


@pytest.mark.parametrize(("days", "events"), [(1, 20_000), (5, 6_000), (40, 1_000)])
def test_size_and_rates_are_as_asked(tmp_path: Path, days: int, events: int) -> None:
    """The mean of rows a day is within a tenth, and about 0.9 % of human sessions buy."""
    totals = make_shop(tmp_path, days=days, events_per_day=events, seed=5).totals
    assert abs(totals["events"] / (days * events) - 1) < 0.1
    assert 0.006 < totals["counted_orders"] / totals["human_sessions"] < 0.012
    assert 300 < Decimal(totals["counted_revenue"]) / totals["counted_orders"] < 900


def test_people_sleep_and_have_weekends(tmp_path: Path, table_of: TableReader) -> None:
    """Evenings are busier than nights and Sundays than Fridays."""
    truth = make_shop(tmp_path, days=27, events_per_day=1500, seed=2)
    people = [row for row in table_of(truth, "sessions") if row["is_bot"] == "false"]
    hours = Counter(int(row["session_start"][11:13]) for row in people)
    assert hours[20] > 5 * hours[3]
    days = Counter(dt.date.fromisoformat(row["session_start"][:10]).weekday() for row in people)
    assert days[6] / 3 > days[4] / 4  # the 27 days hold three Sundays and four Fridays


def test_promotions_lift_traffic(tmp_path: Path) -> None:
    """A shop of four weeks has a promotion that shows in its days, unless switched off."""
    truth = make_shop(tmp_path / "on", days=28, events_per_day=800, seed=2)
    (promotion,) = json.loads(truth.path.read_text(encoding="utf-8"))["promotions"]
    days = truth.totals["by_day"]
    during = [d["sessions"] for d in days if promotion["first"] <= d["date"] <= promotion["last"]]
    assert sum(during) / len(during) > 1.15 * truth.totals["sessions"] / 28
    truth = make_shop(tmp_path / "off", days=28, events_per_day=800, seed=2, promotions=False)
    assert json.loads(truth.path.read_text(encoding="utf-8"))["promotions"] == []


def test_people_return_over_days(clean: Truth, table_of: TableReader) -> None:
    """Some clients come back on another day by another channel, and some people have two."""
    visits: dict[str, set[tuple[str, str]]] = {}
    for row in table_of(clean, "sessions"):
        visit = (row["session_start"][:10], row["channel"])
        visits.setdefault(row["client_id"], set()).add(visit)
    journeys = [seen for seen in visits.values() if len({day for day, _ in seen}) > 1]
    assert len(journeys) > 50
    assert any(len({channel for _, channel in seen}) > 1 for seen in journeys)


def test_agents_are_many() -> None:
    """There are a few hundred browsers' agents of forty templates and more, each distinct."""
    agents = [agent for agent, _ in BROWSERS]
    assert len(set(agents)) == len(agents) > 200
    assert not any("{v}" in agent for agent in agents)
    assert all(weight > 0 for _, weight in (*BROWSERS, *BOTS))


def test_parquet_holds_the_same_rows(clean: Truth, tmp_path: Path) -> None:
    """A Parquet shop equals the CSV shop; all columns are text and what is empty is null."""
    truth = make_shop(tmp_path, days=9, events_per_day=1500, seed=11, fmt="parquet")
    assert truth.totals == clean.totals
    for text, parquet in zip(clean.files, truth.files, strict=True):
        with duckdb.connect() as connection:
            types = connection.execute(
                "select column_name, column_type from (describe from read_parquet(?))",
                [parquet.as_posix()],
            ).fetchall()
            assert types == [(name, "VARCHAR") for name in COLUMNS]
            different = connection.execute(
                "select count(*) from (from read_parquet(?) except all"
                " from read_csv(?, all_varchar = true, header = true))",
                [parquet.as_posix(), text.as_posix()],
            ).fetchall()
        assert different == [(0,)]


def test_a_shop_is_replaced_but_nothing_else(tmp_path: Path) -> None:
    """Making a shop again removes the former files; a folder of other files is refused."""
    make_shop(tmp_path, days=3, events_per_day=100, seed=1)
    make_shop(tmp_path, days=2, events_per_day=100, seed=1, fmt="parquet")
    names = [path.name for path in sorted((tmp_path / "raw").iterdir())]
    assert names == ["events_20260105.parquet", "events_20260106.parquet"]
    (tmp_path / "raw" / "events_20250101.csv").write_text("real", encoding="utf-8")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="no simulation made"):
        make_shop(tmp_path, days=2, events_per_day=100, seed=2)
    assert contents(tmp_path) == before


def test_the_smallest_shop(tmp_path: Path) -> None:
    """One event a day is a shop too."""
    truth = make_shop(tmp_path, days=3, events_per_day=1, seed=0)
    assert len(truth.files) == 3
    assert truth.totals["events"] < 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"days": 0}, "0 days"),
        ({"days": 99_999}, "99999 days"),
        ({"events_per_day": 0}, "too few"),
        ({"seed": -1}, "negative"),
        ({"fmt": "xlsx"}, "no format"),
        ({"start": dt.date(1969, 12, 31)}, "cannot start"),
    ],
)
def test_impossible_shops_are_refused(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    """Arguments that cannot be are refused before anything is written."""
    given: dict[str, object] = {"days": 2, "events_per_day": 50, "seed": 1} | arguments
    with pytest.raises(UsageError, match=message):
        make_shop(tmp_path / "shop", **given)  # type: ignore[arg-type]
    assert not (tmp_path / "shop").exists()


def test_truth_is_told_with_definitions(clean: Truth) -> None:
    """The document lists the files as written, the definitions, and the same totals."""
    document = json.loads(clean.path.read_text(encoding="utf-8"))
    assert document["totals"] == clean.totals
    assert [clean.directory / entry["path"] for entry in document["files"]] == list(clean.files)
    assert sum(entry["rows"] for entry in document["files"]) == clean.totals["events"]
    assert "clean shop" in document["definitions"]["truth"]
    assert document["incidents"] == []


def test_the_package_is_light() -> None:
    """Importing the package alone loads neither numpy nor duckdb."""
    code = "import sys, tallymark.demo; print({'numpy', 'duckdb'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
