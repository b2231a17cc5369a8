"""Linear maps in pairs, and the small tools that the rules for signal, images, splines and transforms share.

Most of those SciPy functions are linear in their main operand: all that a rule needs is the transposed map. Where
both maps are known a pair of primitives does it (:func:`transposes`); either is the other's vjp, so that derivatives
of every order come from the same two functions. Cotangents pair without a conjugate, so "transposed" never means
"adjoint" for a complex map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.core import FUNCTIONS, TRACED, Primitive, any_active, is_array, is_complex, plain, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced

Function = Callable[..., Any]


def array(x: Any) -> Any:
    """Any operand as a traced or plain array (never a number); lists become arrays."""
    x = as_traced(x)
    if type(x) in TRACED:
        return x if is_array(x) else FUNCTIONS[np.reshape](x, ())
    return np.asarray(x)


def floating(x: Any) -> Any:
    """:func:`array`, with integers made floats."""
    x = array(x)
    return x if plain(x).dtype.kind in "fc" else x.astype(np.float64)


def constant_only(name: str, **named: Any) -> None:
    """Refuse derivatives with respect to these arguments, by name."""
    for argument, value in named.items():
        if any_active(value):
            raise unsupported(f"{name}: no derivative rule with respect to its argument {argument}")


def transposes(forward: Function, backward: Function, name: str) -> tuple[Primitive, Primitive]:
    """The primitives of a linear map and of its transpose.

    Args:
        forward: ``forward(x, **static)`` of a plain array.
        backward: ``backward(g, **static)``, the transpose of it, with the same keywords.
        name: of the map, for messages.

    >>> ahead, back = transposes(lambda x, *, n: np.repeat(x, n), lambda g, *, n: g.reshape(-1, n).sum(1), "repeat")
    >>> back(ahead(np.array([1.0, 2.0]), n=3), n=3)
    array([3., 6.])
    """

    def run(which: int, function: Function) -> Function:
        return lambda x, **static: pair[which](x, **static) if type(x) in TRACED else function(x, **static)

    def vjp(which: int) -> Function:
        return lambda _y, _x, **static: lambda g: pair[1 - which](g, **static)

    pair = (
        Primitive(run(0, forward), [vjp(0)], "linear", name=name),
        Primitive(run(1, backward), [vjp(1)], "linear", name=f"{name} (transposed)"),
    )
    return pair


def symmetric(function: Function, name: str) -> Primitive:
    """The primitive of a linear map that is its own transpose."""

    def run(x: Any, **static: Any) -> Any:
        return rule(x, **static) if type(x) in TRACED else function(x, **static)

    rule = Primitive(run, [lambda _y, _x, **static: lambda g: rule(g, **static)], "linear", name=name)
    return rule


def same_as(y: Any, expected: Any, name: str) -> Any:
    """y, if it has the value that SciPy computes; an error where this version of SciPy computes something else.

    For functions whose corner cases are SciPy's own choice: a derivative of another function is not given out.
    """
    mine, theirs = np.asarray(plain(y)), np.asarray(expected)
    scale = float(np.max(np.abs(theirs), initial=0.0, where=np.isfinite(theirs)))
    precision = 1e-4 if theirs.dtype in (np.float16, np.float32, np.complex64) else 1e-7
    if mine.shape != theirs.shape or not np.allclose(mine, theirs, precision, precision * scale, equal_nan=True):
        raise unsupported(f"{name}: this version of SciPy does not follow the formula that is differentiated here")
    return y


def at(axis: int, ndim: int, key: Any) -> tuple[Any, ...]:
    """The index that takes ``key`` along one axis and everything along the others."""
    return tuple(key if i == axis % ndim else slice(None) for i in range(ndim))


def along(v: Any, axis: int, ndim: int) -> Any:
    """A vector with its elements along one axis of an ndim-dimensional array."""
    return np.reshape(v, tuple(-1 if i == axis % ndim else 1 for i in range(ndim)))


def zeros_along(x: Any, axis: int, n: int) -> Any:
    shape = list(shape_of(x))
    shape[axis % len(shape)] = n
    return np.zeros(shape, plain(x).dtype)


def padded(x: Any, before: int, after: int, axis: int) -> Any:
    """x with zeros before and after along an axis."""
    parts = [zeros_along(x, axis, before)] * (before > 0) + [x] + [zeros_along(x, axis, after)] * (after > 0)
    return np.concatenate(parts, axis=axis) if len(parts) > 1 else x


def fit(x: Any, n: int, axis: int) -> Any:
    """x cut off, or continued with zeros, to length n along an axis."""
    have = shape_of(x)[axis]
    if have == n:
        return x
    return x[at(axis, len(shape_of(x)), slice(0, n))] if have > n else padded(x, 0, n - have, axis)


def axis_tuple(axes: Any, ndim: int) -> tuple[int, ...]:
    """Axes, one or several or None for all, as non-negative integers."""
    if axes is None:
        return tuple(range(ndim))
    axes = (axes,) if isinstance(axes, int | np.integer) else tuple(axes)
    for a in axes:
        if not -ndim <= a < ndim:
            raise np.exceptions.AxisError(int(a), ndim)
    return tuple(int(a) % ndim for a in axes)


def matrix(m: Any, x: Any, axis: int) -> Any:
    """A plain matrix times x along one axis."""
    return np.moveaxis(np.tensordot(m, x, axes=(1, axis)), 0, axis)


def real_if(x: Any, like: Sequence[Any]) -> Any:
    """The real part of x where all of ``like`` are real."""
    return x if any(is_complex(e) for e in like) else np.real(x)
