"""Row-exact quarantine: good and quarantined rows are all rows, the good ones to the byte."""

from __future__ import annotations

import csv
import io
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallymark.ingest.landing_sql import REJECTED
from tests.check.judging import Shop
from tests.cli.calling import call
from tests.ingest.damage import CLASSES, NAMES, cases, damaged_header
from tests.ingest.making import landed_of
from tests.ingest.outcomes import Outcome, outcome, read
from tests.ingest.strict import parsed

SEED, FEW, MANY = 20, 2, 34
IDEAL = 0.98
KEY = "2031-05-05.csv"

# Of these a reader of rows cannot know: the bytes have to be counted on the fast path too.
UNPROVED = frozenset(
    {"quote_within", "quote_anywhere", "quote_at_end", "delimiter_within", "delimiter_extra",
     "bom_before_row", "bom_within", "field_more_empty"}
)  # fmt: skip


def _judged(kinds: Sequence[str], per_class: int) -> Counter[Outcome]:
    counts: Counter[Outcome] = Counter()
    for case in cases(SEED, per_class, kinds):
        with tempfile.TemporaryDirectory() as folder:
            found = outcome(case, *read(case, Path(folder)))
        if not case.still_a_row or found is not Outcome.IDEAL:
            counts[found] += 1
    return counts


@pytest.mark.parametrize("kind", sorted(set(CLASSES) - UNPROVED))
def test_a_single_damage(kind: str) -> None:
    """Two files of each class of damage: exactly the damaged bytes are kept out."""
    assert set(_judged([kind], FEW)) <= {Outcome.IDEAL}


def test_a_single_damage_that_a_lenient_parser_reads_over() -> None:
    """Stray quotes and byte-order marks in values, empty cells too many."""
    assert set(_judged(sorted(UNPROVED), FEW)) == {Outcome.IDEAL}


@pytest.mark.slow
def test_a_thousand_damages() -> None:
    """Over 1,000 files: 98 % ideal, and no row altered, lost or made up in any."""
    counts = _judged(list(CLASSES), MANY)
    assert counts.total() >= 1000
    assert counts[Outcome.SILENT] == 0
    assert counts[Outcome.IDEAL] >= IDEAL * counts.total()


def test_the_mutator_is_seeded() -> None:
    """The same seed makes the same files; another one makes others."""
    first, again, other = ([one.content for one in cases(seed, 1)] for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b'1,"2,x",3', ["1", "2,x", "3"]),
        (b'"a""b\nc",', ['a"b\nc', ""]),
        (b'1,2"x,3', None),
        (b'1,"2"x,3', None),
        (b'1,"2,3', None),
        (b"1,\xff", None),
        (b"1,\0", None),
        (b"1\r,2", None),
    ],
)
def test_the_strict_parser(line: bytes, values: list[str] | None) -> None:
    """What decides whether a damaged row is still a row goes by the letter of RFC 4180."""
    assert parsed(line, ",") == values


def test_a_header_that_was_cut_off_leaves_nothing(tmp_path: Path) -> None:
    """Cut off inside the header: refused whole, at every place."""
    import random  # noqa: PLC0415 -- here alone

    for number in range(8):
        shop = Shop(tmp_path / str(number))
        case = damaged_header(random.Random(number))  # noqa: S311 -- no secret
        assert shop.one(case.content).rows_accepted == 0


# ---------------------------------------------------------------- random tables

_TEXT = st.text(alphabet='ab,;"\té€漢', max_size=5)
CELLS = st.one_of(_TEXT, st.sampled_from(["", "x\ny", "x\r\ny", '"\nz"', "a\n\nw", "\u2028x"]))
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS, CELLS), min_size=2, max_size=8)
DAMAGES = st.sampled_from(["none", "cell more", "byte", "nul", "no time", "no name"])


def _damaged(text: bytes, row: list[str], damage: str) -> bytes:
    if damage == "cell more":
        return text + b",more"
    if damage in {"byte", "nul"}:
        return text[:-1] + {"byte": b"\xff", "nul": b"\0"}[damage] + text[-1:]
    gone = 3 if damage == "no time" else 4
    return _line([*row[:gone], "", *row[gone + 1 :]])


def _line(row: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    # Without a line terminator of its own the writer does not know what line breaks are.
    broken = any(mark in cell for cell in row for mark in "\r\n")
    if broken:
        csv.writer(text, lineterminator="", quoting=csv.QUOTE_ALL).writerow(row)
    else:
        csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue().encode()


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, damage=DAMAGES, at=st.integers(0, 7), end=st.sampled_from([b"\n", b"\r\n"]),
       last=st.booleans())  # fmt: skip
def test_good_and_quarantined_rows_are_all_rows(
    rows: list[tuple[str, ...]], damage: str, at: int, end: bytes, *, last: bool
) -> None:
    """Any table, one row of it damaged or none: the others land to the byte, that one is kept."""
    at %= len(rows)
    table = [
        [f"c-{number}", url, referrer, f"2031-05-05T10:00:{number:02}.000Z", f"e{name}", data, ua]
        for number, (url, referrer, name, data, ua) in enumerate(rows)
    ]
    lines = [_line(row) for row in table]
    if damage != "none":
        lines[at] = _damaged(lines[at], table[at], damage)
    content = end.join([_line(NAMES), *lines]) + (end if last else b"")
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        report = shop.one(content)
        kept = landed_of(shop.warehouse.root / shop.entries[0]["file"])
        out = [row[4].encode("utf-8", errors="surrogateescape") for row in shop.kept_out()]
    good = [row for number, row in enumerate(table) if damage == "none" or number != at]
    names = ("client_id", "page_url", "referrer", "event_name", "payload", "user_agent")
    assert [[row[name] for name in names] for row in kept if not row["faults"] & REJECTED] == [
        [cell or None for place, cell in enumerate(row) if place != 3] for row in good
    ]
    assert out == ([] if damage == "none" else [lines[at]])
    assert report.rows_accepted + report.rows_quarantined == report.rows_read == len(rows)


def test_through_build(tmp_path: Path) -> None:
    """What `build` publishes as events is what was delivered, less exactly the damaged rows."""
    rows = [
        [f"c-{number}", f"https://shop.example/?q={number},é", "", f"2031-05-05T10:00:{number:02}Z",
         "page_viewed", f'{{"a": "{number},\n\\"x\\""}}', f'agent "{number}"; x']
        for number in range(20)
    ]  # fmt: skip
    lines = [_line(row) for row in rows]
    lines[3] = lines[3] + b",more"
    lines[7] = lines[7].replace(b"10:00", b"\xe9:00")
    lines[11] = b'"' + lines[11]
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / KEY).write_bytes(b"\r\n".join([_line(NAMES), *lines]) + b"\r\n")
    call("build", "--input", raw, "--output", tmp_path / "warehouse", "--export", "none")
    with duckdb.connect(str(tmp_path / "warehouse" / "tallymark.duckdb"), read_only=True) as found:
        events = found.execute(
            "select client_id, page_url, payload, user_agent from events order by line_number"
        ).fetchall()
    good = [row for number, row in enumerate(rows) if number not in {3, 7, 11}]
    assert events == [(row[0], row[1], row[5], row[6]) for row in good]
