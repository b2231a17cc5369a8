"""Functions with an error of their own: float32, tolerances, rounding, text. g is of what they approximate."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import integrate, special

from benchmarks.detection.problem import Bug, Problem, problem, real


@problem("float32")
def float32_inside(rng: np.random.Generator) -> Problem:
    """Computed in float32 on float64 arguments."""
    A = rng.normal(size=(12, 5)).astype(np.float32)
    x = rng.normal(size=5).astype(np.float32).astype(float)

    def f(x: Any) -> Any:
        return float(np.sum(np.tanh(A @ np.asarray(x, dtype=np.float32))))

    def g(x: Any, bug: Bug) -> Any:
        B = A.astype(float)
        return B.T @ (1 - bug("factor:square", np.tanh(B @ x) ** 2, np.tanh(B @ x)))

    return Problem(f, g, x, lambda x: np.sum(np.tanh(A.astype(float) @ x)))


@problem("float32", "float32-x")
def float32_argument(rng: np.random.Generator) -> Problem:
    """Argument, value and gradient are float32."""
    c = rng.normal(size=6).astype(np.float32)

    def f(x: Any) -> Any:
        return np.sum(c * x * x + np.sin(x))

    def g(x: Any, bug: Bug) -> Any:
        z = np.asarray(x, dtype=float)
        out = bug("factor:square", 2.0, 1.0) * c.astype(float) * z + np.cos(z)
        return out.astype(np.asarray(x).dtype)

    x = rng.normal(size=6).astype(np.float32)
    return Problem(f, g, x, lambda z: np.sum(c.astype(float) * z * z + np.sin(z)))


@problem("iteration")
def bisected_root(rng: np.random.Generator) -> Problem:
    """Root of u^3 + a u = b by bisection to 1e-9, squared."""

    def f(p: Any) -> Any:
        lo, hi = 0.0, 4.0
        while hi - lo > 1e-9:
            mid = 0.5 * (lo + hi)
            if mid**3 + p[0] * mid < p[1]:
                lo = mid
            else:
                hi = mid
        return (0.5 * (lo + hi)) ** 2

    def root(p: Any) -> Any:
        u = 1.0
        for _ in range(50):
            u = u - (u**3 + p[0] * u - p[1]) / (3 * u * u + p[0])
        return u

    def g(p: Any, bug: Bug) -> Any:
        u = root(p)
        return 2 * u * np.array([bug("chain:root", -u, -1.0), 1.0]) / (3 * u * u + p[0])

    return Problem(f, g, np.array([1.3, 2.9]), lambda p: root(p) ** 2)


@problem("iteration")
def fixed_point_tolerance(rng: np.random.Generator) -> Problem:
    """u = tanh(W u + x) iterated to 1e-10."""
    W = 0.2 * rng.normal(size=(4, 4))
    c = rng.normal(size=4)

    def solve(x: Any, tolerance: float) -> Any:
        u = 0 * x
        while True:
            new = np.tanh(W @ u + x)
            if np.max(np.abs(new - u)) < tolerance:
                return new
            u = new

    def analytic(x: Any) -> Any:
        u = solve(np.real(x), 1e-15)
        for _ in range(300):
            u = np.tanh(W @ u + x)
        return c @ u

    def g(x: Any, bug: Bug) -> Any:
        u = solve(x, 1e-15)
        D = 1 - u * u
        M = np.eye(4) - bug("term:feedback", D[:, None] * W, np.zeros((4, 4)))
        return D * np.linalg.solve(bug("transposed:adjoint", M.T, M), c)

    return Problem(lambda x: c @ solve(x, 1e-10), g, rng.normal(size=4), analytic)


@problem("rounded")
def rounded_output(rng: np.random.Generator) -> Problem:
    """Rounded to ten decimals: a staircase."""
    c = rng.normal(size=5)

    def g(x: Any, bug: Bug) -> Any:
        return c * np.exp(c * x) + bug("regulariser:ridge", 2 * x)

    def smooth(x: Any) -> Any:
        return np.sum(np.exp(c * x) + x * x)

    return Problem(lambda x: np.round(smooth(x), 10), g, rng.normal(size=5), smooth)


@problem("rounded")
def through_text(rng: np.random.Generator) -> Problem:
    """The value is printed with twelve digits and read again, as from another program."""
    c = rng.normal(size=4)

    def smooth(x: Any) -> Any:
        return np.sum(np.cos(c * x)) + x[0] * x[3]

    def g(x: Any, bug: Bug) -> Any:
        return -c * np.sin(c * x) + bug("term:product", np.array([x[3], 0.0, 0.0, x[0]]))

    return Problem(lambda x: float(f"{smooth(real(x)):.11e}"), g, rng.normal(size=4), smooth)


@problem("quadrature")
def integral(rng: np.random.Generator) -> Problem:
    """A Gaussian integral by scipy.integrate.quad; its value is an erf."""

    def f(p: Any) -> Any:
        return p[1] * integrate.quad(lambda t: np.exp(-p[0] * t * t), 0.0, 2.0)[0]

    def analytic(p: Any) -> Any:
        return p[1] * 0.5 * np.sqrt(np.pi / p[0]) * special.erf(2 * np.sqrt(p[0]))

    def g(p: Any, bug: Bug) -> Any:
        a, c = p
        value = 0.5 * np.sqrt(np.pi / a) * special.erf(2 * np.sqrt(a))
        slope = -value / (2 * a) + bug("term:limit", np.exp(-4 * a) / a)
        return np.array([c * slope, value])

    return Problem(f, g, np.array([0.8, 1.7]), analytic)


@problem("random")
def monte_carlo(rng: np.random.Generator) -> Problem:
    """An average over draws that a seed inside of f fixes."""

    def draws() -> Any:
        return np.random.default_rng(5).normal(size=200)

    def g(p: Any, bug: Bug) -> Any:
        z = draws()
        weight = 1 / (1 + np.exp(-(p[0] + np.exp(p[1]) * z)))
        return np.array([np.mean(weight), np.mean(weight * z) * bug("chain:log scale", np.exp(p[1]), 1.0)])

    return Problem(lambda p: np.mean(np.log1p(np.exp(p[0] + np.exp(p[1]) * draws()))), g, np.array([0.4, -0.6]))


@problem("iteration")
def gauss_seidel(rng: np.random.Generator) -> Problem:
    """A linear system in place, sweeps until the change is below 1e-11."""
    n = 6
    A = rng.uniform(-1, 1, (n, n)) + 6 * np.eye(n)
    c = rng.normal(size=n)

    def f(b: Any) -> Any:
        u = np.zeros(n)
        change = 1.0
        while change > 1e-11:
            change = 0.0
            for i in range(n):
                new = (b[i] - A[i] @ u + A[i, i] * u[i]) / A[i, i]
                change = max(change, abs(new - u[i]))
                u[i] = new
        return np.sum(c * u * u)

    def g(b: Any, bug: Bug) -> Any:
        u = np.linalg.solve(A, b)
        return np.linalg.solve(bug("transposed:adjoint", A.T, A), bug("factor:square", 2.0, 1.0) * c * u)

    return Problem(f, g, rng.normal(size=n), lambda b: np.sum(c * np.linalg.solve(A, b) ** 2))


@problem("table")
def cubic_table(rng: np.random.Generator) -> Problem:
    """Catmull-Rom interpolation in a table: once differentiable, curvature jumps at the nodes."""
    y = rng.normal(size=12)

    def pieces(x: Any) -> Any:
        i = np.floor(np.real(x)).astype(int)
        a, b, c, d = y[i - 1], y[i], y[i + 1], y[i + 2]
        return x - i, b, 0.5 * (c - a), a - 2.5 * b + 2 * c - 0.5 * d, 0.5 * (d - a) + 1.5 * (b - c)

    def value(x: Any) -> Any:
        t, k0, k1, k2, k3 = pieces(x)
        return np.sum(k0 + t * (k1 + t * (k2 + t * k3)))

    def g(x: Any, bug: Bug) -> Any:
        t, _, k1, k2, k3 = pieces(x)
        return k1 + t * (2 * k2 + bug("factor:power", 3.0, 2.0) * t * k3)

    return Problem(lambda x: value(real(x)), g, np.array([1.3, 2.75, 5.5, 7.1, 8.92]), value)
