"""Functions that make arrays of numbers given to them: ``linspace`` and its kin, ``arange``, ``tri``, ``ix_``.

Differentiable in the ends, the steps and the base. How many numbers there are is piecewise constant.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import FUNCTIONS, TRACED, constant, implements, is_complex, plain, plain_tree, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.elementwise import astype
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.writing import copy as copy_traced


def _between(start: Any, stop: Any, num: Any, endpoint: bool, axis: int) -> tuple[Any, Any]:
    """Evenly spaced numbers, along an axis of their own, and the step between them."""
    num = int(plain(num))
    start, stop = as_traced(start) * 1.0, as_traced(stop) * 1.0
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    div = num - 1 if endpoint else num
    width = stop - start
    step = width / div if div > 0 else np.nan
    steps = np.reshape(np.arange(num), (num,) + (1,) * len(shape_of(width)))
    y = start + steps * (step if div > 0 else width)
    if endpoint and num > 1:  # the end itself, not what rounding made of it
        y = np.concatenate([y[:-1], np.reshape(stop + 0.0 * start, (1, *shape_of(width)))])
    return np.moveaxis(y, 0, axis) if axis else y, step


def _finished(y: Any, dtype: Any) -> Any:
    return y if dtype is None else astype(y, dtype, copy=False)


@implements(np.linspace)
def linspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
             axis: int = 0, *, device: Any = None) -> Any:  # fmt: skip
    y, step = _between(start, stop, num, endpoint, axis)
    y = _finished(y, dtype)
    return (y, step) if retstep else y


@implements(np.logspace)
def logspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None,
             axis: int = 0) -> Any:  # fmt: skip
    base = as_traced(base)
    if shape_of(base):
        shape = np.broadcast_shapes(shape_of(start), shape_of(stop), shape_of(base))
        start, stop = np.broadcast_to(as_traced(start), shape), np.broadcast_to(as_traced(stop), shape)
        base = np.expand_dims(np.broadcast_to(base, shape), axis)
    y, _ = _between(start, stop, num, endpoint, axis)
    return _finished(np.power(base, y), dtype)


@implements(np.geomspace)
def geomspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Evenly spaced on a logarithmic scale; of complex numbers on a logarithmic spiral, as in NumPy."""
    start, stop, num = as_traced(start) * 1.0, as_traced(stop) * 1.0, int(plain(num))
    if np.any(plain(start) == 0) or np.any(plain(stop) == 0):
        raise ValueError("Geometric sequence cannot include zero")
    if is_complex(start) or is_complex(stop):
        turn = start / np.abs(start)
        start, stop = start / turn, stop / turn
    else:
        turn = np.sign(plain(start))
        if np.any(np.sign(plain(stop)) != turn):
            raise unsupported("np.geomspace between real numbers of different signs")
        start, stop = start * turn, stop * turn
    y, _ = _between(np.log10(start), np.log10(stop), num, endpoint, 0)
    y = np.power(10.0, y)
    ends = [np.reshape(e + 0.0 * (start + stop), (1, *shape_of(y)[1:])) for e in (start, stop)]
    if num > 0:  # the ends themselves
        y = np.concatenate([ends[0], y[1:]])
        if num > 1 and endpoint:
            y = np.concatenate([y[:-1], ends[1]])
    y = y * turn
    return _finished(np.moveaxis(y, 0, axis) if axis else y, dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, **keywords: Any) -> Any:
    """``np.arange`` with traced ends or step (``scope.py`` sends those here)."""
    if stop is None:
        start, stop = 0, start
    known = np.arange(plain(start), plain(stop), plain(step), **plain_tree(keywords))
    if known.dtype.kind not in "fc":
        return known if dtype is None else known.astype(dtype)
    y = start + step * np.arange(len(known))
    return _finished(np.asarray(y) if type(y) not in TRACED else y, dtype)


FUNCTIONS[np.arange] = arange


@implements(np.tri)
def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, *, like: Any = None) -> Any:
    return constant(np.tri(plain(N), plain(M), plain(k), dtype))


@implements(np.ix_)
def ix_(*args: Any) -> Any:
    """An open mesh: each vector along an axis of its own; truth values become positions."""
    n = len(args)
    out = []
    for k, x in enumerate(args):
        x = as_traced(x)
        if len(shape_of(x)) != 1:
            raise ValueError("Cross index must be 1 dimensional")
        if type(x) not in TRACED:
            x = np.asarray(x)
            x = x.nonzero()[0] if x.dtype == bool else x.astype(np.intp) if not x.size else x
        out.append(np.reshape(x, (1,) * k + (-1,) + (1,) * (n - k - 1)))
    return tuple(out)


@implements(np.require)
def require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    """The array in the type and the order asked for. ``W`` and ``O`` (writeable, owner) make a copy if need be."""
    wanted = {str(r).upper() for r in ([requirements] if isinstance(requirements, str) else requirements or ())}
    y = as_traced(a) if dtype is None else astype(as_traced(a), dtype, copy=False)
    if type(y) not in TRACED:
        return np.require(y, None, requirements)
    flags = plain(y).flags
    fortran = bool(wanted & {"F", "F_CONTIGUOUS", "FORTRAN"})
    ordered = flags.f_contiguous if fortran else flags.c_contiguous or not wanted & {"C", "C_CONTIGUOUS", "CONTIGUOUS"}
    owned = flags.owndata or not wanted & {"O", "OWNDATA"}
    writeable = flags.writeable or not wanted & {"W", "WRITEABLE"}
    if ordered and owned and writeable:
        return y
    return copy_traced(y, order="F" if fortran else "C")


@implements(np.kaiser)
def kaiser(M: Any, beta: Any) -> Any:
    """The Kaiser window, differentiable in its shape parameter."""
    n = int(plain(M))
    if n <= 1:
        return np.ones(max(n, 0))
    inside = np.sqrt(1.0 - ((np.arange(n) - (n - 1) / 2.0) / ((n - 1) / 2.0)) ** 2)
    return np.i0(beta * inside) / np.i0(beta)


@implements(np.asarray_chkfinite)
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    if not np.all(np.isfinite(plain_tree(a))):
        raise ValueError("array must not contain infs or NaNs")
    return require(a, dtype, order)


if hasattr(np, "astype"):  # since NumPy 2.1

    @implements(np.astype)
    def astype_function(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
        return astype(as_traced(x), dtype, copy=copy)
