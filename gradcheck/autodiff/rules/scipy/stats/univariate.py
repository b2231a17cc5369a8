"""The methods of SciPy's univariate distributions for traced arguments: location, scale and broadcasting as SciPy does
them, around the standardised rules of ``engine.py``. Frozen distributions call these methods, so they follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from gradcheck.autodiff.core import TRACED, any_active, elementwise, is_active, is_complex, plain, plain_tree
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy.partials import floats, labelled
from gradcheck.autodiff.rules.scipy.registry import methods
from gradcheck.autodiff.rules.scipy.stats import engine, laws
from gradcheck.autodiff.rules.scipy.stats.engine import Law

Handler = Callable[..., Any]


def _operand(x: Any) -> Any:
    x = as_traced(x) if isinstance(x, list | tuple) else x
    if is_complex(x):
        raise unsupported("a distribution of scipy.stats at a complex argument")
    return floats(x)


def _double(x: Any) -> Any:
    """SciPy computes in double precision, or a wider one."""
    kind = np.promote_types(np.result_type(plain(x)), np.float64)
    return x if np.result_type(plain(x)) == kind else x.astype(kind)


def parsed(dist: Any, args: Sequence[Any], keywords: dict[str, Any]) -> tuple[list[Any], Any, Any]:
    """Shapes, loc and scale, as SciPy reads them from the arguments."""
    shapes, loc, scale = dist._parse_args(*args, **keywords)
    names = (dist.shapes or "").replace(",", " ").split()
    whole = laws.whole(dist)
    operands = []
    for k, s in enumerate(shapes):
        fixed = k < len(names) and names[k] in whole
        operands.append(np.asarray(plain_tree(s))[()] if fixed else _operand(s))
    return operands, _operand(loc), _operand(scale)


def _trivial(x: Any, value: float) -> bool:
    return type(x) not in TRACED and np.ndim(x) == 0 and x == value


def standardised(x: Any, loc: Any, scale: Any) -> Any:
    z = x if _trivial(loc, 0.0) else x - loc
    return _double(z if _trivial(scale, 1.0) else z / scale)


def _allowed(y: Any, scale: Any) -> Any:
    """nan for a scale that is not positive."""
    good = plain(scale) > 0
    return y if np.all(good) else np.where(good, y, y * np.nan)[()]


def _apply(dist: Any, method: str, partials: Sequence[Any], operands: Sequence[Any]) -> Any:
    if not any(type(o) in TRACED for o in operands):
        return engine.standard(dist, method, *operands)
    return elementwise(Law(dist, method, partials), operands)


# -- the rules of the standardised methods -----------------------------------------------------------------------------


def _shape_partials(dist: Any, what: str, operands: Sequence[Any], low: float, high: float = np.inf) -> list[Any]:
    """For each operand but the first, if it is active, the partial of a method by its best source."""
    return [
        engine.partial_of(dist, what, k, operands, low, high) if is_active(o) else None
        for k, o in enumerate(operands)
        if k
    ]


def logdensity(dist: Any, operands: Sequence[Any]) -> Any:
    """logpdf of z and the shapes."""
    first = engine.partial_of(dist, "logpdf", 0, operands, -np.inf) if is_active(operands[0]) else None
    return _apply(dist, "logpdf", [first, *_shape_partials(dist, "logpdf", operands, -np.inf)], operands)


def density(dist: Any, operands: Sequence[Any]) -> Any:
    """pdf: y·∂logpdf."""

    def make(k: int) -> Any:
        inner = engine.partial_of(dist, "logpdf", k, operands, -np.inf)
        if getattr(inner, "numeric", False):
            return engine.numeric_of(dist, "pdf", k)

        def partial(y: Any, *ops: Any) -> Any:
            return _vanishing(y, inner(_log(y), *ops))

        return partial

    return _apply(dist, "pdf", [make(k) if is_active(o) else None for k, o in enumerate(operands)], operands)


def _log(y: Any) -> Any:
    """The logarithm of a value, of which only the places of −∞ and nan matter."""
    value = np.asarray(plain(y))
    with np.errstate(all="ignore"):
        return np.log(value)


def _vanishing(y: Any, d: Any) -> Any:
    """y·d, and 0 where y is 0."""
    zero = plain(y) == 0
    return np.where(zero, 0.0, y * np.where(zero, 0.0, d))[()] if np.any(zero) else y * d


def distribution(dist: Any, method: str, operands: Sequence[Any]) -> Any:
    """cdf or sf: ±pdf in z."""
    sign = 1.0 if method == "cdf" else -1.0

    def first(_y: Any, *ops: Any) -> Any:
        return sign * density(dist, ops)

    return _apply(dist, method, [first, *_shape_partials(dist, method, operands, 0.0, 1.0)], operands)


def log_distribution(dist: Any, method: str, operands: Sequence[Any]) -> Any:
    """logcdf or logsf: ±exp(logpdf − y) in z; in the shapes by its own code, or the derivative without log over e^y."""
    sign = 1.0 if method == "logcdf" else -1.0
    under = method[3:]

    def first(y: Any, *ops: Any) -> Any:
        low = np.isneginf(plain(y))
        d = sign * np.exp(logdensity(dist, ops) - np.where(low, 0.0, y))
        return np.where(low, 0.0, d)[()] if np.any(low) else d

    def make(k: int) -> Any:
        own = engine.overrides(dist, f"_{method}")
        source = engine.choose(dist, method, k, operands, engine._sources(dist, method)) if own else None
        if source is not None and source.expression is not None:
            return engine.partial_of(dist, method, k, operands, -np.inf)
        inner = engine.partial_of(dist, under, k, operands, 0.0, 1.0)

        def partial(y: Any, *ops: Any) -> Any:
            value = np.exp(y)
            return _quotient(inner(value, *ops), value)

        return labelled(partial) if getattr(inner, "numeric", False) else partial

    rest = [make(k) if is_active(o) else None for k, o in enumerate(operands) if k]
    return _apply(dist, method, [first, *rest], operands)


def _quotient(a: Any, b: Any) -> Any:
    """a/b, and 0 where b is 0."""
    zero = plain(b) == 0
    return np.where(zero, 0.0, a / np.where(zero, 1.0, b))[()] if np.any(zero) else a / b


def quantile(dist: Any, method: str, operands: Sequence[Any]) -> Any:
    """ppf or isf, by the implicit function theorem."""
    under, sign = ("cdf", 1.0) if method == "ppf" else ("sf", -1.0)

    def first(y: Any, _q: Any, *shapes: Any) -> Any:
        return sign / density(dist, (y, *shapes))

    def make(k: int) -> Any:
        point = [engine.standard(dist, method, *(plain(o) for o in operands)), *operands[1:]]
        inner = engine.partial_of(dist, under, k, point, 0.0, 1.0)

        def partial(y: Any, q: Any, *shapes: Any) -> Any:
            inside = np.isfinite(plain(y)) & (plain(q) > 0) & (plain(q) < 1)
            at = np.where(inside, y, 0.0)[()] if not np.all(inside) else y
            # The distribution function of the quantile is q.
            d = -sign * inner(q, at, *shapes) / density(dist, (at, *shapes))
            return d if np.all(inside) else np.where(inside, d, 0.0)[()]

        return labelled(partial) if getattr(inner, "numeric", False) else partial

    rest = [make(k) if is_active(o) else None for k, o in enumerate(operands) if k]
    return _apply(dist, method, [first, *rest], operands)


# -- continuous distributions ------------------------------------------------------------------------------------------


def pdf(self: Any, x: Any, *args: Any, **keywords: Any) -> Any:
    shapes, loc, scale = parsed(self, args, keywords)
    y = density(self, [standardised(_operand(x), loc, scale), *shapes])
    return _allowed(y if _trivial(scale, 1.0) else y / scale, scale)


def logpdf(self: Any, x: Any, *args: Any, **keywords: Any) -> Any:
    shapes, loc, scale = parsed(self, args, keywords)
    y = logdensity(self, [standardised(_operand(x), loc, scale), *shapes])
    if _trivial(scale, 1.0):
        return y
    good = plain(scale) > 0
    return _allowed(y - np.log(scale if np.all(good) else np.where(good, scale, 1.0)), scale)


def _distribution(method: str, rule: Handler) -> Handler:
    def handler(self: Any, x: Any, *args: Any, **keywords: Any) -> Any:
        shapes, loc, scale = parsed(self, args, keywords)
        return _allowed(rule(self, method, [standardised(_operand(x), loc, scale), *shapes]), scale)

    return handler


def _quantile(method: str) -> Handler:
    def handler(self: Any, q: Any, *args: Any, **keywords: Any) -> Any:
        shapes, loc, scale = parsed(self, args, keywords)
        y = quantile(self, method, [_double(_operand(q)), *shapes])
        if not _trivial(scale, 1.0):
            y = y * scale
        return _allowed(y if _trivial(loc, 0.0) else y + loc, scale)

    return handler


# -- discrete ones: in k there is no derivative ------------------------------------------------------------------------


def _counts(self: Any, k: Any, args: Any, keywords: Any) -> tuple[list[Any], Any]:
    shapes, loc, _ = parsed(self, args, keywords)
    k = np.asarray(plain_tree(k))
    return [(k - plain(loc))[()], *shapes], loc


def _whole_values(operands: Sequence[Any]) -> list[Any]:
    """Distribution functions of a discrete distribution are steps: those of the whole number below."""
    return [np.floor(operands[0]), *operands[1:]]


def pmf(self: Any, k: Any, *args: Any, **keywords: Any) -> Any:
    operands, _ = _counts(self, k, args, keywords)

    def make(j: int) -> Any:
        inner = engine.partial_of(self, "logpmf", j, operands, -np.inf)
        if getattr(inner, "numeric", False):
            return engine.numeric_of(self, "pmf", j)
        return lambda y, *ops: _vanishing(y, inner(_log(y), *ops))

    return _apply(self, "pmf", [make(j) if j and is_active(o) else None for j, o in enumerate(operands)], operands)


def logpmf(self: Any, k: Any, *args: Any, **keywords: Any) -> Any:
    operands, _ = _counts(self, k, args, keywords)
    return _apply(self, "logpmf", [None, *_shape_partials(self, "logpmf", operands, -np.inf)], operands)


def _discrete(method: str) -> Handler:
    def handler(self: Any, k: Any, *args: Any, **keywords: Any) -> Any:
        operands, _ = _counts(self, k, args, keywords)
        operands = _whole_values(operands)
        return _apply(self, method, [None, *_shape_partials(self, method, operands, 0.0, 1.0)], operands)

    return handler


def _log_discrete(method: str) -> Handler:
    def handler(self: Any, k: Any, *args: Any, **keywords: Any) -> Any:
        operands, _ = _counts(self, k, args, keywords)
        operands = _whole_values(operands)

        def make(j: int) -> Any:
            inner = engine.partial_of(self, method[3:], j, operands, 0.0, 1.0)

            def partial(y: Any, *ops: Any) -> Any:
                value = np.exp(y)
                return _quotient(inner(value, *ops), value)

            return labelled(partial) if getattr(inner, "numeric", False) else partial

        partials = [make(j) if j and is_active(o) else None for j, o in enumerate(operands)]
        return _apply(self, method, partials, operands)

    return handler


def _steps(method: str) -> Handler:
    """Quantiles of a discrete distribution: steps in q and the shapes, and as loc goes they go."""

    def handler(self: Any, q: Any, *args: Any, **keywords: Any) -> Any:
        shapes, loc, _ = parsed(self, args, keywords)
        y = engine.standard(self, method, np.asarray(plain_tree(q))[()], *(plain(s) for s in shapes))
        return y if not any_active(loc) else y + loc

    return handler


def _refused(method: str, advice: str) -> Handler:
    def handler(self: Any, *_args: Any, **_keywords: Any) -> Any:
        raise unsupported(f"scipy.stats.{self.name}.{method} of traced values is not supported", advice)

    return handler


REFUSED = {
    "rvs": "draw standard variates outside of the function and transform them in it (loc + scale * z)",
    "fit": "differentiate the log-likelihood, and solve for the parameters with scipy.optimize",
    "fit_loc_scale": "differentiate the log-likelihood instead",
    "expect": "integrate func(x) * dist.pdf(x, ...) with scipy.integrate.quad, which has a rule",
}
_refusals: dict[str, Handler] = {name: _refused(name, advice) for name, advice in REFUSED.items()}

CONTINUOUS: dict[str, Handler] = {
    "pdf": pdf,
    "logpdf": logpdf,
    "cdf": _distribution("cdf", distribution),
    "sf": _distribution("sf", distribution),
    "logcdf": _distribution("logcdf", log_distribution),
    "logsf": _distribution("logsf", log_distribution),
    "ppf": _quantile("ppf"),
    "isf": _quantile("isf"),
}
DISCRETE: dict[str, Handler] = {
    "pmf": pmf,
    "logpmf": logpmf,
    "cdf": _discrete("cdf"),
    "sf": _discrete("sf"),
    "logcdf": _log_discrete("logcdf"),
    "logsf": _log_discrete("logsf"),
    "ppf": _steps("ppf"),
    "isf": _steps("isf"),
}
methods(stats.rv_continuous, CONTINUOUS | {name: _refusals[name] for name in REFUSED})
methods(stats.rv_discrete, DISCRETE | {name: _refusals[name] for name in REFUSED})
