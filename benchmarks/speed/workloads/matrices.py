"""Derivatives that are matrices: Jacobians of three forms, a Hessian, and a Hessian times a vector."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy

from benchmarks.speed.workload import Problem, family
from benchmarks.speed.workloads.arrays import rosenbrock


def jacobian(rng: numpy.random.Generator, outputs: int, inputs: int) -> Problem:
    """One dense layer with a bias of its own in every output."""

    def program(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        return lambda x: np.tanh(d.A @ x + d.b) * d.b

    data = {"A": rng.normal(size=(outputs, inputs)) / inputs**0.5, "b": rng.normal(size=outputs)}
    return Problem(program, rng.normal(size=inputs), data, operation="jacobian")


WORKLOADS = [
    *family(
        jacobian,
        {"outputs": 4, "inputs": 3},
        {
            "Jacobian 1000 x 10": ({"outputs": 1000, "inputs": 10}, "default"),
            "Jacobian 10 x 1000": ({"outputs": 10, "inputs": 1000}, "default"),
            "Jacobian 100 x 100": ({"outputs": 100, "inputs": 100}, "default"),
        },
    ),
    *family(
        rosenbrock,
        {"n": 6, "operation": "hessian"},
        {"Hessian, Rosenbrock n = 100": ({"n": 100, "operation": "hessian"}, "default")},
    ),
    *family(
        rosenbrock,
        {"n": 6, "operation": "hvp"},
        {"Hessian times vector, Rosenbrock n = 10^5": ({"n": 10**5, "operation": "hvp"}, "default")},
    ),
]
