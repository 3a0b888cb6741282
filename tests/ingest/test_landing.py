"""Known answers for every landed column, from hostile values in every delivered one."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from tallymark.contract import InternalMarks
from tallymark.engine.base import identifier, literal
from tallymark.ingest.landing import delivery_base
from tallymark.ingest.landing_sql import (
    REJECTED,
    Fault,
    landed_view,
    marked,
    usual_hosts,
)
from tallymark.ingest.url_sql import page_type
from tests.ingest.making import (
    COLUMNS,
    CONTRACT,
    as_csv,
    as_parquet,
    deliver,
    event,
    land_rows,
    purchase,
    queried,
)


def _one(tmp_path: Path, **changed: str) -> dict[str, Any]:
    rows, landed = land_rows(deliver(tmp_path, as_csv([event(**changed)])))
    assert landed.careful is None
    return rows[0]


def _many(tmp_path: Path, column: str, values: list[str]) -> list[dict[str, Any]]:
    rows, landed = land_rows(deliver(tmp_path, as_csv([event(**{column: one}) for one in values])))
    assert landed.careful is None
    return rows


def test_finer_times_are_cut_and_never_rounded_into_the_next_day(tmp_path: Path) -> None:
    """Milliseconds and date of one row are of the same day, as on every other engine."""
    row = _one(tmp_path, timestamp="2026-03-01T23:59:59.9996Z")
    assert row["event_ms"] == 1_772_409_599_999
    assert row["event_date"] == dt.date(2026, 3, 1)


def test_a_sound_row(tmp_path: Path) -> None:
    """Every column of one sound row."""
    row = _one(
        tmp_path,
        page_url="https://Shop.Example/p/1?utm_source=news&utm_medium=email&gclid=x#top",
        referrer="https://www.search.example/find?q=shoes",
    )
    assert 0 <= row.pop("client_key") < 1 << 63
    assert row == {
        "event_id": delivery_base("2031-05-05.csv") + 2,
        "delivery": "2031-05-05.csv",
        "delivery_date": dt.date(2031, 5, 5),
        "line_number": 2,
        "event_ms": 1_935_741_600_000,
        "event_time": dt.datetime(2031, 5, 5, 10),  # noqa: DTZ001 -- UTC without saying so
        "event_date": dt.date(2031, 5, 5),
        "event_hour": 10,
        "client_id": "c-1001",
        "event_name": "page_viewed",
        "step": "page_view",
        "page_url": "https://Shop.Example/p/1?utm_source=news&utm_medium=email&gclid=x#top",
        "page_host": "shop.example",
        "bare_url": "https://Shop.Example/p/1",
        "page_path": "/p/1",
        "page_type": "other",  # no patterns are given
        "referrer": "https://www.search.example/find?q=shoes",
        "referrer_host": "www.search.example",
        "utm_source": "news",
        "utm_medium": "email",
        "utm_campaign": None,
        "utm_term": None,
        "utm_content": None,
        "click_id_kind": "gclid",
        "partner": None,
        "user_agent": event()["user_agent"],
        "payload": None,
        "referrer_collected": True,
        "rejected": 0,
        "is_marked": False,
        "faults": 0,
    }


def test_the_empty_relation_has_the_landed_columns(tmp_path: Path) -> None:
    """Where nothing has landed, the columns and types are those of landed rows."""
    _, landed = land_rows(deliver(tmp_path, as_csv([event()])))
    some, none = (queried(f"describe {landed_view(paths, {})}") for paths in ([landed.path], []))
    assert [row[:2] for row in none] == [row[:2] for row in some]


TIMES = {
    "2031-05-05T10:00:00.000Z": "2031-05-05 10:00:00",
    "2031-05-05T10:00:00.123Z": "2031-05-05 10:00:00.123",
    "2031-05-05T10:00:00Z": "2031-05-05 10:00:00",
    "2031-05-05T10:00Z": "2031-05-05 10:00:00",
    "2031-05-05T10:00:00+02:00": "2031-05-05 08:00:00",
    "2031-05-05T10:00:00+0200": "2031-05-05 08:00:00",
    "2031-05-05T23:30:00-05:30": "2031-05-06 05:00:00",
    "2031-05-05T10:00:00+14:00": "2031-05-04 20:00:00",
    "2031-05-05T10:00:00+15:00": None,
    "2031-05-05T10:00:00-99:99": None,
    "2031-05-05T10:00:00+2500": None,
    "2031-05-05T10:00:00": "2031-05-05 10:00:00",
    "2031-05-05 10:00:00": "2031-05-05 10:00:00",
    " 2031-05-05 10:00:00 ": "2031-05-05 10:00:00",
    "2031-05-05": "2031-05-05 00:00:00",
    "": None,
    "yesterday": None,
    "now": None,
    "epoch": None,
    "infinity": None,
    "-infinity": None,
    "1970-01-01T00:00:00Z": None,
    "0044-03-15 (BC)": None,
    "290000-01-01": None,
    "294247-01-10T04:00:54Z": None,
    "2031-02-30T10:00:00Z": None,
    "2031-05-05T25:00:00Z": None,
    "05/05/2031 10:00": None,
    "1935741600": None,
}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_times(tmp_path: Path, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets count, a time without one is UTC wherever this runs, and nonsense is a fault."""
    monkeypatch.setenv("TZ", zone)
    content = as_csv([event(timestamp=one) for one in TIMES])
    rows, _ = land_rows(deliver(tmp_path, content), fresh=True)
    found = [None if row["event_time"] is None else str(row["event_time"]) for row in rows]
    short = [one and one.removesuffix("000") if one and "." in one else one for one in found]
    assert dict(zip(TIMES, short, strict=True)) == TIMES
    for row in rows:
        assert bool(row["faults"] & Fault.TIME) == (row["event_time"] is None)
        assert (row["event_ms"] is None) == (row["event_time"] is None)


@pytest.mark.parametrize(
    ("zone", "stamp", "day", "hour"),
    [
        ("Europe/Berlin", "2031-01-31T23:30:00Z", "2031-02-01", 0),
        ("Europe/Berlin", "2031-07-31T21:59:59Z", "2031-07-31", 23),
        ("Europe/Berlin", "2031-07-31T22:00:00Z", "2031-08-01", 0),
        # The clock goes forward on 30 March 2031 and back on 26 October 2031.
        ("Europe/Berlin", "2031-03-30T00:59:59Z", "2031-03-30", 1),
        ("Europe/Berlin", "2031-03-30T01:00:00Z", "2031-03-30", 3),
        ("Europe/Berlin", "2031-10-26T00:30:00Z", "2031-10-26", 2),
        ("Europe/Berlin", "2031-10-26T01:30:00Z", "2031-10-26", 2),
        ("America/New_York", "2031-05-05T03:59:00Z", "2031-05-04", 23),
        ("America/New_York", "2031-01-05T04:59:00Z", "2031-01-04", 23),
        ("America/New_York", "2031-03-09T07:00:00Z", "2031-03-09", 3),
        ("UTC", "2031-05-05T00:00:00+02:00", "2031-05-04", 22),
    ],
)
def test_days_and_hours_of_the_reporting_zone(
    tmp_path: Path, zone: str, stamp: str, day: str, hour: int
) -> None:
    """Dates and hours are those of the shop's zone, summer and winter."""
    rows, _ = land_rows(deliver(tmp_path, as_csv([event(timestamp=stamp)])), timezone=zone)
    assert (str(rows[0]["event_date"]), rows[0]["event_hour"]) == (day, hour)
    assert bool(rows[0]["faults"] & Fault.OTHER_DAY) == (day != "2031-05-05")


UTM = {
    "summer": "summer",
    "summer+sale": "summer sale",
    "summer%20sale": "summer sale",
    "%C3%BCber": "über",
    "a%2Bb": "a+b",
    "a%26b%3Dc": "a&b=c",
    "100%": "100%",
    "%zz": "%zz",
    "a%ffb": "a%ffb",
    "": None,
    "+": None,
    "%20": None,
    "x'); drop table events; --": "x'); drop table events; --",
    "{curly}": "{curly}",
    '"quoted"': '"quoted"',
    "=cmd|' /C calc'!A0": "=cmd|' /C calc'!A0",
}


def test_campaign_tags(tmp_path: Path) -> None:
    """Tags are decoded where they can be, kept as delivered where not, null where blank."""
    urls = [f"https://shop.example/?a=1&utm_campaign={one}&b=2#utm_campaign=no" for one in UTM]
    rows = _many(tmp_path, "page_url", urls)
    assert dict(zip(UTM, [row["utm_campaign"] for row in rows], strict=True)) == UTM


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("?utm_source=a&utm_source=b", "a"),
        ("?xutm_source=a", None),
        ("?utm_sourced=a", None),
        ("#utm_source=a", None),
        ("?utm_source", None),
        ("?utm_source=a#b", "a"),
        ("?x=1?utm_source=a", None),
    ],
)
def test_where_a_tag_begins(tmp_path: Path, query: str, source: str | None) -> None:
    """A tag is a whole parameter of the query; the first of its name counts."""
    assert _one(tmp_path, page_url=f"https://shop.example/{query}")["utm_source"] == source


HOSTS = {
    "https://shop.example/p": ("shop.example", "/p"),
    "https://SHOP.Example": ("shop.example", "/"),
    "https://shop.example?x=1": ("shop.example", "/"),
    "https://shop.example#x": ("shop.example", "/"),
    "http://shop.example:8080/p": ("shop.example", "/p"),
    "https://user:pass@shop.example:443/p?x=/y": ("shop.example", "/p"),
    "android-app://com.app.example/x/y": ("com.app.example", "/x/y"),
    "ws://a/b": ("a", "/b"),
    "https:///p": (None, "/p"),
    "/products/long/path": (None, "/products/long/path"),
    "/go?to=https://other.example/x": (None, "/go"),
    "go?to=https://other.example/x": (None, None),
    "/out/https://other.example/x": (None, "/out/https://other.example/x"),
    "x#https://other.example/x": (None, None),
    "shop.example/p": (None, None),
    "about:blank": (None, None),
    "": (None, None),
}


def test_page_hosts_and_paths(tmp_path: Path) -> None:
    """Host in lower case without port and user; a URL in a parameter is not the page."""
    rows = _many(tmp_path, "page_url", list(HOSTS))
    found = [(row["page_host"], row["page_path"]) for row in rows]
    assert dict(zip(HOSTS, found, strict=True)) == HOSTS
    for row in rows:
        assert bool(row["faults"] & Fault.PAGE) == (row["page_host"] is None)


def test_referrers(tmp_path: Path) -> None:
    """A referrer that is no URL has no host, and says so; an empty one is no fault."""
    given = {
        "https://Search.Example/?q=a": "search.example",
        "android-app://com.mail.example/": "com.mail.example",
        "(direct)": None,
        "search.example": None,
        "x?u=https://search.example/": None,
        "/out/https://search.example/": None,
        "": None,
    }
    rows = _many(tmp_path, "referrer", list(given))
    assert [row["referrer_host"] for row in rows] == list(given.values())
    assert [bool(row["faults"] & Fault.REFERRER) for row in rows] == [
        False, False, True, True, True, True, False,
    ]  # fmt: skip


def test_click_ids_and_partners(tmp_path: Path) -> None:
    """Parameters of platforms and networks are recognised when they have a value."""
    urls = {
        "?gclid=abc": ("gclid", None),
        "?gclid=": (None, None),
        "?gclid=&fbclid=x": ("fbclid", None),
        "?fbclid=x&gclid=y": ("gclid", None),
        "?xgclid=abc": (None, None),
        "?msclkid=1": ("msclkid", None),
        "": (None, None),
    }
    rows = _many(tmp_path, "page_url", [f"https://shop.example/{one}" for one in urls])
    found = [(row["click_id_kind"], row["partner"]) for row in rows]
    assert dict(zip(urls, found, strict=True)) == urls


def test_steps_and_payloads(tmp_path: Path) -> None:
    """Event names map to steps of the funnel; a payload must be JSON, however deep."""
    deep = "[" * 50_000 + "]" * 50_000
    rows, landed = land_rows(
        deliver(
            tmp_path,
            as_csv(
                [
                    purchase({"revenue": 1}),
                    event(event_name="begin_checkout"),
                    event(event_name="x'y"),
                    event(event_name=" "),
                    purchase("{broken"),
                    purchase(deep),
                ]
            ),
        )
    )
    assert landed.careful is None
    assert [row["step"] for row in rows] == [
        "purchase", "checkout_start", "other", "other", "purchase", "purchase",
    ]  # fmt: skip
    assert [bool(row["faults"] & Fault.EVENT_NAME) for row in rows] == [False] * 3 + [True] + [
        False
    ] * 2
    assert rows[4]["faults"] & Fault.PAYLOAD
    assert not rows[0]["faults"] & Fault.PAYLOAD


def test_faults_of_empty_values(tmp_path: Path) -> None:
    """A row of empty values has every fault that emptiness is, and is rejected for two."""
    row = _one(tmp_path, **dict.fromkeys(COLUMNS, " "))
    assert Fault(row["faults"]) == (
        Fault.TIME | Fault.EVENT_NAME | Fault.CLIENT | Fault.PAGE | Fault.AGENT
    )
    assert row["faults"] & REJECTED


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "csv.gz", "csv.zst"])
def test_hostile_names_of_columns(tmp_path: Path, ending: str) -> None:
    """Quotes, SQL, braces, one name in two cases: columns are read whatever they are called."""
    names = ['cl"ient', "x'); drop table t; --", "{page}", "stamp", "Stamp", "ev ent", "", "ü"]
    values = ["c-1", "https://r.example/", "https://shop.example/", "2031-05-05T10:00:00Z", "no",
              "page_viewed", "", ""]  # fmt: skip
    named = dict(zip(names, values, strict=True))
    if ending == "jsonl":
        content = (json.dumps(named) + "\n").encode()
    elif ending == "parquet":
        # DuckDB's own writer takes neither an empty name nor one in two cases.
        del named["Stamp"], named[""]
        picks = (f"{literal(value)} as {identifier(name)}" for name, value in named.items())
        content = as_parquet(tmp_path, f"select {', '.join(picks)}")
    else:
        content = as_csv([named], names)
    roles = {"client_id": names[0], "referrer": names[1], "page_url": names[2],
             "timestamp": names[3], "event_name": names[5]}  # fmt: skip
    rows, landed = land_rows(deliver(tmp_path, content, f"2031-05-05.{ending}"), roles=roles)
    assert landed.careful is None
    one = rows[0]
    assert (one["client_id"], one["referrer_host"], one["page_host"], one["event_name"]) == (
        "c-1", "r.example", "shop.example", "page_viewed",
    )  # fmt: skip
    assert str(one["event_time"]) == "2031-05-05 10:00:00"


def test_hostile_names_of_deliveries(tmp_path: Path) -> None:
    """A key with quotes and braces is a key like any other."""
    name = "it's {a} \"day\"; drop/2031-05-05 '.csv"
    rows, _ = land_rows(deliver(tmp_path, as_csv([event()]), name))
    assert rows[0]["delivery"] == name
    assert rows[0]["event_id"] == delivery_base(name) + 2


@pytest.mark.parametrize("missing", COLUMNS)
def test_a_missing_column(tmp_path: Path, missing: str) -> None:
    """Without a column its values are null; without the referrer the row says so."""
    columns = [name for name in COLUMNS if name != missing]
    rows, landed = land_rows(deliver(tmp_path, as_csv([event()], columns)))
    assert landed.careful is None
    assert rows[0]["referrer_collected"] == (missing != "referrer")
    assert rows[0][{"timestamp": "event_ms", "event_data": "payload"}.get(missing, missing)] is None


def test_no_column_that_is_known(tmp_path: Path) -> None:
    """A file of other columns lands as rows of faults, in every format."""
    none: dict[str, str | None] = dict.fromkeys(COLUMNS)
    for name, content in (("a.csv", b"x,y\n1,2\n"), ("b.jsonl", b'{"x": 1}\n')):
        rows, landed = land_rows(deliver(tmp_path, content, name), roles=none)
        assert (len(rows), landed.careful) == (1, None)


@pytest.mark.parametrize("ending", ["csv.gz", "csv.zst", "jsonl", "jsonl.gz", "parquet"])
def test_every_format_lands_the_same(tmp_path: Path, ending: str) -> None:
    """The same events land as the same rows from every format, line numbers aside."""
    events = [
        event(client_id=f"c-{number}", timestamp=f"2031-05-05T{number:02}:00:00.000Z")
        for number in range(20)
    ] + [purchase({"revenue": 12.5, "items": [{"item_name": "a,b"}]})]
    plain, _ = land_rows(deliver(tmp_path / "a", as_csv(events)))
    if ending.startswith("jsonl"):
        content = "".join(
            json.dumps({name: value or None for name, value in one.items()}) + "\n"
            for one in events
        ).encode()
    elif ending == "parquet":
        source = (tmp_path / "a" / "2031-05-05.csv").as_posix()
        content = as_parquet(tmp_path, f"select * from read_csv('{source}', all_varchar = true)")
    else:
        content = as_csv(events)
    rows, landed = land_rows(deliver(tmp_path / "b", content, f"2031-05-05.{ending}"))
    assert landed.careful is None
    own = {"event_id", "delivery", "line_number"}
    assert [{k: v for k, v in row.items() if k not in own} for row in rows] == [
        {k: v for k, v in row.items() if k not in own} for row in plain
    ]


def test_typed_parquet(tmp_path: Path) -> None:
    """Times with a zone, numbers and nested payloads of a Parquet file land as their text would."""
    content = as_parquet(
        tmp_path,
        "select 1001 as client_id, 'https://shop.example/' as page_url, "
        "timestamptz '2031-05-05 10:00:00+02:00' as timestamp, 'purchase' as event_name, "
        "{'revenue': 12.5, 'items': [{'item_name': 'a'}]} as event_data",
    )
    rows, _ = land_rows(deliver(tmp_path, content, "2031-05-05.parquet"))
    assert rows[0]["client_id"] == "1001"
    assert str(rows[0]["event_time"]) == "2031-05-05 08:00:00"
    assert json.loads(rows[0]["payload"]) == {"revenue": 12.5, "items": [{"item_name": "a"}]}


def test_the_same_bytes_land_as_the_same_file(tmp_path: Path) -> None:
    """Landing is a function of the bytes: two readings write equal files."""
    delivery = deliver(tmp_path, as_csv([event(client_id=f"c-{n}") for n in range(2000)]))
    _, first = land_rows(delivery)
    before = first.path.read_bytes()
    _, second = land_rows(delivery)
    assert second.path.read_bytes() == before


def test_a_usual_host_is_the_host_it_would_be_told_to_be(tmp_path: Path) -> None:
    """The hosts that the head of a file shows are compared; near misses go the exact way."""
    pages = {
        "https://shop.example/": "shop.example",
        "https://shop.example/a?b=https://other.example/": "shop.example",
        "https://shop.example:8443/": "shop.example",
        "https://shop.example.evil/": "shop.example.evil",
        "https://shop.example": "shop.example",
        "https://shop.example?a/": "shop.example",
        "https://me:secret@shop.example/": "shop.example",
        "https://a@b@shop.example:1/": "shop.example",
        "https://SHOP.example/": "shop.example",
        "HTTPS://Shop.Example/": "shop.example",
        "https:///": None,
        "https://:80/": None,
        "https://other.example/@shop.example/": "other.example",
    }
    assert usual_hosts(list(pages))[0] == "shop.example"
    assert usual_hosts([None, "", "shop.example", "https://Shop.example/"]) == []
    rows = _many(tmp_path, "page_url", list(pages))
    assert {row["page_url"]: row["page_host"] for row in rows} == pages
    referred = _many(tmp_path, "referrer", list(pages))
    assert {row["referrer"]: row["referrer_host"] for row in referred} == pages


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "home"), ("/Products/Lamp/", "product"), ("/en/products/lamp", "product"),
        ("/products", "other"), ("/collections/all/products/lamp", "product"),
        ("/collections/all", "category"), ("/cart/", "cart"), ("/checkouts/c/1", "checkout"),
        ("/search", "search"), ("/account/orders", "account"), ("/blogs/news", "content"),
        ("/research", "other"), ("/100%_off", "other"),
    ],
)  # fmt: skip
def test_shipped_patterns_tell_the_type_of_a_page(path: str, kind: str) -> None:
    """Common paths, whatever their capitals, language or last slash."""
    sql = page_type(CONTRACT.pages, literal(path))
    assert queried(f"select {sql}") == [(kind,)]


def test_patterns_of_pages_are_quoted() -> None:
    """What stands for something in SQL stands for itself in a pattern."""
    sql = page_type({"it's": ["/a'%_!*"]}, "path")
    asked = ("/a'%_!", "/a'%_!x", "/a'xx!", "/a")
    texts = ", ".join(map(literal, asked))
    found = queried(f"select {sql} from (select unnest([{texts}]) as path)")
    assert found == [("it's",), ("it's",), ("other",), ("other",)]


def test_marks_are_quoted() -> None:
    """A mark is a text, whatever stands in it."""
    marks = InternalMarks(url_parameters=("a.b", "it's=1"), user_agents=("O'Bot",))
    rows = ["?a.b", "?axb", "?x=1&it's=1#a", "?it's=10", "?xa.b=1", "none"]
    texts = ", ".join(map(literal, rows))
    sql = (
        f"select {marked(marks)} from (select unnest([{texts}]) as page_url, "
        "cast(null as varchar) as user_agent)"
    )
    assert [one for (one,) in queried(sql)] == [True, False, True, False, False, False]
    agent = "select 'an O''Bot' as user_agent, cast(null as varchar) as page_url"
    assert queried(f"select {marked(marks)} from ({agent})") == [(True,)]
