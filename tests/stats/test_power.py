from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tallymark.stats.power import optimal_levels

LEVEL = 0.004


def seen(effects: list[list[float]], gains: list[list[float]], levels: list[float]) -> float:
    """What tests at some levels see, in units of gain."""
    limits = stats.norm.isf(np.maximum(np.array(levels), 1e-300))[:, None]
    return float((np.array(gains) * stats.norm.sf(limits - np.array(effects))).sum())


def test_one_size_of_change_has_the_published_limit() -> None:
    """Limits are effect / 2 + c / effect with one c for all (Roeder and Wasserman 2009, eq. 4)."""
    effects = np.array([2.0, 3.0, 4.5, 6.0])
    levels = optimal_levels(effects[:, None], np.ones((4, 1)), LEVEL)
    constants = (stats.norm.isf(levels) - effects / 2) * effects
    assert np.ptp(constants) < 0.05 * abs(constants.mean())


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.floats(0.5, 30.0), min_size=2, max_size=2), min_size=2, max_size=8),
    st.floats(0.05, 20.0),
)
def test_no_other_sharing_sees_more(effects: list[list[float]], worth: float) -> None:
    """Neither equal parts, nor a tenth handed from any test to any other, sees noticeably more."""
    gains = [[1.0, 2.0]] * (len(effects) - 1) + [[worth, 2 * worth]]
    levels = optimal_levels(np.array(effects), np.array(gains), LEVEL)
    assert levels.sum() == pytest.approx(LEVEL)
    assert (levels >= 0).all()
    best = seen(effects, gains, list(levels)) * 1.005
    assert best >= seen(effects, gains, [LEVEL / len(effects)] * len(effects))
    for giver in range(len(effects)):
        for taker in range(len(effects)):
            other = levels.copy()
            other[giver] -= 0.1 * levels[giver]
            other[taker] += 0.1 * levels[giver]
            assert best >= seen(effects, gains, list(other))


def test_what_is_certain_and_what_is_hopeless_need_nothing() -> None:
    """A change of twenty deviations is seen anyway, one of a tenth never: the middle has it all."""
    levels = optimal_levels(np.array([[20.0], [0.1], [3.5]]), np.ones((3, 1)), LEVEL)
    assert levels[2] > 0.99 * LEVEL


def test_what_is_worth_more_gets_more() -> None:
    """Of two tests alike the one that guards more has the larger part."""
    levels = optimal_levels(np.array([[3.0], [3.0]]), np.array([[1.0], [3.0]]), LEVEL)
    assert levels[1] > 2 * levels[0] > 0
