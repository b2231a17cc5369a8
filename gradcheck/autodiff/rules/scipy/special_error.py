"""``scipy.special``: error functions, the normal and the logistic distribution, entropies, losses, transforms and
elementary functions.

Formulas: NIST DLMF 7.2, 7.10, 7.17, 7.19; the rest by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from gradcheck.autodiff.core import UFUNCS, plain
from gradcheck.autodiff.rules.scipy.partials import composed, near_zero, ratio, register, register_tuple
from gradcheck.autodiff.rules.scipy.quadrature import log1p_ratio

PI = math.pi
ROOT_PI = math.sqrt(PI)
ROOT_2 = math.sqrt(2.0)
LN2, LN10 = math.log(2.0), math.log(10.0)
DEGREE = PI / 180.0


# -- quotients that cancel ---------------------------------------------------------------------------------------------


def exprel_slope(u: Any) -> Any:
    """(u·eᵘ − (eᵘ − 1))/u², the derivative of (eᵘ − 1)/u: Σ uᵏ/(k!(k+2))."""
    coefficients = [1.0 / (math.factorial(k) * (k + 2)) for k in range(8)]
    return near_zero(u, 0.05, coefficients, lambda v: (v * np.exp(v) - np.expm1(v)) / (v * v))


def _log1p_ratio_slope(u: Any) -> Any:
    """(u/(1+u) − log(1+u))/u², the derivative of log(1+u)/u: Σ (−1)ⁿ⁻¹(1 − 1/n)uⁿ⁻², n ≥ 2."""
    coefficients = [(-1.0) ** (n - 1) * (1.0 - 1.0 / n) for n in range(2, 10)]
    return near_zero(u, 0.01, coefficients, lambda v: (v / (1.0 + v) - np.log1p(v)) / (v * v))


def boxcox_lambda(logarithm: Any, lam: Any) -> Any:
    """∂/∂λ (eᵘ − 1)/λ with u = λ·log x."""
    return logarithm * logarithm * exprel_slope(lam * logarithm)


def _inv_boxcox_lambda(grown: Any, y: Any, lam: Any) -> Any:
    """∂/∂λ exp(log(1+λy)/λ)."""
    return grown * y * y * _log1p_ratio_slope(lam * y)


def _pseudo_huber_delta(_y: Any, d: Any, r: Any) -> Any:
    # δ(q−1)²/q with q = √(1+(r/δ)²), which is 2δ(q−1) − r²/(δq) without the cancellation.
    u = (r / d) * (r / d)
    q = np.sqrt(1.0 + u)
    return d * (u / (q + 1.0)) ** 2 / q


def _huber_delta(_y: Any, d: Any, r: Any) -> Any:
    return np.maximum(np.abs(r) - d, 0.0)


def _log_power(x: Any) -> Any:
    """log x, and 0 at x = 0, where it multiplies a power that vanishes."""
    return np.log(np.where(plain(x) == 0, 1.0, x))[()]


# Tukey's lambda distribution by its quantile function (pᴸ − (1−p)ᴸ)/λ. The value is the quantile's inverse.


def _tukey_density(y: Any, lam: Any) -> Any:
    return 1.0 / (y ** (lam - 1.0) + (1.0 - y) ** (lam - 1.0))


def _tukey_x(y: Any, _x: Any, lam: Any) -> Any:
    inside = (plain(y) > 0) & (plain(y) < 1)
    return np.where(inside, _tukey_density(np.where(inside, y, 0.5), lam), 0.0)[()]


def _tukey_lambda(y: Any, _x: Any, lam: Any) -> Any:
    inside = (plain(y) > 0) & (plain(y) < 1)
    p = np.where(inside, y, 0.5)
    slope = boxcox_lambda(np.log(p), lam) - boxcox_lambda(np.log1p(-p), lam)
    return np.where(inside, -slope * _tukey_density(p, lam), 0.0)[()]


def _voigt(x: Any, sigma: Any, gamma: Any) -> Any:
    """Re w((x + iγ)/(σ√2))/(σ√(2π)), DLMF 7.19.3."""
    return np.real(sp.wofz((x + 1j * gamma) / (sigma * ROOT_2))) / (sigma * math.sqrt(2.0 * PI))


def _owens_h(_y: Any, h: Any, a: Any) -> Any:
    return -np.exp(-0.5 * h * h) * sp.erf(a * h / ROOT_2) / (2.0 * math.sqrt(2.0 * PI))


def _owens_a(_y: Any, h: Any, a: Any) -> Any:
    return np.exp(-0.5 * h * h * (1.0 + a * a)) / (2.0 * PI * (1.0 + a * a))


TABLE: dict[str, Any] = {
    # error functions and the normal distribution: DLMF 7.2, 7.10; 7.17.1
    "erf": (lambda _y, x: (2.0 / ROOT_PI) * np.exp(-x * x),),
    "erfc": (lambda _y, x: (-2.0 / ROOT_PI) * np.exp(-x * x),),
    "erfcx": (lambda y, x: 2.0 * x * y - 2.0 / ROOT_PI,),
    "erfi": (lambda _y, x: (2.0 / ROOT_PI) * np.exp(x * x),),
    "erfinv": (lambda y, _x: (ROOT_PI / 2.0) * np.exp(y * y),),
    "erfcinv": (lambda y, _x: (-ROOT_PI / 2.0) * np.exp(y * y),),
    "wofz": (lambda y, z: 2j / ROOT_PI - 2.0 * z * y,),
    "dawsn": (lambda y, x: 1.0 - 2.0 * x * y,),
    "voigt_profile": composed(_voigt, 3),
    "ndtr": (lambda _y, x: np.exp(-0.5 * x * x) / math.sqrt(2.0 * PI),),
    # φ/Φ by the scaled erfc, which does not underflow on the left.
    "log_ndtr": (lambda _y, x: math.sqrt(2.0 / PI) / sp.erfcx(-x / ROOT_2),),
    "ndtri": (lambda y, _p: math.sqrt(2.0 * PI) * np.exp(0.5 * y * y),),
    "ndtri_exp": (lambda y, _x: math.sqrt(PI / 2.0) * sp.erfcx(-y / ROOT_2),),
    # D. B. Owen, Ann. Math. Stat. 27, 1956
    "owens_t": (_owens_h, _owens_a),
    # logistic
    "expit": (lambda y, x: y * sp.expit(-x),),
    "log_expit": (lambda _y, x: sp.expit(-x),),
    "logit": (lambda _y, x: 1.0 / (x * (1.0 - x)),),
    # entropies: the value is 0 at x = 0 by convention
    "xlogy": (lambda _y, _x, b: np.log(b), lambda _y, x, b: ratio(x, b)),
    "xlog1py": (lambda _y, _x, b: np.log1p(b), lambda _y, x, b: ratio(x, 1.0 + b)),
    "entr": (lambda _y, x: -np.log(x) - 1.0,),
    "rel_entr": (lambda _y, a, b: np.log(a / b) + 1.0, lambda _y, a, b: -ratio(a, b)),
    "kl_div": (lambda _y, a, b: np.log(a / b), lambda _y, a, b: 1.0 - ratio(a, b)),
    # robust losses and transforms
    "huber": (_huber_delta, lambda _y, d, r: np.minimum(np.maximum(r, -d), d)),
    "pseudo_huber": (_pseudo_huber_delta, lambda _y, d, r: r / np.sqrt(1.0 + (r / d) * (r / d))),
    "boxcox": (lambda _y, x, lam: x ** (lam - 1.0), lambda _y, x, lam: boxcox_lambda(np.log(x), lam)),
    "boxcox1p": (lambda _y, x, lam: (1.0 + x) ** (lam - 1.0), lambda _y, x, lam: boxcox_lambda(np.log1p(x), lam)),
    "inv_boxcox": (lambda y, x, lam: y / (1.0 + lam * x), lambda y, x, lam: _inv_boxcox_lambda(y, x, lam)),
    "inv_boxcox1p": (lambda y, x, lam: (1.0 + y) / (1.0 + lam * x),
                     lambda y, x, lam: _inv_boxcox_lambda(1.0 + y, x, lam)),
    "tklmbda": (_tukey_x, _tukey_lambda),
    # elementary
    "exprel": (lambda _y, x: exprel_slope(x),),
    "expm1": (lambda y, _x: y + 1.0,),
    "log1p": (lambda _y, x: 1.0 / (1.0 + x),),
    "powm1": (lambda _y, x, p: p * x ** (p - 1.0), lambda y, x, _p: (y + 1.0) * _log_power(x)),
    "cosm1": (lambda _y, x: -np.sin(x),),
    "exp10": (lambda y, _x: LN10 * y,),
    "exp2": (lambda y, _x: LN2 * y,),
    "cbrt": (lambda y, _x: 1.0 / (3.0 * y * y),),
    "sindg": (lambda _y, x: DEGREE * sp.cosdg(x),),
    "cosdg": (lambda _y, x: -DEGREE * sp.sindg(x),),
    "tandg": (lambda y, _x: DEGREE * (1.0 + y * y),),
    "cotdg": (lambda y, _x: -DEGREE * (1.0 + y * y),),
    "radian": (DEGREE, DEGREE / 60.0, DEGREE / 3600.0),
    "round": (None,),
}  # fmt: skip

for _name, _partials in TABLE.items():
    if getattr(sp, _name) not in UFUNCS:  # some are NumPy's own
        register(getattr(sp, _name), _partials)
# What softplus's kin and scipy.stats call. log(1 − eˣ) and log(1 + x) − x.
if hasattr(sp._ufuncs, "_log1mexp"):
    register(sp._ufuncs._log1mexp, (lambda _y, x: 1.0 / -np.expm1(-x),))
register(sp._ufuncs._log1pmx, (lambda _y, x: -x / (1.0 + x),))
register(sp._ufuncs._cospi, (lambda _y, x: -PI * sp._ufuncs._sinpi(x),))
register(sp._ufuncs._sinpi, (lambda _y, x: PI * sp._ufuncs._cospi(x),))

# The Fresnel integrals, DLMF 7.2.7, 7.2.8, and what is made of them, 7.2.6.
register_tuple(sp.fresnel, (lambda _y, x: np.sin(0.5 * PI * x * x),), (lambda _y, x: np.cos(0.5 * PI * x * x),))


def _modified_fresnel(ufunc: Any, sign: float) -> None:
    """F(x) = ∫ₓ^∞ exp(±it²) dt and K(x) = exp(∓i(x² + π/4))·F(x)/√π."""

    def k_slope(y: Any, x: Any) -> Any:
        return -2j * sign * x * y - np.exp(-0.25j * sign * PI) / ROOT_PI

    register_tuple(ufunc, (lambda _y, x: -np.exp(1j * sign * x * x),), (k_slope,))


_modified_fresnel(sp.modfresnelp, 1.0)
_modified_fresnel(sp.modfresnelm, -1.0)


# Sine and cosine integrals, DLMF 6.2.9, 6.2.11, 6.2.15, 6.2.16; exponential ones 6.2, 8.19.13; the dilogarithm 25.12.2.


def _sinhc(x: Any) -> Any:
    even = [1.0 / math.factorial(2 * k + 1) for k in range(5)]
    return near_zero(x, 0.05, [c for e in even for c in (e, 0.0)], lambda v: np.sinh(v) / v)


def _expn_slope(y: Any, n: Any, x: Any) -> Any:
    """−Eₙ₋₁(x), DLMF 8.19.13; E₀ = e⁻ˣ/x by itself, since SciPy has no order −1."""
    n = np.trunc(plain(n))  # as SciPy does
    lower = -sp.expn(np.maximum(np.asarray(n) - 1, 0)[()], x)
    return lower if np.all(np.asarray(n) > 0) else np.where(np.asarray(n) > 0, lower, -y * (1.0 + 1.0 / x))[()]


_Slope = Callable[..., Any]
INTEGRALS: dict[str, tuple[_Slope | None, ...]] = {
    "exp1": (lambda _y, x: -np.exp(-x) / x,),
    "expi": (lambda _y, x: np.exp(x) / x,),
    "expn": (None, _expn_slope),  # the order is an integer
    "spence": (lambda _y, x: -log1p_ratio(x - 1.0),),
}
for _name, _row in INTEGRALS.items():
    register(getattr(sp, _name), _row)
register_tuple(sp.sici, (lambda _y, x: np.sinc(x / PI),), (lambda _y, x: np.cos(x) / x,))
register_tuple(sp.shichi, (lambda _y, x: _sinhc(x),), (lambda _y, x: np.cosh(x) / x,))
register(sp._ufuncs._scaled_exp1, (lambda y, x: y * (1.0 + 1.0 / x) - 1.0,))
