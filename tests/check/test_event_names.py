"""Events that are renamed or gone, and rows of events that the contract does not know."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from tallymark.check.past.event_names import EventNames, unknown_severity
from tallymark.check.past.habits import Day
from tallymark.results import Severity
from tests.check.days_made import Row, findings, made_days
from tests.check.judging import Shop
from tests.ingest.making import CONTRACT, event

VIEWED = "page_viewed"


def renamed(new: str, old: str = VIEWED) -> Callable[[list[Row]], list[Row]]:
    """Every event of one name under another."""

    def change(rows: list[Row]) -> list[Row]:
        return [{**row, "event_name": new} if row["event_name"] == old else row for row in rows]

    return change


def test_a_renamed_event_is_an_error_that_names_both(shop: Shop) -> None:
    """All page views under a name that the contract does not know: P1, with the alias to write."""
    result = made_days(shop, range(1, 6), renamed("page_load"))
    (found,) = findings(result, "event_vanished")
    assert found.id == "event_vanished:page_viewed"
    assert found.severity is Severity.P1
    assert "page_viewed is gone" in found.message
    assert "page_load" in found.message
    assert "renamed?" in found.message
    assert "`page_view` under `events`" in found.fix
    assert found.date == "2031-05-05"
    assert found.evidence["explains"] == ["event_unknown"]
    assert not findings(result, "event_unknown")


def test_a_name_that_the_contract_knows_is_no_loss(shop: Shop) -> None:
    """Two names of one step: the contract says that they are the same."""
    result = made_days(shop, range(1, 6), renamed("page_view"))
    assert not findings(result, "event_vanished", "event_unknown")


def test_an_event_that_is_sent_no_more_is_a_warning(shop: Shop) -> None:
    """Sign-ups for the newsletter came every day, and none came today: a warning, no rename."""

    def signed(rows: list[Row]) -> list[Row]:
        found = [event(event_name="email_submitted", client_id=f"e-{n}",
                       timestamp=row["timestamp"]) for n, row in enumerate(rows[::6])]  # fmt: skip
        return [*rows, *found]

    for number in range(1, 5):
        made_days(shop, [number], signed)
    result = made_days(shop, [5])
    (found,) = findings(result, "event_vanished")
    assert (found.id, found.severity) == ("event_vanished:email_submitted", Severity.P2)
    assert "renamed" not in found.message
    # the next day it is still gone, and a day after it came back it is not
    assert len(findings(made_days(shop, [6]), "event_vanished")) == 2
    assert len(findings(made_days(shop, [7], signed), "event_vanished")) == 2


def test_rare_events_may_stay_away(shop: Shop) -> None:
    """A handful of events a day can be none by chance."""

    def few(rows: list[Row]) -> list[Row]:
        return [*rows, *(event(event_name="email_submitted", client_id=f"e-{n}",
                               timestamp=rows[n]["timestamp"]) for n in range(5))]  # fmt: skip

    for number in range(1, 5):
        made_days(shop, [number], few)
    assert not findings(made_days(shop, [5]), "event_vanished")


def test_the_first_days_know_nothing_of_what_comes_every_day(shop: Shop) -> None:
    """Three days are needed before an event is missed; the share of unknown events needs none."""
    result = made_days(shop, range(1, 4), renamed("page_load"))
    assert not findings(result, "event_vanished")
    assert [one.severity for one in findings(result, "event_unknown")] == [Severity.P1]


@pytest.mark.parametrize(
    ("share", "severity"),
    [(0.01, Severity.P3), (0.05, Severity.P2), (0.19, Severity.P2), (0.2, Severity.P1)],
)
def test_unknown_events_weigh_by_their_share(share: float, severity: Severity) -> None:
    """Few are information, many a warning; where the model is wrong it is an error."""
    assert unknown_severity(share, Severity.P3) is severity
    assert unknown_severity(share, Severity.P0) is Severity.P0


def test_names_without_end_are_forgotten() -> None:
    """A file that makes up new names every day fills no memory; what comes again is kept."""
    names = EventNames(CONTRACT)
    for number in range(80):
        events = [[VIEWED, 50], *([f"made_up_{number}_{at}", 1] for at in range(20))]
        entry = {"events": events, "rows_read": 70, "delivery": f"{number}.csv"}
        date = dt.date(2031, 5, 5) + dt.timedelta(days=number)
        assert list(names.look(Day(date.isoformat(), [entry]))) == []
    assert len(names.past) == 20 * (28 + 1) + 1  # of 28 days before, and of the last one
    assert len(names.past[VIEWED]) <= 29
