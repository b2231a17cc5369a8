"""Filters that pick one element of each window: rank filters, grey morphology, and filters with the user's function.

What is picked is found among plain values; the derivative is that of the picked element (of the first one, where
several are equal). A window is a list of positions in the image, −1 for a place outside that has the constant value.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.ndimage as nd

from gradcheck.autodiff.core import any_active, is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.scipy.linear import array, axis_tuple, constant_only, floating
from gradcheck.autodiff.rules.scipy.ndimage.extend import (
    along_axes,
    checked_axes,
    deliver,
    expanded,
    image,
    positions,
    reach,
    sequence,
)
from gradcheck.autodiff.rules.scipy.registry import holds_traced, original


def windows(shape: tuple[int, ...], footprint: Any, origins: Sequence[int], modes: Sequence[str]) -> Any:
    """The positions in each place's window, shape (*shape, number of places in the footprint)."""
    grid = np.arange(int(np.prod(shape, dtype=int))).reshape(shape)
    for axis, (k, origin, mode) in enumerate(zip(footprint.shape, origins, modes, strict=True)):
        if k > 1 or origin:
            index = positions(shape[axis], *reach(k, origin), mode)
            outside = np.reshape(index < 0, tuple(-1 if i == axis else 1 for i in range(len(shape))))
            grid = np.where(outside, -1, np.take(grid, index, axis))
    if not grid.size:
        return np.zeros((*shape, int(np.count_nonzero(footprint))), dtype=int)
    return np.lib.stride_tricks.sliding_window_view(grid, footprint.shape)[..., footprint]


def values_at(x: Any, where: Any, cval: Any) -> Any:
    """The elements at these positions, the constant where there is none."""
    y = np.reshape(x, -1)[where]
    return np.where(where < 0, cval, y).astype(plain(x).dtype) if np.any(where < 0) else y


def picked(x: Any, where: Any, rank: int, cval: Any, structure: Any = None) -> Any:
    """From each window the element of this rank; with a structure after that has been added."""
    if not where.size:
        return x + 0.0
    values = plain(values_at(plain(x), where, plain(cval)))
    if structure is not None:
        values = values + structure
    chosen = np.argsort(values, axis=-1, kind="stable")[..., rank : rank + 1 or None]
    y = values_at(x, np.take_along_axis(where, chosen, -1)[..., 0], cval)
    return y if structure is None else y + np.asarray(structure[chosen[..., 0]], plain(x).dtype)


def _real(x: Any) -> Any:
    if is_complex(x):
        raise TypeError("Complex type not supported")
    return x


def _warned(size: Any, footprint: Any) -> None:
    if size is not None and footprint is not None:
        warnings.warn("ignoring size because footprint is set", UserWarning, stacklevel=4)


# -- maximum, minimum ------------------------------------------------------------------------------------------------


def _line(x: Any, size: int, axis: int, mode: str, cval: Any, origin: int, rank: int) -> Any:
    ndim = len(shape_of(x))
    footprint = np.ones([int(size) if i == axis else 1 for i in range(ndim)], dtype=bool)
    where = windows(shape_of(x), footprint, [origin if i == axis else 0 for i in range(ndim)], [mode] * ndim)
    return picked(x, where, rank, cval)


def _extreme_line(rank: int, name: str) -> Callable[..., Any]:
    def handler(input: Any, size: int, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
                origin: int = 0) -> Any:  # fmt: skip
        x = _real(image(input, output))
        if size < 1:
            raise RuntimeError("incorrect filter size")
        (axis,) = axis_tuple(axis, len(shape_of(x)))
        return deliver(_line(x, size, axis, mode, cval, origin, rank), output, x, name)

    return handler


def extreme(x: Any, size: Any, footprint: Any, structure: Any, mode: Any, cval: Any, origin: Any, rank: int,
            axes: Any) -> Any:  # fmt: skip
    """The smallest (rank 0) or largest (rank −1) element of each window, less or plus the structure."""
    _warned(size, footprint)
    ndim = len(shape_of(x))
    chosen = checked_axes(axes, ndim)
    if structure is None and footprint is None and size is None:
        raise RuntimeError("no footprint provided")
    if structure is None and (footprint is None or np.all(footprint)):
        sizes = np.shape(footprint) if footprint is not None else size
        n = len(chosen)
        for axis, k, o, m in zip(chosen, sequence(sizes, n), sequence(origin, n), sequence(mode, n), strict=True):
            if k > 1:
                x = _line(x, k, axis, m, cval, o, rank)
        return +x
    if not isinstance(mode, str):
        raise RuntimeError("A sequence of modes is not supported for non-separable footprints")
    if structure is not None:
        structure = np.asarray(structure, dtype=np.float64)
    footprint = np.ones(structure.shape, bool) if footprint is None else np.asarray(footprint, dtype=bool)
    if not footprint.any():
        raise ValueError("All-zero footprint is not supported.")
    footprint = expanded(footprint, chosen, ndim, "footprint")
    where = windows(shape_of(x), footprint, along_axes(origin, chosen, ndim, 0), [mode] * ndim)
    heights = None
    if structure is not None:
        heights = expanded(structure, chosen, ndim, "structure")[footprint] * (-1.0 if rank == 0 else 1.0)
    return picked(x, where, rank, cval, heights)


def _extreme(rank: int, name: str) -> Callable[..., Any]:
    def handler(input: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect",
                cval: Any = 0.0, origin: Any = 0, *, axes: Any = None) -> Any:  # fmt: skip
        x = _real(image(input, output))
        return deliver(extreme(x, size, footprint, None, mode, cval, origin, rank, axes), output, x, name)

    return handler


# -- ranks ----------------------------------------------------------------------------------------------------


def _window(size: Any, footprint: Any, axes: Any, ndim: int) -> Any:
    """The footprint over all axes, of the given one or of the size."""
    if footprint is None:
        if size is None:
            raise RuntimeError("no footprint or filter size provided")
        footprint = np.ones([int(k) for k in sequence(size, len(axes))], dtype=bool)
    return expanded(np.asarray(footprint, dtype=bool), axes, ndim, "footprint")


def _ranked(x: Any, rank_of: Callable[[int], int], size: Any, footprint: Any, mode: Any, cval: Any, origin: Any,
            axes: Any) -> Any:  # fmt: skip
    _warned(size, footprint)
    ndim = len(shape_of(x))
    chosen = checked_axes(axes, ndim)
    footprint = _window(size, footprint, chosen, ndim)
    count = int(np.count_nonzero(footprint))
    rank = rank_of(count)
    if rank < 0:
        rank += count
    if rank < 0 or rank >= count:
        raise RuntimeError("rank not within filter footprint size")
    where = windows(
        shape_of(x), footprint, along_axes(origin, chosen, ndim, 0), along_axes(mode, chosen, ndim, "reflect")
    )
    return picked(x, where, rank, cval)


def rank_filter(input: Any, rank: int, size: Any = None, footprint: Any = None, output: Any = None,
                mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None) -> Any:  # fmt: skip
    """The element of this rank in each window."""
    x = _real(image(input, output))
    y = _ranked(x, lambda _n: int(plain(rank)), size, footprint, mode, cval, origin, axes)
    return deliver(y, output, x, "rank_filter")


def median_filter(input: Any, size: Any = None, footprint: Any = None, output: Any = None, mode: Any = "reflect",
                  cval: Any = 0.0, origin: Any = 0, *, axes: Any = None) -> Any:  # fmt: skip
    """The (upper) median of each window."""
    x = _real(image(input, output))
    y = _ranked(x, lambda n: n // 2, size, footprint, mode, cval, origin, axes)
    return deliver(y, output, x, "median_filter")


def percentile_filter(input: Any, percentile: Any, size: Any = None, footprint: Any = None, output: Any = None,
                      mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *,
                      axes: Any = None) -> Any:  # fmt: skip
    """An element of each window, its rank a share of the number of elements: piecewise constant in that share."""
    x = _real(image(input, output))
    share = float(plain(percentile))
    share = share + 100.0 if share < 0.0 else share
    if not 0.0 <= share <= 100.0:
        raise RuntimeError("invalid percentile")
    y = _ranked(
        x, lambda n: n - 1 if share == 100.0 else int(float(n) * share / 100.0), size, footprint, mode, cval,
        origin, axes,
    )  # fmt: skip
    return deliver(y, output, x, "percentile_filter")


# -- grey morphology -------------------------------------------------------------------------------------------------


def _erosion(x: Any, size: Any, footprint: Any, structure: Any, mode: Any, cval: Any, origin: Any, axes: Any) -> Any:
    if size is None and footprint is None and structure is None:
        raise ValueError("size, footprint, or structure must be specified")
    return extreme(x, size, footprint, structure, mode, cval, origin, 0, axes)


def _dilation(x: Any, size: Any, footprint: Any, structure: Any, mode: Any, cval: Any, origin: Any, axes: Any) -> Any:
    if size is None and footprint is None and structure is None:
        raise ValueError("size, footprint, or structure must be specified")
    n = len(checked_axes(axes, len(shape_of(x))))
    window = footprint if footprint is not None else structure
    sizes = np.shape(window) if window is not None else sequence(size, n)
    origins = [-o - (k % 2 == 0) for o, k in zip(sequence(origin, n), sizes, strict=True)]
    footprint, structure = (None if w is None else np.flip(np.asarray(w)) for w in (footprint, structure))
    return extreme(x, size, footprint, structure, mode, cval, origins, -1, axes)


def _opening(x: Any, *rest: Any) -> Any:
    return _dilation(_erosion(x, *rest), *rest)


def _closing(x: Any, *rest: Any) -> Any:
    return _erosion(_dilation(x, *rest), *rest)


_MORPHOLOGY: dict[str, Callable[..., Any]] = {
    "grey_erosion": _erosion,
    "grey_dilation": _dilation,
    "grey_opening": _opening,
    "grey_closing": _closing,
    "morphological_gradient": lambda x, *rest: _dilation(x, *rest) - _erosion(x, *rest),
    "morphological_laplace": lambda x, *rest: _dilation(x, *rest) + _erosion(x, *rest) - x - x,
    "white_tophat": lambda x, *rest: x - _opening(x, *rest),
    "black_tophat": lambda x, *rest: _closing(x, *rest) - x,
}


def _grey(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    def handler(input: Any, size: Any = None, footprint: Any = None, structure: Any = None, output: Any = None,
                mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *, axes: Any = None) -> Any:  # fmt: skip
        constant_only(f"scipy.ndimage.{name}", structure=structure)
        x = _real(image(input, output))
        structure = None if structure is None else np.asarray(plain_tree(structure))
        return deliver(work(x, size, footprint, structure, mode, cval, origin, axes), output, x, name)

    return handler


# -- the user's function on each window ------------------------------------------------------------------------------


def generic_filter(input: Any, function: Any, size: Any = None, footprint: Any = None,
                   output: Any = None, mode: str = "reflect", cval: Any = 0.0, origin: Any = 0,
                   extra_arguments: Any = (), extra_keywords: Any = None, *, axes: Any = None) -> Any:  # fmt: skip
    """The user's function of each window as a flat array."""
    if not callable(function):
        if holds_traced((input, extra_arguments, extra_keywords)):
            raise unsupported("scipy.ndimage.generic_filter with a compiled function and traced values")
        given = {} if axes is None else {"axes": axes}
        return original(nd, "generic_filter")(
            input, function, size, footprint, output, mode, cval, origin, extra_arguments, extra_keywords, **given
        )
    _warned(size, footprint)
    x = _real(floating(input))
    ndim = len(shape_of(x))
    chosen = checked_axes(axes, ndim)
    footprint = _window(size, footprint, chosen, ndim)
    where = windows(shape_of(x), footprint, along_axes(origin, chosen, ndim, 0), [mode] * ndim)
    buffers = values_at(x.astype(np.float64), where.reshape(-1, where.shape[-1]), cval)
    results = [function(b, *extra_arguments, **(extra_keywords or {})) for b in buffers]
    y = np.reshape(np.stack([array(r) for r in results]), shape_of(x)) if results else x + 0.0
    if not holds_traced(input) and not any_active(results) and not any_active(cval):
        return deliver(plain(y).astype(np.asarray(input).dtype), output, np.asarray(input), "generic_filter")
    image(input, output)
    return deliver(y, output, x, "generic_filter")


HANDLERS: dict[str, Callable[..., Any]] = {
    "maximum_filter1d": _extreme_line(-1, "maximum_filter1d"),
    "minimum_filter1d": _extreme_line(0, "minimum_filter1d"),
    "maximum_filter": _extreme(-1, "maximum_filter"),
    "minimum_filter": _extreme(0, "minimum_filter"),
    "rank_filter": rank_filter,
    "median_filter": median_filter,
    "percentile_filter": percentile_filter,
    "generic_filter": generic_filter,
    **{name: _grey(name, work) for name, work in _MORPHOLOGY.items()},
}
ALWAYS = ("generic_filter",)
