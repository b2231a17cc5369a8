"""Averages, covariances and what skips nan: ``average``, ``cov``, ``corrcoef``, ``nanmean`` and its kin.

Composed of the reductions. Quantiles are in ``quantiles.py``, counts in ``histograms.py``.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FUNCTIONS,
    implements,
    plain,
    shape_of,
)
from gradcheck.autodiff.rules.reductions import (
    NONE,
    _count,
    as_traced,
    cumprod,
    cumsum,
    into,
    max_,
    mean,
    min_,
    normal_axes,
    prod,
    std,
    sum_,
    var,
)


def _aligned(weights: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Weights in the shape of what is averaged: they may be given for the averaged axes alone, in the order of axis."""
    own = shape_of(weights)
    if own == shape:
        return weights
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = normal_axes(axis, len(shape))
    if own != tuple(shape[k] for k in axes):
        raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    weights = np.transpose(weights, [int(i) for i in np.argsort(axes)])
    wide = np.reshape(weights, tuple(n if k in axes else 1 for k, n in enumerate(shape)))
    return np.broadcast_to(wide, shape)


@implements(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = NONE) -> Any:
    a = as_traced(a)
    if weights is None:
        y = mean(a, axis, keepdims=keepdims)
        count = np.zeros_like(plain(y)) + _count(shape_of(a), axis, NONE)
        return (y, count.astype(plain(y).dtype)) if returned else y
    weights = _aligned(as_traced(weights), shape_of(a), axis)
    total = sum_(weights, axis, keepdims=keepdims)
    y = sum_(a * weights, axis, keepdims=keepdims) / total
    return (y, total) if returned else y


@implements(np.nansum)
def nansum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NONE, initial: Any = NONE,
           where: Any = NONE) -> Any:  # fmt: skip
    return sum_(np.where(np.isnan(plain(a)), 0.0, a), axis, dtype, out, keepdims, initial, where)


@implements(np.nanmean)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NONE, *, where: Any = NONE
) -> Any:
    mask = ~np.isnan(plain(a))
    if where is not NONE:
        mask = mask & plain(where)
    return mean(np.where(mask, a, 0.0), axis, dtype, out, keepdims, where=mask)


@implements(np.nanprod)
def nanprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NONE, initial: Any = NONE,
            where: Any = NONE) -> Any:  # fmt: skip
    return prod(np.where(np.isnan(plain(as_traced(a))), 1.0, a), axis, dtype, out, keepdims, initial, where)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return cumsum(np.where(np.isnan(plain(as_traced(a))), 0.0, a), axis, dtype, out)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return cumprod(np.where(np.isnan(plain(as_traced(a))), 1.0, a), axis, dtype, out)


def _unknown(y: Any, known: Any) -> Any:
    """nan where NumPy's own answer is."""
    return np.where(np.isnan(known), np.nan, y)[()] if np.any(np.isnan(known)) else y


def _spread(function: Any, own: Any, name: str) -> Any:
    def handler(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = NONE, *,
                where: Any = NONE, mean: Any = NONE, correction: Any = NONE) -> Any:  # fmt: skip
        a = as_traced(a)
        mask = ~np.isnan(plain(a))
        if where is not NONE:
            mask = mask & plain(where)
        if correction is not NONE:
            ddof = correction
        named = {k: plain(v) for k, v in (("keepdims", keepdims), ("where", where)) if v is not NONE}
        known = own(plain(a), axis=axis, ddof=ddof, **named)  # its warnings, and where there are too few
        with np.errstate(all="ignore"):
            y = function(np.where(mask, a, 0.0), axis, dtype, None, ddof, keepdims, where=mask, mean=mean)
        return into(_unknown(y, known), out)

    handler.__name__ = name
    return handler


nanvar = FUNCTIONS[np.nanvar] = _spread(var, np.nanvar, "nanvar")
nanstd = FUNCTIONS[np.nanstd] = _spread(std, np.nanstd, "nanstd")


def _nan_extremum(function: Any, own: Any, neutral: float) -> Any:
    def handler(a: Any, axis: Any = None, out: Any = None, keepdims: Any = NONE, initial: Any = NONE,
                where: Any = NONE) -> Any:  # fmt: skip
        a = as_traced(a)
        named = {
            k: plain(v) for k, v in (("keepdims", keepdims), ("initial", initial), ("where", where)) if v is not NONE
        }
        known = own(plain(a), axis=axis, **named)  # its checks and warnings
        y = function(np.where(np.isnan(plain(a)), neutral, a), axis, None, keepdims, initial, where)
        return into(_unknown(y, known), out)

    return handler


nanmax = FUNCTIONS[np.nanmax] = _nan_extremum(max_, np.nanmax, -np.inf)
nanmin = FUNCTIONS[np.nanmin] = _nan_extremum(min_, np.nanmin, np.inf)


# -- covariances -----------------------------------------------------------------------------------------------------


def _counts(fweights: Any) -> Any:
    counts = np.asarray(plain(fweights))
    if not np.all(counts == np.rint(counts)):
        raise TypeError("fweights must be integer")
    return counts.astype(float)


@implements(np.cov)
def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, fweights: Any = None,
        aweights: Any = None, *, dtype: Any = None) -> Any:  # fmt: skip
    """The covariance matrix, differentiable in the observations and in ``aweights``; ``fweights`` are counts."""
    x = np.atleast_2d(as_traced(m))
    if dtype is None:
        parts = [plain(v) for v in (m, y) if v is not None]
        dtype = np.result_type(*(np.result_type(np.asarray(p)) for p in parts), np.float64)
    if not rowvar and len(shape_of(m)) != 1:
        x = np.transpose(x)
    if y is not None:
        other = np.atleast_2d(as_traced(y))
        if not rowvar and shape_of(other)[0] != 1:
            other = np.transpose(other)
        x = np.concatenate([x, other], axis=0)
    x = x.astype(dtype)
    if ddof is None:
        ddof = 0 if bias else 1
    w: Any = None if fweights is None else _counts(fweights)
    if aweights is not None:
        aweights = as_traced(aweights)
        w = aweights if w is None else w * aweights
    n = shape_of(x)[1]
    if not shape_of(x)[0]:
        return np.array([]).reshape(0, 0)
    if w is None:
        centred, scaled, total, factor = x - np.mean(x, axis=1, keepdims=True), None, float(n), float(n - ddof)
    else:
        total = np.sum(w)
        centred = x - np.sum(x * w, axis=1, keepdims=True) / total
        scaled = centred * w
        if ddof == 0:
            factor = total
        elif aweights is None:
            factor = total - ddof
        else:
            factor = total - ddof * np.sum(w * aweights) / total
    if plain(factor) <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        factor = 0.0 * total
    scaled = centred if scaled is None else scaled
    with np.errstate(all="ignore"):
        inverse = 1.0 / factor if isinstance(factor, float) and factor else np.true_divide(1.0, factor)
        c = np.matmul(centred, np.conjugate(np.transpose(scaled))) * inverse
    return np.squeeze(c)


@implements(np.corrcoef)
def corrcoef(
    x: Any, y: Any = None, rowvar: bool = True, bias: Any = NONE, ddof: Any = NONE, *, dtype: Any = None
) -> Any:
    """Correlations; ``bias`` and ``ddof`` cancel, as in NumPy. A perfect correlation has the derivative 0."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not shape_of(c):
        return c / c
    scale = np.sqrt(np.real(np.diagonal(c)))
    c = c / scale[:, None] / scale[None, :]
    value = plain(c)
    # What rounding carried beyond 1 is put back, without taking its (right) derivative away.
    bounded = np.clip(value.real, -1, 1) + (1j * np.clip(value.imag, -1, 1) if value.dtype.kind == "c" else 0.0)
    return c + (bounded - value)
