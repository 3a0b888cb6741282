"""What came on every day and is all but gone, and revenue that was sent and does not count."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tallymark.results import Severity, Status

Shop = Any
Dates = Callable[[int], dt.date]
TAGGED, CLICKED = 0.3, 0.2
CHANNELS = {"Paid Search": 0.3, "Email": 0.12, "Direct": 0.58}
RULES = ("utm_coverage", "click_id_coverage", "clients_per_session", "uncounted_revenue",
         "uncounted_revenue_half", "attributed_revenue")  # fmt: skip


def tagged(
    shop: Shop,
    *,
    utm: dict[int, float] | None = None,
    clicks: dict[int, float] | None = None,
    clients: dict[int, float] | None = None,
    gross: dict[int, float] | None = None,
    credit: dict[int, dict[str, float]] | None = None,
) -> Shop:
    """The metrics these rules judge, a healthy day's changed by day number."""
    days = sorted({key[0] for key in shop.daily})
    for number, date in enumerate(days):
        sessions = shop.daily[(date, "sessions", "all")][0]
        revenue = shop.daily[(date, "revenue", "all")][0]
        wobble = 1 + 0.15 * ((number * 7) % 5 - 2) / 2
        for metric, share, changed in (
            ("utm_coverage", TAGGED, utm), ("click_id_coverage", CLICKED, clicks),
        ):  # fmt: skip
            part = (changed or {}).get(number, share * wobble)
            shop.put(date, metric, round(sessions * part), sessions)
        shop.put(date, "clients", round(sessions * (clients or {}).get(number, 0.92)))
        shop.put(date, "revenue_gross", revenue * (gross or {}).get(number, 1.0))
        shares = (credit or {}).get(number, CHANNELS)
        for name, share in shares.items():
            shop.put(date, "attributed_revenue", revenue * share,
                     segment=f"model=last_click;channel={name}")  # fmt: skip
            shop.put(date, "attributed_revenue", revenue * share,
                     segment=f"model=linear;channel={name}")  # fmt: skip
    return shop


def found_by_id(shop: Shop, date: dt.date) -> dict[str, Any]:
    """The findings of these rules on a day."""
    return {one.id: one for one in shop.watch().judge(date).findings if one.rule in RULES}


@pytest.mark.parametrize("sessions", [40, 400, 4000])
def test_healthy_days_lose_nothing(simulated: Shop, day: Dates, sessions: float) -> None:
    """Whatever the volume, nothing is said of days on which nothing happened."""
    shop = tagged(simulated.simulate(40, sessions=sessions))
    watch = shop.watch()
    for number in range(40):
        told = [one.id for one in watch.judge(day(number)).findings if one.rule in RULES]
        assert not told, (number, told)


def test_stripped_tags_are_an_error(simulated: Shop, day: Dates) -> None:
    """All utm_ tags and click ids gone, the visits there: one incident, P1, from its day on."""
    shop = tagged(simulated.simulate(20), utm={12: 0.0, 13: 0.0}, clicks={12: 0.0, 13: 0.0})
    watch = shop.watch()
    result = watch.judge(day(13))
    found = {one.id: one for one in result.findings}
    assert found["utm_coverage"].severity is Severity.P1
    assert found["utm_coverage"].since.startswith(day(12).isoformat())
    assert "campaign tag" in found["utm_coverage"].message
    assert "taken off" in found["utm_coverage"].message
    assert result.status is Status.RED
    (incident,) = [one for one in result.incidents if "utm_coverage" in one.findings]
    assert "click_id_coverage" in incident.findings
    after = watch.judge(day(14))
    assert not [one for one in after.findings if one.rule in RULES]


def test_stripped_click_ids_alone_are_seen(simulated: Shop, day: Dates) -> None:
    """Gclid and its kin stripped on the fifth day, tags left on."""
    found = found_by_id(tagged(simulated.simulate(5), clicks={4: 0.0}), day(4))
    assert list(found) == ["click_id_coverage"]
    assert found["click_id_coverage"].severity is Severity.P1


def test_campaigns_that_stop_take_their_visits_along(simulated: Shop, day: Dates) -> None:
    """Without the visits that the tags brought it is a warning: somebody stopped the campaigns."""

    def stopped(one: Any) -> None:
        if one.number == 12:
            one.sessions = int(0.68 * one.sessions)

    shop = tagged(simulated.simulate(13, spread=0.03, plant=stopped), utm={12: 0.01})
    found = found_by_id(shop, day(12))["utm_coverage"]
    assert found.severity is Severity.P2
    assert "were campaigns stopped?" in found.message


def test_what_stays_gone_is_told_for_two_weeks(simulated: Shop, day: Dates) -> None:
    """One incident that stays open; then the shop is as it is."""
    gone = dict.fromkeys(range(10, 40), 0.0)
    watch = tagged(simulated.simulate(40), clicks=gone).watch()
    told = [
        number for number in range(40)
        if any(one.id == "click_id_coverage" for one in watch.judge(day(number)).findings)
    ]  # fmt: skip
    assert told == list(range(10, 24))


def test_few_tags_may_be_none_by_chance(simulated: Shop, day: Dates) -> None:
    """A dozen tagged visits a day are too few for their absence to be a fact."""
    shop = tagged(simulated.simulate(20, sessions=40), utm={19: 0.0})
    assert "utm_coverage" not in found_by_id(shop, day(19))


def test_visitors_who_share_one_client_id_are_an_error(simulated: Shop, day: Dates) -> None:
    """Next to no different clients for so many sessions."""
    found = found_by_id(tagged(simulated.simulate(10), clients={9: 0.001}), day(9))
    assert found["clients_per_session"].severity is Severity.P1


def test_a_channel_that_sells_nothing_is_said(simulated: Shop, day: Dates) -> None:
    """One channel's credit gone, of the model before the order; a small channel's is chance."""
    lost = {"Paid Search": 0.0, "Email": 0.0, "Direct": 1.0}
    shop = tagged(simulated.simulate(20, sessions=8000), credit={19: lost})
    found = found_by_id(shop, day(19))
    assert "attributed_revenue:Paid Search" in found
    assert "Paid Search" in found["attributed_revenue:Paid Search"].message
    small = tagged(simulated.simulate(20, sessions=800), credit={19: lost})
    assert not found_by_id(small, day(19))


@pytest.mark.parametrize(
    ("gross", "rule", "severity"),
    [(1.05, None, None), (1.25, "uncounted_revenue", Severity.P2),
     (2.5, "uncounted_revenue_half", Severity.P1)],
)  # fmt: skip
def test_revenue_that_was_sent_and_does_not_count(
    simulated: Shop, day: Dates, gross: float, rule: str | None, severity: Severity | None
) -> None:
    """Gross above what counts: a tenth is a warning, half an error; it needs no history."""
    found = found_by_id(tagged(simulated.simulate(1), gross={0: gross}), day(0))
    assert list(found) == ([rule] if rule else [])
    if rule:
        assert found[rule].severity is severity


def test_a_channel_that_refunded_more_than_it_sold_is_not_gone(simulated: Shop, day: Dates) -> None:
    """A negative share tells of refunds, and not whether something was sold."""
    for share, told in ((-0.05, False), (0.0, True)):
        credit = {19: {**CHANNELS, "Paid Search": share}}
        shop = tagged(simulated.simulate(20, sessions=8000), credit=credit)
        assert ("attributed_revenue:Paid Search" in found_by_id(shop, day(19))) is told
