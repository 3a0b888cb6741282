"""Every kind of finding is counted again by what it carries: its SQL is run, its command as well.

The deliveries are made by hand for what the simulator does not plant.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tallymark.check.counting.queries import answerable, command, told_paths, unsummed
from tallymark.demo.shop import make_shop
from tallymark.ingest.deliveries import find_deliveries
from tallymark.project import Project
from tallymark.results import CheckResult, Finding, Layer, Severity
from tests.ingest.making import COLUMNS, as_csv, event, purchase

UNCOUNTED = {"file_late", "column_reordered", "file_bom", "file_delimiter"}
"""What is seen against earlier deliveries, and counts nothing."""


def _counted(home: Path) -> tuple[CheckResult, set[str]]:
    """Build, count every finding again, and say which rules were counted, and how."""
    project = Project.open(home)
    project.build()
    checked = project.checked
    assert checked is not None
    told = set()
    catalog = home / "warehouse" / "tallymark.duckdb"
    with duckdb.connect(str(catalog), read_only=True) as warehouse:
        for report in checked.deliveries:
            for one in report.findings:
                told.add(_again(home, warehouse, report.delivery, one))
    return checked, told - {""}


def _again(home: Path, warehouse: duckdb.DuckDBPyConnection, delivery: str, one: Finding) -> str:
    if one.query is None:
        assert one.rows is None, one.id
        assert one.rule in UNCOUNTED or one.id.endswith(":learning"), one.id
        return ""
    if one.query.startswith("tallymark "):
        path = command("").split()
        words = shlex.split(one.query)
        assert words[:3] == path[:3], one.query
        found = _asked(home, words[3])
        assert (one.id, one.rows) in found, (delivery, one.id, one.rows, found)
        return f"{one.rule} by command"
    rows = warehouse.execute(one.query).fetchall()
    if one.rows is not None:
        assert rows == [(one.rows,)], (delivery, one.id, one.rows, one.query, rows)
    return f"{one.rule} by query"


def _asked(home: Path, path: str) -> set[tuple[str, int | None]]:
    """What the gate says when it is asked about one delivery alone, as the command does."""
    with contextlib.chdir(home):
        again = Project.open(source=path, reports=home / "recount").check()
    return {(one.id, one.rows) for report in again.deliveries for one in report.findings}


def _shop(
    home: Path, *, rules: Sequence[Mapping[str, Any]] = (), contract: str = "", hosts: str = ""
) -> Path:
    raw = home / "raw"
    raw.mkdir(parents=True)
    text = 'input: raw\nshop:\n  own_hosts: ["shop.example"]\n' if hosts else "input: raw\n"
    (home / "tallymark.yml").write_text(text, encoding="utf-8")
    for folder, name, said in (("rules", "check.yml", _rules(rules)),
                               ("contracts", "events.yml", contract)):  # fmt: skip
        if said:
            (home / folder).mkdir()
            (home / folder / name).write_text(said, encoding="utf-8")
    return raw


def _rules(rules: Sequence[Mapping[str, Any]]) -> str:
    made = [{"severity": "P2", "fix": "mend it", **rule} for rule in rules]
    return json.dumps({"version": 1, "rules": made}) if made else ""


def _time(day: int, hour: int = 10, minute: int = 0, second: int = 0) -> str:
    return f"2031-05-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z"


def _views(day: int, many: int = 48) -> list[dict[str, str]]:
    return [event(client_id=f"v-{day}-{at}", timestamp=_time(day, at % 24)) for at in range(many)]


def _order(day: int, number: str, client: str, at: int = 0, **more: Any) -> dict[str, str]:
    lines = [{"item_id": "a", "item_name": "a", "quantity": 2, "item_price": 5}]
    payload = {"transaction_id": number, "revenue": 10, "user_email": f"{client}@mail.example",
               "items": lines, **more}  # fmt: skip
    return purchase(payload, client_id=client, timestamp=_time(day, 8 + at // 60, at % 60))


def _put(raw: Path, day: int, rows: list[dict[str, str]], *, name: str = "", **how: Any) -> None:
    path = raw / (name or f"2031-05-{day:02}.csv")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(as_csv(rows, **how))


# ---------------------------------------------------------------- rules about values

OWN: list[dict[str, Any]] = [
    {"id": "r_nulls", "check": "nulls", "column": "referrer"},
    {"id": "r_range", "check": "range", "column": "revenue", "event": "purchase", "max": 20},
    {"id": "r_out", "check": "expression", "expression": "page_host <> 'copy.example'",
     "action": "quarantine_rows"},
    {"id": "r_time", "check": "range", "column": "timestamp", "min": "2031-05-05"},
    {"id": "r_extra", "check": "allowed", "column": "country", "values": ["DE"]},
    {"id": "r_unique", "check": "unique", "column": "transaction_id", "event": "purchase"},
    {"id": "r_key", "check": "compound_key", "columns": ["client_id", "timestamp"]},
    {"id": "r_secret", "check": "pattern", "column": "client_id",
     "pattern": "^(c-|somebody@mail.example)"},
    {"id": "json_invalid", "check": "json_invalid"},
    {"id": "event_unknown", "check": "event_unknown"},
    {"id": "time_zone", "check": "time_zone"},
    {"id": "time_future", "check": "time_future"},
    {"id": "host_unknown", "check": "host_unknown", "threshold": 0.01},
    {"id": "payload_schema", "check": "payload_schema"},
]  # fmt: skip
CONTRACT = """version: "7"
columns:
  - {name: client_id, role: client_id, kind: identifier}
  - {name: page_url, role: page_url, kind: url}
  - {name: referrer, role: referrer, kind: url, required: false}
  - {name: timestamp, role: timestamp, kind: timestamp}
  - {name: event_name, role: event_name, kind: name}
  - {name: event_data, role: event_data, kind: json, required: false}
  - {name: user_agent, role: user_agent, kind: user_agent, required: false}
  - {name: country, kind: text, required: false}
events:
  purchase: [checkout_completed]
payloads:
  checkout_completed: {type: object, required: [coupon]}
"""


def test_own_rules_can_be_counted_again(tmp_path: Path) -> None:
    """One rule of each kind, rows kept out among them, over columns of every sort."""
    raw = _shop(tmp_path, rules=OWN, contract=CONTRACT, hosts="own")
    rows = [
        *_views(5),
        event(client_id="c-9", page_url="https://copy.example/p", timestamp=_time(5, 1)),
        event(client_id="c-8", page_url="https://other.example/p", timestamp=_time(5, 2)),
        event(client_id="c-7", timestamp=_time(4, 3)), event(client_id="c-6", event_name="odd"),
        event(client_id="c-5", timestamp="2031-05-05T04:00:00"),
        event(client_id="c-4", timestamp="2031-05-05T04:00:00+00:00"),
        event(client_id="c-3", timestamp=_time(9)), event(client_id="c-2", event_data="{"),
        event(client_id="c-1", timestamp=_time(5, 6)),
        event(client_id="c-1", timestamp=_time(5, 6), page_url="https://shop.example/p/2"),
        _order(5, "T1", "b-1"), _order(5, "T1", "b-2", 1, coupon="x"),
        _order(5, "T3", "b-3", 2, revenue=99),
    ]  # fmt: skip
    rows = [{**row, "country": "DE" if at % 3 else "FR"} for at, row in enumerate(rows)]
    _put(raw, 5, rows, columns=[*COLUMNS, "country"])
    _, told = _counted(tmp_path)
    assert told == {
        *(f"{one['id']} by query" for one in OWN),
        "r_extra by command", "payload_schema by command", "r_secret by command",
    } - {"r_extra by query", "payload_schema by query", "r_secret by query"}  # fmt: skip


def test_deep_payloads_are_counted_by_the_gate(tmp_path: Path) -> None:
    """No query tells how deep a text is nested; the gate is asked again."""
    raw = _shop(tmp_path, rules=[{"id": "json_invalid", "check": "json_invalid"}])
    deep = "[" * 40 + " " * 2000 + "]" * 40
    _put(raw, 5, [*_views(5), event(event_data=deep), event(event_data="{")])
    checked, told = _counted(tmp_path)
    assert [one.rows for one in checked.deliveries[0].findings] == [2]
    assert told == {"json_invalid by command"}


# ---------------------------------------------------------------- files, and refused ones


def test_files_that_cannot_be_read_name_a_command(tmp_path: Path) -> None:
    """Empty, of another kind, header only, not text: the gate is asked about that very file."""
    raw = _shop(tmp_path)
    (raw / "2031-05-01.csv").write_bytes(b"")
    (raw / "2031-05-02.csv").write_bytes(b"PK\x03\x04" + bytes(64))
    (raw / "2031-05-03.csv").write_bytes(as_csv([]))
    (raw / "2031-05-04.csv").write_bytes(as_csv(_views(4)) + b"\xff\xfe" * 400)
    (raw / "2031-05-05.csv.gz").write_bytes(b"\x1f\x8b\x08\x00" + bytes(32))
    _put(raw, 6, _views(6))
    _, told = _counted(tmp_path)
    assert told >= {f"file_{name} by command"
                    for name in ("empty", "kind", "header_only", "compression")}  # fmt: skip


def test_a_refused_delivery_is_counted_by_the_gate(tmp_path: Path) -> None:
    """Nothing of it is in the warehouse, so no query of its rows could answer."""
    raw = _shop(tmp_path)
    without = [name for name in COLUMNS if name != "client_id"]
    rows = [event(page_url="/p"), *_views(5)]
    _put(raw, 5, rows, columns=without, name="west/o'brien 2031-05-05.csv")
    _put(raw, 6, _views(6))
    _, told = _counted(tmp_path)
    assert told >= {"column_missing by query", "page_invalid by command"}


# ---------------------------------------------------------------- orders


def test_orders_of_one_delivery_and_of_history_are_not_mixed(tmp_path: Path) -> None:
    """The same order twice in a file, and on the day before, is counted by each for itself."""
    raw = _shop(tmp_path)
    first = [_order(5, f"T{at}", f"b-{at}", at) for at in range(4)]
    _put(raw, 5, [*_views(5), *first, _order(5, "T9", "b-9", 9), _order(5, "T9", "b-8", 10)])
    again = [_order(6, "T1", "b-1", 1), _order(6, "T1", "b-1", 2), _order(6, "T7", "b-7", 7),
             _order(6, "T7", "b-7", 8), _order(6, "T2", "x-2", 9),
             _order(6, "T3", "b-3", 10, revenue=4)]  # fmt: skip
    _put(raw, 6, [*_views(6), *again])
    _put(raw, 6, [*_views(6, 30), _order(6, "T7", "b-7", 20)], name="2031-05-06-b.csv")
    checked, told = _counted(tmp_path)
    assert {name.split()[0] for name in told} >= {
        "order_redelivered", "order_redelivered_history", "order_id_collision",
        "order_id_collision_history", "order_conflict_history",
    }  # fmt: skip
    assert len(checked.deliveries) == 3


def test_orders_that_do_not_add_up_can_be_counted_again(tmp_path: Path) -> None:
    """Taxes and discounts that the shop's habit adds, a text for a revenue, nothing for an item."""
    raw = _shop(tmp_path)
    for day in (5, 6, 7):
        sound = [
            _order(day, f"T{day}-{at}", f"b-{day}-{at}", at, revenue=11.5, tax=2, discount=0.5)
            for at in range(30)
        ]
        odd = [_order(day, f"O{day}-{at}", f"o-{at}", 40 + at, revenue=value, tax=2, discount=0.5)
               for at, value in enumerate([14, 9, "12,50", "free", 0])]  # fmt: skip
        _put(raw, day, [*_views(day), *sound, *(odd if day == 7 else [])])
    checked, told = _counted(tmp_path)
    rows = {one.rule: one.rows for one in checked.deliveries[-1].findings}
    assert (rows["order_revenue_mismatch"], rows["order_revenue_not_a_number"]) == (2, 2)
    assert rows["order_zero_revenue"] == 1
    assert {f"{name} by query" for name in rows} <= told


@pytest.mark.parametrize("field", ["coupon", "items[].item_name"])
def test_fields_lost_for_some_hours_can_be_counted_again(tmp_path: Path, field: str) -> None:
    """A field of the payload, and one of its lines, empty from noon on, then all day."""
    raw = _shop(tmp_path)
    for day in range(1, 7):
        rows = []
        for at in range(60):
            lost = day == 6 or (day == 5 and at >= 30)
            line = {"item_id": "a", "item_name": "" if lost and "item" in field else "a",
                    "quantity": 1, "item_price": 10}  # fmt: skip
            coupon = [] if lost and field == "coupon" else ["c"]
            rows.append(_order(day, f"T{day}-{at}", f"b-{at}", 10 * at, coupon=coupon,
                               items=[line, line, "no line"]))  # fmt: skip
        _put(raw, day, [*_views(day), *rows])
    _, told = _counted(tmp_path)
    assert told >= {"payload_field_lost by query", "payload_field_partly_lost by query"}


# ---------------------------------------------------------------- traffic, headers, days


def test_one_client_too_busy_can_be_counted_again(tmp_path: Path) -> None:
    """All events of the clients that no person is, those of their calm hours included."""
    raw = _shop(tmp_path)
    busy = [event(client_id="m-1", timestamp=_time(5, 10, at // 60, at % 60)) for at in range(900)]
    calm = [event(client_id="m-1", timestamp=_time(5, hour)) for hour in range(20)]
    less = [event(client_id="m-2", timestamp=_time(5, 11, at // 60, at % 60)) for at in range(300)]
    _put(raw, 5, [*_views(5), *busy, *calm, *less])
    checked, told = _counted(tmp_path)
    assert "client_volume by query" in told
    rows = [one.rows for one in checked.deliveries[0].findings if one.rule == "client_volume"]
    assert rows == [920]


def test_headers_and_days_can_be_counted_again(tmp_path: Path) -> None:
    """The same bytes twice, days that never came, ids of another form, a mark and a semicolon."""
    raw = _shop(tmp_path)
    for day in (1, 2, 3):
        _put(raw, day, _views(day, 60))
    (raw / "2031-05-03-again.csv").write_bytes((raw / "2031-05-03.csv").read_bytes())
    numbers = [{**row, "client_id": str(10**9 + at)} for at, row in enumerate(_views(7, 60))]
    _put(raw, 7, numbers, columns=COLUMNS[::-1])
    doubled = [{**row, "clientId": row["client_id"]} for row in _views(8, 60)]
    _put(raw, 8, doubled, columns=[*COLUMNS, "clientId"], delimiter=";")
    (raw / "2031-05-09.csv").write_bytes(b"\xef\xbb\xbf" + as_csv(_views(9, 60)))
    checked, told = _counted(tmp_path)
    assert {name.split()[0] for name in told} >= {
        "same_bytes", "missing_days", "column_type_changed", "column_doubled",
    }  # fmt: skip
    (gap,) = [one for report in checked.deliveries for one in report.findings
              if one.rule == "missing_days"]  # fmt: skip
    with duckdb.connect(str(tmp_path / "warehouse" / "tallymark.duckdb"), read_only=True) as opened:
        assert opened.execute(str(gap.query)).fetchall() == [(gap.evidence["days"],)]


def test_bots_and_baskets_that_come_again_can_be_counted_again(tmp_path: Path) -> None:
    """Checkouts that bots started, and orders under a new id whose payload is written otherwise."""
    raw = _shop(tmp_path)
    bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    for day in range(1, 8):
        starts = [
            event(client_id=f"s-{day}-{at}", timestamp=_time(day, at, 30),
                  event_name="checkout_started", **({"user_agent": bot} if day == 7 else {}))
            for at in range(20)
        ]  # fmt: skip
        written: list[dict[str, Any]] = [
            {}, {"user_email": " ONE@mail.example "}, {"user_email": None}, {"revenue": 10.0},
            {"revenue": "10"}, {"items": None}, {"items": []}, {"revenue": 0}, {"revenue": -10},
        ]  # fmt: skip
        orders = [_order(day, f"A{day}{at}", "one", at, **more) for at, more in enumerate(written)]
        again = _order(day, f"A{day}0", "one", 50)
        _put(raw, day, [*_views(day), *starts, *orders, again, _order(day, "", "one", 55)])
    checked, told = _counted(tmp_path)
    assert {"bot_actions by query", "order_again by query"} <= told
    found = [one for report in checked.deliveries for one in report.findings
             if one.rule == "order_again"]  # fmt: skip
    assert [(one.rows, one.severity) for one in found] == [(3, "P2")] * 7


@pytest.mark.slow
@pytest.mark.parametrize(
    "planted",
    [
        ("double_fired@6:event=all,share=0.5", "bot_wave@8", "staging_traffic@10"),
        ("double_fired@7:event=checkout_completed,share=1.0", "payload_null@9", "half_file@10"),
        ("column_partly_empty@6:column=page_url,share=0.3,hours=10-24",
         "column_partly_empty@8:column=user_agent,share=0.5",
         "column_partly_empty@10:column=event_data,share=0.5,hours=8-24"),
        ("ids_lost@6", "ids_lost@8:where=iphone,share=0.9,hours=9-24", "anonymous_rows@10"),
        ("referrer_lost@6:hours=7-24", "column_partly_empty@8:column=referrer,share=1.0",
         "column_partly_empty@10:column=event_name,share=0.5"),
        ("revenue_zero@6", "revenue_negative@8:share=0.5", "order_id_collision@10"),
        ("type_changed@6..6:column=client_id", "type_changed@8..8", "columns_swapped@10..10"),
        ("columns_renamed@6..7", "column_gone@9:column=user_agent", "outage@10"),
        ("truncated_file@6", "delivered_twice@8", "missing_day@10"),
        ("orders_redelivered@6", "payload_null@8:field=item_price",
         "payload_null@10:field=revenue"),
    ],
)  # fmt: skip
def test_planted_incidents_can_be_counted_again(tmp_path: Path, planted: tuple[str, ...]) -> None:
    """All that the gate says of twelve days with three incidents each."""
    make_shop(tmp_path, days=12, events_per_day=3000, seed=77, incidents=planted)
    (tmp_path / "tallymark.yml").write_text("input: raw\n", encoding="utf-8")
    _, told = _counted(tmp_path)
    assert told


# ---------------------------------------------------------------- what stands in a query


def _finding(query: str | None, **changed: Any) -> Finding:
    return Finding(
        id="r", layer=Layer.QUALITY, severity=Severity.P2, rule="r", message="m", since="",
        delivery="a.csv", rows=1, query=query, **changed,
    )  # fmt: skip


ENTRY = {"delivery": "a.csv", "rows_accepted": 1, "rows_read": 2}


@pytest.mark.parametrize(
    "secret", ["jo@mail.example", "4f9a21c07be84d6e9a104f9a21c07be8", "10.1.2.3"]
)
def test_a_query_names_nobody(secret: str) -> None:
    """Instead of a query with an e-mail, a hash or an address there is a command."""
    one = answerable(_finding(f"select count(*) from events where x = '{secret}'"), ENTRY)
    assert one.query == "tallymark check --input a.csv --output recount"


def test_a_delivery_may_be_named_as_it_likes() -> None:
    """A long name with digits is told in every report, and spoils no query."""
    key = "export_20310505_093000_part0001.csv"
    query = f"select count(*) from landed where delivery = '{key}' and client_id is null"
    assert answerable(_finding(query), {**ENTRY, "delivery": key}).query == query


def test_paths_of_commands_do_not_depend_on_where_a_project_lies(tmp_path: Path) -> None:
    """Inside the project it is the way from there; elsewhere the gate is asked by the key."""
    raw = _shop(tmp_path)
    _put(raw, 5, _views(5))
    (delivery,) = find_deliveries(raw)
    assert told_paths([delivery], tmp_path) == {"2031-05-05.csv": "raw/2031-05-05.csv"}
    assert told_paths([delivery], tmp_path / "other") == {}
    with contextlib.chdir(tmp_path):
        assert told_paths(find_deliveries("raw"), tmp_path) == {
            "2031-05-05.csv": "raw/2031-05-05.csv"
        }


def test_names_of_fields_are_quoted_in_sums() -> None:
    """A payload may call its amounts what it likes."""
    names = {"revenue": 'r"e', "items": "i/t", "item_price": "p'r", "quantity": "q~"}
    query = unsummed("a.csv", names, "unit", [("t'x", 1)], "0.011")
    payload = json.dumps({'r"e': 5, "t'x": 1, "i/t": [{"p'r": 3, "q~": 2}]})
    with duckdb.connect() as session:
        session.execute("create table events (delivery varchar, step varchar, payload varchar)")
        session.execute("insert into events values ('a.csv', 'purchase', ?)", [payload])
        assert session.execute(query).fetchall() == [(1,)]
