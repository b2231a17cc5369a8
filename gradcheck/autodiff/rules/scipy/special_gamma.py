"""``scipy.special``: the gamma and beta functions, complete and incomplete, and the zeta function.

Formulas: NIST DLMF chapters 5, 8 and 25; the equation stands beside each line.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from gradcheck.autodiff.core import is_complex, plain
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.partials import NUMERIC, inverse, register
from gradcheck.autodiff.rules.scipy.quadrature import BETAINC, GAMMAINC_A, beta_density, gamma_density

PI = math.pi


def trigamma(x: Any) -> Any:
    """ψ′(x) = ζ(2, x), DLMF 25.11.12; for negative x by reflection, DLMF 5.15.6."""
    value = plain(x)
    if is_complex(value):
        raise unsupported("a second derivative of the gamma function at a complex argument")
    negative = value <= 0
    if not np.any(negative):
        return sp.zeta(2.0, x)
    right = sp.zeta(2.0, np.where(negative, 1.0 - x, x)[()])
    return np.where(negative, (PI / np.sin(PI * np.where(negative, x, 0.5))) ** 2 - right, right)[()]


def _rgamma_slope(y: Any, x: Any) -> Any:
    """−ψ/Γ, and (−1)ⁿ n! at the poles −n of Γ, where the product is 0·∞ (DLMF 5.2.1)."""
    value = plain(x)
    if is_complex(value):
        return -y * sp.psi(x)
    pole = (value <= 0) & (value == np.floor(value))
    if not np.any(pole):
        return -y * sp.psi(x)
    n = np.where(pole, -value, 0.0)
    at_pole = np.where(n % 2 == 0, 1.0, -1.0) * sp.gamma(n + 1.0)
    return np.where(pole, at_pole, -y * sp.psi(np.where(pole, 1.0, x)[()]))[()]


# Incomplete functions whose value is another one's complement, with all partials written by the complement's.
_GAMMAINC = (lambda _y, a, x: GAMMAINC_A(a, x), lambda _y, a, x: gamma_density(a, x))
_GAMMAINCC = (lambda _y, a, x: -GAMMAINC_A(a, x), lambda _y, a, x: -gamma_density(a, x))
_BETAINC = (
    lambda _y, a, b, x: BETAINC["a"](a, b, x),
    lambda _y, a, b, x: BETAINC["b"](a, b, x),
    lambda _y, a, b, x: beta_density(a, b, x),
)
_BETAINCC = (
    lambda _y, a, b, x: -BETAINC["a"](a, b, x),
    lambda _y, a, b, x: -BETAINC["b"](a, b, x),
    lambda _y, a, b, x: -beta_density(a, b, x),
)

TABLE: dict[str, Any] = {
    # DLMF 5.2.2, 5.9, 5.12
    "gamma": (lambda y, x: y * sp.psi(x),),
    "gammaln": (lambda _y, x: sp.psi(x),),
    "loggamma": (lambda _y, x: sp.psi(x),),
    "gammasgn": (None,),
    "rgamma": (_rgamma_slope,),
    "psi": (lambda _y, x: trigamma(x),),
    "beta": (lambda y, a, b: y * (sp.psi(a) - sp.psi(a + b)), lambda y, a, b: y * (sp.psi(b) - sp.psi(a + b))),
    "betaln": (lambda _y, a, b: sp.psi(a) - sp.psi(a + b), lambda _y, a, b: sp.psi(b) - sp.psi(a + b)),
    "binom": (lambda y, n, k: y * (sp.psi(n + 1.0) - sp.psi(n - k + 1.0)),
              lambda y, n, k: y * (sp.psi(n - k + 1.0) - sp.psi(k + 1.0))),
    "poch": (lambda y, z, m: y * (sp.psi(z + m) - sp.psi(z)), lambda y, z, m: y * sp.psi(z + m)),
    # DLMF 8.8.13, 8.17.1
    "gammainc": _GAMMAINC,
    "gammaincc": _GAMMAINCC,
    "gammaincinv": inverse(sp.gammainc, 2, 1, 1),
    "gammainccinv": inverse(sp.gammaincc, 2, 1, 1),
    "betainc": _BETAINC,
    "betaincc": _BETAINCC,
    "betaincinv": inverse(sp.betainc, 3, 2, 2),
    "betainccinv": inverse(sp.betaincc, 3, 2, 2),
    "zetac": (NUMERIC,),
}  # fmt: skip

for _name, _partials in TABLE.items():
    register(getattr(sp, _name), _partials)
# What the Python function zeta calls: zeta(s) and zeta(s, q). DLMF 25.11.17.
register(sp._ufuncs._zeta, (NUMERIC, lambda _y, s, q: -s * sp.zeta(s + 1.0, q)), name="scipy.special.zeta")
register(sp._ufuncs._riemann_zeta, (NUMERIC,), name="scipy.special.zeta")
