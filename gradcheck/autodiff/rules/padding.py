"""Functions that make an array longer or shorter: ``pad`` in all its modes, ``insert``, ``delete``, ``trim_zeros``.

Where the result consists of elements of the arguments, NumPy is asked which: the function is applied to positions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import constant, implements, is_active, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.elementwise import astype
from gradcheck.autodiff.rules.picking import moved
from gradcheck.autodiff.rules.reductions import as_traced, normal_axes


def _numbered(shape: tuple[int, ...], start: int = 0) -> Any:
    return np.arange(start, start + int(np.prod(shape, dtype=int))).reshape(shape)


def _picked_of_two(a: Any, b: Any, positions: Any) -> Any:
    """Elements of a and b, by their position in a followed by b; in a's dtype."""
    dtype = np.result_type(plain(a))
    if dtype.kind not in "fc" and is_active(b):
        b = np.asarray(plain(b)).astype(dtype)  # NumPy truncates: the derivative is zero
    both = np.concatenate([np.reshape(a, -1), np.reshape(astype(b, dtype, copy=False), -1)])
    return both[positions]


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    arr, values = as_traced(arr), as_traced(values)
    shape = shape_of(arr)
    inserted = _numbered(shape_of(values), int(np.prod(shape, dtype=int)))
    return _picked_of_two(arr, values, np.insert(_numbered(shape), plain_tree(obj), inserted, axis))


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """The part between zeros: which part that is, is piecewise constant."""
    value = np.asarray(plain_tree(filt))
    check: Any = np.trim_zeros
    check(value, trim, *(() if axis is None else (axis,)))  # NumPy's own checks
    nonzero = np.nonzero(value)
    key = [slice(None)] * value.ndim
    for k in normal_axes(axis, value.ndim):
        if not nonzero[k].size:
            key[k] = slice(0, 0)
            continue
        start = int(nonzero[k].min()) if "f" in trim.lower() else 0
        key[k] = slice(start, int(nonzero[k].max()) + 1 if "b" in trim.lower() else None)
    if isinstance(filt, list | tuple):
        return filt[key[0]]
    return filt[tuple(key)]


# -- pad -----------------------------------------------------------------------------------------------------------


def _pairs(x: Any, ndim: int, name: str) -> list[tuple[Any, Any]]:
    """A keyword of pad as a pair for each axis, by NumPy's broadcasting."""
    if isinstance(x, dict):
        raise unsupported(f"np.pad: {name} as a dict")
    x = as_traced(x)
    wide = np.broadcast_to(x, (ndim, 2)) if x is not None else None
    return [(None, None) if wide is None else (wide[k, 0], wide[k, 1]) for k in range(ndim)]


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):  # axis -> width, since NumPy 2.3
        widths: list[Any] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            widths[axis] = tuple(np.broadcast_to(width, (2,)))
        return [(int(a), int(b)) for a, b in widths]
    return [(int(a), int(b)) for a, b in np.broadcast_to(np.asarray(pad_width), (ndim, 2))]


def _part(ndim: int, axis: int, part: slice) -> tuple[slice, ...]:
    return (slice(None),) * axis + (part,) + (slice(None),) * (ndim - axis - 1)


def _linear_ramp(a: Any, axis: int, before: int, after: int, ends: Any) -> Any:
    ndim, dtype = len(shape_of(a)), plain(a).dtype

    def ramp(edge: Any, end: Any, n: int) -> Any:
        t = (np.arange(n) / max(n, 1)).reshape((n,) + (1,) * (ndim - axis - 1)).astype(dtype)
        end = astype(end, dtype, copy=False)
        return end + (edge - end) * t

    first, last = a[_part(ndim, axis, slice(0, 1))], a[_part(ndim, axis, slice(-1, None))]
    left = ramp(first, ends[0], before)
    right = ramp(last, ends[1], after)[_part(ndim, axis, slice(None, None, -1))]
    return np.concatenate([left, a, right], axis=axis)


def _stat(function: Callable[..., Any]) -> Callable[..., Any]:
    def pad_one(a: Any, axis: int, before: int, after: int, lengths: Any) -> Any:
        shape = shape_of(a)
        n = shape[axis]
        sizes = [n if k is None else min(int(k), n) for k in lengths]
        if not min(sizes):
            raise ValueError("stat_length of 0 yields no value for padding")
        parts = [a[_part(len(shape), axis, slice(0, sizes[0]))], a[_part(len(shape), axis, slice(n - sizes[1], n))]]
        values = [function(p, axis=axis, keepdims=True) for p in parts]
        left, right = (
            np.broadcast_to(v, (*shape[:axis], k, *shape[axis + 1 :]))
            for v, k in zip(values, (before, after), strict=True)
        )
        return np.concatenate([left, a, right], axis=axis)

    return pad_one


def _odd(symmetric: bool) -> Callable[..., Any]:
    def pad_one(a: Any, axis: int, before: int, after: int, _: Any) -> Any:
        """The odd extension: each period adds twice the rise from the first to the last element."""
        shape = shape_of(a)
        n = shape[axis]
        lead = (slice(None),) * axis
        i = np.arange(-before, n + after)
        period = 2 * n if symmetric else 2 * (n - 1)
        if not period:  # one element only: NumPy repeats it
            return a[(*lead, np.zeros(len(i), np.intp))]
        turn, m = np.divmod(i, period)
        mirrored = m >= n
        place = np.where(mirrored, (2 * n - 1 if symmetric else 2 * (n - 1)) - m, m)
        column = (-1,) + (1,) * (len(shape) - axis - 1)
        dtype = plain(a).dtype
        sign, turn = np.where(mirrored, -1.0, 1.0).reshape(column).astype(dtype), turn.reshape(column).astype(dtype)
        first, last = a[(*lead, slice(0, 1))], a[(*lead, slice(n - 1, n))]
        y = sign * a[(*lead, place)] + (1.0 - sign) * last + 2.0 * turn * (last - first)
        return y

    return pad_one


_BY_AXIS: dict[str, tuple[str, Callable[..., Any]]] = {
    "linear_ramp": ("end_values", _linear_ramp),
    "maximum": ("stat_length", _stat(np.max)), "minimum": ("stat_length", _stat(np.min)),
    "mean": ("stat_length", _stat(np.mean)), "median": ("stat_length", _stat(np.median)),
    "reflect": ("reflect_type", _odd(symmetric=False)), "symmetric": ("reflect_type", _odd(symmetric=True)),
}  # fmt: skip


def _by_callable(a: Any, pad_width: Any, mode: Callable[..., Any], keywords: dict[str, Any]) -> Any:
    """The user's own function fills each vector in place."""
    widths = _widths(pad_width, len(shape_of(a)))
    inner = tuple(slice(lo, lo + n) for (lo, _), n in zip(widths, shape_of(a), strict=True))
    y = constant(np.zeros([n + lo + hi for (lo, hi), n in zip(widths, shape_of(a), strict=True)], plain(a).dtype))
    y[inner] = a
    for axis, width in enumerate(widths):
        lines = np.moveaxis(y, axis, -1)
        for place in np.ndindex(shape_of(lines)[:-1]):
            line = lines[place]
            result = mode(line, width, axis, keywords)
            if result is not None:
                lines[place] = result
    return y


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    """Every mode; differentiable also in ``constant_values`` and ``end_values``."""
    array, pad_width = as_traced(array), plain_tree(pad_width)
    if callable(mode):
        return _by_callable(array, pad_width, mode, keywords)
    value, names = plain(array), plain_tree(keywords)
    known = np.pad(value, pad_width, mode=mode, **names)  # NumPy's own checks
    odd = keywords.get("reflect_type", "even") == "odd"
    if mode in ("edge", "wrap") or (mode in ("reflect", "symmetric") and not odd):
        return moved(array, lambda p: np.pad(p, pad_width, mode=mode, **names))
    shape = shape_of(array)
    if mode in ("constant", "empty"):
        filling = as_traced(keywords.get("constant_values", 0.0))
        size = int(np.prod(shape, dtype=int))
        numbers = _numbered(shape_of(filling), size)
        positions = np.pad(_numbered(shape), pad_width, constant_values=numbers)
        return _picked_of_two(array, filling, positions)
    keyword, pad_one = _BY_AXIS[mode]
    given = keywords.get(keyword, 0 if mode == "linear_ramp" else None)
    pairs = [(None, None)] * len(shape) if keyword == "reflect_type" else _pairs(given, len(shape), keyword)
    y = array
    for axis, (before, after) in enumerate(_widths(pad_width, len(shape))):
        y = pad_one(y, axis, before, after, pairs[axis])
    if not np.allclose(plain(y), known, equal_nan=True):
        raise unsupported(f"np.pad with mode={mode!r} and {keywords}, where this NumPy has an answer of its own")
    return y
