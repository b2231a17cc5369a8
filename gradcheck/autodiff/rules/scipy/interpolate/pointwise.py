"""A plain spline at a traced place: the derivative is the spline's own derivative, at any order.

One primitive serves all of SciPy's one-dimensional interpolants, whatever they are made of: they all can give their
derivatives. So the value is SciPy's own, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, Primitive, shape_of
from gradcheck.autodiff.rules.scipy.linear import floating

# (places, order of the derivative) -> values of shape places.shape + trailing.
Curve = Callable[[Any, int], Any]


def _run(x: Any, *, curve: Curve, nu: int) -> Any:
    return POINTWISE(x, curve=curve, nu=nu) if type(x) in TRACED else np.asarray(curve(x, nu))


def _extra(x: Any, y: Any) -> tuple[int, ...]:
    return tuple(range(len(shape_of(x)), len(shape_of(y))))


def _vjp(y: Any, x: Any, *, curve: Curve, nu: int) -> Any:
    axes = _extra(x, y)
    return lambda g: np.sum(g * POINTWISE(x, curve=curve, nu=nu + 1), axis=axes)


def _jvp(t: Any, y: Any, x: Any, *, curve: Curve, nu: int) -> Any:
    return np.reshape(t, shape_of(x) + (1,) * len(_extra(x, y))) * POINTWISE(x, curve=curve, nu=nu + 1)


POINTWISE: Primitive = Primitive(_run, [_vjp], [_jvp], name="spline")


def at_places(curve: Curve, x: Any, nu: int = 0, axis: int = 0) -> Any:
    """The curve at traced places; ``axis`` is where the places' dimensions stand among those of the values."""
    x = floating(x)
    y = POINTWISE(x, curve=curve, nu=nu)
    return placed(y, len(shape_of(x)), axis)


def placed(y: Any, dims: int, axis: int) -> Any:
    """Values of shape places + trailing with the dimensions of the places moved behind ``axis`` trailing ones."""
    if not axis or not dims:
        return y
    return np.moveaxis(y, tuple(range(dims)), tuple(range(axis, axis + dims)))


def leading(y: Any, dims: int, axis: int) -> Any:
    """The inverse of :func:`placed`, for plain values."""
    return np.moveaxis(y, tuple(range(axis, axis + dims)), tuple(range(dims))) if axis and dims else y


def zero_beyond(call: Curve, degree: int) -> Curve:
    """A curve whose own code refuses derivatives of a higher order than its degree; they are zero."""
    return lambda x, nu: call(x, nu) if nu <= degree else np.zeros_like(call(x, 0))


def falling(p: int, nu: int) -> float:
    """The factor of the nu-th derivative of xᵖ."""
    return float(math.perm(p, nu)) if p >= nu else 0.0
