"""Averages and order statistics: ``average``, ``median``, ``nanmean`` and their kin.

Composed of reductions, sorting and picking.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FUNCTIONS,
    implements,
    plain,
    shape_of,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import (
    NONE,
    _count,
    as_traced,
    axes_last,
    finish,
    mean,
    sum_,
)


@implements(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = NONE) -> Any:
    a = as_traced(a)
    if weights is None:
        y = mean(a, axis, keepdims=keepdims)
        count = np.zeros_like(plain(y)) + _count(shape_of(a), axis, NONE)
        return (y, count.astype(plain(y).dtype)) if returned else y
    weights = as_traced(weights)
    shape = shape_of(a)
    if shape_of(weights) != shape:
        if axis is None or isinstance(axis, tuple) or len(shape_of(weights)) != 1:
            raise TypeError("1D weights expected when shapes of a and weights differ, with an axis.")
        weights = np.reshape(weights, tuple(shape[i] if i == axis % len(shape) else 1 for i in range(len(shape))))
        weights = np.broadcast_to(weights, shape)
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
