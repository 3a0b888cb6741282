"""The few special functions used here, typed; the only place that imports SciPy.

``scipy.special`` loads in a third of a second, ``scipy.stats`` in two seconds: hence the former,
and only where a function is called.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Floats",
    "beta_cdf",
    "chi_square_quantile",
    "chi_square_survival",
    "digamma",
    "log_gamma",
    "normal_quantile",
    "normal_survival",
    "normal_tail",
    "poisson_tails",
    "student_cdf",
    "student_quantile",
    "trigamma",
]

Floats = NDArray[np.float64]


def _special() -> ModuleType:
    from scipy import special  # noqa: PLC0415 -- a third of a second that most commands save

    found: ModuleType = special
    return found


def beta_cdf(a: Floats, b: Floats, x: Floats) -> Floats:
    """P(Beta(a, b) <= x): the regularised incomplete beta function."""
    return np.asarray(_special().betainc(a, b, x), dtype=np.float64)


def chi_square_quantile(freedom: float, probability: Floats) -> Floats:
    """The value below which a chi-square variable falls with ``probability``."""
    return np.asarray(2.0 * _special().gammaincinv(freedom / 2.0, probability), dtype=np.float64)


def chi_square_survival(freedom: float, x: float) -> float:
    """P(X > x) of a chi-square variable."""
    return float(_special().chdtrc(freedom, x))


def digamma(x: Floats) -> Floats:
    """The derivative of the logarithm of the gamma function, for x > 0."""
    return np.asarray(_special().psi(x), dtype=np.float64)


def log_gamma(x: Floats) -> Floats:
    """The logarithm of the gamma function."""
    return np.asarray(_special().gammaln(x), dtype=np.float64)


def normal_quantile(probability: float) -> float:
    """The value below which a standard normal falls with ``probability``."""
    return float(_special().ndtri(probability))


def normal_survival(x: Floats) -> Floats:
    """P(Z > x) of a standard normal, of many values."""
    return np.asarray(_special().ndtr(-x), dtype=np.float64)


def normal_tail(x: float) -> float:
    """P(Z > x) of a standard normal."""
    return float(_special().ndtr(-x))


def poisson_tails(observed: int, mean: float) -> tuple[float, float]:
    """P(Y <= observed) and P(Y >= observed) of a Poisson variable."""
    upper = 1.0 if observed <= 0 else float(_special().gammainc(observed, mean))
    return float(_special().gammaincc(observed + 1, mean)), upper


def student_cdf(freedom: float, x: float) -> float:
    """P(T <= x) of Student's t."""
    return float(_special().stdtr(freedom, x))


def student_quantile(freedom: float, probability: float) -> float:
    """The value below which Student's t falls with ``probability``."""
    return float(_special().stdtrit(freedom, probability))


def trigamma(x: Floats) -> Floats:
    """The second derivative of the logarithm of the gamma function, for x > 0."""
    return np.asarray(_special().zeta(2.0, x), dtype=np.float64)
