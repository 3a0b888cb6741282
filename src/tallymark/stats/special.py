"""The few special functions used here, typed; the only place that imports SciPy.

``scipy.stats`` loads in two seconds, and these are loaded only where one is called.
"""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

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
_USED = (
    "betainc",
    "chdtrc",
    "gammainc",
    "gammaincc",
    "gammaincinv",
    "gammaln",
    "ndtr",
    "ndtri",
    "psi",
    "stdtr",
    "stdtrit",
)
_ZETA = "_zeta"  # of two arguments; the package's ``zeta`` takes one as well


@functools.cache
def _special() -> Any:
    """SciPy's special functions: the compiled ones alone, where these can be had by themselves.

    Of the third of a second that ``import scipy.special`` takes, a quarter is theirs; the rest
    wraps them for other array libraries, for which half of NumPy is loaded. So they are loaded as
    if the package were empty (decision 0028). If a SciPy does not have them there, or the package
    is loaded anyway, it is the package that is used.
    """
    import scipy  # noqa: PLC0415 -- most commands need none of it

    package = f"{scipy.__name__}.special"
    if package not in sys.modules:
        bare = ModuleType(package)
        bare.__path__ = [str(Path(folder) / "special") for folder in scipy.__path__]
        sys.modules[package] = bare
        try:
            found = importlib.import_module(f"{package}._ufuncs")
        except ImportError:
            found = None
        finally:
            del sys.modules[package]
        if found is not None and all(hasattr(found, name) for name in (*_USED, _ZETA)):
            return found
    return importlib.import_module(package)


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
    functions = _special()
    zeta = getattr(functions, _ZETA, None) or functions.zeta
    return np.asarray(zeta(2.0, x), dtype=np.float64)
