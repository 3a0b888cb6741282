"""Rules about values: what they find, what they keep out, and what they must not find."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tallymark.config import CheckRule, CheckRules, Config, Severity
from tallymark.config import Shop as ShopSettings
from tallymark.contract import Column, Contract
from tallymark.demo.shop import make_shop
from tallymark.engine.duckdb import DuckEngine
from tallymark.project import Project
from tallymark.results import DeliveryReport, Finding, Verdict
from tests.check.judging import RULES, Shop
from tests.ingest.making import COLUMNS, CONTRACT, as_csv, event, purchase

DAY = [
    event(client_id=f"c-{number:03}", timestamp=f"2031-05-05T{number:02}:00:00.000Z")
    for number in range(20)
]


def _rules(*rules: dict[str, Any]) -> CheckRules:
    made = tuple(
        CheckRule(id=f"r{place}", severity=Severity.P2, fix="mend it", **rule)
        for place, rule in enumerate(rules)
    )
    return CheckRules(rules=made)


def _found(
    shop: Shop, rows: list[dict[str, str]], *rules: dict[str, Any], **how: Any
) -> list[Finding]:
    report = shop.one(as_csv(rows, how.pop("columns", COLUMNS)), rules=_rules(*rules), **how)
    return list(report.findings)


def _with(*rows: dict[str, str]) -> list[dict[str, str]]:
    return [*DAY, *rows]


ORDER = {"transaction_id": "t-1", "revenue": 50, "user_email": "a@b.example", "items": []}

BAD: list[tuple[dict[str, Any], list[dict[str, str]], int, str, str]] = [
    ({"check": "nulls", "column": "referrer"}, [], 20, "r0:referrer", "referrer is missing"),
    ({"check": "nulls", "column": "client_id"}, [event(client_id="")], 1, "r0:client_id",
     "in 1 of 21 rows (4.8%) client_id is missing"),
    ({"check": "nulls", "column": "revenue", "event": "purchase"},
     [purchase({"revenue": ""}), purchase({"x": 1}), purchase({"revenue": 3}), purchase("{bad")],
     3, "r0:revenue", "in 3 of 4 purchase events (75.0%) revenue is missing"),
    ({"check": "pattern", "column": "client_id", "pattern": r"^c-\d{3}$"},
     [event(client_id="x"), event(client_id="")], 1, "r0:client_id",
     r"client_id does not match ^c-\d{3}$"),
    ({"check": "pattern", "column": "timestamp", "pattern": r"\.000Z$"},
     [event(timestamp="2031-05-05T10:00:00Z")], 1, "r0:timestamp", "timestamp does not match"),
    ({"check": "allowed", "column": "event_name", "values": ("page_viewed", "checkout_completed")},
     [event(event_name="page_veiwed")], 1, "r0:event_name", "event_name is none of page_"),
    ({"check": "range", "column": "revenue", "min": 0, "max": "10000"},
     [purchase({"revenue": value}) for value in (-1, 10001, 0, 10000, "many", None, "NaN")], 4,
     "r0:revenue", "revenue is not 0 to 10000"),
    ({"check": "range", "column": "timestamp", "min": "2031-05-05", "max": "2031-05-05"},
     [event(timestamp="2031-05-06T00:00:00Z"), event(timestamp="2031-05-04T23:59:59.999Z"),
      event(timestamp="2031-05-05T23:59:59.999Z")], 2,
     "r0:timestamp", "timestamp is not from 2031-05-05 and up to 2031-05-05"),
    ({"check": "length", "column": "page_url", "max": 40},
     [event(page_url="https://shop.example/" + "a" * 50)], 1, "r0:page_url",
     "page_url has not at most 40 characters"),
    ({"check": "unique", "column": "transaction_id", "event": "checkout_completed"},
     [purchase(ORDER), purchase(ORDER), purchase(ORDER), purchase({"transaction_id": "u"})], 2,
     "r0:transaction_id", "2 of 4 checkout_completed events (50.0%) repeat a transaction_id"),
    ({"check": "compound_key", "columns": ("client_id", "timestamp")},
     [DAY[3], event(client_id="c-003", timestamp="2031-05-05T03:00:00.001Z")], 1,
     "r0:client_id+timestamp", "repeat a client_id, timestamp that came before"),
    ({"check": "expression", "expression": "revenue < 10000", "event": "purchase"},
     [purchase({"revenue": 10000}), purchase({"revenue": 1}), purchase({}), purchase("{bad")], 1,
     "r0", "in 1 of 4 purchase events (25.0%) it is not true that revenue < 10000"),
    ({"check": "event_unknown"},
     [event(event_name="a'b"), event(event_name="x\ny"), event(event_name="x\ny")], 3,
     "r0", "the contract does not know the event: 'x?y' (2), 'a'b' (1)"),
    ({"check": "time_future"},
     [event(timestamp="2031-05-06T14:00:00Z"), event(timestamp="2031-05-06T13:59:59Z")], 1,
     "r0", "the time is later than 2031-05-05 can be anywhere"),
    ({"check": "time_zone"},
     [event(timestamp="2031-05-05 10:00:00"), event(timestamp="2031-05-05T10:00:00+02:00"),
      event(timestamp="never"), event(timestamp="")], 2,
     "r0", "20 with Z; a time with no zone is read as UTC"),
    ({"check": "json_invalid"},
     [event(event_data="{bad"), event(event_data="[" * 3000 + "]" * 3000),
      event(event_data=json.dumps({"a": "[" * 3000})),
      event(event_data=json.dumps({"a": "x" * 300_000})), event(event_data="{}")], 3,
     "r0", "no JSON that can be read, 1 of them nested deeper than 32 levels"),
    ({"check": "host_unknown"},
     [event(page_url="https://www.shop.example/a"), event(page_url="https://copy.example/b"),
      event(page_url="https://pay.paypal.com/c")], 1,
     "r0", "are of hosts that are not the shop's: 'copy.example' (1)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "rows", "count", "subject", "words"), BAD, ids=[one[0]["check"] for one in BAD]
)
def test_what_a_rule_finds(
    shop: Shop, rule: dict[str, Any], rows: list[dict[str, str]], count: int, subject: str,
    words: str,
) -> None:  # fmt: skip
    """Each check names what it is about and counts exactly the rows that are bad."""
    (found,) = _found(shop, _with(*rows), rule)
    assert (found.id, found.rows) == (subject, count)
    assert words in found.message
    assert found.fix == "mend it"
    assert found.share is not None
    assert 0 < found.share <= 1


@pytest.mark.parametrize(
    "rule", [one[0] for one in BAD[1:]], ids=[one[0]["check"] for one in BAD[1:]]
)
def test_what_a_rule_does_not_find(shop: Shop, rule: dict[str, Any]) -> None:
    """Sound rows break no rule, and an absent value breaks none but that against absence."""
    assert not _found(shop, [*DAY, purchase(ORDER, client_id="c-900")], rule)


def test_queries_count_the_same_again(shop: Shop) -> None:
    """A finding's query, over the landed rows, gives the rows that it states."""
    rows = _with(event(client_id="x'y"), event(client_id="", page_url="https://copy.example/x"))
    found = _found(
        shop, rows, {"check": "nulls", "column": "client_id"},
        {"check": "pattern", "column": "client_id", "pattern": "^c-"},
        {"check": "range", "column": "timestamp", "max": "2031-05-05T15:00:00"},
        {"check": "expression", "expression": "page_host = 'shop.example'"},
    )  # fmt: skip
    file = shop.warehouse.root / shop.entries[0]["file"]
    engine = DuckEngine(threads=1)
    engine.execute(
        "create view landed as select *, make_timestamp_ms(event_ms) as event_time "
        f"from read_parquet('{file.as_posix()}')"
    )
    assert [engine.rows(one.query or "")[0][0] for one in found] == [one.rows for one in found]
    assert len(found) == 4
    engine.close()


def test_thresholds_are_shares_or_rows(shop: Shop) -> None:
    """One of twenty-one is above a share of 4 % and not above one of 5 %, nor above one row."""
    rows = _with(event(client_id=""))
    rule = {"check": "nulls", "column": "client_id"}
    assert _found(shop, rows, {**rule, "threshold": 0.04})
    assert not _found(shop, rows, {**rule, "threshold": 0.05})
    assert not _found(shop, rows, {**rule, "threshold": 1, "unit": "rows"})
    assert _found(shop, [*rows, event(client_id="")], {**rule, "threshold": 1, "unit": "rows"})


def test_a_rule_that_is_switched_off(shop: Shop) -> None:
    """It finds nothing and keeps nothing out."""
    rule = {"check": "nulls", "column": "referrer", "action": "quarantine_rows", "enabled": False}
    report = shop.one(as_csv(DAY), rules=_rules(rule))
    assert (report.findings, report.rows_accepted) == ([], 20)


def test_rows_are_kept_out_by_the_first_rule_they_break(shop: Shop) -> None:
    """Bad rows go to quarantine with their bytes, the rule's id and the reason; the rest stays."""
    rows = [
        event(client_id="bad one", page_url="nowhere"),
        event(page_url="nowhere"),
        event(timestamp="never", client_id="bad two"),
        purchase({"revenue": 99_999}),
        purchase({"revenue": 5}),
    ]
    rules = _rules(
        {"check": "pattern", "column": "client_id", "pattern": "^c-", "action": "quarantine_rows"},
        {"check": "expression", "expression": "starts_with(page_url, 'https://')",
         "action": "quarantine_rows"},
        {"check": "range", "column": "revenue", "event": "purchase", "max": 1000,
         "action": "quarantine_rows"},
        {"check": "time_unparseable", "action": "quarantine_rows"},
    )  # fmt: skip
    content = as_csv(_with(*rows))
    report = shop.one(content, rules=rules)
    assert (report.rows_read, report.rows_accepted, report.rows_quarantined) == (25, 21, 4)
    assert report.verdict is Verdict.QUARANTINE
    kept = shop.kept_out()
    assert [(line, rule, reason) for _, line, rule, reason, _ in kept] == [
        ("22", "r0", "client_id does not match ^c-"),
        ("23", "r1", "it is not true that starts_with(page_url, 'https://')"),
        ("24", "time_unparseable", "the time cannot be read"),
        ("25", "r2", "revenue is not at most 1000"),
    ]
    lines = content.decode().splitlines()
    assert [text for *_, text in kept] == [lines[number - 1] for number in (22, 23, 24, 25)]
    assert [one.rows for one in report.findings] == [2, 2, 1, 1]


def test_a_rule_that_keeps_rows_out_says_so_without_the_column(shop: Shop) -> None:
    """Where the column did not come, every row lacks it; a rule that warns leaves it at that."""
    columns = [name for name in COLUMNS if name != "referrer"]
    rule = {"check": "nulls", "column": "referrer"}
    assert not _found(shop, DAY, rule, columns=columns)
    (found,) = _found(shop, DAY, {**rule, "action": "quarantine_rows"}, columns=columns)
    assert found.rows == 20
    assert len(shop.kept_out()) == 20


# ---------------------------------------------------------------- what the contract promises


def _promising(**columns: dict[str, Any]) -> Contract:
    """The shipped contract with more promised of some columns, and others added."""
    own = [one.model_copy(update=columns.pop(one.name, {})) for one in CONTRACT.columns]
    more = [Column(name=name, required=False, **given) for name, given in columns.items()]
    return CONTRACT.model_copy(update={"columns": (*own, *more)})


def test_a_contract_is_checked_without_a_rule_of_its_own(shop: Shop) -> None:
    """Pattern, values, lengths, limits, kind and uniqueness of any column, by one shipped rule."""
    contract = _promising(
        client_id={"pattern": "^c-", "max_length": 6, "unique": True},
        timestamp={"pattern": "Z$"},
        country={"kind": "text", "allowed": ("DE", "FR")},
        price={"kind": "number", "min": 0, "max": 100},
        amount={"kind": "integer"},
        day={"kind": "date"},
        yes={"kind": "boolean"},
    )
    good = {"country": "DE", "price": "5", "amount": "2", "day": "2031-05-05", "yes": "true"}
    rows = [{**row, **good} for row in DAY]
    names = [*COLUMNS, *good]
    bad = [
        {**rows[0], "client_id": "d-1"}, {**rows[0], "client_id": "c-too-long"},
        {**rows[1], "timestamp": "2031-05-05 10:00:00"}, {**rows[2], "country": "XX"},
        {**rows[3], "price": "-1"}, {**rows[4], "price": "cheap"}, {**rows[5], "amount": "2.5"},
        {**rows[6], "day": "yesterday"}, {**rows[7], "yes": "perhaps"}, {**rows[8], "price": ""},
    ]  # fmt: skip
    found = {
        one.id.removeprefix("column_contract:"): one.rows
        for one in shop.one(as_csv([*rows, *bad], names), contract=contract, rules=RULES).findings
        if one.rule == "column_contract"
    }
    assert found == {
        "client_id.pattern": 1, "client_id.length": 1, "client_id.unique": 8,
        "timestamp.pattern": 1, "country.allowed": 1, "price.kind": 1, "price.range": 1,
        "amount.kind": 1, "day.kind": 1, "yes.kind": 1,
    }  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "csv.gz"])
def test_columns_without_a_role_in_every_format(shop: Shop, ending: str, tmp_path: Path) -> None:
    """A rule reads a column that no table needs in every format, even one of a hostile name."""
    name = "pri\"ce'); drop table x"
    contract = _promising(**{name: {"kind": "number"}})
    rows = [{**row, name: str(place)} for place, row in enumerate(DAY)]
    if ending == "jsonl":
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    elif ending == "parquet":
        engine = DuckEngine(threads=1)
        names = list(rows[0])
        engine.values("t", {one: ("varchar", [row[one] for row in rows]) for one in names})
        engine.write("select * from t", tmp_path / "t.parquet")
        engine.close()
        content = (tmp_path / "t.parquet").read_bytes()
    else:
        content = as_csv(rows, [*COLUMNS, name])
    rules = _rules(
        {"check": "range", "column": name, "max": 16, "action": "quarantine_rows"},
        {"check": "length", "column": "timestamp", "min": 24},
    )
    report = shop.one(content, f"2031-05-05.{ending}", contract=contract, rules=rules)
    assert [one.rows for one in report.findings] == [3], report
    assert report.rows_accepted == 17


# ---------------------------------------------------------------- hosts, events, cost


def test_hosts_that_are_named_are_known(shop: Shop) -> None:
    """With the shop's hosts configured the finding is as severe as its rule; without, a remark."""
    rows = [
        *DAY[:10],
        *(event(page_url="https://other.example/", client_id=f"d-{n}") for n in range(9)),
    ]
    rule = {"check": "host_unknown"}
    (guessed,) = _found(shop, rows, rule)
    assert (guessed.severity, guessed.rows) == (Severity.P3, 9)
    named = Config(shop=ShopSettings(own_hosts=("shop.example",)))
    assert [one.severity for one in _found(shop, rows, rule, config=named)] == [Severity.P2]
    both = Config(shop=ShopSettings(own_hosts=("shop.example", "other.example")))
    assert not _found(shop, rows, rule, config=both)


def test_many_names_of_events_are_bounded(shop: Shop) -> None:
    """However many names there are, the finding shows ten, shortened, and counts the others."""
    rows = [event(event_name=f"e{number:05}" + "x" * 500) for number in range(3000)]
    (found,) = _found(shop, rows, {"check": "event_unknown"})
    assert found.rows == 3000
    assert "and 2,990 more names" in found.message
    assert len(found.message) < 1000


def test_rules_of_rows_cost_one_query(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rules test single rows, the landed file is read once for all of them."""
    asked: list[str] = []
    run = DuckEngine.rows

    def noted(engine: DuckEngine, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        asked.append(sql)
        return run(engine, sql, parameters)

    monkeypatch.setattr(DuckEngine, "rows", noted)
    shop.one(as_csv(DAY), rules=_rules())
    alone = len(asked)
    asked.clear()
    filled = sorted(set(COLUMNS) - {"referrer", "event_data"})
    many: list[dict[str, Any]] = [{"check": "nulls", "column": name} for name in filled]
    many += [{"check": "length", "column": "page_url", "max": limit} for limit in range(100, 150)]
    shop.put(as_csv(DAY), "again/2031-05-05.csv")
    shop.check(rules=_rules(*many), only=["again/2031-05-05.csv"])
    assert len(asked) == alone + 1


def test_clean_shops_break_no_rule_about_values(tmp_path: Path, shop: Shop) -> None:
    """The shipped rules find nothing about values in a simulated shop without incidents."""
    make_shop(tmp_path / "made", days=3, events_per_day=600, seed=11)
    for file in sorted((tmp_path / "made" / "raw").iterdir()):
        shop.put(file.read_bytes(), file.name)
    checks = {
        "column_contract", "event_unknown", "json_invalid", "payload_schema", "time_future",
        "time_zone", "host_unknown",
    }  # fmt: skip
    reports: list[DeliveryReport] = list(shop.check().deliveries)
    assert len(reports) == 3
    assert not [one.id for report in reports for one in report.findings if one.rule in checks]


def test_what_a_rule_keeps_out_can_be_let_in(tmp_path: Path) -> None:
    """A decision lets in the rows of one rule, or some lines of them, without loss or doubles."""
    home = tmp_path / "shop"
    rows = _with(event(client_id="bad-1"), event(client_id="bad-2"), event(event_name=""))
    (home / "raw").mkdir(parents=True)
    (home / "raw" / "2031-05-05.csv").write_bytes(as_csv(rows))
    (home / "rules").mkdir()
    (home / "rules" / "check.yml").write_text(
        "rules:\n  - {id: shape, check: pattern, column: client_id, pattern: '^c-', severity: P2,\n"
        "     action: quarantine_rows}\n"
        "  - {id: named, check: event_name_missing, severity: P2, action: quarantine_rows}\n",
        encoding="utf-8",
    )
    project = Project.open(home, source=str(home / "raw"))
    counts = []
    for lines in (None, (22, 22), (23, 23)):
        if lines is not None:
            with project.desk() as desk:
                desk.release("2031-05-05.csv", rules=("shape",), lines=lines)
        (one,) = project.check(keep=True).deliveries
        counts.append((one.rows_read, one.rows_accepted, one.rows_quarantined))
    assert counts == [(23, 20, 3), (23, 21, 2), (23, 22, 1)]
