"""Formulas of the common distributions, standardised: log densities, and distribution functions where SciPy's own code
is compiled or has a removable point.

Everything else is differentiated through SciPy's own code (``engine.py``). Source: Johnson, Kotz & Balakrishnan,
*Continuous Univariate Distributions*, 2nd ed., 1994–95; Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, 3rd
ed., 2005; SciPy's documentation for the parametrisations.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp
from scipy import stats

from gradcheck.autodiff.core import plain
from gradcheck.autodiff.rules.scipy.partials import family
from gradcheck.autodiff.rules.scipy.quadrature import log1p_ratio

LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
LOG_PI = math.log(math.pi)
LOG_2 = math.log(2.0)

Law = dict[str, Callable[..., Any]]


def _normal(z: Any) -> Any:
    return -0.5 * z * z - LOG_ROOT_2PI


def _t(z: Any, df: Any) -> Any:
    """Of which the normal distribution is the limit df = ∞."""
    infinite = np.isinf(plain(df))
    v = np.where(infinite, 1.0, df)[()] if np.any(infinite) else df
    y = (
        sp.gammaln(0.5 * (v + 1.0)) - sp.gammaln(0.5 * v) - 0.5 * (np.log(v) + LOG_PI)
        - 0.5 * (v + 1.0) * np.log1p(z * z / v)
    )  # fmt: skip
    return np.where(infinite, _normal(z), y)[()] if np.any(infinite) else y


def _f(z: Any, n: Any, d: Any) -> Any:
    return (
        0.5 * n * np.log(n) + 0.5 * d * np.log(d) + sp.xlogy(0.5 * n - 1.0, z)
        - 0.5 * (n + d) * np.log(d + n * z) - sp.betaln(0.5 * n, 0.5 * d)
    )  # fmt: skip


def _lognorm(z: Any, s: Any) -> Any:
    u = np.log(z) / s
    return -0.5 * u * u - np.log(s * z) - LOG_ROOT_2PI


def _weibull(z: Any, c: Any) -> Any:
    return np.log(c) + sp.xlogy(c - 1.0, z) - z**c


def _logistic(z: Any) -> Any:
    r = np.abs(z)
    return -r - 2.0 * np.log1p(np.exp(-r))


def _genextreme_reduced(z: Any, c: Any) -> Any:
    """log(1 − cz)/c, which is −z at c = 0."""
    return -z * log1p_ratio(-c * z)


def _genextreme(z: Any, c: Any) -> Any:
    r = _genextreme_reduced(z, c)
    return r - c * r - np.exp(r)


def _genpareto(z: Any, c: Any) -> Any:
    return -(c + 1.0) * z * log1p_ratio(c * z)


# log(Φ(b) − Φ(a)), whose derivatives are −φ(a) and φ(b) over the difference. In the tails by the side that is accurate.


def _mass(a: Any, b: Any) -> Any:
    right = a > 0
    low, high = np.where(right, -b, a), np.where(right, -a, b)
    top, bottom = sp.log_ndtr(high), sp.log_ndtr(low)
    with np.errstate(all="ignore"):
        return (top + np.log1p(-np.exp(bottom - top)))[()]


LOG_MASS = family(
    _mass,
    lambda y, a, _b: -np.exp(_normal(a) - y),
    lambda y, _a, b: np.exp(_normal(b) - y),
    name="scipy.stats.truncnorm",
)


def _ncx2(z: Any, df: Any, nc: Any) -> Any:
    """½e^{−(x+λ)/2}(x/λ)^{k/4−½} I_{k/2−1}(√(λx)) with the scaled I; central for λ = 0."""
    order = 0.5 * df - 1.0
    central = plain(nc) == 0
    c = np.where(central, 1.0, nc)
    gap = np.sqrt(z) - np.sqrt(c)
    y = 0.5 * order * np.log(z / c) - 0.5 * gap * gap + np.log(sp.ive(order, np.sqrt(c * z))) - LOG_2
    if not np.any(central):
        return y
    return np.where(central, sp.xlogy(order, 0.5 * z) - 0.5 * z - sp.gammaln(0.5 * df) - LOG_2, y)


def _nct(z: Any, df: Any, nc: Any) -> Any:
    """(v/t)(F_{v+2}(t√((v+2)/v)) − F_v(t)), Johnson et al., chapter 31."""
    return np.log(df / z * (sp.nctdtr(df + 2.0, nc, z * np.sqrt((df + 2.0) / df)) - sp.nctdtr(df, nc, z)))


# Pearson III is a shifted gamma distribution with shape 4/skew², and the normal one in the limit, which SciPy takes for
# it below this skew; there its slope in the skew is (z³ − 3z)/6 (Edgeworth).
NORMAL_SKEW = 1.6e-5


def _as_gamma(z: Any, skew: Any) -> tuple[Any, Any, Any, Any]:
    """Where it is normal, the rate and the shape of the gamma distribution, and its variable."""
    near = np.abs(plain(skew)) < NORMAL_SKEW
    beta = 2.0 / np.where(near, 1.0, skew)
    alpha = beta * beta
    u = beta * z + alpha
    return near, beta, alpha, np.where(plain(u) > 0, u, 1.0)


def _pearson3(z: Any, skew: Any) -> Any:
    near, beta, alpha, u = _as_gamma(z, skew)
    y = np.log(np.abs(beta)) + sp.xlogy(alpha - 1.0, u) - u - sp.gammaln(alpha)
    return np.where(near, _normal(z) + skew * (z * z * z - 3.0 * z) / 6.0, y) if np.any(near) else y


def _pearson3_below(lower: bool) -> Callable[..., Any]:
    def distribution(z: Any, skew: Any) -> Any:
        near, beta, alpha, u = _as_gamma(z, skew)
        below = (plain(beta) > 0) == lower
        y = np.where(below, sp.gammainc(alpha, u), sp.gammaincc(alpha, u))
        if not np.any(near):
            return y
        sign = 1.0 if lower else -1.0
        edge = sp.ndtr(sign * z) - sign * skew * (z * z - 1.0) * np.exp(_normal(z)) / 6.0
        return np.where(near, edge, y)

    return distribution


def _log_kv(order: Any, x: Any) -> Any:
    return np.log(sp.kve(order, x)) - x


def _geninvgauss(z: Any, p: Any, b: Any) -> Any:
    return (p - 1.0) * np.log(z) - 0.5 * b * (z + 1.0 / z) - LOG_2 - _log_kv(p, b)


def _genhyperbolic(z: Any, p: Any, a: Any, b: Any) -> Any:
    t = np.sqrt((a - b) * (a + b))
    r = np.sqrt(1.0 + z * z)
    return (
        p * np.log(t) - (p - 0.5) * np.log(a) - LOG_ROOT_2PI - _log_kv(p, t)
        + b * z + _log_kv(p - 0.5, a * r) + (p - 0.5) * np.log(r)
    )  # fmt: skip


def _poisson(k: Any, mu: Any) -> Any:
    return sp.xlogy(k, mu) - sp.gammaln(k + 1.0) - mu


def _binom(k: Any, n: Any, p: Any) -> Any:
    combinations = sp.gammaln(n + 1.0) - sp.gammaln(k + 1.0) - sp.gammaln(n - k + 1.0)
    return combinations + sp.xlogy(k, p) + sp.xlog1py(n - k, -p)


def _nbinom(k: Any, n: Any, p: Any) -> Any:
    return sp.gammaln(n + k) - sp.gammaln(k + 1.0) - sp.gammaln(n) + n * np.log(p) + sp.xlog1py(k, -p)


def _skellam(k: Any, a: Any, b: Any) -> Any:
    """exp(−a−b)·(a/b)^(k/2)·I_k(2√(ab))."""
    root = 2.0 * np.sqrt(a * b)
    return -((np.sqrt(a) - np.sqrt(b)) ** 2) + 0.5 * k * np.log(a / b) + np.log(sp.ive(np.abs(k), root))


TABLE: dict[str, Law] = {
    "norm": {"logpdf": _normal},
    "expon": {"logpdf": lambda z: -z},
    "gamma": {"logpdf": lambda z, a: sp.xlogy(a - 1.0, z) - z - sp.gammaln(a), "cdf": lambda z, a: sp.gammainc(a, z),
              "sf": lambda z, a: sp.gammaincc(a, z)},
    "beta": {"logpdf": lambda z, a, b: sp.xlogy(a - 1.0, z) + sp.xlog1py(b - 1.0, -z) - sp.betaln(a, b),
             "cdf": lambda z, a, b: sp.betainc(a, b, z), "sf": lambda z, a, b: sp.betaincc(a, b, z)},
    "t": {"logpdf": _t, "cdf": lambda z, df: sp.stdtr(df, z), "sf": lambda z, df: sp.stdtr(df, -z)},
    "chi2": {"logpdf": lambda z, df: sp.xlogy(0.5 * df - 1.0, z) - 0.5 * z - sp.gammaln(0.5 * df) - 0.5 * LOG_2 * df,
             "cdf": lambda z, df: sp.chdtr(df, z), "sf": lambda z, df: sp.chdtrc(df, z)},
    "f": {"logpdf": _f, "cdf": lambda z, n, d: sp.fdtr(n, d, z), "sf": lambda z, n, d: sp.fdtrc(n, d, z)},
    "lognorm": {"logpdf": _lognorm, "cdf": lambda z, s: sp.ndtr(np.log(z) / s),
                "sf": lambda z, s: sp.ndtr(-np.log(z) / s)},
    "weibull_min": {"logpdf": _weibull, "cdf": lambda z, c: -np.expm1(-(z**c)), "sf": lambda z, c: np.exp(-(z**c))},
    "weibull_max": {"logpdf": lambda z, c: _weibull(-z, c), "cdf": lambda z, c: np.exp(-((-z) ** c)),
                    "sf": lambda z, c: -np.expm1(-((-z) ** c))},
    "uniform": {"logpdf": lambda z: 0.0 * z},
    "laplace": {"logpdf": lambda z: -np.abs(z) - LOG_2},
    "logistic": {"logpdf": _logistic},
    "cauchy": {"logpdf": lambda z: -np.log1p(z * z) - LOG_PI},
    "pareto": {"logpdf": lambda z, b: np.log(b) - (b + 1.0) * np.log(z), "cdf": lambda z, b: -np.expm1(-b * np.log(z)),
               "sf": lambda z, b: z**-b},
    "lomax": {"logpdf": lambda z, c: np.log(c) - (c + 1.0) * np.log1p(z),
              "cdf": lambda z, c: -np.expm1(-c * np.log1p(z)), "sf": lambda z, c: np.exp(-c * np.log1p(z))},
    "gumbel_r": {"logpdf": lambda z: -z - np.exp(-z)},
    "gumbel_l": {"logpdf": lambda z: z - np.exp(z)},
    "halfnorm": {"logpdf": lambda z: 0.5 * math.log(2.0 / math.pi) - 0.5 * z * z},
    "halfcauchy": {"logpdf": lambda z: math.log(2.0 / math.pi) - np.log1p(z * z)},
    "invgamma": {"logpdf": lambda z, a: -(a + 1.0) * np.log(z) - sp.gammaln(a) - 1.0 / z,
                 "cdf": lambda z, a: sp.gammaincc(a, 1.0 / z), "sf": lambda z, a: sp.gammainc(a, 1.0 / z)},
    "rayleigh": {"logpdf": lambda z: np.log(z) - 0.5 * z * z},
    "maxwell": {"logpdf": lambda z: 0.5 * math.log(2.0 / math.pi) + 2.0 * np.log(z) - 0.5 * z * z},
    "powerlaw": {"logpdf": lambda z, a: np.log(a) + sp.xlogy(a - 1.0, z), "cdf": lambda z, a: z**a,
                 "sf": lambda z, a: -np.expm1(a * np.log(z))},
    "truncnorm": {"logpdf": lambda z, a, b: _normal(z) - LOG_MASS(a, b),
                  "cdf": lambda z, a, b: np.exp(LOG_MASS(a, z) - LOG_MASS(a, b)),
                  "sf": lambda z, a, b: np.exp(LOG_MASS(z, b) - LOG_MASS(a, b))},
    "skewnorm": {"logpdf": lambda z, a: LOG_2 + _normal(z) + sp.log_ndtr(a * z),
                 "cdf": lambda z, a: sp.ndtr(z) - 2.0 * sp.owens_t(z, a),
                 "sf": lambda z, a: sp.ndtr(-z) + 2.0 * sp.owens_t(z, a)},
    "genextreme": {"logpdf": _genextreme, "cdf": lambda z, c: np.exp(-np.exp(_genextreme_reduced(z, c))),
                   "sf": lambda z, c: -np.expm1(-np.exp(_genextreme_reduced(z, c)))},
    "genpareto": {"logpdf": _genpareto, "cdf": lambda z, c: -np.expm1(-z * log1p_ratio(c * z)),
                  "sf": lambda z, c: np.exp(-z * log1p_ratio(c * z))},
    "ncx2": {"logpdf": _ncx2, "cdf": lambda z, df, nc: sp.chndtr(z, df, nc)},
    "nct": {"logpdf": _nct, "cdf": lambda z, df, nc: sp.nctdtr(df, nc, z)},
    "pearson3": {"logpdf": _pearson3, "cdf": _pearson3_below(True), "sf": _pearson3_below(False)},
    "geninvgauss": {"logpdf": _geninvgauss},
    "genhyperbolic": {"logpdf": _genhyperbolic},
    # discrete: k is a whole number
    "poisson": {"logpmf": _poisson, "cdf": lambda k, mu: sp.gammaincc(k + 1.0, mu),
                "sf": lambda k, mu: sp.gammainc(k + 1.0, mu)},
    "binom": {"logpmf": _binom, "cdf": lambda k, n, p: sp.betaincc(k + 1.0, n - k, p),
              "sf": lambda k, n, p: sp.betainc(k + 1.0, n - k, p)},
    "nbinom": {"logpmf": _nbinom, "cdf": lambda k, n, p: sp.betainc(n, k + 1.0, p),
               "sf": lambda k, n, p: sp.betaincc(n, k + 1.0, p)},
    "geom": {"logpmf": lambda k, p: sp.xlog1py(k - 1.0, -p) + np.log(p),
             "cdf": lambda k, p: -np.expm1(k * np.log1p(-p)), "sf": lambda k, p: np.exp(k * np.log1p(-p))},
    "bernoulli": {"logpmf": lambda k, p: sp.xlogy(k, p) + sp.xlog1py(1.0 - k, -p),
                  "cdf": lambda k, p: 1.0 - p + 0.0 * k, "sf": lambda k, p: p + 0.0 * k},
    "skellam": {"logpmf": _skellam},
}  # fmt: skip
TABLE["erlang"] = TABLE["gamma"]

# Shape parameters that are whole numbers: nothing but those is allowed, so there is no derivative.
WHOLE = {
    "binom": "n", "hypergeom": "M n N", "nhypergeom": "M n r", "betabinom": "n", "boltzmann": "N",
    "randint": "low high", "nchypergeom_fisher": "M n N", "nchypergeom_wallenius": "M n N", "zipfian": "n",
    "betanbinom": "n", "ksone": "n", "kstwo": "n", "irwinhall": "n",
}  # fmt: skip


def whole(dist: Any) -> list[str]:
    """The names of the shape parameters that are whole numbers, for SciPy's own distributions."""
    own = type(dist) is type(getattr(stats, dist.name or "", None))
    return WHOLE.get(dist.name, "").split() if own else []


@functools.cache
def _by_class() -> dict[type, Law]:
    return {type(getattr(stats, name)): law for name, law in TABLE.items() if hasattr(stats, name)}


def of(dist: Any) -> Law | None:
    """The formulas for a distribution: for SciPy's own class only, not for one that is derived from it."""
    return _by_class().get(type(dist))
