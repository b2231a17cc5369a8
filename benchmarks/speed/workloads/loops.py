"""Python loops over numbers, items and small arrays: what a call of the library costs, again and again."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy

from benchmarks.speed.workload import Problem, Program, family


def scalar_loop(rng: numpy.random.Generator, steps: int, kind: type = float) -> Problem:
    """A recurrence of one number."""

    def program(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        def f(x: Any) -> Any:
            y = x
            for _ in range(steps):
                y = y * 0.99 + x * 0.01 - y * x * 0.001
            return y

        return f

    def compiled(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        from jax import lax

        return lambda x: lax.fori_loop(0, steps, lambda _, y: y * 0.99 + x * 0.01 - y * x * 0.001, x)

    return Problem(program, kind(0.7), variants={"jax-jit": compiled})


def element_loop(rng: numpy.random.Generator, n: int) -> Problem:
    """A filter that writes its output item by item."""

    def program(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        def f(x: Any) -> Any:
            y = np.zeros(n)
            y[0] = x[0]
            for i in range(1, n):
                y[i] = 0.9 * y[i - 1] + x[i] * x[i]
            return np.sum(y)

        return f

    def like(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        def f(x: Any) -> Any:
            y = np.zeros_like(x)  # advect traces what is made like something traced
            y[0] = x[0]
            for i in range(1, n):
                y[i] = 0.9 * y[i - 1] + x[i] * x[i]
            return np.sum(y)

        return f

    def functional(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        def f(x: Any) -> Any:
            y = np.zeros(n).at[0].set(x[0])
            for i in range(1, n):
                y = y.at[i].set(0.9 * y[i - 1] + x[i] * x[i])
            return np.sum(y)

        return f

    def scanned(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        from jax import lax

        def step(before: Any, item: Any) -> Any:
            y = 0.9 * before + item * item
            return y, y

        return lambda x: x[0] + np.sum(lax.scan(step, x[0], x[1:])[1])

    variants: dict[str, Program] = {"advect": like, "jax": functional, "jax-jit": scanned}
    return Problem(program, rng.normal(size=n), variants=variants)


def kalman(rng: numpy.random.Generator, length: int) -> Problem:
    """Negative log-likelihood of a local trend with a cycle: four states, logs of two variances and a damping."""
    turn = 0.4
    F = numpy.zeros((4, 4))
    F[:2, :2] = [[1.0, 1.0], [0.0, 0.9]]
    F[2:, 2:] = [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]
    data = {
        "F": F,
        "Q": numpy.diag([0.3, 0.1, 0.2, 0.2]),
        "h": numpy.array([1.0, 0.0, 1.0, 0.0]),
        "m": numpy.zeros(4),
        "P": 10.0 * numpy.eye(4),
        "y": numpy.cumsum(0.3 * rng.normal(size=length)) + rng.normal(size=length),
    }

    def step(np: Any, d: SimpleNamespace, q: Any, r: Any, m: Any, P: Any, obs: Any) -> tuple[Any, Any, Any]:
        m = d.F @ m
        P = d.F @ P @ d.F.T + q * d.Q
        g = P @ d.h
        v = obs - d.h @ m
        S = d.h @ g + r
        K = g / S
        return m + K * v, P - K[:, None] * g, 0.5 * (np.log(2 * math.pi * S) + v**2 / S)

    def program(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        def f(theta: Any) -> Any:
            q, r = np.exp(theta[0]), np.exp(theta[1])
            m, P, total = d.m, d.P, 0.0
            for obs in d.y:
                m, P, term = step(np, d, q, r, m, P, obs)
                total = total + term
            return total

        return f

    def scanned(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        from jax import lax

        def f(theta: Any) -> Any:
            q, r = np.exp(theta[0]), np.exp(theta[1])

            def body(carry: Any, obs: Any) -> Any:
                m, P, term = step(np, d, q, r, carry[0], carry[1], obs)
                return (m, P), term

            return np.sum(lax.scan(body, (d.m, d.P), d.y)[1])

        return f

    return Problem(program, numpy.array([-1.0, 0.3]), data, variants={"jax-jit": scanned})


def runge_kutta(rng: numpy.random.Generator, steps: int) -> Problem:
    """Predator and prey by the classical Runge-Kutta method; the distance of the last state to a target."""
    h = 10.0 / steps
    data = {"start": numpy.array([1.0, 0.5]), "target": numpy.array([1.2, 0.8])}

    def rk4(rates: Callable[[Any], Any], y: Any) -> Any:
        k1 = rates(y)
        k2 = rates(y + 0.5 * h * k1)
        k3 = rates(y + 0.5 * h * k2)
        k4 = rates(y + h * k3)
        return y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)

    def program(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        def f(theta: Any) -> Any:
            a, b, c, e = theta[0], theta[1], theta[2], theta[3]

            def rates(y: Any) -> Any:
                return np.array([a * y[0] - b * y[0] * y[1], c * y[0] * y[1] - e * y[1]])

            y = d.start
            for _ in range(steps):
                y = rk4(rates, y)
            return np.sum((y - d.target) ** 2)

        return f

    def stacked(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        """Where ``array`` takes no list of traced numbers."""

        def f(theta: Any) -> Any:
            a, b, c, e = theta[0], theta[1], theta[2], theta[3]

            def rates(y: Any) -> Any:
                return np.stack([a * y[0] - b * y[0] * y[1], c * y[0] * y[1] - e * y[1]])

            y = d.start
            for _ in range(steps):
                y = rk4(rates, y)
            return np.sum((y - d.target) ** 2)

        return f

    def compiled(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        from jax import lax

        def f(theta: Any) -> Any:
            a, b, c, e = theta

            def rates(y: Any) -> Any:
                return np.array([a * y[0] - b * y[0] * y[1], c * y[0] * y[1] - e * y[1]])

            y = lax.fori_loop(0, steps, lambda _, y: rk4(rates, y), d.start)
            return np.sum((y - d.target) ** 2)

        return f

    variants: dict[str, Program] = dict.fromkeys(("torch", "mygrad", "advect"), stacked) | {"jax-jit": compiled}
    return Problem(program, numpy.array([1.1, 0.4, 0.1, 0.4]), data, variants=variants)


WORKLOADS = [
    *family(
        scalar_loop,
        {"steps": 7},
        {
            "scalar loop of np.float64, 10^3 steps": ({"steps": 10**3, "kind": numpy.float64}, "default readme"),
            "scalar loop of float, 10^3 steps": ({"steps": 10**3}, "default"),
            "scalar loop of float, 10^5 steps": ({"steps": 10**5}, "default"),
        },
    ),
    *family(
        element_loop,
        {"n": 6},
        {
            "element loop, 300 items": ({"n": 300}, "default readme"),
            "element loop, 3000 items": ({"n": 3000}, "default"),
        },
    ),
    *family(kalman, {"length": 5}, {"Kalman filter, 100 observations": ({"length": 100}, "default")}),
    *family(
        runge_kutta,
        {"steps": 20},
        {
            "Runge-Kutta, 10^3 steps": ({"steps": 10**3}, "default"),
            "Runge-Kutta, 10^4 steps": ({"steps": 10**4}, "large"),
        },
    ),
]
