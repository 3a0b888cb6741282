"""Sessions that another product published, with each difference of definition written down.

Its sessions are made by the tracker, so the tracker's id stands for the client here and the gap is
a day: what is compared is what a session holds, not where it begins.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.build.shop import COLUMNS, Shop

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "oracles" / "sessions_snowplow_web"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no oracle at {FOLDER}"),
]


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one file."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Our sessions of each of theirs."""
    shop = Shop(tmp_path_factory.mktemp("oracle"))
    shop.home.joinpath("tallymark.yml").write_text(
        "sessions: {gap_minutes: 1440}\n", encoding="utf-8"
    )
    with (shop.raw / "events.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows("input.csv"):
            writer.writerow(
                {
                    "client_id": row["domain_sessionid"],
                    "page_url": row["page_url"],
                    "referrer": row["page_referrer"],
                    "timestamp": f"{row['derived_tstamp'].replace(' ', 'T')}Z",
                    "event_name": row["event_name"],
                    "event_data": json.dumps({"page_view": row["page_view_id"]}),
                    "user_agent": row["useragent"],
                }
            )
    shop.build()
    names = ("client_id", "session_start", "session_end", "page_views", "events", "landing_page",
             "source", "medium", "campaign", "is_bot", "exit_page")  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = {}
    for values in shop.rows(
        f"select {', '.join('fct_sessions.' + name for name in names[:-1])}, exit_page "
        "from fct_sessions inner join session_pages using (session_id) order by session_start"
    ):
        one = dict(zip(names, values, strict=True))
        found.setdefault(one["client_id"], []).append(one)
    return found


# Place of a session in their file: the fields in which we differ, and why.
DIFFERENT = {
    0: ({"page_views", "events"}, "a repeat at another time is no exact repeat, whatever its id"),
    1: ({"sessions", "session_end", "page_views", "events", "exit_page"},
        "sessions end by a gap and are not cut after three days"),
    2: ({"events"}, "as 0"),
    3: ({"page_views"}, "page views are counted, not ids of page views"),
    5: ({"sessions"}, "more than a day lies between its events"),
    12: ({"sessions", "session_end", "page_views", "events", "exit_page"}, "as 1"),
    15: ({"session_start", "page_views"}, "a heartbeat is no page view and is not dated back"),
    16: ({"session_start", "page_views"}, "as 15"),
    17: ({"session_start", "page_views"}, "as 15"),
}  # fmt: skip
ONLY_OURS = 2
"""Sessions that they leave out: events without an id of a page view, or sent three days late."""


def _differences(mine: list[dict[str, Any]], theirs: dict[str, str]) -> set[str]:
    """The fields in which our sessions of one of theirs differ from it."""
    first, last = mine[0], mine[-1]
    moments = {
        name: dt.datetime.fromisoformat(theirs[column])
        for name, column in (("session_start", "start_tstamp"), ("session_end", "end_tstamp"))
    }
    pairs: dict[str, tuple[Any, Any]] = {
        "sessions": (len(mine), 1),
        "session_start": (first["session_start"], moments["session_start"]),
        "session_end": (last["session_end"], moments["session_end"]),
        "page_views": (sum(one["page_views"] for one in mine), int(theirs["page_views"])),
        "events": (sum(one["events"] for one in mine), int(theirs["total_events"])),
        "landing_page": (first["landing_page"], _bare(theirs["first_page_url"])),
        "exit_page": (last["exit_page"], _bare(theirs["last_page_url"])),
    }
    for name in ("source", "medium", "campaign"):
        if theirs[f"mkt_{name}"]:
            pairs[name] = (first[name], theirs[f"mkt_{name}"])
    return {name for name, (ours, other) in pairs.items() if ours != other}


def _bare(url: str) -> str:
    return url.partition("?")[0].partition("#")[0]


def test_sessions_hold_what_theirs_hold(ours: dict[str, list[dict[str, Any]]]) -> None:
    """Start, end, counts, pages and tags are theirs, or differ as is written above."""
    expected = rows("expected_sessions.csv")
    found = {
        place: differences
        for place, theirs in enumerate(expected)
        if (differences := _differences(ours[theirs["domain_sessionid"]], theirs))
    }
    assert found == {place: fields for place, (fields, _) in DIFFERENT.items()}
    assert len(set(ours) - {theirs["domain_sessionid"] for theirs in expected}) == ONLY_OURS


def test_every_event_with_a_client_is_in_a_session(ours: dict[str, list[dict[str, Any]]]) -> None:
    """Nothing is left out for being late, long or without an id of a page view."""
    given = Counter(row["domain_sessionid"] for row in rows("input.csv"))
    del given[""]
    held = {who: sum(one["events"] for one in sessions) for who, sessions in ours.items()}
    assert set(held) == set(given)
    assert all(0 <= given[who] - events <= 1 for who, events in held.items())
