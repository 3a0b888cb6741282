"""Has the mix changed: one test over all shares of a whole."""

from __future__ import annotations

import numpy as np

from tallymark.stats.special import Floats, chi_square_survival, normal_tail

__all__ = ["mix_surprise"]

_BOTH = 2.0  # two ways of asking, each paid for


def mix_surprise(scores: Floats, shares: Floats) -> float:
    """The chance of so great a difference of a whole distribution when nothing has changed.

    Each kind's count of n visits has a standardised residual z, that of a beta-binomial, whose
    dispersion is the kind's own. If all kinds have the same dispersion, the sum of (1 - p) z^2 is
    Pearson's chi-squared of a Dirichlet-multinomial, divided by it (Mosimann 1962; Rao and Scott
    1981): chi-squared with one degree of freedom less than there are kinds. The sum sees a shift
    spread over kinds; the largest residual, paid for by the number of kinds (Bonferroni), sees one
    kind that moved alone. The smaller counts, doubled.

    Args:
        scores: Standardised residual of each kind.
        shares: Expected share of each kind.

    Returns:
        A p-value; 1 with fewer than two kinds.

    >>> import numpy as np
    >>> shares = np.array([0.5, 0.3, 0.2])
    >>> round(mix_surprise(np.array([0.1, -0.2, 0.1]), shares), 2)
    1.0
    >>> mix_surprise(np.array([4.0, -4.0, 0.0]), shares) < 1e-3
    True
    """
    kinds = len(scores)
    if kinds < 2:  # noqa: PLR2004 -- one kind is always all there is
        return 1.0
    total = float(np.sum((1.0 - shares) * np.square(scores)))
    spread_out = chi_square_survival(kinds - 1.0, total)
    alone = 2.0 * kinds * normal_tail(float(np.max(np.abs(scores))))
    return min(1.0, _BOTH * min(spread_out, alone))
