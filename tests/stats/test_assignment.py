from __future__ import annotations

import itertools
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from tallymark.stats.assignment import best_pairs, total

GAINS = st.integers(0, 4).flatmap(
    lambda width: st.lists(
        st.lists(
            st.integers(-4, 9).map(float) | st.just(-math.inf), min_size=width, max_size=width
        ),
        max_size=4,
    )
)


def _every_pairing(gains: list[list[float]]) -> float:
    """The greatest total, by trying everything."""
    width = len(gains[0]) if gains else 0
    choices = [[None, *range(width)] for _ in gains]
    best = 0.0
    for pairing in itertools.product(*choices):
        used = [column for column in pairing if column is not None]
        if len(used) == len(set(used)):
            best = max(best, total(gains, list(pairing)))
    return best


@settings(max_examples=150)
@given(GAINS)
def test_no_pairing_gains_more(gains: list[list[float]]) -> None:
    """The pairing is allowed, and no other one gains more."""
    pairs = best_pairs(gains)
    used = [column for column in pairs if column is not None]
    assert len(pairs) == len(gains)
    assert len(used) == len(set(used))
    assert all(gains[row][column] > 0 for row, column in enumerate(pairs) if column is not None)
    assert total(gains, pairs) == _every_pairing(gains)
