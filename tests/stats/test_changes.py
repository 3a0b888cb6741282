from __future__ import annotations

import numpy as np

from tallymark.stats.changes import changed_stretch
from tallymark.stats.mix import mix_shift


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


def test_the_same_mix_is_no_surprise() -> None:
    """A day like all days before has a large p-value."""
    history = np.tile(np.array([300.0, 200.0, 100.0]), (10, 1))
    found = mix_shift(np.array([310.0, 195.0, 95.0]), history, np.ones(10), prior=0.002)
    assert found is not None
    assert found.p > 0.3


def test_a_channel_that_vanishes_is_seen() -> None:
    """A day without one of three kinds has a tiny p-value, even a kind never seen before."""
    history = np.tile(np.array([300.0, 200.0, 100.0, 0.0]), (10, 1))
    found = mix_shift(np.array([0.0, 200.0, 100.0, 300.0]), history, np.ones(10), prior=0.002)
    assert found is not None
    assert found.p < 1e-4


def test_a_mix_that_always_swings_is_allowed_to_swing() -> None:
    """The dispersion learned from a restless history makes the same day less surprising."""
    rng = np.random.default_rng(9)
    calm = rng.multinomial(1000, [0.5, 0.3, 0.2], size=20).astype(float)
    wild = np.array([rng.multinomial(1000, rng.dirichlet([10, 6, 4])) for _ in range(20)], float)
    today = np.array([380.0, 380.0, 240.0])
    surprised = [mix_shift(today, past, np.ones(20), prior=0.001) for past in (calm, wild)]
    assert surprised[0] is not None
    assert surprised[1] is not None
    assert surprised[0].p < 1e-3
    assert surprised[1].p > 0.05


def test_one_kind_is_no_mix() -> None:
    """With one kind, or with nothing today, there is nothing to compare."""
    assert mix_shift(np.array([5.0]), np.array([[5.0]]), np.ones(1), prior=0.01) is None
    assert mix_shift(np.zeros(2), np.ones((3, 2)), np.ones(3), prior=0.01) is None
