"""Functions that call the user's function: ``piecewise``, ``apply_along_axis``, ``frompyfunc``.

The user's function gets traced values and is followed like any other code.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import constant, has_traced, implements, is_array, plain, plain_tree, shape_of
from gradcheck.autodiff.rules.reductions import as_traced


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Each piece is a function of the elements where its condition holds, or a number."""
    x = as_traced(x)
    shape = shape_of(x)
    conditions = plain_tree(condlist)
    if np.isscalar(conditions) or (not isinstance(conditions[0], list | np.ndarray) and len(shape) != 0):
        conditions = [conditions]
    conditions = np.asarray(conditions, dtype=bool)
    n = len(conditions)
    if n == len(funclist) - 1:
        conditions = np.concatenate([conditions, ~np.any(conditions, axis=0, keepdims=True)])
    elif n != len(funclist):
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected")
    x = x if is_array(x) else np.reshape(x, shape)
    y = constant(np.zeros(shape, np.result_type(plain(x))))
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            y[condition] = function
            continue
        part = x[condition]
        if plain(part).size:
            y[condition] = function(part, *args, **kw)
    return y


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """func1d of every vector along the axis; the axes of its value take the axis's place."""
    arr = as_traced(arr)
    ndim = len(shape_of(arr))
    axis = int(np.lib.array_utils.normalize_axis_index(axis, ndim))
    lines = np.moveaxis(arr, axis, -1)
    lead = shape_of(lines)[:-1]
    values = [_as_array(func1d(lines[place], *args, **kwargs)) for place in np.ndindex(lead)]
    if not values:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    tail = shape_of(values[0])
    y = np.reshape(np.stack(values), lead + tail)
    if not tail:
        return y
    order = [*range(axis), *range(len(lead), len(lead) + len(tail)), *range(axis, len(lead))]
    return np.transpose(y, order)


def _as_array(value: Any) -> Any:
    value = as_traced(value)
    return value if has_traced(value) else np.asanyarray(value)


@implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    y = as_traced(a)
    ndim = len(shape_of(y))
    for axis in np.ravel(plain_tree(axes)):
        place = int(axis) + (ndim if axis < 0 else 0)
        result = func(y, place)
        if len(shape_of(result)) != len(shape_of(y)):
            result = np.expand_dims(result, place)
            if len(shape_of(result)) != len(shape_of(y)):
                raise ValueError("function is not returning an array of the correct shape")
        y = result
    return y


def element_of(x: Any) -> Any:
    """A Python or NumPy number of a 0-d array, anything else as it is."""
    return x.item() if hasattr(x, "item") else x


def python_ufunc(ufunc: Any, *args: Any) -> Any:
    """A ufunc that ``np.frompyfunc`` made of a Python function: it gets traced numbers, in arrays of objects.

    NumPy's answer is an array of objects; ours one of numbers, or nothing could be done with it.
    """
    operands = [as_traced(a) for a in args]
    shape = np.broadcast_shapes(*(shape_of(x) for x in operands))
    boxes = []
    for x in operands:
        spread = np.broadcast_to(x, shape) if shape_of(x) != shape else x
        box = np.empty(shape, dtype=object)
        for place in np.ndindex(shape):
            box[place] = element_of(spread[place]) if shape else spread
        boxes.append(box)
    results = ufunc(*boxes)
    columns = results if isinstance(results, tuple) else (results,)
    out = [np.reshape(as_traced(list(np.asarray(c, object).flat)), shape) for c in columns]
    out = [y if shape else y[()] for y in out]
    return tuple(out) if isinstance(results, tuple) else out[0]
