"""SciPy's new distribution classes (``stats.Normal(mu=..., sigma=...)``, since 1.15), by way of the old ones of the
same law: the methods have other names, the mathematics is the same.

Distributions made of others (``mu + sigma * X``, ``truncate``, ``Mixture``, ``make_distribution``) are refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from gradcheck.autodiff.core import any_active, plain, plain_tree
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.partials import GRAFT
from gradcheck.autodiff.rules.scipy.registry import construct, methods, original
from gradcheck.autodiff.rules.scipy.stats import moments, univariate

Handler = Callable[..., Any]

# Class -> the old distribution, and its loc and scale from the parameters.
LAWS: dict[str, tuple[str, Callable[[dict[str, Any]], tuple[Any, Any]]]] = {
    "Normal": ("norm", lambda p: (p.get("mu", 0.0), p.get("sigma", 1.0))),
    "StandardNormal": ("norm", lambda _p: (0.0, 1.0)),
    "Uniform": ("uniform", lambda p: (p["a"], p["b"] - p["a"])),
    "Logistic": ("logistic", lambda _p: (0.0, 1.0)),
}
POINTS: dict[str, str] = {
    "pdf": "pdf", "logpdf": "logpdf", "cdf": "cdf", "logcdf": "logcdf", "ccdf": "sf", "logccdf": "logsf", "icdf": "ppf",
    "iccdf": "isf",
}  # fmt: skip
SUMMARIES = {"mean": "mean", "median": "median", "variance": "var", "standard_deviation": "std", "entropy": "entropy"}
REFUSED = ("sample", "moment", "lmoment", "skewness", "kurtosis", "mode", "support", "ilogcdf", "ilogccdf", "plot",
           "pmf", "logpmf", "logentropy")  # fmt: skip
ADVICE = "use the older interface (scipy.stats.norm, uniform, logistic, ...), which has rules"


def _refuse(self: Any, method: str) -> Any:
    raise unsupported(f"scipy.stats.{type(self).__name__}.{method} of traced values is not supported", ADVICE)


def _refusal(method: str) -> Handler:
    return lambda self, *_args, **_keywords: _refuse(self, method)


def _law(self: Any, method: str) -> tuple[Any, Any, Any]:
    name = self._name if isinstance(self, TracedDistribution) else type(self).__name__
    if name not in LAWS:
        _refuse(self, method)
    old, place = LAWS[name]
    return getattr(stats, old), *place(dict(self._parameters))


def _plain_self(self: Any) -> Any:
    if not isinstance(self, TracedDistribution):
        return self
    return original(stats, self._name)(**plain_tree(self._parameters))


def _grafted(y: Any, value: Any) -> Any:
    return GRAFT(y, value=value) if np.shape(plain(y)) == np.shape(value) else y


def _at(name: str) -> Handler:
    def handler(self: Any, x: Any, y: Any = None, /, *, method: str | None = None) -> Any:
        if y is not None or method is not None:
            _refuse(self, name)
        dist, loc, scale = _law(self, name)
        result = univariate.CONTINUOUS[POINTS[name]](dist, x, loc=loc, scale=scale)
        return _grafted(result, original(BASE, name)(_plain_self(self), plain_tree(x)))

    return handler


def _summary(name: str) -> Handler:
    def handler(self: Any, *, method: str | None = None) -> Any:
        if method is not None:
            _refuse(self, name)
        dist, loc, scale = _law(self, name)
        y = moments.HANDLERS[SUMMARIES[name]](dist, loc=loc, scale=scale)
        return _grafted(y, original(BASE, name)(_plain_self(self)))

    return handler


class TracedDistribution:
    """A distribution of one of these classes with traced parameters."""

    def __init__(self, name: str, parameters: dict[str, Any]) -> None:
        self._name = name
        self._parameters = parameters

    def __getattr__(self, name: str) -> Any:
        parameters = self.__dict__["_parameters"]
        if name in parameters:
            return parameters[name]
        if name in HANDLERS:
            return lambda *args, **keywords: HANDLERS[name](self, *args, **keywords)
        raise unsupported(f"scipy.stats.{self.__dict__['_name']}.{name} with traced parameters", ADVICE)

    def _operator(self, _other: Any) -> Any:
        return _refuse(self, "arithmetic")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = _operator


HANDLERS: dict[str, Handler] = {
    **{name: _at(name) for name in POINTS},
    **{name: _summary(name) for name in SUMMARIES},
    **{name: _refusal(name) for name in REFUSED},
}


def _maker(name: str) -> Handler:
    def make(*args: Any, **keywords: Any) -> Any:
        if args or not any_active(keywords):
            return original(stats, name)(*plain_tree(args), **plain_tree(keywords))
        return TracedDistribution(name, keywords)

    return make


BASE: Any = None
if hasattr(stats, "Normal"):
    # The class that has the methods has another name in each release.
    BASE = next(c for c in inspect.getmro(stats.Normal) if "logpdf" in vars(c))
    methods(BASE, HANDLERS)
    for _name in ("Normal", "Uniform", "Logistic"):
        construct(stats, _name, _maker(_name), stands=(TracedDistribution,))
