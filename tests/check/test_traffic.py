"""Who came and when: shares, hours and clients against the shop's other days."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from tallymark.check.past.habits import Counts, Habit, clock, onset
from tallymark.config import Config
from tallymark.config import Shop as Settings
from tests.check.days_made import HOST, Row, findings, made_day, made_days
from tests.check.judging import Shop
from tests.ingest.making import CONTRACT, as_csv, event

BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
Change = Callable[[list[Row]], list[Row]]


def _from(hour: int, column: str, value: str, to: int = 24) -> Change:
    def change(rows: list[Row]) -> list[Row]:
        return [
            {**row, column: value} if hour <= int(row["timestamp"][11:13]) < to else row
            for row in rows
        ]

    return change


def _views(count: int, hour: int, **like: str) -> Change:
    def change(rows: list[Row]) -> list[Row]:
        more = [
            event(**{"client_id": f"x{number}", "page_url": f"{HOST}/p/{number}",
                     "timestamp": f"2031-05-06T{hour:02}:{number % 60:02}:07Z", **like})
            for number in range(count)
        ]  # fmt: skip
        return rows + more

    return change


def _twice(rows: list[Row]) -> list[Row]:
    again = [
        {**row, "timestamp": row["timestamp"].replace("Z", ".200Z")}
        for row in rows
        if row["event_name"] == "page_viewed" and 9 <= int(row["timestamp"][11:13]) < 12
    ]
    return rows + again


def test_days_alike_say_nothing(shop: Shop) -> None:
    """Regular days raise no finding at all."""
    assert not findings(made_days(shop, range(1, 6)))


@pytest.mark.parametrize(
    ("change", "rule", "severity", "since", "rows"),
    [
        (_from(14, "client_id", ""), "client_ids_lost", "P1", "14:00:00", 130),
        (_from(14, "referrer", "", 20), "column_partly_empty", "P1", "14:00:00", 36),
        (_from(8, "user_agent", "", 20), "column_partly_empty", "P2", "08:00:00", 156),
        (_views(90, 3, user_agent=BOT), "bot_wave", "P2", "03:00:00", 90),
        (_views(90, 3, client_id=""), "anonymous_rows", "P2", "03:00:00", 90),
        (_views(30, 10, page_url="https://staging.shop.example/p/1"), "internal_traffic", "P2",
         "10:00:00", 30),
        (_views(700, 10, client_id="one"), "client_volume", "P2", "10:00:00", 700),
        (_twice, "double_fired", "P2", "09:00:00", 36),
    ],
)  # fmt: skip
def test_what_begins_inside_a_day(
    shop: Shop, change: Change, rule: str, severity: str, since: str, rows: int
) -> None:
    """It is found with its kind, dated to its hour, and its rows are counted."""
    (found,) = findings(made_days(shop, range(3, 7), change), rule)
    assert (found.severity, found.since[:19]) == (severity, f"2031-05-06T{since}")
    assert found.rows == rows
    assert (found.delivery, found.date) == ("2031-05-06.csv", "2031-05-06")
    assert found.fix
    assert found.query or rule == "double_fired"


def test_one_odd_day_does_not_fill_a_column(shop: Shop) -> None:
    """Page views never had a payload but for one day by mistake: none is missed afterwards."""

    def odd(rows: list[Row]) -> list[Row]:
        return [
            {**row, "event_data": '{"a": 1}'} if place % 3 == 0 and row["event_data"] == "" else row
            for place, row in enumerate(rows)
        ]

    made_days(shop, range(2, 9), odd)
    assert not findings(made_days(shop, range(9, 12)), "column_emptied")


def test_a_column_emptied_for_a_day(shop: Shop) -> None:
    """Filled before and empty in every row: as bad as the contract says of a missing column."""
    (found,) = findings(made_days(shop, range(2, 6), _from(0, "user_agent", "")), "column_emptied")
    assert (found.id, found.severity, found.rows) == ("column_emptied:user_agent", "P2", 312)
    assert found.since.startswith("2031-05-05T00:0")


def test_a_column_that_was_never_filled(shop: Shop) -> None:
    """Empty from the first day on is how this shop is."""
    for number in range(3, 7):
        rows = [{**row, "user_agent": "", "referrer": ""} for row in made_day(number)]
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    assert not findings(shop.check(), "column_emptied", "column_partly_empty")


def test_a_break_needs_no_history(shop: Shop) -> None:
    """On the first day of all, ids that end at an hour are seen by that day alone."""
    (found,) = findings(made_days(shop, [6], _from(14, "client_id", "")), "client_ids_lost")
    assert found.since == "2031-05-06T14:00:00.000Z"


def test_bots_do_not_empty_the_referrer(shop: Shop) -> None:
    """A wave of bots is one finding: the column is judged by the rows of people."""
    result = made_days(shop, range(3, 7), _views(200, 3, user_agent=BOT))
    assert [one.rule for one in findings(result)] == ["bot_wave"]


def test_marks_of_the_contract_are_internal(shop: Shop) -> None:
    """Addresses and agents that the contract marks count as internal traffic."""
    marks = CONTRACT.internal.model_copy(update={"url_parameters": ("qa",)})
    for number in range(3, 7):
        change = _views(40, 10, page_url=f"{HOST}/p/1?qa=1")
        rows = made_day(number)
        shop.put(as_csv(change(rows) if number == 6 else rows), f"2031-05-{number:02}.csv")
    contract = CONTRACT.model_copy(update={"internal": marks})
    (found,) = findings(shop.check(contract=contract), "internal_traffic")
    assert found.rows == 40


@pytest.mark.parametrize(
    ("first", "last", "rule", "since"),
    [
        (11, 13, "hours_silent", "2031-05-06T11:00:00.000Z"),
        (15, 24, "file_ends_early", "2031-05-06T14:58:00.000Z"),
        (0, 6, "hours_silent", "2031-05-06T00:00:00.000Z"),
    ],
)
def test_hours_without_events(shop: Shop, first: int, last: int, rule: str, since: str) -> None:
    """Empty hours between busy ones, or that other days fill, are missing."""

    def change(rows: list[Row]) -> list[Row]:
        return [row for row in rows if not first <= int(row["timestamp"][11:13]) < last]

    found = findings(made_days(shop, range(3, 7), change), "hours_silent", "file_ends_early")
    assert [(one.rule, one.since, one.severity) for one in found] == [(rule, since, "P1")]


@pytest.mark.parametrize(("days", "source"), [(range(3, 7), "the days before"),
                                              ([6], "the hours around")])  # fmt: skip
def test_an_outage_is_sized_by_the_days_before(
    shop: Shop, days: Sequence[int], source: str
) -> None:
    """The hours beside an outage are hit themselves, so they say little of what is missing."""

    def there(row: Row) -> bool:
        return not "10:06" <= row["timestamp"][11:16] < "13:55"

    def busy(number: int) -> list[Row]:
        rows = made_day(number)
        more = [
            {**row, "timestamp": f"{row['timestamp'][:14]}{minute:02}:30.000Z",
             "client_id": f"x{number}-{minute}-{place}"}
            for place, row in enumerate(rows) if row["event_data"] == ""
            for minute in (1, 30, 58)
        ]  # fmt: skip
        return sorted([*rows, *more], key=lambda row: row["timestamp"])

    for number in days:
        rows = busy(number)
        shop.put(
            as_csv([row for row in rows if number != 6 or there(row)]), f"2031-05-{number:02}.csv"
        )
    (found,) = findings(shop.check(), "hours_silent")
    missing = sum(row["timestamp"][11:13] in {"11", "12"} for row in busy(6))
    assert source in found.message
    known = len(days) > 1
    assert (abs(found.evidence["expected_events"] - missing) < 0.2 * missing) is known


def test_a_quiet_night_is_no_outage(shop: Shop) -> None:
    """A small shop's empty night hours are chance."""
    for number in range(3, 7):
        rows = [
            row for row in made_day(number)
            if int(row["timestamp"][11:13]) >= 6 or int(row["timestamp"][14:16]) == number
        ]  # fmt: skip
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    assert not findings(shop.check(), "hours_silent", "file_ends_early")


def test_an_hour_the_clock_skips_is_not_missing(shop: Shop) -> None:
    """In spring an hour does not exist in the shop's time zone; nothing is missing."""
    for number in range(1, 5):
        rows = [
            {**row, "timestamp": row["timestamp"].replace("2031-05-", "2031-03-3").replace(
                f"3{number:02}", f"{26 + number}")}
            for row in made_day(number)
        ]  # fmt: skip
        shop.put(as_csv(rows), f"2031-03-{26 + number}.csv")
    config = Config(shop=Settings(timezone="Europe/Berlin"))
    assert not findings(shop.check(config=config), "hours_silent")


def test_findings_do_not_depend_on_the_order_of_arrival(shop: Shop) -> None:
    """Judged one by one, newest first: the same findings as at once."""
    at_once = findings(made_days(shop, range(3, 7), _from(14, "client_id", "")))
    other = Shop(shop.raw.parent / "other")
    for path in sorted(shop.raw.glob("*.csv"), reverse=True):
        other.put(path.read_bytes(), path.name)
        other.check(only=[path.name])
    assert findings(other.check()) == at_once


def test_the_entry_is_small_and_holds_no_ids(shop: Shop) -> None:
    """What the ledger remembers of a day is a few kilobytes without a client's id."""
    made_days(shop, [1, 2])
    text = json.dumps([shop.entries[0]["traffic"], shop.entries[0]["orders"]])
    assert len(text) < 6000
    assert "c1-" not in text
    assert "T-" not in text.replace('"5:T-', "").replace("7:T-", "")


def test_onset_finds_the_stretch() -> None:
    """The stretch of hours with the largest likelihood ratio, and whether it begins inside."""
    counts = Counts(19, 60, [0, 3, 8, 8, 0, 0], [10] * 6)
    window = onset(counts, 0.01)
    assert window is not None
    assert (window.first, window.last, window.bad) == (1, 3, 19)
    assert window.starts_inside
    assert window.ends_inside
    assert onset(Counts(0, 60, [0] * 6, [10] * 6), 0.01) is None


def test_a_habit_needs_days() -> None:
    """Two days say nothing; more make a share more surprising."""
    habit = Habit([(1, 0, 100), (2, 0, 100)])
    assert habit.usual(3) is None
    habit.add(3, 0, 100)
    assert habit.usual(4) == 0
    assert habit.chance_of_more(4, 1, 100) > 0.01
    assert habit.chance_of_more(4, 40, 100) < 1e-4


def test_hours_are_of_the_shop() -> None:
    """An hour of the shop's day, told in UTC."""
    traffic = {"days": ["2031-07-01"], "zone": "Europe/Berlin"}
    assert clock(traffic, 14) == "2031-07-01T12:00:00.000Z"


def _with_bots_at_night(rows: list[Row]) -> list[Row]:
    return [
        {**row, "user_agent": BOT}
        if int(row["timestamp"][11:13]) < 7 and int(row["timestamp"][14:16]) % 10 else row
        for row in rows
    ]  # fmt: skip


@pytest.mark.parametrize("wave", [0, 600])
def test_half_a_day_is_no_wave_of_bots(shop: Shop, wave: int) -> None:
    """A day that ends in the morning is held against the same hours: its night is no wave."""
    for number in range(1, 7):
        rows = _with_bots_at_night(made_day(number))
        if number == 6:
            rows = [row for row in rows if row["timestamp"][11:13] < "09"]
            rows = _views(wave, 3, user_agent=BOT)(rows)
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    found = findings(shop.check())
    assert "file_ends_early" in {one.rule for one in found}
    assert len([one for one in found if one.rule == "bot_wave"]) == bool(wave)


def _checkouts(number: int, bots: int, agents: str = BOT) -> list[Row]:
    """A checkout of somebody in every hour but the first two, and some of bots from 10:00 on."""
    own = [
        event(client_id=f"c{number}-{hour}-3", event_name="checkout_started",
              timestamp=f"2031-05-{number:02}T{hour:02}:40:00Z")
        for hour in range(2, 24)
    ]  # fmt: skip
    theirs = [
        event(client_id=f"b{number}-{at}", event_name="checkout_started", user_agent=agents,
              timestamp=f"2031-05-{number:02}T{10 + at % 3}:{at:02}:30Z")
        for at in range(bots)
    ]  # fmt: skip
    return sorted([*made_day(number), *own, *theirs], key=lambda row: row["timestamp"])


@pytest.mark.parametrize(
    ("bots", "severity", "said"),
    [(12, "P2", "12 of 15 checkout_start events (80.0%) from 10:00 to 13:00 come from bots"),
     (5, "P3", "5 of 8 checkout_start events (62.5%) from 10:00 to 13:00 come from bots")],
)  # fmt: skip
def test_bots_that_start_checkouts(shop: Shop, bots: int, severity: str, said: str) -> None:
    """Told with the step, the hours, the bots and a query; many are a warning."""
    for number in range(1, 8):
        rows = _checkouts(number, bots if number == 7 else 0)
        rows += [event(timestamp=f"2031-05-{number:02}T05:00:30Z", user_agent=BOT,
                       client_id=f"a{number}", event_name="product_added_to_cart")]  # fmt: skip
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    (found,) = findings(shop.check(), "bot_actions", "bot_wave")
    assert (found.id, found.severity) == ("bot_actions:checkout_start", severity)
    assert (found.rows, found.since) == (bots, "2031-05-07T10:00:00.000Z")
    assert found.message.startswith(said)
    assert found.evidence["bots"] == {"Googlebot": bots}
    assert "is_bot" in (found.query or "")


@pytest.mark.parametrize(("agents", "usual"), [(BOT, 20), ("Mozilla/5.0 (X11) Firefox/140.0", 0)])
def test_checkouts_as_on_other_days(shop: Shop, agents: str, usual: int) -> None:
    """Bots that always did so are how this shop is, and people are no bots."""
    for number in range(1, 8):
        rows = _checkouts(number, 20 if number == 7 else usual, agents)
        shop.put(as_csv(rows), f"2031-05-{number:02}.csv")
    assert not findings(shop.check(), "bot_actions")
