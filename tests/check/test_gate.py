"""The gate: verdicts, scores, quarantine, and what is judged again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tallymark.check.score import score_of
from tallymark.config import Action, CheckRules, Config, Severity
from tallymark.config import Shop as ShopSettings
from tallymark.errors import InputError
from tallymark.ingest.deliveries import Delivery, find_deliveries
from tallymark.results import DeliveryReport, Finding, Layer, Status, Verdict
from tests.check.judging import RULES, Shop
from tests.ingest.making import COLUMNS, CONTRACT, as_csv, event, purchase

DAY = [
    event(client_id=f"c-{number}", timestamp=f"2031-05-05T{number:02}:00:00.000Z")
    for number in range(24)
]
SOUND = as_csv(DAY)


def _ids(report: DeliveryReport) -> list[str]:
    return [one.id for one in report.findings]


def _changed(check: str, **changes: object) -> CheckRules:
    rules = tuple(
        one.model_copy(update=changes) if one.check == check else one for one in RULES.rules
    )
    return RULES.model_copy(update={"rules": rules})


def test_a_sound_delivery_passes(shop: Shop) -> None:
    """Nothing found: PASS, 100 of 100, every row accepted, no quarantine."""
    report = shop.one(SOUND)
    assert (report.verdict, report.score, report.findings) == (Verdict.PASS, 100, [])
    assert (report.rows_read, report.rows_accepted, report.rows_quarantined) == (24, 24, 0)
    assert (report.first_event_at, report.last_event_at) == (
        "2031-05-05T00:00:00.000Z", "2031-05-05T23:00:00.000Z",
    )  # fmt: skip
    assert report.columns == list(COLUMNS)
    assert not shop.quarantine.exists()


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"", "file_empty"),
        (b"client_id,page_url\n", "file_header_only"),
        (b"PK\x03\x04", "file_kind"),
        ("client_id,page_url\n1,2\n".encode("utf-16"), "file_encoding"),
        (b"a,b,a\n1,2,3\n", "file_kind"),
    ],
)
def test_what_cannot_be_read_stops(shop: Shop, content: bytes, finding: str) -> None:
    """An unreadable delivery is refused with one P0, a note in quarantine and nothing kept."""
    report = shop.one(content)
    (found,) = report.findings
    assert (report.verdict, report.score, found.id) == (Verdict.STOP, 0, finding)
    assert (found.severity, found.layer) == (Severity.P0, Layer.HEALTH)
    assert (found.delivery, found.date) == ("2031-05-05.csv", "2031-05-05")
    assert found.since == "2031-05-05T00:00:00.000Z"
    assert found.fix
    (note,) = (shop.quarantine / "deliveries").iterdir()
    assert json.loads(note.read_text())["findings"][0]["id"] == finding
    assert shop.entries[0]["file"] is None


@pytest.mark.parametrize("ending", ["csv.gz", "csv.zst"])
@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_damaged_compressed_deliveries_stop(shop: Shop, ending: str, where: str) -> None:
    """Cut off or overwritten anywhere: one finding, never a traceback, never a part of the day."""
    rows = [event(client_id=str(number * 7919)) for number in range(30_000)]
    delivery = shop.put(as_csv(rows), f"2031-05-05.{ending}")
    raw = delivery.path.read_bytes()
    damaged = {
        "start": raw[:14] + b"\xff" * 6 + raw[20:],
        "middle": raw[: len(raw) // 2] + b"\xff" * 16 + raw[len(raw) // 2 + 16 :],
        "end": raw[:-5],
    }[where]
    delivery.path.write_bytes(damaged)
    (report,) = shop.check().deliveries
    assert (report.verdict, _ids(report)) == (Verdict.STOP, ["file_compression"])


def test_rows_are_quarantined_with_line_rule_reason_and_text(shop: Shop) -> None:
    """Only broken rows, unreadable times and missing names are kept out, exactly as delivered."""
    rows = [*DAY]
    rows[2] = event(timestamp="soon", user_agent='Agent "x", with\nline break')
    rows[5] = event(event_name="")
    rows[7] = event(client_id="", page_url="nowhere", user_agent="")
    lines = as_csv(rows).split(b"\n")
    # The line break inside row 2 shifts what follows by one line.
    lines[12] = lines[12] + b",one,more"
    lines[14] = b"caf\xe9," + lines[14]
    report = shop.one(b"\n".join(lines))
    assert report.verdict == Verdict.QUARANTINE
    assert (report.rows_read, report.rows_accepted, report.rows_quarantined) == (24, 20, 4)
    assert report.score == score_of(report.findings, 4 / 24)
    kept = shop.kept_out()
    assert [(row[0], int(row[1]), row[2]) for row in kept] == [
        ("2031-05-05.csv", 4, "time_unparseable"),
        ("2031-05-05.csv", 8, "event_name_missing"),
        ("2031-05-05.csv", 13, "broken_row"),
        ("2031-05-05.csv", 15, "broken_row"),
    ]
    originals = [row[4].encode("utf-8", errors="surrogateescape") for row in kept]
    assert originals == [b"\n".join(lines[3:5]), lines[7], lines[12], lines[14]]
    assert "9 values" in kept[2][3]
    assert "not UTF-8" in kept[3][3]
    assert {"broken_row", "time_unparseable", "event_name_missing"} <= set(_ids(report))


def test_every_row_out_leaves_nothing(shop: Shop) -> None:
    """A delivery of bad rows alone is judged without a first event and without a division."""
    report = shop.one(as_csv([event(timestamp="never")] * 3))
    assert (report.rows_accepted, report.rows_quarantined, report.first_event_at) == (0, 3, None)
    assert report.findings[0].since == "2031-05-05T00:00:00.000Z"


def test_all_lines_broken(shop: Shop) -> None:
    """A file in which no line fits the header is read as no row and many broken lines."""
    report = shop.one(b"client_id,page_url,timestamp,event_name\n" + b"1,2\n" * 5)
    assert (report.rows_read, report.rows_quarantined) == (5, 5)


@pytest.mark.parametrize("gone", ["timestamp", "event_name", "page_url", "client_id"])
def test_without_a_needed_column_the_delivery_is_kept_out(shop: Shop, gone: str) -> None:
    """No time, event, page or client column: the whole delivery goes to quarantine, none lands."""
    report = shop.one(as_csv(DAY, [name for name in COLUMNS if name != gone]))
    assert (report.verdict, report.rows_accepted, report.score) == (Verdict.QUARANTINE, 0, 0)
    assert report.rows_quarantined == 24
    (missing,) = [one for one in report.findings if one.id.startswith("column_missing")]
    assert missing.id == f"column_missing:{gone}"
    assert "column_unusable" in missing.evidence["explains"]
    assert shop.entries[0]["file"] is None


@pytest.mark.parametrize(("gone", "severity"), [("referrer", "P1"), ("user_agent", "P2")])
def test_a_column_that_is_only_missed_warns(shop: Shop, gone: str, severity: str) -> None:
    """Other columns gone: a warning of the contract's severity, every row kept."""
    report = shop.one(as_csv(DAY, [name for name in COLUMNS if name != gone]))
    assert (report.verdict, report.rows_accepted) == (Verdict.WARN, 24)
    assert [(one.id, one.severity) for one in report.findings] == [
        (f"column_missing:{gone}", Severity(severity))
    ]


def test_a_rename_is_adopted_or_refused(shop: Shop) -> None:
    """Adopted by default, with a P0; on_rename: stop refuses the delivery; an alias ends both."""
    renamed = as_csv(DAY).replace(b"client_id,", b"clientId,", 1)
    report = shop.one(renamed)
    (found,) = report.findings
    assert (report.verdict, found.id, found.severity) == (
        Verdict.WARN, "column_renamed:client_id", Severity.P0,
    )  # fmt: skip
    assert found.message.startswith("column client_id is missing; clientId matches it")
    assert "aliases: [clientId]" in found.fix
    stopped = shop.check(config=Config(on_rename="stop")).deliveries[0]
    assert (stopped.verdict, stopped.rows_accepted) == (Verdict.STOP, 0)
    columns = tuple(
        one.model_copy(update={"aliases": ("clientId",)}) if one.name == "client_id" else one
        for one in CONTRACT.columns
    )
    agreed = shop.check(contract=CONTRACT.model_copy(update={"columns": columns}))
    assert agreed.status is Status.GREEN


@pytest.mark.parametrize(
    ("action", "verdict", "accepted"),
    [
        ("warn", Verdict.WARN, 24),
        ("quarantine_delivery", Verdict.QUARANTINE, 0),
        ("stop", Verdict.STOP, 0),
    ],
)
def test_actions_of_a_rule(shop: Shop, action: Action, verdict: Verdict, accepted: int) -> None:
    """What a rule says shall follow, follows."""
    rows = [{**one, "client_id": ""} for one in DAY]
    rules = _changed("client_missing", action=action)
    report = shop.one(as_csv(rows), rules=rules)
    assert (report.verdict, report.rows_accepted) == (verdict, accepted)
    assert (shop.entries[0]["file"] is None) == (accepted == 0)


def test_thresholds_and_disabled_rules(shop: Shop) -> None:
    """A rule fires above its threshold, not at it, and not at all when disabled."""
    rows = [{**one, "client_id": ""} for one in DAY[:6]] + DAY[6:]
    assert not shop.one(as_csv(rows), rules=_changed("client_missing", threshold=0.25)).findings
    (found,) = shop.check(rules=_changed("client_missing", threshold=0.24)).deliveries[0].findings
    assert (found.id, found.rows, found.share) == ("client_missing", 6, 0.25)
    assert not shop.check(rules=_changed("client_missing", enabled=False)).deliveries[0].findings


def test_rows_of_another_day_are_kept(shop: Shop) -> None:
    """Late events stay, with a warning when they are many; the day is that of the shop's zone."""
    late = [{**one, "timestamp": "2031-05-04T23:30:00Z"} for one in DAY[:2]]
    report = shop.one(as_csv([*late, *DAY[2:]]))
    assert (report.rows_accepted, _ids(report)) == (24, ["file_day"])
    berlin = Config(shop=ShopSettings(timezone="Europe/Berlin"))
    (same,) = shop.check(config=berlin).deliveries
    # Half past eleven in the evening is the next day there; so is 22 and 23 o'clock of this one.
    assert same.findings[0].rows == 2


def test_an_undated_delivery_takes_the_day_of_most_rows(shop: Shop) -> None:
    """A name without a date: the main day, the earlier one of two equal ones."""
    rows = [event(timestamp=f"2031-05-{day:02}T10:00:00Z") for day in (8, 7, 7, 8)]
    assert shop.one(as_csv(rows), "export.csv").date == "2031-05-07"


def test_orders_are_told_apart(shop: Shop) -> None:
    """Redelivered, colliding, conflicting, test, without id or revenue, negative, invalid."""

    def order(client: str, number: str | None, **more: object) -> dict[str, str]:
        payload = {"transaction_id": number, "revenue": 10, "items": [{"item_name": "Tea"}]}
        return purchase({**payload, **more}, client_id=client)

    rows = [
        order("a", "T1"), order("a", "T1"),
        order("b", "T2", user_email="b@x"), order("c", "T2", user_email="c@x"),
        order("d", "T3"), order("d", "T3", revenue=11),
        order("e", "T4", revenue=0, items=[]),
        order("f", None), order("g", "T5", revenue="ten"), order("h", "T6", revenue=-1),
        purchase("{broken", client_id="i"),
    ]  # fmt: skip
    report = shop.one(as_csv([*DAY, *rows]))
    counts = {one.id: (one.severity, one.rows) for one in report.findings}
    expected = {
        "payload_invalid": ("P1", 1), "order_without_id": ("P1", 1),
        "order_negative_revenue": ("P1", 1),
        "order_test": ("P3", 1), "order_redelivered": ("P2", 1),
        "order_id_collision": ("P2", 2), "order_conflict": ("P1", 2),
    }  # fmt: skip
    assert {key: (str(level), rows) for key, (level, rows) in counts.items()} | expected == {
        key: (str(level), rows) for key, (level, rows) in counts.items()
    }
    collision = next(one for one in report.findings if one.id == "order_id_collision")
    assert collision.evidence["ids"] == 1
    assert collision.evidence["revenue_kept"] == "20.0000"
    assert "expected by chance" in collision.message


@pytest.mark.parametrize(
    ("levels", "share", "score"),
    [
        ([], 0.0, 100), (["P3", "P3"], 0.0, 100), (["P2"], 0.0, 95), (["P1"], 0.0, 80),
        (["P0"], 0.0, 60), (["P0", "P1", "P2"], 0.0, 35), ([], 0.5, 85), (["P2"], 1.0, 65),
        (["P0"] * 4, 0.0, 0),
    ],
)  # fmt: skip
def test_scores(levels: list[str], share: float, score: int) -> None:
    """The arithmetic that the report prints."""
    found = [
        Finding(id="a", layer=Layer.QUALITY, severity=Severity(one), message="", since="")
        for one in levels
    ]
    assert score_of(found, share) == score


# ---------------------------------------------------------------- again


def test_the_same_bytes_are_not_judged_again(shop: Shop) -> None:
    """Same bytes, same rules: nothing to do, and the same result."""
    shop.put(SOUND)
    first = shop.check()
    second = shop.check()
    assert (first.judged_now, second.judged_now) == (1, 0)
    assert second == dataclasses.replace(first, judged_now=0)


def test_what_has_a_delivery_judged_again(shop: Shop) -> None:
    """Other bytes, rules, contract, zone, treatment of renames, program, or a lost file."""
    shop.put(SOUND)
    shop.check()
    assert shop.check(rules=_changed("client_missing", threshold=0.5)).judged_now == 1
    assert shop.check().judged_now == 1
    assert shop.check(contract=CONTRACT.model_copy(update={"version": "2"})).judged_now == 1
    assert shop.check(config=Config(on_rename="stop")).judged_now == 1
    berlin = Config(shop=ShopSettings(timezone="Europe/Berlin"))
    assert shop.check(config=berlin).judged_now == 1
    assert shop.check(program="1").judged_now == 1
    assert shop.check(program="1").judged_now == 0
    (shop.warehouse.root / shop.entries[0]["file"]).unlink()
    assert shop.check(program="1").judged_now == 1
    # What the gate does not read does not count.
    assert shop.check(program="1", config=Config(export="none")).judged_now == 0


def test_a_replaced_delivery(shop: Shop) -> None:
    """New bytes under a known key replace its rows and its quarantine, in both directions."""
    bad = as_csv([*DAY[:10], event(timestamp="soon")])
    assert shop.one(bad).rows_quarantined == 1
    assert len(shop.kept_out()) == 1
    report = shop.one(SOUND)
    assert (report.rows_accepted, report.rows_quarantined) == (24, 0)
    assert shop.kept_out() == []
    assert shop.one(b"").verdict == Verdict.STOP
    assert len(list((shop.quarantine / "deliveries").iterdir())) == 1
    assert shop.one(bad).rows_read == 11
    assert not list((shop.quarantine / "deliveries").iterdir())
    assert len(shop.entries) == 1


def test_deliveries_of_like_names_do_not_share_a_quarantine(shop: Shop) -> None:
    """Keys that differ in odd characters, folders or length alone keep files of their own."""
    bad = as_csv([event(timestamp="soon")])
    for name in ("a b.csv", "a_b.csv", "a/b.csv", "a__b.csv", f"{'é' * 100}.csv"):
        shop.put(bad, name)
    shop.check()
    assert sorted({row[0] for row in shop.kept_out()}) == sorted(
        ["a b.csv", "a_b.csv", "a/b.csv", "a__b.csv", f"{'é' * 100}.csv"]
    )


def test_a_delivery_that_is_gone_stays_known(shop: Shop) -> None:
    """What was judged once stays in the ledger when its file is moved away."""
    shop.put(SOUND)
    shop.put(SOUND.replace(b"2031-05-05T", b"2031-05-06T"), "2031-05-06.csv")
    shop.check()
    assert len(shop.check(only=["2031-05-05.csv"]).deliveries) == 2


def test_a_file_that_vanishes_or_is_locked(shop: Shop) -> None:
    """A file that cannot be opened is one sentence, not a traceback."""
    delivery = shop.put(SOUND)
    (found,) = find_deliveries(shop.raw)
    delivery.path.unlink()

    def listed(_source: Path) -> list[Delivery]:
        return [found]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.check.judging.find_deliveries", listed)
        with pytest.raises(InputError, match="cannot be read"):
            shop.check()


def test_threads_and_order_do_not_matter(tmp_path: Path) -> None:
    """Deliveries judged together or one by one, in any order: the same entries."""
    days = {
        f"2031-05-{day:02}.csv": as_csv([event(timestamp=f"2031-05-{day:02}T10:00:00Z")] * day)
        for day in range(1, 6)
    }
    together, alone = Shop(tmp_path / "a"), Shop(tmp_path / "b")
    for name, content in days.items():
        together.put(content, name)
        alone.put(content, name)
    together.check()
    for name in reversed(days):
        alone.check(only=[name])
    assert alone.entries == together.entries
