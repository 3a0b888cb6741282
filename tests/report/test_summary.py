from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdf
import pytest

from tallymark.config import Config
from tallymark.engine.warehouse import Warehouse
from tallymark.errors import TallymarkError, WarehouseError
from tallymark.report import summary
from tallymark.report.summary import write_report
from tallymark.results import ReportResult, to_json

HOSTILE = (
    "#panic() $x^2 *bold* _it_ <label> @ref \\ ` ``` // /* [ ] { } ~ -- \" ' & "
    "\u202eright to left\u202c שלום مرحبا 😀👩‍👩‍👧 z\u0301\u0302\u0303 \x00\x1b[31m \ud800 "
)
LONG = "x" * 2_000


def _read(path: Path) -> tuple[str, pypdf.PdfReader]:
    reader = pypdf.PdfReader(io.BytesIO(path.read_bytes()))
    text = " ".join(page.extract_text() for page in reader.pages)
    return " ".join(text.replace("\u200b", "").split()), reader


def _write(warehouse: Warehouse, output: Path, **given: Any) -> tuple[ReportResult, str]:
    config = given.pop("config", Config())
    result = write_report(warehouse, output, config=config, **given)
    assert result.paths == (output / "executive-summary.pdf",)
    text, reader = _read(result.paths[0])
    assert len(reader.pages) == 1, "one page, whatever the data"
    return result, text


def test_the_page_states_its_numbers(full: Warehouse, tmp_path: Path) -> None:
    """Headline, tiles, faults, advice, limits and policies stand on one page, with intervals."""
    result, text = _write(full, tmp_path)
    for words in (
        "Fix tracking first: $1.2k is at risk",
        "RED: errors are open",
        "2 Mar to 29 Mar 2026 (28 days, UTC)",
        "Counted revenue was $21,029 from 244 orders",
        "session conversion was 2.2% (95% interval 1.9 to 2.5%)",
        "no known channel by last click",
        "credit, not cause",
        "22 Mar P1 Column referrer is missing",
        "24 Mar 14:00 P2 Checkouts that end in an order fell from 50% to 24%",
        "up to $1.2k",
        "Keep every order of a repeated id",
        "Credit is not cause.",
        "Direct is what is left.",
        "of landing views carry a referrer",
        "Ours 21,028.56",
        "All rows 21,055.37 +26.81",
        "Rows set aside: redelivery 1, test 2",
        "a gap of more than 30 minutes starts a new one",
        "Data through 29 Mar 2026",
    ):
        assert words in text
    assert result.numbers["orders"]["counted"] == 244
    assert result.numbers["status"] == "RED"
    assert '"counted": 244' in to_json(result)


def test_the_same_data_gives_the_same_bytes(
    full: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither clock, time zone nor a second run changes a byte."""
    first, _ = _write(full, tmp_path / "a")
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    second, _ = _write(full, tmp_path / "b")
    assert first.paths[0].read_bytes() == second.paths[0].read_bytes()


def test_the_document_is_tagged_and_dated_by_its_data(full: Warehouse, tmp_path: Path) -> None:
    """PDF/UA: a title, a language, tags; every chart has its words; the date is the data's."""
    result, _ = _write(full, tmp_path)
    _, reader = _read(result.paths[0])
    assert reader.metadata is not None
    assert reader.metadata.title == "Fix tracking first: $1.2k is at risk"
    assert str(reader.metadata.get("/CreationDate")).startswith("D:20260329")
    root: Any = reader.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]
    said = json.dumps([str(one) for one in _alternatives(root["/StructTreeRoot"])])
    for words in ("Line chart of counted revenue", "Bar chart of the funnel", "Dot chart of cred"):
        assert words in said


def _alternatives(node: Any) -> Iterator[str]:
    """The alternative texts of a tree of tags."""
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            yield from _alternatives(child)
    elif isinstance(node, dict):
        if "/Alt" in node:
            yield str(node["/Alt"])
        if "/K" in node:
            yield from _alternatives(node["/K"])


def test_an_earlier_day(full: Warehouse, tmp_path: Path) -> None:
    """With a date, nothing later is on the page, and the status is that of that day."""
    result, text = _write(full, tmp_path, date=dt.date(2026, 3, 15))
    assert "2 Mar to 15 Mar 2026 (14 days, UTC)" in text
    assert "GREEN: no error open" in text
    assert "Nothing is open on 15 Mar 2026." in text
    assert result.numbers["last"] == dt.date(2026, 3, 15)


def test_exports_alone(shop: Any, tmp_path: Path) -> None:
    """Three exported tables are enough, and the page says what they cannot tell."""
    tables = {name: rows for name, rows in shop.plausible(14).items() if name.startswith("fct_")}
    _, text = _write(shop.export(tmp_path / "w", tables), tmp_path / "out")
    for words in (
        "NOT MONITORED",
        "Not monitored: these tables carry no judgement",
        "coverage and quarantine are not in the exported tables",
        "Session conversion by day",
        "of sessions carry a referrer",
        "no judgement and no score in these tables",
    ):
        assert words in text


@pytest.mark.parametrize("table", ["fct_sessions", "fct_orders", "fct_attribution"])
def test_one_exported_table_alone(shop: Any, tmp_path: Path, table: str) -> None:
    """Even one of the three makes a page; what is missing is a dash."""
    tables = {table: shop.plausible(3, 60)[table]}
    _, text = _write(shop.export(tmp_path / "w", tables), tmp_path / "out")
    assert "–" in text


def test_one_day_without_an_order(shop: Any, tmp_path: Path) -> None:
    """Tiny data makes a page that claims nothing."""
    day = dt.date(2026, 5, 4)
    tables = {
        "fct_sessions": [shop.session(1, day)],
        "fct_orders": [],
        "fct_attribution": [],
        "ledger_findings": [],
        "ledger_deliveries": [
            {
                "delivery": "a.csv",
                "date": "2026-05-04",
                "score": 100,
                "rows_read": 1,
                "rows_quarantined": 0,
            }
        ],
    }
    _, text = _write(shop.publish(tmp_path / "w", tables), tmp_path / "out")
    assert "No counted order: nothing can be said about revenue yet" in text
    assert "0% (95% interval 0 to 79%)" in text
    assert "too few for an interval" in text
    assert "GREEN: by the gate alone" in text


def test_no_rows_at_all(shop: Any, tmp_path: Path) -> None:
    """Empty tables make a page too."""
    tables: dict[str, list[Any]] = {
        name: [] for name in ("fct_sessions", "fct_orders", "fct_attribution", "metrics_daily")
    }
    _, text = _write(shop.publish(tmp_path / "w", tables), tmp_path / "out")
    assert "no data yet" in text
    _, text = _write(shop.export(tmp_path / "e", {"fct_orders": []}), tmp_path / "out")
    assert "no data yet" in text


def test_one_wrong_clock_does_not_stretch_the_page(shop: Any, tmp_path: Path) -> None:
    """A session decades away is told in the period; the chart stays within a year."""
    tables = shop.plausible(14)
    tables["fct_sessions"].append(shop.session(10**6, dt.date(1970, 1, 1)))
    _, text = _write(shop.publish(tmp_path / "w", tables), tmp_path / "out")
    assert "15 of 20," in text
    assert "days with data" in text


def test_findings_of_the_gate_where_the_watch_never_ran(shop: Any, tmp_path: Path) -> None:
    """Without a judgement the page prints what the gate found, as the gate's."""
    tables = shop.plausible(7)
    tables["ledger_findings"] = [
        {
            "delivery": f"{n}.csv",
            "date": f"2026-03-0{n}",
            "id": "column_renamed:client_id",
            "severity": "P0",
            "message": "column client_id is missing; clientId matches it",
            "since": f"2026-03-0{n}T00:00:00.000Z",
            "fix": "name the alias in the contract",
            "layer": "quality",
        }
        for n in (5, 6)
    ]
    _, text = _write(shop.publish(tmp_path / "w", tables), tmp_path / "out")
    assert "RED: by the gate alone" in text
    assert "5 Mar P0 Column client_id is missing; clientId matches it" in text
    assert "in 2 deliveries" in text


def _worst_incidents() -> list[dict[str, Any]]:
    return [
        {
            "id": f"{HOSTILE}{n}",
            "layer": "quality",
            "severity": ("P0", "P1", "P2", "P3", "P9")[n % 5],
            "message": (HOSTILE * 9 if n % 2 else LONG),
            "since": HOSTILE if n % 3 else "2026-03-20T13:00:00.000Z",
            "fix": LONG if n % 2 else HOSTILE * 9,
            "state": "acknowledged by somebody with a very long name",
            "money_at_risk": (1e15, -5, float("nan"), "much", None, True)[n % 6],
            "money_formula": LONG if n % 2 else HOSTILE * 9,
        }
        for n in range(12)
    ]


def test_hostile_and_endless_text_stays_text_on_one_page(shop: Any, tmp_path: Path) -> None:
    """Markup, long words and characters without a glyph neither break the page nor run off it."""
    tables = shop.plausible(20)
    for n, row in enumerate(tables["fct_attribution"]):
        row["channel"] = (HOSTILE.replace("\ud800", ""), LONG, "Direct", f"c{n}")[n % 4]
    for n, row in enumerate(tables["fct_orders"]):
        row["status"] = row["status"] if row["is_counted"] else f"{LONG}{n}"
        row["currency"] = "EUR" if n % 2 else "USD"
    report = {"status": "RED", "incidents": _worst_incidents()}
    warehouse = shop.publish(tmp_path / "w", tables, {"2026-03-20": report})
    config = Config.model_validate({"shop": {"name": HOSTILE.replace("\ud800", "") + LONG}})
    _, text = _write(warehouse, tmp_path / "out", config=config)
    assert "#panic() $x^2 *bold*" in text
    assert "RED: errors are open" in text
    assert "Definitions." in text
    assert "Data through 21 Mar 2026" in text


RENAMED = {
    "id": "column_renamed:client_id",
    "layer": "quality",
    "severity": "P0",
    "message": "column client_id is missing; clientId matches it (names 100% alike, same position, "
    "100% of sampled values fit)",
    "since": "2026-03-20T00:02:11.448Z",
    "fix": "agree to the new name with `tallymark contract alias client_id clientId`, which adds "
    "`aliases: [clientId]` to it in contracts/events.yml, or restore the name client_id; until "
    "then clientId is read as client_id",
    "state": "open",
    "money_at_risk": 13832.86,
    "money_formula": "revenue since that is Unknown or Unattributed, beyond the usual 25.9 % = "
    "$13,832.86",
}
GONE = RENAMED | {
    "id": "column_missing:referrer",
    "severity": "P1",
    "message": "column referrer was not delivered: without it organic, referral and direct traffic "
    "cannot be told apart. It explains referrer_coverage, channel_share:Direct and 2 more",
    "fix": "restore referrer at the source and deliver the day again",
}


def test_neither_a_command_nor_a_number_is_cut(shop: Any, tmp_path: Path) -> None:
    """Of what is too long the important part is there whole, in words that people know."""
    report = {"status": "RED", "incidents": [RENAMED, GONE]}
    warehouse = shop.publish(tmp_path / "w", shop.plausible(28), {"2026-03-29": report})
    _, text = _write(warehouse, tmp_path / "out")
    for words in (
        "`tallymark contract alias client_id clientId`",
        "$13.8k",
        "beyond the usual 25.9 %",
        "20 Mar P0 Column client_id is missing; clientId matches it",
        "the worst, since 20 Mar: column client_id is missing; clientId matches it.",
    ):
        assert words in text
    assert "referrer_coverage" not in text
    assert "channel_share" not in text
    assert "25.9…" not in text


def test_a_command_without_room_is_left_out_whole(shop: Any, tmp_path: Path) -> None:
    """A command that no line can hold is not begun."""
    endless = f"agree with `tallymark contract alias {'a_long_name_' * 60} b`, or restore it"
    report = {"status": "RED", "incidents": [RENAMED | {"fix": endless}]}
    warehouse = shop.publish(tmp_path / "w", shop.plausible(28), {"2026-03-29": report})
    _, text = _write(warehouse, tmp_path / "out")
    assert "Agree with…" in text
    assert "contract alias" not in text


def test_days_without_data_are_told_with_the_total(shop: Any, tmp_path: Path) -> None:
    """A total says of how many days it is, and which have no data."""
    tables = shop.plausible(14)
    gone = dt.date(2026, 3, 9)
    for name, key in (
        ("fct_sessions", "session_date"), ("fct_orders", "order_date"), ("metrics_daily", "date"),
        ("ledger_deliveries", "date"),
    ):  # fmt: skip
        tables[name] = [row for row in tables[name] if str(row[key]) != gone.isoformat()]
    result, text = _write(shop.publish(tmp_path / "w", tables), tmp_path / "out")
    assert "13 of 14 days with data" in text
    assert "on 13 days; 9 Mar has no data and is in no number" in text
    assert "no data" in text
    assert result.numbers["gaps"] == (gone,)


def test_numbers_that_differ_say_why(full: Warehouse, tmp_path: Path) -> None:
    """The funnel's base and the orders it cannot see are told on the page."""
    _, text = _write(full, tmp_path)
    assert "* with a cart or a checkout" in text
    assert "The funnel counts sessions. Of 244 orders, " in text
    assert "follow a checkout that was seen (in " in text


def test_nothing_seen_is_not_never(shop: Any, tmp_path: Path) -> None:
    """Where every order has a channel, the share that may lack one has an exact bound."""
    tables = shop.plausible(14)
    for row in tables["fct_attribution"]:
        row["channel"] = "Email"
    _, text = _write(shop.publish(tmp_path / "w", tables), tmp_path / "out")
    assert "0 to 0%" not in text
    assert text.count("95%: ≤ ") == 2
    assert "of orders (Clopper-Pearson)" in text


def test_a_font_that_is_missing_fails(
    full: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page in a substitute font is refused, and the last good one stays."""
    import typst  # noqa: PLC0415 -- only this test

    good, _ = _write(full, tmp_path)
    before = good.paths[0].read_bytes()
    none = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[])
    monkeypatch.setattr(summary, "_fonts", lambda: none)
    with pytest.raises(TallymarkError, match="cannot be set"):
        write_report(full, tmp_path, config=Config(), date=dt.date(2026, 3, 10))
    assert good.paths[0].read_bytes() == before


def test_no_warehouse(tmp_path: Path) -> None:
    """An empty folder is said to be one."""
    with pytest.raises(WarehouseError, match="no warehouse here"):
        write_report(Warehouse(tmp_path), tmp_path, config=Config())
