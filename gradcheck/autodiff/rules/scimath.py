"""``np.emath``: roots, logarithms and powers that leave the real line instead of giving nan.

Which of the two branches is taken is decided by the values; the functions are those of ``elementwise.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import FUNCTIONS, implements, is_complex, plain, shape_of
from gradcheck.autodiff.rules.reductions import as_traced

emath = np.emath


def _complex_where(x: Any, outside: Callable[[Any], Any]) -> Any:
    """x, as complex numbers if any element is outside of the function's real domain."""
    x = as_traced(x)
    if is_complex(x) or not np.any(outside(plain(x))):
        return x
    # By assignment of the type, not by adding 0j, which would widen float32.
    return x.astype(np.result_type(np.asarray(plain(x)).dtype, np.complex64)) if shape_of(x) else x + 0j


def _negative(x: Any) -> Any:
    return np.asarray(x) < 0


def _beyond_one(x: Any) -> Any:
    return np.abs(x) > 1


for _function, _core, _outside in (
    (emath.sqrt, np.sqrt, _negative), (emath.log, np.log, _negative), (emath.log2, np.log2, _negative),
    (emath.log10, np.log10, _negative), (emath.arccos, np.arccos, _beyond_one), (emath.arcsin, np.arcsin, _beyond_one),
    (emath.arctanh, np.arctanh, _beyond_one),
):  # fmt: skip

    def _handler(x: Any, core: Any = _core, outside: Any = _outside) -> Any:
        return core(_complex_where(x, outside))

    FUNCTIONS[_function] = _handler


@implements(emath.logn)
def logn(n: Any, x: Any) -> Any:
    return np.log(_complex_where(x, _negative)) / np.log(_complex_where(n, _negative))


@implements(emath.power)
def power(x: Any, p: Any) -> Any:
    p = as_traced(p)
    if np.result_type(plain(p)).kind in "iu" and np.any(_negative(plain(p))):
        p = p * 1.0
    return np.power(_complex_where(x, _negative), p)
