"""NumPy's objects that are no functions: ``np.r_``, ``np.mgrid``, ``np.vectorize``; the package
``numpy.polynomial``.

No protocol reaches these. Their methods (and, inside ``numpy.polynomial``, NumPy under the name ``np``) are replaced
after a traced value was refused, as ``scope.py`` replaces names; without a traced value they are NumPy's own.
"""

from __future__ import annotations

import itertools
import re
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.polynomial

from gradcheck.autodiff import core
from gradcheck.autodiff.core import FLOAT_KINDS, FUNCTIONS, constant, has_traced, plain, plain_tree, shape_of
from gradcheck.autodiff.entrypoints import array as traced_array
from gradcheck.autodiff.entrypoints import full
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.creation import arange, asarray_chkfinite, kaiser, linspace
from gradcheck.autodiff.rules.elementwise import astype
from gradcheck.autodiff.rules.functional import element_of
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.scope import shadow, shadow_class, shadow_inside


def _replacement(original: Any, handler: Callable[..., Any], always: bool = False) -> Any:
    """The original where no traced value comes in (with ``always``: where no trace is running), else the handler."""

    def replacement(*args: Any, **keywords: Any) -> Any:
        if core.stack() and (always or _holds(args) or _holds(list(keywords.values()))):
            return handler(*args, **keywords)
        return original(*args, **keywords)

    replacement.__name__ = original.__name__
    replacement.__doc__ = original.__doc__
    replacement.__wrapped__ = original  # type: ignore[attr-defined]
    return replacement


def _holds(x: Any) -> bool:
    if isinstance(x, slice):
        return any(has_traced(e) for e in (x.start, x.stop, x.step))
    return any(_holds(e) for e in x) if isinstance(x, list | tuple) else has_traced(x)


# -- r_ and c_ ---------------------------------------------------------------------------------------------------------


def _range(item: slice) -> Any:
    start, step = (0 if item.start is None else item.start), (1 if item.step is None else item.step)
    if isinstance(plain(step), complex):
        return linspace(start, item.stop, int(abs(plain(step))))
    return arange(start, item.stop, step)


def _placed(x: Any, ndmin: int, trans1d: int) -> Any:
    """x with at least ndmin axes; its own begin at trans1d of them (−1: they are the last)."""
    ndim = len(shape_of(x))
    if ndim >= ndmin:
        return x
    extra = ndmin - ndim
    x = np.reshape(x, (1,) * extra + shape_of(x))
    if trans1d == -1:
        return x
    k = trans1d + extra + 1 if trans1d < 0 else trans1d
    axes = list(range(ndmin))
    return np.transpose(x, axes[:k] + axes[extra:] + axes[k:extra])


def _concatenator(self: Any, key: Any) -> Any:
    """``np.r_[...]`` and ``np.c_[...]`` with traced entries."""
    axis, ndmin, trans1d = self.axis, self.ndmin, self.trans1d
    parts: list[Any] = []
    for item in key if isinstance(key, tuple) else (key,):
        if isinstance(item, str):
            if item in ("r", "c") or parts:
                raise unsupported(f"np.r_ with the directive {item!r} and traced entries", "use np.concatenate")
            numbers = [int(n) for n in item.split(",")]
            axis = numbers[0]
            ndmin = numbers[1] if len(numbers) > 1 else ndmin
            trans1d = numbers[2] if len(numbers) > 2 else trans1d
        elif isinstance(item, slice):
            vector = np.reshape(_range(item), (1,) * (ndmin - 1) + (-1,))
            parts.append(np.swapaxes(vector, -1, trans1d) if ndmin > 1 and trans1d != -1 else vector)
        else:
            x = as_traced(item)
            number = not shape_of(x)
            x = np.reshape(x, (1,) * max(ndmin, 1)) if number else _placed(x, ndmin, trans1d)
            parts.append(x if has_traced(x) else np.asarray(x))
    return np.concatenate(parts, axis=axis)


# -- mgrid and ogrid ---------------------------------------------------------------------------------------------------


def _ticks(item: slice) -> Any:
    start, step = (0 if item.start is None else item.start), (1 if item.step is None else item.step)
    if isinstance(plain(step), complex):
        n = int(abs(plain(step)))
        return start + np.arange(float(n)) * ((item.stop - start) / float(n - 1) if n != 1 else 1)
    n = int(np.ceil((plain(item.stop) - plain(start)) / plain(step)))
    return start + np.arange(float(n)) * step


def _grid(self: Any, key: Any) -> Any:
    """``np.mgrid[...]`` and ``np.ogrid[...]`` with traced bounds."""
    if isinstance(key, slice):
        return _range(key) if not isinstance(plain(key.step), complex) else _ticks(key)
    ticks = [_ticks(item) for item in key]
    n = len(ticks)
    open_grid = [np.reshape(t, tuple(-1 if i == k else 1 for i in range(n))) for k, t in enumerate(ticks)]
    if self.sparse:
        return tuple(open_grid)
    shape = tuple(shape_of(t)[0] for t in ticks)
    return np.stack([np.broadcast_to(t, shape) for t in open_grid])


# -- vectorize ---------------------------------------------------------------------------------------------------------


_VECTORIZE_CALL = np.vectorize.__call__


def _vectorized(self: Any, *args: Any, **keywords: Any) -> Any:
    """A ``np.vectorize`` object is called: its function, once for every element."""
    if getattr(self, "pyfunc", None) in (None, np._NoValue):
        return _VECTORIZE_CALL(self, *args, **keywords)  # a decorator factory gets its function: nothing is computed
    excluded = {k if isinstance(k, str) or k >= 0 else k + len(args) for k in self.excluded or ()}
    places = [k for k in range(len(args)) if k not in excluded]
    names = [k for k in keywords if k not in excluded]

    def function(*values: Any) -> Any:
        now, named = list(args), dict(keywords)
        for k, value in zip(places, values, strict=False):
            now[k] = value
        named.update(zip(names, values[len(places) :], strict=True))
        return self.pyfunc(*now, **named)

    operands = [as_traced(args[k]) for k in places] + [as_traced(keywords[k]) for k in names]
    operands = [x if hasattr(x, "shape") else np.asarray(x) for x in operands]
    if self.signature is not None:
        return _by_signature(function, operands, self.signature, self.otypes)
    return _each(function, operands, self.otypes)


def _each(function: Callable[..., Any], operands: list[Any], otypes: Any) -> Any:
    shape = np.broadcast_shapes(*(shape_of(x) for x in operands))
    spread = [np.broadcast_to(x, shape) if shape_of(x) != shape else x for x in operands]
    results = [function(*(element_of(x[place]) for x in spread)) for place in np.ndindex(shape)]
    if not results:
        if not otypes:
            raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
        empty = tuple(np.empty(shape, t) for t in otypes)
        return empty[0] if len(empty) == 1 else empty
    many = isinstance(results[0], tuple)
    columns = list(zip(*results, strict=True)) if many else [tuple(results)]
    out = []
    for k, column in enumerate(columns):
        dtype = otypes[k] if otypes else np.asarray(plain_tree(column[0])).dtype
        out.append(astype(np.reshape(as_traced(list(column)), shape), dtype, copy=False))
    return tuple(out) if many else out[0]


def _by_signature(function: Callable[..., Any], operands: list[Any], signature: str, otypes: Any) -> Any:
    """A signature such as ``(n),(n)->()``: the function works on the last axes, the others are looped over."""
    inputs, outputs = re.sub(r"\s+", "", signature).split("->")
    ranks = [len([d for d in part.split(",") if d]) for part in re.findall(r"\(([^)]*)\)", inputs)]
    count = len(re.findall(r"\(([^)]*)\)", outputs))
    leads = [shape_of(x)[: len(shape_of(x)) - r] for x, r in zip(operands, ranks, strict=True)]
    shape = np.broadcast_shapes(*leads)
    spread = [np.broadcast_to(x, shape + shape_of(x)[len(lead) :]) for x, lead in zip(operands, leads, strict=True)]
    results = [function(*(x[place] for x in spread)) for place in np.ndindex(shape)]
    columns = [tuple(results)] if count == 1 else list(zip(*results, strict=True))
    out = []
    for k, column in enumerate(columns):
        stacked = as_traced([as_traced(e) for e in column])
        y = np.reshape(stacked, shape + shape_of(stacked)[1:])
        out.append(astype(y, otypes[k], copy=False) if otypes else y)
    return out[0] if count == 1 else tuple(out)


# -- fromiter ----------------------------------------------------------------------------------------------------------


_FROMITER = np.fromiter  # the original: the name is replaced while a trace is running


def _fromiter(iter: Any, dtype: Any, count: int = -1, *, like: Any = None) -> Any:
    items = list(iter if count < 0 else itertools.islice(iter, count))
    if not any(has_traced(e) for e in items):
        return _FROMITER(items, dtype, len(items))
    if len(items) < count:
        raise ValueError(f"iterator too short: Expected {count} but iterator had only {len(items)} items.")
    return astype(as_traced(items), dtype, copy=False)


def _register() -> None:
    concatenator: Any = type(np.r_).__mro__[1]
    grid: Any = type(np.mgrid).__mro__[1]
    for cls, handler in ((concatenator, _concatenator), (grid, _grid)):
        shadow_class(cls, {"__getitem__": _replacement(cls.__getitem__, handler)})
    shadow_class(np.vectorize, {"__call__": _replacement(np.vectorize.__call__, _vectorized, always=True)})
    # Python functions that do not ask the protocol.
    for name, handler in (("kaiser", kaiser), ("asarray_chkfinite", asarray_chkfinite)):
        shadow(np, {name: _replacement(getattr(np, name), handler)}, on_demand=True)
    shadow(np, {"fromiter": _replacement(np.fromiter, _fromiter, always=True)}, on_demand=True)


_register()

# -- numpy.polynomial: its own Python code, on traced values ---------------------------------------------------------


def _made(function: Callable[..., Any], traced: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A function that makes arrays: while a trace is running, such as traced values can be assigned to."""

    def replacement(*args: Any, **keywords: Any) -> Any:
        if not core.stack():
            return function(*args, **keywords)
        y = (traced or function)(*args, **keywords)
        fresh = type(y) is np.ndarray and not (args and y is args[0]) and y.dtype.kind in FLOAT_KINDS
        return constant(y) if fresh else y

    return replacement


def _numpy_for_polynomials() -> types.ModuleType:
    module = types.ModuleType("numpy", np.__doc__)
    module.__dict__.update(vars(np))
    for name in ("zeros", "ones", "empty", "eye", "zeros_like", "ones_like", "empty_like"):
        setattr(module, name, _made(getattr(np, name)))
    module.array = _made(np.array, traced_array)  # type: ignore[attr-defined]
    module.asarray = _made(np.asarray, lambda a, *rest, **kw: traced_array(a, *rest, copy=None, **kw))  # type: ignore[attr-defined]
    module.asanyarray = module.asarray  # type: ignore[attr-defined]
    module.full = _made(np.full, full)  # type: ignore[attr-defined]
    return module


_NUMPY = _numpy_for_polynomials()
for _name in ("polynomial", "chebyshev", "legendre", "hermite", "hermite_e", "laguerre", "polyutils", "_polybase"):
    shadow_inside(getattr(np.polynomial, _name), {"np": _NUMPY})
# These ask NumPy's protocol (the last since NumPy 2.5); their code is followed all the same.
for _name in ("polyval2d", "polygrid2d", "polyvalnd"):
    _function: Any = getattr(np.polynomial.polynomial, _name, None)
    if hasattr(_function, "_implementation"):
        FUNCTIONS[_function] = _function._implementation
