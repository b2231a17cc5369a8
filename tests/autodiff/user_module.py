"""A user's module as users write them: names bound early, casts, a class with arrays, state at module level."""

from __future__ import annotations

import math as m
from math import exp, sin
from typing import Any

import numpy
from numpy import array, zeros
from numpy import full as filled
from numpy.linalg import norm as length

GRID = numpy.linspace(0.0, 1.0, 3)
STORE: dict[str, Any] = {}


def bound_early(x: Any) -> Any:
    y = zeros(2)
    y[0] = sin(x) * exp(x)
    y[1] = m.sqrt(x)
    return array([y[0], y[1], x]) @ filled(3, x) + length(array([x, 2.0]))


def casts(x: Any) -> Any:
    return float(x) * numpy.float64(x) + m.fsum([float(x), 1.0])


def in_dispatch_table(name: str) -> Any:
    return {"pair": lambda x: numpy.array([x, x * x]), "sum": lambda x: numpy.sum([x, x * x])}[name]


class Model:
    """Arrays as attributes, a method, a property, a cache."""

    def __init__(self) -> None:
        self.weights = numpy.array([[1.0, 2.0], [3.0, 4.0]])
        self.calls = 0

    @property
    def scale(self) -> float:
        return float(self.weights[0, 1])

    def energy(self, x: Any) -> Any:
        self.calls += 1
        state = numpy.zeros(2)
        state[:] = self.weights @ x
        return float(state[0] * state[1]) * self.scale

    def __call__(self, x: Any) -> Any:
        return self.energy(x) + 1.0


def keeps(x: Any) -> Any:
    STORE.setdefault("first", x * 2.0)
    return STORE["first"] * x


def keeps_plain(x: Any) -> Any:
    STORE["sum"] = STORE.get("sum", 0.0)
    return x * STORE["sum"]


def writes_to_global(x: Any) -> Any:
    GRID[1] = x
    return numpy.sum(GRID)


def swallows(x: Any) -> Any:
    try:
        return GRID.__setitem__(0, x)
    except Exception:
        return 3.0 * x


NOTHING = None


def looks_at_none(x: Any) -> Any:
    assert NOTHING is None, "a name that holds None was replaced"
    return sin(x)
