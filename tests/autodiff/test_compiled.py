"""Compiled functions of the user's: numba's are traced in Python, others differentiated numerically at the call."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import AutodiffError, NumericDerivativeWarning, grad, hessian, jvp, noting

X = np.array([0.3, 0.7, 1.1])


def c_function(name: str) -> Any:
    library = ctypes.CDLL("msvcrt" if sys.platform == "win32" else ctypes.util.find_library("m"))
    function = getattr(library, name)
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double]
    return function


ccos = c_function("cos")


class Jitted:
    """What numba.njit makes, as far as a caller can tell: compiled for floats and arrays, nothing else is taken."""

    def __init__(self, py_func: Callable[..., Any]) -> None:
        self.py_func = py_func
        self.math = math.sin

    def __call__(self, *args: Any) -> Any:
        if any(type(a) not in (float, np.float64, np.ndarray) for a in args):
            raise TypeError("can't unbox array from PyObject into native value")
        assert math.sin is self.math, "compiled while names were replaced"
        return self.py_func(*args)


@Jitted
def inner(x: Any) -> Any:
    total = 0.0
    for i in range(x.size):
        total += math.sin(x[i]) * x[i]
    return total


@Jitted
def outer(x: Any) -> Any:
    y = np.empty_like(x)
    for i in range(x.size):
        y[i] = x[i] ** 2
    return inner(y)


def test_numba_function_is_traced_in_python() -> None:
    expected = 2 * X * (np.cos(X**2) * X**2 + np.sin(X**2))
    with noting() as notes:
        assert grad(outer)(X) == pytest.approx(expected, rel=1e-12)
        assert jvp(outer, (X,), (np.ones(3),))[1] == pytest.approx(expected.sum(), rel=1e-12)
        assert grad(lambda x: inner(x) * inner(X))(X) == pytest.approx(
            (np.cos(X) * X + np.sin(X)) * (np.sin(X) @ X), rel=1e-12
        )
    assert notes.numeric == []
    assert hessian(outer)(X).shape == (3, 3)
    assert isinstance(inner, Jitted)


def with_c(x: Any) -> Any:
    return x[1] * ccos(x[0]) + np.sum(x**2)


def test_c_function_is_numeric_and_labelled() -> None:
    expected = [-X[1] * math.sin(X[0]) + 2 * X[0], math.cos(X[0]) + 2 * X[1], 2 * X[2]]
    with noting() as notes:
        assert grad(with_c)(X) == pytest.approx(expected, rel=1e-8)
    assert [(name, where is not None) for name, where in notes.numeric] == [("ccos", True)]
    with noting():
        assert jvp(with_c, (X,), (np.ones(3),))[1] == pytest.approx(sum(expected), rel=1e-8)
    with pytest.warns(NumericDerivativeWarning, match="ccos"):
        grad(with_c)(X)
    with noting(strict=True), pytest.raises(AutodiffError, match=r"ccos has no derivative rule.*--strict"):
        grad(with_c)(X)
    with pytest.raises(AutodiffError, match="first order only"):
        hessian(with_c)(X)
    assert with_c(X) == X[1] * ccos(0.3) + np.sum(X**2)
