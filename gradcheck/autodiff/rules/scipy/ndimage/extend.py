"""Images continued beyond their edges, windows on them, and where results go: what all rules for ndimage share.

An extension along one axis is a choice of indices, the same for every line; its transpose adds what was chosen more
than once. Two boundary modes differ for filters and for interpolation only in their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff.array import store_out
from gradcheck.autodiff.core import TRACED, is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.linear import array, at, axis_tuple, transposes, zeros_along

# ndimage's name of a boundary mode -> np.pad's.
PAD = {
    "reflect": "symmetric", "grid-mirror": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap",
    "grid-wrap": "wrap", "constant": "constant", "grid-constant": "constant",
}  # fmt: skip


def positions(n: int, before: int, after: int, mode: str) -> Any:
    """Which of n elements stands at each place of a line continued on both sides; −1 for none (mode "constant").

    >>> positions(3, 2, 1, "reflect")
    array([1, 0, 0, 1, 2, 2])
    >>> positions(3, 2, 1, "constant")
    array([-1, -1,  0,  1,  2, -1])
    """
    if mode not in PAD:
        raise RuntimeError("boundary mode not supported")
    kind = PAD[mode]
    if not n:
        return np.full(before + after, -1)
    if kind == "constant":
        return np.pad(np.arange(n), (before, after), constant_values=-1)
    return np.pad(np.arange(n), (before, after), mode=kind)  # type: ignore[call-overload]


def _take(x: Any, *, index: Any, before: int, n: int, axis: int) -> Any:
    return np.take(x, index, axis)


def _fold(g: Any, *, index: Any, before: int, n: int, axis: int) -> Any:
    ndim = g.ndim
    out = np.moveaxis(np.array(g[at(axis, ndim, slice(before, before + n))]), axis, 0)
    ends = np.r_[0:before, before + n : len(index)]
    np.add.at(out, index[ends], np.moveaxis(g[at(axis, ndim, ends)], axis, 0))
    return np.moveaxis(out, 0, axis)


CONTINUE, _FOLD = transposes(_take, _fold, "boundary extension")


def extend(x: Any, before: int, after: int, axis: int, mode: str, cval: Any = 0.0) -> Any:
    """x continued along an axis by so many elements on each side."""
    n = shape_of(x)[axis]
    if PAD.get(mode) == "constant":
        parts = [zeros_along(x, axis, before), x, zeros_along(x, axis, after)]
        if type(cval) in TRACED or cval != 0:
            dtype = plain(x).dtype
            one = np.ones((), dtype)
            parts = [(p if p is x else (p + one) * cval) for p in parts]
            parts = [p if p is x or type(p) in TRACED else np.asarray(p, dtype) for p in parts]
        return np.concatenate([p for p in parts if shape_of(p)[axis]] or [x], axis=axis)
    index = positions(n, before, after, mode)
    return CONTINUE(x, index=index, before=before, n=n, axis=axis) if before or after else x


# -- arguments ----------------------------------------------------------------------------------------------------


def sequence(value: Any, n: int) -> list[Any]:
    """One value for each of n axes."""
    if isinstance(value, str) or not (isinstance(value, Iterable) and shape_of(value) != ()):
        return [value] * n
    values = list(value)
    if len(values) != n:
        raise RuntimeError("sequence argument must have length equal to input rank")
    return values


def along_axes(value: Any, axes: Sequence[int], ndim: int, default: Any) -> list[Any]:
    """One value for each axis of the image, from one for each of the axes that are filtered."""
    out = [default] * ndim
    for axis, v in zip(axes, sequence(value, len(axes)), strict=True):
        out[axis] = v
    return out


def expanded(window: Any, axes: Sequence[int], ndim: int, name: str) -> Any:
    """A window (weights, footprint) over some axes as one over all."""
    have = len(shape_of(window))
    if have != len(axes):
        raise RuntimeError(f"{name}.ndim ({have}) must match len(axes) ({len(axes)})")
    if have == ndim:
        return window
    shape = [1] * ndim
    order = sorted(range(have), key=lambda i: axes[i])
    for i in range(have):
        shape[axes[i]] = shape_of(window)[i]
    return np.reshape(np.transpose(window, order), shape)


def checked_axes(axes: Any, ndim: int) -> tuple[int, ...]:
    chosen = axis_tuple(plain_tree(axes), ndim)
    if len(set(chosen)) != len(chosen):
        raise ValueError("axes must be unique")
    return chosen


def reach(size: int, origin: int) -> tuple[int, int]:
    """How far a window of this size reaches to both sides of its place."""
    before = size // 2 + origin
    if before < 0 or before >= size:
        raise ValueError("invalid origin")
    return before, size - 1 - before


def image(input: Any, output: Any = None) -> Any:
    """An image as an array of floats. One of integers would give integers, which have no derivative."""
    x = array(input)
    if plain(x).dtype.kind in "fc":
        return x
    if output is None:
        raise unsupported(
            f"scipy.ndimage gives integers for an image of {plain(x).dtype}: the derivative would be lost",
            "convert the image to floats, or ask for output=float",
        )
    return x.astype(np.float64)


def deliver(y: Any, output: Any, x: Any, name: str) -> Any:
    """y as ``output=`` asks for it: None for the input's type, a dtype, or an array to write to."""
    if output is None:
        kind = plain(x).dtype
        if is_complex(y) and kind.kind != "c":
            kind = np.result_type(kind, np.complex64)
        return y if plain(y).dtype == kind else y.astype(kind)
    if type(output) in TRACED or isinstance(output, np.ndarray):
        if shape_of(output) != shape_of(y):
            raise RuntimeError("output shape not correct")
        store_out(y if plain(y).dtype == output.dtype else y.astype(output.dtype), output, True, f"ndimage.{name}")
        return output
    kind = np.dtype(output)
    if kind.kind not in "fc":
        raise unsupported(f"scipy.ndimage.{name} of a traced value with output={kind}")
    return y.astype(kind)
