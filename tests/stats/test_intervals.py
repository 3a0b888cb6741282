from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tallymark.stats.intervals import normal_quantile, wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 29), (8, 10), (81, 263), (50, 50)])
def test_wilson_equals_the_reference(successes: int, trials: int) -> None:
    """The interval is that of scipy.stats, and (81, 263) is Newcombe's (1998) example."""
    reference = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((reference.low, reference.high), abs=1e-9)


def test_newcombe_1998_prints_these_digits() -> None:
    """Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662 by Wilson's (1927) score."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_holds_the_share_itself(a: int, b: int) -> None:
    """The observed share lies inside, and the ends inside 0 and 1."""
    low, high = wilson(a, a + b)
    assert 0 <= low <= high <= 1
    if a + b:
        assert low <= a / (a + b) <= high


def test_no_trials_tell_nothing() -> None:
    """Without trials the interval is everything."""
    assert wilson(0, 0) == (0.0, 1.0)


def test_more_successes_than_trials_are_refused() -> None:
    """A share above 1 is an error of the caller."""
    with pytest.raises(ValueError, match="no share"):
        wilson(11, 10)


def test_normal_quantile_equals_the_reference() -> None:
    """The quantile is that of scipy.stats."""
    assert normal_quantile(0.999) == pytest.approx(stats.norm.ppf(0.999))
