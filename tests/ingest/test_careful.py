"""Damage stays where it is: the fast path proves itself, the careful one resynchronises."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tallymark.ingest.header import Broken, Head, read_head
from tallymark.ingest.landing import Landed
from tallymark.ingest.records import MAX_LINE_BYTES, TOO_LONG, physical_lines, records
from tests.ingest.making import COLUMNS, as_csv, as_parquet, deliver, event, land_rows

VALUES = ("client_id", "page_url", "referrer", "event_name", "payload", "user_agent")
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _records(content: bytes, width: int = 3, **head: Any) -> list[Any]:
    columns = [f"c{number}" for number in range(width)]
    return list(records(io.BytesIO(content), Head(columns=columns, **head)))


def _good(content: bytes, **head: Any) -> list[tuple[int, list[str]]]:
    return [(one.number, one.values) for one in _records(content, **head) if one.values is not None]


def _bad(content: bytes, **head: Any) -> list[tuple[int, bytes, str]]:
    return [(one.number, one.raw, one.reason) for one in _records(content, **head)
            if one.values is None]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1,2", "2 values"),
        (b"1,2,3,4", "4 values"),
        (b"1,2,3,", "4 values"),
        (b'1,"2,3', "never closed"),
        (b'1,"2"x,3', "quoting is broken"),
        (b"1,\x002,3", "NUL"),
        (b"1,\xff2,3", "not UTF-8 (byte 3)"),
        (b"1,2\rx,3", "carriage return"),
        (b"1,2,3\r4,5,6", "carriage return"),
        (b"   x", "1 values"),
    ],
)
def test_one_damaged_line(line: bytes, reason: str) -> None:
    """A damaged line is named with its number, reason and exact bytes; its neighbours stay."""
    content = b"a,b,c\n1,x,y\n" + line + b"\n2,x,y\n"
    assert _good(content) == [(2, ["1", "x", "y"]), (4, ["2", "x", "y"])]
    ((number, raw, why),) = _bad(content)
    assert number == 3
    assert reason in why
    assert raw == line


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b'1,2"x,3', ["1", '2"x', "3"]),
        (b'1,2"x"y,3', ["1", '2"x"y', "3"]),
        (b'1,"2""x",3', ["1", '2"x', "3"]),
        (b'1, "2,x",3', ["1", "2,x", "3"]),
        (b'1,"2\rx",3', ["1", "2\rx", "3"]),
        (b'1,"2\n\nx",3', ["1", "2\n\nx", "3"]),
        (b"1,2,3\r", ["1", "2", "3"]),
        (b"1," + b"x" * 200_000 + b",3", ["1", "x" * 200_000, "3"]),
    ],
)
def test_unusual_lines_that_are_sound(line: bytes, values: list[str]) -> None:
    """What the fast path takes, the careful one takes with the same values."""
    assert _good(b"a,b,c\n1,x,y\n" + line + b"\n9,x,y\n")[1] == (3, values)


def test_blank_lines_do_not_count_as_rows_but_as_lines() -> None:
    """Line numbers are those of the file."""
    assert [number for number, _ in _good(b"a,b,c\n\n1,2,3\n  \n4,5,6")] == [3, 5]


def test_carriage_returns_alone() -> None:
    """A file whose lines end in carriage returns alone is read line by line too."""
    assert _good(b"a,b,c\r1,2,3\r\r4,5\r6,7,8", newline="\r") == [
        (2, ["1", "2", "3"]), (5, ["6", "7", "8"]),
    ]  # fmt: skip


def test_a_stray_quote_does_not_swallow_the_rest() -> None:
    """An open quote that closes many lines later, in a record of the wrong width, is one line."""
    content = b'a,b,c\n1,"2,3\n' + b"4,5,6\n" * 60 + b'7,8",9\n'
    assert len(_good(content)) == 61
    assert [number for number, _, _ in _bad(content)] == [2]


def test_a_line_without_end() -> None:
    """A line beyond the limit is one bad line, held in part; numbers go on after it."""
    stream = io.BytesIO(b"x" * (MAX_LINE_BYTES * 2 + 5) + b"\nshort\n")
    lines = list(physical_lines(stream, "\n"))
    assert [(len(line), long) for line, long in lines] == [(65_536, True), (6, False)]
    content = b"a\n" + b"x" * (MAX_LINE_BYTES + 1) + b"\n1\n"
    assert _bad(content, width=1)[0][::2] == (2, TOO_LONG)
    assert _good(content, width=1) == [(3, ["1"])]


def test_a_line_without_end_among_carriage_returns() -> None:
    """Where carriage returns end lines, a long line is held in part as well."""
    stream = io.BytesIO(b"a\r" + b"x" * (MAX_LINE_BYTES + 5_000_000) + b"\rshort\r")
    lines = list(physical_lines(stream, "\r"))
    assert [(len(line) < MAX_LINE_BYTES, long) for line, long in lines] == [
        (True, False), (True, True), (True, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "number", "reason"),
    [
        (b'1,"2\nx",3,4', 3, "4 values"),
        (b'1,"2\nx,3', 3, "never closed"),
        (b'1,2\nx",3', 3, "a line break"),
        (b"1,2\n2,3", 3, "a line break"),
        (b"1,2\n,3", 3, "a line break"),
        (b'1,"2\n\xffx",3', 3, "not UTF-8"),
        (b'1,"2\n\x00x",3', 3, "NUL"),
        (b'1,"2"x\ny",3', 3, "quoting is broken"),
    ],
)
def test_a_damaged_record_of_several_lines(lines: bytes, number: int, reason: str) -> None:
    """Lines that belong together are one damaged record with all its bytes."""
    content = b"a,b,c\n1,x,y\n" + lines + b"\n2,x,y\n"
    assert [values for _, values in _good(content, quotes=True)] == [
        ["1", "x", "y"], ["2", "x", "y"],
    ]  # fmt: skip
    ((found, raw, why),) = _bad(content, quotes=True)
    assert (found, raw) == (number, lines)
    assert reason in why


@pytest.mark.parametrize(
    "line",
    [b'1,2"x,3', b'1,2,3"', b"1,\xef\xbb\xbf2,3", b"\xef\xbb\xbf1,2,3", b'1,"\xef\xbb\xbf2",3'],
)
def test_what_a_writer_that_quotes_never_writes(line: bytes) -> None:
    """A bare quote, or a byte-order mark at the start of a value, is damage in its file."""
    content = b"a,b,c\n1,x,y\n" + line + b"\n2,x,y\n"
    assert [(number, raw) for number, raw, _ in _bad(content, quotes=True)] == [(3, line)]


def test_a_byte_order_mark_inside_quotes_is_a_character() -> None:
    """A product may be called so."""
    content = 'a,b,c\n1,"x\ufeffy",3\n'.encode()
    assert _good(content) == [(2, ["1", "x\ufeffy", "3"])]


def test_lines_of_another_table_are_set_aside_one_by_one() -> None:
    """Lines that only happen to have few values are not taken for pieces of one record."""
    content = b"a,b,c\n1,x,y\n" + b"p,q\n" * 200 + b"2,x,y\n"
    assert [number for number, _, _ in _bad(content)] == list(range(3, 203))
    assert [number for number, _ in _good(content)] == [2, 203]


def test_a_row_that_the_end_of_the_file_cuts() -> None:
    """Where the head says that the last row is cut, it is kept out although its width is right."""
    content = b"a,b,c\n1,x,y\n2,x,z"
    assert [number for number, _ in _good(content, cut=True)] == [2]
    assert _bad(content, cut=True) == [(3, b"2,x,z", "the file ends in the middle of this row")]


def test_many_open_quotes() -> None:
    """A file in which every line opens a quote is read line by line, in time and memory."""
    content = b"a,b,c\n" + b'1,"x,y\n' * 3000
    found = _bad(content)
    assert b"\n".join(raw for _, raw, _ in found) == b"\n".join([b'1,"x,y'] * 3000)
    assert not _good(content)


# ---------------------------------------------------------------- fast against careful


def _texts(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet=alphabet, max_size=6)


# A line break inside a value is followed by a word, never by what could be a record of its own.
CELLS = st.one_of(_texts('ab ,;"\r\té€'), st.sampled_from(["", "x\ny", "x\r\ny", '"\nz"', "\n\nw"]))
ROWS = st.lists(st.lists(CELLS, min_size=7, max_size=7), min_size=1, max_size=8)


def _written(rows: Sequence[Sequence[str]], end: str, *, quote_all: bool) -> bytes:
    text = io.StringIO(newline="")
    # A carriage return by itself is structure; the writer of this Python leaves it bare.
    bare = any("\r" in cell for row in rows for cell in row)
    writer = (
        csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
        if quote_all or bare
        else csv.writer(text, lineterminator=end)
    )
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode()


def _land(content: bytes) -> tuple[list[tuple[Any, ...]], Landed]:
    with tempfile.TemporaryDirectory() as folder:
        rows, landed = land_rows(deliver(Path(folder), content))
    return [tuple(row[name] for name in VALUES) for row in rows], landed


def _expected(rows: Sequence[Sequence[str]]) -> list[tuple[Any, ...]]:
    kept = [row for row in rows if any(row)]
    return [tuple(c.strip(" ") or None for i, c in enumerate(row) if i != 3) for row in kept]


@FEW
@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n"]), quote_all=st.booleans(),
       last=st.booleans(), blank=st.booleans())  # fmt: skip
def test_sound_files_are_read_exactly(
    rows: list[list[str]], end: str, *, quote_all: bool, last: bool, blank: bool
) -> None:
    """Quoted commas, quotes and line breaks, CRLF, no last newline, blank lines: the same rows."""
    assume(any(any(cell.strip() for cell in row) for row in rows))
    rows = [row if any(cell for cell in row) else ["x", *row[1:]] for row in rows]
    content = _written(rows, end, quote_all=quote_all)
    if blank:
        head, rest = content.split(end.encode(), 1)
        content = head + end.encode() * 2 + rest + end.encode()
    if last:
        content = content.removesuffix(end.encode())
    found, landed = _land(content)
    assert found == _expected(rows)
    assert not landed.bad_lines


@FEW
@given(rows=st.lists(st.lists(_texts('ab ,"é'), min_size=7, max_size=7), min_size=1, max_size=6),
       delimiter=st.sampled_from(",;\t|"), end=st.sampled_from(["\n", "\r\n", "\r"]))  # fmt: skip
def test_both_paths_agree(rows: list[list[str]], delimiter: str, end: str) -> None:
    """A file that the fast path proves, the careful one reads into the same rows."""
    rows = [["x", *row[1:]] for row in rows]
    content = as_csv(
        [dict(zip(COLUMNS, row, strict=True)) for row in rows], delimiter=delimiter, end=end
    )
    fast, landed = _land(content)
    assert landed.careful is None
    # A blank line proves nothing against the rows, but the counts no longer agree.
    careful, doubted = _land(content + end.encode())
    assert doubted.careful
    assert careful == fast == _expected(rows)


DAMAGES = ("extra", "extra_empty", "missing", "quote", "nul", "byte", "cut", "glued")
SOUND = [event(client_id=f"c-{number}", event_data='{"a": "b,c"}') for number in range(8)]


def _damaged(line: bytes, damage: str, at: int) -> bytes:
    if damage == "extra":
        return line + b",more"
    if damage == "extra_empty":
        return line + b","
    if damage == "missing":
        return line.rsplit(b",", 1)[0]
    if damage == "glued":
        return line + b'"'
    if damage == "cut":
        return line[: line.index(b"{") + 3]
    piece = {"quote": b'"', "nul": b"\0", "byte": b"\xff"}[damage]
    return line[:at] + piece + line[at:]


@settings(FEW, max_examples=40)
@given(damage=st.sampled_from(DAMAGES), row=st.integers(1, 8), at=st.integers(0, 120),
       ending=st.sampled_from(["csv", "csv.gz"]))  # fmt: skip
def test_one_damage_costs_one_row(damage: str, row: int, at: int, ending: str) -> None:
    """Good and quarantined rows are all rows, and the good ones are exactly what they were."""
    lines = as_csv(SOUND).splitlines()
    lines[row] = _damaged(lines[row], damage, min(at, len(lines[row])))
    content = b"\n".join(lines) + (b"" if damage == "cut" and row == 8 else b"\n")
    with tempfile.TemporaryDirectory() as folder:
        found, landed = land_rows(deliver(Path(folder), content, f"2031-05-05.{ending}"))
    good = [one for one in found if one["line_number"] != row + 1]
    assert [one["client_id"] for one in good] == [
        one["client_id"] for number, one in enumerate(SOUND, start=1) if number != row
    ]
    assert {one["payload"] for one in good} == {'{"a": "b,c"}'}
    assert len(found) + len(landed.bad_lines) == 8
    # A quote inside an unquoted value, or at a place where it pairs up, may leave a sound row.
    if damage not in {"quote", "glued"}:
        assert [number for number, _, _ in landed.bad_lines] == [row + 1]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_empty_cell_too_many_is_seen(tmp_path: Path, end: str) -> None:
    """DuckDB reads over empty cells at the end of a row; line ends and empty last cells tell."""
    rows = [event(user_agent=""), event(), event()]
    content = as_csv(rows, end=end)
    found, landed = land_rows(deliver(tmp_path, content))
    assert (len(found), landed.careful) == (3, None)
    mark = f"140.0{end}".encode()
    found, landed = land_rows(deliver(tmp_path, content.replace(mark, b"140.0," + mark[5:], 1)))
    assert (len(found), landed.careful) == (2, "a row has a cell too many")
    assert [(n, why) for n, why, _ in landed.bad_lines] == [
        (3, "8 values where the header has 7 columns")
    ]


def test_an_empty_cell_after_an_empty_cell_is_seen(tmp_path: Path) -> None:
    """Delimiters at the ends of lines and empty cells at the ends of rows are as many."""
    content = as_csv([event(user_agent=""), event()]).replace(b",\n", b",,\n", 1)
    found, landed = land_rows(deliver(tmp_path, content))
    assert landed.careful
    assert [row["line_number"] for row in found] == [3]
    assert [number for number, _, _ in landed.bad_lines] == [2]


def test_quoted_empty_cells_do_not_hide_one(tmp_path: Path) -> None:
    """An empty last cell in quotes is no delimiter at the end of a line."""
    content = as_csv([event(user_agent="agent"), event(user_agent="Q")])
    content = content.replace(b",Q\n", b',""\n').replace(b",agent\n", b",agent,\n")
    found, landed = land_rows(deliver(tmp_path, content))
    assert (len(found), len(landed.bad_lines)) == (1, 1)


# ---------------------------------------------------------------- other formats


def test_damaged_json_lines(tmp_path: Path) -> None:
    """A line that is no object is one bad line; blank lines keep the numbers right."""
    lines = [
        b'\xef\xbb\xbf{"client_id": "c-1", "event_data": {"revenue": 1.5, "b": [1, "\xc3\xa9"]}}',
        b"",
        b'{"client_id": "c-2", "event_name":',
        b"[1]",
        b'{"client_id": "c-\xff"}',
        b'{"client_id": "\\ud800"}',
        b"[" * 100_000,
        b'{"client_id": 3, "user_agent": null}',
    ]
    delivery = deliver(tmp_path, b"\n".join(lines) + b"\n", "2031-05-05.jsonl")
    rows, landed = land_rows(delivery)
    assert landed.careful
    assert [(row["line_number"], row["client_id"]) for row in rows] == [(1, "c-1"), (8, "3")]
    assert rows[0]["payload"] == '{"revenue":1.5,"b":[1,"é"]}'
    assert [(number, why) for number, why, _ in landed.bad_lines] == [
        (3, "the line is no JSON"),
        (4, "the line is no JSON object"),
        (5, "the line is not UTF-8 (byte 18)"),
        (6, "the line holds half a surrogate pair"),
        (7, "the line is no JSON"),
    ]


@pytest.mark.parametrize("ending", ["gz", "zst"])
@pytest.mark.parametrize("cut", [4, 9, 1000])
def test_a_compressed_file_that_was_cut_off(tmp_path: Path, ending: str, cut: int) -> None:
    """The head reads well and the end is gone: damaged, never a short delivery."""
    content = as_csv([event(client_id=str(number * 7919)) for number in range(60_000)])
    delivery = deliver(tmp_path, content, f"a.csv.{ending}")
    raw = delivery.path.read_bytes()
    delivery.path.write_bytes(raw[:-cut])
    assert read_head(delivery).columns == list(COLUMNS)
    with pytest.raises(Broken) as caught:
        land_rows(delivery)
    assert caught.value.check == "file_compression"


def test_a_wrong_checksum(tmp_path: Path) -> None:
    """Compressed data whose checksum is wrong is damaged, although it decompresses."""
    delivery = deliver(tmp_path, as_csv(SOUND), "a.csv.gz")
    raw = delivery.path.read_bytes()
    delivery.path.write_bytes(raw[:-8] + b"\1\2\3\4" + raw[-4:])
    with pytest.raises(Broken) as caught:
        land_rows(delivery)
    assert caught.value.check == "file_compression"


def test_garbage_after_compressed_data(tmp_path: Path) -> None:
    """Zeros after the last member are padding; anything else is damage."""
    delivery = deliver(tmp_path, as_csv(SOUND), "a.csv.gz")
    raw = delivery.path.read_bytes()
    delivery.path.write_bytes(raw + b"\0" * 40)
    assert len(land_rows(delivery)[0]) == 8
    delivery.path.write_bytes(raw + b"garbage")
    with pytest.raises(Broken):
        land_rows(delivery)


def test_a_parquet_file_damaged_inside(tmp_path: Path) -> None:
    """A Parquet file whose pages are overwritten is refused with a sentence."""
    raw = as_parquet(tmp_path, "select range::varchar as client_id from range(50000)")
    middle = len(raw) // 2
    broken = raw[:middle] + b"\xff" * 64 + raw[middle + 64 :]
    delivery = deliver(tmp_path, broken, "2031-05-05.parquet")
    with pytest.raises(Broken) as caught:
        land_rows(delivery)
    assert caught.value.check == "file_kind"
