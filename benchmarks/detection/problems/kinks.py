"""Kinks, jumps and edges of the domain: far away, close by, and at the point."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.detection.problem import Bug, Problem, problem, real


def magnitude(z: Any) -> Any:
    """|z|, analytic off the imaginary axis."""
    return np.where(np.real(z) >= 0, z, -z)


def ramp(z: Any) -> Any:
    return np.where(np.real(z) > 0, z, 0 * z)


@problem("kink-far")
def absolute_deviations(rng: np.random.Generator) -> Problem:
    """Least absolute deviations with a ridge."""
    A, y = rng.normal(size=(15, 4)), rng.normal(size=15)

    def g(w: Any, bug: Bug) -> Any:
        return A.T @ np.sign(A @ w - y) + bug("regulariser:ridge", 0.5 * w)

    def analytic(w: Any) -> Any:
        return np.sum(magnitude(A @ w - y)) + 0.25 * w @ w

    return Problem(lambda w: np.sum(np.abs(A @ w - y)) + 0.25 * w @ w, g, rng.normal(size=4), analytic)


@problem("kink-close")
def hinge_close(rng: np.random.Generator) -> Problem:
    """Two hinges, 1e-5 on one side and 3e-6 on the other."""
    x = np.array([1e-5, -3e-6, 0.6, -0.9, 1.4])
    c = np.array([1.0, -2.0, 0.5, 1.5, 0.8])

    def g(x: Any, bug: Bug) -> Any:
        on = bug("branch:threshold", x > 0, x > 2e-5)
        return c * on + x * x

    def analytic(x: Any) -> Any:
        return np.sum(c * ramp(x) + x**3 / 3)

    return Problem(lambda x: np.sum(c * np.maximum(x, 0.0) + x**3 / 3), g, x, analytic)


@problem("kink-close", "vector")
def near_tie(rng: np.random.Generator) -> Problem:
    """Largest and smallest of numbers, the first two 1e-4 apart."""
    x = np.array([0.8, 0.7999, -1.1, 0.2, -0.6])

    def f(x: Any) -> Any:
        return np.array([np.max(x) ** 2, np.min(x) * x[3]])

    def analytic(x: Any) -> Any:
        return np.array([x[0] ** 2, x[2] * x[3]])

    def g(x: Any, bug: Bug) -> Any:
        J = np.zeros((2, 5))
        J[0, bug("branch:second largest", int(np.argmax(x)), 1)] = 2 * np.max(x)
        J[1, int(np.argmin(x))] = x[3]
        J[1, 3] = bug("term:product", np.min(x))
        return J

    return Problem(f, g, x, analytic)


@problem("kink-far")
def trimmed_mean(rng: np.random.Generator) -> Problem:
    """Mean of squares of the middle six of ten."""
    x = rng.permutation(10) * 0.37 - 1.6

    def g(x: Any, bug: Bug) -> Any:
        kept = np.zeros(10, dtype=bool)
        kept[np.argsort(x)[2:-2]] = True
        return 2 * x / 6 * bug("branch:trimmed", kept, np.ones(10))

    def analytic(x: Any) -> Any:
        return np.mean(x[np.argsort(np.real(x))[2:-2]] ** 2)

    return Problem(lambda x: np.mean(np.sort(real(x))[2:-2] ** 2), g, x, analytic)


@problem("kink-close")
def clipped(rng: np.random.Generator) -> Problem:
    """clip to [-1, 1], one entry 1e-6 inside, one 1e-6 outside."""
    x = np.array([1 - 1e-6, -1 - 1e-6, 0.3, 2.0, -0.4])
    c = rng.normal(size=5)

    def g(x: Any, bug: Bug) -> Any:
        inside = np.abs(x) < bug("branch:bound", 1.0, 0.999)
        return c * inside * np.exp(np.clip(x, -1, 1)) + 0.5

    def analytic(x: Any) -> Any:
        inside = np.where(np.abs(np.real(x)) < 1, x, np.sign(np.real(x)))
        return np.sum(c * np.exp(inside) + 0.5 * x)

    return Problem(lambda x: np.sum(c * np.exp(np.clip(x, -1, 1)) + 0.5 * x), g, x, analytic)


@problem("kink-at")
def absolute_at_zero(rng: np.random.Generator) -> Problem:
    """|x| at 0 with slope 0, which central differences confirm."""
    x = np.array([0.7, 0.0, -1.3, 0.4])

    def g(x: Any, bug: Bug) -> Any:
        return np.sign(x) + 2 * bug("term:square", x)

    return Problem(lambda x: np.sum(np.abs(x) + x * x), g, x, lambda x: np.sum(magnitude(x) + x * x), kinks=(1,))


@problem("kink-at")
def relu_at_zero(rng: np.random.Generator) -> Problem:
    """max(x, 0) at 0 with slope 0, as every framework has it."""
    x = np.array([1.2, 0.0, -0.5, 0.0, 0.9])
    c = np.array([1.0, 2.0, 3.0, -1.5, 0.5])

    def g(x: Any, bug: Bug) -> Any:
        return c * (x > 0) + bug("term:sine", np.cos(x))

    def analytic(x: Any) -> Any:
        return np.sum(c * ramp(x) + np.sin(x))

    return Problem(lambda x: np.sum(c * np.maximum(x, 0) + np.sin(x)), g, x, analytic, kinks=(1, 3))


@problem("kink-at")
def tied_maximum(rng: np.random.Generator) -> Problem:
    """A tie of three; the gradient takes the first."""
    x = np.array([0.9, 0.9, -0.4, 0.9])

    def g(x: Any, bug: Bug) -> Any:
        G = 2 * x
        G[int(np.argmax(x))] += 1.5
        return G

    return Problem(lambda x: 1.5 * np.max(x) + np.sum(x * x), g, x, kinks=(0, 1, 3), analytic=lambda x: np.sum(x * x))


@problem("smooth-knot")
def square_with_sign(rng: np.random.Generator) -> Problem:
    """x |x| and relu(x)^3 at their knots: the derivative exists, the next one jumps."""
    x = np.array([0.0, 0.0, 0.8, -0.5])

    def f(x: Any) -> Any:
        return x[0] * np.abs(x[0]) + np.maximum(x[1], 0) ** 3 + x[2] * np.abs(x[3]) + 3 * x[0] - x[1]

    def analytic(x: Any) -> Any:
        return x[0] * magnitude(x[0]) + ramp(x[1]) ** 3 + x[2] * magnitude(x[3]) + 3 * x[0] - x[1]

    def g(x: Any, bug: Bug) -> Any:
        first = 2 * np.abs(x[0]) + bug("term:linear", 3.0)
        return np.array([first, 3 * np.maximum(x[1], 0) ** 2 - 1, np.abs(x[3]), x[2] * np.sign(x[3])])

    return Problem(f, g, x, analytic)


@problem("edge")
def edge_close(rng: np.random.Generator) -> Problem:
    """sqrt, arcsin and log 1e-7 to 1e-5 from where they end; outside f is nan."""
    x = np.array([1e-7, 1 - 1e-6, 1e-5, 0.4])

    def f(x: Any) -> Any:
        return np.sqrt(x[0]) + np.arcsin(x[1]) + np.log(x[2]) * 1e-3 + x[3] ** 2

    def g(x: Any, bug: Bug) -> Any:
        return np.array(
            [0.5 / np.sqrt(x[0]), 1 / np.sqrt(bug("chain:arcsin", (1 - x[1]) * (1 + x[1]), 1.0)), 1e-3 / x[2], 2 * x[3]]
        )

    return Problem(f, g, x)


@problem("edge")
def edge_at(rng: np.random.Generator) -> Problem:
    """x^1.5 at 0 where f raises for x < 0: measured from one side."""
    x = np.array([0.0, 0.7, 1.3])

    def f(x: Any) -> Any:
        if np.any(np.real(x) < 0):
            raise ValueError("negative mass")
        return np.sum(x**1.5) + np.sum(np.exp(-x))

    def g(x: Any, bug: Bug) -> Any:
        return 1.5 * np.sqrt(x) - bug("term:decay", np.exp(-x))

    return Problem(f, g, x, edges=(0,))


@problem("jump")
def beside_a_jump(rng: np.random.Generator) -> Problem:
    """Floor 2e-4 above a jump; f insists on float64."""
    x = np.array([3.0002, 1.4])

    def analytic(x: Any) -> Any:
        return 0.3 * np.floor(np.real(x[0])) * x[1] + np.sin(x[0])

    def g(x: Any, bug: Bug) -> Any:
        return np.array([np.cos(x[0]), 0.3 * bug("branch:cell", np.floor(x[0]), np.floor(x[0]) - 1)])

    return Problem(lambda x: 0.3 * np.floor(real(x)[0]) * real(x)[1] + np.sin(real(x)[0]), g, x, analytic)
