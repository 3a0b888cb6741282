from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tallymark.stats.predictive import (
    beta_binomial_tails,
    log_t_tails,
    mid_tails,
    mixture,
    negative_binomial_tails,
    variance_nodes,
)


def one(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A single value in the shape that the tails take."""
    return np.array([value])


@pytest.mark.parametrize("observed", [0, 1, 17, 100, 250])
@pytest.mark.parametrize("dispersion", [0.01, 0.3])
def test_negative_binomial_equals_the_reference(observed: int, dispersion: float) -> None:
    """Both tails are those of scipy.stats.nbinom."""
    mean, size = 90.0, 1 / dispersion
    reference = stats.nbinom(size, size / (size + mean))
    lower, upper = negative_binomial_tails(observed, mean, one(dispersion))
    assert lower[0] == pytest.approx(reference.cdf(observed), rel=1e-8)
    assert upper[0] == pytest.approx(reference.sf(observed - 1), rel=1e-8)


@pytest.mark.parametrize("observed", [0, 3, 40])
def test_without_dispersion_it_is_a_poisson(observed: int) -> None:
    """As the dispersion vanishes the tails become those of scipy.stats.poisson."""
    lower, upper = negative_binomial_tails(observed, 12.0, one(0.0))
    assert lower[0] == pytest.approx(stats.poisson(12).cdf(observed))
    assert upper[0] == pytest.approx(stats.poisson(12).sf(observed - 1))


@pytest.mark.parametrize(("k", "n"), [(0, 30), (4, 30), (30, 30), (700, 4000), (150, 4000)])
@pytest.mark.parametrize("correlation", [0.0005, 0.02])
def test_beta_binomial_equals_the_reference(k: int, n: int, correlation: float) -> None:
    """Both tails are those of scipy.stats.betabinom."""
    rate, size = 0.12, 1 / correlation - 1
    reference = stats.betabinom(n, rate * size, (1 - rate) * size)
    lower, upper = beta_binomial_tails(k, n, rate, one(correlation))
    assert lower[0] == pytest.approx(reference.cdf(k), rel=1e-6, abs=1e-12)
    # scipy's own sf is 1 - cdf, without digits this far out: add up its terms
    above = reference.pmf(np.arange(k, n + 1)).sum()
    assert upper[0] == pytest.approx(above, rel=1e-6, abs=1e-12)


def test_beta_binomial_of_very_many_trials_stays_true() -> None:
    """Beyond the exact sum a matched Beta variable differs by less than 2 % of the tail."""
    n, rate, correlation = 400_000, 0.3, 0.001
    size = 1 / correlation - 1
    spread = (rate * (1 - rate) * correlation) ** 0.5
    k = round(n * (rate - 3 * spread))
    lower, _ = beta_binomial_tails(k, n, rate, one(correlation))
    assert lower[0] == pytest.approx(
        stats.beta(rate * size, (1 - rate) * size).cdf(k / n), rel=0.02
    )


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 2000), st.floats(0, 1), st.floats(0.001, 0.999), st.floats(1e-6, 0.5))
def test_tails_overlap_by_the_value_itself(
    n: int, part: float, rate: float, correlation: float
) -> None:
    """The two tails together exceed 1 by exactly the chance of the observed value."""
    k = round(part * n)
    lower, upper = beta_binomial_tails(k, n, rate, one(correlation))
    assert 0 <= lower[0] <= 1
    assert 0 <= upper[0] <= 1
    assert lower[0] + upper[0] >= 1 - 1e-6


def test_an_uncertain_variance_makes_student_of_normal() -> None:
    """A normal tail averaged over inverse chi-square variance is Student's t (Gelman, BDA3)."""

    def normal(spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return stats.norm.cdf(-2 / np.sqrt(spread)), stats.norm.sf(-2 / np.sqrt(spread))

    lower, upper = mixture(normal, 0.5, 8.0)
    t = 2 / 0.5**0.5
    assert lower == pytest.approx(stats.t(8).cdf(-t), rel=0.02)
    assert upper == pytest.approx(stats.t(8).cdf(t), rel=0.001)


def test_variance_nodes_average_to_what_they_should() -> None:
    """The weights sum to 1 and the mean is that of a scaled inverse chi-square."""
    values, weights = variance_nodes(2.0, 30.0)
    assert weights.sum() == pytest.approx(1)
    assert weights @ values == pytest.approx(2.0 * 30 / 28, rel=0.01)


def test_log_t_equals_the_reference() -> None:
    """Money's tails are those of scipy.stats.t."""
    lower, upper = log_t_tails(-1.2, 0.0, 0.16, 7.0)
    assert lower == pytest.approx(stats.t(7).cdf(-3.0))
    assert lower + upper == pytest.approx(1)


def test_nothing_expected_and_nothing_seen_is_no_surprise() -> None:
    """A count whose mean is 0 makes any event impossible and none certain."""
    assert negative_binomial_tails(0, 0.0, one(0.1))[1][0] == 1
    assert negative_binomial_tails(3, 0.0, one(0.1))[1][0] == 0


@pytest.mark.parametrize(
    ("mean", "level"), [(12.0, 1e-3), (20.0, 1e-3), (20.0, 0.01), (50.0, 3e-4)]
)
def test_half_of_the_observed_value_keeps_what_a_level_promises(mean: float, level: float) -> None:
    """Below a level as often as it says, within a fifth over shops alike; whole tails half that."""
    means = np.linspace(0.8 * mean, 1.2 * mean, 41)
    often, whole = [], []
    for one_mean in means:
        law = stats.poisson(one_mean)
        counts = np.arange(int(one_mean) + 1)
        lower, chance = law.cdf(counts), law.pmf(counts)
        both = zip(lower, 1 - lower + chance, strict=True)
        mids = np.array([mid_tails((float(low), float(high)))[0] for low, high in both])
        often.append(chance[mids <= level].sum())
        whole.append(chance[lower <= level].sum())
    assert np.mean(often) == pytest.approx(level, rel=0.2)
    assert np.mean(whole) < 0.75 * level


@given(st.integers(0, 60), st.floats(0.5, 60.0), st.floats(0.0, 0.2))
def test_mid_tails_share_the_whole(observed: int, mean: float, dispersion: float) -> None:
    """They add up to one, keep their order, and are at least half of the whole tails."""
    lower, upper = negative_binomial_tails(observed, mean, one(dispersion))
    whole = float(lower[0]), float(upper[0])
    mids = mid_tails(whole)
    assert sum(mids) == pytest.approx(1.0, abs=1e-9)
    for tail, mid in zip(whole, mids, strict=True):
        assert tail / 2 <= mid <= tail


def test_mid_tails_of_the_continuous_are_the_tails() -> None:
    """Where no value has a chance of its own nothing changes, far out neither."""
    assert mid_tails((0.3, 0.7)) == pytest.approx((0.3, 0.7))
    assert mid_tails((1e-40, 1.0)) == (1e-40, 1.0)
