"""Judging without keeping rows: less is landed, and nothing else is different."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallymark.check import gate as gates
from tallymark.check.gate import Gate
from tallymark.check.quarantined.quarantine import Quarantine
from tallymark.config import CheckRules, Config
from tallymark.demo.shop import make_shop
from tallymark.engine.duckdb import DuckEngine
from tallymark.engine.warehouse import Warehouse
from tallymark.ingest import landing
from tallymark.ingest.deliveries import find_deliveries
from tallymark.ingest.landing import Landed
from tests.check.judging import RULES
from tests.ingest.making import CONTRACT, as_csv, deliver, event, purchase

KEPT = {"file", "fingerprint"}  # what differs where the rows are kept


def judged(raw: Path, out: Path, *, keep: bool, rules: CheckRules = RULES) -> list[dict[str, Any]]:
    """The entries of a folder, judged with or without a warehouse to keep the rows in."""
    warehouse = Warehouse(out / "warehouse")
    scratch = out / "scratch"
    scratch.mkdir(parents=True)
    engine = DuckEngine(threads=2)
    try:
        gate = Gate(
            config=Config(), contract=CONTRACT, rules=rules, engine=engine,
            warehouse=warehouse if keep else None, quarantine=Quarantine(out / "quarantine"),
            scratch=scratch, program="0",
        )  # fmt: skip
        entries, _ = gate.judge_all(find_deliveries(raw), threads=2)
    finally:
        engine.close()
    return [{key: value for key, value in one.items() if key not in KEPT} for one in entries]


@pytest.mark.parametrize(
    "incidents",
    [(), ("orders_redelivered@3", "double_fired@2"), ("ids_lost@3", "bot_wave@2")],
)
def test_counts_are_the_same(tmp_path: Path, incidents: tuple[str, ...]) -> None:
    """Whether the rows are kept changes no verdict, no finding and nothing that is remembered."""
    shop = tmp_path / "shop"
    make_shop(shop, days=4, events_per_day=1500, seed=5, incidents=incidents)
    raw = shop / "raw"
    kept = judged(raw, tmp_path / "kept", keep=True)
    assert kept == judged(raw, tmp_path / "counted", keep=False)
    assert len(kept) == 4


@pytest.fixture
def landings(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each landing from now on, whether it was light."""
    seen: list[bool] = []
    before = landing.land

    def watched(*given: Any, **named: Any) -> Landed:
        found = before(*given, **named)
        seen.append(found.light)
        return found

    monkeypatch.setattr(gates, "land", watched)
    return seen


def test_rows_are_landed_whole_only_where_they_are_asked_for(
    tmp_path: Path, landings: list[bool]
) -> None:
    """A sound delivery is counted alone; one with a row to keep out is landed whole after all."""
    sound, broken = tmp_path / "sound", tmp_path / "broken"
    deliver(sound, as_csv([event(), event(timestamp="2031-05-05T10:00:03.000Z")]))
    judged(sound, tmp_path / "a", keep=False)
    assert landings == [True]
    deliver(broken, as_csv([event(), event(timestamp="never")]))
    (entry,) = judged(broken, tmp_path / "b", keep=False)
    assert landings[1:] == [True, False]
    assert entry["rows_quarantined"] == 1
    assert list((tmp_path / "b" / "quarantine" / "rows").glob("*.csv"))


def test_a_repeated_row_is_counted_without_its_text(tmp_path: Path) -> None:
    """Rows that are the same in all are told from rows that differ in one value."""
    first = event()
    rows = [first, first, event(referrer="https://other.example/")]
    rows.append(event(page_url="https://shop.example/other"))
    deliver(tmp_path / "raw", as_csv(rows))
    for keep in (True, False):
        (entry,) = judged(tmp_path / "raw", tmp_path / str(keep), keep=keep)
        assert entry["rows_repeated"] == 1


OWN = CheckRules.model_validate(
    {
        "version": 1,
        "rules": [
            {"id": "there", "check": "nulls", "column": "client_id", "severity": "P2"},
            {"id": "form", "check": "pattern", "column": "page_url", "pattern": "^https://",
             "severity": "P2"},
            {"id": "long", "check": "length", "column": "referrer", "min": 8, "max": 300,
             "event": "page_view", "severity": "P2"},
            {"id": "once", "check": "compound_key", "severity": "P2",
             "columns": ["client_id", "timestamp", "page_url"]},
        ],
    }
)  # fmt: skip


def test_rules_about_values_are_counted_while_landing(tmp_path: Path, landings: list[bool]) -> None:
    """Tests and keys of the shop's own need no text of a sound row."""
    other = event(timestamp="2031-05-05T10:00:03.000Z", referrer="https://other.example/")
    deliver(tmp_path / "raw", as_csv([event(), other]))
    (entry,) = judged(tmp_path / "raw", tmp_path / "a", keep=False, rules=OWN)
    assert landings == [True]
    assert entry["findings"] == []


@pytest.mark.parametrize(
    "bad", [{"client_id": ""}, {"page_url": "/shop"}, {"referrer": "x://a.b"}, {}]
)
def test_rules_about_values_find_the_same(
    tmp_path: Path, landings: list[bool], bad: dict[str, str]
) -> None:
    """A row that fails one of them, or repeats a key, is found and shown as if it were kept.

    For the few rows that are shown only their lines are read again.
    """
    # So many that one more of an event is no more than chance.
    times = [
        f"2031-05-05T1{at // 60 % 10}:{at % 60:02}:{at // 600 * 30:02}.000Z" for at in range(1200)
    ]
    rows = [event(timestamp=time) for time in times]
    deliver(tmp_path / "raw", as_csv([*rows, {**rows[7], **bad}]))
    counted = judged(tmp_path / "raw", tmp_path / "a", keep=False, rules=OWN)
    assert landings == [True]
    assert counted == judged(tmp_path / "raw", tmp_path / "b", keep=True, rules=OWN)
    assert counted[0]["findings"]


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain.csv": lambda text: text,
    "unix.csv": lambda text: text.replace(b"\r\n", b"\n"),
    "returns.csv": lambda text: text.replace(b"\r\n", b"\n").replace(b"\n", b"\r"),
    "marked.csv": lambda text: b"\xef\xbb\xbf" + text,
    "open.csv": lambda text: text.rstrip(b"\r\n"),
    "packed.csv.gz": lambda text: text,
}


@pytest.mark.parametrize("name", FORMS)
def test_lines_are_read_again_in_every_form(tmp_path: Path, name: str) -> None:
    """However lines end, and whatever stands before the first, the right rows are shown."""
    times = [f"2031-05-05T1{at // 60}:{at % 60:02}:00.000Z" for at in range(600)]
    rows = [event(timestamp=time) for time in times]
    rows[400] = {**rows[400], "client_id": ""}
    rows[599] = {**rows[599], "page_url": '/x,"y'}
    deliver(tmp_path / "raw", FORMS[name](as_csv(rows)), name)
    counted = judged(tmp_path / "raw", tmp_path / "a", keep=False, rules=OWN)
    assert counted == judged(tmp_path / "raw", tmp_path / "b", keep=True, rules=OWN)
    found = counted[0]["findings"]
    shown = {one["rule"]: [row["line"] for row in one["sample"]] for one in found}
    assert shown == {"there": [402], "form": [601]}


def test_a_sample_of_purchases_needs_no_whole_landing(tmp_path: Path, landings: list[bool]) -> None:
    """Purchases are shown, and priced, from what was counted."""
    wrong = purchase({"transaction_id": "T-1", "revenue": "much", "items": []})
    deliver(tmp_path / "raw", as_csv([event(), wrong]))
    counted = judged(tmp_path / "raw", tmp_path / "a", keep=False)
    assert landings == [True]
    (one,) = counted[0]["findings"]
    assert (one["rule"], one["rows"], len(one["sample"])) == ("order_without_revenue", 1, 1)
    assert counted == judged(tmp_path / "raw", tmp_path / "b", keep=True)
