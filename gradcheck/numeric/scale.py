"""How long a step is natural at x, and which steps floating point can take exactly.

The lowest part of the numeric floor: pure arithmetic on the point, no evaluation of f. The natural unit of a
step in coordinate i is |x_i|, since most functions vary on the scale of their argument (log, sqrt, powers,
physical units); a coordinate that is exactly zero borrows the scale of its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def coordinate_scales(x: Array) -> Array:
    """The natural step unit of every coordinate.

    Args:
        x: the point, shape (n,), float64.

    Returns:
        Shape (n,), positive: |x_i|; where x_i is zero the median of the non-zero |x_j|, or 1 if all are zero.

    >>> coordinate_scales(np.array([2.0, 0.0, -8.0]))
    array([2., 5., 8.])
    """
    size = np.abs(x)
    nonzero = size[size > 0]
    default = float(np.median(nonzero)) if nonzero.size else 1.0
    return np.where(size > 0, size, default)


def random_weights(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Array:
    """Components of a random direction, ±U[.5, 1]: not ±1, with which equal errors would cancel.

    >>> w = random_weights(np.random.default_rng(0), 5)
    >>> bool(np.all((0.5 <= np.abs(w)) & (np.abs(w) <= 1.0)))
    True
    """
    return np.asarray(rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.0, shape))


def typical_scale(x: Array) -> float:
    """One scale for the whole point: the median of the non-zero |x_i|, not below 1 unless all x are large.

    It bounds steps from above where |x_i| itself is far too short a step for f's noise: cos(x) + x at 1e-30.

    >>> typical_scale(np.array([1e-30]))
    1.0
    """
    size = np.abs(x)
    nonzero = size[size > 0]
    return max(float(np.median(nonzero)), 1.0) if nonzero.size else 1.0


def power_of_two(step: Array | float) -> Array:
    """The nearest power of two: such a step is added to x without rounding unless it is below x's last bit.

    >>> bool(power_of_two(6e-6) == 2.0**-17)
    True
    """
    return np.asarray(np.exp2(np.round(np.log2(step))), dtype=np.float64)


def smallest_step(x: Array | float, dtype: np.dtype[Any]) -> Array:
    """The shortest step that is worth taking at x when f sees its argument in ``dtype``: 8 units in the last
    place.

    >>> bool(smallest_step(1.0, np.dtype("f4")) == 8 * np.spacing(np.float32(1)))
    True
    """
    with np.errstate(all="ignore"):
        ulp = np.abs(np.spacing(np.abs(np.asarray(x)).astype(dtype))).astype(np.float64)
    return np.asarray(8.0 * ulp, dtype=np.float64)
