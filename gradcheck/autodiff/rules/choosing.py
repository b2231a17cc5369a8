"""Functions that choose between values by a condition: ``where``, ``select``, ``choose``, ``clip``, triangles.

The condition is piecewise constant; the derivative is that of the branch that was taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy._core import umath

from gradcheck.autodiff.core import (
    DEAD,
    UFUNCS,
    Primitive,
    implements,
    plain,
    shape_of,
    unbroadcast,
)
from gradcheck.autodiff.rules.elementwise import astype
from gradcheck.autodiff.rules.joining import stack
from gradcheck.autodiff.rules.reductions import (
    as_traced,
    into,
)
from gradcheck.autodiff.rules.shape import reshape


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
    return into(reshape(stacked, -1)[positions], out)


@implements(np.clip)
def clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None,
    where: Any = True, dtype: Any = None, casting: Any = "same_kind", order: Any = "K", subok: bool = True,
) -> Any:  # fmt: skip
    """Inside the bounds the derivative is a's, outside it is the bound's; on a bound, where both slopes exist, one
    half. ``casting``, ``order`` and ``subok`` are no part of the derivative."""
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    y = as_traced(a)
    if low is not None:
        y = np.maximum(y, low)
    if high is not None:
        y = np.minimum(y, high)
    if dtype is not None:
        y = astype(y, dtype, copy=False)
    if plain(where) is not True:
        y = np.where(plain(where), y, 0.0 if out is None else out)
    return into(y, out)


UFUNCS[umath.clip] = clip  # type: ignore[attr-defined]  # what ndarray.clip calls


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    return where(np.triu(np.ones(shape_of(m), dtype=bool), k), m, 0.0)


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    return where(np.tril(np.ones(shape_of(m), dtype=bool), k), m, 0.0)
