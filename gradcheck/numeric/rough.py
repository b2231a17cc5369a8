"""Does f jump by tiny amounts? Then its derivative is not known better than the jumps allow.

Last part of the numeric floor, asked only before a small difference is called an error. An iteration stopped at a
tolerance, adaptive quadrature or an adaptive integrator is piecewise smooth: between two jumps its slope can be
measured to many digits, and it still differs from the derivative of the function that the algorithm approximates.
Continuous functions, tables with kinks among them, mean what their short steps say.
"""

from __future__ import annotations

import numpy as np

from gradcheck.numeric.lines import Line, Sampler
from gradcheck.numeric.scale import Array

#: Equal parts that the interval is first cut into, and halvings of the most conspicuous part.
PARTS, HALVINGS = 48, 30
#: Degree of the local trend in each window, and points in a window.
DEGREE, WINDOW = 5, 9


def jump_size(sampler: Sampler, line: Line, reach: float, noise: Array) -> Array:
    """The size of a jump discontinuity of each output within ``reach`` of the point along a line, or zero.

    Looks at the part of the interval where f leaves its local trend most and halves it again and again: the deviation
    of a continuous function shrinks with the interval, that of a jump stays.

    Args:
        sampler: f.
        line: the line.
        reach: half the length of the interval.
        noise: of f, shape (m,).

    Returns:
        Shape (m,). Costs 48 evaluations, and 30 more if something is conspicuous.

    >>> from gradcheck.numeric.lines import coordinate
    >>> s = Sampler(lambda x: np.floor(50 * x) * 1e-6 + x, np.array([0.505]), np.array([0.505025]))
    >>> jump_size(s, coordinate(s.x, 0, 1.0, 1.0, s.x.dtype), 0.1, np.array([1e-16])).round(9)
    array([1.e-06])
    """
    down, up = sampler.reach(line, reach)
    grid = np.linspace(-down, up, PARTS + 1)
    sampler.prefetch([(line, float(t)) for t in grid])
    values = np.stack([sampler.value(line, float(t)) for t in grid])
    deviations = _deviations(np.diff(values, axis=0))
    out = np.zeros(values.shape[1])
    # Only outputs that leave their trend somewhere are worth the further evaluations.
    for output in np.flatnonzero(np.all(np.isfinite(values), axis=0) & (deviations.max(axis=0) > 20.0 * noise)):
        out[output] = _jump(
            sampler, line, grid, values[:, output], deviations[:, output], int(output), float(noise[output])
        )
    return out


def _deviations(rises: Array) -> Array:
    """How far each part's rise lies off a polynomial through its neighbours', summed over the windows it is in.

    Args:
        rises: of each output on each part, shape (parts, outputs).
    """
    u = np.polynomial.polynomial.polyvander(np.linspace(-1, 1, WINDOW), DEGREE)
    residual = np.eye(WINDOW) - u @ np.linalg.pinv(u)
    out = np.zeros_like(rises)
    with np.errstate(all="ignore"):
        for start in range(PARTS - WINDOW + 1):
            out[start : start + WINDOW] += np.abs(residual @ rises[start : start + WINDOW])
    return out


def _jump(
    sampler: Sampler, line: Line, grid: Array, values: Array, deviation: Array, output: int, noise: float
) -> float:
    """The jump of one output that is conspicuous."""
    rises = np.diff(values)
    part = int(np.argmax(deviation))
    left, right = float(grid[part]), float(grid[part + 1])
    low, high = float(values[part]), float(values[part + 1])
    local = (high - low) / (right - left)
    if 0 < part < PARTS - 1:
        local = float(rises[part - 1] + rises[part + 1]) / (2 * (right - left))
    for _ in range(HALVINGS):
        middle = 0.5 * (left + right)
        value = float(sampler.value(line, middle)[output])
        if not np.isfinite(value):
            return 0.0
        if abs(value - low - local * (middle - left)) >= abs(high - value - local * (right - middle)):
            right, high = middle, value
        else:
            left, low = middle, value
    rest = abs(high - low) - 2.0 * abs(local) * (right - left)
    return rest if rest > 20.0 * noise else 0.0
