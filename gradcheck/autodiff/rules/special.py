"""``scipy.special``: the table of partials of its ufuncs, and rules for logsumexp and its kin.

Loaded by :func:`gradcheck.autodiff.rules.load_for_loaded_modules` when the user's code has loaded ``scipy.special``.
The partials are written with functions that have rules themselves, so that they can be differentiated again. A
parameter whose derivative is not an elementary or special function of the same family (the order of a Bessel
function, the shape of an incomplete gamma function) is refused by name.

Formulas: NIST *Digital Library of Mathematical Functions* (DLMF), https://dlmf.nist.gov; the equation stands beside
each line.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.special as sp

from gradcheck.autodiff.core import (
    TRACED,
    UFUNCS,
    Elementwise,
    Primitive,
    any_active,
    elementwise,
    is_complex,
    plain,
    plain_tree,
    shape_of,
    unbroadcast,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced, spread
from gradcheck.autodiff.rules.scipy.registry import replace

PI = math.pi
ROOT_PI = math.sqrt(PI)
ROOT_2 = math.sqrt(2.0)
LN2, LN10 = math.log(2.0), math.log(10.0)
DEGREE = PI / 180.0


# -- helpers: removable singularities --------------------------------------------------------------------------------


def _near_zero(u: Any, radius: float, coefficients: Sequence[float], exact: Callable[[Any], Any]) -> Any:
    """``exact(u)``, and within the radius, where it would cancel, the power series with these coefficients."""
    near = np.abs(plain(u)) < radius
    series: Any = 0.0
    for c in reversed(coefficients):
        series = series * u + c
    if np.all(near):
        return series
    return np.where(near, series, exact(np.where(near, 1.0, u)[()]))[()]


def _exprel_slope(u: Any) -> Any:
    """(u·eᵘ − (eᵘ − 1))/u², the derivative of (eᵘ − 1)/u: Σ uᵏ/(k!(k+2))."""
    coefficients = [1.0 / (math.factorial(k) * (k + 2)) for k in range(8)]
    return _near_zero(u, 0.05, coefficients, lambda v: (v * np.exp(v) - np.expm1(v)) / (v * v))


def _log1p_ratio_slope(u: Any) -> Any:
    """(u/(1+u) − log(1+u))/u², the derivative of log(1+u)/u: Σ (−1)ⁿ⁻¹(1 − 1/n)uⁿ⁻², n ≥ 2."""
    coefficients = [(-1.0) ** (n - 1) * (1.0 - 1.0 / n) for n in range(2, 10)]
    return _near_zero(u, 0.01, coefficients, lambda v: (v / (1.0 + v) - np.log1p(v)) / (v * v))


def _log1p_ratio(u: Any) -> Any:
    """log(1+u)/u."""
    return _near_zero(u, 0.01, [(-1.0) ** n / (n + 1) for n in range(8)], lambda v: np.log1p(v) / v)


def _ratio(x: Any, y: Any) -> Any:
    """x/y, and 0 for x = 0 whatever y is."""
    zero = plain(x) == 0
    return np.where(zero, 0.0, x / np.where(zero, 1.0, y))[()] if np.any(zero) else x / y


# The Maclaurin coefficients of K(m)·2/π (DLMF 19.5.1): the squares of (1/2)ₙ/n!.
_K = [math.prod((2 * k - 1) / (2 * k) for k in range(1, n + 1)) ** 2 for n in range(7)]


def _ellipk_slope(m: Any) -> Any:
    """dK/dm = (E − (1−m)K)/(2m(1−m)), DLMF 19.4.1 with m = k²."""
    coefficients = [0.5 * PI * (n + 1) * _K[n + 1] for n in range(6)]
    return _near_zero(m, 3e-3, coefficients, lambda v: (sp.ellipe(v) - (1 - v) * sp.ellipk(v)) / (2 * v * (1 - v)))


def _ellipe_slope(m: Any) -> Any:
    """dE/dm = (E − K)/(2m), DLMF 19.4.2 with m = k²; E = (π/2)·Σ Kₙmⁿ/(1−2n), DLMF 19.5.2."""
    coefficients = [0.5 * PI * (n + 1) * _K[n + 1] / (1 - 2 * (n + 1)) for n in range(6)]
    return _near_zero(m, 3e-3, coefficients, lambda v: (sp.ellipe(v) - sp.ellipk(v)) / (2 * v))


def _trigamma(x: Any) -> Any:
    """ψ′(x) = ζ(2, x), DLMF 25.11.12; for negative x by reflection, DLMF 5.15.6."""
    value = plain(x)
    if is_complex(value):
        raise unsupported("a second derivative of the gamma function at a complex argument")
    negative = value <= 0
    if not np.any(negative):
        return sp.zeta(2.0, x)
    right = sp.zeta(2.0, np.where(negative, 1.0 - x, x)[()])
    return np.where(negative, (PI / np.sin(PI * np.where(negative, x, 0.5))) ** 2 - right, right)[()]


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    """xᵃ⁻¹(1−x)ᵇ⁻¹/B(a, b), DLMF 8.17.1."""
    return np.exp(sp.xlogy(a - 1.0, x) + sp.xlog1py(b - 1.0, -x) - sp.betaln(a, b))


def _gamma_density(a: Any, x: Any) -> Any:
    """xᵃ⁻¹e⁻ˣ/Γ(a), DLMF 8.8.13."""
    return np.exp(sp.xlogy(a - 1.0, x) - x - sp.gammaln(a))


def _expn_slope(y: Any, n: Any, x: Any) -> Any:
    """−Eₙ₋₁(x), DLMF 8.19.13; E₀ = e⁻ˣ/x by itself, since SciPy has no order −1."""
    n = plain(n)
    lower = -sp.expn(np.maximum(np.asarray(n) - 1, 0)[()], x)
    return lower if np.all(np.asarray(n) > 0) else np.where(np.asarray(n) > 0, lower, -y * (1.0 + 1.0 / x))[()]


def _pseudo_huber_delta(_y: Any, d: Any, r: Any) -> Any:
    # δ(q−1)²/q with q = √(1+(r/δ)²), which is 2δ(q−1) − r²/(δq) without the cancellation.
    u = (r / d) * (r / d)
    q = np.sqrt(1.0 + u)
    return d * (u / (q + 1.0)) ** 2 / q


def _huber_delta(_y: Any, d: Any, r: Any) -> Any:
    return np.maximum(np.abs(r) - d, 0.0)


def _boxcox_lambda(logarithm: Any, lam: Any) -> Any:
    """∂/∂λ (eᵘ − 1)/λ with u = λ·log x."""
    return logarithm * logarithm * _exprel_slope(lam * logarithm)


def _inv_boxcox_lambda(grown: Any, y: Any, lam: Any) -> Any:
    """∂/∂λ exp(log(1+λy)/λ)."""
    return grown * y * y * _log1p_ratio_slope(lam * y)


# -- the table: ufunc, then the partials; NO stands for a parameter that is refused ----------------------------------


def NO(_y: Any, *_args: Any) -> Any:
    raise AssertionError("a refused parameter is refused before its partial is asked for")


_0: None = None
TABLE: list[tuple[str, Any]] = [
    # gamma and its kin: DLMF 5.2.2, 5.9, 5.12
    ("gamma", (lambda y, x: y * sp.psi(x),)),
    ("gammaln", (lambda _y, x: sp.psi(x),)),
    ("loggamma", (lambda _y, x: sp.psi(x),)),
    ("rgamma", (lambda y, x: -y * sp.psi(x),)),
    ("psi", (lambda _y, x: _trigamma(x),)),
    ("beta", (lambda y, a, b: y * (sp.psi(a) - sp.psi(a + b)), lambda y, a, b: y * (sp.psi(b) - sp.psi(a + b)))),
    ("betaln", (lambda _y, a, b: sp.psi(a) - sp.psi(a + b), lambda _y, a, b: sp.psi(b) - sp.psi(a + b))),
    ("binom", (lambda y, n, k: y * (sp.psi(n + 1.0) - sp.psi(n - k + 1.0)),
               lambda y, n, k: y * (sp.psi(n - k + 1.0) - sp.psi(k + 1.0)))),
    ("poch", (lambda y, z, m: y * (sp.psi(z + m) - sp.psi(z)), lambda y, z, m: y * sp.psi(z + m))),
    ("gammainc", (NO, lambda _y, a, x: _gamma_density(a, x))),
    ("gammaincc", (NO, lambda _y, a, x: -_gamma_density(a, x))),
    ("gammaincinv", (NO, lambda y, a, _p: 1.0 / _gamma_density(a, y))),
    ("gammainccinv", (NO, lambda y, a, _p: -1.0 / _gamma_density(a, y))),
    ("betainc", (NO, NO, lambda _y, a, b, x: _beta_density(a, b, x))),
    ("betaincc", (NO, NO, lambda _y, a, b, x: -_beta_density(a, b, x))),
    ("betaincinv", (NO, NO, lambda y, a, b, _p: 1.0 / _beta_density(a, b, y))),
    # error functions and the normal distribution: DLMF 7.2, 7.10; 7.17.1
    ("erf", (lambda _y, x: (2.0 / ROOT_PI) * np.exp(-x * x),)),
    ("erfc", (lambda _y, x: (-2.0 / ROOT_PI) * np.exp(-x * x),)),
    ("erfcx", (lambda y, x: 2.0 * x * y - 2.0 / ROOT_PI,)),
    ("erfi", (lambda _y, x: (2.0 / ROOT_PI) * np.exp(x * x),)),
    ("erfinv", (lambda y, _x: (ROOT_PI / 2.0) * np.exp(y * y),)),
    ("erfcinv", (lambda y, _x: (-ROOT_PI / 2.0) * np.exp(y * y),)),
    ("wofz", (lambda y, z: 2j / ROOT_PI - 2.0 * z * y,)),
    ("dawsn", (lambda y, x: 1.0 - 2.0 * x * y,)),
    ("ndtr", (lambda _y, x: np.exp(-0.5 * x * x) / math.sqrt(2.0 * PI),)),
    # φ/Φ by the scaled erfc, which does not underflow on the left.
    ("log_ndtr", (lambda _y, x: math.sqrt(2.0 / PI) / sp.erfcx(-x / ROOT_2),)),
    ("ndtri", (lambda y, _p: math.sqrt(2.0 * PI) * np.exp(0.5 * y * y),)),
    ("ndtri_exp", (lambda y, _x: math.sqrt(PI / 2.0) * sp.erfcx(-y / ROOT_2),)),
    # logistic
    ("expit", (lambda y, x: y * sp.expit(-x),)),
    ("log_expit", (lambda _y, x: sp.expit(-x),)),
    ("logit", (lambda _y, x: 1.0 / (x * (1.0 - x)),)),
    # entropies: the value is 0 at x = 0 by convention
    ("xlogy", (lambda _y, _x, b: np.log(b), lambda _y, x, b: _ratio(x, b))),
    ("xlog1py", (lambda _y, _x, b: np.log1p(b), lambda _y, x, b: _ratio(x, 1.0 + b))),
    ("entr", (lambda _y, x: -np.log(x) - 1.0,)),
    ("rel_entr", (lambda _y, a, b: np.log(a / b) + 1.0, lambda _y, a, b: -_ratio(a, b))),
    ("kl_div", (lambda _y, a, b: np.log(a / b), lambda _y, a, b: 1.0 - _ratio(a, b))),
    # robust losses and transforms
    ("huber", (_huber_delta, lambda _y, d, r: np.minimum(np.maximum(r, -d), d))),
    ("pseudo_huber", (_pseudo_huber_delta, lambda _y, d, r: r / np.sqrt(1.0 + (r / d) * (r / d)))),
    ("boxcox", (lambda _y, x, lam: x ** (lam - 1.0), lambda _y, x, lam: _boxcox_lambda(np.log(x), lam))),
    ("boxcox1p", (lambda _y, x, lam: (1.0 + x) ** (lam - 1.0), lambda _y, x, lam: _boxcox_lambda(np.log1p(x), lam))),
    ("inv_boxcox", (lambda y, x, lam: y / (1.0 + lam * x), lambda y, x, lam: _inv_boxcox_lambda(y, x, lam))),
    ("inv_boxcox1p", (lambda y, x, lam: (1.0 + y) / (1.0 + lam * x),
                      lambda y, x, lam: _inv_boxcox_lambda(1.0 + y, x, lam))),
    # elementary
    ("exprel", (lambda _y, x: _exprel_slope(x),)),
    ("expm1", (lambda y, _x: y + 1.0,)),
    ("log1p", (lambda _y, x: 1.0 / (1.0 + x),)),
    ("cosm1", (lambda _y, x: -np.sin(x),)),
    ("exp10", (lambda y, _x: LN10 * y,)),
    ("exp2", (lambda y, _x: LN2 * y,)),
    ("cbrt", (lambda y, _x: 1.0 / (3.0 * y * y),)),
    ("sindg", (lambda _y, x: DEGREE * sp.cosdg(x),)),
    ("cosdg", (lambda _y, x: -DEGREE * sp.sindg(x),)),
    ("tandg", (lambda y, _x: DEGREE * (1.0 + y * y),)),
    ("cotdg", (lambda y, _x: -DEGREE * (1.0 + y * y),)),
    ("round", (_0,)),
    # Bessel functions: DLMF 10.6.1, 10.6.3; modified 10.29.1, 10.29.3
    ("j0", (lambda _y, x: -sp.j1(x),)),
    ("j1", (lambda _y, x: 0.5 * (sp.j0(x) - sp.jv(2, x)),)),
    ("jv", (NO, lambda _y, v, x: 0.5 * (sp.jv(v - 1, x) - sp.jv(v + 1, x)))),
    ("y0", (lambda _y, x: -sp.y1(x),)),
    ("y1", (lambda _y, x: 0.5 * (sp.y0(x) - sp.yv(2, x)),)),
    ("yn", (NO, lambda _y, n, x: 0.5 * (sp.yn(n - 1, x) - sp.yn(n + 1, x)))),
    ("yv", (NO, lambda _y, v, x: 0.5 * (sp.yv(v - 1, x) - sp.yv(v + 1, x)))),
    ("i0", (lambda _y, x: sp.i1(x),)),
    ("i1", (lambda _y, x: 0.5 * (sp.i0(x) + sp.iv(2, x)),)),
    ("iv", (NO, lambda _y, v, x: 0.5 * (sp.iv(v - 1, x) + sp.iv(v + 1, x)))),
    ("i0e", (lambda y, x: sp.i1e(x) - np.sign(plain(x)) * y,)),
    ("i1e", (lambda y, x: 0.5 * (sp.i0e(x) + sp.ive(2, x)) - np.sign(plain(x)) * y,)),
    ("ive", (NO, lambda y, v, x: 0.5 * (sp.ive(v - 1, x) + sp.ive(v + 1, x)) - np.sign(plain(x)) * y)),
    ("k0", (lambda _y, x: -sp.k1(x),)),
    ("k1", (lambda _y, x: -0.5 * (sp.k0(x) + sp.kv(2, x)),)),
    ("kn", (NO, lambda _y, n, x: -0.5 * (sp.kv(n - 1.0, x) + sp.kv(n + 1.0, x)))),
    ("kv", (NO, lambda _y, v, x: -0.5 * (sp.kv(v - 1, x) + sp.kv(v + 1, x)))),
    ("k0e", (lambda y, x: y - sp.k1e(x),)),
    ("k1e", (lambda y, x: y - 0.5 * (sp.k0e(x) + sp.kve(2, x)),)),
    ("kve", (NO, lambda y, v, x: y - 0.5 * (sp.kve(v - 1, x) + sp.kve(v + 1, x)))),
    ("hankel1", (NO, lambda _y, v, z: 0.5 * (sp.hankel1(v - 1, z) - sp.hankel1(v + 1, z)))),
    ("hankel2", (NO, lambda _y, v, z: 0.5 * (sp.hankel2(v - 1, z) - sp.hankel2(v + 1, z)))),
    # integrals: DLMF 6.2, 8.19.13; the dilogarithm 25.12.2
    ("exp1", (lambda _y, x: -np.exp(-x) / x,)),
    ("expi", (lambda _y, x: np.exp(x) / x,)),
    ("expn", (NO, _expn_slope)),
    ("spence", (lambda _y, x: -_log1p_ratio(x - 1.0),)),
    # hypergeometric functions: DLMF 15.5.1, 13.3.15, 16.3.1, 13.3.22
    ("hyp2f1", (NO, NO, NO, lambda _y, a, b, c, z: (a * b / c) * sp.hyp2f1(a + 1.0, b + 1.0, c + 1.0, z))),
    ("hyp1f1", (NO, NO, lambda _y, a, b, x: (a / b) * sp.hyp1f1(a + 1.0, b + 1.0, x))),
    ("hyp0f1", (NO, lambda _y, v, z: sp.hyp0f1(v + 1.0, z) / v)),
    ("hyperu", (NO, NO, lambda _y, a, b, x: -a * sp.hyperu(a + 1.0, b + 1.0, x))),
    # elliptic integrals: DLMF 19.4.1, 19.4.2; incomplete 19.2.4, 19.2.5
    ("ellipk", (lambda _y, m: _ellipk_slope(m),)),
    ("ellipkm1", (lambda _y, p: -_ellipk_slope(1.0 - p),)),
    ("ellipe", (lambda _y, m: _ellipe_slope(m),)),
    ("ellipkinc", (lambda _y, phi, m: 1.0 / np.sqrt(1.0 - m * np.sin(phi) ** 2), NO)),
    ("ellipeinc", (lambda _y, phi, m: np.sqrt(1.0 - m * np.sin(phi) ** 2), NO)),
]  # fmt: skip

# Parameters are named in an error as SciPy's documentation names them.
PARAMETERS = {
    "betainc": "a b", "betaincc": "a b", "betaincinv": "a b", "gammainc": "a", "gammaincc": "a", "gammaincinv": "a",
    "gammainccinv": "a", "hyp2f1": "a b c", "hyp1f1": "a b", "hyperu": "a b", "hyp0f1": "v", "ellipkinc": "phi m",
    "ellipeinc": "phi m", "expn": "n", "yn": "n", "kn": "n", "zeta": "s", "lambertw": "z k tol",
}  # fmt: skip
REAL_ONLY = ("ive", "i0e", "i1e")


def _partly(rule: Elementwise, fixed: Sequence[int], name: str) -> Callable[..., Any]:
    """The rule for calls in which the parameters at these positions carry no derivative."""

    def handler(*args: Any) -> Any:
        for i in fixed:
            if any_active(args[i]):
                parameter = PARAMETERS.get(name, "v").split()[i]
                raise unsupported(f"scipy.special.{name}: no derivative rule with respect to its parameter {parameter}")
        if name in REAL_ONLY and is_complex(args[-1]):
            raise unsupported(f"scipy.special.{name} of a complex argument, which has no complex derivative")
        return elementwise(rule, [plain_tree(a) if i in fixed else a for i, a in enumerate(args)])

    return handler


def _register(ufunc: Any, name: str, partials: Sequence[Any]) -> None:
    fixed = [i for i, p in enumerate(partials) if p is NO]
    rule = Elementwise(ufunc, *(None if p is NO else p for p in partials), name=f"scipy.special.{name}")
    UFUNCS[ufunc] = _partly(rule, fixed, name) if fixed or name in REAL_ONLY else rule


for _name, _partials in TABLE:
    if getattr(sp, _name) not in UFUNCS:  # some are NumPy's own
        _register(getattr(sp, _name), _name, _partials)
# What the Python functions zeta(s, q) and lambertw(z, k, tol) call. DLMF 25.11.17, 4.13.4.
_register(sp._ufuncs._zeta, "zeta", (NO, lambda _y, s, q: -s * sp.zeta(s + 1.0, q)))
_register(sp._ufuncs._lambertw, "lambertw", (lambda y, _z, _k, _tol: np.exp(-y) / (1.0 + y), NO, NO))


# -- ufuncs with two values: DLMF 7.2.7, 7.2.8; 6.2.9, 6.2.11, 6.2.15, 6.2.16 ----------------------------------------


def _both(ufunc: Any, first: Any, second: Any) -> None:
    rules = [
        Elementwise(lambda x, k=k: ufunc(x)[k], partial, name=f"scipy.special.{ufunc.__name__}")
        for k, partial in enumerate((first, second))
    ]
    UFUNCS[ufunc] = lambda x: tuple(elementwise(rule, (x,)) for rule in rules)


def _sinhc(x: Any) -> Any:
    even = [1.0 / math.factorial(2 * k + 1) for k in range(5)]
    return _near_zero(x, 0.05, [c for e in even for c in (e, 0.0)], lambda v: np.sinh(v) / v)


_both(sp.fresnel, lambda _y, x: np.sin(0.5 * PI * x * x), lambda _y, x: np.cos(0.5 * PI * x * x))
_both(sp.sici, lambda _y, x: np.sinc(x / PI), lambda _y, x: np.cos(x) / x)
_both(sp.shichi, lambda _y, x: _sinhc(x), lambda _y, x: np.cosh(x) / x)


# -- Python functions: they are replaced while a trace is running ----------------------------------------------------


def _nested(plain_function: Callable[[Any], Any], traced_function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A rule's function: its operand is plain, or a value of an enclosing trace."""
    return lambda x: traced_function(x) if type(x) in TRACED else plain_function(x)


@functools.cache
def _polygamma_rule(n: int) -> Elementwise:
    function = _nested(lambda x: _ORIGINAL["polygamma"](n, x), lambda x: polygamma(n, x))
    return Elementwise(function, lambda _y, x: polygamma(n + 1, x), name="scipy.special.polygamma")


def polygamma(n: Any, x: Any) -> Any:
    """ψ⁽ⁿ⁾(x); its derivative is that of order n + 1."""
    x = as_traced(x)
    if any_active(n):
        raise unsupported("scipy.special.polygamma: no derivative rule with respect to its parameter n")
    order = np.asarray(plain_tree(n))
    if order.ndim:
        raise unsupported("scipy.special.polygamma with an array of orders and a traced argument")
    return elementwise(_polygamma_rule(int(order)), (x,))


def _logsumexp(a: Any, b: Any, *, axis: Any) -> Any:
    if type(a) in TRACED or type(b) in TRACED:
        return LOGSUMEXP(a, b, axis=axis)
    return _ORIGINAL["logsumexp"](a, axis=axis, b=b, return_sign=True)


def _shares(y: Any, a: Any, b: Any, axis: Any) -> tuple[Any, Any]:
    """∂log|Σ b·eᵃ|/∂a and /∂b, which are b·eᵃ/Σ and eᵃ/Σ; zero where there is no sum."""
    total, sign = (spread(part, np.broadcast_shapes(shape_of(a), shape_of(b)), axis) for part in y)
    known = np.isfinite(plain(total))
    e = np.where(known, np.exp(np.where(known, a - np.where(known, total, 0.0), 0.0)) * plain(sign), 0.0)
    return e * b, e


def _logsumexp_vjp(k: int) -> Callable[..., Any]:
    def vjp(y: Any, a: Any, b: Any, *, axis: Any) -> Any:
        full = np.broadcast_shapes(shape_of(a), shape_of(b))
        own = shape_of((a, b)[k])
        return lambda g: unbroadcast(spread(g[0], full, axis) * _shares(y, a, b, axis)[k], own)

    return vjp


def _logsumexp_jvp(k: int) -> Callable[..., Any]:
    def jvp(t: Any, y: Any, a: Any, b: Any, *, axis: Any) -> Any:
        tangent = np.sum(t * _shares(y, a, b, axis)[k], axis=axis)
        return tangent, np.zeros_like(plain(tangent))

    return jvp


LOGSUMEXP = Primitive(
    _logsumexp,
    [_logsumexp_vjp(0), _logsumexp_vjp(1)],
    [_logsumexp_jvp(0), _logsumexp_jvp(1)],
    name="scipy.special.logsumexp",
    outputs=2,
)


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """log Σ b·eᵃ; the derivative in a is the softmax."""
    a, b = as_traced(a), as_traced(b)
    if is_complex(a) or is_complex(b):
        raise unsupported("scipy.special.logsumexp of complex numbers")
    a = a if type(a) in TRACED else np.asarray(a)
    shape = np.broadcast_shapes(shape_of(a), shape_of(b) if b is not None else ())
    y, sign = LOGSUMEXP(a, np.ones((), np.result_type(plain(a))) if b is None else b, axis=axis)
    if keepdims and shape:
        y, sign = spread(y, shape, axis), spread(plain(sign), shape, axis)
    if return_sign:
        return y, plain(sign)
    negative = plain(sign) < 0
    return np.where(negative, np.nan, y)[()] if np.any(negative) else y


def _softmax_vjp(y: Any, _x: Any, *, axis: Any) -> Any:
    return lambda g: y * (g - np.sum(g * y, axis=axis, keepdims=True))


def _log_softmax_vjp(y: Any, _x: Any, *, axis: Any) -> Any:
    return lambda g: g - np.exp(y) * np.sum(g, axis=axis, keepdims=True)


SOFTMAX: Primitive = Primitive(
    lambda x, *, axis: SOFTMAX(x, axis=axis) if type(x) in TRACED else _ORIGINAL["softmax"](x, axis=axis),
    [_softmax_vjp],
    [lambda t, y, _x, axis: y * (t - np.sum(t * y, axis=axis, keepdims=True))],
    name="scipy.special.softmax",
)
LOG_SOFTMAX: Primitive = Primitive(
    lambda x, *, axis: LOG_SOFTMAX(x, axis=axis) if type(x) in TRACED else _ORIGINAL["log_softmax"](x, axis=axis),
    [_log_softmax_vjp],
    [lambda t, y, _x, axis: t - np.sum(t * np.exp(y), axis=axis, keepdims=True)],
    name="scipy.special.log_softmax",
)


def softmax(x: Any, axis: Any = None) -> Any:
    """eˣ/Σeˣ; the derivative is diag(y) − y·yᵀ."""
    return SOFTMAX(as_traced(x), axis=axis)


def log_softmax(x: Any, axis: Any = None) -> Any:
    """x − log Σeˣ; the derivative is 1 − softmax."""
    return LOG_SOFTMAX(as_traced(x), axis=axis)


def softplus(x: Any, **keywords: Any) -> Any:
    """log(1 + eˣ) = −log_expit(−x)."""
    if keywords:
        raise unsupported(f"scipy.special.softplus: keyword {', '.join(keywords)} is not supported for traced values")
    return elementwise(SOFTPLUS, (as_traced(x),))


SOFTPLUS = Elementwise(
    _nested(lambda x: _ORIGINAL["softplus"](x), softplus), lambda _y, x: sp.expit(x), name="scipy.special.softplus"
)


_HANDLERS: dict[str, Callable[..., Any]] = {
    "polygamma": polygamma, "logsumexp": logsumexp, "softmax": softmax, "log_softmax": log_softmax,
    "softplus": softplus,
}  # fmt: skip
_ORIGINAL: dict[str, Callable[..., Any]] = {name: getattr(sp, name) for name in _HANDLERS if hasattr(sp, name)}
replace(sp, _HANDLERS)
