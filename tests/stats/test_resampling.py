from __future__ import annotations

import math
import random

import pytest

from tallymark.stats import resampling
from tallymark.stats.resampling import (
    BOOTSTRAP_LIMIT,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_total,
    smallest_visible_change,
)


def _values(n: int, seed: int = 3) -> list[float]:
    dice = random.Random(seed)  # noqa: S311 -- a sample, not a secret
    return [dice.lognormvariate(3, 0.7) for _ in range(n)]


def test_the_seed_decides() -> None:
    """The same seed gives the same interval, another a close one."""
    values = _values(300)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=2) == pytest.approx(bootstrap_mean(values, seed=1), rel=0.02)


def test_the_normal_approximation_takes_over_smoothly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit the interval is about the one the bootstrap gives."""
    values = _values(2_000)
    halves = [value / 2 for value in values]
    drawn = [
        bootstrap_mean(values, seed=1),
        bootstrap_ratio(halves, values, seed=1),
        bootstrap_total(values, seed=1),
    ]
    monkeypatch.setattr(resampling, "BOOTSTRAP_LIMIT", 100)
    normal = [
        bootstrap_mean(values, seed=1),
        bootstrap_ratio(halves, values, seed=1),
        bootstrap_total(values, seed=1),
    ]
    for one, other in zip(drawn, normal, strict=True):
        assert one == pytest.approx(other, rel=0.02)
    assert BOOTSTRAP_LIMIT > 2_000


def test_the_interval_of_a_mean_covers_it() -> None:
    """Of 200 samples about 95 % hold the true mean (a skewed one loses a little)."""
    truth = math.exp(3 + 0.7**2 / 2)
    held = sum(
        low <= truth <= high
        for low, high in (bootstrap_mean(_values(60, seed=n), seed=1) for n in range(200))
    )
    assert 175 <= held <= 198


@pytest.mark.parametrize("values", [[], [1.0]])
def test_too_few_values(values: list[float]) -> None:
    """One value has no spread, and nobody is told otherwise."""
    with pytest.raises(ValueError, match="at least two"):
        bootstrap_mean(values, seed=1)
    with pytest.raises(ValueError, match="at least two"):
        bootstrap_total(values, seed=1)


def test_denominators_of_nothing() -> None:
    """A ratio to nothing is refused."""
    with pytest.raises(ValueError, match="positive denominator"):
        bootstrap_ratio([1.0, 2.0], [0.0, 0.0], seed=1)


def test_the_smallest_visible_change() -> None:
    """More trials show smaller changes; without a success nothing shows; no share is refused."""
    assert smallest_visible_change(50, 5_000) > smallest_visible_change(500, 50_000)
    assert smallest_visible_change(0, 10) == math.inf
    with pytest.raises(ValueError, match="is no share"):
        smallest_visible_change(3, 2)
