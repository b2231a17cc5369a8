"""Derivatives of the incomplete gamma and beta functions and of Carlson's integrals with respect to their parameters.

They are integrals without a closed form that SciPy would have, so they are integrated here: the incomplete functions
as means of a logarithm under their own integrand, which is positive, so that nothing cancels; all by the double
exponential rule, which resolves endpoint singularities and any mixture of scales to full precision with a fixed
number of nodes.

Formulas: NIST DLMF 8.2.1, 8.2.2, 8.17.1, 19.16, 19.18. The rule: H. Takahasi & M. Mori, *Double exponential formulas
for numerical integration*, Publ. RIMS 9, 1974; T. Ooura & M. Mori, J. Comput. Appl. Math. 112, 1999.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import scipy.special as sp

from gradcheck.autodiff.core import Elementwise
from gradcheck.autodiff.rules.scipy.partials import family, near_zero

# Nodes on (0, ∞) for integrands that decay exponentially: v = exp(t − e⁻ᵗ) ...
_T = np.linspace(-3.6, 4.7, 134)
_V = np.exp(_T - np.exp(-_T))
_VW = _V * (1.0 + np.exp(-_T)) * (_T[1] - _T[0])
# They end at some 110; an integrand that falls as exp(−rate·v) in the end must be seen to 40/rate.
_REACH = 0.4
# ... and for algebraic ones: v = exp(π/2 sinh t).
_S = np.linspace(-4.6, 4.6, 185)
_U = np.exp(0.5 * np.pi * np.sinh(_S))
_UW = _U * 0.5 * np.pi * np.cosh(_S) * (_S[1] - _S[0])


def _moments(phi: Any, scale: Any, *statistics: Any) -> list[Any]:
    """Means, and variances and covariance, of statistics under the weight exp(phi(v)) on (0, ∞).

    Each argument is a function of v; ``scale``: a length on which phi changes by about one, shape (n,).
    """
    v = scale[:, None] * _V
    exponent = phi(v)
    weight = np.exp(exponent - np.max(exponent, axis=1, keepdims=True)) * _VW
    weight /= np.sum(weight, axis=1, keepdims=True)
    values = [s(v) for s in statistics]
    means = [np.sum(weight * x, axis=1) for x in values]
    centered = [x - m[:, None] for x, m in zip(values, means, strict=True)]
    products = [np.sum(weight * a * b, axis=1) for i, a in enumerate(centered) for b in centered[i:]]
    return means + products


def _flat(*operands: Any) -> tuple[tuple[int, ...], list[Any]]:
    arrays = np.broadcast_arrays(*(np.asarray(o, dtype=np.float64) for o in operands))
    return arrays[0].shape, [a.reshape(-1) for a in arrays]


# -- the incomplete gamma function -------------------------------------------------------------------------------------


def _gamma_slopes(a: Any, x: Any, lower: bool) -> tuple[Any, Any]:
    """First and second derivative in a of log P (``lower``) or log Q, for x < a or x ≥ a."""
    if lower:  # t = x e⁻ᵛ in ∫₀ˣ tᵃ⁻¹e⁻ᵗ dt
        scale = np.maximum(1.0 / (np.abs(a - x) + np.sqrt(x)), _REACH / a)
        mean, variance = _moments(lambda v: -a[:, None] * v - x[:, None] * np.expm1(-v), scale, lambda v: -v)
    else:  # t = x + s in ∫ₓ^∞
        scale = 1.0 / (np.abs(1.0 - (a - 1.0) / x) + np.sqrt(np.abs(a - 1.0)) / x)
        scale = np.maximum(np.minimum(scale, np.maximum(x, 1.0)), _REACH)
        mean, variance = _moments(
            lambda s: -s + (a[:, None] - 1.0) * np.log1p(s / x[:, None]), scale, lambda s: np.log1p(s / x[:, None])
        )
    return np.log(x) - sp.psi(a) + mean, variance - sp.zeta(2.0, a)


def _gammainc_a(order: int, a: Any, x: Any) -> Any:
    """∂P/∂a (order 1) or ∂²P/∂a² (order 2) of the regularised lower incomplete gamma function."""
    shape, (a, x) = _flat(a, x)
    out = np.where((x == 0) | np.isposinf(x), 0.0, np.nan)
    inside = (a > 0) & (x > 0) & np.isfinite(x) & np.isfinite(a)
    for lower in (True, False):
        chosen = inside & ((x < a) == lower)
        if np.any(chosen):
            p, q = a[chosen], x[chosen]
            first, second = _gamma_slopes(p, q, lower)
            size = sp.gammainc(p, q) if lower else -sp.gammaincc(p, q)
            out[chosen] = size * (first if order == 1 else first * first + second)
    return out.reshape(shape)[()]


def gamma_density(a: Any, x: Any) -> Any:
    """xᵃ⁻¹e⁻ˣ/Γ(a), DLMF 8.8.13."""
    return np.exp(sp.xlogy(a - 1.0, x) - x - sp.gammaln(a))


def _gamma_cross(order: int, a: Any, x: Any) -> Any:
    """The x-derivative of the one above: that of the density in a."""
    u = np.log(x) - sp.psi(a)
    return gamma_density(a, x) * (u if order == 1 else u * u - sp.zeta(2.0, a))


def _no_third(name: str) -> Any:
    from gradcheck.autodiff.errors import unsupported

    def partial(_y: Any, *_operands: Any) -> Any:
        raise unsupported(f"a third derivative of scipy.special.{name} with respect to a parameter")

    return partial


GAMMAINC_AA: Elementwise = family(
    functools.partial(_gammainc_a, 2), _no_third("gammainc"), lambda _y, a, x: _gamma_cross(2, a, x), name="gammainc"
)
# ∂P/∂a, with rules of its own.
GAMMAINC_A: Elementwise = family(
    functools.partial(_gammainc_a, 1),
    lambda _y, a, x: GAMMAINC_AA(a, x),
    lambda _y, a, x: _gamma_cross(1, a, x),
    name="gammainc",
)


# -- the incomplete beta function --------------------------------------------------------------------------------------


def _beta_lower(a: Any, b: Any, x: Any) -> dict[str, Any]:
    """Derivatives of log I_x(a, b) for x ≤ a/(a+b), where t = x e⁻ᵛ in ∫₀ˣ tᵃ⁻¹(1−t)ᵇ⁻¹dt."""
    edge = x / (1.0 - x)
    scale = 1.0 / (np.abs(a - (b - 1.0) * edge) + np.sqrt(np.abs(b - 1.0) * edge / (1.0 - x)))
    scale = np.maximum(scale, _REACH / a)
    a2, b2, x2 = a[:, None], b[:, None], x[:, None]
    ma, mb, vaa, vab, vbb = _moments(
        lambda v: -a2 * v + (b2 - 1.0) * np.log1p(-x2 * np.exp(-v)),
        scale,
        lambda v: -v,
        lambda v: np.log1p(-x2 * np.exp(-v)),
    )
    both, second = sp.psi(a + b), sp.zeta(2.0, a + b)
    return {
        "a": np.log(x) + ma - sp.psi(a) + both,
        "b": mb - sp.psi(b) + both,
        "aa": vaa - sp.zeta(2.0, a) + second,
        "ab": vab + second,
        "bb": vbb - sp.zeta(2.0, b) + second,
    }


_MIRROR = {"a": "b", "b": "a", "aa": "bb", "ab": "ab", "bb": "aa"}


def _betainc_slope(which: str, a: Any, b: Any, x: Any) -> Any:
    """A derivative of I_x(a, b): ``which`` is one of a, b, aa, ab, bb."""
    shape, (a, b, x) = _flat(a, b, x)
    out = np.where((x == 0) | (x == 1), 0.0, np.nan)
    inside = (a > 0) & (b > 0) & (x > 0) & (x < 1) & np.isfinite(a) & np.isfinite(b)
    for lower in (True, False):
        chosen = inside & ((x * (a + b) <= a) == lower)
        if not np.any(chosen):
            continue
        p, q, t = a[chosen], b[chosen], x[chosen]
        slopes = _beta_lower(p, q, t) if lower else _beta_lower(q, p, 1.0 - t)
        size = sp.betainc(p, q, t) if lower else -sp.betaincc(p, q, t)
        name = which if lower else _MIRROR[which]
        first = slopes[name[0]]
        out[chosen] = size * (first if len(name) == 1 else first * slopes[name[1]] + slopes[name])
    return out.reshape(shape)[()]


def beta_density(a: Any, b: Any, x: Any) -> Any:
    """xᵃ⁻¹(1−x)ᵇ⁻¹/B(a, b), DLMF 8.17.1."""
    return np.exp(sp.xlogy(a - 1.0, x) + sp.xlog1py(b - 1.0, -x) - sp.betaln(a, b))


def _beta_cross(which: str, a: Any, b: Any, x: Any) -> Any:
    """The derivative of the density in the parameters that ``which`` names."""
    total = sp.psi(a + b)
    u = {"a": np.log(x) - sp.psi(a) + total, "b": np.log1p(-x) - sp.psi(b) + total}
    if len(which) == 1:
        return beta_density(a, b, x) * u[which]
    shared = sp.zeta(2.0, a + b)
    own = {"aa": -sp.zeta(2.0, a), "ab": 0.0, "bb": -sp.zeta(2.0, b)}[which]
    return beta_density(a, b, x) * (u[which[0]] * u[which[1]] + own + shared)


def _beta_rule(which: str) -> Elementwise:
    def parameter(name: str) -> Any:
        if len(which) == 2:
            return _no_third("betainc")
        return lambda _y, a, b, x: BETAINC["".join(sorted(which + name))](a, b, x)

    return family(
        functools.partial(_betainc_slope, which),
        parameter("a"),
        parameter("b"),
        lambda _y, a, b, x: _beta_cross(which, a, b, x),
        name="betainc",
    )


# ∂I/∂a and so on, by the letters of the parameters, each with rules of its own.
BETAINC: dict[str, Elementwise] = {which: _beta_rule(which) for which in _MIRROR}


# -- Carlson's symmetric integrals -------------------------------------------------------------------------------------


def _carlson(power: int, exponents: tuple[float, ...], *args: Any) -> Any:
    """∫₀^∞ tᵐ Π (t + xᵢ)^(−pᵢ) dt for xᵢ ≥ 0."""
    shape, flat = _flat(*args)
    # The geometric mean of those that are not 0.
    logs = np.sum([np.log(np.where(x > 0, x, 1.0)) for x in flat], axis=0)
    scale = np.exp(logs / np.maximum(np.sum([x > 0 for x in flat], axis=0), 1))
    t = scale[:, None] * _U
    logarithm = power * np.log(t)
    for p, x in zip(exponents, flat, strict=True):
        logarithm = logarithm - p * np.log(t + x[:, None])
    total = np.sum(np.exp(logarithm) * _UW, axis=1) * scale
    return np.where(functools.reduce(np.logical_and, [x >= 0 for x in flat]), total, np.nan).reshape(shape)[()]


@functools.cache
def carlson(power: int, exponents: tuple[float, ...]) -> Elementwise:
    """The integral above as a rule: its derivative in xᵢ is −pᵢ times the one with pᵢ + 1."""

    def partial(i: int) -> Any:
        raised = (*exponents[:i], exponents[i] + 1.0, *exponents[i + 1 :])
        return lambda _y, *args: -exponents[i] * carlson(power, raised)(*args)

    return family(
        functools.partial(_carlson, power, exponents), *(partial(i) for i in range(len(exponents))), name="carlson"
    )


# -- quotients that cancel ---------------------------------------------------------------------------------------------


def log1p_ratio(u: Any) -> Any:
    """log(1+u)/u."""
    return near_zero(u, 0.01, [(-1.0) ** n / (n + 1) for n in range(8)], lambda v: np.log1p(v) / v)
