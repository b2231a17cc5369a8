"""``scipy.special``: Bessel functions and their kin: modified, spherical, scaled, Kelvin, Airy, Struve, integrals.

The derivative in the argument is exact, to any order; that in a real order v is numeric, and labelled so.

Formulas: NIST DLMF 9.2, 9.10, 10.6, 10.29, 10.51, 10.61, 10.63, 11.4.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from gradcheck.autodiff.core import UFUNCS, is_complex, plain
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.partials import NUMERIC, near_zero, register, register_tuple

PI = math.pi


def _sign(x: Any) -> Any:
    return np.sign(plain(x))


# DLMF 10.6.1, 10.6.3; modified 10.29.1, 10.29.3
ONE: dict[str, Any] = {
    "j0": lambda _y, x: -sp.j1(x),
    "j1": lambda _y, x: 0.5 * (sp.j0(x) - sp.jv(2, x)),
    "y0": lambda _y, x: -sp.y1(x),
    "y1": lambda _y, x: 0.5 * (sp.y0(x) - sp.yv(2, x)),
    "i0": lambda _y, x: sp.i1(x),
    "i1": lambda _y, x: 0.5 * (sp.i0(x) + sp.iv(2, x)),
    "i0e": lambda y, x: sp.i1e(x) - _sign(x) * y,
    "i1e": lambda y, x: 0.5 * (sp.i0e(x) + sp.ive(2, x)) - _sign(x) * y,
    "k0": lambda _y, x: -sp.k1(x),
    "k1": lambda _y, x: -0.5 * (sp.k0(x) + sp.kv(2, x)),
    "k0e": lambda y, x: y - sp.k1e(x),
    "k1e": lambda y, x: y - 0.5 * (sp.k0e(x) + sp.kve(2, x)),
    # Kelvin functions: DLMF 10.61.3 with 10.61.1, 10.63.2
    "ber": lambda _y, x: sp.berp(x),
    "bei": lambda _y, x: sp.beip(x),
    "ker": lambda _y, x: sp.kerp(x),
    "kei": lambda _y, x: sp.keip(x),
    "berp": lambda y, x: -sp.bei(x) - _over(y, x, 0.0),
    "beip": lambda y, x: sp.ber(x) - _over(y, x, 0.5),
    "kerp": lambda y, x: -sp.kei(x) - y / x,
    "keip": lambda y, x: sp.ker(x) - y / x,
    # integrals: of the Struve functions, DLMF 11.7
    "itstruve0": lambda _y, x: sp.struve(0.0, x),
    "it2struve0": lambda _y, x: -sp.struve(0.0, x) / x,
    "itmodstruve0": lambda _y, x: sp.modstruve(0.0, x),
}
REAL_ONLY = ("i0e", "i1e", "ive", "jve", "yve")


def _over(y: Any, x: Any, limit: float) -> Any:
    """y/x, with the limit at x = 0."""
    zero = plain(x) == 0
    return np.where(zero, limit, y / np.where(zero, 1.0, x))[()] if np.any(zero) else y / x


for _name, _slope in ONE.items():
    register(getattr(sp, _name), (_slope,), real=_name in REAL_ONLY)


def _difference(name: str) -> Any:
    f = getattr(sp, name)
    return lambda _y, v, x: 0.5 * (f(v - 1, x) - f(v + 1, x))


def _struve_term(v: Any, x: Any) -> Any:
    """(x/2)ᵛ/(√π Γ(v + 3/2)), DLMF 11.4.24."""
    return np.power(0.5 * x, v) * sp.rgamma(v + 1.5) / math.sqrt(PI)


def _struve_slope(_y: Any, v: Any, x: Any) -> Any:
    return 0.5 * (sp.struve(v - 1.0, x) - sp.struve(v + 1.0, x) + _struve_term(v, x))


def _modstruve_slope(_y: Any, v: Any, x: Any) -> Any:
    return 0.5 * (sp.modstruve(v - 1.0, x) + sp.modstruve(v + 1.0, x) + _struve_term(v, x))


ORDER: dict[str, Any] = {
    **{name: _difference(name) for name in ("jv", "yv", "jve", "yve", "hankel1", "hankel2")},
    "iv": lambda _y, v, x: 0.5 * (sp.iv(v - 1, x) + sp.iv(v + 1, x)),
    "ive": lambda y, v, x: 0.5 * (sp.ive(v - 1, x) + sp.ive(v + 1, x)) - _sign(x) * y,
    "kv": lambda _y, v, x: -0.5 * (sp.kv(v - 1, x) + sp.kv(v + 1, x)),
    "kve": lambda y, v, x: y - 0.5 * (sp.kve(v - 1, x) + sp.kve(v + 1, x)),
    "hankel1e": lambda y, v, z: 0.5 * (sp.hankel1e(v - 1, z) - sp.hankel1e(v + 1, z)) - 1j * y,
    "hankel2e": lambda y, v, z: 0.5 * (sp.hankel2e(v - 1, z) - sp.hankel2e(v + 1, z)) + 1j * y,
    "struve": _struve_slope,
    "modstruve": _modstruve_slope,
}
for _name, _slope in ORDER.items():
    register(getattr(sp, _name), (NUMERIC, _slope), real=_name in REAL_ONLY)
# The order is an integer: of a float SciPy takes the integer part.
# SciPy cuts their order to an integer.
register(sp.yn, (None, lambda _y, n, x: 0.5 * (sp.yv(np.trunc(n) - 1.0, x) - sp.yv(np.trunc(n) + 1.0, x))))
register(sp.kn, (None, lambda _y, n, x: -0.5 * (sp.kv(np.trunc(n) - 1.0, x) + sp.kv(np.trunc(n) + 1.0, x))))
# ∫₀¹ tᵏ J_v(2at) dt
register(
    sp.besselpoly,
    (lambda y, a, k, v: v * y / a - 2.0 * sp.besselpoly(a, k + 1.0, v + 1.0), NUMERIC, NUMERIC),
)


# -- several values ----------------------------------------------------------------------------------------------------


# Ai, Ai′, Bi, Bi′ with w″ = xw: DLMF 9.2.1.
register_tuple(
    sp.airy,
    (lambda _y, x: sp.airy(x)[1],),
    (lambda _y, x: x * sp.airy(x)[0],),
    (lambda _y, x: sp.airy(x)[3],),
    (lambda _y, x: x * sp.airy(x)[2],),
)
# Scaled by exp(±2/3·x^(3/2)), of which only the real part counts for Bi: for x < 0 there is no scale.


def _root(x: Any) -> Any:
    positive = plain(x) > 0
    return np.where(positive, np.sqrt(np.where(positive, x, 1.0)), 0.0)[()]


register_tuple(
    sp.airye,
    (lambda y, x: sp.airye(x)[1] + np.sqrt(x) * y,),
    (lambda y, x: x * sp.airye(x)[0] + np.sqrt(x) * y,),
    (lambda y, x: sp.airye(x)[3] - _root(x) * y,),
    (lambda y, x: x * sp.airye(x)[2] - _root(x) * y,),
)
_AIRYE = UFUNCS[sp.airye]


def _airye(z: Any) -> Any:
    if is_complex(z):
        raise unsupported("scipy.special.airye of a complex argument, which has no complex derivative")
    return _AIRYE(z)


UFUNCS[sp.airye] = _airye
register_tuple(
    sp.itairy,
    (lambda _y, x: sp.airy(x)[0],),
    (lambda _y, x: sp.airy(x)[2],),
    (lambda _y, x: sp.airy(-x)[0],),
    (lambda _y, x: sp.airy(-x)[2],),
)
register_tuple(sp.itj0y0, (lambda _y, x: sp.j0(x),), (lambda _y, x: sp.y0(x),))
register_tuple(sp.iti0k0, (lambda _y, x: sp.i0(x),), (lambda _y, x: sp.k0(x),))


def _j0_quotient(x: Any) -> Any:
    """(1 − J₀(x))/x, DLMF 10.2.2."""
    return near_zero(x, 0.05, [0.0, 1 / 4, 0.0, -1 / 64, 0.0, 1 / 2304], lambda v: (1.0 - sp.j0(v)) / v)


def _i0_quotient(x: Any) -> Any:
    """(I₀(x) − 1)/x, DLMF 10.25.2."""
    return near_zero(x, 0.05, [0.0, 1 / 4, 0.0, 1 / 64, 0.0, 1 / 2304], lambda v: (sp.i0(v) - 1.0) / v)


register_tuple(sp.it2j0y0, (lambda _y, x: _j0_quotient(x),), (lambda _y, x: -sp.y0(x) / x,))
register_tuple(sp.it2i0k0, (lambda _y, x: _i0_quotient(x),), (lambda _y, x: -sp.k0(x) / x,))


def kelvin(x: Any) -> Any:
    """Be, Ke, Be′, Ke′: pairs of Kelvin functions as complex numbers."""
    return (
        sp.ber(x) + 1j * sp.bei(x),
        sp.ker(x) + 1j * sp.kei(x),
        sp.berp(x) + 1j * sp.beip(x),
        sp.kerp(x) + 1j * sp.keip(x),
    )


UFUNCS[sp.kelvin] = kelvin
