"""Functions that give an array another shape or another order of axes.

What NumPy answers with a view stays a view (:func:`view`), so that a later write is seen on both sides and the sweep
needs no record. What picks elements is in ``picking.py``, what joins arrays in ``joining.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FUNCTIONS,
    TRACED,
    Primitive,
    implements,
    innermost,
    is_array,
    is_complex,
    plain,
    plain_tree,
    shape_of,
)
from gradcheck.autodiff.memory import Broadcast, Imaginary
from gradcheck.autodiff.rules.elementwise import IMAG
from gradcheck.autodiff.rules.reductions import as_traced, normal_axes

# -- views ---------------------------------------------------------------------------------------------------------


class Step:
    """A step of a view other than plain indexing: ``np.<function>(buffer, ...)`` on the cotangent's buffer."""

    __slots__ = ("apply",)

    def __init__(self, apply: Callable[[Any], Any]) -> None:
        self.apply = apply

    def __call__(self, buffer: Any) -> Any:
        part = self.apply(buffer)
        if part.size and not np.may_share_memory(plain(part), plain(buffer)):
            raise AssertionError("the cotangent of a view was copied; its buffer has another layout than its root")
        return part


def view(x: Any, apply: Callable[[Any], Any]) -> Any:
    """``apply(x)`` as a view of x if NumPy gives one; as a copy through RESHAPE if it is a reshape that must copy."""
    x = as_traced(x)
    trace = innermost((x,))
    if trace is None:
        return apply(plain(x))
    return x.owner.view(x, apply if type(apply) is Imaginary else Step(apply))


def _reshape(x: Any, *, shape: Any, order: Any) -> Any:
    """A copy, also where a view would do: whoever asks for a reshape that is no view writes to the one alone."""
    # One of NumPy's scalars would stay a scalar for the shape ().
    y = np.reshape(x if type(x) in TRACED else np.asarray(x), shape, order=order)
    return np.copy(y) if is_array(x) and np.may_share_memory(plain(y), plain(x)) else y


RESHAPE = Primitive(
    _reshape,
    [lambda _y, x, shape, order: _reshape_back(shape_of(x), order)],
    "linear",
    name="reshape",
)


def _reshape_back(shape: tuple[int, ...], order: str) -> Any:
    return lambda g: np.reshape(g, shape, order=order)  # type: ignore[call-overload]


@implements(np.reshape)
def reshape(a: Any, /, shape: Any = None, order: str = "C", *, copy: Any = None, newshape: Any = None) -> Any:
    a = as_traced(a)
    shape = plain_tree(newshape if shape is None else shape)
    value = plain(a)
    if order == "A":
        order = "F" if is_array(a) and value.flags.fnc else "C"
    if is_array(a) and not copy:
        trial = np.reshape(value, shape, order=order)  # type: ignore[call-overload]
        if trial.size and np.may_share_memory(trial, value):
            return view(a, lambda b: np.reshape(b, trial.shape, order=order))  # type: ignore[call-overload]
        if copy is False:
            raise ValueError("Unable to avoid creating a copy while reshaping.")
    return RESHAPE(a, shape=shape, order=order)


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """A view where NumPy gives one, which is less often than for ``reshape(-1)``: not of strided or reversed arrays."""
    a = as_traced(a)
    if not is_array(a):
        return reshape(a, -1)
    value = plain(a)
    shared = np.may_share_memory(value.ravel(order), value)
    if order == "K" and not shared and 0 in value.strides:
        return _ravel_repeated(a, value)
    if order == "K":
        # The order of the elements in memory, where the axis with the largest stride comes first; an axis that runs
        # backwards in memory runs as it is indexed.
        a = transpose(a, tuple(int(i) for i in np.argsort([-abs(s) for s in value.strides], kind="stable")))
        order = "C"
    elif order == "A":
        order = "F" if value.flags.fnc else "C"
    return reshape(a, -1, order) if shared or not value.size else RESHAPE(a, shape=-1, order=order)


def _ravel_repeated(a: Any, value: Any) -> Any:
    """The elements in the order of memory of an array that sees places of memory in many of its own: NumPy decides."""
    once = a[tuple(slice(0, 1) if s == 0 else slice(None) for s in value.strides)]
    places = np.empty_like(plain(once), dtype=np.intp)
    places[...] = np.arange(places.size).reshape(places.shape)
    return reshape(once, -1)[np.broadcast_to(places, value.shape).ravel("K")]


@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Any:
    a = as_traced(a)
    if not is_array(a):
        return a if isinstance(plain(a), np.generic) else reshape(a, ())
    return view(a, lambda b: np.transpose(b, axes))


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    return view(a, lambda b: np.swapaxes(b, axis1, axis2))


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    return view(x, lambda b: np.swapaxes(b, -1, -2))


def _permutation(ndim: int, source: Any, destination: Any) -> tuple[int, ...]:
    order = np.moveaxis(np.empty((0,) * ndim), source, destination)  # for NumPy's own checks and messages
    del order
    sources = normal_axes(source if isinstance(source, int) else tuple(source), ndim)
    destinations = normal_axes(destination if isinstance(destination, int) else tuple(destination), ndim)
    rest = [i for i in range(ndim) if i not in sources]
    for d, s in sorted(zip(destinations, sources, strict=True)):
        rest.insert(d, s)
    return tuple(rest)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    order = _permutation(len(shape_of(a)), source, destination)
    return view(a, lambda b: np.transpose(b, order))


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    ndim = len(shape_of(a))
    order = [i for i in range(ndim) if i != axis % ndim]
    place = start + ndim if start < 0 else start
    order.insert(place - 1 if axis % ndim < place else place, axis % ndim)
    return view(a, lambda b: np.transpose(b, order))


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    a = as_traced(a)
    return a if isinstance(plain(a), np.generic) else reshape(a, np.squeeze(plain(a), axis=axis).shape)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    a = as_traced(a)
    return reshape(a, np.expand_dims(np.empty(shape_of(a)), axis).shape)


def _at_least(ndim: int) -> Callable[..., Any]:
    function = (np.atleast_1d, np.atleast_2d, np.atleast_3d)[ndim - 1]

    def handler(*arrays: Any) -> Any:
        out = [a if len(shape_of(a)) >= ndim else reshape(a, function(np.empty(shape_of(a))).shape) for a in arrays]
        return out[0] if len(out) == 1 else tuple(out)

    return handler


for _n, _function in enumerate((np.atleast_1d, np.atleast_2d, np.atleast_3d), 1):
    FUNCTIONS[_function] = _at_least(_n)


@implements(np.real)
def real(val: Any) -> Any:
    """A view, as NumPy's: with the bilinear pairing the cotangent of Re z is the real part of z's."""
    val = as_traced(val)
    if not is_complex(val):
        return val
    return view(val, np.real) if is_array(val) else REAL(val)


REAL = Primitive(lambda z: np.real(z), [lambda _y, _z: lambda g: g], "linear", name="real")


@implements(np.imag)
def imag(val: Any) -> Any:
    """A view, as NumPy's; of real numbers zeros."""
    val = as_traced(val)
    if not is_complex(val):
        return np.imag(plain(val))
    return view(val, Imaginary()) if is_array(val) else IMAG(val)


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    m = as_traced(m)
    axes = normal_axes(axis, len(shape_of(m)))
    return m[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(len(shape_of(m))))]


@implements(np.flipud)
def flipud(m: Any) -> Any:
    return flip(m, 0)


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    return flip(m, 1)


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    shape = plain_tree(shape)
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    array = as_traced(array)
    own = shape_of(array)
    if not is_array(array):
        array = reshape(array, ())
    if own == shape:
        return array
    trace = innermost((array,))
    if trace is None:
        return np.broadcast_to(plain(array), shape)
    return trace.view(array, Broadcast(own, shape))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*(shape_of(a) for a in args))
    return tuple(broadcast_to(a, shape) for a in args)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    m, k = as_traced(m), k % 4
    np.rot90(np.empty(shape_of(m)), k, axes)  # NumPy's own checks and messages
    if k == 0:
        return m[:]
    if k == 2:
        return flip(flip(m, axes[0]), axes[1])
    return swapaxes(flip(m, axes[1]), *axes) if k == 1 else flip(swapaxes(m, *axes), axes[1])
