"""``scipy.special``: the Python functions, which no protocol brings to us: they are replaced while a trace is running.

Sums of exponentials, orders and derivatives of Bessel functions, Legendre functions and spherical harmonics with their
derivatives, combinatorics.

Formulas: NIST DLMF 5.15, 10.6.7, 10.29.5, 10.47, 10.51, 14.2.2, 14.30, 18.9.15.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
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
from gradcheck.autodiff.rules.scipy import registry
from gradcheck.autodiff.rules.scipy.partials import GRAFT, family
from gradcheck.autodiff.rules.scipy.registry import original

Handler = Callable[..., Any]


def _integer(n: Any, function: str, parameter: str) -> None:
    if any_active(n):
        raise unsupported(f"scipy.special.{function}: no derivative rule with respect to its parameter {parameter}")


# -- polygamma and the sums of exponentials ----------------------------------------------------------------------------


@functools.cache
def _polygamma_rule(n: int) -> Elementwise:
    return family(
        lambda x: original(sp, "polygamma")(n, x),
        lambda _y, x: polygamma(n + 1, x),
        name="scipy.special.polygamma",
    )


def polygamma(n: Any, x: Any) -> Any:
    """ψ⁽ⁿ⁾(x); its derivative is that of order n + 1."""
    x = as_traced(x)
    _integer(n, "polygamma", "n")
    order = np.asarray(plain_tree(n))
    if order.ndim:
        parts = np.broadcast_to(x, np.broadcast_shapes(order.shape, shape_of(x)))
        orders = np.broadcast_to(order, shape_of(parts))
        total: Any = 0.0
        for each in np.unique(order):
            total = np.where(orders == each, elementwise(_polygamma_rule(int(each)), (parts,)), total)
        return total
    return elementwise(_polygamma_rule(int(order)), (x,))


def _logsumexp(a: Any, b: Any, *, axis: Any) -> Any:
    if type(a) in TRACED or type(b) in TRACED:
        return LOGSUMEXP(a, b, axis=axis)
    return original(sp, "logsumexp")(a, axis=axis, b=b, return_sign=True)


def _shares(y: Any, a: Any, b: Any, axis: Any) -> tuple[Any, Any]:
    """∂log|Σ b·eᵃ|/∂a and /∂b, which are b·eᵃ/Σ and eᵃ/Σ; zero where there is no sum."""
    total, sign = (spread(part, np.broadcast_shapes(shape_of(a), shape_of(b)), axis) for part in y)
    known = np.isfinite(plain(total))
    e = np.where(known, np.exp(np.where(known, a - np.where(known, total, 0.0), 0.0)) * plain(sign), 0.0)
    return e * b, e


def _logsumexp_vjp(k: int) -> Handler:
    def vjp(y: Any, a: Any, b: Any, *, axis: Any) -> Any:
        full = np.broadcast_shapes(shape_of(a), shape_of(b))
        own = shape_of((a, b)[k])
        return lambda g: unbroadcast(spread(g[0], full, axis) * _shares(y, a, b, axis)[k], own)

    return vjp


def _logsumexp_jvp(k: int) -> Handler:
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
    lambda x, *, axis: SOFTMAX(x, axis=axis) if type(x) in TRACED else original(sp, "softmax")(x, axis=axis),
    [_softmax_vjp],
    [lambda t, y, _x, axis: y * (t - np.sum(t * y, axis=axis, keepdims=True))],
    name="scipy.special.softmax",
)
LOG_SOFTMAX: Primitive = Primitive(
    lambda x, *, axis: LOG_SOFTMAX(x, axis=axis) if type(x) in TRACED else original(sp, "log_softmax")(x, axis=axis),
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


SOFTPLUS = family(lambda x: original(sp, "softplus")(x), lambda _y, x: sp.expit(x), name="scipy.special.softplus")


def softplus(x: Any, **keywords: Any) -> Any:
    """log(1 + eˣ) = −log_expit(−x)."""
    if keywords:
        raise unsupported(f"scipy.special.softplus: keyword {', '.join(keywords)} is not supported for traced values")
    return elementwise(SOFTPLUS, (as_traced(x),))


# -- Bessel functions: derivatives of any order, DLMF 10.6.7, 10.29.5; spherical ones, DLMF 10.51.2, 10.51.5 -----------


def _bessel_derivative(name: str, ufunc: str, phase: float, sign: float = 1.0) -> Handler:
    """2⁻ⁿ Σ phaseᵏ C(n, k) Z_{v−n+2k}(z)."""

    def handler(v: Any, z: Any, n: Any = 1) -> Any:
        _integer(n, name, "n")
        v, z, f = as_traced(v), as_traced(z), getattr(sp, ufunc)
        order = int(plain(n))
        if order != plain(n) or order < 0:
            return original(sp, name)(plain(v), plain(z), plain(n))  # SciPy's own error
        total: Any = 0.0
        for k in range(order + 1):
            total = total + phase**k * math.comb(order, k) * f(v - order + 2 * k, z)
        value = original(sp, name)(plain(v), plain(z), order)
        return GRAFT(total * (sign**order / 2.0**order), value=value)

    return handler


BESSEL = {
    "jvp": _bessel_derivative("jvp", "jv", -1.0),
    "yvp": _bessel_derivative("yvp", "yv", -1.0),
    "ivp": _bessel_derivative("ivp", "iv", 1.0),
    "kvp": _bessel_derivative("kvp", "kv", 1.0, -1.0),
    "h1vp": _bessel_derivative("h1vp", "hankel1", -1.0),
    "h2vp": _bessel_derivative("h2vp", "hankel2", -1.0),
}


def _spherical(kind: str, down: float, up: float) -> Handler:
    """f′ₙ = (± n fₙ₋₁ ± (n+1) fₙ₊₁)/(2n+1), and the same of f′ for f″."""
    name = f"spherical_{kind}"

    def raw(derivative: bool) -> Handler:
        return lambda n, z: original(sp, name)(n, z, derivative)

    def second(_y: Any, n: Any, z: Any) -> Any:
        n = np.asarray(plain(n))[()]
        lower = n * elementwise(slope, (np.maximum(n - 1, 0), z))
        return (down * lower + up * (n + 1.0) * elementwise(slope, (n + 1, z))) / (2.0 * n + 1.0)

    slope = family(raw(True), None, second, name=f"scipy.special.{name}")
    value = family(raw(False), None, lambda _y, n, z: elementwise(slope, (n, z)), name=f"scipy.special.{name}")

    def handler(n: Any, z: Any, derivative: bool = False) -> Any:
        _integer(n, name, "n")
        return elementwise(slope if derivative else value, (plain_tree(n), as_traced(z)))

    return handler


SPHERICAL = {
    "spherical_jn": _spherical("jn", 1.0, -1.0),
    "spherical_yn": _spherical("yn", 1.0, -1.0),
    "spherical_in": _spherical("in", 1.0, 1.0),
    "spherical_kn": _spherical("kn", -1.0, -1.0),
}

# -- Legendre functions and spherical harmonics ------------------------------------------------------------------------


def _legendre(order: int, n: Any) -> Elementwise:
    """The derivative of an order of the Legendre polynomial; beyond SciPy's second, by Jacobi's (DLMF 18.9.15)."""

    def plain_function(z: Any) -> Any:
        return original(sp, "legendre_p")(n, z, diff_n=order)[order]

    def beyond(_y: Any, z: Any) -> Any:
        if order < 2:
            return elementwise(_legendre(order + 1, n), (z,))
        factor: Any = 1.0
        for k in range(order + 1):
            factor = factor * (np.asarray(n) + 1.0 + k) / 2.0
        low = np.asarray(n) - order - 1
        value = factor * sp.eval_jacobi(np.maximum(low, 0), order + 1.0, order + 1.0, z)
        return np.where(low < 0, 0.0, value)[()]

    return family(plain_function, beyond, name="scipy.special.legendre_p")


def legendre_p(n: Any, z: Any, *, diff_n: Any = 0) -> Any:
    """P_n(z) and its first ``diff_n`` derivatives, stacked."""
    _integer(n, "legendre_p", "n")
    n, z = plain_tree(n), as_traced(z)
    if is_complex(z):
        raise unsupported("scipy.special.legendre_p of a complex argument")
    return np.stack([elementwise(_legendre(k, n), (z,)) for k in range(plain(diff_n) + 1)])


def legendre_p_all(n: Any, z: Any, *, diff_n: Any = 0) -> Any:
    """The same for all degrees up to n."""
    return np.stack([legendre_p(k, z, diff_n=diff_n) for k in range(int(plain(n)) + 1)], axis=1)


def _associated(name: str, second: Handler, n: Any, m: Any, **keywords: Any) -> list[Handler]:
    """A function of degree n and order m and its first two derivatives, where SciPy has two and ``second(y, y′, x, n,
    m)`` is the differential equation."""

    def raw(order: int) -> Handler:
        return lambda x: original(sp, name)(n, m, x, **keywords, diff_n=order)[order]

    first: Elementwise = family(
        raw(1),
        lambda y, x: second(elementwise(value, (x,)), y, x, np.asarray(n), np.asarray(m)),
        name=f"scipy.special.{name}",
    )
    value: Elementwise = family(raw(0), lambda _y, x: elementwise(first, (x,)), name=f"scipy.special.{name}")

    def curvature(x: Any) -> Any:
        y = second(elementwise(value, (x,)), elementwise(first, (x,)), x, np.asarray(n), np.asarray(m))
        return GRAFT(y, value=raw(2)(plain(x)))

    return [lambda x: elementwise(value, (x,)), lambda x: elementwise(first, (x,)), curvature]


def _legendre_equation(y: Any, d: Any, x: Any, n: Any, m: Any) -> Any:
    s = 1.0 - x * x
    return (2.0 * x * d - (n * (n + 1.0) - m * m / s) * y) / s


def _normalised_equation(y: Any, d: Any, theta: Any, n: Any, m: Any) -> Any:
    s = np.sin(theta)
    return -np.cos(theta) / s * d - (n * (n + 1.0) - m * m / (s * s)) * y


def assoc_legendre_p(n: Any, m: Any, z: Any, *, branch_cut: Any = 2, norm: bool = False, diff_n: Any = 0) -> Any:
    """P_n^m(z) and its first ``diff_n`` derivatives, stacked."""
    for value, parameter in ((n, "n"), (m, "m")):
        _integer(value, "assoc_legendre_p", parameter)
    z = as_traced(z)
    if is_complex(z) or not np.all(np.asarray(plain_tree(branch_cut)) == 2) or np.any(np.abs(plain(z)) >= 1):
        raise unsupported("scipy.special.assoc_legendre_p beyond -1 < z < 1")
    keywords = {"branch_cut": plain_tree(branch_cut), "norm": norm}
    rules = _associated("assoc_legendre_p", _legendre_equation, plain_tree(n), plain_tree(m), **keywords)
    return np.stack([rule(z) for rule in rules[: plain(diff_n) + 1]])


def sph_legendre_p(n: Any, m: Any, theta: Any, *, diff_n: Any = 0) -> Any:
    """The normalised Legendre function of cos θ and its first ``diff_n`` derivatives, stacked."""
    for value, parameter in ((n, "n"), (m, "m")):
        _integer(value, "sph_legendre_p", parameter)
    rules = _associated("sph_legendre_p", _normalised_equation, plain_tree(n), plain_tree(m))
    return np.stack([rule(as_traced(theta)) for rule in rules[: plain(diff_n) + 1]])


def sph_harm_y(n: Any, m: Any, theta: Any, phi: Any, *, diff_n: Any = 0) -> Any:
    """Y_n^m(θ, φ) = P(θ)·exp(imφ), with gradient and Hessian for ``diff_n`` = 1, 2."""
    for value, parameter in ((n, "n"), (m, "m")):
        _integer(value, "sph_harm_y", parameter)
    n, m, theta, phi = plain_tree(n), plain_tree(m), as_traced(theta), as_traced(phi)
    P = [rule(theta) for rule in _associated("sph_legendre_p", _normalised_equation, n, m)]
    i = 1j * np.asarray(m)
    wave = np.exp(i * phi)
    order = int(plain(diff_n))
    values = original(sp, "sph_harm_y")(n, m, plain(theta), plain(phi), diff_n=order)
    value = GRAFT(P[0] * wave, value=values if not order else values[0])
    if not order:
        return value
    gradient = np.stack([P[1] * wave, i * P[0] * wave], axis=-1)
    if order == 1:
        return value, gradient
    mixed = i * P[1] * wave
    hessian = [np.stack([P[2] * wave, mixed], axis=-1), np.stack([mixed, i * i * P[0] * wave], axis=-1)]
    return value, gradient, np.stack(hessian, axis=-2)


def _orders(m: Any) -> list[int]:
    """0, 1, ..., m, −m, ..., −1: as NumPy's negative indices go."""
    top = int(plain(m))
    return [*range(top + 1), *range(-top, 0)]


def assoc_legendre_p_all(n: Any, m: Any, z: Any, **keywords: Any) -> Any:
    rows = [
        np.stack([assoc_legendre_p(k, j, z, **keywords) for j in _orders(m)], axis=1) for k in range(int(plain(n)) + 1)
    ]
    return np.stack(rows, axis=1)


def sph_legendre_p_all(n: Any, m: Any, theta: Any, **keywords: Any) -> Any:
    rows = [
        np.stack([sph_legendre_p(k, j, theta, **keywords) for j in _orders(m)], axis=1)
        for k in range(int(plain(n)) + 1)
    ]
    return np.stack(rows, axis=1)


def sph_harm_y_all(n: Any, m: Any, theta: Any, phi: Any, *, diff_n: Any = 0) -> Any:
    table = [[sph_harm_y(k, j, theta, phi, diff_n=diff_n) for j in _orders(m)] for k in range(int(plain(n)) + 1)]
    if not plain(diff_n):
        return np.stack([np.stack(row) for row in table])
    parts = range(int(plain(diff_n)) + 1)
    return tuple(np.stack([np.stack([entry[p] for entry in row]) for row in table]) for p in parts)


# -- the rest ----------------------------------------------------------------------------------------------------------


def multigammaln(a: Any, d: Any) -> Any:
    """log Γ_d(a) = d(d−1)/4·log π + Σ log Γ(a − (j−1)/2)."""
    value = original(sp, "multigammaln")(plain_tree(a), plain_tree(d))
    a, count = as_traced(a), int(plain(d))
    total: Any = 0.0
    for j in range(count):
        total = total + sp.gammaln(a - 0.5 * j)
    return GRAFT(total, value=value)


def _counted(name: str, formula: Handler) -> Handler:
    def handler(N: Any, k: Any, exact: bool = False, **keywords: Any) -> Any:
        value = original(sp, name)(plain_tree(N), plain_tree(k), exact=exact, **keywords)
        if exact:
            return value  # integers of integers
        N, k = as_traced(N), as_traced(k)
        inside = (plain(k) <= plain(N)) & (plain(N) >= 0) & (plain(k) >= 0) | bool(keywords.get("repetition"))
        y = formula(N, k, **keywords)
        return GRAFT(np.where(inside, y, 0.0)[()], value=value)

    return handler


def _comb(N: Any, k: Any, repetition: bool = False) -> Any:
    return sp.binom(N + k - 1.0, k) if repetition else sp.binom(N, k)


def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    """Γ(n + 1), and 0 for negative n unless it is extended."""
    value = original(sp, "factorial")(plain_tree(n), exact=exact, extend=extend)
    if exact:
        return value
    n = as_traced(n)
    if extend != "zero":
        return GRAFT(sp.gamma(n + 1.0), value=value)
    negative = plain(n) < 0
    return GRAFT(np.where(negative, 0.0, sp.gamma(np.where(negative, 1.0, n) + 1.0))[()], value=value)


def diric(x: Any, n: Any) -> Any:
    """sin(nx/2)/(n sin(x/2)), and ±1 at multiples of 2π, where the slope is 0."""
    value = original(sp, "diric")(plain_tree(x), plain_tree(n))
    _integer(n, "diric", "n")
    n, x = np.asarray(plain_tree(n)), as_traced(x)
    turns = np.round(plain(x) / (2.0 * math.pi))
    half = 0.5 * (x - 2.0 * math.pi * turns)
    sign = np.where((turns * (n - 1)) % 2 == 0, 1.0, -1.0)
    near = np.abs(plain(half)) < 1e-4
    safe = np.where(near, 1.0, half)
    # sin(nh)/(n sin h) = 1 − (n² − 1)h²/6 + ...
    series = 1.0 - (n * n - 1.0) * half * half / 6.0
    return GRAFT(sign * np.where(near, series, np.sin(n * safe) / (n * np.sin(safe))), value=value)


def _through(name: str) -> Handler:
    """SciPy's own code, which is a call of a ufunc that has a rule."""
    return lambda *args, **keywords: original(sp, name)(*args, **keywords)


def _listed(handler: Handler) -> Handler:
    """With lists of traced values as arrays of them."""

    def listed(*args: Any, **keywords: Any) -> Any:
        return handler(*(as_traced(a) if isinstance(a, list | tuple) else a for a in args), **keywords)

    return listed


registry.replace(
    sp,
    {
        "polygamma": polygamma, "logsumexp": logsumexp, "softmax": softmax, "log_softmax": log_softmax,
        "softplus": softplus, **BESSEL, **SPHERICAL,
        "legendre_p": legendre_p, "legendre_p_all": legendre_p_all,
        "assoc_legendre_p": assoc_legendre_p, "assoc_legendre_p_all": assoc_legendre_p_all,
        "sph_legendre_p": sph_legendre_p, "sph_legendre_p_all": sph_legendre_p_all,
        "sph_harm_y": sph_harm_y, "sph_harm_y_all": sph_harm_y_all,
        "multigammaln": multigammaln, "factorial": factorial, "diric": diric,
        "comb": _counted("comb", _comb), "perm": _counted("perm", lambda N, k: sp.poch(N - k + 1.0, k)),
        **{name: _listed(_through(name)) for name in ("zeta", "lambertw", "assoc_laguerre")},
    },
)  # fmt: skip
if hasattr(sp, "sph_harm"):  # until SciPy 1.16: orders and angles the other way round
    UFUNCS[sp.sph_harm] = lambda m, n, theta, phi: sph_harm_y(n, m, phi, theta)
# Functions of integers, tables of zeros and coefficients, and polynomials made once and called later.
registry.plain(
    sp,
    [
        name
        for name in getattr(sp, "__all__", dir(sp))
        if name.endswith("_zeros")
        or name in ("bernoulli", "euler", "stirling2", "factorial2", "factorialk", "geterr", "seterr")
        or name in ("legendre", "chebyt", "chebyu", "chebyc", "chebys", "laguerre", "hermite", "hermitenorm")
        or name in ("sh_legendre", "sh_chebyt", "sh_chebyu")
        or name in ("roots_legendre", "roots_chebyt", "roots_chebyu", "roots_chebyc", "roots_chebys", "roots_laguerre")
        or name in ("roots_hermite", "roots_hermitenorm", "roots_sh_legendre", "roots_sh_chebyt", "roots_sh_chebyu")
        or name in ("p_roots", "t_roots", "u_roots", "c_roots", "s_roots", "l_roots", "h_roots", "he_roots")
        or name in ("ps_roots", "ts_roots", "us_roots")
    ],
)
