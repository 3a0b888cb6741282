from __future__ import annotations

import numpy as np
import pytest

from tallymark.stats.mix import mix_surprise

SHARES = np.array([0.4, 0.3, 0.2, 0.1])


def test_the_same_mix_is_no_surprise() -> None:
    """Residuals within a standard deviation have a large p-value."""
    assert mix_surprise(np.array([0.6, -0.4, 0.1, -0.5]), SHARES) > 0.3


def test_one_kind_alone_is_seen() -> None:
    """Five deviations of one kind are a surprise, whatever the others do."""
    assert mix_surprise(np.array([0.0, 0.3, -0.2, -5.0]), SHARES) < 1e-4


def test_a_shift_spread_over_kinds_is_seen() -> None:
    """Each kind within bounds, all of them together not: the sum sees it."""
    found = mix_surprise(np.array([2.6, -2.6, 2.6, -2.6]), SHARES)
    alone = mix_surprise(np.array([2.6, 0.0, 0.0, 0.0]), SHARES)
    assert found < 0.001 < alone


def test_one_kind_is_no_mix() -> None:
    """With one kind there is nothing to compare."""
    assert mix_surprise(np.array([9.0]), np.array([1.0])) == 1.0


def test_false_alarms_are_no_more_than_promised() -> None:
    """Multinomial mixes that never change fall below 5 % at most 5 % of the time."""
    rng = np.random.default_rng(5)
    counts = rng.multinomial(2000, SHARES, size=4000)
    scores = (counts - 2000 * SHARES) / np.sqrt(2000 * SHARES * (1 - SHARES))
    found = np.array([mix_surprise(row, SHARES) for row in scores])
    assert float(np.mean(found < 0.05)) == pytest.approx(0.035, abs=0.02)
