from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tallymark.config import MonitorRule, MonitorRules, Promotion, load
from tallymark.errors import ConfigError
from tallymark.monitor.budget import allotted, weights_of
from tallymark.monitor.report import as_json, markdown
from tallymark.monitor.watch import Watch
from tallymark.results import MonitorResult, Severity, Status

Shop = Any  # the simulated shop of conftest.py, which importlib mode cannot import
Dates = Callable[[int], dt.date]
LOUD = (Severity.P0, Severity.P1, Severity.P2)


def loud(result: MonitorResult) -> list[str]:
    """Ids of findings that somebody would be told of."""
    return [one.id for one in result.findings if one.severity in LOUD]


# ---------------------------------------------------------------- what it sees


def test_a_shift_too_small_for_a_day_is_seen_within_the_week(simulated: Shop, day: Dates) -> None:
    """A third of the orders gone for good: no single day can tell, the days together do."""

    def plant(one: Any) -> None:
        if one.number >= 35:
            one.sell(0.55)

    watch = simulated.simulate(42, seed=3, sessions=1500, plant=plant).watch()
    found = {one.id: one for number in range(35, 42) for one in watch.judge(day(number)).findings}
    assert "purchase_rate" in found or "conversion_rate" in found
    slow = [one for one in found.values() if "days_together" in one.evidence]
    assert slow
    assert all("over the last" in one.message for one in slow)
    assert all(one.severity >= Severity.P2 for one in slow)


def test_the_second_day_is_judged_by_what_shops_are_like(simulated: Shop, day: Dates) -> None:
    """With one day of history a collapse is seen, and learning is said."""

    def plant(one: Any) -> None:
        if one.number == 1:
            one.sell(0.02)

    shop = simulated.simulate(2, sessions=20_000, plant=plant)
    result = shop.watch().judge(day(1))
    assert {"purchase_rate", "conversion_rate"} & set(loud(result))
    assert result.metrics["orders"]["state"] == "learning"
    assert any(note.startswith("learning: ") for note in result.notes)


def test_months_of_growth_raise_nothing(simulated: Shop, day: Dates) -> None:
    """A shop that grows steadily is not told every day that it is larger than its past."""

    def plant(one: Any) -> None:
        one.sessions = int(one.sessions * 1.006**one.number)
        share = one.sessions / max(one.channels.sum(), 1)
        one.channels = (one.channels * share).astype(int)

    watch = simulated.simulate(90, seed=5, spread=0.05, plant=plant).watch()
    told = [one for number in range(90) for one in loud(watch.judge(day(number)))]
    assert "sessions" not in told


def test_a_new_level_is_normal_after_two_weeks(simulated: Shop, day: Dates) -> None:
    """A shop that doubled and stayed there is told at first, and is left alone a month later."""

    def plant(one: Any) -> None:
        if one.number >= 40:
            one.sessions *= 2
            one.channels, one.devices = one.channels * 2, one.devices * 2

    watch = simulated.simulate(85, seed=7, spread=0.05, plant=plant).watch()
    assert "sessions" in loud(watch.judge(day(40)))
    assert not any("sessions" in loud(watch.judge(day(number))) for number in range(70, 85))


def test_more_history_and_more_traffic_see_smaller_changes(simulated: Shop, day: Dates) -> None:
    """The smallest change seen is stated, and shrinks as evidence grows."""
    watch = simulated.simulate(60, sessions=3000).watch()
    early, late = (watch.judge(day(number)).metrics for number in (5, 59))
    for metric in ("orders", "sessions"):
        change = late[metric]["smallest_change_seen"]
        assert 0 < change < early[metric]["smallest_change_seen"] < 1


# ---------------------------------------------------------------- the budget


def test_the_budget_is_shared_by_both_channels() -> None:
    """What single days may use and what the slow channel may use stand in the year's budget."""
    both = allotted(2.0) + allotted(2.0, slow=True)
    assert both == pytest.approx(2.5 * 2.0 / 365)
    assert allotted(4.0) == pytest.approx(2 * allotted(2.0))


def singles(shop: Any, number: int, day: Dates) -> dict[str, Any]:
    """What is said of each metric's single day, by key."""
    watch = shop.watch()
    watch.judge(day(number))
    found = [one for one in watch._day(number).judged if hasattr(one, "p") and one.window == 1]
    return {one.key: one for one in found}


def parts(judged: dict[str, Any]) -> dict[str, float]:
    """Weights by key."""
    return dict(zip(judged, weights_of(list(judged.values()), allotted(2.0)), strict=True))


def test_weights_are_parts_of_a_whole(simulated: Shop, day: Dates) -> None:
    """All together what there is; every metric some of it, and a mix several parts."""
    judged = singles(simulated.simulate(10), 9, day)
    weights = parts(judged)
    assert sum(weights.values()) == pytest.approx(len(judged))
    assert min(weights.values()) >= 0.05
    assert weights["channel_share"] > 1.0
    assert weights_of([], allotted(2.0)) == []


def test_what_hides_in_noise_and_costs_much_has_the_largest_part(
    simulated: Shop, day: Dates
) -> None:
    """The last step of a small shop's funnel has more than what it drives, or what is certain."""
    weights = parts(singles(simulated.simulate(40, sessions=1500), 39, day))
    assert weights["purchase_rate"] > 1.8
    assert weights["purchase_rate"] > 2 * weights["orders"]
    assert weights["purchase_rate"] > 4 * weights["identity_coverage"]


def test_parts_do_not_depend_on_what_is_found(simulated: Shop, day: Dates) -> None:
    """A day's purchases hardly touch the part they are judged with, and never in their favour.

    What orders carry is judged by as many as there are: of fewer, it needs a little more.
    """

    def plant(one: Any) -> None:
        if one.number == 39:
            one.sell(0.3)

    healthy = parts(singles(simulated.simulate(40, seed=2), 39, day))
    broken = parts(singles(simulated.simulate(40, seed=2, plant=plant), 39, day))
    assert 0.85 * healthy["purchase_rate"] < broken["purchase_rate"]
    assert broken["purchase_rate"] <= healthy["purchase_rate"]


def test_one_wild_day_is_no_lasting_shift(simulated: Shop, day: Dates) -> None:
    """A day without an order is told alone; the days after it are left alone."""

    def plant(one: Any) -> None:
        if one.number == 30:
            one.sell(0.0)

    watch = simulated.simulate(36, seed=4, sessions=500, plant=plant).watch()
    told = {number: loud(watch.judge(day(number))) for number in range(30, 36)}
    assert "purchase_rate" in told[30]
    money = {"revenue", "orders", "aov", "purchase_rate", "conversion_rate"}
    assert not any(money.intersection(told[number]) for number in range(31, 36))


# ---------------------------------------------------------------- the plain rule


def test_the_plain_rule_is_there_and_honest(simulated: Shop, day: Dates) -> None:
    """`detector: z` tells what is beyond both limits, and what it costs in false alarms."""

    def plant(one: Any) -> None:
        if one.number == 20:
            one.sell(0.2)

    watch = simulated.simulate(21, plant=plant).watch(detector="z")
    result = watch.judge(day(20))
    found = {one.id: one for one in result.findings}
    assert found["orders"].evidence["z"] < -3
    assert any("no budget" in note for note in result.notes)
    assert "smallest_change_seen" not in result.metrics["orders"]
    assert "orders" not in loud(watch.judge(day(19)))


def test_the_plain_rule_says_far_more(simulated: Shop) -> None:
    """On a healthy small shop it raises several times the default detector's false alarms."""
    shop = simulated.simulate(60, seed=12, sessions=300)
    days = {
        name: sum(bool(loud(watch.judge(one))) for one in watch.days())
        for name, watch in (("z", shop.watch(detector="z")), ("predictive", shop.watch()))
    }
    assert days["z"] > 3 * max(days["predictive"], 1)


# ---------------------------------------------------------------- bad input


def test_one_day_has_nothing_to_be_compared_with(simulated: Shop, day: Dates) -> None:
    """The first day is learning in every metric, and GREEN."""
    result = simulated.simulate(1).watch().judge(day(0))
    assert result.status is Status.GREEN
    assert result.metrics["sessions"]["state"] == "learning"
    assert "expected" not in result.metrics["sessions"]


@pytest.mark.parametrize("detector", ["predictive", "z"])
def test_gaps_in_history_are_no_zeros(simulated: Shop, day: Dates, detector: str) -> None:
    """Ten days without deliveries leave what is expected where it was."""
    shop = simulated.simulate(40, seed=2)
    for number in range(20, 30):
        shop.drop(day(number))
    result = shop.watch(detector=detector).judge(day(39))
    assert not {"sessions", "orders", "revenue"} & set(loud(result))
    assert result.metrics["sessions"]["expected"] == pytest.approx(1500, rel=0.15)


@pytest.mark.parametrize("value", [0, 500])
def test_a_constant_metric_is_quiet_until_it_moves(simulated: Shop, day: Dates, value: int) -> None:
    """The same number for forty days raises nothing and breaks nothing; ten times it does."""

    def plant(one: Any) -> None:
        one.double = np.zeros(24)
        one.no_channel = 0.0
        one.sessions = value if one.number < 40 else 10 * value + 400
        one.channels = np.array([one.sessions, 0, 0, 0, 0])

    watch = simulated.simulate(41, plant=plant).watch()
    assert not any("sessions" in loud(watch.judge(day(number))) for number in range(40))
    assert "sessions" in loud(watch.judge(day(40)))


def test_an_all_zero_shop_is_judged_without_a_word(simulated: Shop, day: Dates) -> None:
    """No sessions, no orders, no revenue on any day: nothing is divided by them."""

    def plant(one: Any) -> None:
        one.sessions = one.carts = one.checkouts = 0
        one.channels, one.devices = one.channels * 0, one.devices * 0
        one.landings = 0
        one.sell(0.0)

    result = simulated.simulate(20, plant=plant).watch().judge(day(19))
    assert not {"sessions", "orders", "revenue", "conversion_rate"} & set(loud(result))
    assert markdown(result)


def test_a_metric_that_is_missing_on_some_days_is_judged_on_the_others(
    simulated: Shop, day: Dates
) -> None:
    """Every second day without a referrer coverage: half the history, no finding, no crash."""
    shop = simulated.simulate(30)
    for number in range(0, 29, 2):
        del shop.daily[(day(number), "referrer_coverage", "all")]
    entry = shop.watch().judge(day(29)).metrics["referrer_coverage"]
    assert entry["baseline_days"] == 14
    assert entry["state"] == "judged"


def test_a_future_date_is_a_missing_delivery(simulated: Shop, day: Dates) -> None:
    """Asking for a day that has not come says that its delivery is not there, and no more."""
    result = simulated.simulate(10).watch().judge(day(400))
    assert loud(result) == ["delivery_missing"]
    assert result.metrics == {}


def test_an_unknown_metric_is_refused_with_the_nearest(simulated: Shop) -> None:
    """A mistyped metric names the one that was meant."""
    rule = MonitorRule(
        id="x", layer="business", severity=Severity.P2, metric="convertion_rate", method="rate"
    )
    with pytest.raises(ConfigError) as caught:
        simulated.simulate(1).watch(rules=(rule,))
    assert "did you mean 'conversion_rate'?" in caught.value.fix


def test_the_days_on_which_clocks_change_are_whole(simulated: Shop) -> None:
    """An hour that the clock skips is not missing; one that stays silent beside it is."""
    first = dt.date(2031, 5, 5)
    changed = dt.date(2032, 3, 28)  # in Berlin 02:00 is 03:00
    shift = (changed - first).days - 10

    def plant(one: Any) -> None:
        one.events = np.full(24, 400.0)
        if one.number == 10:
            one.events[2] = 0.0
        if one.number == 11:
            one.events[[2, 3]] = 0.0

    shop = simulated.simulate(12, plant=plant)
    move = dt.timedelta(days=shift)
    shop.daily = {(d + move, m, s): row for (d, m, s), row in shop.daily.items()}
    shop.hourly = {(d + move, h, m): n for (d, h, m), n in shop.hourly.items()}
    for row in shop.deliveries.values():
        row["date"] = (dt.date.fromisoformat(row["date"]) + move).isoformat()
    rules = load(MonitorRules, None, "rules/monitor.yml")
    watch = Watch(shop.engine(), rules, timezone="Europe/Berlin")
    assert "hours_missing" not in loud(watch.judge(changed))
    later = watch.judge(changed + dt.timedelta(days=1))
    assert "hours_missing" in loud(later)


def test_a_day_of_25_hours_is_no_surge(simulated: Shop, day: Dates) -> None:
    """An hour twice as full is four per cent more of a day: nothing to tell."""

    def plant(one: Any) -> None:
        if one.number == 20:
            one.events[2] *= 2

    assert simulated.simulate(21, plant=plant).watch().judge(day(20)).status is Status.GREEN


def test_a_promotion_moves_nothing_of_the_slow_channel(simulated: Shop, day: Dates) -> None:
    """A week of sale in the calendar is neither judged nor remembered by the days together."""

    def plant(one: Any) -> None:
        if 30 <= one.number < 37:
            one.sessions = int(one.sessions * 1.6)
            one.channels = (one.channels * 1.6).astype(int)

    sale = Promotion(name="Sale", start=day(30).isoformat(), end=day(36).isoformat())
    watch = simulated.simulate(45, seed=4, plant=plant).watch(promotions=(sale,))
    told = [one for number in range(30, 45) for one in loud(watch.judge(day(number)))]
    assert "sessions" not in told


def test_a_watch_that_resumes_says_the_same(simulated: Shop, day: Dates) -> None:
    """What another watch has learned of the same days need not be learned again."""
    shop = simulated.simulate(30, seed=8)
    first, second = shop.watch(), shop.watch()
    for number in range(20):
        first.judge(day(number))
    second.resume(first)
    assert as_json(first.judge(day(29))) == as_json(second.judge(day(29)))
    assert first.findings(day(29)) == second.findings(day(29))
