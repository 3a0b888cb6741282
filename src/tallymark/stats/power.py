"""What part of a chance of false alarms each of many tests deserves: where it buys most."""

from __future__ import annotations

import numpy as np

from tallymark.stats.special import Floats, normal_survival

__all__ = ["optimal_levels"]

# Standard deviations between which a test's limit is sought: at 8 a level is 6e-16.
_LIMITS = np.linspace(0.0, 8.0, 65)
_PRICES = 129  # at which the demand for a level is looked up, and interpolated between
_LEAST_EFFECT = 1e-3  # a test that sees nothing: its limit then is a matter of price alone


def optimal_levels(effects: Floats, gains: Floats, level: float) -> Floats:
    """Levels of many one-sided tests, together ``level``, that see most of what is worth seeing.

    Test i meets a change of size s as a normal shift by ``effects[i, s]``, so that with the limit
    z it sees it with the chance P(Z > z - effect). The sum of gains times chances is greatest,
    given the sum of the levels P(Z > z), where the last bit of level buys equally much
    everywhere (Spjotvoll 1972; Roeder and Wasserman 2009 call the levels weights):

        sum over s of gain * exp(effect * z - effect^2 / 2) = price, the same for every test.

    A change that is far beyond noise is seen at any level, one far below it at none: neither gets
    much. The effects must not come from what is tested itself, or the levels lose their meaning.

    Args:
        effects: Tests x sizes of change, in standard deviations.
        gains: Tests x sizes: what it is worth to see such a change, times how often it comes.
        level: The chance of a false alarm in all of them together, below one half.

    Returns:
        One level for each test; their sum is ``level``.

    >>> import numpy as np
    >>> one = np.ones((3, 1))
    >>> optimal_levels(np.array([[0.5], [3.5], [20.0]]), one, 0.003).round(4).tolist()
    [0.0, 0.003, 0.0]
    """
    shift = np.maximum(effects, _LEAST_EFFECT)[:, :, None]
    worth = np.log(np.maximum(gains, np.finfo(np.float64).tiny))[:, :, None]
    logs = worth + shift * _LIMITS - np.square(shift) / 2.0
    most = logs.max(axis=1)
    paid = most + np.log(np.exp(logs - most[:, None, :]).sum(axis=1))
    prices = np.linspace(float(paid.min()), float(paid.max()), _PRICES)
    limits = np.array([np.interp(prices, one, _LIMITS) for one in paid])
    asked = normal_survival(limits)
    total = np.log(asked.sum(axis=0))
    # the dearer, the less is asked for: turned round, so that interpolation finds the price
    price = float(np.interp(np.log(level), total[::-1], prices[::-1]))
    limit = np.array([np.interp(price, one, _LIMITS) for one in paid])
    found = normal_survival(limit)
    return np.asarray(found * (level / found.sum()), dtype=np.float64)
