"""Linear maps that are written down as matrices: those for which no transposed algorithm is worth having.

The matrix is what the function makes of the unit vectors. That is exact whatever a version of SciPy does in its corner
cases, and costs the square of the length; longer arguments are refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.autodiff.core import TRACED, Primitive, shape_of
from gradcheck.autodiff.errors import unsupported

LONGEST = 4096


def _run(x: Any, *, function: Callable[[Any], Any], name: str) -> Any:
    return DENSE(x, function=function, name=name) if type(x) in TRACED else function(x)


def _vjp(_y: Any, x: Any, *, function: Callable[[Any], Any], name: str) -> Any:
    n = shape_of(x)[-1]
    rows: list[Any] = []

    def pull(g: Any) -> Any:
        if n > LONGEST:
            raise unsupported(f"{name}: reverse mode for a signal of {n} samples", f"at most {LONGEST} samples")
        if not rows:
            rows.append(function(np.eye(n)))
        axes = list(range(1, rows[0].ndim))
        return np.tensordot(g, rows[0], axes=(axes, axes))

    return pull


# Maps of shape (batch, n) → (batch, ...), with the same map for each member of the batch.
DENSE: Primitive = Primitive(_run, [_vjp], "linear", name="linear map")


def along_axis(x: Any, axis: int, function: Callable[[Any], Any], name: str) -> Any:
    """A linear function of plain arrays (batch, n) → (batch, m), applied to lines of x along an axis."""
    moved = np.moveaxis(x, axis, -1)
    shape = shape_of(moved)
    y = DENSE(np.reshape(moved, (math.prod(shape[:-1]), shape[-1])), function=function, name=name)
    return np.moveaxis(np.reshape(y, (*shape[:-1], *shape_of(y)[1:])), -1, axis)
