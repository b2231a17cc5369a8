"""``scipy.special``: distribution functions and their inverses, in all arguments.

Nearly all are incomplete gamma and beta functions of some ratio, or inverses of those in one argument; that is all that
is said here (see ``partials.py``). Counts (of successes, of failures), of which SciPy takes the integer part, have no
derivative.

Formulas: Abramowitz & Stegun, *Handbook of Mathematical Functions*, 1964, 26.4–26.7; Johnson, Kotz & Balakrishnan,
*Continuous Univariate Distributions*, vol. 2, 1995, chapters 29 to 31.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from gradcheck.autodiff.core import plain
from gradcheck.autodiff.rules.scipy.partials import NUMERIC, composed, derivative, family, inverse, register

_u = sp._ufuncs


# -- compositions ------------------------------------------------------------------------------------------------------


def fdtr(n: Any, d: Any, x: Any) -> Any:
    return sp.betainc(0.5 * n, 0.5 * d, n * x / (n * x + d))


def _stdtr(df: Any, t: Any) -> Any:
    """From whichever of the two incomplete beta functions does not cancel; for its derivative in df."""
    zero = plain(t) == 0
    t = np.where(zero, 1.0, t)
    s = t * t
    middle = plain(s) < plain(df)
    sign = np.where(zero, 0.0, np.sign(plain(t)))
    inner = 0.5 + 0.5 * sign * sp.betainc(0.5, 0.5 * df, s / (df + s))
    tail = 0.5 * sp.betainc(0.5 * df, 0.5, df / (df + s))
    y = np.where(middle | zero, inner, np.where(sign < 0, tail, 1.0 - tail))
    return y[()]


def _stdtr_density(df: Any, t: Any) -> Any:
    scale = np.exp(sp.gammaln(0.5 * (df + 1.0)) - sp.gammaln(0.5 * df)) / np.sqrt(math.pi * df)
    return scale * np.exp(-0.5 * (df + 1.0) * np.log1p(t * t / df))


def _in_df(df: Any, t: Any) -> Any:
    return derivative(_stdtr, 0, (df, t))


# A rule of its own, since the expression above says nothing of how it changes with t at t = 0.
STDTR_DF = family(
    _in_df,
    lambda _y, df, t: derivative(_in_df, 0, (df, t)),
    lambda _y, df, t: derivative(_stdtr_density, 0, (df, t)),
    name="scipy.special.stdtr",
)
register(sp.stdtr, (lambda _y, df, t: STDTR_DF(df, t), lambda _y, df, t: _stdtr_density(df, t)))


def _whole(k: Any) -> Any:
    return np.floor(plain(k))


def _cut(n: Any) -> Any:
    """A count that SciPy cuts to an integer."""
    return np.trunc(plain(n))


COMPOSED: dict[str, tuple[Any, int, tuple[int, ...]]] = {
    "chdtr": (lambda v, x: sp.gammainc(0.5 * v, 0.5 * x), 2, ()),
    "chdtrc": (lambda v, x: sp.gammaincc(0.5 * v, 0.5 * x), 2, ()),
    "gdtr": (lambda a, b, x: sp.gammainc(b, a * x), 3, ()),
    "gdtrc": (lambda a, b, x: sp.gammaincc(b, a * x), 3, ()),
    "fdtr": (fdtr, 3, ()),
    "fdtrc": (lambda n, d, x: sp.betainc(0.5 * d, 0.5 * n, d / (n * x + d)), 3, ()),
    "pdtr": (lambda k, m: sp.gammaincc(_whole(k) + 1.0, m), 2, (0,)),
    "pdtrc": (lambda k, m: sp.gammainc(_whole(k) + 1.0, m), 2, (0,)),
    "bdtr": (lambda k, n, p: sp.betaincc(_whole(k) + 1.0, _cut(n) - _whole(k), p), 3, (0, 1)),
    "bdtrc": (lambda k, n, p: sp.betainc(_whole(k) + 1.0, _cut(n) - _whole(k), p), 3, (0, 1)),
    "nbdtr": (lambda k, n, p: sp.betainc(_cut(n), _cut(k) + 1.0, p), 3, (0, 1)),
    "nbdtrc": (lambda k, n, p: sp.betaincc(_cut(n), _cut(k) + 1.0, p), 3, (0, 1)),
    "nrdtrimn": (lambda p, std, x: x - std * sp.ndtri(p), 3, ()),
    "nrdtrisd": (lambda mn, p, x: (x - mn) / sp.ndtri(p), 3, ()),
}
for _name, (_expression, _n, _skip) in COMPOSED.items():
    register(getattr(sp, _name), composed(_expression, _n, _skip))

# -- inverses: the function (of continuous counts where SciPy's inverse is), where the unknown is, where the probability


def _betainc(a: Any, b: Any, x: Any) -> Any:
    return sp.betainc(a, b, x)


def _bdtr(k: Any, n: Any, p: Any) -> Any:
    return sp.betaincc(k + 1.0, n - k, p)


def _nbdtr(k: Any, n: Any, p: Any) -> Any:
    return sp.betainc(n, k + 1.0, p)


def _pdtr(k: Any, m: Any) -> Any:
    return sp.gammaincc(k + 1.0, m)


INVERSES: dict[str, tuple[Any, int, int, int, tuple[int, ...]]] = {
    "btdtria": (_betainc, 3, 0, 0, ()),
    "btdtrib": (_betainc, 3, 1, 1, ()),
    "chdtri": (lambda v, x: sp.gammaincc(0.5 * v, 0.5 * x), 2, 1, 1, ()),
    "chdtriv": (lambda v, x: sp.gammainc(0.5 * v, 0.5 * x), 2, 0, 0, ()),
    "gdtria": (lambda a, b, x: sp.gammainc(b, a * x), 3, 0, 0, ()),
    "gdtrib": (lambda a, b, x: sp.gammainc(b, a * x), 3, 1, 1, ()),
    "gdtrix": (lambda a, b, x: sp.gammainc(b, a * x), 3, 2, 2, ()),
    "fdtri": (fdtr, 3, 2, 2, ()),
    "fdtridfd": (fdtr, 3, 1, 1, ()),
    "stdtrit": (sp.stdtr, 2, 1, 1, ()),
    "stdtridf": (sp.stdtr, 2, 0, 0, ()),
    "pdtri": (lambda k, m: sp.gammaincc(_whole(k) + 1.0, m), 2, 1, 1, (0,)),
    "pdtrik": (_pdtr, 2, 0, 0, ()),
    "bdtri": (lambda k, n, p: sp.betaincc(_whole(k) + 1.0, _cut(n) - _whole(k), p), 3, 2, 2, (0, 1)),
    "bdtrik": (_bdtr, 3, 0, 0, ()),
    "bdtrin": (_bdtr, 3, 1, 1, ()),
    "nbdtri": (lambda k, n, p: sp.betainc(_cut(n), _cut(k) + 1.0, p), 3, 2, 2, (0, 1)),
    "nbdtrik": (_nbdtr, 3, 0, 0, ()),
    "nbdtrin": (_nbdtr, 3, 1, 1, ()),
}
for _name, _row in INVERSES.items():
    register(getattr(sp, _name), inverse(*_row))

# -- noncentral distributions ------------------------------------------------------------------------------------------


def _chndtr_x(_y: Any, x: Any, df: Any, nc: Any) -> Any:
    """The density ½e^{−(x+λ)/2}(x/λ)^{k/4−½} I_{k/2−1}(√(λx)), with the scaled I; central for λ = 0."""
    order = 0.5 * df - 1.0
    central = plain(nc) == 0
    safe = np.where(central, 1.0, nc)
    root = np.sqrt(safe * x)
    spread = np.sqrt(x) - np.sqrt(safe)
    bent = 0.5 * np.exp(-0.5 * spread * spread + 0.5 * order * np.log(x / safe)) * sp.ive(order, root)
    if not np.any(central):
        return bent
    straight = 0.5 * np.exp(sp.xlogy(order, 0.5 * x) - 0.5 * x - sp.gammaln(0.5 * df))
    return np.where(central, straight, bent)[()]


def _chndtr_nc(y: Any, x: Any, df: Any, nc: Any) -> Any:
    """∂F/∂λ = ½(F_{k+2} − F_k)."""
    return 0.5 * (sp.chndtr(x, df + 2.0, nc) - y)


register(sp.chndtr, (_chndtr_x, NUMERIC, _chndtr_nc))
register(sp.chndtrix, inverse(sp.chndtr, 3, 0, 0, numeric=(1,)))
register(sp.chndtridf, inverse(sp.chndtr, 3, 1, 1, numeric=(0, 1, 2)))
register(sp.chndtrinc, inverse(sp.chndtr, 3, 2, 2, numeric=(1,)))


def _nct_x(y: Any, df: Any, nc: Any, t: Any) -> Any:
    """The density (v/t)(F_{v+2}(t√((v+2)/v)) − F_v(t)); at t = 0 its limit (Johnson et al., chapter 31)."""
    zero = plain(t) == 0
    at = np.where(zero, 1.0, t)
    value = np.where(zero, sp.nctdtr(df, nc, at), y) if np.any(zero) else y
    far = df / at * (sp.nctdtr(df + 2.0, nc, at * np.sqrt((df + 2.0) / df)) - value)
    middle = np.exp(sp.gammaln(0.5 * (df + 1.0)) - sp.gammaln(0.5 * df) - 0.5 * nc * nc) / np.sqrt(math.pi * df)
    return np.where(zero, middle, far)[()]


register(sp.nctdtr, (NUMERIC, NUMERIC, _nct_x))
register(sp.nctdtridf, inverse(sp.nctdtr, 3, 0, 0, numeric=(0, 1, 2)))
register(sp.nctdtrinc, inverse(sp.nctdtr, 3, 1, 1, numeric=(0, 1, 2)))
register(sp.nctdtrit, inverse(sp.nctdtr, 3, 2, 2, numeric=(0, 1)))

register(sp.ncfdtr, (NUMERIC,) * 4)
register(sp.ncfdtri, inverse(sp.ncfdtr, 4, 3, 3, numeric=(0, 1, 2, 3)))
register(sp.ncfdtridfn, inverse(sp.ncfdtr, 4, 0, 0, numeric=(0, 1, 2, 3)))
register(sp.ncfdtridfd, inverse(sp.ncfdtr, 4, 1, 1, numeric=(0, 1, 2, 3)))
register(sp.ncfdtrinc, inverse(sp.ncfdtr, 4, 2, 2, numeric=(0, 1, 2, 3)))

# -- Kolmogorov and Smirnov: SciPy has the density; what comes after that is numeric -----------------------------------

register(_u._kolmogp, (NUMERIC,), name="scipy.special.kolmogorov")
register(_u._smirnovp, (None, NUMERIC), name="scipy.special.smirnov")
register(sp.kolmogorov, (lambda _y, x: _u._kolmogp(x),))
register(sp.kolmogi, (lambda y, _p: 1.0 / _u._kolmogp(y),))
register(_u._kolmogc, (lambda _y, x: -_u._kolmogp(x),), name="scipy.special.kolmogorov")
register(_u._kolmogci, (lambda y, _p: -1.0 / _u._kolmogp(y),), name="scipy.special.kolmogi")
register(sp.smirnov, (None, lambda _y, n, d: _u._smirnovp(n, d)))
register(sp.smirnovi, (None, lambda y, n, _p: 1.0 / _u._smirnovp(n, y)))
register(_u._smirnovc, (None, lambda _y, n, d: -_u._smirnovp(n, d)), name="scipy.special.smirnov")
register(_u._smirnovci, (None, lambda y, n, _p: -1.0 / _u._smirnovp(n, y)), name="scipy.special.smirnovi")
