"""Functions that move elements without changing them: shapes, axes, joining, splitting, indexing, sorting.

Three tools do nearly all of it. What NumPy answers with a view stays a view (``_view``), so that a later write is
seen on both sides and the sweep needs no record. What picks elements (``_moved``) is the function itself applied to
the positions 0, 1, 2, ..., and one fancy index with the result. What joins is ``CONCATENATE``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    DEAD,
    FUNCTIONS,
    TRACED,
    Primitive,
    any_active,
    has_traced,
    implements,
    innermost,
    is_array,
    is_complex,
    plain,
    plain_tree,
    shape_of,
    unbroadcast,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.memory import Broadcast, still
from gradcheck.autodiff.rules.reductions import as_traced, normal_axes

# -- views ---------------------------------------------------------------------------------------------------------


class _Step:
    """A step of a view other than plain indexing: ``np.<function>(buffer, ...)`` on the cotangent's buffer."""

    __slots__ = ("apply",)

    def __init__(self, apply: Callable[[Any], Any]) -> None:
        self.apply = apply

    def __call__(self, buffer: Any) -> Any:
        part = self.apply(buffer)
        if not np.may_share_memory(plain(part), plain(buffer)):
            raise AssertionError("the cotangent of a view was copied; its buffer has another layout than its root")
        return part


def view(x: Any, apply: Callable[[Any], Any]) -> Any:
    """``apply(x)`` as a view of x if NumPy gives one; as a copy through RESHAPE if it is a reshape that must copy."""
    x = as_traced(x)
    trace = innermost((x,))
    if trace is None:
        return apply(plain(x))
    return x.owner.view(x, _Step(apply))


def _reshape(x: Any, *, shape: Any, order: Any) -> Any:
    # One of NumPy's scalars would stay a scalar for the shape ().
    return np.reshape(x if type(x) in TRACED else np.asarray(x), shape, order=order)


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
    a = as_traced(a)
    if order != "K" or not is_array(a):
        return reshape(a, -1, "C" if order == "K" else order)
    # The order of the elements in memory, where the axis with the largest stride comes first.
    strides = plain(a).strides
    back = tuple(slice(None, None, -1 if s < 0 else 1) for s in strides)
    axes = tuple(int(i) for i in np.argsort([-abs(s) for s in strides], kind="stable"))
    return reshape(transpose(a[back] if min(strides, default=0) < 0 else a, axes), -1)


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


# -- picking -------------------------------------------------------------------------------------------------------


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
    y = moved(a, lambda p: np.compress(plain_tree(condition), p, axis=axis))
    if out is not None:
        out[...] = y
        return out
    return y


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    return moved(arr, lambda p: np.extract(plain(condition), p))


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    def step(buffer: Any) -> Any:
        part = np.diagonal(buffer, offset, axis1, axis2)
        if type(part) is np.ndarray and buffer.flags.writeable:
            part.flags.writeable = True  # of the cotangent's buffer, which is added to; NumPy's own view is for reading
        return part

    a = as_traced(a)
    return view(a, step) if np.diagonal(plain(a), offset, axis1, axis2).size else moved(a, step)


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
    y = np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)
    if out is not None:
        out[...] = y
        return out
    return y


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


# -- choosing ------------------------------------------------------------------------------------------------------


def _where_vjp(k: int, _y: Any, *args: Any, condition: Any) -> Any:
    shape = shape_of(args[k])
    chosen = condition if k == 0 else ~condition
    if not shape:  # a number, so that an exact zero stops in the sweep: see Sweep.run
        return lambda g: unbroadcast(np.where(chosen, g, DEAD), shape)[()]
    return lambda g: unbroadcast(np.where(chosen, g, DEAD), shape)


def _where_jvp(k: int, t: Any, y: Any, *_args: Any, condition: Any) -> Any:
    t = np.broadcast_to(t, shape_of(y))
    return np.where(condition, t, 0.0) if k == 0 else np.where(condition, 0.0, t)


WHERE = Primitive(lambda x, y, *, condition: np.where(condition, x, y), _where_vjp, _where_jvp, name="where")


@implements(np.where)
def where(condition: Any, *choices: Any) -> Any:
    condition = plain(condition)
    if not choices:
        return np.where(condition)
    x, y = choices
    return WHERE(as_traced(x), as_traced(y), condition=np.array(condition, dtype=bool))


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    result = default
    for condition, choice in list(zip(condlist, choicelist, strict=True))[::-1]:
        result = where(condition, choice, result)
    return result


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    stacked = stack(np.broadcast_arrays(*choices)) if isinstance(choices, list | tuple) else choices
    index = np.asarray(plain(a))
    shape = np.broadcast_shapes(index.shape, shape_of(stacked)[1:])
    positions = np.choose(np.broadcast_to(index, shape), np.arange(stacked.size).reshape(shape_of(stacked)), mode=mode)  # type: ignore[call-overload]
    y = reshape(stacked, -1)[positions]
    if out is not None:
        out[...] = y
        return out
    return y


@implements(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None,
         **keywords: Any) -> Any:  # fmt: skip
    """Inside the bounds the derivative is a's, outside it is the bound's; on a bound, where both slopes exist, one
    half."""
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    y = as_traced(a)
    if low is not None:
        y = np.maximum(y, low)
    if high is not None:
        y = np.minimum(y, high)
    if keywords:
        raise unsupported(f"np.clip: keyword {', '.join(keywords)} is not supported for traced values")
    if out is not None:
        out[...] = y
        return out
    return y


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    return where(np.triu(np.ones(shape_of(m), dtype=bool), k), m, 0.0)


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    return where(np.tril(np.ones(shape_of(m), dtype=bool), k), m, 0.0)


# -- joining and splitting -----------------------------------------------------------------------------------------


def _concatenate_vjp(_y: Any, *args: Any, axis: int) -> Any:
    ends = np.cumsum([shape_of(a)[axis] for a in args])
    lead = (slice(None),) * axis
    keys = [(*lead, slice(int(stop) - shape_of(a)[axis], int(stop))) for a, stop in zip(args, ends, strict=True)]
    return lambda g: [g[key] for key in keys]


def _concatenate_jvp(tangents: Sequence[Any], _y: Any, *args: Any, axis: int) -> Any:
    parts = [np.zeros(shape_of(a)) if t is None else t for t, a in zip(tangents, args, strict=True)]
    return np.concatenate(parts, axis=axis)


CONCATENATE = Primitive(
    lambda *arrays, axis: np.concatenate(arrays, axis=axis),
    (),
    name="concatenate",
    join=(_concatenate_vjp, _concatenate_jvp),
)


@implements(np.concatenate, np.concat)
def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    parts: list[Any] = [
        as_traced(a) if type(a) in TRACED or any_active(a) else np.asarray(plain_tree(a)) for a in arrays
    ]
    if axis is None:
        parts, axis = [ravel(a) for a in parts], 0
    parts = [np.reshape(a, shape_of(a)) if not is_array(a) else a for a in parts]
    y = CONCATENATE(*parts, axis=axis % len(shape_of(parts[0])))
    if dtype is not None:
        y = y.astype(dtype)
    if out is not None:
        out[...] = y
        return out
    return y


@implements(np.stack)
def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    arrays = [as_traced(a) for a in arrays]
    if len({shape_of(a) for a in arrays}) != 1:
        raise ValueError("all input arrays must have the same shape")
    return concatenate([np.expand_dims(a, axis) for a in arrays], axis, out, dtype=dtype)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    return concatenate([np.atleast_2d(as_traced(a)) for a in tup], 0, dtype=dtype)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    parts = [np.atleast_1d(as_traced(a)) for a in tup]
    return concatenate(parts, 0 if len(shape_of(parts[0])) == 1 else 1, dtype=dtype)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    return concatenate([np.atleast_3d(as_traced(a)) for a in tup], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    parts = [as_traced(a) for a in tup]
    return concatenate([np.reshape(a, (-1, 1)) if len(shape_of(a)) < 2 else a for a in parts], 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    arr, values = as_traced(arr), as_traced(values)
    if axis is None:
        return concatenate([np.reshape(arr, -1), np.reshape(values, -1)], 0)
    return concatenate([arr, values], axis)


@implements(np.block)
def block(arrays: Any) -> Any:
    depth, level = 0, arrays
    while isinstance(level, list):
        depth, level = depth + 1, level[0]

    def join(part: Any, axis: int) -> Any:
        if not isinstance(part, list):
            shape = shape_of(part)
            return np.reshape(part, (1,) * (depth - len(shape)) + shape)
        return concatenate([join(p, axis + 1) for p in part], axis - depth)

    return join(arrays, 0)


def _split_points(sections: Any, n: int, strict: bool) -> list[int]:
    if np.ndim(sections):
        return [int(i) for i in sections]
    count = int(sections)
    if strict and n % count:
        raise ValueError("array split does not result in an equal division")
    sizes = [n // count + (i < n % count) for i in range(count)]
    return [int(i) for i in np.cumsum(sizes)[:-1]]


def _split(strict: bool, fixed_axis: int | None = None) -> Callable[..., Any]:
    def handler(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
        if fixed_axis is not None:
            axis = 0 if fixed_axis == 1 and len(shape_of(ary)) == 1 else fixed_axis
        n = shape_of(ary)[axis]
        points = _split_points(plain_tree(indices_or_sections), n, strict)
        lead = (slice(None),) * (axis % len(shape_of(ary)))
        bounds: Sequence[Any] = [0, *points, n]
        return [ary[(*lead, slice(a, b))] for a, b in pairwise(bounds)]

    return handler


FUNCTIONS[np.split] = _split(True)
FUNCTIONS[np.array_split] = _split(False)
FUNCTIONS[np.vsplit] = _split(True, 0)
FUNCTIONS[np.hsplit] = _split(True, 1)
FUNCTIONS[np.dsplit] = _split(True, 2)


def unstack(x: Any, /, *, axis: int = 0) -> Any:
    lead = (slice(None),) * (axis % len(shape_of(x)))
    return tuple(x[(*lead, i)] for i in range(shape_of(x)[axis]))


if hasattr(np, "unstack"):  # since NumPy 2.1
    implements(np.unstack)(unstack)


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    array = as_traced(array)
    pad_width, keywords = plain_tree(pad_width), plain_tree(keywords)
    if mode in ("edge", "wrap", "reflect", "symmetric") and keywords.get("reflect_type", "even") == "even":
        return moved(array, lambda p: np.pad(p, pad_width, mode=mode, **keywords))
    if mode == "constant":
        n = int(np.prod(shape_of(array), dtype=int))
        positions = np.pad(np.arange(n).reshape(shape_of(array)), pad_width, constant_values=-1)
        filled = np.pad(np.zeros_like(plain(array)), pad_width, **keywords)
        return where(positions >= 0, np.reshape(array, -1)[positions], filled)
    raise unsupported(f"np.pad with mode={mode!r} of a traced value")


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    n = len(xi)
    shapes = [tuple(-1 if j == i else 1 for j in range(n)) for i in range(n)]
    out = [np.reshape(as_traced(x), s) for x, s in zip(xi, shapes, strict=True)]
    if indexing == "xy" and n > 1:
        out = [np.swapaxes(x, 0, 1) for x in out]
    if sparse:
        return tuple(out)
    full = np.broadcast_shapes(*(shape_of(x) for x in out))
    return tuple(np.copy(np.broadcast_to(x, full)) for x in out)


# -- order ---------------------------------------------------------------------------------------------------------


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a = as_traced(a)
    if axis is None:
        a, axis = ravel(a), -1
    index = np.argsort(plain(a), axis=axis, kind="stable")
    return moved(a, lambda p: np.take_along_axis(p, index, axis))


@implements(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    a = as_traced(a)
    if axis is None:
        a, axis = ravel(a), -1
    index = np.argpartition(plain(a), kth, axis=axis)
    return moved(a, lambda p: np.take_along_axis(p, index, axis))


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


# -- copies and writes ---------------------------------------------------------------------------------------------

COPY = Primitive(
    lambda x, *, order: np.copy(x, order=order), [lambda _y, _x, order: lambda g: g], "linear", name="copy"
)


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return COPY(as_traced(a), order=order)


def _writable(a: Any, name: str) -> Any:
    if type(a) not in TRACED:
        raise unsupported(
            f"np.{name} writes a traced value into a plain array that was made outside of the function",
            "make the array inside the function, with np.zeros or np.array",
        )
    return a


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    _writable(dst, "copyto")[...] = src if where is True else FUNCTIONS[np.where](where, src, dst)


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    _writable(a, "put")
    index = np.ravel(np.arange(a.size).take(plain_tree(ind), mode=mode))  # type: ignore[call-overload]
    values = np.resize(as_traced(v), index.shape)
    if a.shape:
        a[np.unravel_index(index, a.shape)] = values
    elif index.size:
        a[...] = values[-1]


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    mask = np.asarray(plain(mask), dtype=bool)
    _writable(arr, "place")[mask] = np.resize(as_traced(vals), (int(mask.sum()),))


@implements(np.putmask)
def putmask(a: Any, /, mask: Any, values: Any) -> None:
    mask = np.broadcast_to(np.asarray(plain(mask), dtype=bool), a.shape)
    values = np.resize(as_traced(values), a.shape)
    _writable(a, "putmask")[mask] = values[mask]


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    positions = np.zeros(a.shape, dtype=int)
    np.fill_diagonal(positions, 1, wrap=wrap)
    _writable(a, "fill_diagonal")
    index = np.nonzero(positions)
    a[index] = np.resize(as_traced(val), (len(index[0]),)) if shape_of(val) else val


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    positions = np.take_along_axis(np.arange(arr.size).reshape(arr.shape), plain(indices), axis)
    _writable(arr, "put_along_axis")[np.unravel_index(positions, arr.shape)] = values


# -- joining scalars ---------------------------------------------------------------------------------------------------


def _pack_vjp(_y: Any, *_args: Any, shape: tuple[int, ...]) -> Any:
    def pull(g: Any) -> Any:
        flat = np.reshape(g, -1)
        return flat if type(flat) in TRACED else list(flat)

    return pull


def _pack_jvp(tangents: Sequence[Any], _y: Any, *_args: Any, shape: tuple[int, ...]) -> Any:
    return _pack(*[0.0 if t is None else t for t in tangents], shape=shape)


def _pack(*scalars: Any, shape: tuple[int, ...]) -> Any:
    if any(type(s) in TRACED for s in scalars):
        return PACK(*scalars, shape=shape)
    return np.array(scalars).reshape(shape)


PACK = Primitive(_pack, (), name="array", join=(_pack_vjp, _pack_jvp))


@implements(np.array)
def array(object: Any) -> Any:
    """``np.array`` of nested lists with traced values inside."""
    if type(object) in TRACED:
        return copy(object) if is_array(object) else reshape(object, ())
    if not has_traced(object):
        return np.array(object)
    parts = [array(e) if isinstance(e, list | tuple) else e for e in object]
    if all(not shape_of(p) for p in parts):
        parts = [p.item() if type(p) in TRACED and is_array(p) else p for p in parts]
        return PACK(*parts, shape=(len(parts),))
    return stack(parts)
