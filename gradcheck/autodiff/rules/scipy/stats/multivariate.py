"""SciPy's multivariate distributions: log densities in the point and all parameters, and moments.

The value is SciPy's own; the derivative is that of the formula here, made of NumPy functions with rules. SciPy reads
the lower triangle of a covariance matrix and nothing else, so the derivative belongs to the lower triangle too.

Frozen distributions with traced parameters are objects of ours that keep the parameters and call the same handlers.

Formulas: Mardia, Kent & Bibby, *Multivariate Analysis*, 1979; Johnson, Kotz & Balakrishnan, *Discrete Multivariate
Distributions*, 1997; Mardia & Jupp, *Directional Statistics*, 2000, 9.3.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp
from scipy import stats

from gradcheck.autodiff.core import plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.fallback import numeric
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.partials import GRAFT
from gradcheck.autodiff.rules.scipy.registry import methods, original

Handler = Callable[..., Any]
LOG_2, LOG_PI = math.log(2.0), math.log(math.pi)
LOG_2PI = LOG_2 + LOG_PI


def _value(x: Any) -> Any:
    return x if x is None or isinstance(x, stats.Covariance) else as_traced(x) * 1.0


def _symmetric(a: Any) -> Any:
    """The symmetric matrix that has this lower triangle."""
    return np.tril(a) + np.swapaxes(np.tril(a, -1), -1, -2)


def _matrix(a: Any, dim: int) -> Any:
    """A covariance as SciPy takes it: a number, a diagonal, a matrix, or its Covariance object."""
    if isinstance(a, stats.Covariance):
        a = a.covariance
    n = len(shape_of(a))
    if n == 0:
        return a * np.eye(dim)
    return a[..., None] * np.eye(dim) if n == 1 else _symmetric(a)


def _logdet(a: Any) -> Any:
    return np.linalg.slogdet(a)[1]


def _full_rank(a: Any, name: str) -> None:
    if np.linalg.matrix_rank(plain(a), hermitian=True) < shape_of(a)[-1]:
        raise unsupported(f"scipy.stats.{name} with a singular matrix")


def _dimension(center: Any, spread: Any) -> int:
    """As SciPy has it: from the mean, or else from the covariance."""
    if center is not None:
        return int(np.size(plain(center)))
    if isinstance(spread, stats.Covariance):
        return int(spread.shape[-1])
    shape = shape_of(spread)
    return shape[0] if shape else 1


def _points(x: Any, dim: int) -> Any:
    n = len(shape_of(x))
    if n == 0:
        return np.reshape(x, (1,))
    if n == 1:
        return x[:, None] if dim == 1 else x[None, :]
    return x


def _mahalanobis(x: Any, center: Any, spread: Any, name: str) -> tuple[int, Any, Any]:
    """Dimension, (x−m)ᵀ C⁻¹ (x−m) of each point, log det C."""
    dim = _dimension(center, spread)
    C = _matrix(spread, dim)
    _full_rank(C, name)
    deviation = _points(x, dim) - (0.0 if center is None else np.reshape(center, (dim,)))
    flat = np.reshape(deviation, (-1, dim))
    square = np.sum(flat * np.linalg.solve(C, flat.T).T, axis=-1)
    return dim, np.reshape(square, shape_of(deviation)[:-1]), _logdet(C)


# -- log densities: the formulas, in SciPy's argument names ------------------------------------------------------------


def _multivariate_normal(x: Any, mean: Any = None, cov: Any = 1.0) -> Any:
    dim, square, logdet = _mahalanobis(x, mean, cov, "multivariate_normal")
    return -0.5 * (dim * LOG_2PI + logdet + square)


def _multivariate_t(x: Any, loc: Any = None, shape: Any = 1.0, df: Any = 1.0) -> Any:
    dim, square, logdet = _mahalanobis(x, loc, shape, "multivariate_t")
    if np.isinf(plain(df)):
        return -0.5 * (dim * LOG_2PI + logdet + square)
    total = 0.5 * (df + dim)
    constant = sp.gammaln(total) - sp.gammaln(0.5 * df) - 0.5 * dim * (np.log(df) + LOG_PI)
    return constant - 0.5 * logdet - total * np.log1p(square / df)


def _log_beta(alpha: Any) -> Any:
    return np.sum(sp.gammaln(alpha)) - sp.gammaln(np.sum(alpha))


def _dirichlet(x: Any, alpha: Any) -> Any:
    if shape_of(x)[0] + 1 == shape_of(alpha)[0]:
        x = np.concatenate([x, np.reshape(1.0 - np.sum(x, axis=0), (1, *shape_of(x)[1:]))])
    power = np.reshape(alpha - 1.0, (-1,) + (1,) * (len(shape_of(x)) - 1))
    return np.sum(sp.xlogy(power, x), axis=0) - _log_beta(alpha)


def _dirichlet_multinomial(x: Any, alpha: Any, n: Any) -> Any:
    x, n = plain(x), plain(n)
    total = np.sum(alpha, axis=-1)
    y = sp.gammaln(total) + sp.gammaln(n + 1.0) - sp.gammaln(n + total)
    return y + np.sum(sp.gammaln(x + alpha) - sp.gammaln(alpha) - sp.gammaln(x + 1.0), axis=-1)


def _multinomial(x: Any, n: Any, p: Any) -> Any:
    """SciPy takes the last probability for what the others leave."""
    x, n = plain(x), plain(n)
    last = 1.0 - np.sum(p[..., :-1], axis=-1, keepdims=True)
    p = np.concatenate([p[..., :-1], last], axis=-1)
    return sp.gammaln(n + 1.0) + np.sum(sp.xlogy(x, p) - sp.gammaln(x + 1.0), axis=-1)


def _matrices(x: Any, dim: int) -> Any:
    """Wishart's points, of which the last axis counts, with the matrices in the last two axes instead."""
    n = len(shape_of(x))
    if n == 0:
        x = x * np.eye(dim)[:, :, None]
    elif n == 1:
        x = np.reshape(x, (1, 1, -1)) if dim == 1 else np.diag(x)[:, :, None]
    elif n == 2:
        x = x[:, :, None]
    return np.moveaxis(x, -1, 0)


def _wishart_parameters(df: Any, scale: Any) -> tuple[int, Any]:
    n = len(shape_of(scale))
    scale = np.reshape(scale, (1, 1)) if n == 0 else np.diag(scale) if n == 1 else scale
    return shape_of(scale)[0], _symmetric(scale)


def _multigamma(a: Any, dim: int) -> Any:
    total: Any = 0.25 * dim * (dim - 1) * LOG_PI
    for j in range(dim):
        total = total + sp.gammaln(a - 0.5 * j)
    return total


def _wishart(x: Any, df: Any, scale: Any) -> Any:
    dim, S = _wishart_parameters(df, scale)
    X = _matrices(x, dim)
    trace = np.sum(np.linalg.inv(S) * X, axis=(-2, -1))  # of all of X, where its determinant is its lower triangle's
    constant = 0.5 * df * dim * LOG_2 + 0.5 * df * _logdet(S) + _multigamma(0.5 * df, dim)
    return 0.5 * (df - dim - 1.0) * _logdet(_symmetric(X)) - 0.5 * trace - constant


def _invwishart(x: Any, df: Any, scale: Any) -> Any:
    dim, S = _wishart_parameters(df, scale)
    X = _symmetric(_matrices(x, dim))
    trace = np.sum(S * np.linalg.inv(X), axis=(-2, -1))
    constant = 0.5 * df * dim * LOG_2 + _multigamma(0.5 * df, dim)
    return 0.5 * df * _logdet(S) - 0.5 * trace - 0.5 * (df + dim + 1.0) * _logdet(X) - constant


def _matrix_normal(X: Any, mean: Any = None, rowcov: Any = 1.0, colcov: Any = 1.0) -> Any:
    shape = shape_of(mean) if mean is not None else shape_of(X)[-2:]
    rows, columns = shape
    U, V = _matrix(rowcov, rows), _matrix(colcov, columns)
    D = X - (0.0 if mean is None else mean)
    # tr(V⁻¹ Dᵀ U⁻¹ D)
    square = np.sum(D * (np.linalg.inv(U) @ D @ np.linalg.inv(V)), axis=(-2, -1))
    return -0.5 * (rows * columns * LOG_2PI + columns * _logdet(U) + rows * _logdet(V) + square)


def _vonmises_fisher(x: Any, mu: Any, kappa: Any = 1.0) -> Any:
    dim = shape_of(mu)[0]
    half = 0.5 * dim
    constant = (half - 1.0) * np.log(kappa) - half * LOG_2PI - np.log(sp.ive(half - 1.0, kappa)) - kappa
    return constant + kappa * np.sum(x * mu, axis=-1)


def _normal_inverse_gamma(x: Any, s2: Any, mu: Any = 0.0, lmbda: Any = 1.0, a: Any = 1.0, b: Any = 1.0) -> Any:
    constant = 0.5 * (np.log(lmbda) - LOG_2PI - np.log(s2)) + a * np.log(b) - sp.gammaln(a)
    return constant - (a + 1.0) * np.log(s2) - (2.0 * b + lmbda * (x - mu) ** 2) / (2.0 * s2)


# -- moments and entropies ---------------------------------------------------------------------------------------------


def _normal_entropy(mean: Any = None, cov: Any = 1.0) -> Any:
    dim = _dimension(mean, cov)
    C = _matrix(cov, dim)
    _full_rank(C, "multivariate_normal")
    return 0.5 * (dim * (LOG_2PI + 1.0) + _logdet(C))


def _dirichlet_entropy(alpha: Any) -> Any:
    total = np.sum(alpha)
    return (
        _log_beta(alpha) + (total - shape_of(alpha)[0]) * sp.psi(total) - np.sum((alpha - 1.0) * sp.psi(alpha))
    )  # fmt: skip


def _dirichlet_mean(alpha: Any) -> Any:
    return alpha / np.sum(alpha)


def _dirichlet_var(alpha: Any) -> Any:
    total = np.sum(alpha)
    return alpha * (total - alpha) / (total * total * (total + 1.0))


def _dirichlet_cov(alpha: Any) -> Any:
    total = np.sum(alpha)
    share = alpha / total
    return (share[:, None] * np.eye(shape_of(alpha)[0]) - share[:, None] * share[None, :]) / (total + 1.0)


def _multinomial_mean(n: Any, p: Any) -> Any:
    last = 1.0 - np.sum(p[..., :-1], axis=-1, keepdims=True)
    return plain(n) * np.concatenate([p[..., :-1], last], axis=-1)


def _wishart_mean(df: Any, scale: Any) -> Any:
    n = len(shape_of(scale))
    S = np.reshape(scale, (1, 1)) if n == 0 else np.diag(scale) if n == 1 else scale
    return np.squeeze(df * S)[()]


FORMULAS: dict[str, dict[str, Handler]] = {
    "multivariate_normal": {"logpdf": _multivariate_normal, "entropy": _normal_entropy},
    "multivariate_t": {"logpdf": _multivariate_t},
    "dirichlet": {"logpdf": _dirichlet, "mean": _dirichlet_mean, "var": _dirichlet_var, "cov": _dirichlet_cov,
                  "entropy": _dirichlet_entropy},
    "dirichlet_multinomial": {"logpmf": _dirichlet_multinomial},
    "multinomial": {"logpmf": _multinomial, "mean": _multinomial_mean},
    "wishart": {"logpdf": _wishart, "mean": _wishart_mean},
    "invwishart": {"logpdf": _invwishart},
    "matrix_normal": {"logpdf": _matrix_normal},
    "vonmises_fisher": {"logpdf": _vonmises_fisher},
    "normal_inverse_gamma": {"logpdf": _normal_inverse_gamma},
}  # fmt: skip
PUBLIC = ("logpdf", "pdf", "logpmf", "pmf", "cdf", "logcdf", "mean", "var", "cov", "entropy", "mode")
ADVICE = "draw standard variates outside of the function and transform them in it"


def _exact(cls: type, method: str, formula: Handler) -> Handler:
    """SciPy's value with the formula's derivative."""
    names = list(inspect.signature(formula).parameters)
    exponential = method in ("pdf", "pmf")

    def handler(self: Any, *args: Any, **keywords: Any) -> Any:
        bound = inspect.signature(original(cls, method)).bind(self, *args, **keywords).arguments
        given = {name: _value(bound[name]) for name in names if name in bound}
        with np.errstate(all="ignore"):
            value = original(cls, method)(self, *plain_tree(args), **plain_tree(keywords))
            y = formula(**given)
            shape = np.shape(value)
            outside = np.isneginf(np.log(value) if exponential else value)
        y = np.reshape(y, shape) if shape_of(y) != shape else y
        if np.any(outside):  # beyond the support nothing changes
            y = np.where(outside, 0.0, y)
        return GRAFT((np.exp(y) if exponential else y)[()], value=value)

    return handler


def _refused(name: str, method: str) -> Handler:
    def handler(*_args: Any, **_keywords: Any) -> Any:
        raise unsupported(f"scipy.stats.{name}.{method} of traced values is not supported", ADVICE)

    return handler


class Frozen:
    """A distribution with its parameters fixed, of which some are traced."""

    def __init__(self, dist: Any, parameters: dict[str, Any], handlers: dict[str, Handler]) -> None:
        self._dist = dist
        self._parameters = parameters
        self._handlers = handlers

    def __getattr__(self, method: str) -> Any:
        handlers, parameters = self.__dict__["_handlers"], self.__dict__["_parameters"]
        if method in parameters:
            return parameters[method]
        if method not in handlers:
            raise AttributeError(method)
        dist = self._dist
        takes = inspect.signature(original(type(dist), method)).parameters
        chosen = {k: v for k, v in parameters.items() if k in takes}

        def call(*args: Any, **keywords: Any) -> Any:
            # The originals take the frozen values by name, whatever else the call brings.
            return getattr(dist, method)(*args, **chosen, **keywords)

        return call


def _freeze(cls: type, handlers: dict[str, Handler]) -> Handler:
    def handler(self: Any, *args: Any, **keywords: Any) -> Any:
        bound = inspect.signature(original(cls, "__call__")).bind(self, *args, **keywords).arguments
        values = {k: v for k, v in bound.items() if k not in ("self", "seed", "kwds")} | bound.get("kwds", {})
        return Frozen(self, values, handlers)

    return handler


def _thawed(cls: type, frozen: type, method: str, handler: Handler) -> Handler:
    """A method of SciPy's own frozen distribution, whose parameters are plain, at a traced point."""
    takes = [n for n in inspect.signature(getattr(cls, method)).parameters if n not in ("self", "x", "X", "s2")]

    def call(self: Any, *args: Any, **keywords: Any) -> Any:
        values = {n: getattr(self, n) for n in takes if hasattr(self, n)}
        return handler(self._dist, *args, **values, **keywords)

    return call


def _frozen_class(name: str) -> type | None:
    module = inspect.getmodule(type(getattr(stats, name)))
    return getattr(module, f"{name}_frozen", None)


def _register(name: str, formulas: dict[str, Handler]) -> None:
    dist = getattr(stats, name, None)
    if dist is None:
        return
    cls = type(dist)
    handlers: dict[str, Handler] = {}
    for method in PUBLIC:
        formula = formulas.get({"pdf": "logpdf", "pmf": "logpmf"}.get(method, method))
        if not hasattr(cls, method):
            continue
        if formula is not None:
            handlers[method] = _exact(cls, method, formula)
        else:
            handlers[method] = _numeric(cls, name, method)
    for method in ("rvs", "fit"):
        if hasattr(cls, method):
            handlers[method] = _refused(name, method)
    methods(cls, handlers | {"__call__": _freeze(cls, handlers)})
    frozen = _frozen_class(name)
    if frozen is not None:
        exact = {m: h for m, h in handlers.items() if m in ("logpdf", "pdf", "logpmf", "pmf") and hasattr(frozen, m)}
        methods(frozen, {m: _thawed(cls, frozen, m, h) for m, h in exact.items()})


def _numeric(cls: type, name: str, method: str) -> Handler:
    def handler(self: Any, *args: Any, **keywords: Any) -> Any:
        function = original(cls, method)
        return numeric(lambda *a, **k: function(self, *a, **k), f"scipy.stats.{name}.{method}")(*args, **keywords)

    return handler


for _name, _formulas in FORMULAS.items():
    _register(_name, _formulas)
