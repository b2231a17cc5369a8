"""Functions that pick elements: taking, repeating, diagonals, sorting; and SCATTER, the transpose of picking.

What picks elements (:func:`moved`) is the function itself applied to the positions 0, 1, 2, ..., and one fancy index
with the result: the cotangent is added back to where the elements came from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FUNCTIONS,
    TRACED,
    Primitive,
    any_active,
    implements,
    innermost,
    is_array,
    plain,
    plain_tree,
    shape_of,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.memory import Broadcast, still
from gradcheck.autodiff.rules.reductions import (
    as_traced,
    into,
)
from gradcheck.autodiff.rules.shape import ravel, reshape, view


def moved(x: Any, move: Callable[[Any], Any]) -> Any:
    """``move(x)`` for a function that only picks elements: found out by letting it pick positions."""
    x = as_traced(x)
    shape = shape_of(x)
    positions = move(np.arange(int(np.prod(shape, dtype=int))).reshape(shape))
    return reshape(x, -1)[positions]


def _moving(function: Any, name: str = "") -> None:
    """Register a function whose first argument is the array to pick from and whose others are plain."""

    def handler(a: Any, *args: Any, **keywords: Any) -> Any:
        if any_active(args) or any_active(keywords):
            raise unsupported(f"np.{function.__name__}: only the first argument may be traced")
        rest, named = plain_tree(args), plain_tree(keywords)
        out = named.pop("out", None)
        result = moved(a, lambda p: function(p, *rest, **named))
        if out is not None:
            keywords["out"][...] = result
            return keywords["out"]
        return result

    FUNCTIONS[function] = handler


_MOVING: tuple[Any, ...] = (
    np.roll, np.tile, np.repeat, np.take, np.take_along_axis, np.delete, np.resize,
)  # fmt: skip
for _mover in _MOVING:
    _moving(_mover)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    return into(moved(a, lambda p: np.compress(plain_tree(condition), p, axis=axis)), out)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    return moved(arr, lambda p: np.extract(plain(condition), p))


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    def step(buffer: Any) -> Any:
        part = np.diagonal(buffer, offset, axis1, axis2)
        if plain(buffer).flags.writeable:
            plain(part).flags.writeable = True  # of the cotangent's buffer, which is added to
        return part

    a = as_traced(a)
    if not np.diagonal(plain(a), offset, axis1, axis2).size:
        return moved(a, step)
    y = view(a, step)
    plain(y).flags.writeable = False  # as NumPy's own view
    return y


@implements(np.linalg.diagonal)
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return diagonal(x, offset, -2, -1)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    v = as_traced(v)
    if len(shape_of(v)) == 1:
        return diagflat(v, k)
    return diagonal(v, k)


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    v = ravel(as_traced(v))
    n = shape_of(v)[0]
    i = np.arange(n)
    return SCATTER(v, key=(i + max(-k, 0), i + max(k, 0)), shape=(n + abs(k), n + abs(k)))


@implements(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return trace(x, offset, -2, -1, dtype)


@implements(np.trace)
def trace(a: Any, /, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return into(np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype), out)


def _scatter(x: Any, *, key: Any, shape: tuple[int, ...]) -> Any:
    if type(x) in TRACED:
        return SCATTER(x, key=key, shape=shape)
    y = np.zeros(shape, plain(x).dtype if is_array(x) else np.result_type(plain(x)))
    np.add.at(y, key, x)
    return y


SCATTER = Primitive(_scatter, [lambda _y, _x, key, shape: lambda g: g[key]], "linear", name="scatter")


@implements((np.add, "at"))
def add_at(a: Any, indices: Any, b: Any) -> None:
    _scatter_add(a, indices, b, 1)


@implements((np.subtract, "at"))
def subtract_at(a: Any, indices: Any, b: Any) -> None:
    _scatter_add(a, indices, b, -1)


def _scatter_add(a: Any, indices: Any, b: Any, sign: int) -> None:
    key = still(plain_tree(indices))
    if type(a) not in TRACED:
        raise unsupported(
            "np.add.at writes a traced value into a plain array that was made outside of the function",
            "make the array inside the function, with np.zeros or np.array",
        )
    part = plain(a)[key]
    b = np.broadcast_to(as_traced(b), np.shape(part))
    update = SCATTER(b, key=key, shape=a.shape)
    a.owner.increment(a, update, sign)


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a = as_traced(a)
    if axis is None:
        a, axis = ravel(a), -1
    index = np.argsort(plain(a), axis=axis, kind="stable", order=order)
    return moved(a, lambda p: np.take_along_axis(p, index, axis))


@implements(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    a = as_traced(a)
    if axis is None:
        a, axis = ravel(a), -1
    index = np.argpartition(plain(a), kth, axis=axis, order=order)
    return moved(a, lambda p: np.take_along_axis(p, index, axis))


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """Sorted along the last axis, as complex numbers also where they are real."""
    y = sort(a)
    dtype = np.sort_complex(plain(as_traced(a))[..., :0]).dtype
    return y.astype(dtype)


# -- windows -----------------------------------------------------------------------------------------------------------


class Windows(Broadcast):
    """The step of the view that ``sliding_window_view`` gives: read-only, one place of memory seen in many."""

    __slots__ = ("axis", "window")

    def __init__(self, shape: tuple[int, ...], window: Any, axis: Any) -> None:
        super().__init__(shape, ())
        self.window = window
        self.axis = axis

    def __call__(self, buffer: Any) -> Any:
        return np.lib.stride_tricks.sliding_window_view(buffer, self.window, self.axis)


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    x, window_shape, axis = as_traced(x), plain_tree(window_shape), plain_tree(axis)
    if writeable:
        raise unsupported("sliding_window_view(writeable=True) of a traced array", "write to the array itself")
    trace = innermost((x,))
    if trace is None:
        return np.lib.stride_tricks.sliding_window_view(plain(x), window_shape, axis)
    return trace.view(x, Windows(shape_of(x), window_shape, axis))
