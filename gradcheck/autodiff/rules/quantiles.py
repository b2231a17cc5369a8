"""Quantiles: ``median``, ``quantile``, ``percentile`` by every method, and the same among those that are not nan.

A quantile lies between two neighbours of the sorted sample. Where it lies is asked of NumPy itself: the quantile of
the positions 0, 1, ..., n−1 is the position, whatever the method; the neighbours are then picked from the sorted
sample. Source of the methods: R. Hyndman & Y. Fan, *Sample quantiles in statistical packages*, The American
Statistician 50, 361, 1996.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gradcheck.autodiff.core import FUNCTIONS, implements, is_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import NONE, as_traced, axes_last, finish, into, normal_axes


@implements(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    a = as_traced(a)
    shape = shape_of(a)
    ordered = FUNCTIONS[np.sort](axes_last(a, axis), axis=-1)
    n = shape_of(ordered)[-1]
    if not n:
        raise unsupported("np.median of an empty array")
    y = ordered[..., n // 2] if n % 2 else 0.5 * (ordered[..., n // 2 - 1] + ordered[..., n // 2])
    unknown = np.isnan(plain(ordered)[..., -1])  # sorted last; NumPy's median is nan then
    if np.any(unknown):
        y = np.where(unknown, np.nan, y)[()]
    return finish(y, shape, axis, keepdims, out)


# How fast the position moves with q, for a sample of n: (a, b) for a·n + b. No entry: it jumps.
_SPEED = {
    "linear": (1.0, -1.0), "interpolated_inverted_cdf": (1.0, 0.0), "hazen": (1.0, 0.0), "weibull": (1.0, 1.0),
    "median_unbiased": (1.0, 1.0 / 3.0), "normal_unbiased": (1.0, 0.25),
}  # fmt: skip


def _positions(plain_a: Any, q: Any, method: str, count: Any, weights: Any, order: Any) -> Any:
    """Where the quantiles lie among the sorted elements of the last axis; q's axes come first."""
    n = plain_a.shape[-1]
    if weights is not None:
        ranks = np.argsort(order, axis=-1).astype(float)
        known = np.where(np.isnan(plain_a), np.nan, ranks)
        find: Any = np.nanquantile if np.any(np.isnan(plain_a)) else np.quantile
        return find(known, q, axis=-1, method=method, weights=weights)
    if count is None:
        p = np.quantile(np.arange(float(n)), q, method=method)  # type: ignore[call-overload]
        return np.reshape(p, np.shape(p) + (1,) * (plain_a.ndim - 1))
    ladder = np.where(np.arange(n) < count[..., None], np.arange(float(n)), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a slice of nothing but nan: the caller has said so
        return np.nanquantile(ladder, q, axis=-1, method=method)  # type: ignore[call-overload]


def _quantile(a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: Any, weights: Any, skip: bool) -> Any:
    a, q = as_traced(a), as_traced(q)
    shape = shape_of(a)
    value = plain(a)
    weights = as_traced(weights)
    if is_active(weights):
        weights = plain(weights)  # the quantile is one of the elements: a step function of the weights
    function = np.nanquantile if skip else np.quantile
    keywords = {} if weights is None else {"weights": plain_tree(weights)}
    # NumPy's own answer: for its checks, its warnings, its type, and where it is nan.
    known = function(value, plain(q), axis=axis, method=method, **keywords)  # type: ignore[call-overload]
    flat = axes_last(a, axis)
    if not shape_of(flat)[-1]:
        return finish(np.asarray(known)[()], shape, axis, False, out)
    order = np.argsort(plain(flat), axis=-1, kind="stable")
    ordered = np.take_along_axis(flat, order, axis=-1)
    count = np.sum(~np.isnan(plain(flat)), axis=-1) if skip else None
    if weights is not None:
        weights = _weights_last(np.asarray(plain(weights)), shape, axis)
        weights = np.broadcast_to(weights, shape_of(flat))
    level = plain(q)
    if isinstance(level, int | float) and value.dtype.kind == "f":
        level = value.dtype.type(level)  # as NumPy does
    p = _positions(plain(flat), level, method, count, weights, order)
    p = np.broadcast_to(p, shape_of(level) + shape_of(flat)[:-1])
    y = _between(ordered, p, q, method, count)
    y = np.where(np.isnan(known), np.nan, y)[()] if np.any(np.isnan(known)) else y
    if not np.allclose(plain(y), known, equal_nan=True):
        raise unsupported("np.quantile with weights of several axes, which this NumPy orders in its own way")
    y = y.astype(known.dtype, copy=False) if hasattr(y, "astype") else y
    return _place(y, shape, len(shape_of(level)), axis, keepdims, out)


def _between(ordered: Any, p: Any, q: Any, method: str, count: Any) -> Any:
    """The values at the positions p of the sorted elements, which lie on the last axis."""
    n = shape_of(ordered)[-1]
    safe = np.where(np.isnan(p), 0.0, p)
    low = np.clip(np.floor(safe).astype(np.intp), 0, n - 1)
    share: Any = safe - low
    high = np.where(share == 0, low, np.minimum(low + 1, n - 1))
    grid = np.ogrid[tuple(slice(k) for k in shape_of(ordered)[:-1])]
    below, above = ordered[(*grid, low)], ordered[(*grid, high)]
    if is_active(q) and method in _SPEED:
        a, b = _SPEED[method]
        total = float(n) if count is None else count
        inside = (safe > 0) & (safe < (n - 1.0 if count is None else count - 1.0))
        speed = np.where(inside, a * total + b, 0.0)
        move = np.reshape(q, shape_of(q) + (1,) * (p.ndim - len(shape_of(q))))
        # The next neighbour also where the position is a whole number: the slope to the right.
        above = ordered[(*grid, np.minimum(low + 1, n - 1))]
        share = share + speed * (move - plain(move))
    return below + share * (above - below)


def _weights_last(weights: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Weights of a's shape, or of that of the reduced axes, with those joined into the last axis."""
    axes = normal_axes(axis, len(shape))
    if weights.shape == shape:
        return axes_last(weights, axis)
    order = [int(i) for i in np.argsort(axes)]
    return np.reshape(np.transpose(weights, order), -1) if weights.ndim == len(axes) else weights


def _place(y: Any, shape: tuple[int, ...], leading: int, axis: Any, keepdims: Any, out: Any) -> Any:
    if keepdims is not NONE and keepdims and shape:
        axes = normal_axes(axis, len(shape))
        y = np.reshape(y, shape_of(y)[:leading] + tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return into(y, out)


def _percents(q: Any, a: Any) -> Any:
    q, a = as_traced(q), as_traced(a)
    if isinstance(plain(q), int | float) and np.result_type(plain(a)).kind == "f":
        return q / 100.0
    return np.true_divide(np.asarray(q) if type(q) is not float else q, 100.0)


def _handlers(skip: bool) -> tuple[Any, Any]:
    def quantile(
        a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
        keepdims: Any = False, *, weights: Any = None, interpolation: Any = None,
    ) -> Any:  # fmt: skip
        name = method if interpolation is None else interpolation
        return _quantile(a, q, axis, out, name, keepdims, weights, skip)

    def percentile(
        a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
        keepdims: Any = False, *, weights: Any = None, interpolation: Any = None,
    ) -> Any:  # fmt: skip
        name = method if interpolation is None else interpolation
        return _quantile(a, _percents(q, a), axis, out, name, keepdims, weights, skip)

    return quantile, percentile


quantile, percentile = FUNCTIONS[np.quantile], FUNCTIONS[np.percentile] = _handlers(False)
nanquantile, nanpercentile = FUNCTIONS[np.nanquantile], FUNCTIONS[np.nanpercentile] = _handlers(True)


@implements(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    a = as_traced(a)
    np.nanmedian(plain(a), axis=axis)  # NumPy's own checks and warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return _quantile(a, 0.5, axis, out, "linear", keepdims, None, True)
