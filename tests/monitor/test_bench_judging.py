"""How the benches of the watch tell a hit from a miss and a false alarm from an echo."""

from __future__ import annotations

import datetime as dt

import numpy as np

from bench.detectors import on_events, on_real
from bench.detectors.on_real import Change
from tallymark.demo.planting import incident_names
from tallymark.results import Finding, Layer, MonitorResult, Severity, status_of

BEGIN = on_events.FIRST + dt.timedelta(days=30)


def found(key: str, severity: Severity, *, rule: str | None = None, together: int = 1) -> Finding:
    """A finding, of so many days together."""
    return Finding(
        id=key, layer=Layer.QUALITY, severity=severity, rule=rule, message="So it is.",
        since=f"{BEGIN.isoformat()}T00:00:00.000Z", evidence={"days_together": together},
    )  # fmt: skip


def days(said: dict[int, list[Finding]], last: int = 10) -> dict[dt.date, MonitorResult]:
    """Judged days from the first on which an incident may begin; what is said, by days after it."""
    return {
        (date := BEGIN + dt.timedelta(days=number)): MonitorResult(
            date=date.isoformat(),
            status=status_of([one.severity for one in said.get(number, [])]),
            headline="", findings=said.get(number, []), incidents=[],
        )
        for number in range(last)
    }  # fmt: skip


def test_an_incident_is_seen_by_its_gravest_finding_that_names_it() -> None:
    """Neither other causes nor mere information count, and the rule is told."""
    results = days(
        {
            0: [
                found("other", Severity.P0),
                found("ids", Severity.P2, rule="ids"),
                found("rate:all", Severity.P1, rule="rate"),
            ]
        }
    )
    answer = on_events.seen(results, BEGIN, ["ids", "rate"])
    assert (answer.delay, answer.severity, answer.rule) == (0, Severity.P1, "rate")
    assert on_events.seen(days({0: [found("ids", Severity.P3)]}), BEGIN, ["ids"]).delay is None


def test_an_incident_is_looked_for_on_seven_days() -> None:
    """The seventh day still counts, the eighth does not, and a day without judgement is none."""
    late = days({6: [found("ids", Severity.P2)]})
    del late[BEGIN]
    assert on_events.seen(late, BEGIN, ["ids"]).delay == 6
    assert on_events.seen(days({7: [found("ids", Severity.P2)]}), BEGIN, ["ids"]).delay is None


def test_an_echo_speaks_of_the_days_of_the_incident() -> None:
    """Days together that are partly ill, or what stays true; the same id of one day is false."""
    ill = {BEGIN, BEGIN + dt.timedelta(days=1)}
    quiet = on_events.quiet(
        days(
            {
                0: [found("ids", Severity.P1)],
                2: [found("rate", Severity.P1, together=3), found("gap", Severity.P1)],
                3: [found("ids", Severity.P1)],
                4: [found("rate", Severity.P1, together=3)],
                5: [found("other", Severity.P2)],
            }
        ),
        ill,
        ["gap"],
    )
    number = {name: [(day - BEGIN).days for day in getattr(quiet, name)]
              for name in ("errors", "echoes", "warned")}  # fmt: skip
    assert number == {"errors": [3, 4], "echoes": [2], "warned": [5]}
    assert quiet.days == 8


def test_what_is_said_before_an_incident_or_of_a_sound_shop_is_no_echo() -> None:
    """There is nothing yet that it could be an echo of; the first four weeks are not counted."""
    results = days({0: [found("ids", Severity.P1)]}, last=1)
    later = {BEGIN + dt.timedelta(days=3)}
    assert list(on_events.quiet(results, later, ["ids"]).errors) == [BEGIN]
    assert list(on_events.quiet(results, (), ()).errors) == [BEGIN]
    early = {on_events.FIRST: results[BEGIN]}
    assert on_events.quiet(early, (), ()).days == 0


def test_the_columns_that_were_hurt_stand_in_the_patterns() -> None:
    """A pattern for a column takes any of them, and no other."""
    answers = on_events.kinds()["columns_renamed"].answers(["client_id", "page_url"])
    named = {0: [found("column_renamed:page_url", Severity.P0)]}
    other = {0: [found("column_renamed:referrer", Severity.P0)]}
    assert on_events.seen(days(named), BEGIN, answers).delay == 0
    assert on_events.seen(days(other), BEGIN, answers).delay is None


def test_every_kind_that_the_simulator_knows_is_asked_about() -> None:
    """Some in several forms; none is left out."""
    asked = {kind.case.incident for kind in on_events.kinds().values()}
    assert asked == set(incident_names())


def test_a_real_change_is_seen_within_its_span_or_not_at_all() -> None:
    """The first alarm of the span counts; one that begins before is false, what lasts is not."""
    told = [False] * 30
    for step in (2, 3, 11, 12, 13, 14, 15, 25):
        told[step] = True
    answer = on_real.answered(told, [Change(10, "one", 4), Change(20, "two", 4)])
    assert answer.delays == [1, None]
    assert (answer.healthy, answer.false, answer.lingering) == (16, 1, 2)


def test_months_are_compared_with_the_same_month_of_earlier_years_alone() -> None:
    """A steady season vanishes, and what comes later changes nothing before it."""
    season = np.tile(np.arange(1.0, 13.0), 4)
    even = on_real.comparable(100 * season)
    assert set(even[24:]) == {650.0}
    changed = 100 * season
    changed[40:] /= 2
    assert (on_real.comparable(changed)[:40] == even[:40]).all()


def test_a_step_of_a_real_series_is_told_like_a_day() -> None:
    """The shipped detector, fed step by step, tells a collapse, and nothing before it."""
    values = np.random.default_rng(1).poisson(1000, 60).astype(float)
    values[50:] *= 0.4
    real = on_real.Real("one", "day", "sessions", values, None, [Change(50, "it", 5)])
    answer = on_real.answered(on_real.alarms(real, "predictive"), real.changes)
    assert (answer.delays, answer.false) == ([0], 0)
