"""Proof that every right gradient is right: the complex step on f, or on a twin of f that takes complex numbers.

The complex step has no subtraction, so that it is exact up to the rounding of f itself; it knows nothing of the
hand-written gradient.
"""

from __future__ import annotations

import numpy as np

from benchmarks.detection.problem import Problem

STEP = 1e-60


def complex_step(problem: Problem) -> np.ndarray:
    """The Jacobian at x, (m, n)."""
    f = problem.analytic or problem.f
    columns = []
    for j in range(problem.x.size):
        z = problem.x.astype(complex)
        z.reshape(-1)[j] += 1j * STEP
        columns.append(np.imag(np.ravel(f(z))) / STEP)
    return np.stack(columns, axis=-1)


def worst(problem: Problem) -> float:
    """The largest relative difference between gradient and complex step.

    Entries below 1e-10 of the largest in their row are held against that: both round. Entries at kinks and edges are
    left out; there the gradient is one of many, or a one-sided limit.
    """
    kept = np.setdiff1d(np.arange(problem.x.size), [*problem.kinks, *problem.edges])
    with np.errstate(all="ignore"):
        exact, proof = problem.exact()[:, kept], complex_step(problem)[:, kept]
    size = np.maximum(np.abs(proof), 1e-10 * np.max(np.abs(proof), axis=1, keepdims=True))
    gap = np.abs(exact - proof)
    relative = np.where(gap == 0, 0.0, gap / np.where(size == 0, 1e-300, size))
    return float(np.max(relative)) if relative.size else 0.0
