from __future__ import annotations

import numpy as np

from tallymark.stats.changes import changed_stretch


def test_a_burst_is_dated_to_its_slot() -> None:
    """A rate that jumps in slot 31 and falls back in slot 40 is found there."""
    rng = np.random.default_rng(1)
    exposure = np.full(48, 150.0)
    rate = np.full(48, 0.01)
    rate[31:40] = 0.15
    counts = rng.binomial(150, rate).astype(float)
    assert changed_stretch(counts, exposure, upward=True, binomial=True) == (31, 40)


def test_a_fall_is_not_mistaken_for_a_rise() -> None:
    """Looking for a lower rate finds the low stretch, looking for a higher one its outside."""
    counts = np.array([50.0] * 10 + [5.0] * 6 + [50.0] * 8)
    exposure = np.full(24, 50.0)
    assert changed_stretch(counts, exposure, upward=False, binomial=False) == (10, 16)


def test_noise_has_no_beginning() -> None:
    """A steady rate yields no stretch, and nothing to divide yields none."""
    counts = np.random.default_rng(8).poisson(20, 48).astype(float)
    assert changed_stretch(counts, np.full(48, 20.0), upward=True, binomial=False) is None
    assert changed_stretch(np.zeros(5), np.zeros(5), upward=True, binomial=True) is None
    assert changed_stretch(np.ones(1), np.ones(1), upward=True, binomial=True) is None


def test_the_preferred_start_wins_when_nothing_tells_against_it() -> None:
    """Two quiet slots before midnight do not move a fall that is as well dated to midnight."""
    counts = np.array([5.0] * 22 + [4.0, 5.0] + [0.0] * 24)
    found = changed_stretch(
        counts, np.full(48, 5.0), upward=False, binomial=False, reaching=24, preferred=24
    )
    assert found == (24, 48)
