"""Names that are alike, the shape of values, and where a column stood."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.check.header.names import likeness, same_name
from tallymark.check.header.places import same_places
from tallymark.check.header.shapes import outline, pageness, shape_of
from tallymark.contract import Column
from tallymark.engine.duckdb import DuckEngine
from tests.ingest.making import COLUMNS, CONTRACT

BY_NAME = {column.name: column for column in CONTRACT.columns}


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("client_id", "anonymousId"), ("client_id", "user_pseudo_id"), ("client_id", "clnt_id"),
        ("page_url", "page_location"), ("page_url", "URL"), ("page_url", "pg_url"),
        ("referrer", "document.referrer"), ("timestamp", "ts"), ("timestamp", "evt_ts"),
        ("event_name", "EventType"), ("event_data", "props"), ("user_agent", "raw_user_agent"),
        ("user_agent", "ua"),
    ],
)  # fmt: skip
def test_usual_names(column: str, name: str) -> None:
    """Another style, a short form, a filler or a tracker's own name is nearly the same name."""
    found = likeness([column], column, name)
    assert found.score >= 0.9
    assert not found.other


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("client_id", "session_id"), ("client_id", "client_ip_hash"), ("page_url", "page_title"),
        ("page_url", "image_url"), ("referrer", "first_referrer"), ("timestamp", "loaded_at"),
        ("event_name", "event_category"),
    ],
)  # fmt: skip
def test_names_of_other_meaning(column: str, name: str) -> None:
    """A name that is known to mean something else is told apart however alike it looks."""
    assert likeness([column], column, name).other


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=60)
def test_any_name_can_be_compared(old: str, new: str) -> None:
    """Whatever a header holds, the likeness is a share, and 1 only for the same name."""
    found = likeness([old], "client_id", new)
    assert 0 <= found.score <= 1
    assert (found.score == 1) == same_name(old, new)


@pytest.mark.parametrize(
    ("column", "values", "form"),
    [
        ("timestamp", ["1935741600"], "seconds since 1970"),
        ("timestamp", ["1935741600123"], "milliseconds since 1970"),
        ("timestamp", ["1935741600123456"], "microseconds since 1970"),
        ("timestamp", ["1935741600123456789"], "nanoseconds since 1970"),
        ("timestamp", ["05.05.2031 10:00"], "a local date, whose month is unsure"),
        ("timestamp", ["5/5/2031 10:00 AM"], "a local date, whose month is unsure"),
        ("timestamp", ["2031-05-05"], "a day without a time of day"),
        ("timestamp", ["20310505T100000Z"], "a time without separators"),
        ("timestamp", ["Mon, 05 May 2031 10:00:00 GMT"], "a time in words"),
        ("timestamp", ["10:00:00"], "a time of day without its day"),
        ("timestamp", ["123456789012345678901"], None),
        ("page_url", ["/p/1"], "a path without its host"),
        ("page_url", ["shop.example/p/1"], "a URL without https://"),
        ("page_url", ["https%3A%2F%2Fshop.example%2F"], "a URL that is encoded twice"),
        ("event_data", ['"{\\"revenue\\": 1}"'], "JSON inside a string"),
        ("event_data", ["{'revenue': 1}"], "a Python dictionary, which is no JSON"),
        ("event_data", ["eyJyZXZlbnVlIjogMX0="], "JSON in Base64"),
        ("event_data", ["revenue=1&currency=EUR"], "a query string"),
        ("event_data", ['{"revenue": 1'], "broken JSON"),
        ("event_data", ["[" * 100_000], None),
        ("user_agent", ["Mozilla/5.0%20(X11)"], "a user agent that is encoded as in a URL"),
        ("user_agent", ["mozilla/5.0 (x11)"] * 20, "user agents in lower case"),
        ("event_name", ["Page Viewed"] * 20, "known event names in another style"),
        ("client_id", ["jo@mail.example"], "an e-mail address"),
    ],
)  # fmt: skip
def test_other_forms(column: str, values: list[str | None], form: str | None) -> None:
    """Values that do not fit are told by the form in which they came, if it is a known one."""
    shape = shape_of(BY_NAME[column], values * 3, CONTRACT)
    if form is not None:
        assert (shape.form, shape.fits, shape.formed) == (form, 0, 1)
    else:
        assert shape.form is None


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckEngine]:
    """One engine for all examples."""
    opened = DuckEngine(threads=1)
    yield opened
    opened.close()


@given(
    day=st.sampled_from(["2031-05-05", "2031/5/5", "2031-12-31"]),
    between=st.sampled_from(["T", " "]),
    clock=st.sampled_from(["10:00", "10:00:00", "1:2:3", "10:00:00.1", "10:00:00.123456"]),
    zone=st.sampled_from(["Z", "", "+02:00", "+02", " UTC", " Europe/Berlin", "-05:30"]),
)
@settings(max_examples=60, deadline=None)
def test_a_time_that_fits_can_be_read(
    engine: DuckEngine, day: str, between: str, clock: str, zone: str
) -> None:
    """What counts as a time here is one that landing reads."""
    value = f"{day}{between}{clock}{zone}"
    shape = shape_of(BY_NAME["timestamp"], [value], CONTRACT)
    sql = "select try_cast(? as timestamptz) is not null"
    (readable,) = engine.rows(sql, [value])[0]
    assert shape.fits <= readable


def test_a_changed_type_needs_values() -> None:
    """One odd value proves nothing; two of another known form do, ten of none at all do too."""
    payload = BY_NAME["event_data"]
    assert not shape_of(payload, ["a=1"], CONTRACT).changed
    assert shape_of(payload, ["a=1", "b=2"], CONTRACT).changed
    assert not shape_of(payload, ["what", "ever"], CONTRACT).changed
    assert shape_of(payload, ["what", "ever"] * 5, CONTRACT).changed
    assert not shape_of(payload, ["{}", "what"] * 5, CONTRACT).changed


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("number", "1.5e3", "1,5"), ("integer", "-3", "3.0"), ("boolean", "true", "maybe"),
        ("date", "2031-05-05", "05.05.2031"), ("text", "", ""),
    ],
)  # fmt: skip
def test_kinds_without_a_role(kind: str, good: str, bad: str) -> None:
    """Columns that only the gate knows have shapes too; any text is text."""
    column = Column(name="extra", kind=kind, required=False)
    assert shape_of(column, [good] * 2).fits == bool(good)
    assert shape_of(column, [bad] * 2).fits == 0


def test_allowed_values_decide_the_shape() -> None:
    """A list of allowed values replaces the shape of the kind."""
    column = Column(name="store", kind="text", allowed=("DE", "AT"))
    assert shape_of(column, ["DE", "AT", "FR", "DE"]).fits == 0.75


def test_pages_and_referrers() -> None:
    """Pages are of one shop in every row; referrers are of many places and not always there."""
    pages: list[str | None] = [f"https://shop.example/p/{number}" for number in range(40)]
    away: list[str | None] = [None, "https://www.google.com/", "https://shop.example/", None] * 10
    assert pageness(pages, CONTRACT) == 1
    assert pageness(away, CONTRACT) <= 0.5
    assert pageness(["https://www.google.com/", "https://www.bing.com/"] * 9, CONTRACT) == 0
    # Pages of which many are lost are still pages.
    assert pageness([*pages, *([None] * 60)], CONTRACT) > 0.7


def test_the_outline_of_a_value_hides_it() -> None:
    """Neither letters nor digits nor control characters of a value are shown."""
    assert outline("Jo-77\x1b[31m") == "xx-99?[99x"
    assert outline("a" * 99) == "x" * 32 + "…"


def test_places() -> None:
    """A column stands for the one it replaced, counted from its known neighbour."""
    known: dict[str, str | None] = dict.fromkeys(COLUMNS)
    known |= {name: name for name in COLUMNS if name not in {"referrer", "user_agent"}}
    header = [*COLUMNS[:2], "r", *COLUMNS[3:6], "u", "more"]
    assert same_places(COLUMNS, header, known) == {"referrer": "r", "user_agent": "u"}
    assert same_places(COLUMNS, header[::-1], known) == {}
    moved = ["more", *COLUMNS[:2], *COLUMNS[3:6], "u"]
    assert same_places(COLUMNS, moved, known) == {"user_agent": "u"}
