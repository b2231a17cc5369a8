"""How well the values of f, rounded as they are, determine each entry of its gradient.

The floor of an entry is the smallest error that central differences reach when somebody who knows the answer chooses
step and order: steps halved over the whole range, orders 2 to 8 by extrapolation, the root mean square over four
neighbouring steps so that one lucky rounding does not count. A bug below it cannot be seen in values of f; one of ten
floors or more can, and whoever misses it is to blame.
"""

from __future__ import annotations

import itertools

import numpy as np

from benchmarks.detection.problem import Problem, generator

#: In floors: bugs of fewer are undecidable, of more decidable, between them marginal.
UNDECIDABLE, DECIDABLE = 3.0, 10.0
#: More columns than this are sampled: bugs are placed in the sample.
MOST_COLUMNS = 24
NEIGHBOURS = 4


class Floors:
    """The floors of a problem, computed for a sample of columns.

    Attributes:
        columns: flat indices into x, without those along which f has no derivative.
        value: (m, n); nan outside of the sample.
    """

    def __init__(self, problem: Problem) -> None:
        n = problem.x.size
        free = np.setdiff1d(np.arange(n), problem.kinks)
        if free.size > MOST_COLUMNS:
            inner = generator("columns", problem.name).choice(free[1:-1], MOST_COLUMNS - 2, replace=False)
            free = np.unique([free[0], free[-1], *inner])
        exact = problem.exact()
        self.columns = free
        self.value = np.full(exact.shape, np.nan)
        with np.errstate(all="ignore"):
            for j in free:
                self.value[:, j] = _column(problem, int(j), exact[:, j])


def _column(problem: Problem, j: int, exact: np.ndarray) -> np.ndarray:
    """Floors of all outputs along one input, (m,)."""
    estimates = _one_sided(problem, j) if j in problem.edges else _central(problem, j)
    floor = np.full(exact.shape, np.inf)
    unit = np.maximum(np.where(exact != 0, np.abs(exact), np.max(np.abs(exact))), 1e-300)  # squares would vanish
    for table in estimates:
        error = (np.array(table) - exact) / unit
        windows = np.lib.stride_tricks.sliding_window_view(error, NEIGHBOURS, axis=0)
        root = np.sqrt(np.mean(windows**2, axis=-1)) * unit
        floor = np.minimum(floor, np.min(np.where(np.isfinite(root), root, np.inf), axis=0))
    return floor


def _steps(x: float, dtype: np.dtype) -> np.ndarray:
    """Powers of two from beyond the size of x down to its last digits."""
    top = np.ceil(np.log2(4 * max(abs(x), 1.0)))
    bottom = np.floor(np.log2(max(4 * float(np.spacing(np.abs(np.array(x, dtype)))), 1e-24)))
    return 2.0 ** np.arange(top, bottom - 1, -1)


def _at(problem: Problem, j: int, h: float) -> tuple[np.ndarray, float]:
    """f at x + h e_j, (m,), and where that really is."""
    z = problem.x.copy()
    flat = z.reshape(-1)
    flat[j] += h
    try:
        return np.asarray(problem.f(z), dtype=float).ravel(), float(flat[j])
    except (ValueError, ArithmeticError, IndexError):  # outside the domain
        return np.full(problem.outputs, np.nan), float(flat[j])


def _central(problem: Problem, j: int) -> list[list[np.ndarray]]:
    """Central differences on the ladder of steps, then extrapolated to order 4, 6, 8."""
    first = []
    for h in _steps(float(problem.x.flat[j]), problem.x.dtype):
        (up, a), (down, b) = _at(problem, j, h), _at(problem, j, -h)
        first.append((up - down) / (a - b))
    return _extrapolated(first, [4.0, 16.0, 64.0])


def _one_sided(problem: Problem, j: int) -> list[list[np.ndarray]]:
    start, x = _at(problem, j, 0.0)
    first = []
    for h in _steps(x, problem.x.dtype):
        up, a = _at(problem, j, h)
        first.append((up - start) / (a - x))
    return _extrapolated(first, [2.0**0.5, 2.0, 4.0])


def _extrapolated(first: list[np.ndarray], weights: list[float]) -> list[list[np.ndarray]]:
    tables = [first]
    for w in weights:
        last = tables[-1]
        tables.append([(w * fine - coarse) / (w - 1) for coarse, fine in itertools.pairwise(last)])
    return [t for t in tables if len(t) >= NEIGHBOURS]
