"""Statistics of samples: those that SciPy computes in ways that traced values cannot follow.

Each is a formula here whose value must agree with SciPy's own; where it does not, or where a call goes beyond the
formula (nan_policy with nans, a permutation method), SciPy's code is traced through or the call is differentiated
numerically. All other public functions of ``scipy.stats`` go that way at once (``registry.complete``).

Formulas: SciPy's reference; Zwillinger & Kokoska, *CRC Standard Probability and Statistics Tables and Formulae*, 2000;
Fisher, *Statistical Analysis of Circular Data*, 1993; Yeo & Johnson, Biometrika 87, 2000.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp
from scipy import stats

from gradcheck.autodiff.core import is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.fallback import like_tuple, through
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.scipy import registry
from gradcheck.autodiff.rules.scipy.partials import GRAFT
from gradcheck.autodiff.rules.scipy.registry import original

Handler = Callable[..., Any]


class _Beyond(Exception):
    """What the call asks for is not in the formula."""


def _sample(a: Any) -> Any:
    a = as_traced(a)
    if is_complex(a) or np.any(np.isnan(plain(a))):
        raise _Beyond
    return a * 1.0


def _exact(name: str, formula: Handler) -> Handler:
    """SciPy's value with the formula's derivative; for tuples component by component."""

    def handler(*args: Any, **keywords: Any) -> Any:
        function = original(stats, name)
        value = function(*plain_tree(args), **plain_tree(keywords))
        try:
            with np.errstate(all="ignore"):
                y = formula(*args, **keywords)
        except (_Beyond, TypeError):
            return through(function, f"scipy.stats.{name}")(*args, **keywords)
        many = isinstance(value, tuple)
        parts = [_joined(p, v) for p, v in zip(y if many else (y,), value if many else (value,), strict=False)]
        if any(p is None for p in parts):
            return through(function, f"scipy.stats.{name}")(*args, **keywords)
        return like_tuple(value, parts) if many and len(parts) == len(value) else _single(parts)

    return handler


def _single(parts: list[Any]) -> Any:
    (part,) = parts
    return part


def _joined(y: Any, value: Any) -> Any:
    """The value with y's derivative; None if they are not the same."""
    value = np.asarray(value)[()] if not isinstance(value, np.ndarray) else value
    if shape_of(y) != np.shape(value) or not np.allclose(plain(y), value, rtol=1e-6, atol=1e-12, equal_nan=True):
        return None
    return GRAFT(y, value=value)


# -- moments -----------------------------------------------------------------------------------------------------------


def _axis(a: Any, axis: Any) -> tuple[Any, int]:
    return (np.ravel(a), 0) if axis is None else (a, int(plain(axis)))


def _keep(y: Any, a: Any, axis: Any, keepdims: bool) -> Any:
    if not keepdims:
        return y
    return np.reshape(y, (1,) * len(shape_of(a))) if axis is None else np.expand_dims(y, axis)


def _policy(nan_policy: str) -> None:
    if nan_policy not in ("propagate", "omit", "raise"):
        raise _Beyond


def zmap(scores: Any, compare: Any, axis: Any = 0, ddof: Any = 0, nan_policy: str = "propagate") -> Any:
    _policy(nan_policy)
    scores, compare = _sample(scores), _sample(compare)
    mean = np.mean(compare, axis=axis, keepdims=True)
    return (scores - mean) / np.std(compare, axis=axis, ddof=plain(ddof), keepdims=True)


def zscore(a: Any, axis: Any = 0, ddof: Any = 0, nan_policy: str = "propagate") -> Any:
    return zmap(a, a, axis, ddof, nan_policy)


def gzscore(a: Any, *, axis: Any = 0, ddof: Any = 0, nan_policy: str = "propagate") -> Any:
    return zscore(np.log(_sample(a)), axis, ddof, nan_policy)


def _central(a: Any, axis: int, orders: tuple[int, ...]) -> list[Any]:
    d = a - np.mean(a, axis=axis, keepdims=True)
    return [np.mean(d**k, axis=axis) for k in orders]


def skew(a: Any, axis: Any = 0, bias: bool = True, nan_policy: str = "propagate", *, keepdims: bool = False) -> Any:
    _policy(nan_policy)
    a = _sample(a)
    flat, k = _axis(a, axis)
    m2, m3 = _central(flat, k, (2, 3))
    n = shape_of(flat)[k]
    y = m3 / m2**1.5
    if not bias and n > 2:
        y = y * (math.sqrt((n - 1.0) * n) / (n - 2.0))
    return _keep(y, a, axis, keepdims)


def kurtosis(
    a: Any,
    axis: Any = 0,
    fisher: bool = True,
    bias: bool = True,
    nan_policy: str = "propagate",
    *,
    keepdims: bool = False,
) -> Any:
    _policy(nan_policy)
    a = _sample(a)
    flat, k = _axis(a, axis)
    m2, m4 = _central(flat, k, (2, 4))
    n = shape_of(flat)[k]
    y = m4 / (m2 * m2)
    if not bias and n > 3:
        y = ((n * n - 1.0) * y - 3.0 * (n - 1.0) ** 2) / ((n - 2.0) * (n - 3.0)) + 3.0
    return _keep(y - 3.0 if fisher else y, a, axis, keepdims)


def variation(a: Any, axis: Any = 0, nan_policy: str = "propagate", ddof: Any = 0, *, keepdims: bool = False) -> Any:
    _policy(nan_policy)
    a = _sample(a)
    flat, k = _axis(a, axis)
    return _keep(np.std(flat, axis=k, ddof=plain(ddof)) / np.mean(flat, axis=k), a, axis, keepdims)


def pmean(a: Any, p: Any, *, axis: Any = 0, dtype: Any = None, weights: Any = None, **keywords: Any) -> Any:
    if dtype is not None or set(keywords) - {"nan_policy"} or plain(p) == 0:
        raise _Beyond
    a = _sample(a)
    flat, k = _axis(a, axis)
    return np.average(flat**p, axis=k, weights=None if weights is None else _sample(weights)) ** (1.0 / p)


def tmean(a: Any, limits: Any = None, inclusive: Any = (True, True), axis: Any = None, **keywords: Any) -> Any:
    if set(keywords) - {"nan_policy"}:
        raise _Beyond
    a = _sample(a)
    value = plain(a)
    inside = np.ones(value.shape, bool)
    low, high = (None, None) if limits is None else plain_tree(limits)
    if low is not None:
        inside &= value >= low if inclusive[0] else value > low
    if high is not None:
        inside &= value <= high if inclusive[1] else value < high
    return np.sum(np.where(inside, a, 0.0), axis=axis) / np.sum(inside, axis=axis)


# -- circular data -----------------------------------------------------------------------------------------------------


def _resultant(samples: Any, high: Any, low: Any, axis: Any) -> Any:
    angle = _sample(samples) * (2.0 * math.pi / (high - low))
    return np.hypot(np.mean(np.sin(angle), axis=axis), np.mean(np.cos(angle), axis=axis))


def circvar(
    samples: Any, high: Any = 2 * math.pi, low: Any = 0, axis: Any = None, nan_policy: str = "propagate",
    *, keepdims: bool = False,
) -> Any:  # fmt: skip
    _policy(nan_policy)
    return _keep(1.0 - _resultant(samples, high, low, axis), as_traced(samples), axis, keepdims)


def circstd(
    samples: Any, high: Any = 2 * math.pi, low: Any = 0, axis: Any = None, nan_policy: str = "propagate",
    *, normalize: bool = False, keepdims: bool = False,
) -> Any:  # fmt: skip
    _policy(nan_policy)
    y = np.sqrt(-2.0 * np.log(_resultant(samples, high, low, axis)))
    if not normalize:
        y = y * ((high - low) / (2.0 * math.pi))
    return _keep(y, as_traced(samples), axis, keepdims)


# -- correlation -------------------------------------------------------------------------------------------------------


def pearsonr(x: Any, y: Any, *, alternative: str = "two-sided", method: Any = None, axis: Any = 0) -> Any:
    """The coefficient, and its p-value by the beta distribution on (−1, 1) with both shapes n/2 − 1."""
    if method is not None:
        raise _Beyond
    x, y = _sample(x), _sample(y)
    (x, k), (y, _) = _axis(x, axis), _axis(y, axis)
    dx, dy = x - np.mean(x, axis=k, keepdims=True), y - np.mean(y, axis=k, keepdims=True)
    r = np.sum(dx * dy, axis=k) / np.sqrt(np.sum(dx * dx, axis=k) * np.sum(dy * dy, axis=k))
    shape = 0.5 * max(shape_of(x)[k], shape_of(y)[k]) - 1.0
    if shape <= 0:
        raise _Beyond
    if alternative == "two-sided":
        return r, 2.0 * sp.betainc(shape, shape, 0.5 * (1.0 - np.abs(r)))
    return r, sp.betainc(shape, shape, 0.5 * (1.0 + r if alternative == "less" else 1.0 - r))


def _pearsonr(x: Any, y: Any, **keywords: Any) -> Any:
    """With what the confidence interval is made of: the samples and their size."""
    result = _PEARSONR(x, y, **keywords)
    value = original(stats, "pearsonr")(*plain_tree((x, y)), **plain_tree(keywords))
    kept = {"_n": getattr(value, "_n", None), "_x": x, "_y": y}
    result.__dict__.update({k: v for k, v in kept.items() if k in vars(value) and k not in vars(result)})
    return result


def pointbiserialr(x: Any, y: Any, **keywords: Any) -> Any:
    if keywords:
        raise _Beyond
    return pearsonr(x, y)


def linregress(x: Any, y: Any, alternative: str = "two-sided", **keywords: Any) -> Any:
    """Slope, intercept, correlation, p-value by Student's t, and the slope's standard error."""
    if alternative != "two-sided" or keywords:
        raise _Beyond
    x, y = _sample(x), _sample(y)
    n = shape_of(x)[0]
    if len(shape_of(x)) != 1 or shape_of(y) != (n,) or n < 3:
        raise _Beyond
    dx, dy = x - np.mean(x), y - np.mean(y)
    xx, xy, yy = np.mean(dx * dx), np.mean(dx * dy), np.mean(dy * dy)
    r, slope, df = xy / np.sqrt(xx * yy), xy / xx, n - 2.0
    t = r * np.sqrt(df / ((1.0 - r) * (1.0 + r)))
    error = np.sqrt((1.0 - r * r) * yy / xx / df)
    return slope, np.mean(y) - slope * np.mean(x), r, 2.0 * sp.stdtr(df, -np.abs(t)), error


def _linregress(*args: Any, **keywords: Any) -> Any:
    """With the standard error of the intercept, which SciPy keeps beside the tuple."""
    result = _LINREGRESS(*args, **keywords)
    if "intercept_stderr" not in vars(result):
        x = _sample(args[0] if args else keywords["x"])
        value = original(stats, "linregress")(*plain_tree(args), **plain_tree(keywords)).intercept_stderr
        error = result[4] * np.sqrt(np.mean(x * x))
        result.__dict__["intercept_stderr"] = GRAFT(error, value=value)
    return result


# -- power transforms --------------------------------------------------------------------------------------------------


def boxcox(x: Any, lmbda: Any = None, alpha: Any = None, optimizer: Any = None) -> Any:
    if lmbda is None or alpha is not None or optimizer is not None:
        raise _Beyond
    return sp.boxcox(_sample(x), lmbda)


def _yeojohnson(x: Any, lam: Any) -> Any:
    negative = plain(x) < 0
    up = sp.boxcox1p(np.where(negative, 0.0, x), lam)
    down = -sp.boxcox1p(np.where(negative, -x, 0.0), 2.0 - lam)
    return np.where(negative, down, up)


def yeojohnson(x: Any, lmbda: Any = None) -> Any:
    if lmbda is None:
        raise _Beyond
    return _yeojohnson(_sample(x), lmbda)


def _likelihood(transform: Handler, slope: Handler) -> Handler:
    """−n/2·log of the variance of the transformed data, and the log of the Jacobian."""

    def formula(lmb: Any, data: Any, *, axis: Any = 0, nan_policy: str = "propagate", keepdims: bool = False) -> Any:
        _policy(nan_policy)
        data = _sample(data)
        flat, k = _axis(data, axis)
        y = (lmb - 1.0) * np.sum(slope(flat), axis=k)
        y = y - 0.5 * shape_of(flat)[k] * np.log(np.var(transform(flat, lmb), axis=k))
        return _keep(y, data, axis, keepdims)

    return formula


# -- distances ---------------------------------------------------------------------------------------------------------


def _steps(values: Any, weights: Any, at: Any) -> Any:
    """The distribution function of a weighted sample at some points."""
    order = np.argsort(plain(values))
    count = np.searchsorted(plain(values)[order], at, side="right")
    if weights is None:
        return count / len(order)
    total = np.concatenate([np.zeros(1), np.cumsum(_sample(weights)[order])])
    return total[count] / total[-1]


def _distance(power: int) -> Handler:
    def formula(u_values: Any, v_values: Any, u_weights: Any = None, v_weights: Any = None) -> Any:
        u, v = _sample(u_values), _sample(v_values)
        both = np.concatenate([u, v])
        both = both[np.argsort(plain(both), kind="stable")]
        at = plain(both)[:-1]
        gap = _steps(u, u_weights, at) - _steps(v, v_weights, at)
        if power == 1:
            return np.sum(np.abs(gap) * np.diff(both))
        return math.sqrt(2.0) * np.sqrt(np.sum(gap * gap * np.diff(both)))

    return formula


# -- tests -------------------------------------------------------------------------------------------------------------


def _groups(samples: Any, axis: Any) -> list[Any]:
    groups = [_sample(s) for s in samples]
    return [np.ravel(s) if axis is None else np.moveaxis(s, axis, -1) for s in groups]


def f_oneway(*samples: Any, axis: Any = 0, equal_var: bool = True, **keywords: Any) -> Any:
    if not equal_var or keywords:
        raise _Beyond
    groups = _groups(samples, axis)
    everything = np.concatenate(groups, axis=-1)
    center = np.mean(everything, axis=-1, keepdims=True)
    means = [np.mean(g, axis=-1, keepdims=True) for g in groups]
    between: Any = 0.0
    within: Any = 0.0
    for g, m in zip(groups, means, strict=True):
        between = between + shape_of(g)[-1] * (m - center)[..., 0] ** 2
        within = within + np.sum((g - m) ** 2, axis=-1)
    top, bottom = len(groups) - 1.0, shape_of(everything)[-1] - float(len(groups))
    F = (between / top) / (within / bottom)
    return F, sp.fdtrc(top, bottom, F)


def bartlett(*samples: Any, axis: Any = 0, **keywords: Any) -> Any:
    if keywords:
        raise _Beyond
    groups = _groups(samples, axis)
    k = len(groups)
    sizes = np.array([float(shape_of(g)[-1]) for g in groups])
    total = float(np.sum(sizes))
    variances = [np.var(g, axis=-1, ddof=1) for g in groups]
    pooled: Any = 0.0
    logs: Any = 0.0
    for n, v in zip(sizes, variances, strict=True):
        pooled = pooled + (n - 1.0) * v / (total - k)
        logs = logs + (n - 1.0) * np.log(v)
    correction = 1.0 + (float(np.sum(1.0 / (sizes - 1.0))) - 1.0 / (total - k)) / (3.0 * (k - 1.0))
    T = ((total - k) * np.log(pooled) - logs) / correction
    return T, sp.chdtrc(k - 1.0, T)


FORMULAS: dict[str, Handler] = {
    "zscore": zscore, "zmap": zmap, "gzscore": gzscore, "skew": skew, "kurtosis": kurtosis, "variation": variation,
    "pmean": pmean, "tmean": tmean, "circvar": circvar, "circstd": circstd, "pearsonr": pearsonr,
    "pointbiserialr": pointbiserialr, "boxcox": boxcox, "yeojohnson": yeojohnson,
    "boxcox_llf": _likelihood(sp.boxcox, np.log),
    "yeojohnson_llf": _likelihood(_yeojohnson, lambda x: np.sign(plain(x)) * np.log1p(np.abs(x))),
    "wasserstein_distance": _distance(1), "energy_distance": _distance(2), "f_oneway": f_oneway, "bartlett": bartlett,
}  # fmt: skip
_LINREGRESS = _exact("linregress", linregress)
_PEARSONR = _exact("pearsonr", pearsonr)
_HANDLERS = {name: _exact(name, formula) for name, formula in FORMULAS.items()}
registry.replace(stats, _HANDLERS | {"linregress": _linregress, "pearsonr": _pearsonr})
registry.plain(stats, ["rankdata", "tiecorrect", "find_repeats", "percentileofscore", "weightedtau"])
RANDOM = "it draws random numbers: its derivative is not that of its value"
FIT = "differentiate the log-likelihood, and solve for the parameters with scipy.optimize"
MOMENTS = "use scipy.stats.t, invgamma and gengamma with the sample's mean and variance"
OLD = "use the older interface (scipy.stats.norm, truncnorm, ...), which has rules"
RANDOMISED = ("bootstrap", "permutation_test", "monte_carlo_test", "goodness_of_fit", "power", "sobol_indices",
              "multiscale_graphcorr", "dunnett")  # fmt: skip
ADVICE = dict.fromkeys(("make_distribution", "truncate", "order_statistic"), OLD) | dict.fromkeys(RANDOMISED, RANDOM)
registry.refuse(stats, {"fit": FIT, "mvsdist": MOMENTS, "bayes_mvs": MOMENTS, **ADVICE})
