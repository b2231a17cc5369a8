"""Does f jump by tiny amounts? Then its derivative is not known better than the jumps allow.

Last part of the numeric floor, asked only before a small difference is called an error. An iteration stopped
at a
tolerance, adaptive quadrature or an adaptive integrator is piecewise smooth: between two jumps its slope can
be measured to many digits, and it still differs from the derivative of the function that the algorithm
approximates. Continuous functions, tables with kinks among them, mean what their short steps say.
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

    Looks at the part of the interval where f leaves its local trend most and halves it again and again: the
        deviation of a
    continuous function shrinks with the interval, that of a jump stays.

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
    grid = np.linspace(-reach, reach, PARTS + 1)
    values = np.stack([sampler.value(line, float(t)) for t in grid])
    out = np.zeros(values.shape[1])
    for output in range(values.shape[1]):
        if np.all(np.isfinite(values[:, output])):
            out[output] = _jump(sampler, line, grid, values[:, output], output, float(noise[output]))
    return out


def _jump(sampler: Sampler, line: Line, grid: Array, values: Array, output: int, noise: float) -> float:
    """The jump of one output."""
    rises = np.diff(values)
    deviation = np.zeros(PARTS)
    for start in range(PARTS - WINDOW + 1):
        window = slice(start, start + WINDOW)
        u = np.linspace(-1, 1, WINDOW)
        fit = np.polynomial.polynomial.polyfit(u, rises[window], DEGREE)
        deviation[window] += np.abs(rises[window] - np.polynomial.polynomial.polyval(u, fit))
    part = int(np.argmax(deviation))
    left, right = float(grid[part]), float(grid[part + 1])
    low, high = float(values[part]), float(values[part + 1])
    local = (high - low) / (right - left)
    if deviation[part] <= 20.0 * noise:
        return 0.0
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
