"""Incidents that a gate must see: values, columns, rows and files."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import zlib
from pathlib import Path

import pytest
import zstandard

from tallymark.demo.planting import incident_kinds
from tallymark.demo.retyping import RETYPED
from tallymark.demo.shop import Truth, incident_names, make_shop
from tallymark.demo.write import FORMATS, Format
from tallymark.errors import UsageError
from tests.demo.test_incidents import DIFFERENCES as OTHER_DIFFERENCES
from tests.demo.test_incidents import Maker, Reader, difference, plant

DAY_FIVE = "events_20260109.csv"

# Specification, whether rows are lost, whether rows are gained.
DIFFERENCES = [
    ("column_partly_empty@5", True, True),
    ("column_partly_empty@5:column=page_url,share=0.05,hours=15-24", True, True),
    ("column_partly_empty@5:column=event_name,share=1.0", True, True),
    ("ids_lost@5", True, True),
    ("ids_lost@4..5:where=iphone,share=0.7,hours=9-24", True, True),
    ("ids_lost@5:where=products,hours=0-24", True, True),
    ("referrer_lost@5:hours=7-24", True, True),
    ("revenue_zero@5", True, True),
    ("revenue_negative@5:share=0.5", True, True),
    ("type_changed@5..5", True, True),
    ("type_changed@5..5:column=client_id", True, True),
    ("columns_swapped@5..5", True, True),
    ("columns_swapped@5..5:column=timestamp,other=client_id,hours=12-24", True, True),
    ("columns_swapped@5..5:what=header,other=user_agent", True, True),
    ("columns_renamed@5..6", True, True),
    ("double_fired@5", False, True),
    ("double_fired@5:event=all,share=1.0,delay=0,hours=8-10", False, True),
    ("double_fired@5:event=checkout_completed,share=1.0", False, True),
    ("staging_traffic@5", False, True),
    ("staging_traffic@5:host=localhost:3000,share=0.02,hours=10-12", False, True),
    ("bot_wave@5", False, True),
    ("half_file@5", True, False),
    ("half_file@5:share=0.5", True, False),
]
WITHOUT_DIFFERENCE = {"truncated_file", "delivered_late", "delivered_twice"}
UNTIMED = {"type_changed@5..5", "columns_swapped@5..5:column=timestamp,other=client_id,hours=12-24"}


@pytest.mark.parametrize(("spec", "loses", "gains"), DIFFERENCES)
def test_rows_touched_are_what_a_diff_shows(
    clean: Truth, broken: Maker, rows_of: Reader, spec: str, *, loses: bool, gains: bool
) -> None:
    """The account equals the difference of the files; other days stay as they were."""
    truth, planted = plant(broken, spec)
    lost, gained = difference(rows_of(clean), rows_of(truth))
    touched = planted.rows_touched
    assert touched > 0
    assert (len(lost), len(gained)) == (touched * loses, touched * gains)
    assert touched == sum(day["rows"] for day in planted.days)
    if spec not in UNTIMED:
        times = sorted(row["timestamp"] for row in gained or lost)
        assert (planted.start, planted.end) == (times[0], times[-1])
    days = {f"events_{day['date'].replace('-', '')}.csv" for day in planted.days}
    changed = {
        path.name
        for path in truth.files
        if path.read_bytes() != (clean.directory / "raw" / path.name).read_bytes()
    }
    assert changed == days
    assert truth.totals == clean.totals


def test_all_kinds_are_tested() -> None:
    """No kind of incident is without a test of its account, and each has a summary."""
    specs = [spec for spec, _, _ in (*OTHER_DIFFERENCES, *DIFFERENCES)]
    tested = {spec.partition("@")[0] for spec in specs} | WITHOUT_DIFFERENCE
    assert tested == set(incident_names())
    assert all(kind.summary.endswith(".") for kind in incident_kinds().values())


def test_ids_are_lost_where_and_from_when_asked(broken: Maker, rows_of: Reader) -> None:
    """From the hour on no page of the kind has a client id; before it they have."""
    rows = rows_of(broken("ids_lost@5:where=products,hours=14-24"))[DAY_FIVE]
    people = [row for row in rows if "/products/" in row["page_url"]]
    late = [row for row in people if row["timestamp"][11:13] >= "14"]
    assert late
    assert not any(row["client_id"] for row in late)
    assert any(row["client_id"] for row in people if row not in late)


def test_wrong_revenue_leaves_the_items(broken: Maker, rows_of: Reader) -> None:
    """Revenue is zero or negative although the items are named and priced."""
    for spec, holds in (("revenue_zero@5", 0), ("revenue_negative@5", -1)):
        rows = rows_of(broken(spec))[DAY_FIVE]
        payloads = [json.loads(r["event_data"]) for r in rows if r["event_name"].endswith("eted")]
        real = [payload for payload in payloads if payload["items"][0]["item_name"]]
        assert real
        for payload in real:
            cents = sum(round(i["item_price"] * 100) * i["quantity"] for i in payload["items"])
            assert round(payload["revenue"] * 100) == holds * cents


def test_swaps_of_header_and_values(clean: Truth, broken: Maker, rows_of: Reader) -> None:
    """A swapped header stands over the old values; swapped values stand under the old header."""
    before = rows_of(clean)[DAY_FIVE]
    header = rows_of(broken("columns_swapped@5..5:what=header"))[DAY_FIVE]
    assert [list(row.values()) for row in header] == [list(row.values()) for row in before]
    assert list(header[0])[1:3] == ["referrer", "page_url"]
    values = rows_of(broken("columns_swapped@5..5"))[DAY_FIVE]
    assert list(values[0]) == list(before[0])
    assert [row["referrer"] for row in values] == [row["page_url"] for row in before]


@pytest.mark.parametrize(
    ("column", "into"), [(column, into) for column, kinds in RETYPED.items() for into in kinds]
)
def test_every_type_change_is_another_way_to_say_it(
    clean: Truth, rows_of: Reader, column: str, into: str
) -> None:
    """Whatever is filled stays filled, changes, and equal values stay equal."""
    values = {row[column] for row in rows_of(clean)[DAY_FIVE]} - {""}
    written = {value: RETYPED[column][into](value) for value in values}
    assert all(written.values())
    assert any(new != old for old, new in written.items())


def test_double_firing_is_close_in_time(clean: Truth, broken: Maker, rows_of: Reader) -> None:
    """A second firing differs in its time alone, by half to one and a half of the delay."""
    before = rows_of(clean)
    _, copies = difference(before, rows_of(broken("double_fired@5:delay=100")))
    for copy in copies:
        others = [
            row["timestamp"]
            for row in before[DAY_FIVE]
            if {**row, "timestamp": ""} == {**copy, "timestamp": ""}
        ]
        gaps = [moment(copy["timestamp"]) - moment(other) for other in others]
        assert any(0.05 <= gap <= 0.1501 for gap in gaps)
        assert copy["event_name"] == "page_viewed"
    planted = broken("double_fired@5:delay=0").incidents[0]
    assert planted.days[0]["by_event"] == {"page_viewed": planted.rows_touched}
    assert planted.days[0]["exact_repeats"] == planted.rows_touched


def moment(text: str) -> float:
    """A time in seconds."""
    return dt.datetime.fromisoformat(text).timestamp()


def test_staging_and_bots_are_what_they_say(clean: Truth, broken: Maker, rows_of: Reader) -> None:
    """Staging rows are of few clients on another host; a bot has a client id for each request."""
    before = rows_of(clean)
    _, staging = difference(before, rows_of(broken("staging_traffic@5")))
    assert {row["page_url"].split("/")[2] for row in staging} == {"staging.lumenloft.example"}
    assert len({row["client_id"] for row in staging}) <= 4
    _, bots = difference(before, rows_of(broken("bot_wave@5")))
    assert len({row["client_id"] for row in bots}) == len(bots)
    assert len({row["user_agent"] for row in bots}) == 1
    assert {row["timestamp"][11:13] for row in bots} == {"02", "03", "04"}


def test_half_a_file_is_a_beginning(clean: Truth, broken: Maker) -> None:
    """The bytes of half a file are the first of the whole one, and end with a row."""
    truth, planted = plant(broken, "half_file@5")
    whole = (clean.directory / "raw" / DAY_FIVE).read_bytes()
    half = (truth.directory / "raw" / DAY_FIVE).read_bytes()
    assert whole.startswith(half)
    assert half.endswith(b"\n")
    assert whole.count(b"\n") - half.count(b"\n") == planted.rows_touched


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_truncated_file_ends_amid_a_row(tmp_path: Path, fmt: Format) -> None:
    """The file is a beginning of the sound one, and the truth says how many rows are whole."""
    sound = make_shop(tmp_path / "sound", days=2, events_per_day=300, seed=3, fmt=fmt)
    cut = make_shop(
        tmp_path / "cut", days=2, events_per_day=300, seed=3, fmt=fmt,
        incidents=["truncated_file@2:share=0.6"],
    )  # fmt: skip
    before, after = sound.files[1].read_bytes(), cut.files[1].read_bytes()
    assert before != after
    assert before.startswith(after)
    facts = cut.incidents[0].days[0]
    rows = sound.totals["by_day"][1]["events"]
    assert facts["whole_rows"] == rows - cut.incidents[0].rows_touched
    assert facts["bytes"] == len(after)
    assert sound.files[0].read_bytes() == cut.files[0].read_bytes()
    text = unpacked(fmt, after)
    if fmt in {"csv", "csv.gz", "jsonl"}:  # the others are packed in large blocks
        assert not text.endswith(b"\n")
        assert text.count(b"\n") - (fmt != "jsonl") == facts["whole_rows"] > 0
    else:
        assert facts["whole_rows"] == 0


def unpacked(fmt: str, content: bytes) -> bytes:
    """What can be read of the bytes of a file."""
    if fmt == "csv.gz":
        return zlib.decompressobj(31).decompress(content)
    if fmt == "csv.zst":
        return zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return content


def test_all_formats_say_the_same(tmp_path: Path) -> None:
    """Packed files hold the CSV's very bytes, JSON lines the same values; each the same again."""

    def made(fmt: Format, folder: str) -> bytes:
        path = make_shop(
            tmp_path / f"{fmt}-{folder}", days=1, events_per_day=200, seed=2, fmt=fmt
        ).files[0]
        assert path.name == f"events_20260105.{fmt}"
        return path.read_bytes()

    plain = made("csv", "once")
    for fmt in FORMATS:
        assert made(fmt, "first") == made(fmt, "again")
    assert unpacked("csv.gz", made("csv.gz", "once")) == plain
    assert unpacked("csv.zst", made("csv.zst", "once")) == plain
    rows = [json.loads(line) for line in made("jsonl", "once").decode().splitlines()]
    assert [{name: value or "" for name, value in row.items()} for row in rows] == list(
        csv.DictReader(io.StringIO(plain.decode()))
    )


def test_the_same_bytes_under_another_name(clean: Truth, broken: Maker) -> None:
    """A copy lies beside the file and is listed; or yesterday's bytes are today's."""
    truth, planted = plant(broken, "delivered_twice@5")
    raw = truth.directory / "raw"
    assert (raw / "events_20260109_2.csv").read_bytes() == (raw / DAY_FIVE).read_bytes()
    assert {path.name for path in truth.files} == {path.name for path in raw.iterdir()}
    assert planted.rows_touched == clean.totals["by_day"][4]["events"]
    truth, planted = plant(broken, "delivered_twice@5:under=day")
    raw = truth.directory / "raw"
    assert (raw / "events_20260108.csv").read_bytes() == (raw / DAY_FIVE).read_bytes()
    assert planted.rows_touched == clean.totals["by_day"][3]["events"]
    assert planted.days[0]["rows_lost"] == clean.totals["by_day"][4]["events"]


def test_a_shop_with_a_copy_is_replaced(tmp_path: Path) -> None:
    """A copy that an incident added goes when the shop is made again."""
    make_shop(tmp_path, days=2, events_per_day=60, seed=1, incidents=["delivered_twice@1"])
    again = make_shop(tmp_path, days=2, events_per_day=60, seed=1)
    assert {path.name for path in (tmp_path / "raw").iterdir()} == {
        path.name for path in again.files
    }


def test_a_late_file_is_sound(clean: Truth, broken: Maker) -> None:
    """A late file has the same bytes; the truth says when it was due and when it came."""
    truth, planted = plant(broken, "delivered_late@5:after=40")
    for path in clean.files:
        assert (truth.directory / "raw" / path.name).read_bytes() == path.read_bytes()
    assert planted.days[0]["arrival"] == "2026-01-11T16:00:00.000Z"
    assert planted.days[0]["due"] == "2026-01-10T06:00:00.000Z"


def test_several_renames_keep_their_places(broken: Maker, rows_of: Reader) -> None:
    """Several columns have another name and the same place, and the truth names each."""
    truth, planted = plant(broken, "columns_renamed@5..5:columns=referrer+timestamp")
    assert list(rows_of(truth)[DAY_FIVE][0])[2:4] == ["referer", "ts"]
    assert planted.days[0]["to"] == {"referrer": "referer", "timestamp": "ts"}


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["type_changed@2:column=client_id,into=epoch_ms"], "cannot change into"),
        (["columns_swapped@2:other=page_url"], "swapped with itself"),
        (["column_gone@2", "columns_renamed@3:columns=referrer"], "already been renamed"),
        (["delivered_twice@1:under=day"], "nothing to touch"),
        (["missing_day@1", "truncated_file@1"], "nothing to touch"),
    ],
)
def test_what_cannot_happen_is_refused(tmp_path: Path, specs: list[str], message: str) -> None:
    """An incident that cannot happen is an error, and leaves nothing behind."""
    with pytest.raises(UsageError, match=message) as caught:
        make_shop(tmp_path, days=4, events_per_day=60, seed=1, incidents=specs)
    assert caught.value.where.startswith("--incident ")
    assert list(tmp_path.iterdir()) == []
