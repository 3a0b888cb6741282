from __future__ import annotations

import datetime as dt
import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallymark.demo import specs
from tallymark.demo.planting import incident_kinds
from tallymark.demo.specs import IncidentSpec, parse_spec
from tallymark.errors import UsageError

START = dt.date(2026, 1, 5)
DAYS = 30
KINDS = incident_kinds()


def parse(text: str) -> IncidentSpec:
    """Read a specification for a shop of thirty days."""
    return parse_spec(text, START, DAYS, KINDS)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("outage@1", 0, 0),
        ("outage@30", 29, 29),
        ("outage@2026-01-07", 2, 2),
        ("outage@3..5", 2, 4),
        ("outage@3..2026-01-09", 2, 4),
        (" outage @ 3 .. 5 : hours = 1-2 ", 2, 4),
        ("column_gone@3", 2, 29),
        ("column_gone@3..3", 2, 2),
    ],
)
def test_days(text: str, first: int, last: int) -> None:
    """A day is a number from 1 or a date; lasting incidents last unless a range is given."""
    spec = parse(text)
    assert spec.first == START + dt.timedelta(days=first)
    assert spec.last == START + dt.timedelta(days=last)


def test_details_and_defaults() -> None:
    """Given details replace defaults, and the others stay."""
    assert parse("column_renamed@12:column=client_id,to=clientId").details == {
        "column": "client_id",
        "to": "clientId",
    }
    assert parse("payload_null@18:field=revenue").details == {
        "field": "revenue",
        "share": "1.0",
        "hours": "0-24",
    }


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("outrage@3", "no incident 'outrage'", "did you mean 'outage'?"),
        ("qqq@3", "no incident", "known incidents: anonymous_rows, bot_wave, column_gone"),
        ("", "no incident ''", "known incidents"),
        ("outage", "day is missing", "outage@3"),
        ("outage@", "day is missing", "outage@3"),
        ("outage@0", "no day 0", "use 1 to 30"),
        ("outage@31", "no day 31", "use 1 to 30"),
        ("outage@yesterday", "'yesterday' is no day", "use 1 to 30"),
        ("outage@2026-02-30", "is no day", "from 2026-01-05 to 2026-02-03"),
        ("outage@2027-01-01", "not among the simulated days", "use 1 to 30"),
        ("outage@5..3", "before the first", "earlier day first"),
        ("outage@5..", "'' is no day", "use 1 to 30"),
        ("outage@5:hour=1-2", "knows no 'hour'", "did you mean 'hours'?"),
        ("outage@5:hours", "has no value", "hours=11-13"),
        ("outage@5:hours=13-11", "from-to", "hours=11-13"),
        ("outage@5:hours=20-25", "from-to", "hours=11-13"),
        ("outage@5:hours=1-2,hours=2-3", "given twice", "keep one"),
        ("missing_day@5:share=1", "knows no 'share'", "it has no keys"),
        ("anonymous_rows@5:share=0", "above 0", "share=0.15"),
        ("anonymous_rows@5:share=nan", "above 0", "share=0.15"),
        ("anonymous_rows@5:share=1.5", "at most 1", "share=0.15"),
        ("order_id_collision@5:count=0", "whole number", "count=1"),
        ("column_gone@5:column=nope", "one of client_id", "column=referrer"),
        ("column_renamed@5:to=a\nb", "column name", "to="),
        ("payload_null@5:field=items", "one of item_id", "field=item_price"),
        ("double_fired@5:delay=-1", "whole number of milliseconds", "delay=100"),
        ("double_fired@5:delay=60001", "0 to 60000", "delay=100"),
        ("staging_traffic@5:host=https://x", "a host is written", "host=staging."),
        ("columns_renamed@5:columns=referrer+referrer", "each once", "columns=client_id+"),
        ("columns_renamed@5:columns=referrer+nope", "some of client_id", "columns=client_id+"),
    ],
)
def test_mistakes_are_explained(text: str, what: str, fix: str) -> None:
    """Each mistake says what is wrong, where, and how to mend it."""
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert caught.value.where == f"--incident {text}"


VALUES = {
    "share": st.integers(1, 1000).map(lambda n: str(n / 1000)),
    "hours": st.tuples(st.integers(0, 23), st.integers(1, 24))
    .filter(lambda pair: pair[0] < pair[1])
    .map(lambda pair: f"{pair[0]}-{pair[1]}"),
    "count": st.integers(1, 999).map(str),
    "within": st.integers(1, 999).map(str),
    "column": st.sampled_from(["client_id", "referrer", "timestamp"]),
    "to": st.from_regex(r"[a-z_][A-Za-z0-9_]{0,20}", fullmatch=True),
    "field": st.sampled_from(["item_price", "revenue"]),
    "where": st.sampled_from(["all", "products", "iphone"]),
    "into": st.sampled_from(["number", "epoch_ms", "title"]),
    "other": st.sampled_from(["page_url", "event_name"]),
    "what": st.sampled_from(["header", "values"]),
    "columns": st.permutations(["client_id", "page_url", "referrer"]).map("+".join),
    "event": st.sampled_from(["page_viewed", "checkout_completed", "all"]),
    "delay": st.integers(0, 60_000).map(str),
    "host": st.sampled_from(["localhost:3000", "staging.shop.example"]),
    "under": st.sampled_from(["name", "day"]),
    "after": st.integers(1, 999).map(str),
}


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Well-formed specifications of every kind."""
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    days = sorted(draw(st.tuples(st.integers(1, DAYS), st.integers(1, DAYS))))
    when = [
        str(day) if draw(st.booleans()) else (START + dt.timedelta(days=day - 1)).isoformat()
        for day in days[: draw(st.integers(1, 2))]
    ]
    chosen = [key for key in kind.details if draw(st.booleans())]
    details = ",".join(f"{key}={draw(VALUES[key])}" for key in chosen)
    return f"{kind.name}@{'..'.join(when)}{':' if details else ''}{details}"


@given(texts())
def test_a_specification_reads_back(text: str) -> None:
    """Written out in full, a specification means the same."""
    spec = parse(text)
    assert parse(str(spec)) == spec
    assert START <= spec.first <= spec.last <= START + dt.timedelta(days=DAYS - 1)


@given(
    st.one_of(
        st.text(),
        st.builds("{}@{}:{}".format, st.sampled_from(sorted(KINDS)), st.text(), st.text()),
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text does anything but give a specification or a usage error."""
    try:
        name = parse(text).name
    except UsageError as error:
        name = error.fix
    assert name


def test_examples_in_docstrings() -> None:
    """The examples of the value parsers hold."""
    results = doctest.testmod(specs)
    assert results.attempted > 0
    assert results.failed == 0
