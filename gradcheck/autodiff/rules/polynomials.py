"""Polynomials and convolution: ``np.convolve``, ``np.correlate``, ``np.polyval`` and their kin.

A polynomial is the vector of its coefficients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    Primitive,
    implements,
    shape_of,
)
from gradcheck.autodiff.rules.reductions import (
    as_traced,
)


def _convolve_vjp(k: int, _y: Any, *args: Any, mode: str) -> Any:
    other = args[1 - k]
    n, m = shape_of(args[k])[0], shape_of(other)[0]
    full = n + m - 1
    length = {"full": full, "same": max(n, m), "valid": max(n, m) - min(n, m) + 1}[mode]
    start = {"full": 0, "same": (min(n, m) - 1) // 2, "valid": min(n, m) - 1}[mode]

    def pull(g: Any) -> Any:
        if length != full:
            g = np.concatenate([np.zeros(start), g, np.zeros(full - start - length)])
        return np.convolve(g, other[::-1], mode="full")[m - 1 : m - 1 + n]

    return pull


def _convolve_jvp(k: int, t: Any, _y: Any, *args: Any, mode: str) -> Any:
    return np.convolve(t, args[1], mode=mode) if k == 0 else np.convolve(args[0], t, mode=mode)  # type: ignore[call-overload]


CONVOLVE = Primitive(lambda a, v, *, mode: np.convolve(a, v, mode=mode), _convolve_vjp, _convolve_jvp, name="convolve")


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = np.atleast_1d(as_traced(a)), np.atleast_1d(as_traced(v))
    if not shape_of(a)[0] or not shape_of(v)[0]:
        raise ValueError("a and v cannot be empty")
    modes = {"f": "full", "s": "same", "v": "valid"}
    return CONVOLVE(a, v, mode=modes[mode[0]])


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = np.atleast_1d(as_traced(a)), np.atleast_1d(as_traced(v))
    n, m = shape_of(a)[0], shape_of(v)[0]
    v = np.conjugate(v)[::-1]
    if n < m and mode[0] == "s":  # NumPy exchanges the two and turns the result round, which shifts the middle
        return convolve(a, v)[n // 2 : n // 2 + m]
    return convolve(a, v, mode)


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    p, x = as_traced(p), as_traced(x)
    y: Any = np.zeros_like(x)
    for k in range(shape_of(p)[0]):
        y = y * x + p[k]
    return y
