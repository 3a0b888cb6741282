"""What explains what: one cause is one incident, and two causes are two."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tallymark.config import MonitorRules, load
from tallymark.monitor.causes import Causes, groups
from tallymark.monitor.incidents import incidents_of
from tallymark.results import Finding, Layer, Severity

RULES = load(MonitorRules, None, "rules/monitor.yml").rules
BY_ID = {rule.id: rule for rule in RULES}
DAY = "2031-05-05T00:00:00.000Z"
NEXT = "2031-05-06T00:00:00.000Z"


def measured(name: str, since: str = DAY, **more: Any) -> Finding:
    """A finding of the watch's own rule."""
    rule = BY_ID[name]
    given: dict[str, Any] = {
        "id": name, "layer": Layer(rule.layer), "severity": Severity.P1, "rule": name,
        "metric": rule.metric, "message": f"{name} fell", "since": since,
    }  # fmt: skip
    return Finding(**(given | more))


def fact(name: str, since: str = DAY, **evidence: Any) -> Finding:
    """A finding of the gate."""
    return Finding(
        id=name, layer=Layer.QUALITY, severity=Severity.P1, rule=name.partition(":")[0],
        message=f"{name} was found", since=since, evidence=evidence,
    )  # fmt: skip


GONE = fact("column_missing:referrer", column="referrer")
RENAME = fact("column_renamed:client_id", column="client_id", adopted=True)
UNREAD = fact("column_type_changed:timestamp", column="timestamp", nothing_accepted=True)


@pytest.mark.parametrize(
    ("found", "roots"),
    [
        # The referrer is gone and checkouts fail: nothing but their day is common to them.
        ([GONE, measured("referrer_coverage"), measured("no_channel_revenue_share"),
          measured("purchase_rate"), measured("orders")], {GONE.id, "purchase_rate"}),
        # That revenue has no channel is an effect of lost ids, and never their cause.
        ([measured("no_channel_revenue_share"), fact("client_ids_lost")], {"client_ids_lost"}),
        ([measured("identity_coverage"), fact("client_ids_lost"),
          measured("no_channel_revenue_share"), measured("device_share")], {"identity_coverage"}),
        # A cause does not begin after its effect.
        ([measured("orders"), measured("purchase_rate", NEXT)], {"orders", "purchase_rate"}),
        ([measured("orders", NEXT), measured("purchase_rate")], {"purchase_rate"}),
        # A column that is read under its new name has cost nobody an order.
        ([RENAME, measured("purchase_rate"), measured("revenue")], {RENAME.id, "purchase_rate"}),
        ([RENAME, measured("new_client_share")], {RENAME.id}),
        ([fact("same_bytes"), measured("repeated_share"), measured("order_redelivered")],
         {"same_bytes"}),
        ([fact("order_redelivered"), measured("uncounted_revenue")], {"order_redelivered"}),
        ([fact("file_ends_early"), measured("bot_share")], {"file_ends_early"}),
        ([UNREAD, measured("hours_missing"), fact("delivery_missing", deliveries=["a.csv"]),
          measured("delivery_shrunken")], {UNREAD.id}),
        ([fact("order_negative_revenue"), measured("purchase_rate"), measured("aov")],
         {"order_negative_revenue"}),
        # What bots do is in no rate, whatever step they did it to.
        ([fact("bot_actions:checkout_start"), measured("checkout_rate")],
         {"bot_actions:checkout_start", "checkout_rate"}),
        # Rows that were added without an id are in no session: they explain no step of the funnel.
        ([measured("identity_coverage"), fact("anonymous_rows"), fact("client_missing"),
          measured("checkout_rate"), measured("sessions")],
         {"identity_coverage", "checkout_rate", "sessions"}),
        ([fact("anonymous_rows"), measured("no_channel_revenue_share")],
         {"anonymous_rows", "no_channel_revenue_share"}),
        # ... unless others lost theirs.
        ([measured("identity_coverage"), fact("anonymous_rows"), fact("client_ids_lost"),
          measured("checkout_rate")], {"identity_coverage"}),
    ],
)  # fmt: skip
def test_what_is_of_one_cause(found: list[Finding], roots: set[str]) -> None:
    """The incidents of a day, whatever the order of its findings."""
    causes = Causes(RULES)
    assert set(groups(found, causes)) == roots
    assert set(groups(found[::-1], causes)) == roots


def test_a_gap_before_the_day_spoils_nothing_of_it() -> None:
    """A day after one that never came, or that came late, teaches what is normal."""
    causes = Causes(RULES)
    assert not causes.spoiled([fact("missing_days"), fact("file_late")], RULES)
    assert causes.spoiled([fact("hours_silent:11-13")], RULES)


@pytest.mark.parametrize(
    ("name", "severity", "spoiled"),
    [
        ("column_partly_empty:user_agent", Severity.P2, True),
        ("column_partly_empty:user_agent", Severity.P3, False),  # as on the shop's other days
        ("double_fired:page_view", Severity.P2, False),
        ("double_fired:page_view", Severity.P1, True),
    ],
)
def test_a_warning_of_lost_values_teaches_nothing(
    name: str, severity: Severity, *, spoiled: bool
) -> None:
    """What is usual would follow the fault, and the day after its end would be the odd one."""
    causes = Causes(RULES)
    found = dataclasses.replace(fact(name), severity=severity)
    assert bool(causes.spoiled([found], RULES)) == spoiled
    if name.startswith("column") and spoiled:
        assert "device_share" in causes.spoiled([found], RULES)


def test_rows_added_without_an_id_spoil_no_session() -> None:
    """Only the share of rows with an id is not normal on such a day."""
    causes = Causes(RULES)
    coverage = measured("identity_coverage")
    assert causes.spoiled([coverage, fact("anonymous_rows")], RULES) == {"identity_coverage"}
    assert "checkout_rate" in causes.spoiled([coverage], RULES)
    lost = [coverage, fact("anonymous_rows"), fact("client_ids_lost")]
    assert "checkout_rate" in causes.spoiled(lost, RULES)


def test_rows_added_without_an_id_cost_no_order(
    simulated: Any, day: Callable[[int], dt.date]
) -> None:  # fmt: skip
    """Nothing is at stake where carts and purchases kept their ids; the fix asks who sends them."""
    tables = simulated.simulate(8).watch()._tables
    causes, past = Causes(RULES), np.arange(5)
    date = f"{day(6).isoformat()}T07:00:00.000Z"
    coverage = measured("identity_coverage", date, evidence={"expected": 1.0}, fix="ask the tag")
    added = dataclasses.replace(fact("anonymous_rows", date), fix="find out who sends them")

    (lost,) = incidents_of([coverage], causes, tables, 6, past, "USD")
    assert (lost.money_at_risk or 0) > 0
    assert lost.fix == "ask the tag"
    (came,) = incidents_of([coverage, added], causes, tables, 6, past, "USD")
    assert came.money_at_risk == 0
    assert came.money_formula == "none: carts and purchases kept their client ids; rows were added"
    assert came.fix == "find out who sends them"


def test_an_incident_begins_with_its_cause(
    simulated: Any, day: Callable[[int], dt.date]
) -> None:  # fmt: skip
    """With its cause's hour, and not with the midnight of an effect that is known by the day."""
    tables = simulated.simulate(8).watch()._tables
    past = np.arange(5)

    def since(*found: Finding) -> str:
        causes = Causes(RULES)
        return incidents_of(found, causes, tables, 6, past, "USD")[0].since

    date = day(6).isoformat()
    midnight, two, noon = (f"{date}T{hour:02d}:00:00.000Z" for hour in (0, 2, 14))
    lost = measured("identity_coverage", noon)
    assert since(lost, measured("sessions", midnight)) == noon
    assert since(lost, fact("client_ids_lost", two)) == noon
    wave = measured("bot_share", midnight, severity=Severity.P2)
    assert since(wave, fact("bot_wave", two)) == two
    earlier = dataclasses.replace(wave, since=f"{day(4).isoformat()}T00:00:00.000Z")
    assert since(earlier, fact("bot_wave", two)) == earlier.since
