"""Columns that changed places and are read for what they hold spoil no baseline."""

from __future__ import annotations

import dataclasses

from tallymark.config import MonitorRules, load
from tallymark.monitor.causes import Causes, groups
from tallymark.results import Finding, Layer, Severity

RULES = load(MonitorRules, None, "rules/monitor.yml").rules
SWAP = Finding(
    id="column_swapped:client_id", layer=Layer.QUALITY, severity=Severity.P0,
    rule="column_swapped", message="swapped", since="2031-05-05T00:00:00.000Z",
    evidence={"column": "user_agent", "adopted": True},
)  # fmt: skip
DOUBTED = dataclasses.replace(SWAP, evidence={**SWAP.evidence, "adopted": False})


def test_an_adopted_swap_spoils_nothing() -> None:
    """The values were read from where they stood, so the day teaches as any other."""
    causes = Causes(RULES)
    assert not causes.spoiled([SWAP], RULES)
    assert causes.spoiled([DOUBTED], RULES)


def test_an_adopted_swap_explains_only_what_began_with_it() -> None:
    """What begins on a later day has a cause of its own; of a swap in doubt it may still be one."""
    causes = Causes(RULES)
    name = next(one.metric for one in RULES
                if one.metric and "client_id" in causes.rests_on(one.metric))  # fmt: skip
    later = Finding(
        id=name, layer=Layer.QUALITY, severity=Severity.P1, metric=name, message="fell",
        since="2031-05-07T00:00:00.000Z",
    )  # fmt: skip
    assert set(groups([SWAP, later], causes)) == {SWAP.id, later.id}
    assert set(groups([DOUBTED, later], causes)) == {SWAP.id}
    same = dataclasses.replace(later, since="2031-05-05T09:00:00.000Z")
    assert set(groups([SWAP, same], causes)) == {SWAP.id}
