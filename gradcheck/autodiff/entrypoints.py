"""NumPy's makers of arrays, as they are called while a trace is running.

Protocols never see ``np.zeros(n)`` or ``np.array([x0, x1])``: the array that is made takes traced values only if it is
a traced constant. These replacements make one, where Python code of the user's calls them; ``scope.py`` puts them in
the place of the originals, and takes them back.
"""

from __future__ import annotations

import dis
import math
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff import scalars
from gradcheck.autodiff.array import Flat
from gradcheck.autodiff.codes import ByCode
from gradcheck.autodiff.core import (
    FLOAT_KINDS,
    FUNCTIONS,
    TRACED,
    _state,
    any_active,
    constant,
    has_traced,
    plain_tree,
)
from gradcheck.autodiff.errors import LIBRARIES, unsupported
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.shape import reshape

# code -> (instruction, name) -> whether that instruction is user code calling the function of that name
_calls = ByCode()


def called_by_user(name: str) -> bool:
    """Whether the replacement of ``np.<name>`` that asks was called from Python code of the user's, by that name.

    Compiled extensions have no frame of their own: numpy.random looks ``np.empty`` up by name and works on the
    result as on an array without asking what it is. So the frame is not enough; its current instruction must be this
    very call.
    """
    frame = sys._getframe(2)
    calls = _calls.get(id(frame.f_code))
    if calls is None:
        calls = {}
        _calls.note(frame.f_code, calls)
    key = (frame.f_lasti, name)
    known: bool | None = calls.get(key)
    if known is None:
        known = calls[key] = _is_user_call(frame, name)
    return known


def _is_user_call(frame: types.FrameType, name: str) -> bool:
    module = frame.f_globals.get("__name__", "")
    if module.partition(".")[0] in LIBRARIES and not module.startswith("gradcheck.numpy"):
        return False
    instructions = list(dis.get_instructions(frame.f_code))
    # f_lasti may point into the inline cache that follows the call instruction.
    place = max((i for i in instructions if i.offset <= frame.f_lasti), key=lambda i: i.offset).positions
    if place is None or place.lineno is None or place.col_offset is None:
        return name in frame.f_code.co_names  # Python was told to leave columns out (-X no_debug_ranges)
    start = (place.lineno, place.col_offset)
    for i in instructions:
        if i.positions is None or (i.positions.lineno, i.positions.col_offset) != start:
            continue
        if i.argval == name:
            return True
        if i.opname.startswith("LOAD_") and isinstance(i.argval, str):  # bound to another name, perhaps
            value = frame.f_locals.get(i.argval, frame.f_globals.get(i.argval))
            if getattr(getattr(value, "__wrapped__", None), "__name__", None) == name:
                return True
    return False


# What these make is seldom assigned to: it is wrapped only after an assignment was refused.
_SELDOM = ("linspace", "logspace", "geomspace", "arange", "fromfunction", "loadtxt", "genfromtxt")


def _fresh(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes a new array (``zeros``, ``linspace``): the array can take traced values."""

    seldom = function.__name__ in _SELDOM

    def replacement(*args: Any, **keywords: Any) -> Any:
        stack = _state.stack
        if not stack:
            return function(*args, **keywords)
        active = any_active(args) or any_active(keywords)
        if (seldom and not active and not stack[-1].generous) or not called_by_user(function.__name__):
            return function(*args, **keywords)
        if active:
            return FUNCTIONS.get(function, function)(*args, **keywords)
        y = function(*plain_tree(args), **plain_tree(keywords))
        return constant(y) if type(y) is np.ndarray and y.dtype.kind in FLOAT_KINDS else y

    return _named(replacement, function)


def _named(replacement: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    replacement.__name__ = original.__name__
    replacement.__doc__ = original.__doc__  # a module that is imported in the course of a trace may read it
    replacement.__wrapped__ = original  # type: ignore[attr-defined]
    return replacement


_array, _asarray, _full = np.array, np.asarray, np.full


def array(object: Any, dtype: Any = None, *, copy: Any = True, ndmin: int = 0, **keywords: Any) -> Any:
    if type(object) is Flat:
        object = object.copy()
    if not has_traced(object):
        y = _array(object, dtype, copy=copy, ndmin=ndmin, **keywords)
        if not _state.stack or y is object or y.dtype.kind not in FLOAT_KINDS or not called_by_user("array"):
            return y
        return constant(y)
    if "ndmax" in keywords:
        raise unsupported("np.array with ndmax of traced values", "leave it out and index the result")
    if dtype is not None and np.dtype(dtype).kind in "OSUV":
        raise unsupported(f"a traced value in an array of dtype {np.dtype(dtype)}", "use a list, or an array of floats")
    # Compared, since SciPy 1.15 passes a _CopyMode, and the truth value of those is an error.
    if copy in (True, np._CopyMode.ALWAYS):
        copy = True
    elif copy in (False, np._CopyMode.NEVER):
        copy = False
    else:
        copy = None
    return _ndmin(_formed(object, dtype, keywords.get("order"), copy), ndmin)


def _formed(object: Any, dtype: Any, order: Any, copy: bool | None) -> Any:
    """What is, or has, a traced value as an array of a type that lies in an order: a copy always, if need be, never."""
    array = type(object) in TRACED and isinstance(object, np.ndarray)
    y = _as_array(object)
    copy_now = bool(copy) and array
    if order in ("A", "a") and not copy_now and dtype in (None, y.dtype):
        order = "K"  # here, not in ``astype``, an array in any order will do
    formed = y.astype(y.dtype if dtype is None else dtype, order or "K", copy=copy_now)
    if copy is False and (formed is not y or not array):
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    return formed


def _ndmin(y: Any, ndmin: int) -> Any:
    return reshape(y, (1,) * (ndmin - y.ndim) + y.shape) if y.ndim < ndmin else y


def _as_array(object: Any) -> Any:
    if type(object) in TRACED:
        return object if isinstance(object, np.ndarray) else reshape(object, ())
    return as_traced(object)


def _as(function: Callable[..., Any]) -> Callable[..., Any]:
    """``asarray`` and its kin: a traced array is itself, a list with traced values becomes one."""
    orders = {np.ascontiguousarray: "C", np.asfortranarray: "F"}

    def replacement(a: Any, dtype: Any = None, *args: Any, **keywords: Any) -> Any:
        if type(a) is Flat:
            a = a.copy()
        if has_traced(a):
            order = orders.get(function, args[0] if args else keywords.get("order"))
            y = _formed(a, dtype, order, keywords.get("copy"))
            return _ndmin(y, 1) if function in orders else y
        y = function(a, dtype, *args, **keywords)
        if y is a or not _state.stack or isinstance(a, np.ndarray) or y.dtype.kind not in FLOAT_KINDS:
            return y
        if not called_by_user(function.__name__):
            return y
        return constant(y)

    return _named(replacement, function)


def full(shape: Any, fill_value: Any, dtype: Any = None, **keywords: Any) -> Any:
    if not _state.stack or not called_by_user("full"):
        return _full(shape, fill_value, dtype, **keywords)
    if not has_traced(fill_value):
        y = _full(plain_tree(shape), fill_value, dtype, **keywords)
        return constant(y) if y.dtype.kind in FLOAT_KINDS else y
    y = constant(np.zeros(plain_tree(shape), float if dtype is None else dtype))
    y[...] = fill_value
    return y


_CREATE = ("zeros", "ones", "empty", "eye", "identity", "zeros_like", "ones_like", "empty_like", "full_like", "copy")
_AS = ("asarray", "asanyarray", "ascontiguousarray", "asfortranarray")


def _twin(function: Any) -> Callable[..., Any]:
    """The same function under no name of this module, where NumPy's documentation would be taken for our own."""
    twin = types.FunctionType(function.__code__, function.__globals__, None, function.__defaults__)
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


def replacements() -> list[tuple[types.ModuleType, dict[str, Any]]]:
    numpy_names: dict[str, Any] = {name: _fresh(getattr(np, name)) for name in _CREATE + _SELDOM}
    numpy_names |= {name: _as(getattr(np, name)) for name in _AS}
    numpy_names |= {"array": _named(_twin(array), np.array), "full": _named(_twin(full), np.full)}
    return [(np, numpy_names), (math, dict(scalars.REPLACEMENTS))]
