"""Norms of vectors and matrices: ``np.linalg.norm``, ``vector_norm``, ``matrix_norm``.

At the origin, where a norm has a kink, the derivative is the middle subgradient 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    Primitive,
    implements,
    is_complex,
    plain,
    shape_of,
    takes_stacks,
)
from gradcheck.autodiff.rules.reductions import (
    as_traced,
    axes_last,
    finish,
    max_,
    min_,
    normal_axes,
    spread,
    sum_,
)


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Vector and matrix norms. Source of the derivative of the spectral ones: that of the singular values."""
    x = as_traced(x)
    shape = shape_of(x)
    if ord is None or (ord in ("f", "fro") and (len(shape) == 2 or isinstance(axis, tuple))):
        return finish(_root_of_squares(x, axis), shape, axis, keepdims, None)
    axes = normal_axes(axis, len(shape))
    if len(axes) == 2:
        return finish(_matrix_norm(x, ord, axes), shape, axes, keepdims, None)
    if len(axes) != 1:
        raise ValueError("Improper number of dimensions to norm.")
    size = np.abs(x)
    if ord == np.inf:
        y = max_(size, axes)
    elif ord == -np.inf:
        y = min_(size, axes)
    elif ord == 0:
        y = np.sum(plain(x) != 0, axis=axes).astype(np.real(plain(x)).dtype)
    elif ord == 1:
        y = sum_(size, axes)
    elif ord == 2:
        y = _root_of_squares(x, axes)
    else:
        y = sum_(size**ord, axes) ** (1.0 / ord)
    return finish(y, shape, axes, keepdims, None)


def _root_of_squares(x: Any, axis: Any) -> Any:
    """The Euclidean norm as a primitive, so that its derivative at 0 is the middle subgradient 0, not nan."""
    if isinstance(axis, int):
        axis = (axis,)
    return EUCLIDEAN(x, axis=axis)


def _direction(y: Any, x: Any, axis: Any) -> Any:
    length = spread(y, shape_of(x), axis)
    length = np.where(plain(length) == 0, 1.0, length)
    return (np.conjugate(x) if is_complex(x) else x) / length


@takes_stacks
def _euclidean_vjp(y: Any, x: Any, *, axis: Any) -> Any:
    return lambda g: spread(g, shape_of(x), axis) * _direction(y, x, axis)


EUCLIDEAN = Primitive(
    lambda x, *, axis: np.linalg.norm(x, axis=axis),
    [_euclidean_vjp],
    [lambda t, y, x, axis: np.sum(np.real(t * _direction(y, x, axis)), axis=axis)],
    name="norm",
)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...]) -> Any:
    row, column = axes
    size = np.abs(x)
    if ord in (1, -1):
        totals = sum_(size, row)
        reduced = column - (column > row)
        return (max_ if ord > 0 else min_)(totals, reduced)
    if ord in (np.inf, -np.inf):
        totals = sum_(size, column)
        reduced = row - (row > column)
        return (max_ if ord > 0 else min_)(totals, reduced)
    if ord in (2, -2, "nuc"):
        s = np.linalg.svd(np.moveaxis(x, axes, (-2, -1)), compute_uv=False)
        return sum_(s, -1) if ord == "nuc" else (max_ if ord > 0 else min_)(s, -1)
    raise ValueError(f"Invalid norm order '{ord}' for matrices.")


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = as_traced(x)
    if axis is None:
        flat = np.linalg.norm(np.ravel(x), ord)
        return np.reshape(flat, (1,) * len(shape_of(x))) if keepdims else flat
    if isinstance(axis, tuple) and len(axis) > 1:
        y = np.linalg.norm(axes_last(x, axis), ord, axis=-1)
        return finish(y, shape_of(x), axis, keepdims, None)
    return np.linalg.norm(x, ord, axis=axis if isinstance(axis, int) else axis[0], keepdims=keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return np.linalg.norm(x, ord, axis=(-2, -1), keepdims=keepdims)
