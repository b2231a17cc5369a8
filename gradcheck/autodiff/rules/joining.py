"""Functions that join arrays and take them apart: ``concatenate`` and its kin, ``block``, ``split``, ``np.array``.

All joining ends in ``CONCATENATE``; scalars are joined by ``PACK``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FUNCTIONS,
    TRACED,
    Primitive,
    any_active,
    has_traced,
    implements,
    is_array,
    plain,
    plain_tree,
    shape_of,
    takes_stacks,
)
from gradcheck.autodiff.rules.reductions import (
    as_traced,
    into,
)
from gradcheck.autodiff.rules.shape import ravel, reshape
from gradcheck.autodiff.rules.writing import copy


@takes_stacks
def _concatenate_vjp(_y: Any, *args: Any, axis: int) -> Any:
    ends = np.cumsum([shape_of(a)[axis] for a in args])
    rest = (slice(None),) * (len(shape_of(args[0])) - axis - 1)
    keys = [(..., slice(int(stop) - shape_of(a)[axis], int(stop)), *rest) for a, stop in zip(args, ends, strict=True)]
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
    target = out.dtype if out is not None else dtype
    if target is not None and not all(np.can_cast(np.result_type(plain(a)), target, casting) for a in parts):  # type: ignore[arg-type]
        raise TypeError(f"Cannot cast array data to {np.dtype(target)} according to the rule '{casting}'")
    if dtype is not None:
        y = y.astype(dtype)
    return into(y, out)


@implements(np.stack)
def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    arrays = [as_traced(a) for a in arrays]
    if len({shape_of(a) for a in arrays}) != 1:
        raise ValueError("all input arrays must have the same shape")
    return concatenate([np.expand_dims(a, axis) for a in arrays], axis, out, dtype=dtype, casting=casting)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    return concatenate([np.atleast_2d(as_traced(a)) for a in tup], 0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    parts = [np.atleast_1d(as_traced(a)) for a in tup]
    return concatenate(parts, 0 if len(shape_of(parts[0])) == 1 else 1, dtype=dtype, casting=casting)


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
        ary = as_traced(ary)
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
    x = as_traced(x)
    lead = (slice(None),) * (axis % len(shape_of(x)))
    return tuple(x[(*lead, i)] for i in range(shape_of(x)[axis]))


if hasattr(np, "unstack"):  # since NumPy 2.1
    implements(np.unstack)(unstack)


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    n = len(xi)
    shapes = [tuple(-1 if j == i else 1 for j in range(n)) for i in range(n)]
    out = [np.reshape(as_traced(x), s) for x, s in zip(xi, shapes, strict=True)]
    if indexing == "xy" and n > 1:
        out = [np.swapaxes(x, 0, 1) for x in out]
    if not sparse:
        full = np.broadcast_shapes(*(shape_of(x) for x in out))
        out = [np.broadcast_to(x, full) for x in out]
    return tuple(np.copy(x, order="C") for x in out) if copy else tuple(out)


# -- joining scalars ---------------------------------------------------------------------------------------------------


@takes_stacks
def _pack_row_vjp() -> Any:
    return lambda g: g if type(g) in TRACED else list(g.T)


def _pack_vjp(_y: Any, *_args: Any, shape: tuple[int, ...]) -> Any:
    if len(shape) == 1:
        return _pack_row_vjp()

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
