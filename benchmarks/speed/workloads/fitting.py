"""Losses of models that are fitted to data: one layer, a network, logistic regression, a Gaussian process."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy

from benchmarks.speed.workload import Problem, Program, family

Dot = Callable[[Any, Any], Any]


def _with_dot(program: Callable[..., Callable[[Any], Any]]) -> tuple[Program, dict[str, Program]]:
    """The program with np.dot, and with ``@`` for MyGrad, which has no dot, and PyTorch, whose dot wants vectors."""

    def dotted(np: Any, d: SimpleNamespace) -> Any:
        return program(np, d, np.dot)

    return dotted, dict.fromkeys(("mygrad", "torch"), partial(program, dot=operator.matmul))


def layer(rng: numpy.random.Generator, samples: int, inputs: int, outputs: int) -> Problem:
    """One layer without biases."""

    def program(np: Any, d: SimpleNamespace, dot: Dot) -> Callable[[Any], Any]:
        return lambda w: np.sum(np.tanh(dot(d.inputs, w)) ** 2)

    data = {"inputs": rng.normal(size=(samples, inputs))}
    dotted, variants = _with_dot(program)
    return Problem(dotted, 0.1 * rng.normal(size=(inputs, outputs)), data, variants=variants)


def network(rng: numpy.random.Generator, samples: int, inputs: int, hidden: int) -> Problem:
    """Two layers with biases, the parameters a list of four arrays."""

    def program(np: Any, d: SimpleNamespace, dot: Dot) -> Callable[[Any], Any]:
        def f(parameters: Any) -> Any:
            w1, b1, w2, b2 = parameters
            hidden = np.tanh(dot(d.inputs, w1) + b1)
            return np.mean((dot(hidden, w2) + b2 - d.labels) ** 2)

        return f

    data = {"inputs": rng.normal(size=(samples, inputs)), "labels": rng.normal(size=(samples, 1))}
    parameters = [
        0.1 * rng.normal(size=(inputs, hidden)),
        rng.normal(size=hidden),
        rng.normal(size=(hidden, 1)),
        rng.normal(size=1),
    ]
    dotted, variants = _with_dot(program)
    return Problem(dotted, parameters, data, variants=variants)


def logistic(rng: numpy.random.Generator, samples: int, features: int) -> Problem:
    """Logistic regression with a ridge penalty."""

    def program(np: Any, d: SimpleNamespace, dot: Dot) -> Callable[[Any], Any]:
        return lambda w: np.mean(np.log1p(np.exp(-d.labels * dot(d.data, w)))) + 0.1 * np.sum(w**2)

    data = {"data": rng.normal(size=(samples, features)), "labels": rng.integers(0, 2, samples) * 2.0 - 1.0}
    dotted, variants = _with_dot(program)
    return Problem(dotted, 0.1 * rng.normal(size=features), data, variants=variants)


def gaussian_process(rng: numpy.random.Generator, n: int) -> Problem:
    """Minus the log marginal likelihood by a Cholesky factor; logs of length scale, signal and noise."""
    from scipy import linalg

    at = numpy.sort(rng.uniform(0.0, 10.0, n))
    data = {
        "squared": (at[:, None] - at) ** 2,
        "unit": numpy.eye(n),
        "y": numpy.sin(at) + 0.3 * rng.normal(size=n),
    }

    def with_solver(solver: Callable[[], Callable[[Any, Any], Any]]) -> Program:
        def program(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
            solve = solver()

            def f(theta: Any) -> Any:
                e = np.exp(theta)
                K = e[1] ** 2 * np.exp(-0.5 * d.squared / e[0] ** 2) + e[2] ** 2 * d.unit
                L = np.linalg.cholesky(K)
                z = solve(L, d.y)
                return 0.5 * np.sum(z**2) + np.sum(np.log(np.diag(L)))

            return f

        return program

    def scipy() -> Any:
        return lambda L, y: linalg.solve_triangular(L, y, lower=True)

    def autograd() -> Any:
        from autograd.scipy.linalg import solve_triangular

        return lambda L, y: solve_triangular(L, y, lower=True)

    def advect() -> Any:
        return numpy.linalg.solve  # it has no scipy.linalg

    def jax() -> Any:
        from jax.scipy.linalg import solve_triangular

        return lambda L, y: solve_triangular(L, y, lower=True)

    def torch() -> Any:
        from torch.linalg import solve_triangular

        return lambda L, y: solve_triangular(L, y[:, None], upper=False)

    named = {"autograd": autograd, "advect": advect, "jax": jax, "torch": torch}
    variants = {name: with_solver(solver) for name, solver in named.items()}
    return Problem(with_solver(scipy), numpy.array([0.1, 0.2, -1.0]), data, variants=variants)


WORKLOADS = [
    *family(
        layer,
        {"samples": 4, "inputs": 3, "outputs": 2},
        {"MLP 100 x 50 x 20": ({"samples": 100, "inputs": 50, "outputs": 20}, "default readme")},
    ),
    *family(
        network,
        {"samples": 4, "inputs": 3, "hidden": 2},
        {
            "MLP 50-20-1, batch 100": ({"samples": 100, "inputs": 50, "hidden": 20}, "default readme"),
            "MLP 500-1000-1, batch 10^4": ({"samples": 10**4, "inputs": 500, "hidden": 1000}, "large"),
        },
    ),
    *family(
        logistic,
        {"samples": 6, "features": 3},
        {"logistic 2000 x 100": ({"samples": 2000, "features": 100}, "default readme")},
    ),
    *family(
        gaussian_process,
        {"n": 6},
        {
            "Gaussian process n = 50": ({"n": 50}, "default"),
            "Gaussian process n = 300": ({"n": 300}, "default"),
            "Gaussian process n = 1000": ({"n": 1000}, "large"),
        },
    ),
]
