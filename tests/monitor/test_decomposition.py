"""What changed is taken apart: rows added, values lost, the mix, the steps of the funnel."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tallymark.monitor.decomposition import what_changed
from tallymark.monitor.report import markdown
from tallymark.monitor.tables import read
from tallymark.results import Finding, Layer, Severity

Shop = Any
Dates = Callable[[int], dt.date]


def incident(simulated: Shop, day: Dates, name: str, plant: Callable[[Any], None]) -> Any:
    """An incident of the last day of a shop with a fault on it."""

    def on_the_last(one: Any) -> None:
        if one.number == 20:
            plant(one)

    result = simulated.simulate(21, sessions=6000, plant=on_the_last).watch().judge(day(20))
    found = next(one for one in result.incidents if one.id.partition(":")[0] == name)
    assert str(found.evidence["what_changed"])[:20] in markdown(result).replace("\\", "")
    return found


def test_values_that_were_lost(simulated: Shop, day: Dates) -> None:
    """As many rows as ever, and a third of them without an id: lost, not added."""

    def plant(one: Any) -> None:
        one.anonymous = np.round(one.events / 3)

    evidence = incident(simulated, day, "identity_coverage", plant).evidence
    assert evidence["values_lost"] > 2 * evidence["rows_added"]
    assert "lost it" in evidence["what_changed"]


def test_rows_that_were_added(simulated: Shop, day: Dates) -> None:
    """Half as many rows again, none of which has an id: added, not lost."""

    def plant(one: Any) -> None:
        more = np.round(one.events / 2)
        one.events, one.anonymous = one.events + more, one.anonymous + more

    evidence = incident(simulated, day, "identity_coverage", plant).evidence
    assert evidence["rows_added"] > 2 * evidence["values_lost"]


def test_the_channel_that_fell(simulated: Shop, day: Dates) -> None:
    """The part that moved most comes first."""

    def plant(one: Any) -> None:
        one.channels[2] //= 4  # Paid Search

    evidence = incident(simulated, day, "channel_share", plant).evidence
    assert evidence["parts"][0]["part"] == "Paid Search"
    assert evidence["what_changed"].startswith("sessions by part: Paid Search ")


@pytest.mark.parametrize("name", ["purchase_rate", "orders", "conversion_rate"])
def test_the_step_that_broke(simulated: Shop, name: str) -> None:
    """Fewer orders are taken apart into sessions and steps; the broken one comes first."""

    def plant(one: Any) -> None:
        if one.number == 20:
            one.sell(0.2)

    tables = read(simulated.simulate(21, sessions=6000, plant=plant).engine())
    root = Finding(id=name, layer=Layer.BUSINESS, severity=Severity.P1, message="", since="",
                   metric=name)  # fmt: skip
    found = what_changed(root, tables, 20, np.arange(20), "USD")
    if name == "purchase_rate":
        assert found is None  # it is a step itself
        return
    assert found is not None
    assert found[0].startswith("step by step against usual: purchase rate −")
    assert found[1]["steps"]["purchase_rate"] < -0.6
    assert abs(found[1]["steps"]["cart_rate"]) < 0.4
