"""Copies, and functions that write into an array: ``copyto``, ``put``, ``place``, ``putmask``, ``fill_diagonal``.

Each becomes an assignment to items of the traced array, which ``tape.py`` and ``forward.py`` follow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    FUNCTIONS,
    TRACED,
    Primitive,
    implements,
    plain,
    plain_tree,
    shape_of,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import (
    as_traced,
)

COPY = Primitive(
    lambda x, *, order: np.copy(x, order=order), [lambda _y, _x, order: lambda g: g], "linear", name="copy"
)


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return COPY(as_traced(a), order=order)


def _writable(a: Any, name: str) -> Any:
    if type(a) not in TRACED:
        raise unsupported(
            f"np.{name} writes a traced value into a plain array that was made outside of the function",
            "make the array inside the function, with np.zeros or np.array",
        )
    return a


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    source = plain(as_traced(src))
    if hasattr(source, "dtype") and not np.can_cast(source.dtype, dst.dtype, casting):  # type: ignore[arg-type]
        raise TypeError(f"Cannot cast array data from {source.dtype} to {dst.dtype} according to the rule '{casting}'")
    _writable(dst, "copyto")[...] = src if where is True else FUNCTIONS[np.where](where, src, dst)


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    _writable(a, "put")
    index = np.ravel(np.arange(a.size).take(plain_tree(ind), mode=mode))  # type: ignore[call-overload]
    values = np.resize(as_traced(v), index.shape)
    if a.shape:
        a[np.unravel_index(index, a.shape)] = values
    elif index.size:
        a[...] = values[-1]


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    mask = np.asarray(plain(mask), dtype=bool)
    _writable(arr, "place")[mask] = np.resize(as_traced(vals), (int(mask.sum()),))


@implements(np.putmask)
def putmask(a: Any, /, mask: Any, values: Any) -> None:
    mask = np.broadcast_to(np.asarray(plain(mask), dtype=bool), a.shape)
    values = np.resize(as_traced(values), a.shape)
    _writable(a, "putmask")[mask] = values[mask]


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    positions = np.zeros(a.shape, dtype=int)
    np.fill_diagonal(positions, 1, wrap=wrap)
    _writable(a, "fill_diagonal")
    index = np.nonzero(positions)
    a[index] = np.resize(as_traced(val), (len(index[0]),)) if shape_of(val) else val


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    positions = np.take_along_axis(np.arange(arr.size).reshape(arr.shape), plain(indices), axis)
    _writable(arr, "put_along_axis")[np.unravel_index(positions, arr.shape)] = values
