"""``scipy.special``: elliptic integrals and functions, Carlson's integrals, hypergeometric functions, Lambert's W and
Wright's functions.

Formulas: NIST DLMF chapters 13, 15, 16, 19, 22; 4.13. The parameter is m = k².
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from gradcheck.autodiff.core import UFUNCS, elementwise, is_complex, plain
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.fallback import numeric_ufunc
from gradcheck.autodiff.rules.scipy.partials import NUMERIC, composed, near_zero, register, register_tuple
from gradcheck.autodiff.rules.scipy.quadrature import carlson

PI = math.pi

# -- Legendre's integrals ----------------------------------------------------------------------------------------------

# The Maclaurin coefficients of K(m)·2/π (DLMF 19.5.1): the squares of (1/2)ₙ/n!.
_K = [math.prod((2 * k - 1) / (2 * k) for k in range(1, n + 1)) ** 2 for n in range(7)]


def _ellipk_slope(m: Any) -> Any:
    """dK/dm = (E − (1−m)K)/(2m(1−m)), DLMF 19.4.1."""
    coefficients = [0.5 * PI * (n + 1) * _K[n + 1] for n in range(6)]
    return near_zero(m, 3e-3, coefficients, lambda v: (sp.ellipe(v) - (1 - v) * sp.ellipk(v)) / (2 * v * (1 - v)))


def _ellipkm1_slope(y: Any, p: Any) -> Any:
    """The same in p = 1 − m, of which a small one is known better than m."""
    near = plain(p) < 0.5
    if not np.any(near):
        return -_ellipk_slope(1.0 - p)
    q = np.where(near, p, 0.25)[()]
    value = np.where(near, y, 1.0)
    small = -(sp.ellipe(1.0 - q) - q * value) / (2.0 * (1.0 - q) * q)
    return np.where(near, small, -_ellipk_slope(np.where(near, 0.5, 1.0 - p)[()]))[()]


def _ellipe_slope(m: Any) -> Any:
    """dE/dm = (E − K)/(2m), DLMF 19.4.2; E = (π/2)·Σ Kₙmⁿ/(1−2n), DLMF 19.5.2."""
    coefficients = [0.5 * PI * (n + 1) * _K[n + 1] / (1 - 2 * (n + 1)) for n in range(6)]
    return near_zero(m, 3e-3, coefficients, lambda v: (sp.ellipe(v) - sp.ellipk(v)) / (2 * v))


def _delta(phi: Any, m: Any) -> Any:
    return np.sqrt(1.0 - m * np.sin(phi) ** 2)


def _elliptic_d(phi: Any, m: Any) -> Any:
    """D(φ, m) = ∫₀^φ sin²θ/Δ dθ = (F − E)/m by Carlson's R_D (DLMF 19.25.13), which does not cancel at small m.

    D(φ + nπ) = D(φ) + 2n·D(π/2).
    """
    turns = np.round(plain(phi) / PI)
    angle = phi - PI * turns
    s, c = np.sin(angle), np.cos(angle)
    part = s**3 / 3.0 * sp.elliprd(c * c, 1.0 - m * s * s, 1.0)
    if not np.any(turns):
        return part
    return part + 2.0 * turns * sp.elliprd(0.0, 1.0 - m, 1.0) / 3.0


def ellipkinc_m(y: Any, phi: Any, m: Any) -> Any:
    """∂F/∂m, DLMF 19.4.5, with F − E = mD put in."""
    return (y - _elliptic_d(phi, m) - np.sin(phi) * np.cos(phi) / _delta(phi, m)) / (2.0 * (1.0 - m))


register(sp.ellipk, (lambda _y, m: _ellipk_slope(m),))
register(sp.ellipkm1, (_ellipkm1_slope,))
register(sp.ellipe, (lambda _y, m: _ellipe_slope(m),))
register(sp.ellipkinc, (lambda _y, phi, m: 1.0 / _delta(phi, m), ellipkinc_m))
register(sp.ellipeinc, (lambda _y, phi, m: _delta(phi, m), lambda _y, phi, m: -0.5 * _elliptic_d(phi, m)))

# -- Jacobi's functions, DLMF 22.13.1–3; the amplitude's ∂/∂m from F(am(u, m), m) = u ----------------------------------


def _amplitude_m(u: Any, m: Any) -> Any:
    _, _, dn, amplitude = sp.ellipj(u, m)
    return -dn * ellipkinc_m(u, amplitude, m)


def _sn_m(_y: Any, u: Any, m: Any) -> Any:
    return sp.ellipj(u, m)[1] * _amplitude_m(u, m)


def _cn_m(_y: Any, u: Any, m: Any) -> Any:
    return -sp.ellipj(u, m)[0] * _amplitude_m(u, m)


def _dn_m(y: Any, u: Any, m: Any) -> Any:
    sn, cn, _, _ = sp.ellipj(u, m)
    return -(sn * sn + 2.0 * m * sn * cn * _amplitude_m(u, m)) / (2.0 * y)


def _sn_u(_y: Any, u: Any, m: Any) -> Any:
    _, cn, dn, _ = sp.ellipj(u, m)
    return cn * dn


def _cn_u(_y: Any, u: Any, m: Any) -> Any:
    sn, _, dn, _ = sp.ellipj(u, m)
    return -sn * dn


def _dn_u(_y: Any, u: Any, m: Any) -> Any:
    sn, cn, _, _ = sp.ellipj(u, m)
    return -m * sn * cn


register_tuple(
    sp.ellipj,
    (_sn_u, _sn_m),
    (_cn_u, _cn_m),
    (_dn_u, _dn_m),
    (lambda _y, u, m: sp.ellipj(u, m)[2], lambda _y, u, m: _amplitude_m(u, m)),
)


def _agm(a: Any, b: Any) -> Any:
    """(π/4)(a+b)/K(((a−b)/(a+b))²), DLMF 19.8.5."""
    u = (a - b) / (a + b)
    return 0.25 * PI * (a + b) / sp.ellipk(u * u)


register(sp.agm, composed(_agm, 2))

# -- Carlson's integrals: 19.16.1, 19.16.2, 19.16.5, 19.16.6, 19.18.1; their derivatives are integrals of the same kind


def _carlson_partials(factor: float, power: int, exponents: tuple[float, ...]) -> list[Any]:
    """Partials of factor·∫ tᵐ Π(t + xᵢ)^(−pᵢ) dt."""

    def make(i: int) -> Any:
        raised = (*exponents[:i], exponents[i] + 1.0, *exponents[i + 1 :])

        def partial(_y: Any, *args: Any) -> Any:
            return -factor * exponents[i] * carlson(power, raised)(*args)

        return partial

    return [make(i) for i in range(len(exponents))]


def _rg_partial(i: int) -> Any:
    """∂R_G/∂x = (1/8) ∫ t (t+x)^(−3/2) ((t+y)(t+z))^(−1/2) dt, from R_G = R_{1/2}(½, ½, ½; x, y, z), DLMF 19.18.1."""
    exponents = tuple(1.5 if k == i else 0.5 for k in range(3))
    return lambda _y, *args: 0.125 * carlson(1, exponents)(*args)


def _rc_partials() -> list[Any]:
    """R_C, also for y < 0, where it is a principal value: its differential equation and homogeneity (DLMF 19.6)."""
    smooth = _carlson_partials(0.5, 0, (0.5, 1.0))

    def in_x(value: Any, x: Any, y: Any) -> Any:
        negative = plain(y) < 0
        if not np.any(negative):
            return smooth[0](value, x, y)
        below = (value - 1.0 / np.sqrt(x)) / (2.0 * (np.where(negative, y, -1.0) - x))
        return np.where(negative, below, smooth[0](value, x, np.where(negative, 1.0, y)))[()]

    def in_y(value: Any, x: Any, y: Any) -> Any:
        negative = plain(y) < 0
        if not np.any(negative):
            return smooth[1](value, x, y)
        below = -(0.5 * value + x * in_x(value, x, y)) / np.where(negative, y, -1.0)
        return np.where(negative, below, smooth[1](value, x, np.where(negative, 1.0, y)))[()]

    return [in_x, in_y]


def _real_only(ufunc: Any, partials: list[Any]) -> None:
    register(ufunc, partials)
    rule = UFUNCS[ufunc]

    def handler(*args: Any) -> Any:
        if any(is_complex(a) for a in args):
            raise unsupported(f"no derivative rule for scipy.special.{ufunc.__name__} of complex arguments")
        return elementwise(rule, args)  # type: ignore[arg-type]

    UFUNCS[ufunc] = handler


_real_only(sp.elliprc, _rc_partials())
_real_only(sp.elliprf, _carlson_partials(0.5, 0, (0.5, 0.5, 0.5)))
_real_only(sp.elliprd, _carlson_partials(1.5, 0, (0.5, 0.5, 1.5)))
_real_only(sp.elliprg, [_rg_partial(i) for i in range(3)])


_real_only(sp.elliprj, _carlson_partials(1.5, 0, (0.5, 0.5, 0.5, 1.0)))
_SMOOTH_RJ = UFUNCS[sp.elliprj]


def _elliprj(x: Any, y: Any, z: Any, p: Any) -> Any:
    """For p < 0, a principal value, by differences."""
    rule = _SMOOTH_RJ if np.all(plain(p) >= 0) else numeric_ufunc(sp.elliprj)
    return rule(x, y, z, p)


UFUNCS[sp.elliprj] = _elliprj

# -- hypergeometric functions: DLMF 15.5.1, 13.3.15, 16.3.1, 13.3.22; their parameters are numeric ---------------------

register(
    sp.hyp2f1,
    (NUMERIC, NUMERIC, NUMERIC, lambda _y, a, b, c, z: (a * b / c) * sp.hyp2f1(a + 1.0, b + 1.0, c + 1.0, z)),
)
register(sp.hyp1f1, (NUMERIC, NUMERIC, lambda _y, a, b, x: (a / b) * sp.hyp1f1(a + 1.0, b + 1.0, x)))
register(sp.hyp0f1, (NUMERIC, lambda _y, v, z: sp.hyp0f1(v + 1.0, z) / v))
register(sp.hyperu, (NUMERIC, NUMERIC, lambda _y, a, b, x: -a * sp.hyperu(a + 1.0, b + 1.0, x)))

# -- Lambert, Wright: DLMF 4.13.4; Corless & Jeffrey, *The Wright ω function*, 2002; DLMF 10.46.1 ----------------------

# What the Python function lambertw(z, k, tol) calls.
register(
    sp._ufuncs._lambertw,
    (lambda y, _z, _k, _tol: np.exp(-y) / (1.0 + y), None, None),
    name="scipy.special.lambertw",
)
register(sp.wrightomega, (lambda y, _z: y / (1.0 + y),))
# Σ xᵏ/(k! Γ(ak + b)): the derivative in x moves b to a + b.
register(sp.wright_bessel, (NUMERIC, NUMERIC, lambda _y, a, b, x: sp.wright_bessel(a, a + b, x)))
if hasattr(sp, "log_wright_bessel"):
    register(
        sp.log_wright_bessel,
        (NUMERIC, NUMERIC, lambda y, a, b, x: np.exp(sp.log_wright_bessel(a, a + b, x) - y)),
    )
