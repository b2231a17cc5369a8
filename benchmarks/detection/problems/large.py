"""Many inputs: 200 to 2000."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.detection.problem import Bug, Problem, problem, real


@problem("large")
def chained_wood(rng: np.random.Generator) -> Problem:
    """A chain of quartics, n = 2000."""

    def f(x: Any) -> Any:
        return np.sum(10 * (x[1:] - x[:-1] ** 2) ** 2) + np.sum((1 - x) ** 2)

    def g(x: Any, bug: Bug) -> Any:
        d = x[1:] - x[:-1] ** 2
        G = -2 * (1 - x)
        G[1:] += bug("term:right neighbour", 20 * d)
        G[:-1] -= 40 * d * x[:-1]
        return G

    return Problem(f, g, rng.uniform(-1.2, 1.2, 2000))


@problem("large")
def sparse_logistic(rng: np.random.Generator) -> Problem:
    """Logistic regression, n = 1000, 40 samples, ridge; f insists on float64."""
    A = np.where(rng.random((40, 1000)) < 0.05, rng.normal(size=(40, 1000)), 0.0)
    y = rng.choice([-1.0, 1.0], 40)

    def value(w: Any) -> Any:
        return np.mean(np.log1p(np.exp(-y * (A @ w)))) + 0.01 * np.sum(w * w)

    def g(w: Any, bug: Bug) -> Any:
        p = 1 / (1 + np.exp(y * (A @ w)))
        return -(A.T @ (y * p)) / 40 + bug("regulariser:ridge", 0.02 * w)

    return Problem(lambda w: value(real(w)), g, rng.normal(size=1000), value, samples=40)


@problem("large", "matrix")
def total_variation(rng: np.random.Generator) -> Problem:
    """Smoothed total variation of an image (24, 24) with a data term."""
    data = rng.normal(size=(24, 24))

    def f(u: Any) -> Any:
        a, b = u[1:, :-1] - u[:-1, :-1], u[:-1, 1:] - u[:-1, :-1]
        return np.sum(np.sqrt(a * a + b * b + 0.01)) + 0.5 * np.sum((u - data) ** 2)

    def g(u: Any, bug: Bug) -> Any:
        a, b = u[1:, :-1] - u[:-1, :-1], u[:-1, 1:] - u[:-1, :-1]
        s = np.sqrt(a * a + b * b + 0.01)
        G = u - data
        G[1:, :-1] += a / s
        G[:-1, 1:] += bug("term:horizontal", b / s)
        G[:-1, :-1] -= (a + b) / s
        return G

    return Problem(f, g, rng.normal(size=(24, 24)))


@problem("large")
def graded_quadratic(rng: np.random.Generator) -> Problem:
    """n = 200, curvatures over eight orders."""
    c = 10.0 ** rng.uniform(-4, 4, 200)

    def g(x: Any, bug: Bug) -> Any:
        return 2 * c * x + bug("term:coupling", np.roll(x, 1) + np.roll(x, -1))

    return Problem(lambda x: np.sum(c * x * x) + np.sum(x * np.roll(x, 1)), g, rng.normal(size=200) / np.sqrt(c))


@problem("large", "inplace", "loop")
def recursive_filter(rng: np.random.Generator) -> Problem:
    """An IIR filter over 300 samples, written element by element into a buffer."""
    w = rng.normal(size=300)

    def run(x: Any) -> Any:
        y = np.zeros(300, dtype=x.dtype)
        y[0] = x[0]
        for i in range(1, 300):
            y[i] = 0.7 * y[i - 1] + x[i] - 0.2 * x[i - 1]
        return y

    def g(x: Any, bug: Bug) -> Any:
        y = run(x)
        a, G = 0.0, np.zeros(300)
        for i in range(299, -1, -1):
            a = w[i] * (1 - np.tanh(y[i]) ** 2) + bug("term:feedback", 0.7 * a)
            G[i] += a
            if i:
                G[i - 1] -= bug("term:feedforward", 0.2 * a)
        return G

    return Problem(lambda x: np.sum(w * np.tanh(run(x))), g, rng.normal(size=300))


@problem("large", "vector")
def wide_jacobian(rng: np.random.Generator) -> Problem:
    """Three outputs of 500 inputs."""
    A = rng.normal(size=(3, 500)) / 20

    def g(x: Any, bug: Bug) -> Any:
        return bug("chain:tanh", 1 - np.tanh(A @ x) ** 2, np.ones(3))[:, None] * A

    return Problem(lambda x: np.tanh(A @ x), g, rng.normal(size=500))
