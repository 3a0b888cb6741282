"""SciPy's functions by themselves: the same values, and the package unharmed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import special as package

from tallymark.stats import special

FRESH = """
import sys
import numpy as np
from tallymark.stats.special import beta_cdf, student_cdf
one = beta_cdf(np.array([2.0]), np.array([3.0]), np.array([0.4]))[0]
assert "scipy.special" not in sys.modules, "the package was loaded"
import scipy.special
import scipy.stats
assert scipy.special.betainc(2.0, 3.0, 0.4) == one
assert scipy.special.logsumexp([0.0, 0.0]) > 0.69
assert abs(scipy.stats.t(5).cdf(1.5) - student_cdf(5, 1.5)) < 1e-12
assert scipy.special._ufuncs.betainc is scipy.special.betainc
"""


def test_alone_in_a_fresh_process() -> None:
    """The functions come without the package, which can be loaded afterwards as ever."""
    done = subprocess.run(
        [sys.executable, "-c", FRESH], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", special._USED)
def test_the_same_functions(name: str) -> None:
    """Whatever this SciPy is, what would be loaded alone is what the package gives."""
    from scipy.special import _ufuncs  # noqa: PLC0415 -- the private name that is relied on

    assert getattr(_ufuncs, name) is getattr(package, name)


@pytest.mark.parametrize("x", [0.1, 1.0, 2.5, 40.0, 1e6])
def test_the_trigamma_function(x: float) -> None:
    """That of the package, whichever zeta it is made of."""
    assert special.trigamma(np.array([x]))[0] == package.polygamma(1, x)


def test_known_values() -> None:
    """Of textbooks: the median of a symmetric beta, two standard deviations, five degrees."""
    half = np.array([0.5])
    assert special.beta_cdf(np.array([7.0]), np.array([7.0]), half)[0] == pytest.approx(0.5)
    assert special.normal_tail(1.959964) == pytest.approx(0.025, abs=1e-6)
    assert special.student_quantile(5, 0.975) == pytest.approx(2.570582, abs=1e-6)
    assert special.chi_square_survival(1, 3.841459) == pytest.approx(0.05, abs=1e-6)
