"""Sets: ``unique`` and its kin, ``union1d``, ``intersect1d``, ``setdiff1d``, ``setxor1d``.

Which elements are in the answer is piecewise constant; their values are elements of the arguments and keep their
derivatives. Of several equal elements the first is taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import FUNCTIONS, implements, plain, shape_of
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.reductions import as_traced


@implements(np.unique)
def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
           axis: Any = None, *, equal_nan: bool = True, sorted: bool = True) -> Any:  # fmt: skip
    """The sorted different elements (``sorted=False`` gives them sorted as well)."""
    ar = as_traced(ar)
    find: Any = np.unique
    known = find(plain(ar), True, return_inverse, return_counts, axis, equal_nan=equal_nan)
    index = known[1]
    values = np.ravel(ar)[index] if axis is None else np.take(ar, index, axis=axis)
    wanted = [values, *([index] if return_index else []), *known[2:]]
    return wanted[0] if len(wanted) == 1 else tuple(wanted)


def _array_api(function: Any) -> Any:
    """``unique_values`` and its kin: whatever order NumPy gives its values, each is looked up in the argument."""

    def handler(x: Any, /) -> Any:
        x = as_traced(x)
        value = np.ravel(plain(x))
        if np.any(np.isnan(value)):
            raise unsupported(f"np.{function.__name__} of an array with nan")
        known = function(plain(x))
        fields = known if isinstance(known, tuple) else (known,)
        order = np.argsort(value, kind="stable")
        index = order[np.searchsorted(value[order], fields[0])]
        values = np.ravel(x)[index]
        return type(known)(values, *fields[1:]) if isinstance(known, tuple) else values

    return handler


for _name in ("unique_values", "unique_counts", "unique_inverse", "unique_all"):
    FUNCTIONS[getattr(np, _name)] = _array_api(getattr(np, _name))


def _joined(first: Any, second: Any) -> tuple[Any, int]:
    first, second = np.ravel(as_traced(first)), np.ravel(as_traced(second))
    return np.concatenate([first, second]), shape_of(first)[0]


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    return unique(_joined(ar1, ar2)[0])


@implements(np.intersect1d)
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """The common elements, as those of the first argument."""
    first, second = as_traced(ar1), as_traced(ar2)
    _, i, j = np.intersect1d(plain(first), plain(second), assume_unique, True)
    values = np.ravel(first)[i]
    return (values, i, j) if return_indices else values


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    first = np.ravel(as_traced(ar1)) if assume_unique else unique(ar1)
    return first[np.isin(plain(first), plain(as_traced(ar2)), assume_unique=False, invert=True)]


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    if not assume_unique:
        ar1, ar2 = unique(ar1), unique(ar2)
    both, _ = _joined(ar1, ar2)
    _, index, counts = np.unique(plain(both), True, return_counts=True)
    return both[index[counts == 1]]
