from __future__ import annotations

import numpy as np
import pytest

from tallymark.stats.baseline import (
    Past,
    Prior,
    count_baseline,
    rate_baseline,
)

PRIOR = Prior(spread=0.1, unknown_weekday=0.2)


def past(days: int) -> Past:
    """All of the last so many days, oldest first."""
    return Past(np.arange(days, 0, -1))


def test_a_steady_count_is_expected_again() -> None:
    """Equal days give that level, and a spread no larger than believed before."""
    found = count_baseline(np.full(10, 400.0), past(10), PRIOR)
    assert found.level == pytest.approx(400)
    assert found.spread < 2 * (0.1**2 + 0.2**2)
    assert not found.weekday


def test_the_weekday_is_learned() -> None:
    """After five weeks with double Sundays, a Sunday is expected to be about double."""
    ages = np.arange(35, 0, -1)
    values = np.where(ages % 7 == 0, 2000.0, 1000.0)
    sunday = count_baseline(values, Past(ages), PRIOR)
    monday = count_baseline(values[:-1], Past(ages[:-1] - 1), PRIOR)
    assert sunday.weekday
    assert sunday.level > 1.5 * 1000
    assert monday.level == pytest.approx(1000, rel=0.15)


def test_one_wild_day_hardly_moves_the_level() -> None:
    """A day ten times as large as all others is not what tomorrow is compared with."""
    rng = np.random.default_rng(3)
    values = rng.poisson(500, 30).astype(float)
    values[20] = 5000
    found = count_baseline(values, past(30), PRIOR)
    assert found.level == pytest.approx(500, rel=0.06)
    assert found.spread < 0.05


def test_a_restless_shop_is_believed_to_be_restless() -> None:
    """The spread of a number that swings by 40 % is learned from its history."""
    rng = np.random.default_rng(4)
    values = 1000 * np.exp(rng.normal(0, 0.4, 56))
    found = count_baseline(np.round(values), past(56), PRIOR)
    assert 0.2 < found.spread**0.5 < 0.6


@pytest.mark.parametrize("rate", [0.004, 0.3, 0.99])
def test_a_rate_is_pooled_over_days(rate: float) -> None:
    """The level of a rate is that of all days together."""
    rng = np.random.default_rng(5)
    trials = np.full(20, 3000.0)
    successes = rng.binomial(3000, rate, 20).astype(float)
    found = rate_baseline(successes, trials, past(20), PRIOR)
    assert found.level == pytest.approx(rate, rel=0.15)


def test_a_rate_that_never_failed_is_not_certain() -> None:
    """60 of 60 leaves room for a rate a little below 1, and knows it."""
    found = rate_baseline(np.full(3, 20.0), np.full(3, 20.0), past(3), PRIOR)
    assert 0.98 < found.level < 1
    assert found.spread > 1
