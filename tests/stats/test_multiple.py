from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tallymark.stats.multiple import benjamini_hochberg, simes


def test_benjamini_and_hochberg_believe_four() -> None:
    """The fifteen p-values of Benjamini and Hochberg (1995), section 3: four are believed."""
    values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240,
              0.4262, 0.5719, 0.6528, 0.7590, 1.0]  # fmt: skip
    assert benjamini_hochberg(values, 0.05) == [True] * 4 + [False] * 11


def test_the_order_of_questions_does_not_matter() -> None:
    """Beliefs follow their p-values, and are those of scipy.stats.false_discovery_control."""
    values = list(np.random.default_rng(2).uniform(0, 0.2, 40))
    reference = stats.false_discovery_control(values) <= 0.1
    assert benjamini_hochberg(values, 0.1) == reference.tolist()


def test_simes_is_the_smallest_adjusted_value() -> None:
    """Simes (1986): the minimum of n p(i) / i; 1 without questions."""
    assert simes([0.01, 0.02, 0.9]) == pytest.approx(0.03)
    assert simes([]) == 1.0


def test_nothing_asked_nothing_believed() -> None:
    """No p-values, no beliefs; and a p-value of 0 is always believed."""
    assert benjamini_hochberg([], 0.05) == []
    assert benjamini_hochberg([0.0, 0.9], 0.05) == [True, False]
