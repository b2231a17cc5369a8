"""SciPy's private helpers for "this formula here, that one there", which its distributions are written with.

They gather the points of each branch and scatter the results into a plain array. While traced values go through SciPy's
own code they are what ``np.where`` and ``np.select`` are, each branch evaluated at points where it holds.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import has_traced, plain
from gradcheck.autodiff.scope import shadow


def _branch(function: Callable[..., Any], condition: Any, arrays: Any) -> Any:
    """The function at all points, those outside of the branch replaced by one inside; None for an empty branch."""
    chosen = np.asarray(plain(condition))
    if not np.any(chosen):
        return None
    if np.all(chosen):
        return function(*arrays)
    shape = np.broadcast_shapes(chosen.shape, *(np.shape(plain(a)) for a in arrays))
    chosen = np.broadcast_to(chosen, shape)
    first = np.unravel_index(int(np.argmax(chosen)), shape)
    return function(*(np.where(chosen, a, np.broadcast_to(plain(a), shape)[first]) for a in arrays))


def where(condition: Any, arrays: Any, f: Any, g: Any, fill: Any) -> Any:
    arrays = tuple(arrays) if isinstance(arrays, list | tuple) else (arrays,)
    condition = np.asarray(plain(condition))
    yes = _branch(f, condition, arrays)
    no = fill if g is None else _branch(g, ~condition, arrays)
    if yes is None or no is None:
        y = no if yes is None else yes
        shape = np.broadcast_shapes(condition.shape, np.shape(plain(y)))
        return y if np.shape(plain(y)) == shape else np.copy(np.broadcast_to(y, shape))
    return np.where(condition, yes, no)


def select(conditions: Any, functions: Any, arrays: Any, default: Any) -> Any:
    """The last condition that holds wins, as in SciPy's."""
    y: Any = default
    for condition, f in zip(conditions, functions, strict=True):
        part = _branch(f, condition, arrays)
        if part is not None:
            y = np.where(plain(condition), part, y)
    shape = np.broadcast_shapes(*(np.shape(plain(a)) for a in arrays))
    return y if np.shape(plain(y)) == shape else np.copy(np.broadcast_to(y, shape))


def _shadow(module: str, name: str, stand_in: Callable[..., Any]) -> None:
    try:
        space: Any = importlib.import_module(module)
    except ImportError:
        return  # this version of SciPy is written otherwise
    function = getattr(space, name, None)
    if function is None:
        return

    @functools.wraps(function)
    def replacement(*args: Any, **keywords: Any) -> Any:
        if has_traced(list(args)):
            return stand_in(*args, **keywords)
        return function(*args, **keywords)

    replacement.__wrapped__ = function
    shadow(space, {name: replacement})


def _apply_where(cond: Any, args: Any, f1: Any, f2: Any = None, /, *, fill_value: Any = None, **_keywords: Any) -> Any:
    return where(cond, args, f1, f2, fill_value)


def _lazywhere(cond: Any, arrays: Any, f: Any, fillvalue: Any = None, f2: Any = None) -> Any:
    return where(cond, arrays, f, f2, fillvalue)


def _lazyselect(condlist: Any, choicelist: Any, arrays: Any, default: Any = 0) -> Any:
    return select(condlist, choicelist, arrays, default)


_shadow("scipy._lib.array_api_extra", "apply_where", _apply_where)
for _module in ("_continuous_distns", "_discrete_distns"):
    _shadow(f"scipy.stats.{_module}", "_lazywhere", _lazywhere)
    _shadow(f"scipy.stats.{_module}", "_lazyselect", _lazyselect)
