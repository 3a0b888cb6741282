"""What the first kilobytes of a delivery prove, and which deliveries are refused there."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from tallymark.ingest.deliveries import Delivery
from tallymark.ingest.header import Broken, read_head
from tests.ingest.making import COLUMNS, as_csv, as_parquet, deliver, event

ROWS = [event(client_id=f"c-{number}") for number in range(3)]


def _refused(delivery: Delivery) -> str:
    with pytest.raises(Broken) as caught:
        read_head(delivery)
    assert caught.value.message
    return caught.value.check


@pytest.mark.parametrize(
    ("name", "content", "check"),
    [
        ("a.csv", b"", "file_empty"),
        ("a.csv", b" \n\n", "file_empty"),
        ("a.csv", b"\xef\xbb\xbf\n", "file_empty"),
        ("a.csv", b"client_id,page_url\n", "file_header_only"),
        ("a.csv", b"client_id,page_url\r\n\r\n", "file_header_only"),
        ("a.csv", gzip.compress(b"a,b\n1,2\n", mtime=0), "file_kind"),
        ("a.csv", b"PK\x03\x04rest", "file_kind"),
        ("a.csv", b"PAR1rest", "file_kind"),
        ("a.csv", b"%PDF-1.7", "file_kind"),
        ("a.csv", b"<!DOCTYPE html><html></html>", "file_kind"),
        ("a.csv", b"\xef\xbb\xbf\n <?xml version='1.0'?>", "file_kind"),
        ("a.csv", "client_id,page_url\n1,2\n".encode("utf-16"), "file_encoding"),
        ("a.csv", "client_id,page_url\n1,2\n".encode("utf-16-le"), "file_encoding"),
        ("a.parquet", b"a,b\n1,2\n", "file_kind"),
        ("a.parquet", b"PAR1 and then nothing of it", "file_kind"),
        ("a.jsonl", b"[1, 2]\nno json\n", "file_kind"),
        ("a.jsonl", b"", "file_empty"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: bytes, check: str) -> None:
    """Empty, header only, another kind of file, another encoding: each has its own check."""
    path = tmp_path / name
    path.write_bytes(content)
    kind = "csv" if name.endswith("csv") else name.split(".")[1]
    delivery = Delivery(key=name, path=path, date=None, format=kind, compression=None)  # type: ignore[arg-type]
    assert _refused(delivery) == check


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_plain_text_under_a_compressed_name(tmp_path: Path, ending: str) -> None:
    """The name promises compressed data and the content is none."""
    path = tmp_path / f"a.csv.{ending}"
    path.write_bytes(b"a,b\n1,2\n")
    compression = "gzip" if ending == "gz" else "zstd"
    one = Delivery(key="a", path=path, date=None, format="csv", compression=compression)
    assert _refused(one) == "file_kind"


@pytest.mark.parametrize("ending", ["gz", "zst"])
@pytest.mark.parametrize("damage", ["cut", "start", "bomb"])
def test_damaged_compressed_data(tmp_path: Path, ending: str, damage: str) -> None:
    """Cut off or overwritten at the start is refused; much from little is read in part only."""
    content = as_csv(ROWS)
    if damage == "bomb":
        content += b"\n" * 50_000_000
    delivery = deliver(tmp_path, content, f"a.csv.{ending}")
    raw = delivery.path.read_bytes()
    if damage == "cut":
        delivery.path.write_bytes(raw[: len(raw) // 2])
    elif damage == "start":
        delivery.path.write_bytes(raw[:12] + b"\xff" * 8 + raw[20:])
    if damage == "bomb":
        assert read_head(delivery).columns == list(COLUMNS)
    else:
        assert _refused(delivery) == "file_compression"


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_compressed_heads(tmp_path: Path, ending: str) -> None:
    """A compressed file has the head of its content."""
    head = read_head(deliver(tmp_path, as_csv(ROWS), f"a.csv.{ending}"))
    assert head.columns == list(COLUMNS)
    assert head.sample["client_id"] == ["c-0", "c-1", "c-2"]


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_several_members_make_one_file(tmp_path: Path, ending: str) -> None:
    """Compressed files that were joined are one file: the header may stand in the first alone."""
    delivery = deliver(tmp_path, b"", f"a.csv.{ending}")
    press = gzip.compress if ending == "gz" else zstandard.ZstdCompressor().compress
    top, rest = as_csv(ROWS).split(b"\n", 1)
    delivery.path.write_bytes(press(top + b"\n") + press(rest))
    assert read_head(delivery).sample["client_id"] == ["c-0", "c-1", "c-2"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(tmp_path: Path, delimiter: str, end: str) -> None:
    """The delimiter and the end of a line are read off the header."""
    content = as_csv(ROWS, delimiter=delimiter, end=end)
    head = read_head(deliver(tmp_path, b"\xef\xbb\xbf" + content))
    assert (head.columns, head.delimiter, head.newline) == (list(COLUMNS), delimiter, end)
    assert head.bom
    assert head.sample["timestamp"] == ["2031-05-05T10:00:00.000Z"] * 3


def test_unnamed_columns_get_a_name(tmp_path: Path) -> None:
    """A column without a name is called by its place, and never by a name that is taken."""
    head = read_head(deliver(tmp_path, b"client_id,, ,column_2\na,b,c,d\n"))
    assert head.columns == ["client_id", "column_2_", "column_3", "column_2"]
    assert head.sample["column_2"] == ["d"]


def test_repeated_columns_stay_visible(tmp_path: Path) -> None:
    """Repeated names are passed on, for the gate to refuse."""
    assert read_head(deliver(tmp_path, b"a,b,a\n1,2,3\n")).columns == ["a", "b", "a"]


def test_a_surplus_delimiter_at_every_line_end(tmp_path: Path) -> None:
    """Where every row ends in one delimiter too many, there is one more column without a name."""
    head = read_head(deliver(tmp_path, b"a,b\n1,2,\n3,4,\n"))
    assert head.columns == ["a", "b", "column_3"]
    assert read_head(deliver(tmp_path, b"a,b\n1,2,\n3,4\n")).columns == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "lines"),
    [(b"a,b\n1,2\n", 1), (b"\n \na,b\n1,2\n", 3), (b'a,"b\nx"\n1,2\n', 2)],
)
def test_where_the_header_ends(tmp_path: Path, content: bytes, lines: int) -> None:
    """Blank lines before it and line breaks in its names belong to the header."""
    head = read_head(deliver(tmp_path, content))
    assert (head.header_lines, len(head.columns)) == (lines, 2)
    assert head.sample["a"] == ["1"]


def test_an_open_quote_in_the_header(tmp_path: Path) -> None:
    """A stray quote in the header does not swallow the rows."""
    head = read_head(deliver(tmp_path, b'"client_id,page_url\n' + b"1,2\n" * 30))
    assert head.columns == ["client_id", "page_url"]
    assert head.header_lines == 1


def test_a_single_nul_byte_is_no_utf_16(tmp_path: Path) -> None:
    """One damaged byte near the start does not refuse a whole delivery."""
    assert read_head(deliver(tmp_path, b"a,b\n1,\x002\n3,4\n5,6\n")).columns == ["a", "b"]


def test_json_lines(tmp_path: Path) -> None:
    """Columns are the keys of all sampled objects, each behind the one that it stands behind."""
    lines = b'{"a": "x", "b": null}\n\n{"c": {"d": 1}, "a": 2}\nbroken\n[1]\n'
    head = read_head(deliver(tmp_path, lines, "a.jsonl"))
    assert head.columns == ["c", "a", "b"]
    assert head.sample == {"a": ["x", "2"], "b": [None, None], "c": [None, '{"d": 1}']}


def test_line_separators_inside_json_strings(tmp_path: Path) -> None:
    """Only a newline ends a line of JSON; Unicode has others that may stand in a text."""
    head = read_head(deliver(tmp_path, '{"a": "x\u2028y"}\n'.encode(), "a.jsonl"))
    assert head.sample == {"a": ["x\u2028y"]}


def test_parquet_of_any_type(tmp_path: Path) -> None:
    """Times with a zone and nested values are sampled as text, nested ones marked."""
    content = as_parquet(
        tmp_path,
        "select 'c-1' as client_id, timestamptz '2031-05-05 10:00:00+00' as t, "
        "{'revenue': 12.5} as d, [1, 2] as l",
    )
    head = read_head(deliver(tmp_path, content, "a.parquet"))
    assert head.columns == ["client_id", "t", "d", "l"]
    assert head.nested == {"d", "l"}
    assert head.sample["d"] == ['{"revenue":12.5}']


def test_parquet_without_rows(tmp_path: Path) -> None:
    """Columns and not a single row: the same as a header alone."""
    one = deliver(tmp_path, as_parquet(tmp_path, "select 1 as a where false"), "a.parquet")
    assert _refused(one) == "file_header_only"
