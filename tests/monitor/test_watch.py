from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tallymark.config import MonitorRule, MonitorRules, Promotion, load
from tallymark.errors import ConfigError, UsageError
from tallymark.monitor.report import as_json
from tallymark.results import MonitorResult, Severity, Status

Shop = Any  # the simulated shop of conftest.py, which importlib mode cannot import
Dates = Callable[[int], dt.date]


def by_id(result: MonitorResult) -> dict[str, Any]:
    """Findings by id."""
    return {one.id: one for one in result.findings}


# ---------------------------------------------------------------- healthy shops


@pytest.mark.parametrize(("sessions", "spread"), [(150, 0.1), (1500, 0.06), (12_000, 0.12)])
def test_healthy_days_raise_no_error(simulated: Shop, sessions: int, spread: float) -> None:
    """Seventy days each of a small, a middling and a large shop: no P0, no P1, hardly a P2."""
    watch = simulated.simulate(70, seed=11, sessions=sessions, spread=spread).watch()
    found = Counter(one.severity for day in watch.days() for one in watch.judge(day).findings)
    assert found[Severity.P0] == found[Severity.P1] == 0
    assert found[Severity.P2] <= 2  # the budget is 0.4 in seventy days


def test_a_good_day_says_so_in_one_sentence(simulated: Shop, day: Dates) -> None:
    """The headline of a green day names sessions and revenue."""
    result = simulated.simulate(20).watch().judge(day(19))
    assert result.status is Status.GREEN
    assert result.headline.startswith("GREEN: ")
    assert "sessions, $" in result.headline
    assert result.headline.endswith("nothing out of the ordinary")
    assert set(result.layers) == {"health", "quality", "business"}


def test_the_first_days_are_spent_learning(simulated: Shop, day: Dates) -> None:
    """With less history than learning_days nothing is guessed, and the notes say so."""
    watch = simulated.simulate(4).watch()
    early, later = watch.judge(day(2)), watch.judge(day(3))
    assert any(note.startswith("learning: ") for note in early.notes)
    assert early.metrics["sessions"]["state"] == "learning"
    assert not any(note.startswith("learning: ") for note in later.notes)
    assert later.metrics["sessions"]["state"] == "judged"
    assert later.metrics["sessions"]["baseline_days"] == 3


def test_each_headline_metric_states_what_it_could_see(simulated: Shop, day: Dates) -> None:
    """More history and more traffic let smaller changes be seen."""
    small = simulated.simulate(30, sessions=300).watch().judge(day(29)).metrics
    large = simulated.simulate(30, sessions=9000).watch().judge(day(29)).metrics
    assert large["orders"]["smallest_change_seen"] < small["orders"]["smallest_change_seen"]
    seen = large["conversion_rate"]["smallest_change_seen_points"]
    assert 0 < seen < large["conversion_rate"]["expected"]


# ---------------------------------------------------------------- as of


def eventful(one: Any) -> None:
    """Things happen on days 9, 12 and 15."""
    if one.number == 9:
        one.sell(0.1)
    if one.number >= 12:
        one.anonymous = one.rng.binomial(one.events.astype(int), 0.2).astype(float)
    if one.number == 15:
        for counts in (one.events, one.views, one.anonymous, one.referred, one.double):
            counts[9:15] = 0


@pytest.mark.parametrize("number", [0, 5, 9, 10, 12, 13, 15, 16])
def test_a_day_is_judged_without_what_came_after(simulated: Shop, day: Dates, number: int) -> None:
    """The report of a day has the same bytes before and after later days arrive."""
    shop = simulated.simulate(18, plant=eventful)
    shop.find(day(12), "column_renamed:client_id", "P0")
    shop.find(day(17), "column_missing:referrer", "P1")
    shop.put(day(17), "channel_share", 400, 1000, "channel=Never seen before")
    shop.put(day(17), "payload_coverage", 1, 9, "field=purchase.new")
    whole, cut = shop.watch(), shop.until(day(number)).watch()
    assert as_json(whole.judge(day(number))) == as_json(cut.judge(day(number)))


def test_the_order_of_asking_does_not_matter(simulated: Shop) -> None:
    """Judging backwards gives the same reports as judging forwards."""
    shop = simulated.simulate(14, plant=eventful)
    forwards, backwards = shop.watch(), shop.watch()
    ahead = [as_json(forwards.judge(one)) for one in forwards.days()]
    back = [as_json(backwards.judge(one)) for one in reversed(backwards.days())]
    assert ahead == back[::-1]


# ---------------------------------------------------------------- planted incidents


def rename(shop: Shop, first: dt.date, days: int) -> None:
    """The gate reports a renamed client id on so many days."""
    for step in range(days):
        shop.find(first + dt.timedelta(days=step), "column_renamed:client_id", "P0", to="clientId")


def test_a_renamed_column_is_one_incident_from_its_first_day(simulated: Shop, day: Dates) -> None:
    """With four days of history it is P0 at once, and stays one incident with one beginning."""
    shop = simulated.simulate(8)
    rename(shop, day(4), 4)
    watch = shop.watch()
    assert watch.judge(day(3)).status is Status.GREEN
    for number in (4, 7):
        result = watch.judge(day(number))
        assert result.status is Status.RED
        assert [one.id for one in result.incidents] == ["column_renamed:client_id"]
        assert result.incidents[0].severity is Severity.P0
        assert result.incidents[0].since == f"{day(4).isoformat()}T00:00:00.000Z"
        assert "since 9 May 00:00; fix: mend it" in result.headline


def test_an_adopted_rename_does_not_hide_later_trouble(simulated: Shop, day: Dates) -> None:
    """Ids that vanish days after the rename are an incident of their own, dated to the hour."""

    def plant(one: Any) -> None:
        if one.number == 7:
            one.anonymous[7:] = one.rng.binomial(one.events[7:].astype(int), 0.2)

    shop = simulated.simulate(8, plant=plant)
    rename(shop, day(4), 4)
    result = shop.watch().judge(day(7))
    assert [one.id for one in result.incidents] == ["column_renamed:client_id", "identity_coverage"]
    assert result.incidents[1].since == f"{day(7).isoformat()}T07:00:00.000Z"


def test_lost_ids_stay_one_incident_while_they_last(simulated: Shop, day: Dates) -> None:
    """The days of the incident never become normal, and the beginning stays the first hour."""

    def plant(one: Any) -> None:
        if one.number == 6:
            one.anonymous[7:] = one.rng.binomial(one.events[7:].astype(int), 0.2)
        if one.number > 6:
            one.anonymous = one.rng.binomial(one.events.astype(int), 0.1).astype(float)

    watch = simulated.simulate(13, plant=plant).watch()
    for number in (6, 8, 12):
        found = by_id(watch.judge(day(number)))["identity_coverage"]
        assert found.severity is Severity.P1
        assert found.since == f"{day(6).isoformat()}T07:00:00.000Z"
        assert found.evidence["baseline_days"] == 6
        (incident,) = watch.judge(day(number)).incidents
        assert "lost their client id" in (incident.money_formula or "")


def test_the_gates_count_does_not_blur_the_hour(simulated: Shop, day: Dates) -> None:
    """The gate counts rows without an id, the watch dates them to the hour: one incident."""

    def plant(one: Any) -> None:
        if one.number == 6:
            one.anonymous[7:] = one.rng.binomial(one.events[7:].astype(int), 0.2)

    shop = simulated.simulate(7, plant=plant)
    shop.find(day(6), "client_missing", "P2")
    (incident,) = shop.watch().judge(day(6)).incidents
    assert set(incident.findings) == {"identity_coverage", "client_missing"}
    assert incident.since == f"{day(6).isoformat()}T07:00:00.000Z"


def test_a_lost_referrer_explains_what_rests_on_it(simulated: Shop, day: Dates) -> None:
    """Coverage, channel mix and revenue without a channel belong to the missing column."""

    def plant(one: Any) -> None:
        if one.number >= 10:
            one.referrer_rate, one.no_channel = 0.0, 1.0
            one.referred[:] = 0
            one.channels = np.array([0, 0, one.channels[2], one.channels[3], 0])
            one.channels[0] = one.sessions - one.channels.sum()

    shop = simulated.simulate(12, plant=plant)
    for number in (10, 11):
        shop.find(day(number), "column_missing:referrer", "P1")
    for number in (10, 11):
        result = shop.watch().judge(day(number))
        (incident,) = result.incidents
        assert incident.id == "column_missing:referrer"
        explained = {"referrer_coverage", "channel_share", "no_channel_revenue_share"}
        assert explained <= set(incident.findings)
        assert by_id(result)["referrer_coverage"].severity is Severity.P1
        assert incident.money_at_risk is not None
        assert incident.money_at_risk > 0
        assert "Unknown or Unattributed" in (incident.money_formula or "")


def outage(first: int, last: int) -> Callable[[Any], None]:
    """Nothing arrives in these hours of day 10."""

    def plant(one: Any) -> None:
        if one.number == 10:
            kept = 1 - (last - first) / 24
            for counts in (one.events, one.views, one.anonymous, one.referred, one.double):
                counts[first:last] = 0
            one.sessions = int(one.sessions * kept)
            one.channels = (one.channels * kept).astype(int)
            one.devices = (one.devices * kept).astype(int)
            one.carts, one.checkouts = int(one.carts * kept), int(one.checkouts * kept)
            one.sell(kept)

    return plant


@pytest.mark.parametrize(("first", "last"), [(13, 18), (8, 10), (11, 24), (0, 14)])
def test_missing_hours_are_found_and_dated(
    simulated: Shop, day: Dates, first: int, last: int
) -> None:
    """A gap at busy hours is an error from its first hour on, and explains the day's falls."""
    result = simulated.simulate(12, plant=outage(first, last)).watch().judge(day(10))
    (incident,) = result.incidents
    assert (incident.id, incident.severity) == ("hours_missing", Severity.P1)
    assert incident.since == f"{day(10).isoformat()}T{first:02d}:00:00.000Z"
    assert incident.evidence["hours"] == list(range(first, last))
    assert incident.money_at_risk is not None


def test_the_day_after_an_outage_is_normal_again(simulated: Shop, day: Dates) -> None:
    """The incident ends with its cause, and its day is left out of what is normal."""
    result = simulated.simulate(12, plant=outage(6, 20)).watch().judge(day(11))
    assert result.status is Status.GREEN
    assert any(day(10).isoformat() in note for note in result.notes)
    assert result.metrics["sessions"]["baseline_days"] == 10


def test_quiet_nights_of_a_small_shop_are_no_outage(simulated: Shop) -> None:
    """Hours that are often empty, or hold a few events, may be empty."""
    shop = simulated.simulate(30, sessions=40)
    watch = shop.watch()
    assert not any("hours_missing" in by_id(watch.judge(one)) for one in watch.days())


def test_the_very_first_day_can_miss_hours(simulated: Shop, day: Dates) -> None:
    """Without a history the neighbouring hours tell."""

    def plant(one: Any) -> None:
        if one.number == 0:
            one.events[12:15] = 0

    found = by_id(simulated.simulate(1, plant=plant).watch().judge(day(0)))
    assert found["hours_missing"].evidence["hours"] == [12, 13, 14]


@pytest.mark.parametrize("history", [4, 20])
def test_a_collapse_of_sales_is_an_error(simulated: Shop, day: Dates, history: int) -> None:
    """Four orders of five gone, traffic unchanged: one P1 incident that names the step."""

    def plant(one: Any) -> None:
        if one.number == history:
            one.sell(0.15)

    shop = simulated.simulate(history + 1, sessions=6000, plant=plant)
    result = shop.watch().judge(day(history))
    (incident,) = result.incidents
    assert (incident.id, incident.severity) == ("purchase_rate", Severity.P1)
    assert {"conversion_rate", "orders", "revenue"} <= set(incident.findings)
    assert incident.since == f"{day(history).isoformat()}T00:00:00.000Z"
    found = by_id(result)["orders"].evidence
    assert found["observed"] < found["interval"][0] < found["expected"] < found["interval"][1]
    assert found["p"] < 1e-3
    assert found["baseline_days"] == history
    assert found["method"].startswith("negative binomial")
    money = by_id(result)["revenue"].evidence
    lost = money["expected"] - money["observed"]
    assert float(incident.money_at_risk or 0) == pytest.approx(lost, rel=1e-3)


def test_lost_amounts_are_an_error_of_quality(simulated: Shop, day: Dates) -> None:
    """A payload that stops carrying revenue explains the fall of the average order."""

    def plant(one: Any) -> None:
        if one.number == 10:
            one.payload["revenue"] = 0.1
            one.values = one.values * 0.1

    result = simulated.simulate(11, plant=plant).watch().judge(day(10))
    (incident,) = result.incidents
    assert (incident.id, incident.severity) == ("payload_coverage:purchase.revenue", Severity.P1)
    assert {"aov", "revenue"} <= set(incident.findings)


# ---------------------------------------------------------------- deliveries


def test_a_day_without_delivery_is_the_gravest_error(simulated: Shop, day: Dates) -> None:
    """It is P0 on its own day, and the same incident, a warning, while touches lie in the gap."""
    shop = simulated.simulate(9)
    shop.drop(day(6))
    watch = shop.watch()
    assert day(6) in watch.days()
    result = watch.judge(day(6))
    assert [(one.id, one.severity) for one in result.findings] == [("delivery_missing", "P0")]
    assert result.incidents[0].since == f"{day(6).isoformat()}T00:00:00.000Z"
    assert result.incidents[0].money_at_risk is not None
    after = watch.judge(day(7))
    assert after.status is Status.YELLOW
    assert by_id(after)["days_missing"].severity is Severity.P2
    assert after.incidents[0].key == f"delivery_missing@{day(6).isoformat()}"


def test_a_day_without_delivery_hides_nothing(simulated: Shop, day: Dates) -> None:
    """What was open stays in the report, and the layers that could not be judged say so."""

    def fewer_ids(one: Any) -> None:
        if one.number >= 6:
            one.anonymous = one.rng.binomial(one.events.astype(int), 0.6).astype(float)

    watch = simulated.simulate(8, plant=fewer_ids).watch()
    open_ones = {one.key for one in watch.judge(day(7)).incidents}
    assert f"identity_coverage@{day(6).isoformat()}" in open_ones
    result = watch.judge(day(8))
    assert open_ones < {one.key for one in result.incidents}
    assert result.layers["quality"] is Status.RED
    assert any("were not judged" in note for note in result.notes)


def test_freshness_is_judged_by_the_expected_date(simulated: Shop, day: Dates) -> None:
    """An expected delivery that has not come is P0, however good the judged day was."""
    watch = simulated.simulate(6).watch()
    assert watch.judge(day(5), expected_run_date=day(5)).status is Status.GREEN
    late = watch.judge(day(5), expected_run_date=day(7))
    assert late.status is Status.RED
    assert late.incidents[0].since == f"{day(6).isoformat()}T00:00:00.000Z"
    assert as_json(watch.judge(day(8))).count("delivery_missing") >= 1


def test_a_delivery_of_which_nothing_was_accepted_is_missing(simulated: Shop, day: Dates) -> None:
    """A file that came but held nothing usable leaves the day unknown."""
    shop = simulated.simulate(6)
    shop.drop(day(5))
    name = f"{day(5).isoformat()}.csv"
    counts = {"rows_read": 90, "rows_accepted": 0, "rows_quarantined": 90}
    shop.deliveries[name] = {
        "delivery": name,
        "date": day(5).isoformat(),
        "verdict": "STOP",
        **counts,
    }
    found = by_id(shop.watch().judge(day(5)))
    assert found["delivery_missing"].severity is Severity.P0
    assert "not one row" in found["delivery_missing"].message


def test_quarantined_rows_beyond_the_limit_are_said_once(simulated: Shop, day: Dates) -> None:
    """Of two limits of one metric the gravest speaks."""
    shop = simulated.simulate(5)
    shop.deliveries[f"{day(3).isoformat()}.csv"]["rows_quarantined"] = 150
    shop.deliveries[f"{day(4).isoformat()}.csv"]["rows_quarantined"] = 900
    watch = shop.watch()
    warned, failed = watch.judge(day(3)), watch.judge(day(4))
    assert by_id(warned)["quarantined_rows"].severity is Severity.P2
    assert by_id(failed)["quarantined_rows_many"].severity is Severity.P1
    assert "quarantined_rows" not in by_id(failed)


def test_amounts_that_do_not_add_up_are_an_error(simulated: Shop, day: Dates) -> None:
    """An unexplained difference of the build makes every day RED."""
    shop = simulated.simulate(4)
    shop.unexplained = 12.5
    result = shop.watch().judge(day(3))
    assert result.incidents[0].id == "reconciliation:orders.revenue"
    assert result.incidents[0].severity is Severity.P0


def test_the_gates_finding_begins_with_the_first_delivery_that_has_it(
    simulated: Shop, day: Dates
) -> None:
    """Consecutive deliveries with the same finding are one stretch; a pause ends it."""
    shop = simulated.simulate(9)
    for number in (2, 5, 6, 7):
        shop.find(day(number), "order_id_collision", "P2")
    result = shop.watch().judge(day(7))
    assert by_id(result)["order_id_collision"].since == f"{day(5).isoformat()}T00:00:00.000Z"
    assert result.status is Status.YELLOW
    assert "order_id_collision" not in by_id(shop.watch().judge(day(8)))


# ---------------------------------------------------------------- settings


def test_a_promotion_is_neither_judged_nor_normal(simulated: Shop, day: Dates) -> None:
    """A sale that doubles sessions raises nothing, and does not count as normal afterwards."""

    def plant(one: Any) -> None:
        if one.number == 10:
            one.sessions *= 3

    sale = Promotion(name="Sale", start=day(10).isoformat(), end=day(10).isoformat())
    shop = simulated.simulate(12, plant=plant)
    assert "sessions" in by_id(shop.watch().judge(day(10)))
    watch = shop.watch(promotions=(sale,))
    assert "sessions" not in by_id(watch.judge(day(10)))
    assert any("Sale" in note for note in watch.judge(day(10)).notes)
    assert watch.judge(day(11)).metrics["sessions"]["baseline_days"] == 10


def test_an_impossible_promotion_is_refused(simulated: Shop) -> None:
    """A date that is none is an error of configuration."""
    with pytest.raises(ConfigError, match="Sale"):
        simulated.simulate(1).watch(promotions=(Promotion(name="Sale", start="soon", end="x"),))


def test_a_rule_that_cannot_be_followed_is_refused(simulated: Shop) -> None:
    """Rules are never skipped in silence."""
    blind = MonitorRule(id="x", layer="business", severity=Severity.P2, method="count")
    with pytest.raises(ConfigError, match="names no metric"):
        simulated.simulate(1).watch(rules=(blind,))
    endless = MonitorRule(id="y", layer="business", severity=Severity.P2, metric="sessions")
    with pytest.raises(ConfigError, match="threshold"):
        simulated.simulate(1).watch(rules=(endless,))


def test_a_rule_switched_off_says_nothing(simulated: Shop, day: Dates) -> None:
    """Without its rule a missing delivery is not reported."""
    rules = load(MonitorRules, None, "rules/monitor.yml").rules
    quiet = tuple(one.model_copy(update={"enabled": False}) for one in rules)
    shop = simulated.simulate(5)
    assert shop.watch(rules=quiet).judge(day(6)).findings == []


def test_a_day_before_the_first_is_refused(simulated: Shop, day: Dates) -> None:
    """There is nothing to say about it."""
    with pytest.raises(UsageError, match="before the first day"):
        simulated.simulate(2).watch().judge(day(-1))
