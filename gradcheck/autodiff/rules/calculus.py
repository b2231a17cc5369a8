"""Differences, integrals and interpolation of samples: ``diff``, ``gradient``, ``trapezoid``, ``interp`` and their kin.

Composed of functions that have rules.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    TRACED,
    implements,
    plain,
    shape_of,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.elementwise import astype
from gradcheck.autodiff.rules.joining import concatenate
from gradcheck.autodiff.rules.reductions import (
    as_traced,
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


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation, differentiable in x, xp and fp; at a node the slope to its right."""
    if period is not None:
        raise unsupported("np.interp with period of a traced value")
    x, xp, fp = (_as_float64(v) for v in (x, xp, fp))
    nodes, points = np.asarray(plain(xp)), np.asarray(plain(x))
    if len(nodes) == 1:
        xp, fp = np.concatenate([xp, xp + 1.0]), np.concatenate([fp, fp])
    i = np.clip(np.searchsorted(nodes, points, side="right") - 1, 0, max(len(nodes) - 2, 0))
    x0, x1, f0, f1 = xp[i], xp[i + 1], fp[i], fp[i + 1]
    y = f0 + (x - x0) * ((f1 - f0) / (x1 - x0))
    y = np.where(points < nodes[0], fp[0] if left is None else left, y)
    y = np.where(points > nodes[-1], fp[-1] if right is None else right, y)
    return y if points.ndim else y[()]
