"""The functions of ``fixtures/``, as they stand there.

For another library the file is loaded with that library's namespace in the place of ``np`` and the arrays of the module
as that library's. That is what "change the import" comes to; where more would have to be changed, the library fails.
"""

from __future__ import annotations

import importlib.util
import operator
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy

from benchmarks.speed.workload import Problem, Workload

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"


def loaded(name: str) -> ModuleType:
    """A fixture as a module of its own, not shared with other callers."""
    path = FIXTURES / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"speed_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fixture(
    name: str, function: Callable[[ModuleType], Callable[..., Any]], x: Any, operation: str, **more: Any
) -> Problem:
    """A function of a fixture.

    Args:
        name: the file, without ``.py``.
        function: takes the function out of the module.
        x: the point, or the name of the constant of the module that is the point.
        more: arrays that are put into the module beside its own.
    """
    arrays = {key: numpy.array(value) for key, value in more.items()}
    arrays |= {key: value for key, value in vars(loaded(name)).items() if isinstance(value, numpy.ndarray)}

    def program(np: Any, d: SimpleNamespace) -> Callable[[Any], Any]:
        module = loaded(name)
        constants = vars(d)
        replaced = {id(vars(module).get(key)): value for key, value in constants.items()}
        vars(module).update(constants, np=np)
        for f in vars(module).values():
            if isinstance(f, FunctionType) and f.__defaults__:  # bound when the file was loaded
                f.__defaults__ = tuple(replaced.get(id(value), value) for value in f.__defaults__)
        return function(module)

    return Problem(program, arrays[x] if isinstance(x, str) else x, arrays, operation=operation)


def _row(
    name: str,
    called: str,
    x: Any,
    operation: str = "gradient",
    take: Callable[[ModuleType], Any] | None = None,
    **more: Any,
) -> Workload:
    def build(_: numpy.random.Generator) -> Problem:
        function = take or operator.attrgetter(called)
        return fixture(name, function, numpy.array(x) if isinstance(x, list) else x, operation, **more)

    return Workload(f"fixtures/{name}.py:{called}", build, build)


WORKLOADS = [
    # By sigma: by spot, what a library loses in math.log cancels, and the wrong derivative is right.
    _row("black_scholes", "call", 0.25, take=lambda m: lambda sigma: m.call(sigma=sigma)),
    _row("decay", "residuals", [4.0, 0.8, 1.2], "jacobian"),
    _row("epidemic", "cost", "RATES"),
    _row("factor_analysis", "discrepancy", [[0.9, 0.4, -0.2], [0.1, 0.7, 0.8]]),
    _row("gaussian_process", "objective", [0.1, 0.2, -1.0]),
    _row("heat", "cost", "U0"),
    _row("kalman", "nll", [-1.0, -0.5, 0.8]),
    _row("lennard_jones", "energy", "POSITIONS"),
    _row("logistic", "loss", [0.2, 1.0, -1.5]),
    _row("mlp", "loss", "THETA0"),
    _row("morse", "potential", 0.9),
    _row("pde", "misfit", "M0"),
    _row("pharmacokinetics", "misfit", "THETA0"),
    _row("poisson", "nll", [0.4, -0.7, 0.5], take=lambda m: m.make_model(m.DESIGN, m.COUNTS, 0.5)[0]),
    _row("quadrature", "f", [0.5, -0.3, 0.8, 1.1, 0.2]),
    _row(
        "ratings",
        "loss",
        [[0.9, 0.4, -0.2], [0.1, 0.7, 0.8]],
        take=lambda m: lambda users: m.loss(users, m.ITEMS),
        ITEMS=[[1.1, 0.3, 0.6], [-0.4, 0.8, 1.5]],
    ),
    _row("rosenbrock_class", "Rosenbrock.fun", [0.8, 1.1, -0.4, 0.6, 1.3], take=lambda m: m.Rosenbrock().fun),
    _row("softmax", "cross_entropy", [[0.5, -0.3, 0.2], [0.1, 0.4, -0.6]]),
]
