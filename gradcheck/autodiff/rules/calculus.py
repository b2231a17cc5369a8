"""Differences, integrals and interpolation of samples: ``diff``, ``gradient``, ``trapezoid``, ``interp`` and their kin.

Composed of functions that have rules.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FUNCTIONS,
    TRACED,
    implements,
    plain,
    shape_of,
)
from gradcheck.autodiff.rules.elementwise import astype
from gradcheck.autodiff.rules.joining import concatenate
from gradcheck.autodiff.rules.reductions import (
    as_traced,
    cumprod,
    cumsum,
    into,
    normal_axes,
    sum_,
)


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue) -> Any:
    a = as_traced(a)
    axis = axis % len(shape_of(a))

    def edge(value: Any) -> Any:
        if shape_of(value):
            return value
        return np.broadcast_to(value, tuple(1 if i == axis else m for i, m in enumerate(shape_of(a))))

    parts = [p for p in (prepend, a, append) if p is not np._NoValue]
    if len(parts) > 1:
        a = concatenate([p if p is a else edge(p) for p in parts], axis)
    lead = (slice(None),) * axis
    for _ in range(n):
        a = a[(*lead, slice(1, None))] - a[(*lead, slice(None, -1))]
    return a


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = [diff(np.ravel(as_traced(ary)))]
    if to_begin is not None:
        parts.insert(0, np.ravel(to_begin))
    if to_end is not None:
        parts.append(np.ravel(to_end))
    return concatenate(parts, 0)


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = np.moveaxis(as_traced(y), axis, -1)
    width = dx
    if x is not None:
        x = as_traced(x)
        width = np.diff(x) if len(shape_of(x)) == 1 else np.diff(np.moveaxis(x, axis, -1))
    return sum_(width * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


def _as_float64(x: Any) -> Any:
    """NumPy's interp computes in double precision, whatever it is given."""
    x = as_traced(x)
    if type(x) not in TRACED:
        return np.asarray(x, float)
    return astype(x, float, copy=False) if np.result_type(plain(x)) != np.float64 else x


def _one_period(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """Everything moved into one period, with a node before and one behind."""
    if plain(period) == 0:
        raise ValueError("period must be a non-zero value")
    x, xp = x % period, xp % period
    order = np.argsort(plain(xp))
    xp, fp = xp[order], fp[order]
    return (
        x,
        np.concatenate([xp[-1:] - period, xp, xp[:1] + period]),
        np.concatenate([fp[-1:], fp, fp[:1]]),
    )


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation, differentiable in x, xp and fp; at a node the slope to its right."""
    x, xp, fp = (_as_float64(v) for v in (x, xp, fp))
    if period is not None:
        x, xp, fp = _one_period(x, xp, fp, abs(period))
        left = right = None
    nodes, points = np.asarray(plain(xp)), np.asarray(plain(x))
    if len(nodes) == 1:
        xp, fp = np.concatenate([xp, xp + 1.0]), np.concatenate([fp, fp])
    i = np.clip(np.searchsorted(nodes, points, side="right") - 1, 0, max(len(nodes) - 2, 0))
    x0, x1, f0, f1 = xp[i], xp[i + 1], fp[i], fp[i + 1]
    y = f0 + (x - x0) * ((f1 - f0) / (x1 - x0))
    # Where the ends may be jumps traced values are compared: decisions.py takes note of them.
    y = np.where(points < nodes[0] if left is None else x < xp[0], fp[0] if left is None else left, y)
    y = np.where(points > nodes[-1] if right is None else x > xp[-1], fp[-1] if right is None else right, y)
    return y if points.ndim else y[()]


# -- numeric differentiation of samples --------------------------------------------------------------------------------


def _sloped(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    """Second-order differences along one axis for a spacing (a number) or the widths between the samples (a vector);
    at the ends one-sided. B. Fornberg, *Generation of finite difference formulas on arbitrarily spaced grids*, Math.
    Comp. 51, 699, 1988."""
    f = np.moveaxis(f, axis, -1)
    if not shape_of(h):
        left = right = h
        inner = (f[..., 2:] - f[..., :-2]) / (2.0 * h)
        first, last = (h, h), (h, h)
    else:
        left, right = h[:-1], h[1:]
        a = -right / (left * (left + right))
        b = (right - left) / (left * right)
        c = left / (right * (left + right))
        inner = a * f[..., :-2] + b * f[..., 1:-1] + c * f[..., 2:]
        first, last = (h[0], h[1] if edge_order > 1 else h[0]), (h[-1], h[-2] if edge_order > 1 else h[-1])
    if edge_order == 1:
        start, end = (f[..., 1] - f[..., 0]) / first[0], (f[..., -1] - f[..., -2]) / last[0]
    else:
        start = _one_sided(f[..., 0], f[..., 1], f[..., 2], *first)
        end = -_one_sided(f[..., -1], f[..., -2], f[..., -3], *last)
    return np.moveaxis(np.concatenate([start[..., None], inner, end[..., None]], axis=-1), -1, axis)


def _one_sided(f0: Any, f1: Any, f2: Any, d1: Any, d2: Any) -> Any:
    """The slope at the first of three samples at distances d1 and d2."""
    a = -(2.0 * d1 + d2) / (d1 * (d1 + d2))
    b = (d1 + d2) / (d1 * d2)
    c = -d1 / (d2 * (d1 + d2))
    return a * f0 + b * f1 + c * f2


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """NumPy's differences of samples, differentiable in the samples, the spacings and the coordinates."""
    f = as_traced(f)
    if np.result_type(plain(f)).kind not in "fc":
        f = f.astype(float) if hasattr(f, "astype") else np.asarray(f, float)
    shape = shape_of(f)
    axes = normal_axes(axis if axis is None or isinstance(axis, tuple) else int(axis), len(shape))
    spacings: list[Any] = [as_traced(v) for v in varargs] or [1.0]
    if len(spacings) == 1 and not shape_of(spacings[0]):
        spacings = spacings * len(axes)
    elif len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    out = []
    for h, k in zip(spacings, axes, strict=True):
        if shape[k] < edge_order + 1:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements are "
                "required."
            )
        if shape_of(h):
            if shape_of(h) != (shape[k],):
                raise ValueError("when 1d, distances must match the length of the corresponding dimension")
            h = np.diff(h)
        out.append(_sloped(f, h, k, int(edge_order)))
    return out[0] if len(out) == 1 else tuple(out)


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """p and a whole number of periods, which is piecewise constant."""
    p = as_traced(p)
    value = np.asarray(plain(p))
    known = np.unwrap(value, plain(discont), axis, period=plain(period))
    turns = np.rint((known - value) / plain(period))
    if np.result_type(known).kind not in "fc":
        return known
    return p + turns * period


# -- sums that keep their steps (NumPy 2.1) ----------------------------------------------------------------------------


def _cumulative(function: Any, neutral: float) -> Any:
    def handler(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        x = np.atleast_1d(as_traced(x))
        if axis is None:
            if len(shape_of(x)) >= 2:
                raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
            axis = 0
        y = function(x, axis, dtype)
        if include_initial:
            first = list(shape_of(y))
            first[axis] = 1
            y = np.concatenate([np.full(first, neutral, plain(y).dtype), y], axis=axis)
        return into(y, out)

    return handler


if hasattr(np, "cumulative_sum"):
    FUNCTIONS[np.cumulative_sum] = _cumulative(cumsum, 0.0)
    FUNCTIONS[np.cumulative_prod] = _cumulative(cumprod, 1.0)
