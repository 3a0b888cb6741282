"""Files that are no deliveries, or hostile ones: one finding, one clear sentence, no traceback."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import resource
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
import zstandard

from tallymark.config import Config, Engine, Severity
from tallymark.engine.digest import file_digest
from tallymark.errors import InputError
from tallymark.ingest import unpack
from tallymark.ingest.careful import rewrite
from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import Head, read_head
from tallymark.ingest.landing import land
from tallymark.ingest.records import MAX_LINE_BYTES
from tallymark.ingest.spill import BadLines
from tallymark.results import DeliveryReport, Status, Verdict
from tests.check.judging import Shop
from tests.ingest.making import COLUMNS, as_csv, event, purchase

DAY = [event(client_id=f"c-{number}", timestamp=f"2031-05-05T{number:02}:00:00Z")
       for number in range(24)]  # fmt: skip
SOUND = as_csv(DAY)
COUNTED = [{**row, "timestamp": "1935741600000"} for row in DAY]


def _zip(name: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, SOUND)
    return made.getvalue()


def _put(shop: Shop, content: bytes, name: str) -> DeliveryReport:
    """Judge exactly these bytes under a name, whatever it promises."""
    shop.raw.mkdir(parents=True, exist_ok=True)
    (shop.raw / name).write_bytes(content)
    return next(one for one in shop.check().deliveries if one.delivery == name)


TAR = b"a.csv".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 300
WRONG = [
    ("zip.csv", _zip("a.csv"), "file_kind", "a zip archive or an Excel workbook"),
    ("book.csv", _zip("xl/workbook.xml"), "file_kind", "an Excel workbook"),
    ("tar.csv", TAR, "file_kind", "a tar archive"),
    ("bz.csv", b"BZh91AY&SY" + b"\1" * 40, "file_kind", "bzip2 data"),
    ("error.csv", b"\n<html><body>503 Service Unavailable</body></html>\n", "file_kind", "HTML"),
    ("error2.csv", b'{"error": "token expired"}\n', "file_kind", "it is JSON"),
    ("lines.csv", b'{"client_id": "c-1"}\n{"client_id": "c-2"}\n', "file_kind", "it is JSON"),
    ("list.jsonl", b'[{"client_id": "c-1"}]\n', "file_kind", "one JSON list"),
    ("plain.csv.gz", SOUND, "file_kind", "plain text"),
    ("zst.csv.gz", zstandard.compress(SOUND), "file_kind", "zstandard data"),
    ("twice.csv.gz", gzip.compress(gzip.compress(SOUND)), "file_kind", "it holds gzip data"),
    ("zipped.csv.gz", gzip.compress(_zip("a.csv")), "file_kind", "it holds a zip archive"),
    ("empty.csv.gz", gzip.compress(b""), "file_empty", "white space"),
    ("rest.csv.gz", gzip.compress(SOUND) + b"rest", "file_compression", "garbage stands behind"),
    ("cut.csv.gz", gzip.compress(SOUND)[:-9], "file_compression", "ends early"),
    ("cut.csv.zst", zstandard.compress(SOUND)[:-3], "file_compression", "ends early"),
    ("utf16.csv", SOUND.decode().encode("utf-16"), "file_encoding", "UTF-16"),
    ("utf16be.csv", SOUND.decode().encode("utf-16-be"), "file_encoding", "UTF-16"),
    ("utf32.csv", SOUND.decode().encode("utf-32"), "file_encoding", "UTF-32"),
    ("utf32le.csv", SOUND.decode().encode("utf-32-le"), "file_encoding", "UTF-32"),
    ("nul.csv", b"\0" * 10_000, "file_encoding", "NUL"),
    ("rows.csv", SOUND.partition(b"\n")[2], "file_header_missing", "holds a URL and a time"),
    ("times.csv", as_csv(COUNTED).partition(b"\n")[2], "file_header_missing", "has no header"),
    ("sep.csv", b"sep=;\r\n" + SOUND.replace(b",", b";"), "file_header_missing", "line 2 is"),
    ("title.csv", b"Export, 5 May\n\n" + SOUND, "file_header_missing", "line 3 is its header"),
    ("bom.csv", b"\xef\xbb\xbf" + SOUND.split(b"\n")[0], "file_header_only", "not a single row"),
    ("line.csv", SOUND.split(b"\n")[0], "file_header_only", "not a single row"),
    ("caret.csv", SOUND.replace(b",", b"^"), "file_kind", "separated by '^'"),
    ("endless.csv", b"x" * 300_000, "file_kind", "first line does not end"),
    ("wide.csv", b",".join(b"c%d" % n for n in range(9000)) + b"\n1\n", "file_kind", "9,000"),
    ("twice.csv", b"a,client_id,client_id\n1,2,3\n", "file_kind", "more than once"),
    ("data.parquet", SOUND, "file_kind", "PARQUET"),
]


@pytest.mark.parametrize(("name", "content", "check", "told"), WRONG, ids=[w[0] for w in WRONG])
def test_what_is_no_delivery(shop: Shop, name: str, content: bytes, check: str, told: str) -> None:
    """Each is refused with one P0 whose sentence names what it is."""
    report = _put(shop, content, name)
    (found,) = report.findings
    assert (report.verdict, found.id, found.severity) == (Verdict.STOP, check, Severity.P0)
    assert told in found.message
    assert report.rows_accepted == 0
    # A second look at the same bytes has nothing to do.
    shop.check()
    assert shop.judged == 0


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_read(shop: Shop, delimiter: str) -> None:
    """Semicolons, tabs and bars are recognised."""
    assert shop.one(as_csv(DAY, delimiter=delimiter)).rows_accepted == 24


def test_two_members_are_one_file(shop: Shop) -> None:
    """Joined gzip files are read to the end."""
    top, rest = SOUND[:700], SOUND[700:]
    report = _put(shop, gzip.compress(top) + gzip.compress(rest), "2031-05-05.csv.gz")
    assert (report.rows_accepted, report.findings) == (24, [])


def test_odd_headers(shop: Shop) -> None:
    """A column without a name, one with quotes and one with SQL in it are columns like others."""
    names = [*COLUMNS, "", 'say "x"', "'); drop table events; --"]
    content = as_csv([{**one, "": "a", 'say "x"': "b"} for one in DAY], names)
    report = shop.one(content)
    assert report.rows_accepted == 24
    assert report.columns[-1] == "'); drop table events; --"


# ---------------------------------------------------------------- much from little


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_decompression_bomb(shop: Shop, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a hundred times its size and harmful: refused, and nothing of it left on disk."""
    monkeypatch.setattr(unpack, "_HARMLESS", 1 << 20)
    shop.put(SOUND + b"\n" * 30_000_000, f"2031-05-05.csv.{ending}")
    (report,) = shop.check().deliveries
    (found,) = report.findings
    assert (found.id, report.verdict) == ("file_compression", Verdict.STOP)
    assert "times its size" in found.message
    assert not list(shop.warehouse.scratch.rglob("*.raw"))


@pytest.mark.parametrize(
    "column",
    [
        "repeat('x', 200000) as user_agent",  # one long text, in a dictionary
        "null as user_agent",  # the length of a run
        "range(3000) as user_agent",  # lists
    ],
)
def test_a_parquet_file_that_is_a_bomb(
    shop: Shop, column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes of Parquet stand for many values, or for many bytes of them: refused."""
    monkeypatch.setattr(unpack, "_HARMLESS", 1 << 20)
    shop.raw.mkdir(parents=True, exist_ok=True)
    path = shop.raw / "2031-05-05.parquet"
    texts = ", ".join(
        f"'{value}' as {name}"
        for name, value in {
            "client_id": "c-1", "page_url": "https://shop.example/", "referrer": "",
            "timestamp": "2031-05-05T10:00:00Z", "event_name": "page_viewed", "event_data": "{}",
        }.items()
    )  # fmt: skip
    rows = 500_000 if column.startswith("null") else 3000
    duckdb.execute(
        f"copy (select {texts}, {column} from range({rows})) to '{path}' "
        "(format parquet, compression zstd)"
    )
    (report,) = shop.check().deliveries
    (found,) = report.findings
    assert (found.id, report.verdict) == ("file_compression", Verdict.STOP)
    assert "times its size" in found.message


@pytest.mark.parametrize("value", ["repeat('x', 4000000)", "[repeat('x', 4000000)]"])
def test_the_head_of_a_parquet_bomb(tmp_path: Path, value: str) -> None:
    """Long values in a dictionary cost the reader of the head next to nothing, or are refused."""
    path = tmp_path / "2031-05-05.parquet"
    duckdb.execute(
        f"copy (select 'c-1' as client_id, {value} as payload from range(300)) to '{path}' "
        "(format parquet, compression zstd)"
    )
    delivery = Delivery(
        key=path.name, path=path, date=None, format="parquet", compression=None
    )  # fmt: skip
    tracemalloc.start()
    try:
        with contextlib.suppress(unpack.Broken):
            read_head(delivery)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_more_than_was_agreed(shop: Shop) -> None:
    """What engine.max_unpacked says is the most; the sentence names the key."""
    shop.put(as_csv(DAY * 400), "2031-05-05.csv.gz")
    small = Config(engine=Engine(max_unpacked="1MB"))
    (found,) = shop.check(config=small).deliveries[0].findings
    assert (found.id, found.severity) == ("file_compression", Severity.P0)
    assert "0.001 GB" in found.message
    assert "engine.max_unpacked" in found.message
    assert shop.check().deliveries[0].rows_accepted == 9600


def test_a_full_disk_is_no_finding(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine lacks is told as an error: the delivery is not judged."""
    monkeypatch.setattr(unpack, "_RESERVE", 1 << 80)
    shop.put(SOUND, "2031-05-05.csv.gz")
    with pytest.raises(InputError, match="no room"):
        shop.check()


def test_a_head_of_nothing(shop: Shop) -> None:
    """Thousands of empty members before the first byte are not worth reading on."""
    report = _put(shop, gzip.compress(b"") * 80_000 + gzip.compress(SOUND), "a.csv.gz")
    assert [one.id for one in report.findings] == ["file_compression"]


def test_damage_in_bulk_is_kept_on_disk(tmp_path: Path) -> None:
    """What is set aside is found again, also when it is too much for memory."""
    lines = BadLines(tmp_path)
    for number in range(300):
        lines.add(number, f"reason {number}", "\udcff" + "x" * 50_000)
    assert len(lines) == 300
    assert lines[7][:2] == (7, "reason 7")
    assert [one[0] for one in lines[-2:]] == [298, 299]
    assert sum(len(text) for _, _, text in lines) == 300 * 50_001
    assert not list(tmp_path.iterdir())


def test_a_line_of_200_megabytes(tmp_path: Path) -> None:
    """It is one bad line, kept in part; the reader never holds more than its bound."""
    path = tmp_path / "long.csv"
    with path.open("wb") as stream:
        stream.write(b"a,b\n1,2\n3,")
        for _ in range(200):
            stream.write(b"x" * (1 << 20))
        stream.write(b"\n5,6\n")
    tracemalloc.start()
    bad = rewrite(path, "csv", Head(columns=["a", "b"]), tmp_path / "clean")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(line, len(text)) for line, _, text in bad] == [(3, 65_536)]
    assert peak < 5 * MAX_LINE_BYTES
    assert (tmp_path / "clean").read_text() == '"2","1","2"\n"4","5","6"\n'


def test_a_line_of_200_megabytes_through_the_gate(shop: Shop) -> None:
    """The rows around it are accepted, and its line is quarantined with a sentence."""
    lines = SOUND.splitlines()
    lines[3] = b"x" * (17 << 20)
    report = shop.one(b"\n".join(lines) + b"\n")
    assert (report.rows_accepted, report.rows_quarantined) == (23, 1)
    ((_, line, _, reason, _),) = shop.kept_out()
    assert (line, reason[:35]) == ("4", "the line is longer than 16 MB; its ")


def test_deeply_nested_payloads(shop: Shop) -> None:
    """Brackets a hundred thousand deep neither stop the reading nor count as a payload."""
    deep = '{"revenue":' + "[" * 100_000 + "]" * 100_000 + "}"
    rows = [*DAY, purchase(deep, timestamp="2031-05-05T10:00:00Z")]
    report = shop.one(as_csv(rows))
    assert report.rows_accepted == 25
    assert any(one.rule == "payload_invalid" for one in report.findings)
    lines = [json.dumps(one) for one in DAY]
    lines.insert(3, '{"event_data":' + "[" * 100_000)
    report = shop.one("\n".join(lines).encode() + b"\n", "2031-05-06.jsonl")
    assert report.rows_quarantined == 1


@pytest.mark.slow
def test_a_million_names_of_events(shop: Shop) -> None:
    """Each event has a name of its own: judged, within a bound of memory."""
    row = as_csv([event(event_name="NAME")], COLUMNS).splitlines()
    body = [row[1].replace(b"NAME", b"e%d" % number) for number in range(1_000_000)]
    report = shop.one(b"\n".join([row[0], *body]) + b"\n")
    assert report.rows_accepted == 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3 << 20


# ---------------------------------------------------------------- from the head alone


def _sparse(path: Path, start: bytes, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(start)
    os.truncate(path, size)


@pytest.mark.parametrize(
    ("start", "finding"),
    [
        (b"PK\x03\x04", "file_kind"),
        (b"a,b,c\n1,2,3\n", "column_unusable"),
        (
            b"client_id,page_url,referrer,event_name\n1,https://a.example/,,x\n",
            "column_missing:timestamp",
        ),
        (b"", "file_encoding"),
    ],
)
def test_a_large_file_is_refused_by_its_head(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, start: bytes, finding: str
) -> None:
    """Neither hashed nor read: its version is told from its first megabyte and its size."""

    def never(_: Path) -> str:
        raise AssertionError

    monkeypatch.setattr("tallymark.check.gate.file_digest", never)
    path = shop.raw / "2031-05-05.csv"
    _sparse(path, start, 3 << 30)
    (report,) = shop.check().deliveries
    assert finding in [one.id for one in report.findings]
    assert report.verdict in {Verdict.STOP, Verdict.QUARANTINE}
    assert report.version.startswith("head-")
    assert report.version.endswith(f"-{3 << 30}")
    assert shop.check().status is Status.RED
    assert shop.judged == 0
    _sparse(path, start + b"x", 3 << 30)
    shop.check()
    assert shop.judged == 1


def test_a_small_file_is_known_by_all_its_bytes(shop: Shop) -> None:
    """Of a small file the head is the whole: its version is the hash of its bytes."""
    version = shop.one(b"<html></html>").version
    assert len(version) == 64
    assert shop.one(SOUND, "b.csv").version == file_digest(shop.raw / "b.csv")


def test_what_passed_and_is_replaced_by_what_its_head_refuses(shop: Shop) -> None:
    """The verdict on the same bytes is the same whatever was known before."""
    shop.one(SOUND)
    bad = b"a,b\n" + b"1,2\n" * 400_000
    replaced = shop.one(bad)
    again = Shop(shop.raw.parent / "other")
    assert again.one(bad).version == replaced.version
    assert replaced.version.startswith("head-")


# ---------------------------------------------------------------- cut off, or changing


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (SOUND[: SOUND.rindex(b"page_viewed")], 23),
        (SOUND.rstrip(b"\n") + b'\nc-1,"https://shop.exam', 24),
        (SOUND.rstrip(b"\n") + b"\nc", 24),
    ],
)
def test_a_file_that_ends_in_a_row(shop: Shop, content: bytes, rows: int) -> None:
    """The row is quarantined; the finding is dated by the last whole event."""
    report = shop.one(content)
    found = next(one for one in report.findings if one.id == "file_truncated")
    assert (report.rows_accepted, report.rows_quarantined) == (rows, 1)
    assert found.since == f"2031-05-05T{rows - 1:02}:00:00.000Z"
    assert "ends in the middle of a row" in found.message
    assert found.severity is Severity.P1


def test_a_row_that_is_cut_in_its_last_value(shop: Shop) -> None:
    """It has the right width, and its last value is the beginning of others: kept out too."""
    report = shop.one(SOUND[:-4])
    assert (report.rows_accepted, report.rows_quarantined) == (23, 1)


@pytest.mark.parametrize(
    "content",
    [
        SOUND,
        SOUND.rstrip(b"\n"),
        SOUND + b"\n",
        SOUND.rstrip(b"\n") + b"\r\n",
        as_csv([*DAY, event(user_agent="a\nb")]).rstrip(b"\n"),
        as_csv([*DAY, event(event_data='{"a": "b\n\nc", "d": 1}')]).rstrip(b"\n"),
    ],
)
def test_a_file_that_ends_after_a_row(shop: Shop, content: bytes) -> None:
    """A missing last line end by itself is no fault."""
    assert not [one for one in shop.one(content).findings if one.id == "file_truncated"]


def test_a_cut_in_the_last_value_is_told(tmp_path: Path) -> None:
    """A last value that only begins like others was cut; one that was seen before was not."""
    shop = Shop(tmp_path)
    for cut, told in ((4, True), (1, False)):
        delivery = shop.put(SOUND[:-cut])
        assert read_head(delivery).cut is told


def test_json_lines_that_are_cut(shop: Shop) -> None:
    """The same of a file of objects."""
    content = "\n".join(json.dumps(one) for one in DAY).encode()
    report = shop.one(content[:-20], "2031-05-05.jsonl")
    assert "file_truncated" in [one.id for one in report.findings]
    assert shop.one(content, "2031-05-06.jsonl").rows_accepted == 24


Change = Callable[[Path], None]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl"])
@pytest.mark.parametrize(
    "change",
    [lambda path: os.truncate(path, 100), lambda path: path.unlink()],
    ids=["shrinks", "vanishes"],
)
def test_a_file_that_changes_under_its_reader(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, ending: str, change: Change
) -> None:
    """It shrinks or vanishes between its head and its rows: a sentence, never a traceback."""
    whole = b"\n".join(json.dumps(one).encode() for one in DAY) if ending == "jsonl" else SOUND
    shop.put(whole * 3 if ending == "jsonl" else whole, f"2031-05-05.{ending}")

    def late(engine: object, delivery: Delivery, *args: object, **named: object) -> object:
        if delivery.path.exists() and delivery.path.stat().st_size > 100:
            change(delivery.path)
        return land(engine, delivery, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("tallymark.check.gate.land", late)
    with contextlib.suppress(InputError):
        assert shop.check().deliveries[0].findings
