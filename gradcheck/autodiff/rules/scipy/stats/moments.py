"""Moments, entropy, median, intervals and support of SciPy's univariate distributions.

The standardised quantity is a function of the shape parameters alone, a rule of ``engine.py`` as the others; location
and scale come on top, as SciPy puts them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from gradcheck.autodiff.core import TRACED, elementwise, is_active, plain
from gradcheck.autodiff.rules.scipy.registry import methods, original
from gradcheck.autodiff.rules.scipy.stats import engine
from gradcheck.autodiff.rules.scipy.stats.engine import Law
from gradcheck.autodiff.rules.scipy.stats.univariate import CONTINUOUS, DISCRETE, parsed

Handler = Callable[..., Any]
ORDER = {"mean": 0, "var": 1, "skew": 2, "kurtosis": 3}


def _stat(letter: str) -> Handler:
    return lambda dist, *shapes: original(type(dist), "stats")(dist, *shapes, moments=letter)


engine.SUMMARIES.update({name: _stat(letter) for name, letter in zip(ORDER, "mvsk", strict=True)})
engine.SUMMARIES["entropy"] = lambda dist, *shapes: original(type(dist), "entropy")(dist, *shapes)
engine.SUMMARIES["lower end"] = lambda dist, *shapes: _ends(dist, 0, *shapes)
engine.SUMMARIES["upper end"] = lambda dist, *shapes: _ends(dist, 1, *shapes)
for _n in range(1, 9):
    engine.SUMMARIES[f"moment {_n}"] = lambda dist, *shapes, n=_n: original(type(dist), "moment")(dist, n, *shapes)


def _ends(dist: Any, k: int, *shapes: Any) -> Any:
    end = dist._get_support(*shapes)[k]
    return np.asarray(end + sum(0.0 * np.asarray(s) for s in shapes))[()]


# -- where their derivatives come from ---------------------------------------------------------------------------------


def _own_stats(dist: Any, name: str) -> Handler:
    def expression(*shapes: Any) -> Any:
        keywords = {"moments": "mvsk"} if dist._stats_has_moments else {}
        y = dist._stats(*shapes, **keywords)[ORDER[name]]
        if y is None:
            raise NotImplementedError
        return y

    return expression


def _central(dist: Any, name: str) -> Handler:
    """From the moments about zero."""

    def expression(*shapes: Any) -> Any:
        m = [dist._munp(k, *shapes) for k in range(1, ORDER[name] + 2)]
        if name == "mean":
            return m[0]
        variance = m[1] - m[0] * m[0]
        if name == "var":
            return variance
        third = m[2] - 3.0 * m[0] * m[1] + 2.0 * m[0] ** 3
        if name == "skew":
            return third / variance**1.5
        fourth = m[3] - 4.0 * m[0] * m[2] + 6.0 * m[0] ** 2 * m[1] - 3.0 * m[0] ** 4
        return fourth / (variance * variance) - 3.0

    return expression


def _moment(dist: Any, order: int) -> Handler:
    """A moment about zero from the four numbers of ``_stats``."""

    def expression(*shapes: Any) -> Any:
        mean = _own_stats(dist, "mean")(*shapes)
        if order == 1:
            return mean
        variance = _own_stats(dist, "var")(*shapes)
        if order == 2:
            return variance + mean * mean
        third = _own_stats(dist, "skew")(*shapes) * variance**1.5
        if order == 3:
            return third + 3.0 * mean * variance + mean**3
        if order > 4:
            raise NotImplementedError
        fourth = (_own_stats(dist, "kurtosis")(*shapes) + 3.0) * variance * variance
        return fourth + 4.0 * mean * third + 6.0 * mean * mean * variance + mean**4

    return expression


def _sources(dist: Any, what: str) -> list[engine.Candidate]:
    if what in ORDER:
        found: list[engine.Candidate] = [(_own_stats(dist, what), True)]
        if engine.overrides(dist, "_munp"):
            found.append((_central(dist, what), True))
        return found
    if what == "entropy":
        return [(lambda *shapes: dist._entropy(*shapes), True)] if engine.overrides(dist, "_entropy") else []
    if what.startswith("moment"):
        order = int(what.split()[1])
        found = [(_moment(dist, order), True)]
        if engine.overrides(dist, "_munp"):
            found.insert(0, (lambda *shapes: dist._munp(order, *shapes), True))
        return found
    k = int(what.startswith("upper"))
    return [(lambda *shapes: dist._get_support(*shapes)[k] + 0.0 * shapes[0], True)]


def summary(dist: Any, what: str, shapes: Sequence[Any]) -> Any:
    """A quantity of the standardised distribution, with its derivatives in the shapes."""
    if not any(type(s) in TRACED for s in shapes):
        return engine.SUMMARIES[what](dist, *shapes)
    partials = [
        engine.partial_of(dist, what, k, shapes, -np.inf, sources=_sources(dist, what)) if is_active(s) else None
        for k, s in enumerate(shapes)
    ]
    return elementwise(Law(dist, what, partials), shapes)


def _allowed(y: Any, scale: Any) -> Any:
    good = plain(scale) > 0
    return y if np.all(good) else np.where(good, y, y * np.nan)[()]


# -- the methods -------------------------------------------------------------------------------------------------------


def mean(self: Any, *args: Any, **keywords: Any) -> Any:
    shapes, loc, scale = parsed(self, args, keywords)
    return _allowed(summary(self, "mean", shapes) * scale + loc, scale)


def var(self: Any, *args: Any, **keywords: Any) -> Any:
    shapes, loc, scale = parsed(self, args, keywords)
    return _allowed(_wide(summary(self, "var", shapes) * scale * scale, loc), scale)


def _wide(y: Any, loc: Any) -> Any:
    """In the shape that loc broadcasts to, though it does not depend on it."""
    shape = np.broadcast_shapes(np.shape(plain(y)), np.shape(plain(loc)))
    return y if np.shape(plain(y)) == shape else np.copy(np.broadcast_to(y, shape))


def std(self: Any, *args: Any, **keywords: Any) -> Any:
    return np.sqrt(var(self, *args, **keywords))


def stats_(self: Any, *args: Any, **keywords: Any) -> Any:
    """mean, variance, skew and kurtosis, as ``moments`` asks for them."""
    moments = keywords.pop("moments", "mv")
    shapes, loc, scale = parsed(self, args, keywords)
    parts = []
    for letter in moments:
        if letter == "m":
            parts.append(mean(self, *shapes, loc=loc, scale=scale))
        elif letter == "v":
            parts.append(var(self, *shapes, loc=loc, scale=scale))
        elif letter in "sk":
            y = summary(self, "skew" if letter == "s" else "kurtosis", shapes)
            parts.append(_wide(_wide(y, loc), scale))
    order = sorted(range(len(parts)), key=lambda i: "mvsk".index(moments[i]))
    out = tuple(parts[i] for i in order)
    return out[0] if len(out) == 1 else out


def _with_scale(handler: Handler) -> Handler:
    """For discrete distributions, whose scale is 1."""

    def discrete(self: Any, *args: Any, **keywords: Any) -> Any:
        return handler(self, *args, **{k: v for k, v in keywords.items() if k != "scale"})

    return discrete


def entropy(self: Any, *args: Any, **keywords: Any) -> Any:
    shapes, loc, scale = parsed(self, args, keywords)
    y = summary(self, "entropy", shapes)
    if isinstance(self, stats.rv_continuous):
        good = plain(scale) > 0
        y = y + np.log(scale if np.all(good) else np.where(good, scale, 1.0))
    return _allowed(_wide(y, loc), scale)


def moment(self: Any, order: Any, *args: Any, **keywords: Any) -> Any:
    """E (loc + scale·Z)ⁿ by the binomial theorem."""
    shapes, loc, scale = parsed(self, args, keywords)
    n = int(plain(order))
    if n != plain(order) or not 0 < n <= 8:
        return original(type(self), "moment")(
            self, plain(order), *map(plain, shapes), loc=plain(loc), scale=plain(scale)
        )
    total: Any = loc**n
    for k in range(1, n + 1):
        total = total + math.comb(n, k) * loc ** (n - k) * scale**k * summary(self, f"moment {k}", shapes)
    return _allowed(total, scale)


def median(self: Any, *args: Any, **keywords: Any) -> Any:
    return _method(self, "ppf")(self, 0.5, *args, **keywords)


def _method(self: Any, name: str) -> Handler:
    return (CONTINUOUS if isinstance(self, stats.rv_continuous) else DISCRETE)[name]


def interval(self: Any, confidence: Any, *args: Any, **keywords: Any) -> Any:
    ppf = _method(self, "ppf")
    confidence = confidence if type(confidence) in TRACED else np.asarray(confidence)[()]
    if np.any((plain(confidence) > 1) | (plain(confidence) < 0)):
        raise ValueError("alpha must be between 0 and 1 inclusive")
    low, high = (1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0
    return ppf(self, low, *args, **keywords), ppf(self, high, *args, **keywords)


def support(self: Any, *args: Any, **keywords: Any) -> Any:
    shapes, loc, scale = parsed(self, args, keywords)
    low, high = (
        summary(self, end, shapes) if shapes else self._get_support()[k]
        for k, end in enumerate(("lower end", "upper end"))
    )
    if isinstance(self, stats.rv_discrete):
        return low + loc, high + loc
    return _allowed(low * scale + loc, scale), _allowed(high * scale + loc, scale)


HANDLERS: dict[str, Handler] = {
    "mean": mean, "var": var, "std": std, "stats": stats_, "entropy": entropy, "moment": moment, "median": median,
    "interval": interval, "support": support,
}  # fmt: skip
methods(stats.rv_continuous, HANDLERS)
methods(stats.rv_discrete, {name: _with_scale(handler) for name, handler in HANDLERS.items()})
